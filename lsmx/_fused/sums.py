"""The exact sums of rows, in vectors.

A row is ``n`` elements one after the other. Where it goes ``across`` the lanes, all of them are one row, and what a function
returns is the same in every lane. Where the lanes are apart, each is a row of its own, and ``n`` counts the elements of all of
them, a multiple of the lanes.
"""

from lsmx._fused.law import (
    STEPS,
    coarse_limbs,
    coarse_zero,
    dominated,
    exp_difference,
    exp_plain,
    flush,
    isfinite,
    power_of,
    rest_words,
    words,
)
from lsmx._fused.vectors import (
    any_of,
    bits,
    constant,
    floats,
    inlined,
    integer,
    larger,
    largest,
    largest_integer,
    load,
    load_first,
    magnitude,
    rounded,
    select,
    signed_wide,
    smaller,
    smallest,
    smallest_integer,
    spread_like,
    to_floats,
    to_integers,
    total,
    unordered,
    unsigned_wide,
    will_read,
    will_write,
    zero_integers,
)

FEW = 32  # elements of a row up to which one term is likely to outweigh all others
INF = float("inf")
NAN = float("nan")


@inlined
def added(sums, across):
    """The sums of the rows from those of the lanes."""
    return spread_like(total(sums), sums) if across else sums


@inlined
def row_range(x, n, across):
    """The maximum of each row, NaN if it has one, and the minimum."""
    W = integer(x, "lanes")
    top = a = b = c = load_first(x, 0, n, -INF)
    bottom = p = q = r = load_first(x, 0, n, INF)
    nan = unordered(top, top)
    i = W
    while i + 4 * W <= n:
        s, t, u, v = load(x, i), load(x, i + W), load(x, i + 2 * W), load(x, i + 3 * W)
        nan = nan | unordered(s, t) | unordered(u, v)
        top, a, b, c = larger(s, top), larger(t, a), larger(u, b), larger(v, c)
        bottom, p, q, r = smaller(s, bottom), smaller(t, p), smaller(u, q), smaller(v, r)
        i += 4 * W
    while i < n:
        s = load_first(x, i, n - i, -INF)
        nan = nan | unordered(s, s)
        top = larger(s, top)
        bottom = smaller(load_first(x, i, n - i, INF), bottom)
        i += W
    top, bottom = larger(larger(top, a), larger(b, c)), smaller(smaller(bottom, p), smaller(q, r))
    if across:
        top, bottom = spread_like(largest(top), top), spread_like(smallest(bottom), bottom)
        if any_of(nan):
            top = spread_like(NAN, top)
    return select(nan, NAN, top), bottom


@inlined
def is_plain(m, bottom):
    """Whether ``exp_plain`` is exact for all ``bottom <= x <= m``: no exponent above that of ``m``, and no underflow."""
    fraction = integer(m, "fraction")
    wider = (bits(magnitude(bottom)) >> fraction) > (bits(magnitude(m)) >> fraction)
    return not (any_of(wider) or any_of(bottom - m <= constant(m, "underflow")))


@inlined
def coarse_sums(x, n, m, plain, ahead, out):
    """The sums of the coarse limbs of ``exp(x - m)`` in each lane; meanwhile, the caches fetch the row after it and its output."""
    W = integer(x, "lanes")
    base_first, base_second = coarse_zero(m)
    first, second = zero_integers(m), zero_integers(m)
    i = 0
    while i < n:
        stop = min(n, i + STEPS * W)
        a = b = base_first ^ base_first
        steps = 0
        if plain:
            while i + W <= stop:
                will_read(x, i + ahead[0])
                will_write(out, i + ahead[2])
                p, q, _ = coarse_limbs(exp_plain(load(x, i), m))
                a, b = a + p, b + q
                i += W
                steps += 1
        else:
            while i + W <= stop:
                will_read(x, i + ahead[0])
                will_write(out, i + ahead[2])
                p, q, _ = coarse_limbs(exp_difference(load(x, i), m))
                a, b = a + p, b + q
                i += W
                steps += 1
        if i < stop:
            p, q, _ = coarse_limbs(exp_difference(load_first(x, i, stop - i, -INF), m))
            a, b = a + p, b + q
            i += W
            steps += 1
        first = first + unsigned_wide(a - base_first * steps)
        second = second + signed_wide(b - base_second * steps)
    return first, second


