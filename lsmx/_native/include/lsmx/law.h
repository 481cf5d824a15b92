// The arithmetic of lsmx/_definition, operation by operation, on a number type N: a float, a double, or a vector of them.
// F is the element. Compiled with contraction off. Integers that may wrap around are unsigned.
#pragma once
#include "numbers.h"
#include "constants.h"

namespace LSMX_TARGET {

// ---- double words: the unevaluated sum of two floats (words.py)

template <class N> struct Words {
    N high, low;
};

template <class N> LAW Words<N> two_sum(N a, N b) {
    N h = a + b, t = h - a;
    return {h, (a - (h - t)) + (b - t)};
}

// two_sum where |a| >= |b| or a = 0
template <class N> LAW Words<N> fast_two_sum(N a, N b) {
    N h = a + b;
    return {h, b - (h - a)};
}

// x - m exactly: two_sum(x, -m)
template <class N> LAW Words<N> minus_words(N x, N m) {
    N h = x - m, t = h - x;
    return {h, (x - (h - t)) - (m + t)};
}

// The same where |m| has the larger exponent, or the same
template <class N> LAW Words<N> minus_words_ordered(N x, N m) {
    N h = x - m;
    return {h, x - (h + m)};
}

template <class N> LAW auto unordered(N x) { return x != x; }
template <class N> LAW auto finite(N x) { return x - x == Element<N>(0); }

template <class N> LAW N canonical(N x) { return where(unordered(x), spread<N>(not_a_number<Element<N>>()), x); }

// v, but +0 for -0 and below twice the least normal number, where hardware that flushes subnormals would differ
template <class N> LAW N flush(N x) { return unless(magnitude(x) < Constants<N>::least, x); }
template <class N> LAW N product(N a, N b) { return flush(a * b); }

// ---- e^x = 2^k e^r,  e^r = 1 + (r + r^2 q(r)),  r = x - k ln 2 (exp.py)

template <class N> struct Exponential {
    N expm1, low, k, shifted;  // e^r - 1, the rounding error of its last addition, k, and k in the low bits of a float
};

// For x.high >= underflow; below that the result means nothing
template <class N> LAW Exponential<N> exp(Words<N> x) {
    using C = Constants<N>;
    N shifted = x.high * C::log2e + C::one;
    N k = shifted - C::one;
    N r = minus_exact_product(x.high, k, C::ln2_hi) + (x.low - k * C::ln2_lo);
    Words<N> e = fast_two_sum(r, (r * r) * C::exp_polynomial(r));
    return {e.high, e.low, k, shifted};
}

// The same of a single float
template <class N> LAW Exponential<N> exp(N x) {
    using C = Constants<N>;
    N shifted = x * C::log2e + C::one;
    N k = shifted - C::one;
    N r = minus_exact_product(x, k, C::ln2_hi) - k * C::ln2_lo;
    Words<N> e = fast_two_sum(r, (r * r) * C::exp_polynomial(r));
    return {e.high, e.low, k, shifted};
}

// x 2^k for a normal x and a normal result: k is added to the exponent's bits
template <class N> LAW N times_power(N x, N shifted) { return floats(bits(x) + (bits(shifted) << Constants<N>::fraction)); }

// 2^k
template <class N> LAW N power(N shifted) {
    using C = Constants<N>;
    return floats((bits(shifted) + Unsigned<N>(C::bias)) << C::fraction);
}

// 2^e for an integer-valued float
template <class N> LAW N power_of(N e) { return power(e + Constants<N>::one); }

// What is known of the logits x of a row with maximum m
enum Known {
    NOTHING,
    NO_UNDERFLOW,  // every x - m > underflow
    ORDERED,       // nor has any x a larger exponent than m
};

// t = exp(x - m), 0 where x - m <= underflow
template <Known KNOWN, class N> LAW N exp_difference(N x, N m) {
    using C = Constants<N>;
    Words<N> d = KNOWN == ORDERED ? minus_words_ordered(x, m) : minus_words(x, m);
    if constexpr (KNOWN == NOTHING) {
        auto below = !(d.high > C::underflow);
        d = {where(below, spread<N>(C::underflow), d.high), unless(below, d.low)};
        Exponential<N> e = exp(d);
        return unless(below, times_power(e.expm1 + Element<N>(1), e.shifted));
    } else {
        Exponential<N> e = exp(d);
        return times_power(e.expm1 + Element<N>(1), e.shifted);
    }
}

// e^log_p for the logarithm of a probability
template <class N> struct Probability {
    Exponential<N> exp;
    decltype(N() == N()) normal;  // else it is 0
};

// expm1 is NaN where log_p is NaN, or far too large for the logarithm of a probability
template <class N> LAW Probability<N> probability(N log_p) {
    using C = Constants<N>;
    auto valid = log_p <= -C::underflow;
    log_p = flush(unless(!valid, log_p));
    auto normal = log_p > C::underflow;
    Exponential<N> e = exp(where(normal, log_p, C::underflow));
    e.expm1 = where(valid, e.expm1, not_a_number<Element<N>>());
    return {e, normal};
}
template <class N> LAW N value(Probability<N> p) { return unless(!p.normal, (p.exp.expm1 + Element<N>(1)) * power(p.exp.shifted)); }

// ---- exact sums: values are rounded to multiples of one number, the grid, and added as integers (sums.py)

// The grid of a row whose largest value lies in [2^e, 2^(e + 1)): 2^(e - 44), or 2^(e - 80) of doubles. Adding `first` leaves
// multiples of 2^split of it in the low bits of a float, adding `second` single ones.
template <class N> struct Grid {
    N first, second;
};
template <class N> LAW Grid<N> grid(N scale) { return {scale * Constants<N>::grid_first, scale * Constants<N>::grid_second}; }

// round(v / grid) as two integers, first 2^split + second, in the low bits of floats above those of the grid
template <class N> struct Limbs {
    With<N, Unsigned<N>> first, second;
};
template <class N> LAW Limbs<N> limbs(N v, Grid<N> g) {
    N first = v + g.first;
    N rest = v - (first - g.first);
    return {bits(first), bits(rest + g.second)};
}

// The limbs of any v, flushed and scaled by 2^-e. Where e had to be reduced (scale_of), |x| may reach 4, and limbs hold 2: so x is split.
template <class N, class Add> LAW void any_limbs(N v, N scale, Grid<N> by, Add&& add) {
    N x = flush(v) * scale;
    N part = larger(smaller(x, spread<N>(2)), spread<N>(-2));
    add(limbs(part, by));
    add(limbs(x - part, by));
}

// An integer in pieces of as many bits as are exact in a float, from the grid's last bit upwards; the first one carries the sign
template <class N> struct Digits {
    Integers<N> top, high, middle, low;
};

// The integer as a double word in units of the grid, its pieces added coarse to fine
template <class N> LAW Words<N> words(Digits<N> d) {
    using C = Constants<N>;
    Words<N> s = fast_two_sum(to_floats(d.top) * C::unit_top, to_floats(d.high) * C::unit_high);
    N rest = s.low;
    s = fast_two_sum(s.high, to_floats(d.middle) * C::unit_middle);
    rest = rest + s.low;
    s = fast_two_sum(s.high, to_floats(d.low) * C::unit_low);
    return fast_two_sum(s.high, rest + s.low);
}

// e with 2^e <= v < 2^(e + 1) for a normal v; some other number for 0
template <class N> LAW N exponent_of(N v) {
    using C = Constants<N>;
    return to_floats(as_signed(bits(v) >> C::fraction) - Signed<N>(C::bias));
}

// The same, but at most the largest e for which 2^-e is a normal number; 0 where v counts as 0 or is not finite
template <class N> LAW N scale_of(N v) {
    using C = Constants<N>;
    return unless(!(finite(v) && (v >= C::least)), smaller(exponent_of(v), spread<N>(C::largest_exponent)));
}

// A sum in units of 2^e
template <class N> LAW Words<N> scaled(Words<N> s, N scale) { return {flush(s.high * scale), flush(s.low * scale)}; }

// The sum of values of which `most` is the largest magnitude; NaN where it is not finite
template <class N> LAW Words<N> value_sum(Digits<N> d, N e, N most) {
    Words<N> s = scaled(words(d), power_of(e));
    return {where(finite(most) && finite(s.high), s.high, not_a_number<Element<N>>()), s.low};
}

// ---- ln(1 + R) and 1 / (1 + R) of a row's rest R by one table:  1 + R = 2^e (1 + f) / table[i] (log.py)

template <class N> struct Entry {
    N c, log_hi, log_lo;
};

template <class N> struct LookUp {
    LAW static Entry<N> at(Signed<N> i) {
        const N* row = Constants<N>::table(int(i));
        return {row[0], row[1], row[2]};
    }
};

template <class N> struct Normal {
    N e;
    Entry<N> at;
    Words<N> f;
};

template <class N> LAW Normal<N> normalise(Words<N> rest) {
    using C = Constants<N>;
    Words<N> s = two_sum(rest.high, spread<N>(1));
    s = fast_two_sum(s.high, s.low + rest.low);
    auto exponent = as_signed(bits(s.high) >> C::fraction) - Signed<N>(C::bias);
    N scale = floats(as_unsigned(Signed<N>(C::bias) - exponent) << C::fraction);
    s = {s.high * scale, s.low * scale};
    auto i = as_signed(bits(s.high) >> (C::fraction - C::table_bits)) & ((Signed<N>(1) << C::table_bits) - 1);
    Entry<N> t = LookUp<N>::at(i);
    N upper = (s.high + C::half_word) - C::half_word;  // so few bits that the product with c is exact
    Words<N> f = two_sum(upper * t.c - Element<N>(1), (s.high - upper) * t.c);
    f = fast_two_sum(f.high, f.low + s.low * t.c);
    auto first = (exponent | i) == Signed<N>(0);
    return {to_floats(exponent), t, {where(first, rest.high, f.high), where(first, rest.low, f.low)}};
}

// ln(1 + R) = (e ln 2 - ln c) + ln(1 + f)
template <class N> LAW Words<N> log(Normal<N> s) {
    using C = Constants<N>;
    N f = s.f.high;
    N large = s.e * C::ln2_hi + s.at.log_hi, small = s.e * C::ln2_lo + s.at.log_lo;
    Words<N> l = two_sum(large, f);
    l = fast_two_sum(l.high, l.low + (small + (s.f.low + product(f, f) * C::log_polynomial(f))));
    return {l.high, flush(l.low)};
}

// 1 / (1 + R) = 2^-e (c + c v)  with  1 + v = 1 / (1 + f)
template <class N> LAW Words<N> reciprocal(Normal<N> s) {
    N f = s.f.high, v = f * Constants<N>::inv_polynomial(f);
    Words<N> w = fast_two_sum(s.at.c, s.at.c * v);
    N scale = power_of(Element<N>(0) - s.e);
    return {w.high * scale, w.low * scale};
}

// ---- the functions' own formulas

// log-softmax: out = (x - m) - L
template <class N> LAW N log_softmax_value(N x, N m, N L) { return (x - m) - L; }

// softmax: s = 2^k (w + (e^r - 1) w),  exp(x - m) = 2^k e^r,  w = 1 / (1 + R);  zero where exp(log_softmax) would be
template <class N> LAW N softmax_value(N x, N m, N L, Words<N> w) {
    using C = Constants<N>;
    auto below = !(log_softmax_value(x, m, L) > C::underflow);
    Words<N> d = minus_words(x, m);
    Exponential<N> e = exp(Words<N>{where(below, spread<N>(0), d.high), unless(below, d.low)});
    return unless(below, times_power(w.high + (e.expm1 * w.high + w.low), e.shifted));
}

// logsumexp: m + L
template <class N> LAW N logsumexp_value(N m, Words<N> L) {
    Words<N> s = two_sum(flush(m), L.high);
    return flush(s.high + flush(flush(s.low) + L.low));
}

// a - b and its rounding error, the latter 0 where it could be subnormal
template <class N> LAW Words<N> minus(N a, N b) {
    using C = Constants<N>;
    auto exact = (magnitude(a) >= C::least_exact) && (magnitude(b) >= C::least_exact);
    Words<N> d = minus_words(a, b);
    return {flush(d.high), unless(!exact, d.low)};
}

// v - G for a sum in two words
template <class N> LAW N minus_sum(N v, Words<N> G) {
    Words<N> d = minus(v, G.high);
    return canonical(flush(d.high + (d.low - G.low)));
}

// VJP of log-softmax: dz = g - s sum(g),  s = 2^k e^r:  g - 2^k (sum(g) + (e^r - 1) sum(g));  for any log_p
template <class N> LAW N minus_s_sum(N v, N log_p, Words<N> G) {
    v = flush(v);
    Probability<N> s = probability(log_p);
    N rest = product(s.exp.expm1, G.high);
    N far = flush(v - flush(unless(!s.normal, (G.high + flush(rest + G.low)) * power(s.exp.shifted))));
    // where s is near 1, k = 0:  (g - sum(g)) - (s - 1) sum(g), which does not cancel
    Words<N> d = minus(v, G.high), d2 = minus(d.high, rest);
    N near = flush(d2.high + ((d.low - flush(G.low + product(s.exp.low, G.high))) + d2.low));
    N dz = where(s.exp.k == Element<N>(0), near, far);
    return where(unordered(G.high) || unordered(dz), spread<N>(not_a_number<Element<N>>()), dz);
}

// The same where s is not near 1 (log_p < far), and no g but 0 is tiny, nor sum(g): only the result can need flushing. Not for NaN.
template <class N> LAW N minus_small_s_sum(N v, N log_p, Words<N> G) {
    Exponential<N> s = exp(log_p);
    return flush(v - unless(log_p <= Constants<N>::underflow, (G.high + (s.expm1 * G.high + G.low)) * power(s.shifted)));
}

// The same where s is not tiny either (mild <= log_p < far): nothing needs flushing
template <class N> LAW N minus_mild_s_sum(N v, N log_p, Words<N> G) {
    Exponential<N> s = exp(log_p);
    return v - times_power(G.high + (s.expm1 * G.high + G.low), s.shifted);
}

// VJP and JVP of softmax: s (g - sum(s g))
template <class N> LAW N s_minus_sum(N v, N s, Words<N> G) { return canonical(product(flush(s), minus_sum(flush(v), G))); }

}  // namespace LSMX_TARGET
