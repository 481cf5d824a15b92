"""The sum of one number a row over all rows, rounded once: the same however the rows are split among batches, ranks or chunks.

Each number is an integer in units of the least normal number's last bit. These integers, in digits of 32 bits, add up exactly in
any order.
"""

from __future__ import annotations

from typing import Any

from lsmx._definition import sums
from lsmx._definition.formats import Format
from lsmx._definition.ops import NAN, Array, Ops
from lsmx._errors import DTypeError

INF = float("inf")
BITS = 32
LOW = 27  # bits of a significand's lower part: either part, shifted by up to 31 bits within a digit, fits into 64


def digits_of(ops: Ops, v: Array) -> Array:
    """The sum of finite numbers along the last axis as an integer, in units of the least normal's last bit: lowest digit first."""
    xp, fmt = ops.xp, ops.format
    i64, width = ops.integers
    if width < 2 * BITS:
        raise DTypeError(
            f"a sum over all rows needs 64-bit integers, but the widest ones of the array's device have {width} bits; pass "
            'reduction="none", or move the array to another device'
        )
    v = ops.flush(v)
    top = float(fmt.huge - 1)
    e = sums.exponent(ops, ops.where(v == 0.0, 1.0, xp.abs(v)))
    e = ops.where(e < top, e, top)
    significand = xp.astype((v * ops.power(ops, -e)) * 2.0 ** (fmt.precision - 1), i64)
    place = xp.astype(e, i64) - fmt.tiny
    count = count_of(fmt)
    found = [xp.zeros((), dtype=i64, device=ops.device) for _ in range(count)]
    for part, start in ((significand & (2**LOW - 1), place), (significand >> LOW, place + LOW)):
        digit, shifted = start >> 5, part << (start & 31)
        lower, upper = shifted & (2**BITS - 1), shifted >> BITS
        for k in range(count):
            zero = xp.zeros_like(lower)
            added = xp.where(digit == k, lower, xp.where(digit == k - 1, upper, zero))
            found[k] = found[k] + xp.sum(added, axis=-1, dtype=i64)
    (digits,) = ops.merged("sum", xp.stack(found))
    return digits


def count_of(fmt: Format) -> int:
    """How many digits there are: enough for every number of the format, and three more for the growth of a sum."""
    return (fmt.huge - fmt.tiny + fmt.precision + 1) // BITS + 3


def rounded_total(ops: Ops, digits: Array) -> Array:
    """The number that the digits stand for, rounded once to nearest-even, by integer operations alone."""
    xp, fmt = ops.xp, ops.format
    every = carried([digits[k, ...] for k in range(count_of(fmt))])
    negative = every[-1] < 0
    every = carried([xp.where(negative, -v, v) for v in every])
    zero = xp.zeros_like(every[0])
    top, first, second, third, sticky, beneath = zero, zero, zero, zero, zero, zero
    for k, v in enumerate(every):
        beneath = beneath | every[k - 3] if k >= 3 else beneath
        lead = v > 0
        one, two = (every[k - i] if k >= i else zero for i in (1, 2))
        sticky = xp.where(lead, beneath, sticky)
        first, second, third = xp.where(lead, v, first), xp.where(lead, one, second), xp.where(lead, two, third)
        top = xp.where(lead, zero + k, top)
    bits = zero + 1
    for b in range(BITS + 1):
        bits = xp.where(first >= 2**b, zero + b + 1, bits)
    # the 62 highest bits, and whether any bit below them is set
    left, right = xp.where(bits <= 30, 30 - bits, zero), xp.where(bits > 30, bits - 30, zero)
    window = (first << (62 - bits)) + ((second << left) >> right) + (third >> (bits + 2))
    one = zero + 1
    sticky = sticky | (second & ((one << right) - 1)) | (third & ((one << (bits + 2)) - 1))
    cut = 62 - fmt.precision
    q, rest = window >> cut, window & (2**cut - 1)
    up = (rest > 2 ** (cut - 1)) | ((rest == 2 ** (cut - 1)) & ((sticky != 0) | ((q & 1) == 1)))
    value = ops.floating(xp.where(up, q + 1, q)) * 2.0**-fmt.precision
    e = ops.floating(top * BITS + bits) + float(fmt.tiny - fmt.precision + 1)
    half = xp.floor(e * 0.5)
    value = (value * ops.power(ops, half)) * ops.power(ops, e - half)
    return ops.flush(xp.where(negative, -value, value))


def carried(digits: list[Array]) -> list[Array]:
    """The same number with every digit but the last in ``[0, 2**32)``."""
    out: list[Array] = []
    over: Any = 0
    for v in digits[:-1]:
        v = v + over
        out.append(v & (2**BITS - 1))
        over = v >> BITS
    return [*out, digits[-1] + over]


def total(ops: Ops, v: Array) -> Array:
    """The sum along the last axis: NaN if there is a NaN, or are both infinities; an infinity if there is one."""
    xp = ops.xp
    finite = xp.isfinite(v)
    value = rounded_total(ops, digits_of(ops, ops.where(finite, v, 0.0)))
    found = ops.merged("any", *[xp.any(some, axis=-1, keepdims=True) for some in (v == INF, v == -INF, v != v)])
    up, down, undefined = (some[..., 0] for some in found)
    value = ops.where(up, INF, ops.where(down, -INF, value))
    return ops.where(undefined | (up & down), NAN, value)