@inlined
def fine_limb(rest):
    """The limb of what the coarse ones leave."""
    return to_integers(rounded(rest * constant(rest, "w01") * constant(rest, "fine")))


@inlined
def fine_sums(x, n, m):
    """The sums of the fine limbs in each lane."""
    W = integer(x, "lanes")
    fine = zero_integers(m)
    i = 0
    while i < n:
        _, _, rest = coarse_limbs(exp_difference(load_first(x, i, n - i, -INF), m))
        fine = fine + fine_limb(rest)
        i += W
    return fine


@inlined
def all_sums(x, n, m, ahead, out):
    """The sums of all three limbs, for rows that are apart: one of them is likely to need the fine ones."""
    W = integer(x, "lanes")
    base_first, base_second = coarse_zero(m)
    first, second, fine = zero_integers(m), zero_integers(m), zero_integers(m)
    i = 0
    while i < n:
        stop = min(n, i + STEPS * W)
        a = b = base_first ^ base_first
        steps = (stop - i) // W
        while i < stop:
            will_read(x, i + ahead[0])
            will_write(out, i + ahead[2])
            p, q, rest = coarse_limbs(exp_difference(load(x, i), m))
            a, b, fine = a + p, b + q, fine + fine_limb(rest)
            i += W
        first = first + unsigned_wide(a - base_first * steps)
        second = second + signed_wide(b - base_second * steps)
    return first, second, fine


@inlined
def rest_of_sum(x, n, m, plain, across, ahead, out):
    """``sum(exp(x - m)) - 1`` as a double word."""
    if across or n > FEW * integer(x, "lanes"):
        first, second = coarse_sums(x, n, m, plain, ahead, out)
        first, second = added(first, across), added(second, across)
        fine = zero_integers(m)
        single = dominated(first, second, m)
        if any_of(single):
            fine = select(single, added(fine_sums(x, n, m), across), 0)
    else:
        first, second, fine = all_sums(x, n, m, ahead, out)
        fine = select(dominated(first, second, m), fine, 0)
    return rest_words(first, second, fine, m)


@inlined
def value_range(v, most, least):
    """The largest magnitude so far, and the smallest less one that is not 0, as bits: NaN is above all, 0 wraps around."""
    b = bits(magnitude(v))
    return larger(b, most), smaller(b - 1, least)


@inlined
def across_range(most, least, across):
    """The same of the rows."""
    if across:
        return spread_like(largest_integer(most), most), spread_like(smallest_integer(least), least)
    return most, least


@inlined
def above(least, name, like):
    """Whether all that is not 0 is at least a constant, by ``value_range``."""
    return not any_of(smaller(least, bits(constant(like, name)) - 1) < bits(constant(like, name)) - 1)


@inlined
def scaled_sum(first, second, e, finite, like):
    """``sum(v)`` from the sums of the limbs of ``v 2^-e``, as a double word; NaN where it is not finite."""
    w1 = integer(like, "w1")
    high, low = words(first * 2 + (second >> w1), second & ((1 << w1) - 1), zero_integers(like), like)
    scale = power_of(e)
    high, low = flush(high * scale), flush(low * scale)
    return select(finite & isfinite(high), high, NAN), low


@inlined
def scale_of(most, like):
    """``e`` with ``2^e <= max|v| < 2^(e + 1)``, the largest that has a normal ``2^-e``; and where ``max|v|`` is finite."""
    biggest = floats(most)
    finite = isfinite(biggest)
    e = to_floats((most >> integer(like, "fraction")) - integer(like, "bias"), like)
    top = constant(like, "largest_exponent")
    e = select(e < top, e, top)
    return select(finite & (biggest >= constant(like, "least")), e, 0.0), finite
