"""What parts of rows say to each other, function by function: tables of ``docs/scale.md``, made by calling the functions."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

import lsmx

ROWS, PART, SIZE = 4, 8, 128256
Case = tuple[str, str, tuple[Any, ...], dict[str, Any]]


def cases(dtype: str) -> list[Case]:
    """Every function that can be computed of parts: how it is named in the table, its name, a part of its arrays, and options."""
    rng = np.random.default_rng(0)
    z, w, t, q = rng.standard_normal((4, ROWS, PART)).astype(dtype)
    out, each, lse, q = -np.abs(w), t[:, 0], z[:, 0], np.abs(q)
    i, three, no = rng.integers(0, PART, ROWS), rng.integers(0, PART, (ROWS, 3)), {"reduction": "none"}
    smooth = {"label_smoothing": 0.1, **no}
    plain: list[tuple[str, tuple[Any, ...]]] = [
        ("log_softmax", (z,)), ("log_softmax_backward", (t, out)), ("log_softmax_jvp", (t, out)),
        ("softmax", (z,)), ("softmax_backward", (t, q)), ("softmax_jvp", (t, q)),
        ("logsumexp", (z,)), ("logsumexp_backward", (each, z, lse)), ("logsumexp_jvp", (t, z, lse)),
        ("row_sums", (z,)), ("token_stats", (z, i)),
        ("log_prob", (z, i)), ("log_prob_backward", (each, z, i)), ("log_prob_jvp", (t, z, i)),
        ("entropy", (z,)), ("entropy_backward", (each, z)), ("entropy_jvp", (t, z)),
        ("kl_divergence", (z, w)), ("kl_divergence_backward", (each, z, w)), ("kl_divergence_jvp", (t, None, z, w)),
        ("js_divergence", (z, w)), ("js_divergence_backward", (each, z, w)), ("js_divergence_jvp", (t, None, z, w)),
    ]  # fmt: skip
    losses: list[tuple[str, Any, dict[str, Any]]] = [("classes", i, no), ("smoothed", i, smooth), ("probabilities", q, no)]
    return [
        *((f"`{name}`", name, arrays, {}) for name, arrays in plain),
        ("`log_prob`, three classes", "log_prob", (z, three), {}),
        *((f"`cross_entropy`, {what}", "cross_entropy", (z, y), more) for what, y, more in losses),
        *((f"`cross_entropy_backward`, {what}", "cross_entropy_backward", (each, z, y), more) for what, y, more in losses),
        *((f"`cross_entropy_jvp`, {what}", "cross_entropy_jvp", (t, z, y), more) for what, y, more in losses),
    ]


@functools.cache
def rounds(dtype: str, size: int = SIZE) -> dict[str, list[list[tuple[str, int]]]]:
    """What is said in each round of each function: how it is merged, and bytes a row; other parts say the same."""
    said: dict[str, list[list[tuple[str, int]]]] = {}
    for title, name, arrays, options in cases(dtype):
        whole, said[title] = None, []
        while whole is None or not whole.complete:
            part = lsmx.partial(name, *arrays, size=size, whole=whole, **options)
            assert part.nbytes % ROWS == 0, title
            said[title].append([(how, sum(x.nbytes for x in numbers) // ROWS) for how, numbers in part.said.values()])
            whole = dataclasses.replace(part, elements=size)
    return said


def rounds_table() -> str:
    """A line for each function: rounds, bytes, and how often the three steps call it on a part."""
    lines = ["| function | rounds | bytes a row in each, float32 | in all | float64 | in all | calls |", "|---" * 7 + "|"]
    wide = rounds("float64")
    for title, said in rounds("float32").items():
        cells = [title, str(len(said))]
        for of_one in (said, wide[title]):
            each = [sum(n for _, n in one) for one in of_one]
            cells += [" + ".join(map(str, each)), str(sum(each))]
        lines.append(f"| {' | '.join([*cells, str(len(said) + 1)])} |")
    return "\n".join(lines)


ASKED: dict[str, dict[str, Any]] = {
    "log_softmax": {}, "softmax": {}, "logsumexp": {}, "log_prob": {}, "entropy": {},
    "cross_entropy": {"reduction": "none"}, "kl_divergence": {}, "js_divergence": {},
}  # fmt: skip
Collectives = tuple[tuple[str, int], ...]


@functools.cache
def collectives(name: str) -> tuple[Collectives, Collectives]:
    """The collectives of a forward and a backward pass of ``vocabulary_parallel``, but the first, and their bytes a row."""
    import torch
    import torch.distributed as dist
    from lsmx_torch.parallel import vocabulary_parallel

    z, w = torch.randn(2, ROWS, PART).requires_grad_().unbind()
    others = {"log_prob": (torch.arange(ROWS),), "cross_entropy": (torch.arange(ROWS),)}.get(name, (w,) if "diver" in name else ())
    said: list[tuple[str, int]] = []
    whole: dict[str, tuple[Any, int]] = {"all_reduce": (dist.all_reduce, 0), "all_gather": (dist.all_gather, 1)}

    def counted(kind: str, *args: Any, **options: Any) -> Any:
        call, at = whole[kind]
        said.append((kind, args[at].nbytes // ROWS))
        return call(*args, **options)

    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        for kind in whole:
            setattr(dist, kind, functools.partial(counted, kind))
        out = vocabulary_parallel(name, z, *others, **ASKED[name])
        forward, said = said[1:], []
        out.backward(torch.ones_like(out))
    finally:
        for kind, (call, _) in whole.items():
            setattr(dist, kind, call)
        dist.destroy_process_group()
    return tuple(forward), tuple(said)


def collectives_table() -> str:
    """A line for each function: how many collectives, of how many bytes a row, forward and backward."""
    lines = ["| function | forward: all-gathers | all-reduces | backward: all-gathers | all-reduces |", "|---" * 5 + "|"]
    for name in ASKED:
        cells = []
        for passed in collectives(name):
            for kind in ("all_gather", "all_reduce"):
                sizes = [n for found, n in passed if found == kind]
                cells.append(f"{len(sizes)}: {' + '.join(map(str, sizes))}" if sizes else "")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)
