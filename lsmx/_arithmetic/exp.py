"""The exponential. ``e^x = 2^k e^r`` with ``r = x - k ln 2``, and ``e^r = 1 + (r + r^2 q(r))``."""

from __future__ import annotations

from typing import NamedTuple

from lsmx._arithmetic.ops import Array, Ops


class Exponential(NamedTuple):
    """``(1 + expm1) * 2^k`` where it is ``normal``, else 0."""

    expm1: Array  # e^r - 1, |r| <= ln2 / 2
    k: Array  # an integer, as a float
    normal: Array  # False where the value would be below the normal numbers

    def value(self, ops: Ops) -> Array:
        """``e^r * 2^k``: ``e^r`` is rounded, the scaling is exact."""
        return self.scale(ops, 1.0 + self.expm1)

    def scale(self, ops: Ops, x: Array) -> Array:
        """``x * 2^k`` where normal, else 0."""
        return ops.where(self.normal, x * ops.power(ops, self.k), 0.0)


class Shift(NamedTuple):
    """A row's reference ``m = c + (K ln2_hi + rest)``, split so that ``x - m`` is reduced without being rounded first.

    A large ``m`` is all ``c``: there ``x - c`` is exact wherever ``exp(x - m)`` is not zero (Sterbenz). Any other ``m`` has
    ``c = 0``, and then ``x - (k + K) ln2_hi`` is exact, being small.
    """

    c: Array | float
    m: Array | float  # m - c
    K: Array | float
    rest: Array | float


UNSHIFTED = Shift(0.0, 0.0, 0.0, 0.0)


def shift(ops: Ops, m: Array) -> Shift:
    """Split a finite reference ``m``."""
    fmt = ops.format
    far = ops.xp.abs(m) > fmt.reach
    near = ops.where(far, 0.0, m)
    K = ops.xp.round(near * fmt.log2e)
    return Shift(c=ops.where(far, m, 0.0), m=near, K=K, rest=near - K * fmt.ln2_hi)


def exp(ops: Ops, x: Array, by: Shift = UNSHIFTED) -> Exponential:
    """``exp(x - m)`` for ``x <= m``, ``m = 0`` unless shifted. NaN counts as -inf."""
    fmt = ops.format
    y = x - by.c
    least = by.m + fmt.underflow
    normal = y > least
    y = ops.where(normal, y, least)
    k = ops.xp.round((y - by.m) * fmt.log2e)
    r = ((y - (k + by.K) * fmt.ln2_hi) - by.rest) - ops.rounded(k * fmt.ln2_lo)
    return Exponential(r + ops.rounded((r * r) * ops.horner(fmt.exp, r)), k, normal)
