// Two rows of logits side by side, p = softmax(z) and q = softmax(w): the terms of lsmx/_definition/divergence.py for each class.
//
//     KL = sum(p (e^d - 1 - d)),  d = ln q - ln p
//     JS = sum((p + q)/2 psi(d/2))
#pragma once
#include "loss_law.h"

namespace LSMX_TARGET {

constexpr double LN2 = 0.6931471805599453;

// e^d - 1, of which only the first word is asked for, and phi: without an exponential where no |d| is above 1
template <class N> struct Change {
    N value, rest;
};
template <class N> LAW Change<N> change_by(Words<N> d) {
    if (any(!(magnitude(d.high) <= Element<N>(1)))) {
        Expm1<N> e = expm1(d);
        return {e.value.high, e.rest};
    }
    N rest = small_phi(d);
    return {fast_two_sum(d.high, rest + d.low).high, flush(rest)};
}

// What is known of one row
template <class F> struct Side {
    F m, L, L_low;  // max,  L = ln(1 + R)
    Words<F> w;     // 1 / (1 + R)
    bool defined;
};

// d = e - (L_w - L_z) with e = (w - max w) - (z - max z); in close rows d = f - ln(1 + R) with f = e - e(at z's maximum) and
// R = sum(p (e^f - 1)), of which nothing is lost where the two are nearly one
template <class F> struct PairOf {
    static constexpr F FAR = 32, LEAST = F(-0.75);  // two rows are close if f <= FAR in all of them, and R >= LEAST

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

    // f in close rows, else e; 0 where either is absent
    template <class N> LAW Words<N> ahead(N x, N y) const {
        Words<N> e = lead(x, y);
        if (close) e = from_base(e);
        auto apart = !is_in(x) || !is_in(y);
        return {unless(apart, e.high), unless(apart, e.low)};
    }
    // d, 0 where either is absent
    template <class N> LAW Words<N> difference(N x, N y, Words<N> e) const {
        Words<N> d = two_sum(e.high, spread<N>(-less.high));
        d = fast_two_sum(d.high, d.low + (e.low - spread<N>(less.low)));
        auto apart = !is_in(x) || !is_in(y);
        return settled(unless(apart, d.high), unless(apart, d.low));
    }

    // What is known of a class
    template <class N> struct At {
        N x, y, p;
        Words<N> d;
    };
    template <class N> LAW At<N> at(N x, N y, N p, Words<N> e) const { return {x, y, p, difference(x, y, e)}; }
    template <class N> LAW At<N> at(N x, N y) const { return at(x, y, p(x), ahead(x, y)); }

    // p times a function of d, or a function of q where p is 0
    template <class N, class Make, class Other> LAW N by_p(const At<N>& c, Make make, Other other) const {
        auto dead = !(c.p > F(0));
        N made = product(c.p, make(change_by(Words<N>{unless(dead, c.d.high), unless(dead, c.d.low)})));
        return any(dead) ? where(dead, other(q(c.y)), made) : made;
    }

    // p (e^f - 1)
    template <class N> LAW N moved(N p, Words<N> f) const { return product(p, change_by(f).value); }
    // A term of the divergence:  p (e^d - 1 - d), q where p is 0, and 0 where z alone has the class
    template <class N> LAW N term(const At<N>& c) const {
        N value = by_p(c, [](const Change<N>& e) { return e.rest; }, [](N q) { return flush(q); });
        return unless(is_in(c.x) && !is_in(c.y), value);
    }
    // dz = -g p (d + KL)
    template <class N> LAW N by_z(const At<N>& c, F kl, F g) const {
        Words<N> s = two_sum(c.d.high, spread<N>(kl));
        return flush(F(0) - product(spread<N>(g), product(c.p, flush(s.high + (s.low + c.d.low)))));
    }
    // dw = g (q - p),  q - p = p (e^d - 1)
    template <class N> LAW N by_w(const At<N>& c, F g) const {
        N moves = by_p(c, [](const Change<N>& e) { return e.value; }, [](N q) { return q; });
        return product(spread<N>(g), where(is_in(c.x) && !is_in(c.y), F(0) - c.p, moves));
    }
};

// ---- JS, of a class where the two sides have the probabilities p and q, and d is known

// A term:  (p + q)/2 psi(d/2),  ln 2 in place of psi where one of them alone has the class
template <class N, class B> LAW N js_term(N p, N q, Words<N> d, B alone) {
    return product(flush((p + q) * Element<N>(0.5)), where(alone, spread<N>(Element<N>(LN2)), psi_value(d)));
}
// v = ln(p / m) / 2 of the side that a gradient is by: of z, or of w, whose d is the other's with its sign changed; alone: without the other
template <bool BY_W, class N, class B> LAW N js_log_ratio(N p, Words<N> d, B alone) {
    const Words<N> log1p = psi(d).log1p;
    if (BY_W) d = {Element<N>(0) - d.high, Element<N>(0) - d.low};
    const N v = where(alone, spread<N>(Element<N>(LN2) * Element<N>(0.5)), half_log_ratio(d, log1p));
    return unless(!(p > Element<N>(0)), v);
}
// A term of its mean:  p v
template <class N> LAW N js_mean_term(N p, N v) { return product(p, flush(v)); }
// g p (v - sum(p v))
template <class N> LAW N js_gradient(N p, N v, Words<N> mean, N g) {
    Words<N> s = two_sum(v, Element<N>(0) - mean.high);
    return canonical(product(g, product(p, flush(s.high + (s.low - mean.low)))));
}

}  // namespace LSMX_TARGET
