"""Products and quotients of floats and of double words, rounded once or exact, without an FMA and without a division.

Exact products by Dekker, "A floating-point technique for extending the available precision" (1971), with Veltkamp's splitting. Each
product here is rounded on its own, so that nothing can be contracted.
"""

from __future__ import annotations

from lsmx._definition import log, sums
from lsmx._definition.ops import Array, Ops
from lsmx._definition.words import Words, fast_two_sum

INF = float("inf")


def settled(ops: Ops, high: Array, low: Array) -> Words:
    """A double word, its second word 0 where that, or what it was computed from, could be subnormal: there libraries differ."""
    fmt = ops.format
    small = ops.xp.abs(high) < 2.0 ** (fmt.tiny + 2 * fmt.precision + 2)
    return high, ops.where(small, 0.0, ops.flush(low))


def halves(ops: Ops, a: Array) -> Words:
    """``a`` as two words of half the bits, whose products are exact."""
    big = ops.rounded(a * (2.0 ** ((ops.format.precision + 1) // 2) + 1.0))
    high = big - (big - a)
    return high, a - high


def two_product(ops: Ops, a: Array, b: Array) -> Words:
    """``(h, l)`` with ``h = round(a b)`` and ``h + l = a b``."""
    h = ops.rounded(a * b)
    (a1, a2), (b1, b2) = halves(ops, a), halves(ops, b)
    low = (ops.rounded(a1 * b1) - h) + ops.rounded(a1 * b2) + ops.rounded(a2 * b1)
    return settled(ops, h, low + ops.rounded(a2 * b2))


def times(ops: Ops, a: Words, b: Words) -> Words:
    """The product of two double words."""
    h, low = two_product(ops, a[0], b[0])
    crossed = ops.flush(ops.rounded(a[0] * b[1])) + ops.flush(ops.rounded(a[1] * b[0]))
    return settled(ops, *fast_two_sum(h, low + crossed))


def half_square(ops: Ops, d: Words) -> Words:
    """``d^2 / 2`` of a double word."""
    h, low = two_product(ops, d[0], 0.5 * d[0])
    return settled(ops, h, low + ops.flush(ops.rounded(d[0] * d[1])))


def quotient(ops: Ops, a: Array, b: Array) -> Array:
    """``a / b`` for ``b > 0``, rounded once as IEEE does, and flushed. What is 0 or not finite stays.

    By the reciprocal, two exact residuals, and a comparison that settles the last bit. A plain ``a / b`` would not do: compilers
    may replace it by a product with a reciprocal, or by something quicker, which rounds differently.
    """
    xp, fmt = ops.xp, ops.format
    usual = (xp.abs(a) < INF) & (a != 0.0)
    top = float(fmt.huge - 1)
    ea, eb = (ops.where(e < top, e, top) for e in (sums.exponent(ops, ops.where(usual, xp.abs(a), 1.0)), sums.exponent(ops, b)))
    n, d = ops.where(usual, a, 1.0) * ops.power(ops, -ea), b * ops.power(ops, -eb)
    n = xp.abs(n)
    r, _ = log.reciprocal(ops, log.normalise(ops, (d - 1.0, xp.zeros_like(d))))
    q = ops.rounded(n * r)
    for _ in range(2):
        p, error = two_product(ops, q, d)
        q = q + ops.rounded(((n - p) - error) * r)
    p, error = two_product(ops, q, d)
    rest = (n - p) - error
    binade = ops.power(ops, sums.exponent(ops, q))
    unit = binade * 2.0 ** (1 - fmt.precision)
    below = ops.where(q == binade, unit * 0.5, unit)
    q = xp.where(rest + rest > unit * d, q + unit, xp.where(rest + rest < -(below * d), q - below, q))
    # scaled by 2^s in two exact steps, of which the second may overflow to infinity; what would be subnormal is flushed
    s = ea - eb
    half = xp.floor(s * 0.5)
    q = ((0.5 * q) * ops.power(ops, half)) * ops.power(ops, s - half)
    q = q + q
    return xp.where(usual, ops.flush(ops.where(a < 0.0, -q, q)), a + 0.0)
