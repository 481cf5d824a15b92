"""``ln(1 + R)`` and ``1 / (1 + R)`` of a row's rest ``R``, given as a double word, by the same table.

``1 + R = 2^e s`` with ``s`` in [1, 2), and ``c s = 1 + f`` with a short ``c`` from the table: the logarithm is
``(e ln 2 - ln c) + ln(1 + f)``, the reciprocal ``2^-e c / (1 + f)`` (Tang, "Table-driven implementation of the logarithm
function", 1990).
"""

from __future__ import annotations

from typing import NamedTuple

from lsmx._definition.constants import TABLE
from lsmx._definition.ops import Array, Ops
from lsmx._definition.words import Words, fast_two_sum, two_sum


class Normal(NamedTuple):
    """``1 + R = 2^e (1 + f) / TABLE[i]``; ``f`` is a double word with ``|f| <= 2^-6``."""

    e: Array
    i: Array
    c: Array
    f: Words


def normalise(ops: Ops, rest: Words) -> Normal:
    """Find ``e``, ``i`` and ``f`` for ``R >= 0``. While ``1 + R`` is in the table's first interval, ``f`` is ``R`` itself."""
    xp = ops.xp
    high, error = two_sum(rest[0], ops.constant(1.0))
    high, low = fast_two_sum(high, error + rest[1])
    e, scale = xp.zeros_like(high), xp.ones_like(high)
    for step in (32, 16, 8, 4, 2, 1):
        large = high * scale >= 2.0**step
        scale = xp.where(large, scale * 2.0**-step, scale)
        e = xp.where(large, e + step, e)
    high, low = high * scale, low * scale

    size = len(TABLE)
    index = xp.floor((high - 1.0) * size)
    i = ops.integer(index)
    c = ops.look_up(TABLE, i)
    half = 2.0 ** ((ops.format.precision - 1) // 2)
    upper = xp.round(high * half) * (1 / half)  # so few bits that the product with c is exact
    f, error = two_sum(upper * c - 1.0, (high - upper) * c)
    f, low = fast_two_sum(f, error + ops.rounded(low * c))
    first = (e == 0.0) & (index == 0.0)
    return Normal(e, i, c, (xp.where(first, rest[0], f), xp.where(first, rest[1], low)))


def log(ops: Ops, s: Normal) -> Words:
    """``ln(1 + R)``: ``(e ln2_hi + hi[i]) + f`` without error, and all that is smaller added to the second word.

    What is so small that it would be subnormal, which some hardware flushes to 0, counts as 0 everywhere.
    """
    fmt = ops.format
    f, low = s.f
    table = s.e * fmt.ln2_hi + ops.look_up(fmt.log_table_hi, s.i)
    small = ops.rounded(s.e * fmt.ln2_lo) + ops.look_up(fmt.log_table_lo, s.i)
    high, error = two_sum(table, f)
    square = ops.flush(ops.rounded(f * f))
    high, low = fast_two_sum(high, error + (small + (low + ops.rounded(square * ops.horner(fmt.log, f)))))
    return high, ops.flush(low)


def reciprocal(ops: Ops, s: Normal) -> Words:
    """``1 / (1 + R)``: ``2^-e (c + c v)`` with ``1 + v = 1 / (1 + f)``."""
    *powers, _one = ops.format.inv
    f = s.f[0]
    v = f * ops.horner(powers, f)
    high, low = fast_two_sum(s.c, ops.rounded(s.c * v))
    scale = ops.power(ops, -s.e)
    return high * scale, low * scale
