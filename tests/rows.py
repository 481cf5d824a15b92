"""Rows of every kind, in every dtype, and the two ways of computing on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import lsmx
from lsmx import extend
from lsmx.testing import differing, quantise

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
DTYPES = ("float16", "bfloat16", "float32", "float64")
KINDS = 25


def nasty(seed: int, rows: int, n: int, only: int | None = None) -> np.ndarray:
    """Rows of every kind that the kernels treat in their own way, and of those that go wrong elsewhere."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((rows, n)) * rng.choice([0.1, 1.0, 6.0, 40.0], (rows, 1))
    kind = np.arange(rows) % KINDS if only is None else np.full(rows, only)
    z[kind == 1, 0] = np.inf
    z[kind == 2, -1] = np.nan
    z[kind == 3] = -np.inf
    z[kind == 4, ::2] = -np.inf
    z[kind == 5] *= 1e30
    z[kind == 6, n // 2] += 30  # one logit outweighs the others
    z[kind == 7] *= 1e-30
    z[kind == 8] = 0.0
    z[kind == 9] -= 1e8
    z[kind == 10] *= 3e-39  # subnormal in float32
    z[kind == 11] *= 1e37
    z[kind == 12, 0] = -80.0  # underflow begins
    z[kind == 13] = -3.0
    z[kind == 14, 0] += 12
    z[kind == 15] = np.round(z[kind == 15])
    z[kind == 16] = np.where(np.arange(n) == n // 3, -1.0, 0.0)
    z[kind == 17] = np.where(np.arange(n) % 3, 2.0**-60, -1.0)  # a cotangent with entries that flushing may touch
    z[kind == 18] = np.where(np.arange(n) % 2, 1.0, -1.0)  # a cotangent whose sum is 0
    z[kind == 19, 0] = 3e38
    z[kind == 20] = np.where(np.arange(n) == n // 2, np.nan, np.arange(n) % 2)  # nothing but the NaN is out of the ordinary
    z[kind == 21] = np.where(np.arange(n) == n // 2, np.inf, np.arange(n) % 2)
    z[kind == 22, n // 3] += rng.uniform(30, 90)  # ... by so much that their terms are hardly there
    z[kind == 23] = np.where(np.arange(n) < 2, 1.5, -20.0 - 60.0 * rng.random(n))  # two maxima
    z[kind == 24] = np.where(np.arange(n) == n // 2, 1e-40, -84.0 - 4.0 * rng.random(n))  # terms about the least normal number
    return z


def made(values: np.ndarray, dtype: str) -> Any:
    """An array: NumPy's, or PyTorch's for the dtype that NumPy lacks."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(quantise(values, dtype)).to(torch.bfloat16) if dtype == "bfloat16" else values.astype(dtype)


def bits(x: Any) -> np.ndarray:
    return x.float().numpy() if isinstance(x, torch.Tensor) else x


def residual(function: str, z: Any, out: Any) -> tuple[Any, ...]:
    """What the public derivatives take beside a vector."""
    return (z, out) if function == "logsumexp" else (out,)


def by_autograd(function: str, direction: str, vector: Any, z: Any, out: Any, axis: Any = -1, where: Any = None) -> Any:
    """The derivative that autograds take: of log-softmax in 16 bits it is at the input."""
    operator = lsmx.registered()[function]
    rules = operator.function
    if rules.narrow is not None and extend.dtype_name(z.dtype) in ("float16", "bfloat16"):
        rules, direction = rules.narrow, f"{direction}_z"
    name = next(iter(operator.operations[direction].takes))
    at = {"z": z, "output": out}
    return operator.derivative(direction, {name: vector}, {n: at[n] for n in rules.residual}, axis, where)


def check(function: str, z: Any, g: Any, axis: Any = -1, where: Any = None) -> None:
    """Forward and backward, as they are called and by the definition."""
    results = []
    for name in ("reference", lsmx.backend_for(z).name):
        with lsmx.using(name):
            out = getattr(lsmx, function)(z, axis=axis, where=where)
            ct = g
            if function == "logsumexp":
                ct = np.asarray(g.max(axis=axis)) if isinstance(g, np.ndarray) else torch.amax(g, axis)
            dz = getattr(lsmx, f"{function}_backward")(ct, *residual(function, z, out), axis=axis, where=where)
        results.append((bits(out), bits(dz)))
    for want, got in zip(*results, strict=True):
        assert differing(got, want) is None
