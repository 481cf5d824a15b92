"""The law in vectors: what ``lsmx._definition`` says of arrays, operation by operation, on 64 bytes at a time.

The lanes are elements of one row, or each belongs to a row of its own. Where a step of the definition is left out, it cannot change
the result, and the reason stands there.
"""

from lsmx._fused.vectors import (
    bits,
    constant,
    floats,
    horner,
    inlined,
    integer,
    look_up,
    magnitude,
    minus_exact_product,
    select,
    signed_wide,
    to_floats,
)

STEPS = 256  # limbs that are added up in 32 bits before they are widened: 2^8 of up to 2^23


@inlined
def two_sum(a, b):
    h = a + b
    t = h - a
    return h, (a - (h - t)) + (b - t)


@inlined
def fast_two_sum(a, b):
    h = a + b
    return h, b - (h - a)


@inlined
def minus_words(x, m):
    """``x - m`` exactly: ``two_sum(x, -m)``."""
    h = x - m
    t = h - x
    return h, (x - (h - t)) - (m + t)


@inlined
def flush(x):
    """+0 for what is zero or nearly below the normal numbers."""
    return select(magnitude(x) < constant(x, "least"), 0.0, x)


@inlined
def isfinite(x):
    return x - x == 0.0


# ---- e^x = 2^k e^r,  e^r = 1 + (r + r^2 q(r)),  r = x - k ln 2


@inlined
def exp_rest(high, low):
    """``e^r - 1``, what its last addition rounded off, ``k``, and ``k`` in the low bits of a float; for ``high >= underflow``."""
    high, k, small, shifted = reduced(high)
    r = high + (low - small)
    expm1, rest = fast_two_sum(r, (r * r) * horner(r, "exp"))
    return expm1, rest, k, shifted


@inlined
def exp_rest_of_one(x):
    """``e^r - 1`` and ``k`` for a number of one word."""
    high, _, small, shifted = reduced(x)
    r = high - small
    return r + (r * r) * horner(r, "exp"), shifted


@inlined
def reduced(x):
    """``x - k ln2_hi``, ``k``, ``k ln2_lo``, and ``k`` in the low bits of a float."""
    shifted = x * constant(x, "log2e") + constant(x, "round_0")
    k = shifted - constant(x, "round_0")
    return minus_exact_product(x, k, constant(x, "ln2_hi")), k, k * constant(x, "ln2_lo"), shifted


@inlined
def times_power(x, shifted):
    """``x * 2^k`` for ``x`` in [1/2, 2) and a normal result: ``k`` added to the exponent's bits."""
    return floats(bits(x) + (bits(shifted) << integer(x, "fraction")))


@inlined
def power(shifted):
    """``2^k``."""
    return floats((bits(shifted) + integer(shifted, "bias")) << integer(shifted, "fraction"))


@inlined
def power_of(e):
    """``2^e`` for an integer-valued float."""
    return power(e + constant(e, "round_0"))


@inlined
def exp_difference(x, m):
    """``exp(x - m)``; below the normal numbers some ``exp(underflow)``, which every limb rounds to 0."""
    high, low = minus_words(x, m)
    counts = high > constant(x, "underflow")
    high = select(counts, high, constant(x, "underflow"))
    expm1, _, _, shifted = exp_rest(high, select(counts, low, 0.0))
    return times_power(1.0 + expm1, shifted)


@inlined
def exp_difference_parts(x, m):
    """``e^r - 1`` and ``k`` of ``exp(x - m)``; anything where that is below the normal numbers."""
    high, low = minus_words(x, m)
    expm1, _, _, shifted = exp_rest(high, low)
    return expm1, shifted


@inlined
def exp_plain(x, m):
    """The same where ``|m|`` has the larger exponent or the same, and nothing underflows: a shorter sum is exact (Dekker)."""
    expm1, shifted = exp_plain_parts(x, m)
    return times_power(1.0 + expm1, shifted)


@inlined
def exp_plain_parts(x, m):
    """``e^r - 1`` and ``k``."""
    high = x - m
    expm1, _, _, shifted = exp_rest(high, x - (high + m))
    return expm1, shifted


# ---- exact sums: values are rounded to a fixed-point grid and added as integers


@inlined
def coarse_limbs(t):
    """The two coarse limbs of ``0 <= t <= 1``, in the low bits of floats, and what they leave."""
    first = t + constant(t, "round_w0")
    t = t - (first - constant(t, "round_w0"))
    second = t + constant(t, "round_w1")
    return bits(first), bits(second), t - (second - constant(t, "round_w1"))


