"""The forward passes on one row, or as many as there are lanes: three walks, as the formulas say, over what is in the cache.

``rule(z, _, _, out, n, across, ahead)``: see ``sums.py`` for ``n`` and ``across``. ``ahead`` says for the first two operands where
what comes next will be read, and for the output where it will end up, in elements from where they are: hints for the caches.
"""

from lsmx._fused.law import exp_difference_parts, exp_plain_parts, flush, isfinite, log, normalise, reciprocal, times_power, two_sum
from lsmx._fused.sums import NAN, is_plain, rest_of_sum, row_range
from lsmx._fused.vectors import all_of, any_of, constant, inlined, integer, load, load_first, select, store, store_first


@inlined
def sum_exp(z, n, across, ahead, out):
    """Of each row: its maximum and minimum, the maximum where it is finite or 0, where it is, and the normalised sum.

    And whether ``exp_plain`` is exact for all rows.
    """
    maximum, minimum = row_range(z, n, across)
    defined = isfinite(maximum)
    m = select(defined, maximum, 0.0)
    plain = is_plain(m, minimum) and all_of(defined)
    high, low = rest_of_sum(z, n, m, plain, across, ahead, out)
    return maximum, minimum, m, defined, normalise(high, low), plain


@inlined
def log_softmax(z, _b, _c, out, n, across, ahead):
    _, _, m, defined, (e, i, _, f, f_low), _ = sum_exp(z, n, across, ahead, out)

    # out = (z - max) - L,  L = ln sum exp(z - max)
    L = select(defined, log(e, i, f, f_low)[0], NAN)
    W = integer(z, "lanes")
    i = 0
    while i + W <= n:
        store(out, i, (load(z, i) - m) - L)
        i += W
    if i < n:
        store_first(out, i, n - i, (load_first(z, i, n - i, 0.0) - m) - L)


@inlined
def softmax(z, _b, _c, out, n, across, ahead):
    _, minimum, m, defined, (e, i, c, f, f_low), plain = sum_exp(z, n, across, ahead, out)
    L = log(e, i, f, f_low)[0]
    w, low = reciprocal(e, c, f)
    w = select(defined, w, NAN)
    W = integer(z, "lanes")
    i = 0
    if plain and not any_of((minimum - m) - L <= constant(m, "underflow")):
        while i + W <= n:
            expm1, shifted = exp_plain_parts(load(z, i), m)
            store(out, i, times_power(w + (expm1 * w + low), shifted))
            i += W
    while i + W <= n:
        store(out, i, probability(load(z, i), m, L, w, low, defined))
        i += W
    if i < n:
        store_first(out, i, n - i, probability(load_first(z, i, n - i, 0.0), m, L, w, low, defined))


@inlined
def probability(x, m, L, w, w_low, defined):
    # s = 2^k (1/sum + (e^r - 1)/sum),  exp(z - max) = 2^k e^r;  zero where exp(log_softmax) would be
    expm1, shifted = exp_difference_parts(x, m)
    s = times_power(w + (expm1 * w + w_low), shifted)
    s = select((x - m) - L > constant(x, "underflow"), s, 0.0)
    return select(defined, s, NAN)


@inlined
def logsumexp(z, _b, _c, out, n, across, ahead):
    maximum, _, m, defined, (e, i, _, f, f_low), _ = sum_exp(z, n, across, ahead, z)

    # lse = max + L,  L = ln sum exp(z - max);  where the maximum is not finite, it is the answer
    L, low = log(e, i, f, f_low)
    high, error = two_sum(m, L)
    lse = select(defined, flush(high + (error + low)), maximum)
    if across:
        store_first(out, 0, 1, lse)
    else:
        store(out, 0, lse)
