"""Rows of contiguous arrays: long, short, and down the first axis; the output reused and fresh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import lsmx
from lsmx._bench.works import DIRECTIONS, Call, Row, Target, Work, drawn, fewer, jax_or_none, of_target, optional

OURS, TORCH, SCIPY, JAX = "lsmx", "torch", "SciPy", "JAX, jit"
OURS_REUSED, TORCH_REUSED = "lsmx, reused output", "torch, reused output"
LARGE = 64_000_000  # bytes of an output whose pages are new in every call


@dataclass(frozen=True)
class Asked:
    """What is asked for of a shape, in both directions."""

    group: str
    ours: str
    other: str
    forward: float | None
    backward: float | None

    def of(self, direction: str) -> Target:
        """Of one direction."""
        return Target(f"{self.group}, {direction}", self.ours, self.other, getattr(self, direction))


FRESH = [Asked("fresh output of 64 MB and more", OURS, other, ratio, ratio) for other, ratio in ((TORCH, 2.0), (SCIPY, 3.0))]


def reused(group: str, other: str, forward: float | None, backward: float | None) -> Asked:
    """With the output reused."""
    return Asked(group, OURS_REUSED, other, forward, backward)


def table() -> list[tuple[tuple[int, int], str, int, list[Asked]]]:
    """Shape, dtype, axis, and what is asked for."""
    long = [reused("rows of 1000 to 128256, float32", TORCH_REUSED, of_target(avx2=1.6, avx512=1.3), 1.05)]
    double = [reused("rows of 1000 to 32000, float64", TORCH_REUSED, 1.4, 1.0)]
    tens, hundreds, columns = "rows of 10, float32", "rows of 100, float32", "axis 0 of 2048 x 2048, float32"
    others = [(SCIPY, 8.0), (JAX, 1.5)]
    return [
        ((4096, 1000), "float32", -1, long),
        ((1024, 32000), "float32", -1, long),
        ((256, 128256), "float32", -1, long),
        ((4096, 1000), "float64", -1, double),
        ((512, 32000), "float64", -1, double),
        ((1_000_000, 10), "float32", -1, [reused(tens, TORCH_REUSED, 1.5, 1.5), *(reused(tens, who, r, r) for who, r in others)]),
        (
            (65536, 100),
            "float32",
            -1,
            [reused(hundreds, TORCH_REUSED, 1.5, 1.0), *(reused(hundreds, who, r, r) for who, r in others)],
        ),
        ((2048, 2048), "float32", 0, [reused(columns, TORCH_REUSED, 2.2, 3.0)]),
    ]


def large_rows(share: int) -> list[Row]:
    """All of them, in both directions."""
    rows = []
    for shape, dtype, axis, asked in table():
        large = shape[0] * shape[1] * np.dtype(dtype).itemsize >= LARGE
        for direction in DIRECTIONS:
            work = Work((fewer(shape[0], share), shape[1]), dtype, direction, axis)
            targets = tuple(one.of(direction) for one in asked + FRESH * large)
            rows.append(Row(work.name, work.size, partial(contestants, work), targets))
    return rows


def contestants(work: Work) -> dict[str, Call]:
    """Calls by name; libraries that are not installed are left out."""
    z, g = drawn(work.shape, work.dtype)
    out = np.zeros_like(z)
    return {**(forward if work.direction == "forward" else backward)(work, z, g), "copy": lambda: np.copyto(out, z)}


def plain_numpy(z: Any, axis: int) -> Any:
    """What one writes by hand."""
    x = z - z.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def forward(work: Work, z: Any, _: Any) -> dict[str, Call]:
    """Log-softmax."""
    axis, out = work.axis, np.zeros_like(z)
    calls: dict[str, Call] = {
        OURS: lambda: lsmx.log_softmax(z, axis=axis),
        OURS_REUSED: lambda: lsmx.log_softmax(z, axis=axis, out=out),
        "plain NumPy": lambda: plain_numpy(z, axis),
    }
    if special := optional("scipy.special"):
        calls[SCIPY] = lambda: special.log_softmax(z, axis=axis)
    if torch := optional("torch"):
        t, to = torch.from_numpy(z), torch.zeros(work.shape, dtype=getattr(torch, work.dtype))
        calls[TORCH] = lambda: torch.log_softmax(t, axis)
        calls[TORCH_REUSED] = lambda: torch._log_softmax(t, axis, False, out=to)
        calls["lsmx on torch, reused output"] = lambda: lsmx.log_softmax(t, axis=axis, out=to)
    if jax := jax_or_none():
        jitted, j = jax.jit(lambda x: jax.nn.log_softmax(x, axis)), jax.numpy.asarray(z)
        calls[JAX] = lambda: jitted(j).block_until_ready()
    return calls


def backward(work: Work, z: Any, g: Any) -> dict[str, Call]:
    """Its gradient."""
    axis, y, out = work.axis, lsmx.log_softmax(z, axis=work.axis), np.zeros_like(z)
    calls: dict[str, Call] = {
        OURS: lambda: lsmx.log_softmax_backward(g, y, axis=axis),
        OURS_REUSED: lambda: lsmx.log_softmax_backward(g, y, axis=axis, out=out),
        "plain NumPy": lambda: g - np.exp(y) * g.sum(axis=axis, keepdims=True),
    }
    if torch := optional("torch"):
        tg, ty, kind = torch.from_numpy(g), torch.from_numpy(y), getattr(torch, work.dtype)
        to, rule = torch.zeros(work.shape, dtype=kind), torch._log_softmax_backward_data
        calls[TORCH] = lambda: rule(tg, ty, axis, kind)
        calls[TORCH_REUSED] = lambda: rule(tg, ty, axis, kind, out=to)
        calls["lsmx on torch, reused output"] = lambda: lsmx.log_softmax_backward(tg, ty, axis=axis, out=to)
    if jax := jax_or_none():
        jitted = jax.jit(lambda a, b: a - jax.numpy.exp(b) * a.sum(axis, keepdims=True))
        jg, jy = jax.numpy.asarray(g), jax.numpy.asarray(y)
        calls[JAX] = lambda: jitted(jg, jy).block_until_ready()
    return calls
