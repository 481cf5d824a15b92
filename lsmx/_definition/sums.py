"""Exact sums: values are rounded to a fixed-point grid and then added as integers, so that every order gives the same."""

from __future__ import annotations

import math
from typing import NamedTuple

from lsmx._definition.ops import Array, Ops
from lsmx._definition.words import Words, fast_two_sum
from lsmx._errors import DTypeError, ShapeError

Axes = tuple[int, ...]
LONGEST = 31
"""Bits of the longest row that there is room for where the length is a symbol, in a program that is compiled for every length."""


class Digit(NamedTuple):
    """``value * 2**-weight`` with an integer ``value`` below ``2**bits`` in magnitude."""

    value: Array
    weight: int
    bits: int


def limbs(ops: Ops, t: Array, widths: tuple[int, ...]) -> list[Array]:
    """``t`` as integer-valued floats, coarse to fine: each is the rounded rest that the one before leaves, which is exact."""
    out = []
    for width in widths:
        t = t * 2.0**width
        out.append(ops.xp.round(t))
        t = t - out[-1]
    return out


def add_up(ops: Ops, limb: Array, weight: int, bits: int, axes: Axes) -> list[Digit]:
    """The exact sum of one limb over ``axes``: its bits are cut into as few pieces as the integers have room to add up."""
    whole = limb.shape if ops.part is None else ops.part.shape
    n = math.prod([whole[a] for a in axes])
    growth = max(n - 1, 0).bit_length() if isinstance(n, int) else LONGEST
    dtype, width = ops.integers
    if bits > width:
        raise DTypeError(
            f"{ops.format.dtype} needs 64-bit integers, but the widest ones of the array's device have {width} bits; pass float32, "
            "or move the array to another device"
        )
    piece = min(bits, width - 2 - growth)
    if piece < 8:
        raise ShapeError(f"a row of {n} elements is too long for a device with {width}-bit integers; move the array to one with 64")
    values, digits = ops.integer(limb), []
    for low in range((math.ceil(bits / piece) - 1) * piece, -1, -piece):
        part = values >> low if low else values
        part = part & (2**piece - 1) if low + piece < bits else part
        total = ops.xp.sum(part, axis=axes, keepdims=True, dtype=dtype)
        digits.append(Digit(total, weight - low, piece + growth + 1))
    return digits


def carry(digits: list[Digit]) -> list[Digit]:
    """The same number, carried: every digit but the first in ``[0, 2**gap)``, ``gap`` bits below the digit before."""
    out, over = [], None
    for digit, above in zip(digits[:0:-1], digits[-2::-1], strict=True):
        value = digit.value if over is None else digit.value + over
        gap = digit.weight - above.weight
        over = value >> gap
        out.append(Digit(value & (2**gap - 1), digit.weight, gap))
    first = digits[0]
    value = first.value if over is None else first.value + over
    return [Digit(value, first.weight, first.bits + 1), *out[::-1]]


def pieces(ops: Ops, digits: list[Digit]) -> list[tuple[Array, int]]:
    """A carried number in pieces of ``precision - 4`` bits, coarse to fine, each with the power of two of its last bit.

    The pieces are cut from the number's last bit upwards, so that they do not depend on how it was divided into digits. None is
    negative but the first, which has the sign.
    """
    size, first, last = ops.format.precision - 4, digits[0], digits[-1].weight
    out = []
    for start in range((math.ceil((last - first.weight + first.bits) / size) - 1) * size, -1, -size):
        found = None
        for value, weight, bits in digits:
            low = last - weight  # the place of its last bit
            lower, upper = max(low, start), min(low + bits, start + size)
            if lower >= upper:
                continue
            part = value >> (lower - low) if lower > low else value
            if upper < low + bits:
                part = part & (2 ** (upper - lower) - 1)
            part = part << (lower - start) if lower > start else part
            found = part if found is None else found + part
        assert found is not None
        out.append((found, start - last))
    return out


def words(ops: Ops, digits: list[Digit]) -> Words:
    """A carried number as a double word: its pieces, which are exact as floats, added coarse to fine."""
    first, *others = (ops.floating(piece) * 2.0**power for piece, power in pieces(ops, digits))
    high, rest = first, ops.xp.zeros_like(first)
    for piece in others:
        high, error = fast_two_sum(high, piece)
        rest = rest + error
    return fast_two_sum(high, rest)


def scaled(ops: Ops, v: Array, e: Array) -> list[Array]:
    """The limbs of ``v 2^-e``, for ``|v 2^-e| < 4``."""
    return limbs(ops, v * ops.power(ops, -e), ops.format.limbs)


def sum_scaled(ops: Ops, v: Array, e: Array, axes: Axes, less: Array | None = None) -> Words:
    """``sum(v) - less`` over ``axes``: each value is rounded to the grid two limbs below ``2^e``, then the sum is exact."""
    return unscaled(ops, total_of(ops, v, e, axes, less), e)


def total_of(ops: Ops, v: Array, e: Array, axes: Axes, less: Array | None = None) -> list[Digit]:
    """The same sum as an integer in units of that grid, carried."""
    widths, digits, lowest = ops.format.limbs, [], []
    for i, limb in enumerate(scaled(ops, v, e)):
        digits += add_up(ops, limb, sum(widths[: i + 1]), widths[i] + (3 if i == 0 else 1), axes)
        lowest.append(len(digits) - 1)
    totals = list(ops.merged("sum", *[digit.value for digit in digits]))
    if less is not None:
        for at, one in zip(lowest, scaled(ops, less, e), strict=True):
            totals[at] = totals[at] - ops.integer(one)
    return carry([digit._replace(value=total) for digit, total in zip(digits, totals, strict=True)])


def one_of(ops: Ops, v: Array, e: Array) -> list[Digit]:
    """One value as an integer in units of that grid, carried."""
    widths = ops.format.limbs
    return carry(
        [
            Digit(ops.integer(limb), sum(widths[: i + 1]), widths[i] + (3 if i == 0 else 1))
            for i, limb in enumerate(scaled(ops, v, e))
        ]
    )


def unscaled(ops: Ops, digits: list[Digit], e: Array) -> Words:
    """An integer in units of that grid as a double word, flushed."""
    high, low = words(ops, digits)
    scale = ops.power(ops, e)
    return ops.flush(high * scale), ops.flush(low * scale)


def rest_of_sum(ops: Ops, t: Array, second: Array, e: Array, axes: Axes) -> Words:
    """``R = sum(t) - second`` over ``axes``, for terms ``t`` in which the largest, 1, was replaced by the second largest one.

    So ``R`` is the sum of all terms but the largest, on a grid that the second largest sets: terms far below 1 keep their bits. All
    are below ``2^(e + 1)``.
    """
    return sum_scaled(ops, t, e, axes, less=second)


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


def grid_of(ops: Ops, largest: Array) -> Array:
    """The exponent that sets the grid of a sum: that of the largest power of two up to ``max|v|``."""
    e = exponent(ops, ops.where(largest > 0.0, largest, 1.0))
    top = float(ops.format.huge - 1)
    return ops.where(e < top, e, top)  # so that 2^-e is a normal number too


def exact_sum(ops: Ops, v: Array, largest: Array, axes: Axes) -> Words:
    """``sum(v)`` over ``axes`` for finite, flushed ``v``, on the grid that ``grid_of`` takes from ``max|v|``."""
    return sum_scaled(ops, v, grid_of(ops, largest), axes)
