// The passes of the divergence of two softmaxes, p = softmax(z) and q = softmax(w), on rows in line.
//
//     KL = sum(p (e^d - 1 - d)),  d = ln q - ln p
#pragma once
#include "losses.h"

namespace LSMX_TARGET {

// What is known of one row of logits
template <class F> struct Side {
    F m, L, L_low;
    Words<F> w;
    bool defined;
};

// A pair of rows: d = e - (L_w - L_z) with e = (w - max w) - (z - max z); in close rows d = f - ln(1 + R) with f = e - e(at z's
// maximum) and R = sum(p (e^f - 1))
template <class F> struct PairOf {
    Side<F> z, w;
    Words<F> base, less;
    bool close, only_z, defined;

    template <class N> LAW Words<N> lead(N x, N y) const {
        Words<N> D = two_sum(spread<N>(z.m), Element<N>(0) - where(x > -infinity<F>(), x, spread<N>(z.m)));
        Words<N> E = two_sum(spread<N>(w.m), Element<N>(0) - where(y > -infinity<F>(), y, spread<N>(w.m)));
        Words<N> e = two_sum(D.high, Element<N>(0) - E.high);
        return fast_two_sum(e.high, e.low + (D.low - E.low));
    }
    template <class N> LAW Words<N> from_base(Words<N> e) const {
        Words<N> f = two_sum(e.high, spread<N>(-base.high));
        return fast_two_sum(f.high, f.low + (e.low - spread<N>(base.low)));
    }
    template <class N> LAW N p(N x) const { return probability_of(z, x); }
    template <class N> LAW N q(N y) const { return probability_of(w, y); }
    template <class N> LAW static N probability_of(const Side<F>& s, N x) {
        return softmax_value(x, spread<N>(s.m), spread<N>(s.L), Words<N>{spread<N>(s.w.high), spread<N>(s.w.low)});
    }
    // d, 0 where either is absent
    template <class N> LAW Words<N> difference(N x, N y) const {
        Words<N> e = lead(x, y);
        if (close) e = from_base(e);
        Words<N> d = two_sum(e.high, spread<N>(-less.high));
        d = fast_two_sum(d.high, d.low + (e.low - spread<N>(less.low)));
        auto apart = !(x > -infinity<F>()) || !(y > -infinity<F>());
        return settled(unless(apart, d.high), unless(apart, d.low));
    }
    template <class N> LAW Expm1<N> change(N x, N y, N p) const {
        Words<N> d = difference(x, y);
        auto dead = !(p > Element<N>(0));
        return expm1(Words<N>{unless(dead, d.high), unless(dead, d.low)});
    }
};

// body(i) at every vector of a row, of which the last may overlap the one before
template <class F, class Body> LAW void each_vector(int64 n, Body body) {
    constexpr int W = lanes<F>;
    int64 i = 0;
    for (; i + W <= n; i += W) body(i);
    if (i < n) body(n - W);
}

// e at z's maximum, the least of ties
template <class F> ALONE Words<F> line_base(const PairOf<F>& pair, const F* z, const F* w, int64 n) {
    Words<F> base = {infinity<F>(), infinity<F>()};
    constexpr int W = lanes<F>;
    for (int64 i = 0; i < n; i += W) {
        const int64 stop = least_of(n, i + W);
        if (stop == i + W && !any(load<One<F>>(z + i) == spread<One<F>>(pair.z.m))) continue;
        for (int64 k = i; k < stop; ++k) {
            const F x = read_one(z + k), y = read_one(w + k);
            if (x != pair.z.m || !(y > -infinity<F>())) continue;
            const Words<F> e = pair.lead(x, y);
            if (e.high < base.high || (e.high == base.high && e.low < base.low)) base = e;
        }
    }
    return finite(base.high) ? base : Words<F>{0, 0};
}

// Whether only z, or only w, has some class, and the largest f where both have
template <class F> struct Together {
    bool only_z, only_w;
    F largest;
};
template <class F> ALONE Together<F> line_together(const PairOf<F>& pair, const F* z, const F* w, int64 n) {
    using N = One<F>;
    N most = spread<N>(-infinity<F>());
    Truth<Signed<F>, 1> only_z{}, only_w{}, nan{};
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const N x = load<N>(z + i), y = load<N>(w + i);
        auto in_z = x > -infinity<F>(), in_w = y > -infinity<F>();
        only_z = only_z | (in_z && !in_w);
        only_w = only_w | (in_w && !in_z);
        const N f = pair.from_base(pair.lead(x, y)).high;
        most = larger(unless(!(in_z && in_w), f), most);
        nan = nan | (in_z && in_w && unordered(f));
    });
    return {any(only_z), any(only_w), any(nan) ? not_a_number<F>() : largest<F>(most.v[0])};
}

// p (e^f - 1)
template <class F> ALONE void line_moved(const PairOf<F>& pair, const F* z, const F* w, F* out, int64 n) {
    using N = One<F>;
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const N x = load<N>(z + i), y = load<N>(w + i);
        Words<N> f = pair.from_base(pair.lead(x, y));
        auto apart = !(x > -infinity<F>()) || !(y > -infinity<F>());
        store(out + i, product(pair.p(x), expm1(Words<N>{unless(apart, f.high), unless(apart, f.low)}).value.high));
    });
}

