"""Values for the passes of the compiled core: logits, vectors, and numbers a row, of the kinds that are hard."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Rows = Callable[[np.random.Generator, int, str], Values]
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
SPECIAL = np.asarray([np.inf, -np.inf, np.nan, -0.0, 0.0])


def limit(dtype: str) -> float:
    """Where the exponential becomes 0."""
    return 708.0 if dtype == "float64" else 87.0


def largest(dtype: str) -> float:
    """The largest finite number."""
    return float(ml_dtypes.finfo(DTYPES[dtype]).max)


def least(dtype: str) -> float:
    """The least normal number of the format that is computed in."""
    return 2.0**-1022 if dtype == "float64" else 2.0**-126


LOGITS: list[Rows] = [
    lambda r, n, d: r.standard_normal(n),
    lambda r, n, d: r.standard_normal(n) * 20,
    lambda r, n, d: r.standard_normal(n) * 100,
    lambda r, n, d: r.standard_normal(n) - np.where(r.random(n) < 0.3, np.inf, 0),
    lambda r, n, d: np.where(r.random(n) < 0.1, r.choice(SPECIAL, n), r.standard_normal(n)),
    lambda r, n, d: np.round(r.standard_normal(n)),  # ties
    lambda r, n, d: np.where(np.arange(n) == r.integers(n), 0.0, -30 * np.abs(r.standard_normal(n))),
    # one logit outweighs the others, by so much that their terms are hardly there or not at all
    lambda r, n, d: np.where(np.arange(n) == r.integers(n), r.choice([0.0, 1.5, 1e-40]), -r.uniform(30, limit(d) + 3, n)),
    lambda r, n, d: np.where(np.arange(n) == r.integers(n), 0.0, -limit(d) + r.uniform(-1, 1, n)),
    lambda r, n, d: np.full(n, -np.inf),
    lambda r, n, d: np.where(np.arange(n) == n // 2, 5.0, -np.inf),
    lambda r, n, d: r.standard_normal(n) * 1e-3 + r.choice([0, 1e4, -1e4]),
    lambda r, n, d: r.standard_normal(n) * least(d) * r.choice([0.1, 1.0, 2.0]),
    lambda r, n, d: r.standard_normal(n) * (largest(d) / 8),
    lambda r, n, d: np.where(r.random(n) < 0.5, largest(d), -largest(d)),
    lambda r, n, d: r.choice([0.0, -0.0], n),
    lambda r, n, d: np.full(n, r.choice([-3.0, 0.1, 1e30])),
    lambda r, n, d: np.where(np.arange(n) == n // 2, np.inf, np.arange(n) % 2),
    lambda r, n, d: np.where(np.arange(n) == n - 1, np.nan, np.arange(n) % 2),
    lambda r, n, d: np.where(np.arange(n) < 2, 1.5, -20.0 - 60.0 * r.random(n)),  # two maxima
    lambda r, n, d: np.where(np.arange(n) == 0, 0.0, -50.0 - 10.0 * r.random(n)),  # a grid that is scaled
    lambda r, n, d: np.where(np.arange(n) % 3 == 0, r.standard_normal(n), r.uniform(-2 * limit(d), 0, n)),
]
VECTORS: list[Rows] = [
    lambda r, n, d: r.standard_normal(n),
    lambda r, n, d: r.standard_normal(n) * 10.0 ** r.integers(-40, 38, n),
    lambda r, n, d: np.where(r.random(n) < 0.5, 0, r.standard_normal(n)),
    lambda r, n, d: r.standard_normal(n) * least(d) * r.choice([0.25, 1.0, 4.0, 2.0**24]),
    lambda r, n, d: np.where(r.random(n) < 0.1, r.choice(SPECIAL, n), r.standard_normal(n)),
    lambda r, n, d: np.sign(r.standard_normal(n)) * largest(d),
    lambda r, n, d: np.full(n, largest(d)),
    lambda r, n, d: np.where(np.arange(n) % 2, 1.0, -1.0),  # a sum of 0
    lambda r, n, d: np.where(np.arange(n) == n // 2, -1.0, 0.0),
    lambda r, n, d: np.full(n, r.choice([0.0, -0.0, 1.0, -1e-30])),
    lambda r, n, d: np.where(np.arange(n) % 3, 2.0**-60, -1.0),
    lambda r, n, d: r.standard_normal(n) * 2.0 ** r.integers(-70, -20),
    lambda r, n, d: np.where(np.arange(n) == n - 1, np.nan, 1.0),
    lambda r, n, d: np.where(np.arange(n) == 0, np.inf, 1.0),
    lambda r, n, d: np.where(np.arange(n) == 0, largest(d), 1.0),
]


def flat(x: Values, axes: Sequence[int]) -> Values:
    """The rows of an array, one after the other, each along its axes in the order that they have."""
    kept = [k for k in range(x.ndim) if k not in axes]
    return x.transpose([*kept, *axes]).reshape(math.prod(x.shape[k] for k in kept), -1)


def drawn(rng: np.random.Generator, kinds: list[Rows], shape: tuple[int, ...], axes: Sequence[int], dtype: str) -> Values:
    """Values of one kind, or of a kind for each row, in a dtype."""
    kept = [k for k in range(len(shape)) if k not in axes]
    order = [*kept, *axes]
    n, rows = math.prod(shape[k] for k in axes), math.prod(shape[k] for k in kept)
    chosen = np.full(rows, rng.integers(len(kinds))) if rng.random() < 0.6 else rng.integers(len(kinds), size=rows)
    found = np.empty((rows, n))
    for j in range(rows):
        found[j] = kinds[chosen[j]](rng, n, dtype)
    return np.array(cast(found.reshape([shape[k] for k in order]).transpose(np.argsort(order)), dtype), order="C")


def beside(rng: np.random.Generator, z: Values, axes: Sequence[int]) -> Values:
    """Logits to compare others with: moved by a constant and by noise, at some places -inf, and in some calls far from them."""
    kind, noise = rng.integers(6), rng.standard_normal(z.shape)
    with np.errstate(all="ignore"):
        x = z.astype(np.float64)
        moved = x + rng.choice([0.0, 0.0, 1.0, -300.0]) + noise * rng.choice([0.0, 1e-6, 1e-3, 0.1, 1.0, 20.0])
        if kind == 0:  # lower but at the largest
            moved = x - np.where(x == np.max(x, axis=tuple(axes), keepdims=True), 0.0, 8.0)
        if kind == 1:  # less apart than the last bit of their distance from the largest
            moved = np.where(rng.random(z.shape) < 0.1, 3.0, noise * 1e-9)
    return cast(np.where(rng.random(z.shape) < rng.choice([0.0, 0.0, 0.1]), -np.inf, moved), z.dtype.name)


def cast(x: Values, dtype: str) -> Values:
    """``x`` in a dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(x.astype(DTYPES[dtype]))
