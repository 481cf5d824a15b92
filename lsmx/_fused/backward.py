"""The backward passes, as in ``forward.py``: ``rule(g, y, c, out, n, across, ahead)`` with the cotangent and the residual."""

from lsmx._fused.law import (
    STEPS,
    exp_rest,
    exp_rest_of_one,
    flush,
    isfinite,
    minus_words,
    power,
    power_of,
    signed_limbs,
    signed_zero,
    times_power,
)
from lsmx._fused.sums import INF, NAN, above, across_range, added, scale_of, scaled_sum, value_range
from lsmx._fused.vectors import (
    any_of,
    bits,
    constant,
    floats,
    inlined,
    integer,
    lane,
    larger,
    load,
    load_first,
    magnitude,
    not_below,
    select,
    signed_wide,
    smaller,
    spread_like,
    store,
    store_first,
    will_read,
    will_write,
    zero_integers,
)


@inlined
def as_it_is(g, _y):
    return flush(g)


@inlined
def product(a, b):
    return flush(a * b)


@inlined
def times(g, y):
    return product(flush(g), flush(y))


@inlined
def plain_as_it_is(g, _y):
    return g


@inlined
def plain_times(g, y):
    return g * y


@inlined
def value_sum(g, y, n, value, plain_value, across, ahead, out):
    """``sum(value(g, y))`` of each row as a double word, and whether all goes without flushing.

    Where all that is not 0 is at least 2^-56 (float64: 2^-455), and so is the largest value, then the grid of the sum is at least
    2^-100, and what flushing could change is far below it.
    """
    W = integer(g, "lanes")
    zero = bits(load_first(g, 0, 0, 0.0))
    most, least, least_y = zero, zero - 1, zero - 1
    i = 0
    while i + W <= n:
        a, b = load(g, i), load(y, i)
        most, _ = value_range(plain_value(a, b), most, zero)
        _, least = value_range(a, zero, least)
        _, least_y = value_range(b, zero, least_y)
        i += W
    if i < n:
        a, b = load_first(g, i, n - i, 0.0), load_first(y, i, n - i, 0.0)
        most, _ = value_range(plain_value(a, b), most, zero)
        _, least = value_range(a, zero, least)
        _, least_y = value_range(b, zero, least_y)
    plain = above(least, "plain", a) and above(least_y, "least", a)
    if not plain:
        most = zero
        for i in range(0, n, W):
            v = value(load_first(g, i, n - i, 0.0), load_first(y, i, n - i, 0.0))
            most, _ = value_range(v, most, zero)
    most, _ = across_range(most, least, across)
    e, finite = scale_of(most, a)
    plain = plain and not any_of(floats(most) < constant(a, "plain")) and not any_of(e >= constant(a, "largest_exponent"))

    scale = power_of(0.0 - e)
    base_first, base_second = signed_zero(a)
    first, second = zero_integers(a), zero_integers(a)
    i = 0
    while i < n:
        stop = min(n, i + STEPS * W)
        p, q, steps = zero, zero, 0
        if plain:
            while i + W <= stop:
                will_read(g, i + ahead[0])
                will_write(out, i + ahead[2])
                s, t = signed_limbs(plain_value(load(g, i), load(y, i)) * scale)
                p, q = p + s, q + t
                i += W
                steps += 1
        while i < stop:
            v = value(load_first(g, i, stop - i, 0.0), load_first(y, i, stop - i, 0.0)) * scale
            part = larger(smaller(v, spread_like(2.0, v)), spread_like(-2.0, v))  # the largest exponent has no scale: |v| < 4
            s, t = signed_limbs(part)
            p, q = p + s, q + t
            s, t = signed_limbs(v - part)
            p, q = p + s, q + t
            i += W
            steps += 2
        first, second = first + signed_wide(p - base_first * steps), second + signed_wide(q - base_second * steps)
    high, low = scaled_sum(added(first, across), added(second, across), e, finite, a)
    return high, low, plain


@inlined
def minus(a, b):
    """``two_sum(a, -b)`` and the error only where it cannot be subnormal."""
    exact = (magnitude(a) >= constant(a, "least_exact")) & (magnitude(b) >= constant(a, "least_exact"))
    high, error = minus_words(a, b)
    return flush(high), select(exact, error, 0.0)


