"""Exact sums: values are rounded to a fixed-point grid and then added as integers, so that every order gives the same."""

from __future__ import annotations

import math
from typing import NamedTuple

from lsmx._definition.ops import Array, Ops
from lsmx._definition.words import Words, fast_two_sum
from lsmx._errors import DTypeError, ShapeError

Axes = tuple[int, ...]
LONGEST = 31
"""Rows of up to 2^31 elements, where their length is not known yet: a symbol, in a program that is compiled for every length."""


class Digit(NamedTuple):
    """``value * 2**-weight`` with an integer ``value`` below ``2**bits`` in magnitude."""

    value: Array
    weight: int
    bits: int


def limbs(ops: Ops, t: Array, widths: tuple[int, ...]) -> list[Array]:
    """``t`` as integer-valued floats, coarse to fine, each the rounded rest of the one before; every step is exact."""
    out = []
    for width in widths:
        t = t * 2.0**width
        out.append(ops.xp.round(t))
        t = t - out[-1]
    return out


def add_up(ops: Ops, limb: Array, weight: int, bits: int, axes: Axes) -> list[Digit]:
    """The exact sum of one limb over ``axes``: cut into as few pieces as its integers leave room for, each added up."""
    n = math.prod([limb.shape[a] for a in axes])
    growth = max(n - 1, 0).bit_length() if isinstance(n, int) else LONGEST
    dtype, width = ops.integers
    if bits > width:
        raise DTypeError(f"{ops.format.dtype} needs 64-bit integers, but the widest ones of the device have {width}")
    piece = min(bits, width - 2 - growth)
    if piece < 8:
        raise ShapeError(f"a row of {n} elements is too long for the device: its widest integers are {width}-bit")
    values, digits = ops.integer(limb), []
    for low in range((math.ceil(bits / piece) - 1) * piece, -1, -piece):
        part = values >> low if low else values
        part = part & (2**piece - 1) if low + piece < bits else part
        total = ops.xp.sum(part, axis=axes, keepdims=True, dtype=dtype)
        digits.append(Digit(total, weight - low, piece + growth + 1))
    return digits


def carry(digits: list[Digit]) -> list[Digit]:
    """The same number with every digit but the first in ``[0, 2**gap)``, where ``gap`` is its distance to the digit before."""
    out, over = [], None
    for digit, above in zip(digits[:0:-1], digits[-2::-1], strict=True):
        value = digit.value if over is None else digit.value + over
        gap = digit.weight - above.weight
        over = value >> gap
        out.append(Digit(value & (2**gap - 1), digit.weight, gap))
    first = digits[0]
    value = first.value if over is None else first.value + over
    return [Digit(value, first.weight, first.bits + 1), *out[::-1]]


def words(ops: Ops, digits: list[Digit]) -> Words:
    """A carried number as a double word. Its pieces are exact as floats and each is below the last bit of those before."""
    size = ops.format.precision - 4
    pieces = []
    for value, weight, bits in digits:
        top = (math.ceil(bits / size) - 1) * size
        for low in range(top, -1, -size):
            piece = value >> low if low else value
            piece = piece & (2**size - 1) if low < top else piece
            pieces.append(ops.floating(piece) * 2.0 ** (low - weight))
    high, rest = pieces[0], ops.xp.zeros_like(pieces[0])
    for piece in pieces[1:]:
        high, error = fast_two_sum(high, piece)
        rest = rest + error
    return fast_two_sum(high, rest)


def rest_of_sum(ops: Ops, t: Array, axes: Axes) -> Words:
    """``sum(t) - 1`` over ``axes``, for ``0 <= t <= 1`` of which the largest is exactly 1.

    Two limbs; where they put the rest below 1, so that one term outweighs all the others, the fine limb counts as well.
    """
    widths = ops.format.limbs
    weights = [sum(widths[: i + 1]) for i in range(3)]
    first, second, fine = (
        add_up(ops, limb, weight, width + 1, axes)
        for limb, weight, width in zip(limbs(ops, t, widths), weights, widths, strict=True)
    )
    one = first[0]._replace(value=first[0].value - 2 ** first[0].weight)
    coarse = carry([one, *first[1:], *second])
    dominated = coarse[0].value < 2 ** coarse[0].weight
    fine = [d._replace(value=ops.xp.where(dominated, d.value, ops.xp.zeros_like(d.value))) for d in fine]
    return words(ops, carry(coarse + fine))


def exponent(ops: Ops, a: Array) -> Array:
    """``floor(log2(a))`` as a float, for positive normal ``a``: by comparisons and exact scaling."""
    e = ops.xp.zeros_like(a)
    step = (ops.format.huge + 1) // 2
    while step:
        small, large = a < 2.0 ** (1 - step), a >= 2.0**step
        a = ops.xp.where(small, a * 2.0**step, ops.xp.where(large, a * 2.0**-step, a))
        e = ops.xp.where(small, e - step, ops.xp.where(large, e + step, e))
        step //= 2
    return e


def flush(ops: Ops, x: Array) -> Array:
    """+0 for zeros of either sign and for all below twice the least normal number, where hardware that flushes would differ."""
    return ops.where(ops.xp.abs(x) < ops.format.least, 0.0, x)


def exact_sum(ops: Ops, v: Array, largest: Array, axes: Axes) -> Words:
    """``sum(v)`` over ``axes`` for finite, flushed ``v``: rounded two limbs below the power of two under ``max|v|``, then exact."""
    e = exponent(ops, ops.where(largest > 0.0, largest, 1.0))
    top = float(ops.format.huge - 1)
    e = ops.where(e < top, e, top)  # 2^-e is to be a normal number too
    widths = ops.format.limbs[:2]
    first, second = limbs(ops, v * ops.power(ops, -e), widths)
    digits = add_up(ops, first, widths[0], widths[0] + 3, axes) + add_up(ops, second, sum(widths), widths[1] + 1, axes)
    high, low = words(ops, carry(digits))
    scale = ops.power(ops, e)
    return flush(ops, high * scale), flush(ops, low * scale)
