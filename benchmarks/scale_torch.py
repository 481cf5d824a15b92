"""The engines of ``scale_bits.py`` that are processes of ``torch.distributed``, on the CPU: plain tensors, and DTensors.

``python scale_torch.py plain|dtensor PROCESSES RANK FILE`` is one of the processes; they meet at the file.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from lsmx_torch.parallel import data_parallel, vocabulary_parallel
from scale_cases import UNEVEN, cases, cotangent, count, found, several_of, whole
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

import lsmx

N = UNEVEN[1]
FINITE = [0, 5, 6, 7, 12]  # rows of which a mean is a number


def cut(x: Any, dim: int, at: int, of: int) -> Any:
    """One of some parts, which are not of one size."""
    return np.array_split(x, of, axis=dim)[at]


def gradients_of(values: Any, g: np.ndarray, by: list[torch.Tensor]) -> list[torch.Tensor]:
    """By autograd."""
    return list(torch.autograd.grad(values, by, torch.from_numpy(g.copy())))


def along_rows(rank: int, processes: int, group: Any = None, split: str = "rows, uneven") -> None:
    """Each process has a part of every row."""
    for name, arrays, options, by in cases(*UNEVEN):
        parts = [cut(x, 1, rank, processes) if x.ndim == 2 and x.shape[1] == N else x for x in arrays]
        given = [torch.from_numpy(x.copy()) for x in parts]
        leaves = [x.requires_grad_() for x in given[: len(by)]]
        values, gradients = whole(name, arrays, options, by)
        out = several_of(vocabulary_parallel(name, *given, group=group, **options))
        divided = [x.ndim == 2 and x.shape[1] == N for x in values]
        wants = [cut(x, 1, rank, processes) if d else x for x, d in zip(values, divided, strict=True)]
        count(split, name, [x.detach() for x in out], wants)
        if by:
            g = cotangent(values[0])
            g = cut(g, 1, rank, processes) if divided[0] else g
            got = gradients_of(out[0], g, leaves)
            count(split, name, got, [cut(x, 1, rank, processes) for x in gradients])


def along_both(rank: int, processes: int, line: Any = None, across: Any = None) -> None:
    """Means over rows that are dealt out among processes, or among pairs of processes that have a part of each row."""
    rows, columns = (2, 2) if line else (processes, 1)
    split = "both, uneven" if line else "batch, uneven"
    r, c = divmod(rank, columns)
    for name, arrays, options, by in cases(*UNEVEN):
        if "reduction" not in options and "divergence" not in name:
            continue
        arrays = tuple(x[FINITE] for x in arrays)
        options = {**options, "reduction": "mean"}
        mine = [cut(x, 0, r, rows) for x in arrays]
        mine = [cut(x, 1, c, columns) if x.ndim == 2 else x for x in mine]
        given = [torch.from_numpy(x.copy()) for x in mine]
        leaves = [x.requires_grad_() for x in given[: len(by)]]
        want = getattr(lsmx, name)(*arrays, **options)
        assert np.isfinite(want), name
        t = [torch.from_numpy(x.copy()) for x in arrays]
        alone = [x.requires_grad_() for x in t[: len(by)]]
        wants = torch.autograd.grad(getattr(lsmx, name)(*t, **options), alone)
        with data_parallel(across):
            got = vocabulary_parallel(name, *given, group=line, **options) if line else getattr(lsmx, name)(*given, **options)
        count(split, name, [got.detach()], [want])
        count(split, name, torch.autograd.grad(got, leaves), [cut(cut(x.numpy(), 0, r, rows), 1, c, columns) for x in wants])


def of_dtensors(processes: int) -> None:
    """On a line, and, of four processes, on a grid."""
    line = init_device_mesh("cpu", (processes,))
    splits: dict[str, tuple[Any, list[Any]]] = {"batch, uneven": (line, [Shard(0)]), "rows, uneven": (line, [Shard(1)])}
    if processes == 4:
        grid = init_device_mesh("cpu", (2, 2))
        splits["both, uneven"] = grid, [Shard(0), Shard(1)]
        splits["rows, twice"] = grid, [Shard(1), Shard(1)]
    for split, (mesh, placed) in splits.items():
        everywhere = [Replicate()] * mesh.ndim
        for name, arrays, options, by in cases(*UNEVEN):
            given = [
                distribute_tensor(torch.from_numpy(x.copy()), mesh, placed if k < max(len(by), 1) else everywhere)
                for k, x in enumerate(arrays)
            ]
            leaves = [x.requires_grad_() for x in given[: len(by)]]
            values, gradients = whole(name, arrays, options, by)
            out: list[DTensor] = several_of(getattr(lsmx, name)(*given, **options))
            count(split, name, [x.full_tensor().detach() for x in out], values)
            if by:
                g = distribute_tensor(torch.from_numpy(np.asarray(cotangent(values[0]))), mesh, everywhere)
                count(split, name, [x.full_tensor() for x in torch.autograd.grad(out[0], leaves, g)], gradients)


def by_hand(rank: int, processes: int, z: torch.Tensor, target: torch.Tensor, alone: torch.Tensor) -> None:
    """The losses of tokens of the cross-entropy that is divided as it is commonly written, of parts and of whole rows."""
    from split_vocabulary import ByHand

    parts = torch.tensor_split(z, processes, dim=1)
    first = sum(x.shape[1] for x in parts[:rank])
    got = ByHand.apply(parts[rank], target, first)
    found["by hand"] = {"cross_entropy": [int((got == alone).sum()), len(alone)]}


def main(kind: str, number: str, at: str, meeting: str) -> None:
    """One process."""
    from split_vocabulary import ByHand

    processes, rank = int(number), int(at)
    torch.set_num_threads(1)
    z = torch.from_numpy((4 * np.random.default_rng(3).standard_normal((10000, N))).astype(np.float32))
    target = torch.from_numpy(np.random.default_rng(4).integers(0, N, 10000))
    alone = ByHand.apply(z, target, 0)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    if kind == "dtensor":
        of_dtensors(processes)
    else:
        along_rows(rank, processes)
        along_both(rank, processes)
        if processes == 4:
            grid = init_device_mesh("cpu", (2, 2), mesh_dim_names=("rows", "classes"))
            along_both(rank, processes, grid.get_group("classes"), grid.get_group("rows"))
        by_hand(rank, processes, z, target, alone)
    sys.stdout.write(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
