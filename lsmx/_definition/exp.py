"""The exponential. ``e^x = 2^k e^r`` with ``r = x - k ln 2``, and ``e^r = 1 + (r + r^2 q(r))``."""

from __future__ import annotations

from typing import NamedTuple

from lsmx._definition.ops import Array, Ops
from lsmx._definition.words import Words, fast_two_sum, two_sum


class Exponential(NamedTuple):
    """``(1 + expm1) * 2^k`` where it is ``normal``, else 0."""

    expm1: Array  # e^r - 1, |r| <= ln2 / 2
    low: Array  # the rounding error of its last addition
    k: Array  # an integer, as a float
    normal: Array  # False where the value would be below the normal numbers

    def value(self, ops: Ops) -> Array:
        """``e^r * 2^k``: ``e^r`` is rounded, the scaling is exact."""
        return self.scale(ops, 1.0 + self.expm1)

    def scale(self, ops: Ops, x: Array) -> Array:
        """``x * 2^k`` where normal, else 0."""
        return ops.where(self.normal, x * ops.power(ops, self.k), 0.0)

    def exponent(self, ops: Ops) -> Array:
        """``floor(log2(value))``, 0 where the value is 0: ``e^r`` lies between 1/2 and 2."""
        one = ops.constant(1.0)
        return ops.where(self.normal, self.k - ops.where(1.0 + self.expm1 < 1.0, one, 0.0), 0.0)


def difference(ops: Ops, x: Array, m: Array) -> Words:
    """``x - m`` as a double word, exactly, for finite ``m``; -inf where its exponential would be 0, and for NaN."""
    counts = x - m > ops.format.underflow
    high, low = two_sum(ops.xp.where(counts, x, m), -m)
    return ops.where(counts, high, -float("inf")), low


def exp(ops: Ops, x: Words) -> Exponential:
    """``exp`` of a double word, whose second word is added to the reduced argument ``r``. NaN counts as -inf."""
    fmt = ops.format
    normal = x[0] > fmt.underflow
    high, low = ops.where(normal, x[0], fmt.underflow), ops.where(normal, x[1], 0.0)
    k = ops.xp.round(high * fmt.log2e)
    r = (high - k * fmt.ln2_hi) + (low - ops.rounded(k * fmt.ln2_lo))  # the first difference is exact
    expm1, low = fast_two_sum(r, ops.rounded((r * r) * ops.horner(fmt.exp, r)))
    return Exponential(expm1, low, k, normal)
