// Two rows of logits side by side, p = softmax(z) and q = softmax(w): what lsmx/_definition/divergence.py says of each class.
//
//     KL = sum(p (e^d - 1 - d)),  d = ln q - ln p
#pragma once
#include "law.h"

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
    LAW static bool is_in(F x) { return x > -infinity<F>(); }

    LAW Words<F> lead(F x, F y) const {
        Words<F> D = two_sum(z.m, F(0) - where(is_in(x), x, z.m)), E = two_sum(w.m, F(0) - where(is_in(y), y, w.m));
        Words<F> e = two_sum(D.high, F(0) - E.high);
        return fast_two_sum(e.high, e.low + (D.low - E.low));
    }
    LAW Words<F> from_base(Words<F> e) const {
        Words<F> f = two_sum(e.high, -base.high);
        return fast_two_sum(f.high, f.low + (e.low - base.low));
    }
    LAW F p(F x) const { return softmax_value(x, z.m, z.L, z.w); }
    LAW F q(F y) const { return softmax_value(y, w.m, w.L, w.w); }

    // d, 0 where either is absent
    LAW Words<F> difference(F x, F y) const {
        Words<F> e = lead(x, y);
        if (close) e = from_base(e);
        Words<F> d = two_sum(e.high, -less.high);
        d = fast_two_sum(d.high, d.low + (e.low - less.low));
        const bool apart = !is_in(x) || !is_in(y);
        return settled(unless(apart, d.high), unless(apart, d.low));
    }
    LAW Expm1<F> change(F x, F y, F p) const {
        const Words<F> d = difference(x, y);
        const bool dead = !(p > F(0));
        return expm1(Words<F>{unless(dead, d.high), unless(dead, d.low)});
    }

    // p (e^f - 1)
    LAW F moved(F x, F y) const {
        const Words<F> f = from_base(lead(x, y));
        const bool apart = !is_in(x) || !is_in(y);
        return product(p(x), expm1(Words<F>{unless(apart, f.high), unless(apart, f.low)}).value.high);
    }
    // A term of the divergence:  p (e^d - 1 - d), q where p is 0, and 0 where z alone has the class
    LAW F term(F x, F y) const {
        const F s = p(x);
        return unless(is_in(x) && !is_in(y), where(s > F(0), product(s, change(x, y, s).rest), q(y)));
    }
    // dz = -g p (d + KL)
    LAW F by_z(F x, F y, F kl, F g) const {
        const Words<F> d = difference(x, y), s = two_sum(d.high, kl);
        return flush(F(0) - product(g, product(p(x), flush(s.high + (s.low + d.low)))));
    }
    // dw = g (q - p),  q - p = p (e^d - 1)
    LAW F by_w(F x, F y, F g) const {
        const F s = p(x), change_of = where(s > F(0), product(s, change(x, y, s).value.high), q(y));
        return product(g, where(is_in(x) && !is_in(y), F(0) - s, change_of));
    }
};

}  // namespace LSMX_TARGET
