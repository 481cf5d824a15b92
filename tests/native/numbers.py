"""What passes are given once a row: an index, a temperature, and the several numbers of cross-entropy."""

from __future__ import annotations

import math

import numpy as np

from lsmx._definition.rows import Rows
from lsmx._definition.words import fast_two_sum, two_sum
from tests.native.values import VECTORS, Values, cast, drawn, flat, largest, least
from tests.native.values import Rows as Kind

TEMPERATURES: list[Kind] = [
    lambda r, n, d: np.ones(n),
    lambda r, n, d: 10.0 ** r.uniform(-2, 2, n),
    lambda r, n, d: r.choice([0.5, 0.7, 1.0, 2.0], n),
    lambda r, n, d: 2 * least(d) * r.choice([1.0, 1.5, 4.0], n),
    lambda r, n, d: largest(d) * r.choice([0.2499, 0.1, 1e-3], n),
    # none: 0, negative, too small, too large, NaN
    lambda r, n, d: np.where(r.random(n) < 0.5, r.choice([0.0, -0.0, -1.0, least(d), largest(d), np.inf, np.nan], n), 1.5),
]
SOFTCAPS = (1.0, 30.0, 0.125, 1e-30, 1e30)
SMOOTHINGS = (0.1, 0.5, 1.0, 1e-3, 1e-37, 1e-38)
IGNORED = (-100, -1, 0, 2, 2**40)
OUTSIDE = (-1, -100, -(2**31), 2**31 - 1, 2**32, 2**32 + 1, -(2**40))


def indices(
    rng: np.random.Generator, logits: Values, axes: tuple[int, ...], dtype: str, ignored: int | None, times: int = 1
) -> Values:
    """An index into each row: of the largest logit, of any, and in some calls outside of it, or the one that is ignored.

    Or so many of them, along one axis.
    """
    if times > 1:
        kept = [1 if k in axes else n for k, n in enumerate(logits.shape)]
        each = [indices(rng, logits, axes, dtype, ignored).reshape(kept) for _ in range(times)]
        return np.concatenate(each, axis=axes[0])
    rows = flat(logits, axes)
    count, n = rows.shape
    found = np.where(rng.random(count) < 0.4, np.argmax(rows.astype(np.float64), axis=1), rng.integers(n, size=count))
    allowed = [i for i in (*OUTSIDE, n, 2 * n) if np.iinfo(dtype).min <= i <= np.iinfo(dtype).max]
    found = np.where(rng.random(count) < rng.choice([0.0, 0.2]), rng.choice(allowed, count), found)
    if ignored is not None and abs(ignored) <= np.iinfo(dtype).max:
        found = np.where(rng.random(count) < 0.2, ignored, found)
    return found.astype(dtype)


def of_longer_rows(rng: np.random.Generator, sums: Values, axis: int) -> Values:
    """The sums of rows with the largest logits of longer ones, of which those are parts: their own, or with some above them."""
    maximum, second, *rest = np.split(sums, sums.shape[axis], axis)
    up = rng.choice([0.0, 1.0, 40.0, 90.0, 800.0, np.inf], maximum.shape)
    with np.errstate(all="ignore"):
        above = np.where(up == 0, maximum, cast(maximum + up, sums.dtype.name))
        above = np.where(above == above, above, sums.dtype.type(np.nan))  # of either sign
    beside = np.where(rng.random(maximum.shape) < 0.5, above, maximum)
    none = np.isneginf(maximum) & (rng.random(maximum.shape) < 0.8)  # in this part
    above, beside = np.where(none, sums.dtype.type(3), above), np.where(none, sums.dtype.type(1.5), beside)
    return np.concatenate([above, np.where(above > maximum, beside, second), *rest], axis)


def flushed(x: Values) -> Values:
    """``x`` with +0 for what counts as 0."""
    return np.where(np.abs(x) < 2 * least(x.dtype.name), x.dtype.type(0), x)


def shares(rng: np.random.Generator, rows: int, dtype: str) -> Values:
    """``q`` at the target, and elsewhere."""
    eps = 0.2 * rng.random(rows)
    kinds = (
        lambda: np.stack([1 - eps, eps * 1e-3], axis=1),
        lambda: rng.choice([0.0, 1.0, 0.1], (rows, 2)),
        lambda: rng.random((rows, 2)) * 10.0 ** rng.integers(-38, 1, (rows, 2)),
        lambda: np.broadcast_to([1.0, 0.0], (rows, 2)),
    )
    return flushed(cast(kinds[int(rng.integers(len(kinds)))](), dtype))


def cotangents(rng: np.random.Generator, rows: int, n: int, dtype: str) -> Values:
    """A cotangent at the target and one elsewhere, and two words: their sum over the row, or that less another number."""
    at, elsewhere, bent = (flushed(drawn(rng, VECTORS, (rows,), (0,), dtype)) for _ in range(3))
    elsewhere = np.where(rng.random(rows) < rng.choice([0.0, 0.5, 1.0]), elsewhere.dtype.type(0), elsewhere)
    g = np.repeat(elsewhere[:, None], n, axis=1)
    g[:, 0] = at
    with np.errstate(all="ignore"):
        high, low = (x[:, 0] for x in Rows.of("g", g, -1).sum(g))
        if rng.random() < 0.5:
            high, error = two_sum(-bent, high)
            high, low = fast_two_sum(high, error + low)
        low = np.where(np.isfinite(high), low, low.dtype.type(0))
        high = np.where(np.isfinite(high), high, high.dtype.type(np.nan))
    return np.stack([at, elsewhere, high, low], axis=1)


def factors(rng: np.random.Generator, rows: int, dtype: str) -> Values:
    """A row's cotangent, and what its logsumexp takes from the sum of the cotangents of its classes."""
    u, less = (flushed(drawn(rng, VECTORS, (rows,), (0,), dtype)) for _ in range(2))
    less = np.where(rng.random(rows) < rng.choice([0.0, 0.5, 1.0]), less.dtype.type(0), less)
    near = rng.random(rows) < 0.3  # they leave little, or what counts as 0
    u = np.where(near & (rng.random(rows) < 0.5), cast(rng.choice([-4.0, 4.0, 9.0], rows) * least(dtype), dtype), u)
    rest = flushed(-u * cast(rng.choice([1.0, 0.6, 0.999], rows), dtype))
    return np.stack([u, np.where(near, rest, less)], axis=1)


def total(rng: np.random.Generator, rows: int, n: int, dtype: str) -> Values:
    """The sums of vectors, in two words."""
    g = flushed(drawn(rng, VECTORS, (rows, n), (1,), dtype))
    with np.errstate(all="ignore"):
        high, low = Rows.of("g", g, -1).sum(g)
    return np.concatenate([high, np.where(np.isfinite(high), low, low.dtype.type(0))], axis=1)


def together(rng: np.random.Generator, kind: str, shape: tuple[int, ...], n: int, dtype: str) -> Values:
    """Several numbers for each of the rows of a shape, along a last axis."""
    rows = math.prod(shape)
    if kind in ("cotangents", "total"):
        return {"cotangents": cotangents, "total": total}[kind](rng, rows, n, dtype).reshape(*shape, -1)
    return {"shares": shares, "factors": factors}[kind](rng, rows, dtype).reshape(*shape, -1)
