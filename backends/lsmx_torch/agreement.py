"""Processes compare their calls before they compute together: if they differ, or one of them fails, all raise."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
import torch.distributed as dist

import lsmx
from lsmx import ARITHMETIC_VERSION, ArgumentError, LsmxError, PartError
from lsmx.extend import normal_axes

FUNCTIONS = (
    "log_softmax",
    "softmax",
    "logsumexp",
    "log_prob",
    "entropy",
    "cross_entropy",
    "kl_divergence",
    "js_divergence",
    "row_sums",
    "token_stats",
    "linear_cross_entropy",
    "linear_log_prob",
)
Said = dict[str, Any]
_tried: set[str] = set()
"""Calls that this process has tried once, without an error."""


def agreed(group: Any, name: str, arrays: tuple[Any, ...], axis: Any, options: dict[str, Any]) -> list[int]:
    """The lengths of all parts along the axis, once all processes have said that they compute the same."""
    error, length = None, 0
    try:
        said, length = described(name, arrays, axis, options)
        tried(name, arrays, axis, options)
    except (LsmxError, NotImplementedError, RuntimeError) as problem:
        error, said = problem, {"error": f"{type(problem).__name__}: {problem}"}
    least, largest = bounds(arrays, options) if error is None else (0, 0)
    digest = int.from_bytes(hashlib.blake2b(repr(said).encode(), digest_size=7).digest(), "big")
    device = arrays[0].device if arrays and isinstance(arrays[0], torch.Tensor) else "cpu"
    mine = torch.tensor([digest, length, least, largest], dtype=torch.int64, device=device)
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, mine, group=group)
    table = torch.stack(parts).tolist()
    if len({row[0] for row in table}) > 1 or error is not None:
        everybody: list[Any] = [None] * len(table)
        dist.all_gather_object(everybody, said, group=group)
        if error is not None:
            raise error
        raise PartError(f"{name}: {'; '.join(differences(everybody))}")
    lengths = [row[1] for row in table]
    for process, (_, _, least, largest) in enumerate(table):
        for value in (least, largest):
            if not 0 <= value < max(sum(lengths), 1):
                n = sum(lengths)
                raise lsmx.ClassError(
                    f"{name}: process {process} has {value}, which is no class of a row of {n}; accepted are 0 to {n - 1}"
                )
    return lengths


def described(name: str, arrays: tuple[Any, ...], axis: Any, options: dict[str, Any]) -> tuple[Said, int]:
    """What has to be the same in all processes, and the length of this process's part of a row."""
    if name not in FUNCTIONS:
        raise ArgumentError(f"function: {name!r} is none that can be divided; accepted are {', '.join(FUNCTIONS)}")
    linear = name.startswith("linear_")
    if len(arrays) < 1 + linear or not all(isinstance(x, torch.Tensor) for x in arrays):
        kinds = ", ".join(type(x).__name__ for x in arrays)
        raise lsmx.ArrayTypeError(f"{name}: given ({kinds}); pass PyTorch tensors, as to lsmx.{name}")
    z = arrays[linear]
    axes = (0,) if linear else normal_axes(axis, z.dim())
    if len(axes) != 1:
        raise lsmx.AxisError(f"{name}: axis {axis!r}, but rows that processes have parts of lie along one axis; pass an integer")
    (a,) = axes
    said = {
        "function": name,
        "rows of shape": tuple(arrays[0].shape if linear else (n for i, n in enumerate(z.shape) if i != a)),
        "dtype": str(z.dtype),
        "axis": a,
        "options": {key: "a tensor" if isinstance(x, torch.Tensor) and x.dim() else x for key, x in sorted(options.items())},
        "ARITHMETIC_VERSION": ARITHMETIC_VERSION,
    }
    return said, z.shape[a]


def tried(name: str, arrays: tuple[Any, ...], axis: Any, options: dict[str, Any]) -> None:
    """Raise what the call would raise, before other processes wait for this one: it is run once on meta tensors."""
    tensors = [(k, tuple(x.shape), x.dtype) for k, x in (*enumerate(arrays), *options.items()) if isinstance(x, torch.Tensor)]
    call = repr((name, tensors, axis, {k: x for k, x in options.items() if not isinstance(x, torch.Tensor)}))
    if call in _tried:
        return
    with torch.no_grad():
        given, beside = [x.to("meta") for x in arrays], {k: on_meta(x) for k, x in options.items()}
        if name.startswith("linear_"):
            getattr(lsmx, name)(*given, **beside)
        else:
            lsmx.partial(name, *given, size=max(int(arrays[0].shape[axis]), 1), axis=axis, **beside)
    _tried.add(call)


def on_meta(x: Any) -> Any:
    """A tensor without its numbers."""
    return x.to("meta") if isinstance(x, torch.Tensor) and x.dim() else x


def bounds(arrays: tuple[Any, ...], options: dict[str, Any]) -> tuple[int, int]:
    """The least and the largest class that is asked for, where that can be seen without waiting for a device."""
    for x in arrays[1:]:
        if x.device.type == "cpu" and not x.is_floating_point() and x.numel():
            ignored = options.get("ignore_index", -100)
            counted = x if ignored is None else x[x.long() != ignored]
            return (int(counted.min()), int(counted.max())) if counted.numel() else (0, 0)
    return 0, 0


def differences(everybody: list[Said]) -> list[str]:
    """What processes say differently, in words."""
    failed = [f"process {i} raised {said['error']}" for i, said in enumerate(everybody) if "error" in said]
    if failed:
        return failed
    first = everybody[0]
    return [
        f"{key} {first[key]!r} in process 0, {other[key]!r} in process {i}"
        for key in first
        for i, other in enumerate(everybody)
        if other[key] != first[key]
    ]
