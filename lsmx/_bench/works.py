"""What is measured: shapes, and who computes on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import lsmx

Call = Callable[[], object]


@dataclass(frozen=True)
class Work:
    """One row of the table."""

    shape: tuple[int, int]
    dtype: str
    direction: str
    axis: int = -1

    @property
    def name(self) -> str:
        """For the table."""
        rows, n = self.shape
        return f"{rows} x {n}" + (" axis 0" if self.axis == 0 else "") + f" {self.dtype} {self.direction}"

    @property
    def size(self) -> int:
        """Elements."""
        return self.shape[0] * self.shape[1]


SHAPES = ((4096, 1024), (1024, 32000), (256, 128256))
DIRECTIONS = ("forward", "backward")


def works(quick: bool) -> list[Work]:
    """All that are measured."""
    long = [Work(s, dtype, d) for dtype in ("float32", "float64") for s in SHAPES for d in DIRECTIONS]
    short = [Work((1_000_000, 10), "float32", d) for d in DIRECTIONS]
    columns = [Work((2048, 2048), "float32", d, axis=0) for d in DIRECTIONS]
    small = [Work(s, "float32", "forward") for s in ((1, 3), (8, 10))]
    every = [*long, *short, *columns, *small]
    if not quick:
        return every
    return [Work((w.shape[0] // 16 or w.shape[0], w.shape[1]), w.dtype, w.direction, w.axis) for w in every if w.dtype == "float32"]


def plain_numpy(z: Any, axis: int) -> Any:
    """What one writes by hand."""
    x = z - z.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def contestants(work: Work) -> dict[str, Call]:
    """Calls by name; libraries that are not installed are left out."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(work.shape).astype(work.dtype)
    g = rng.standard_normal(work.shape).astype(work.dtype)
    forward = work.direction == "forward"
    make = (_forward if forward else _backward)(work, z, g)
    return {name: call for name, call in make.items() if call is not None}


def limit(z: Any) -> Call:
    """Reading and writing the array once."""
    out = np.zeros_like(z)
    return lambda: np.copyto(out, z)


def _forward(work: Work, z: Any, _: Any) -> dict[str, Call | None]:
    axis, out = work.axis, np.zeros_like(z)
    calls: dict[str, Call | None] = {
        "lsmx": lambda: lsmx.log_softmax(z, axis=axis),
        "lsmx, reused output": lambda: lsmx.log_softmax(z, axis=axis, out=out),
        "plain NumPy": lambda: plain_numpy(z, axis),
        "copy": limit(z),
    }
    try:
        import scipy.special

        calls["SciPy"] = lambda: scipy.special.log_softmax(z, axis=axis)
    except ImportError:
        pass
    try:
        import torch

        t, to = torch.from_numpy(z), torch.zeros(work.shape, dtype=getattr(torch, work.dtype))
        calls["torch"] = lambda: torch.log_softmax(t, axis)
        calls["torch, reused output"] = lambda: torch._log_softmax(t, axis, False, out=to)
        calls["lsmx on torch, reused output"] = lambda: lsmx.log_softmax(t, axis=axis, out=to)
    except ImportError:
        pass
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
        jitted, j = jax.jit(lambda x: jax.nn.log_softmax(x, axis)), jax.numpy.asarray(z)
        calls["JAX, jit"] = lambda: jitted(j).block_until_ready()
    except ImportError:
        pass
    return calls


def _backward(work: Work, z: Any, g: Any) -> dict[str, Call | None]:
    axis, y, out = work.axis, lsmx.log_softmax(z, axis=work.axis), np.zeros_like(z)
    calls: dict[str, Call | None] = {
        "lsmx": lambda: lsmx.log_softmax_backward(g, y, axis=axis),
        "lsmx, reused output": lambda: lsmx.log_softmax_backward(g, y, axis=axis, out=out),
        "plain NumPy": lambda: g - np.exp(y) * g.sum(axis=axis, keepdims=True),
        "copy": limit(z),
    }
    try:
        import torch

        tg, ty, kind = torch.from_numpy(g), torch.from_numpy(y), getattr(torch, work.dtype)
        to, rule = torch.zeros(work.shape, dtype=kind), torch.ops.aten._log_softmax_backward_data
        calls["torch"] = lambda: rule(tg, ty, axis, kind)
        calls["torch, reused output"] = lambda: rule.out(tg, ty, axis, kind, out=to)
        calls["lsmx on torch, reused output"] = lambda: lsmx.log_softmax_backward(tg, ty, axis=axis, out=to)
    except ImportError:
        pass
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
        jitted = jax.jit(lambda a, b: a - jax.numpy.exp(b) * a.sum(axis, keepdims=True))
        jg, jy = jax.numpy.asarray(g), jax.numpy.asarray(y)
        calls["JAX, jit"] = lambda: jitted(jg, jy).block_until_ready()
    except ImportError:
        pass
    return calls
