// The arithmetic of the losses, on the same number types as law.h: products of double words, e^d - 1, and the formula of each loss.
#pragma once
#include "law.h"

#ifdef LSMX_SMALL  // set for targets whose code has to be small: building blocks of the losses are not inlined there
#undef LAW
#define LAW inline
#endif

namespace LSMX_TARGET {

LAW bool any(bool x) { return x; }

// ---- products of double words (products.py)

// A double word, its second word 0 where that, or what it was computed from, could be subnormal
template <class N> LAW Words<N> settled(N high, N low) { return {high, unless(magnitude(high) < Constants<N>::least_pair, flush(low))}; }

// As two words of half the bits, whose products are exact
template <class N> LAW Words<N> halves(N a) {
    N big = a * Constants<N>::splitter, high = big - (big - a);
    return {high, a - high};
}
// a b - h for h = round(a b), which is exact: so it is one operation where there is one for it
template <class N> LAW N product_error(N a, N b, N h) {
    Words<N> x = halves(a), y = halves(b);
    return ((x.high * y.high - h) + x.high * y.low + x.low * y.high) + x.low * y.low;
}

// (h, l) with h = round(a b) and h + l = a b
template <class N> LAW Words<N> two_product(N a, N b) {
    N h = a * b;
    return settled(h, product_error(a, b, h));
}

template <class N> LAW Words<N> times(Words<N> a, Words<N> b) {
    Words<N> p = two_product(a.high, b.high);
    Words<N> s = fast_two_sum(p.high, p.low + (flush(a.high * b.low) + flush(a.low * b.high)));
    return settled(s.high, s.low);
}

// d^2 / 2 of a double word
template <class N> LAW Words<N> half_square(Words<N> d) {
    Words<N> h = two_product(d.high, d.high * Element<N>(0.5));
    return settled(h.high, h.low + flush(d.high * d.low));
}

// ---- e^d - 1 and phi = e^d - 1 - d of a double word (expm1.py)

template <class N> struct Expm1 {
    Words<N> value;
    N rest;
    Words<N> exp;  // e^d
};
// phi = d^2/2 + d^3 r(d) for |d| <= 1
template <class N> LAW N small_phi(Words<N> d) {
    Words<N> h = half_square(d);
    N cube = flush(flush((h.high + h.high) * d.high) * Constants<N>::phi_polynomial(d.high));
    return h.high + (h.low + cube);
}
template <class N> LAW Expm1<N> expm1(Words<N> d) {
    using C = Constants<N>;
    auto below = !(d.high > C::underflow);
    Exponential<N> e = exp(Words<N>{where(below, spread<N>(C::underflow), d.high), unless(below, d.low)});
    N scale = unless(below, power(e.shifted)), E = e.expm1 * scale, low = flush(e.low * scale);
    auto far = !(magnitude(d.high) <= Element<N>(1));
    Words<N> n = {unless(far, d.high), unless(far, d.low)};

    // (2^k - 1 - d) + 2^k E
    Words<N> u = two_sum(scale - Element<N>(1), Element<N>(0) - d.high), s = two_sum(u.high, E);
    N large = s.high + (s.low + (u.low + (low - d.low)));
    N rest = where(far, large, small_phi(n));

    Words<N> v = two_sum(scale - Element<N>(1), E), most = fast_two_sum(v.high, v.low + low), small = fast_two_sum(n.high, rest + n.low);
    Words<N> whole = two_sum(e.expm1, spread<N>(1));
    return {settled(where(far, most.high, small.high), where(far, most.low, small.low)), flush(rest),
            settled(whole.high * scale, (whole.low + e.low) * scale)};
}

// ln(1 + R) for R >= -3/4:  -ln(1 - R / (1 + R)) where R is negative
template <class N> LAW Words<N> signed_log1p(Words<N> R) {
    auto negative = R.high < Element<N>(0);
    Words<N> n = {unless(!negative, R.high), unless(!negative, R.low)};
    Words<N> h = two_sum(n.high * Element<N>(4), spread<N>(3));
    Words<N> w = reciprocal(normalise(Words<N>{h.high, h.low + n.low * Element<N>(4)}));  // 1 / (4 (1 + R))
    Words<N> flipped = times(Words<N>{n.high * Element<N>(-4), n.low * Element<N>(-4)}, w);
    Words<N> l = log(normalise(Words<N>{where(negative, flipped.high, R.high), where(negative, flipped.low, R.low)}));
    return {where(negative, Element<N>(0) - l.high, l.high), where(negative, Element<N>(0) - l.low, l.low)};
}

// ---- logits as they enter a loss:  x = [round(cap tanh([z / cap])) / T] (logits.py)

// [z / T]
template <class N> LAW N divided(N z, N T) { return flush(z / T); }

// Of a >= 0, with u = e^-2a:  tanh(a) = (1 - u) / (1 + u)  and  sech^2(a) = 4 u / (1 + u)^2 (expm1.py)
template <class N> struct Tanh {
    Words<N> value;
    N sech2;
    Words<N> u, inverse;  // and 1 / (1 + u)
};
template <class N> LAW Tanh<N> tanh(Words<N> a) {
    Expm1<N> e = expm1(Words<N>{a.high * Element<N>(-2), a.low * Element<N>(-2)});
    Words<N> w = reciprocal(normalise(e.exp));
    return {times(Words<N>{Element<N>(0) - e.value.high, Element<N>(0) - e.value.low}, w),
            times(times(e.exp, w), Words<N>{w.high * Element<N>(4), w.low * Element<N>(4)}).high, e.exp, w};
}
template <class N> LAW Tanh<N> tanh(N a) { return tanh(Words<N>{a, spread<N>(0)}); }

// cap tanh(z / cap); what is not finite stays
template <class N> LAW N capped(N z, N cap) {
    auto any = !finite(z);
    N a = divided(unless(any, z), cap), y = product(tanh(magnitude(a)).value.high, cap);
    return where(any, z, where(a < Element<N>(0), y * Element<N>(-1), y));  // -0 too
}

// A gradient by that, as one by z:  round(g sech^2(z / cap))
template <class N> LAW N uncapped(N g, N z, N cap) {
    return canonical(product(g, tanh(magnitude(divided(unless(!finite(z), z), cap))).sech2));
}

// ---- psi(h) = h tanh h - ln cosh h of h = |d| / 2, and ln(1 + tanh h) (divergence.py)

template <class N> struct Psi {
    N value;
    Words<N> log1p;
};
// h^2/2 - h^4 P(h^2) for h <= 1
template <class N> LAW N small_psi(Words<N> h) {
    h = half_square(h);
    N square = h.high + h.high;
    return h.high + (h.low - flush(flush(square * square) * Constants<N>::psi_polynomial(square)));
}
// else ln(1 + tanh h) - |d| u / (1 + u) with u = e^-|d|
template <class N> SHARED Psi<N> psi(Words<N> d) {
    auto negative = d.high < Element<N>(0);
    Words<N> a = {where(negative, Element<N>(0) - d.high, d.high), where(negative, Element<N>(0) - d.low, d.low)};
    Words<N> half = {a.high * Element<N>(0.5), a.low * Element<N>(0.5)};
    Tanh<N> t = tanh(half);
    Words<N> log1p = log(normalise(t.value)), less = times(times(a, t.u), t.inverse), s = two_sum(log1p.high, Element<N>(0) - less.high);
    N far = s.high + (s.low + (log1p.low - less.low));
    auto near = a.high <= Element<N>(2);
    N small = small_psi(Words<N>{unless(!near, half.high), unless(!near, half.low)});
    return {flush(where(near, small, far)), log1p};
}
// psi alone: without a hyperbolic tangent where no |d| is above 2
template <class N> LAW N psi_value(Words<N> d) {
    if (any(!(magnitude(d.high) <= Element<N>(2)))) return psi(d).value;
    return flush(small_psi(Words<N>{d.high * Element<N>(0.5), d.low * Element<N>(0.5)}));
}

// ln(p / m) / 2 with m = (p + q) / 2, from d = ln q - ln p and ln(1 + tanh |d / 2|)
template <class N> LAW N half_log_ratio(Words<N> d, Words<N> log1p) {
    auto up = d.high > Element<N>(0);
    Words<N> s = two_sum(log1p.high, Element<N>(0) - unless(!up, d.high));
    return (s.high + (s.low + (log1p.low - unless(!up, d.low)))) * Element<N>(0.5);
}

// ---- what cross-entropy compares a class of weight w with, of a row of C classes that are present (targets.py)

template <class F> struct Smoothed {
    F kept, each;  // 1 - eps, [eps / C]

    LAW Smoothed(F eps, int64 present) : kept(F(1) - eps), each(divided(eps, F(present ? present : 1))) {}
    // q_c = w_c ((1 - eps) [c = i] + [eps / C])
    LAW F chosen(F w) const { return product(kept + each, w); }
    LAW F other(F w) const { return product(each, w); }
    // q_c = w_c (p_c (1 - eps) + [eps / C])
    LAW F of(F p, F w) const { return product(product(p, kept) + each, w); }
    // The factor of -log s_c in the gradient by p_c:  w_c (1 - eps)
    LAW F factor(F w) const { return product(kept, w); }
};

// ---- the losses' own formulas

// VJP of the losses at a class that has the cotangent g, of cotangents with the sum G:  g - s G
template <class N> LAW N minus_probable(N g, N s, Words<N> G) {
    return canonical(flush(g - flush(product(s, G.high) + product(s, G.low))));
}

// The same at the maximum, if its s > 1/2:  (g - G) + (1 - s) G,  1 - s = R w
template <class N> LAW N minus_likely(N g, N others, Words<N> G) {
    Words<N> d = minus(g, flush(G.high)), d2 = minus(d.high, N(0) - product(others, G.high));
    return canonical(flush(d2.high + ((d.low - flush(G.low)) + d2.low)));
}

// A term of cross-entropy:  q (-log s), 0 where q is 0
template <class N> LAW N surprise(N x, N m, N L, N q) { return unless(q == Element<N>(0), product(q, Element<N>(0) - log_softmax_value(x, m, L))); }

// A term of the entropy:  t D = 2^k (D + e D),  D = m - x,  t = exp(-D) = 2^k (1 + e)
template <Known KNOWN, class N> LAW N distance_term(N x, N m) {
    using C = Constants<N>;
    Words<N> d = minus_words(x, m);
    if constexpr (KNOWN == NOTHING) {
        auto below = !(d.high > C::underflow);
        d = {where(below, spread<N>(0), d.high), unless(below, d.low)};
    }
    Exponential<N> e = exp(d);
    N D = Element<N>(0) - d.high;
    return flush((D + (e.expm1 * D - d.low)) * power(e.shifted));
}

// H = L + E,  E = sum(s D)
template <class N> LAW N entropy_value(Words<N> L, Words<N> E) {
    Words<N> s = two_sum(L.high, E.high);
    return flush(s.high + (s.low + (L.low + E.low)));
}

// The gradient of the entropy:  g s (D - E)
template <class N> LAW N entropy_gradient(N x, N m, N L, Words<N> w, Words<N> E, N g) {
    N s = softmax_value(x, m, L, w);
    auto none = !(s > Element<N>(0));
    Words<N> D = two_sum(m, Element<N>(0) - x);
    Words<N> d = two_sum(unless(none, D.high), Element<N>(0) - E.high);
    return canonical(product(g, product(s, flush(d.high + (d.low + (unless(none, D.low) - E.low))))));
}

}  // namespace LSMX_TARGET
