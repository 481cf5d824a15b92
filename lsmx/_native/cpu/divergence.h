// The passes of the divergences of two softmaxes, p = softmax(z) and q = softmax(w), on rows in line.
//
//     KL = sum(p (e^d - 1 - d)),  d = ln q - ln p
//     JS = sum((p + q)/2 psi(d/2))
#pragma once
#include "losses.h"
#include "../include/lsmx/pair.h"

namespace LSMX_TARGET {

// body(i) at every vector of a row, of which the last may overlap the one before
template <class F, class Body> LAW void each_vector(int64 n, Body body) {
    constexpr int W = lanes<F>;
    for (int64 i = 0; i < n; i += W) body(i + W <= n ? i : n - W);
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

// What is kept of a pair, in rows of scratch: p, f in close rows, else e, and JS's v
template <class F> struct Kept {
    F *p, *high, *low, *v;
    LAW Words<One<F>> ahead(int64 i) const { return {load<One<F>>(high + i), load<One<F>>(low + i)}; }
    LAW void ahead(int64 i, Words<One<F>> e) const {
        store(high + i, e.high);
        store(low + i, e.low);
    }
};

// Whether only z, or only w, has some class, and the largest f where both have
template <class F> struct Together {
    bool only_z, only_w;
    F largest;
};
// The same, which also stores f: for a pair that is tried as close
template <class F> ALONE Together<F> line_together(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, int64 n) {
    using N = One<F>;
    N most = spread<N>(-infinity<F>());
    Truth<Signed<F>, 1> only_z{}, only_w{}, nan{};
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const N x = load<N>(z + i), y = load<N>(w + i);
        auto in_z = x > -infinity<F>(), in_w = y > -infinity<F>();
        only_z = only_z | (in_z && !in_w);
        only_w = only_w | (in_w && !in_z);
        const Words<N> f = pair.ahead(x, y);
        kept.ahead(i, f);
        most = larger(f.high, most);
        nan = nan | unordered(f.high);
    });
    return {any(only_z), any(only_w), any(nan) ? not_a_number<F>() : largest<F>(most.v[0])};
}

// p (e^f - 1) of a close pair, and p is kept
template <class F> ALONE void line_moved(const PairOf<F>& pair, const F* z, const Kept<F>& kept, F* out, int64 n) {
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const One<F> p = pair.p(load<One<F>>(z + i));
        store(kept.p + i, p);
        store(out + i, pair.moved(p, kept.ahead(i)));
    });
}
// p and e are kept, of a pair that is not
template <class F> ALONE void line_apart(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, int64 n) {
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const One<F> x = load<One<F>>(z + i);
        store(kept.p + i, pair.p(x));
        kept.ahead(i, pair.ahead(x, load<One<F>>(w + i)));
    });
}

template <class F> using AtPair = typename PairOf<F>::template At<One<F>>;
template <class F> LAW AtPair<F> pair_at(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, int64 i) {
    return pair.at(load<One<F>>(z + i), load<One<F>>(w + i), load<One<F>>(kept.p + i), kept.ahead(i));
}

template <class F> ALONE void line_divergence(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, F* out, int64 n) {
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) { store(out + i, pair.term(pair_at(pair, z, w, kept, i))); });
}
// Not inlined: their code is long, and every loop would contain it four times
template <class F> ALONE One<F> vector_by_z(const PairOf<F>& pair, const AtPair<F>& c, F kl, F g) { return canonical(pair.by_z(c, kl, g)); }
template <class F> ALONE One<F> vector_by_w(const PairOf<F>& pair, const AtPair<F>& c, F g) { return canonical(pair.by_w(c, g)); }
template <class F>
ALONE void line_divergence_by_z(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, F* out, int64 n, F kl, F g) {
    map_line<F, 1>(out, n, [&](auto, int64 i) __attribute__((always_inline)) { return vector_by_z<F>(pair, pair_at(pair, z, w, kept, i), kl, g); });
}
template <class F>
ALONE void line_divergence_by_w(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, F* out, int64 n, F g) {
    map_line<F, 1>(out, n, [&](auto, int64 i) __attribute__((always_inline)) { return vector_by_w<F>(pair, pair_at(pair, z, w, kept, i), g); });
}

template <class F> ALONE void line_js(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, F* out, int64 n) {
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const AtPair<F> c = pair_at(pair, z, w, kept, i);
        auto in_z = c.x > -infinity<F>(), in_w = c.y > -infinity<F>();
        store(out + i, js_term(c.p, pair.q(c.y), c.d, (in_z && !in_w) || (in_w && !in_z)));
    });
}
// p v; p of the side that the gradient is by, and v, are kept
template <class F, bool BY_W> ALONE void line_js_mean(const PairOf<F>& pair, const F* z, const F* w, const Kept<F>& kept, F* out, int64 n) {
    using N = One<F>;
    each_vector<F>(n, [&](int64 i) __attribute__((always_inline)) {
        const AtPair<F> c = pair_at(pair, z, w, kept, i);
        const N p = BY_W ? pair.q(c.y) : c.p, v = js_log_ratio<BY_W>(p, c.d, !((BY_W ? c.x : c.y) > -infinity<F>()));
        store(kept.p + i, p);
        store(kept.v + i, v);
        store(out + i, js_mean_term(p, v));
    });
}
template <class F> ALONE void line_js_gradient(const Kept<F>& kept, F* out, int64 n, Words<F> mean, F g) {
    map_line<F, 1>(out, n, [&](auto number, int64 i) __attribute__((always_inline)) {
        using N = decltype(number);
        return js_gradient(load<N>(kept.p + i), load<N>(kept.v + i), Words<N>{spread<N>(mean.high), spread<N>(mean.low)}, spread<N>(g));
    });
}

