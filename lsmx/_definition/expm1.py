"""``e^d - 1``, ``e^d - 1 - d`` and tanh of double words, with full relative accuracy: from the exponential and the reciprocal."""

from __future__ import annotations

from typing import NamedTuple

from lsmx._definition import exp as exponential
from lsmx._definition import log
from lsmx._definition.ops import Array, Ops
from lsmx._definition.products import half_square, settled, times
from lsmx._definition.words import Words, fast_two_sum, two_sum


class Expm1(NamedTuple):
    """Three functions of one double word ``d``, below 87 (708)."""

    value: Words  # e^d - 1
    rest: Array  # phi = e^d - 1 - d >= 0
    exp: Words  # e^d


def expm1(ops: Ops, d: Words) -> Expm1:
    """``phi = d^2/2 + d^3 r(d)`` where ``|d| <= 1``, else ``(2^k - 1 - d) + 2^k E`` with ``e^d = 2^k (1 + E)``; ``d + phi``."""
    fmt, xp = ops.format, ops.xp
    e = exponential.exp(ops, d)
    scale = ops.where(e.normal, ops.power(ops, e.k), 0.0)
    E, low = e.expm1 * scale, ops.flush(e.low * scale)
    near = xp.abs(d[0]) <= 1.0
    n = ops.where(near, d[0], 0.0), ops.where(near, d[1], 0.0)

    u, v = two_sum(scale - 1.0, -d[0])  # exact while k <= precision; beyond that, 1 is below the last bit of 2^k
    s, t = two_sum(u, E)
    far = s + (t + (v + (low - d[1])))
    h, rest = half_square(ops, n)
    square = ops.flush(ops.rounded((h + h) * n[0]))
    cube = ops.flush(ops.rounded(square * ops.horner(fmt.phi, n[0])))
    rest = xp.where(near, h + (rest + cube), far)

    h, error = two_sum(scale - 1.0, E)
    small, large = fast_two_sum(n[0], rest + n[1]), fast_two_sum(h, error + low)
    value = xp.where(near, small[0], large[0]), xp.where(near, small[1], large[1])
    h, error = two_sum(e.expm1, xp.ones_like(e.expm1))  # in this order, as XLA simplifies (1 + E) - 1 to E
    return Expm1(settled(ops, *value), ops.flush(rest), settled(ops, h * scale, (error + e.low) * scale))


class Tanh(NamedTuple):
    """Of ``a >= 0``, a double word: with ``u = e^-2a``."""

    value: Words  # tanh(a) = (1 - u) / (1 + u)
    sech2: Array  # 1 - tanh(a)^2 = 4 u / (1 + u)^2
    u: Words
    inverse: Words  # 1 / (1 + u)


def tanh(ops: Ops, a: Words) -> Tanh:
    """``1 - u`` is ``-expm1(-2a)``, so small arguments keep their relative accuracy."""
    e = expm1(ops, (-2.0 * a[0], -2.0 * a[1]))
    w = log.reciprocal(ops, log.normalise(ops, e.exp))
    value = times(ops, (-e.value[0], -e.value[1]), w)
    sech2, _ = times(ops, times(ops, e.exp, w), (4.0 * w[0], 4.0 * w[1]))
    return Tanh(value, sech2, e.exp, w)
