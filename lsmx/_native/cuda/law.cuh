// The law: what lsmx/_definition says of arrays, operation by operation, on one number. Compiled with contraction off.
// Integers wrap around: they are unsigned wherever they may.

namespace lsmx {

// ---- double words: the unevaluated sum of two floats

template <class F> struct Words {
    F high, low;
};

template <class F> LAW Words<F> two_sum(F a, F b) {
    F h = a + b, t = h - a;
    return {h, (a - (h - t)) + (b - t)};
}

template <class F> LAW Words<F> fast_two_sum(F a, F b) {
    F h = a + b;
    return {h, b - (h - a)};
}

// x - m exactly: two_sum(x, -m)
template <class F> LAW Words<F> minus_words(F x, F m) {
    F h = x - m, t = h - x;
    return {h, (x - (h - t)) - (m + t)};
}

// +0 for what is zero or nearly below the normal numbers
template <class F> LAW F flush(F x) { return magnitude(x) < Format<F>::least ? F(0) : x; }
template <class F> LAW F product(F a, F b) { return flush(a * b); }

// ---- e^x = 2^k e^r,  e^r = 1 + (r + r^2 q(r)),  r = x - k ln 2

template <class F> struct Exponential {
    F expm1, low, k, shifted;  // e^r - 1, what its last addition rounded off, k, and k in the low bits of a float
};

// For x.high >= underflow; otherwise anything.
template <class F> LAW Exponential<F> exp(Words<F> x) {
    F shifted = x.high * Format<F>::log2e + Format<F>::round_0;
    F k = shifted - Format<F>::round_0;
    F r = fused(-k, Format<F>::ln2_hi, x.high) + (x.low - k * Format<F>::ln2_lo);  // k ln2_hi is exact: fused or not, the same
    Words<F> expm1 = fast_two_sum(r, (r * r) * Format<F>::exp_polynomial(r));
    return {expm1.high, expm1.low, k, shifted};
}

// x * 2^k for x in [1/2, 2) and a normal result: k added to the exponent's bits
template <class F> LAW F times_power(F x, F shifted) {
    return floats(Word<F>(wrapping(bits(x)) + (wrapping(bits(shifted)) << Format<F>::fraction)));
}

// 2^k
template <class F> LAW F power(F shifted) {
    return floats(Word<F>((wrapping(bits(shifted)) + Format<F>::bias) << Format<F>::fraction));
}

// 2^e for an integer-valued float
template <class F> LAW F power_of(F e) { return power(e + Format<F>::round_0); }

// exp(x - m), 0 below the normal numbers
template <class F> LAW F exp_difference(F x, F m) {
    Words<F> d = minus_words(x, m);
    bool counts = d.high > Format<F>::underflow;
    Exponential<F> e = exp(Words<F>{counts ? d.high : Format<F>::underflow, counts ? d.low : F(0)});
    return counts ? times_power(F(1) + e.expm1, e.shifted) : F(0);
}

// ---- exact sums: values are scaled to a fixed-point grid and added as integers

template <class F> struct Limbs {
    Wrapping<F> first, second;  // in the low bits of floats
};

// Limbs of -2 <= v <= 2, the coarse one of 2^-(w0 - 1): the definition's is one bit finer, their sum is the same
template <class F> LAW Limbs<F> limbs_of(F v) {
    F first = v + Format<F>::round_first;
    v = v - (first - Format<F>::round_first);
    return {wrapping(bits(first)), wrapping(bits(v + Format<F>::round_second))};
}

// The sums of the limbs of many
struct Digits {
    long long first, second;
};

template <class F> LAW Digits digits_of(F v) {
    const Limbs<F> zero = limbs_of(F(0)), limbs = limbs_of(v);
    return {Word<F>(limbs.first - zero.first), Word<F>(limbs.second - zero.second)};
}

// The number as a double word: its pieces, counted from its last bit upwards, are exact as floats and added coarse to fine
template <class F> LAW Words<F> words(Digits n) {
    using C = Format<F>;
    const long long mask = (1LL << C::piece) - 1, second = n.second & ((1LL << C::w1) - 1);
    const long long first = n.first * 2 + (n.second >> C::w1);  // of 2^-w0
    constexpr int up = C::w1 > C::piece ? C::w1 - C::piece : 0, down = C::piece > C::w1 ? C::piece - C::w1 : 0;
    const long long lowest = (second | (first & ((1LL << down) - 1)) << (down ? C::w1 : 0)) & mask;
    const long long upper = down ? first >> down : first * (1LL << up) + (second >> C::piece);
    const F pieces[] = {F((upper >> C::piece) & mask) * C::third, F(upper & mask) * C::second, F(lowest) * C::last};
    F high = F(upper >> C::piece >> C::piece) * C::fourth, rest = F(0);
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        Words<F> s = fast_two_sum(high, pieces[i]);
        high = s.high;
        rest = rest + s.low;
    }
    return fast_two_sum(high, rest);
}