// Up to a vector of pairs
template <class F> struct LinePairs {
    PairOf<F> at[lanes<F>];
    Kept<F> kept[lanes<F>];

    ONCE explicit LinePairs(Lines<F>& l) {
        LineSumExp<F> z(l.a, l.n, l.rows, l.after_a, l.to), w(l.b, l.n, l.rows, l.next_b, l.to);
        sides(z, &PairOf<F>::z, l.rows);
        sides(w, &PairOf<F>::w, l.rows);
        for (int64 j = 0; j < l.rows; ++j) {
            PairOf<F>& pair = at[j];
            kept[j] = {l.kept[0][j], l.kept[1][j], l.kept[2][j], l.kept[3][j]};
            pair.close = true;
            pair.only_z = false;
            pair.base = pair.less = {0, 0};
            fill_line(l.work[j], l.n, F(0));
            if (!pair.defined()) continue;
            pair.base = line_base(pair, l.a[j], l.b[j], l.n);
            const Together<F> found = line_together(pair, l.a[j], l.b[j], kept[j], l.n);
            pair.only_z = found.only_z;
            pair.close = found.largest <= PairOf<F>::FAR && !found.only_z && !found.only_w;
            if (pair.close) line_moved(pair, l.a[j], kept[j], l.work[j], l.n);
            else line_apart(pair, l.a[j], l.b[j], kept[j], l.n);
        }
        LineValueSum<F> R(l.work, l.n, l.rows, l.after_a, l.to, l.guess);
        for (int64 j = 0; j < l.rows; ++j) {
            PairOf<F>& pair = at[j];
            if (!pair.defined()) continue;
            const F r = unordered(R.high[j]) ? F(0) : R.high[j];
            const bool near = pair.close;
            pair.close = near && r >= PairOf<F>::LEAST;
            if (near && !pair.close) line_apart(pair, l.a[j], l.b[j], kept[j], l.n);
            const Words<F> apart = two_sum(pair.w.L, -pair.z.L);
            pair.less = pair.close ? signed_log1p(Words<F>{r, R.low[j]}) : Words<F>{apart.high, apart.low + (pair.w.L_low - pair.z.L_low)};
        }
    }

  private:
    LAW void sides(const LineSumExp<F>& s, Side<F> PairOf<F>::*side, int64 rows) {
        const LineTotals<F> t(s);
        alignas(BYTES) F low[lanes<F>];
        store(low, log(normalise(s.R)).low);
        for (int64 j = 0; j < rows; ++j) at[j].*side = {s.m[j], t.L[j], low[j], t.w(j), s.defined[j]};
    }
};

// The sums of what a line makes of each pair that is defined, in the rows' scratch
template <class F, class Line> LAW LineValueSum<F> pair_sums(Lines<F>& l, const LinePairs<F>& pairs, Line line) {
    for (int64 j = 0; j < l.rows; ++j)
        if (pairs.at[j].defined()) line(pairs.at[j], l.a[j], l.b[j], pairs.kept[j], l.work[j], l.n);
    return LineValueSum<F>(l.work, l.n, l.rows, l.after_a, l.to, l.guess);
}

// KL of each pair
template <class F> struct LineKls {
    F kl[lanes<F>];
    LAW LineKls(Lines<F>& l, const LinePairs<F>& pairs) {
        const LineValueSum<F> sum = pair_sums(l, pairs, line_divergence<F>);
        for (int64 j = 0; j < l.rows; ++j)
            kl[j] = !pairs.at[j].defined() ? not_a_number<F>() : pairs.at[j].only_z ? infinity<F>() : sum.high[j];
    }
};

struct KlForward {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        const LineKls<F> sums(l, pairs);
        for (int64 j = 0; j < l.rows; ++j) l.value[j] = sums.kl[j];
    }
};

// dz = -g p (d + KL)
struct KlBackwardZ {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        const LineKls<F> sums(l, pairs);
        for (int64 j = 0; j < l.rows; ++j) {
            if (!finite(sums.kl[j])) fill_line(l.out[j], l.n, not_a_number<F>());
            else line_divergence_by_z(pairs.at[j], l.a[j], l.b[j], pairs.kept[j], l.out[j], l.n, sums.kl[j], flush(l.one[j]));
        }
    }
};

// dw = g (q - p)
struct KlBackwardW {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        for (int64 j = 0; j < l.rows; ++j) {
            if (!pairs.at[j].defined()) fill_line(l.out[j], l.n, not_a_number<F>());
            else line_divergence_by_w(pairs.at[j], l.a[j], l.b[j], pairs.kept[j], l.out[j], l.n, flush(l.one[j]));
        }
    }
};

// JS = sum((p + q)/2 psi(d/2))
struct JsForward {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        const LineValueSum<F> sum = pair_sums(l, pairs, line_js<F>);
        for (int64 j = 0; j < l.rows; ++j) l.value[j] = pairs.at[j].defined() ? sum.high[j] : not_a_number<F>();
    }
};

// dz = g p (v - sum(p v)),  v = ln(p / m) / 2; so by w
template <bool BY_W> struct JsBackward {
    template <class F> static void lines(Lines<F>& l) {
        const LinePairs<F> pairs(l);
        const LineValueSum<F> mean = pair_sums(l, pairs, line_js_mean<F, BY_W>);
        for (int64 j = 0; j < l.rows; ++j) {
            if (!pairs.at[j].defined()) fill_line(l.out[j], l.n, not_a_number<F>());
            else line_js_gradient(pairs.kept[j], l.out[j], l.n, Words<F>{mean.high[j], mean.low[j]}, flush(l.one[j]));
        }
    }
};
using JsBackwardZ = JsBackward<false>;
using JsBackwardW = JsBackward<true>;

}  // namespace LSMX_TARGET