@inlined
def log_softmax(g, y, _c, out, n, across, ahead):
    G, G_low, plain = value_sum(g, g, n, as_it_is, plain_as_it_is, across, ahead, out)
    W = integer(g, "lanes")
    i = 0
    if plain and not any_of(not_below(constant(G, "plain_sum"), magnitude(G))):
        while i + W <= n:
            v, log_p = load(g, i), load(y, i)
            if any_of(not_below(log_p, constant(G, "far"))):
                store(out, i, minus_s_sum(v, log_p, G, G_low))
            else:
                store(out, i, minus_small_s_sum(v, log_p, G, G_low))
            will_read(y, i + ahead[1])
            i += W
    while i < n:
        dz = minus_s_sum(load_first(g, i, n - i, 0.0), load_first(y, i, n - i, -INF), G, G_low)
        store_first(out, i, n - i, dz)
        i += W


@inlined
def minus_s_sum(v, log_p, G, G_low):
    v = flush(v)
    valid = log_p <= 0.0 - constant(v, "underflow")
    log_p = flush(select(valid, log_p, 0.0))
    normal = log_p > constant(v, "underflow")
    expm1, s_low, k, shifted = exp_rest(select(normal, log_p, constant(v, "underflow")), spread_like(0.0, v))
    expm1 = select(valid, expm1, NAN)

    # dz = g - s * sum(g),  s = 2^k e^r:  g - 2^k (sum(g) + (e^r - 1) sum(g))
    rest = product(expm1, G)
    far = v - flush(select(normal, (G + flush(rest + G_low)) * power(shifted), 0.0))
    # where s is near 1, k = 0:  (g - sum(g)) - (s - 1) * sum(g), which does not cancel
    high, error = minus(v, G)
    high, error_2 = minus(high, rest)
    near = high + ((error - flush(G_low + product(s_low, G))) + error_2)
    return select(G == G, flush(select(k == 0.0, near, far)), NAN)


@inlined
def minus_small_s_sum(v, log_p, G, G_low):
    """The same where ``s`` is not near 1 and nothing needs flushing but ``s G`` where ``g`` is 0."""
    normal = log_p > constant(v, "underflow")
    expm1, shifted = exp_rest_of_one(log_p)
    return flush(v - select(normal, (G + (expm1 * G + G_low)) * power(shifted), 0.0))


@inlined
def softmax(g, y, _c, out, n, across, ahead):
    G, G_low, plain = value_sum(g, y, n, times, plain_times, across, ahead, out)
    W = integer(g, "lanes")
    i = 0
    if plain:
        while i + W <= n:
            high, error = minus_words(load(g, i), G)
            store(out, i, flush(load(y, i) * (high + (error - G_low))))
            i += W
    while i < n:
        # s * (g - sum(g * s))
        high, error = minus(flush(load_first(g, i, n - i, 0.0)), G)
        store_first(out, i, n - i, product(flush(load_first(y, i, n - i, 0.0)), flush(high + (error - G_low))))
        i += W


@inlined
def logsumexp(g, z, lse, out, n, across, ahead):
    if across:
        v, maximum = lane(load_first(g, 0, 1, 0.0), 0), lane(load_first(lse, 0, 1, 0.0), 0)
    else:
        v, maximum = load(g, 0), load(lse, 0)
    v = flush(v)
    W = integer(z, "lanes")
    i = 0
    while i + W <= n:
        will_read(z, i + ahead[1])
        store(out, i, product(v, probability(load(z, i), maximum)))
        i += W
    if i < n:
        store_first(out, i, n - i, product(v, probability(load_first(z, i, n - i, 0.0), maximum)))


@inlined
def probability(x, lse):
    """``exp(x - lse)``: 0 in a row of nothing but -inf, NaN in one with +inf or NaN."""
    finite = isfinite(lse)
    m = select(finite, lse, 0.0)
    high, low = minus_words(x, m)
    valid = finite & (high <= 0.0 - constant(x, "underflow"))
    normal = high > constant(x, "underflow")
    expm1, _, _, shifted = exp_rest(high, low)
    s = select(normal, times_power(1.0 + expm1, shifted), 0.0)
    return select(valid, s, select(lse == -INF, 0.0, spread_like(NAN, lse)))