// p (e^d - 1 - d), q where p is 0
template <class F> ALONE void line_divergence(const PairOf<F>& pair, const F* z, const F* w, F* out, int64 n) {
    using N = One<F>;
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const N x = load<N>(z + i), y = load<N>(w + i), p = pair.p(x);
        N term = where(p > F(0), product(p, pair.change(x, y, p).rest), pair.q(y));
        store(out + i, unless(x > -infinity<F>() && !(y > -infinity<F>()), term));
    });
}

// -g p (d + KL)
template <class F> ALONE void line_divergence_by_z(const PairOf<F>& pair, const F* z, const F* w, F* out, int64 n, F kl, F g) {
    map_line<F, 1>(out, n, [&](auto number, int64 i) __attribute__((always_inline)) {
        using N = decltype(number);
        const N x = load<N>(z + i);
        Words<N> d = pair.difference(x, load<N>(w + i)), s = two_sum(d.high, spread<N>(kl));
        return canonical(flush(Element<N>(0) - product(spread<N>(g), product(pair.p(x), flush(s.high + (s.low + d.low))))));
    });
}

// g (q - p),  q - p = p (e^d - 1)
template <class F> ALONE void line_divergence_by_w(const PairOf<F>& pair, const F* z, const F* w, F* out, int64 n, F g) {
    map_line<F, 1>(out, n, [&](auto number, int64 i) __attribute__((always_inline)) {
        using N = decltype(number);
        const N x = load<N>(z + i), y = load<N>(w + i), p = pair.p(x);
        N change = where(p > F(0), product(p, pair.change(x, y, p).value.high), pair.q(y));
        change = where(x > -infinity<F>() && !(y > -infinity<F>()), Element<N>(0) - p, change);
        return canonical(product(spread<N>(g), change));
    });
}

// Up to a vector of pairs, and their divergences
template <class F> struct LinePairs {
    PairOf<F> at[lanes<F>];
    F kl[lanes<F>];

    ONCE explicit LinePairs(Lines<F>& l) {
        LineSumExp<F> z(l.a, l.n, l.rows, l.after_a, l.to), w(l.b, l.n, l.rows, l.next_b, l.to);
        sides(z, &PairOf<F>::z, l.rows);
        sides(w, &PairOf<F>::w, l.rows);
        constexpr F FAR = 32, LEAST = F(-0.75);
        for (int64 j = 0; j < l.rows; ++j) {
            PairOf<F>& pair = at[j];
            pair.defined = pair.z.defined && pair.w.defined;
            pair.close = pair.only_z = false;
            pair.base = pair.less = {0, 0};
            fill_line(l.work[j], l.n, F(0));
            if (!pair.defined) continue;
            pair.base = line_base(pair, l.a[j], l.b[j], l.n);
            const Together<F> found = line_together(pair, l.a[j], l.b[j], l.n);
            pair.only_z = found.only_z;
            pair.close = found.largest <= FAR && !found.only_z && !found.only_w;
            if (pair.close) line_moved(pair, l.a[j], l.b[j], l.work[j], l.n);
        }
        LineValueSum<F> R(l.work, l.n, l.rows, l.after_a, l.to, l.guess);
        for (int64 j = 0; j < l.rows; ++j) {
            PairOf<F>& pair = at[j];
            if (!pair.defined) continue;
            const F r = unordered(R.high[j]) ? F(0) : R.high[j];
            pair.close = pair.close && r >= LEAST;
            const Words<F> apart = two_sum(pair.w.L, -pair.z.L);
            pair.less = pair.close ? signed_log1p(Words<F>{r, R.low[j]}) : Words<F>{apart.high, apart.low + (pair.w.L_low - pair.z.L_low)};
            line_divergence(pair, l.a[j], l.b[j], l.work[j], l.n);
        }
        LineValueSum<F> sum(l.work, l.n, l.rows, l.after_a, l.to, l.guess);
        for (int64 j = 0; j < l.rows; ++j) kl[j] = !at[j].defined ? not_a_number<F>() : at[j].only_z ? infinity<F>() : sum.high[j];
    }

  private:
    LAW void sides(const LineSumExp<F>& s, Side<F> PairOf<F>::*side, int64 rows) {
        const LineTotals<F> t(s);
        alignas(BYTES) F low[lanes<F>];
        store(low, log(normalise(s.R)).low);
        for (int64 j = 0; j < rows; ++j) at[j].*side = {s.m[j], t.L[j], low[j], t.w(j), s.defined[j]};
    }
};

struct KlForward {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        for (int64 j = 0; j < l.rows; ++j) l.value[j] = pairs.kl[j];
    }
};

// dz = -g p (d + KL)
struct KlBackwardZ {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        for (int64 j = 0; j < l.rows; ++j) {
            if (!finite(pairs.kl[j])) fill_line(l.out[j], l.n, not_a_number<F>());
            else line_divergence_by_z(pairs.at[j], l.a[j], l.b[j], l.out[j], l.n, pairs.kl[j], flush(l.one[j]));
        }
    }
};

// dw = g (q - p)
struct KlBackwardW {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        for (int64 j = 0; j < l.rows; ++j) {
            if (!pairs.at[j].defined) fill_line(l.out[j], l.n, not_a_number<F>());
            else line_divergence_by_w(pairs.at[j], l.a[j], l.b[j], l.out[j], l.n, flush(l.one[j]));
        }
    }
};

}  // namespace LSMX_TARGET
