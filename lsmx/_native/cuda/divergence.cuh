// The passes of the divergence of two softmaxes, p = softmax(z) and q = softmax(w), on rows side by side: those of cpu/divergence.h.
//
//     KL = sum(p (e^d - 1 - d)),  d = ln q - ln p
//     JS = sum((p + q)/2 psi(d/2))

namespace lsmx {

// The operands in the other order
template <class F, class Values> struct Turned : Walks<F, Turned<F, Values>> {
    const Values& of;

    LAW Turned(const Values& of) : of(of) {}
    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        of.each_at([&](long long i, F a, F b) { body(i, b, a); }, settle);
    }
};

template <class F> LAW Side<F> side(const SumExp<F>& s) {
    const Words<F> L = log(s.total);
    return {s.m, L.high, L.low, reciprocal(s.total), s.defined};
}

// e at z's maximum, the least of ties; 0 where w lacks it
template <class F, class Values> LAW Words<F> base_of(const Team& team, const Values& values, const PairOf<F>& pair) {
    Words<F> mine = {infinity<F>(), infinity<F>()};
    values.each(
        [&](F x, F y) {
            if (x != pair.z.m || !PairOf<F>::is_in(y)) return;
            const Words<F> e = pair.lead(x, y);
            if (e.high < mine.high || (e.high == mine.high && e.low < mine.low)) mine = e;
        },
        Nothing());
    const F high = team.least(mine.high), low = team.least(mine.high == high ? mine.low : infinity<F>());
    return finite(high) ? Words<F>{high, low} : Words<F>{F(0), F(0)};
}

// Not inlined: inlined, the code for each class takes compilers a quarter of a minute
template <class F> RARE F moved(const PairOf<F>& pair, F x, F y) { return pair.moved(pair.p(x), pair.ahead(x, y)); }
template <class F> RARE F term(const PairOf<F>& pair, F x, F y) { return pair.term(pair.at(x, y)); }
template <class F> RARE F by_z(const PairOf<F>& pair, F x, F y, F kl, F g) { return pair.by_z(pair.at(x, y), kl, g); }
template <class F> RARE F by_w(const PairOf<F>& pair, F x, F y, F g) { return pair.by_w(pair.at(x, y), g); }

template <class F> RARE F js_of(const PairOf<F>& pair, F x, F y) {
    return js_term(pair.p(x), pair.q(y), pair.at(x, y).d, PairOf<F>::is_in(x) != PairOf<F>::is_in(y));
}
// p and v = ln(p / m) / 2 of the side that a gradient is by
template <class F> struct JsSide {
    F p, v;
};
template <bool BY_W, class F> RARE JsSide<F> js_side(const PairOf<F>& pair, F x, F y) {
    const F p = BY_W ? pair.q(y) : pair.p(x);
    return {p, js_log_ratio<BY_W>(p, pair.at(x, y).d, !PairOf<F>::is_in(BY_W ? x : y))};
}

template <class F, class Values> LAW PairOf<F> pair_of(const Team& team, const Values& values) {
    const Side<F> z = side(sum_exp<F>(team, Turned<F, Values>(values))), w = side(sum_exp<F>(team, values));
    PairOf<F> pair = {z, w, {F(0), F(0)}, {F(0), F(0)}, false, false};
    pair.base = base_of(team, values, pair);

    // Whether z alone, or w alone, has some class, and the largest f where both have
    int alone = 0;
    F largest_f = F(0);
    values.each(
        [&](F x, F y) {
            const bool in_z = PairOf<F>::is_in(x), in_w = PairOf<F>::is_in(y);
            alone |= (in_z && !in_w ? 1 : 0) | (in_w && !in_z ? 2 : 0);
            const F f = unless(!(in_z && in_w), pair.from_base(pair.lead(x, y)).high);
            largest_f = unordered(f) ? infinity<F>() : larger(f, largest_f);
        },
        Nothing());
    // teams of one warp synchronise with each other, so all must get here, whatever their rows are
    alone = team.any(alone);
    largest_f = team.largest(largest_f);
    pair.only_z = alone & 1;
    pair.close = pair.defined() && !alone && largest_f <= PairOf<F>::FAR;

    const Words<F> R = sum_of<F>(team, values, [&](long long, F x, F y) { return pair.close ? moved(pair, x, y) : F(0); }).G;
    const F r = unordered(R.high) ? F(0) : R.high;
    pair.close = pair.close && r >= PairOf<F>::LEAST;
    const Words<F> apart = two_sum(w.L, -z.L);
    pair.less = pair.close ? signed_log1p(Words<F>{r, R.low}) : Words<F>{apart.high, apart.low + (w.L_low - z.L_low)};
    return pair;
}

template <class F, class Values> LAW F kl_of(const Team& team, const Values& values, const PairOf<F>& pair) {
    const F sum = sum_of<F>(team, values, [&](long long, F x, F y) { return term(pair, x, y); }).G.high;
    return !pair.defined() ? not_a_number<F>() : pair.only_z ? infinity<F>() : sum;
}

// Of two rows of logits
struct OfTwo : OfOne {
    static constexpr int operands = 2;
    static constexpr bool caps = false;
    static constexpr int held = 4;  // fewer than other passes have, as the code for each is long to compile
};

struct KlForward : OfTwo {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        row.give(team, kl_of(team, values, pair_of<F>(team, values)));
    }
};

// dz = -g p (d + KL), NaN where the divergence is not finite
struct KlBackwardZ : OfTwo {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const PairOf<F> pair = pair_of<F>(team, values);
        const F kl = kl_of(team, values, pair), g = flush(row.one);
        values.write([&](F x, F y) { return by_z(pair, x, y, kl, g); });
    }
};

// dw = g (q - p)
struct KlBackwardW : OfTwo {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const PairOf<F> pair = pair_of<F>(team, values);
        const F g = flush(row.one);
        values.write([&](F x, F y) { return pair.defined() ? by_w(pair, x, y, g) : not_a_number<F>(); });
    }
};

struct JsForward : OfTwo {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const PairOf<F> pair = pair_of<F>(team, values);
        const F js = sum_of<F>(team, values, [&](long long, F x, F y) { return js_of(pair, x, y); }).G.high;
        row.give(team, pair.defined() ? js : not_a_number<F>());
    }
};

// dz = g p (v - sum(p v)),  v = ln(p / m) / 2; so by w
template <bool BY_W> struct JsBackward : OfTwo {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const PairOf<F> pair = pair_of<F>(team, values);
        const Words<F> mean = sum_of<F>(team, values, [&](long long, F x, F y) {
            const JsSide<F> side = js_side<BY_W>(pair, x, y);
            return js_mean_term(side.p, side.v);
        }).G;
        const F g = flush(row.one);
        values.write([&](F x, F y) {
            const JsSide<F> side = js_side<BY_W>(pair, x, y);
            return pair.defined() ? js_gradient(side.p, side.v, mean, g) : not_a_number<F>();
        });
    }
};
using JsBackwardZ = JsBackward<false>;
using JsBackwardW = JsBackward<true>;

}  // namespace lsmx