// The words of a number that was scaled by 2^-e
template <class F> LAW Words<F> scaled_words(Digits n, F e) {
    Words<F> s = words<F>(n);
    F scale = power_of(e);
    return {flush(s.high * scale), flush(s.low * scale)};
}

// e with 2^e <= t < 2^(e + 1), for 0 or a normal number; 0 for 0
template <class F> LAW F exponent_of(F t) { return t == F(0) ? F(0) : F((bits(t) >> Format<F>::fraction) - Format<F>::bias); }

// e with 2^e <= |v| < 2^(e + 1), the largest that has a normal 2^-e; 0 where |v| is 0 or not finite
template <class F> LAW F scale_of(F largest) {
    if (!finite(largest) || largest < Format<F>::least) return F(0);
    F e = exponent_of(largest);
    return e < Format<F>::largest_exponent ? e : Format<F>::largest_exponent;
}

// ---- ln(1 + R) and 1 / (1 + R) by one table:  1 + R = 2^e (1 + f) / table[i]

template <class F> struct Normal {
    F e;
    int i;
    F c;
    Words<F> f;
};

template <class F> LAW Normal<F> normalise(Words<F> rest) {
    using C = Format<F>;
    Words<F> s = two_sum(rest.high, F(1));
    s = fast_two_sum(s.high, s.low + rest.low);
    int exponent = int(bits(s.high) >> C::fraction) - C::bias;
    F scale = floats(Word<F>(C::bias - exponent) << C::fraction);
    s = {s.high * scale, s.low * scale};
    int i = int(bits(s.high) >> (C::fraction - C::table_bits)) & ((1 << C::table_bits) - 1);
    F c = Format<F>::table(i);
    F upper = (s.high + C::round_half) - C::round_half;  // short enough for an exact product with c
    Words<F> f = two_sum(upper * c - F(1), (s.high - upper) * c);
    f = fast_two_sum(f.high, f.low + s.low * c);
    return {F(exponent), i, c, (exponent | i) == 0 ? rest : f};
}

// ln(1 + R) = (e ln 2 - ln c) + ln(1 + f)
template <class F> LAW Words<F> log(Normal<F> s) {
    F f = s.f.high;
    F large = s.e * Format<F>::ln2_hi + Format<F>::log_table_hi(s.i);
    F small = s.e * Format<F>::ln2_lo + Format<F>::log_table_lo(s.i);
    Words<F> l = two_sum(large, f);
    l = fast_two_sum(l.high, l.low + (small + (s.f.low + product(f, f) * Format<F>::log_polynomial(f))));
    return {l.high, flush(l.low)};
}

// 1 / (1 + R) = 2^-e (c + c v)  with  1 + v = 1 / (1 + f)
template <class F> LAW Words<F> reciprocal(Normal<F> s) {
    F f = s.f.high, v = f * Format<F>::inv_polynomial(f);
    Words<F> w = fast_two_sum(s.c, s.c * v);
    F scale = power_of(F(0) - s.e);
    return {w.high * scale, w.low * scale};
}

}  // namespace lsmx