@inlined
def coarse_zero(t):
    """The limbs of 0: what every limb has in its upper bits."""
    return bits(constant(t, "round_w0")), bits(constant(t, "round_w1"))


@inlined
def signed_limbs(t):
    """Limbs of ``-2 < t < 2``, the coarse one of ``2^-(w0 - 1)``: the definition's is one bit finer, their sum is the same."""
    first = t + constant(t, "round_g")
    t = t - (first - constant(t, "round_g"))
    return bits(first), bits(t + constant(t, "round_w1"))


@inlined
def signed_zero(t):
    """The limbs of 0."""
    return bits(constant(t, "round_g")), bits(constant(t, "round_w1"))


@inlined
def rest_words(first, second, fine, like):
    """``sum - 1`` as a double word from the sums of the limbs, fine ones only where they count."""
    w0, w1, w2 = integer(like, "w0"), integer(like, "w1"), integer(like, "w2")
    second = second + (fine >> w2)
    fine = fine & ((1 << w2) - 1)
    first = first - (1 << w0) + (second >> w1)
    return words(first, second & ((1 << w1) - 1), fine, like)


@inlined
def dominated(first, second, like):
    """Where the coarse limbs put ``sum - 1`` below 1, so that the fine ones count."""
    one = 1 << integer(like, "w0")
    return first - one + (second >> integer(like, "w1")) < one


@inlined
def words(first, second, fine, like):
    """A carried number as a double word: pieces that are exact as floats, coarse to fine."""
    size = integer(like, "piece")
    mask = (1 << size) - 1
    high = to_floats(first >> size >> size, like) * constant(like, "first_high")
    high, rest = fast_two_sum(high, to_floats((first >> size) & mask, like) * constant(like, "first_middle"))
    high, error = fast_two_sum(high, to_floats(first & mask, like) * constant(like, "first_low"))
    rest = rest + error
    high, error = fast_two_sum(high, to_floats(second >> size, like) * constant(like, "second_high"))
    rest = rest + error
    high, error = fast_two_sum(high, to_floats(second & mask, like) * constant(like, "second_low"))
    rest = rest + error
    high, error = fast_two_sum(high, to_floats(fine >> size, like) * constant(like, "fine_high"))
    rest = rest + error
    high, error = fast_two_sum(high, to_floats(fine & mask, like) * constant(like, "fine_low"))
    return fast_two_sum(high, rest + error)


# ---- ln(1 + R) and 1 / (1 + R) by one table


@inlined
def normalise(high, low):
    """``1 + R = 2^e (1 + f) / TABLE[i]``: ``e``, ``i``, ``c = TABLE[i]``, ``f`` in two words."""
    rest, rest_low = high, low
    high, error = two_sum(high, constant(high, "one"))
    high, low = fast_two_sum(high, error + low)
    fraction, bias = integer(high, "fraction"), integer(high, "bias")
    exponent = (bits(high) >> fraction) - bias
    scale = floats((bias - exponent) << fraction)
    high, low = high * scale, low * scale
    cut = integer(high, "table_bits")
    i = (bits(high) >> (fraction - cut)) & ((1 << cut) - 1)
    c = look_up(signed_wide(i), "table", high)
    upper = (high + constant(high, "round_half")) - constant(high, "round_half")
    f, error = two_sum(upper * c - 1.0, (high - upper) * c)
    f, low = fast_two_sum(f, error + low * c)
    first = (exponent | i) == 0
    return to_floats(exponent, high), signed_wide(i), c, select(first, rest, f), select(first, rest_low, low)


@inlined
def log(e, i, f, low):
    """``ln(1 + R) = (e ln 2 - ln c) + ln(1 + f)`` as a double word."""
    table = e * constant(f, "ln2_hi") + look_up(i, "log_table_hi", f)
    small = e * constant(f, "ln2_lo") + look_up(i, "log_table_lo", f)
    high, error = two_sum(table, f)
    return fast_two_sum(high, error + (small + (low + (f * f) * horner(f, "log"))))


@inlined
def reciprocal(e, c, f):
    """``1 / (1 + R) = 2^-e (c + c v)`` with ``1 + v = 1 / (1 + f)``, as a double word."""
    v = f * horner(f, "inv_rest")
    high, low = fast_two_sum(c, c * v)
    scale = power_of(0.0 - e)
    return high * scale, low * scale
