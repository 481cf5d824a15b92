// Two rows of logits side by side, p = softmax(z) and q = softmax(w): what lsmx/_definition/divergence.py says of each class.
//
//     KL = sum(p (e^d - 1 - d)),  d = ln q - ln p
#pragma once
#include "loss_law.h"

namespace LSMX_TARGET {

// What is known of one row
template <class F> struct Side {
    F m, L, L_low;  // max,  L = ln(1 + R)
    Words<F> w;     // 1 / (1 + R)
    bool defined;
};

// d = e - (L_w - L_z) with e = (w - max w) - (z - max z); in close rows d = f - ln(1 + R) with f = e - e(at z's maximum) and
// R = sum(p (e^f - 1)), of which nothing is lost where the two are nearly one
template <class F> struct PairOf {
    static constexpr F FAR = 32, LEAST = F(-0.75);  // of close rows: the largest f, and the least R

    Side<F> z, w;
    Words<F> base, less;  // e at z's maximum; what d is less than e, or f, by
    bool close, only_z;   // only_z: z alone has some class

    LAW bool defined() const { return z.defined && w.defined; }
    template <class N> LAW static auto is_in(N x) { return x > -infinity<F>(); }
    template <class N> LAW static Words<N> each(Words<F> x) { return {spread<N>(x.high), spread<N>(x.low)}; }

    template <class N> LAW Words<N> lead(N x, N y) const {
        Words<N> D = two_sum(spread<N>(z.m), F(0) - where(is_in(x), x, spread<N>(z.m)));
        Words<N> E = two_sum(spread<N>(w.m), F(0) - where(is_in(y), y, spread<N>(w.m)));
        Words<N> e = two_sum(D.high, F(0) - E.high);
        return fast_two_sum(e.high, e.low + (D.low - E.low));
    }
    template <class N> LAW Words<N> from_base(Words<N> e) const {
        Words<N> f = two_sum(e.high, spread<N>(-base.high));
        return fast_two_sum(f.high, f.low + (e.low - spread<N>(base.low)));
    }
    template <class N> LAW N p(N x) const { return softmax_value(x, spread<N>(z.m), spread<N>(z.L), each<N>(z.w)); }
    template <class N> LAW N q(N y) const { return softmax_value(y, spread<N>(w.m), spread<N>(w.L), each<N>(w.w)); }

    // d, 0 where either is absent
    template <class N> LAW Words<N> difference(N x, N y) const {
        Words<N> e = lead(x, y);
        if (close) e = from_base(e);
        Words<N> d = two_sum(e.high, spread<N>(-less.high));
        d = fast_two_sum(d.high, d.low + (e.low - spread<N>(less.low)));
        auto apart = !is_in(x) || !is_in(y);
        return settled(unless(apart, d.high), unless(apart, d.low));
    }
    template <class N> LAW Expm1<N> change(N x, N y, N p) const {
        Words<N> d = difference(x, y);
        auto dead = !(p > F(0));
        return expm1(Words<N>{unless(dead, d.high), unless(dead, d.low)});
    }

    // p (e^f - 1)
    template <class N> LAW N moved(N x, N y) const {
        Words<N> f = from_base(lead(x, y));
        auto apart = !is_in(x) || !is_in(y);
        return product(p(x), expm1(Words<N>{unless(apart, f.high), unless(apart, f.low)}).value.high);
    }
    // A term of the divergence:  p (e^d - 1 - d), q where p is 0, and 0 where z alone has the class
    template <class N> LAW N term(N x, N y) const {
        N s = p(x);
        return unless(is_in(x) && !is_in(y), where(s > F(0), product(s, change(x, y, s).rest), flush(q(y))));
    }
    // dz = -g p (d + KL)
    template <class N> LAW N by_z(N x, N y, F kl, F g) const {
        Words<N> d = difference(x, y), s = two_sum(d.high, spread<N>(kl));
        return flush(F(0) - product(spread<N>(g), product(p(x), flush(s.high + (s.low + d.low)))));
    }
    // dw = g (q - p),  q - p = p (e^d - 1)
    template <class N> LAW N by_w(N x, N y, F g) const {
        N s = p(x), moves = where(s > F(0), product(s, change(x, y, s).value.high), q(y));
        return product(spread<N>(g), where(is_in(x) && !is_in(y), F(0) - s, moves));
    }
};

}  // namespace LSMX_TARGET
