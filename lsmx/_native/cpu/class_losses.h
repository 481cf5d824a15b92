// Cross-entropy with a number q for each class, on rows in line: of classes with weights, smoothing and masks, and of probabilities.
//
//     loss = sum_c q_c (-log s_c),  dx = g - s G  with  g_c = -u q_c,  G = sum(g) - u 2 c lse
#pragma once
#include "losses.h"

namespace LSMX_TARGET {

// How many classes are present
template <class F> int64 present_in(const Lines<F>& l, int64 j) {
    int64 present = l.length;
    if (l.mask[j]) {
        present = 0;
        for (int64 i = 0; i < l.length; ++i) present += l.mask[j][i] != 0;
    }
    return present;
}
// The weight of each class, which is where q will be
template <class F> F* weights_of(Lines<F>& l, int64 j) {
    if (!l.weighted) fill_line(l.q[j], l.length, F(1));
    return l.q[j];
}

// q_c of an index; that of an absent class counts at the index alone
template <class F> ALONE void class_targets(Lines<F>& l, int64 j) {
    const Smoothed<F> by(l.smoothing, present_in(l, j));
    F* q = weights_of(l, j);
    const int64 i = l.index[j];
    const F chosen = by.chosen(q[i]);
    for (int64 c = 0; c < l.length; ++c) {
        const F value = by.other(q[c]);
        q[c] = l.mask[j] && l.mask[j][c] == 0 ? F(0) : value;
    }
    q[i] = chosen;
}

// q_c of probabilities
template <class F> ALONE void probability_targets(Lines<F>& l, int64 j) {
    const Smoothed<F> by(l.smoothing, l.smoothing > 0 ? present_in(l, j) : 1);
    const F* p = l.a[j];
    F* q = weights_of(l, j);
    for (int64 c = 0; c < l.length; ++c) {
        const F value = by.of(read_one(p + c), q[c]);
        q[c] = l.mask[j] && l.mask[j][c] == 0 ? F(0) : value;
    }
}

// The factor of -log s_c in the gradient by p_c
template <class F> ALONE void target_factors(Lines<F>& l, int64 j) {
    const Smoothed<F> by(l.smoothing, 1);
    F* q = weights_of(l, j);
    for (int64 c = 0; c < l.length; ++c) {
        const F value = by.factor(q[c]);
        q[c] = l.mask[j] && l.mask[j][c] == 0 ? F(0) : value;
    }
}

// q (-log s), 0 where q is 0; whether one is infinite
template <class F> ALONE bool line_surprises(const F* x, const F* q, F* out, int64 n, F m, F L) {
    using N = One<F>;
    constexpr int W = lanes<F>;
    Truth<Signed<F>, 1> infinite{};
    for (int64 i = 0;; i += W) {
        if (i + W > n) i = n - W;
        const N weight = load<N>(q + i), term = unless(weight == F(0), surprise(load<N>(x + i), spread<N>(m), spread<N>(L), weight));
        store(out + i, term);
        infinite = infinite | (term == infinity<F>());
        if (i + W == n) return any(infinite);
    }
}

// g = -u q
template <class F> ALONE void line_cotangents(F u, F* q, int64 n) {
    for (int64 i = 0; i < n; ++i) q[i] = -product(u, q[i]);
}
LSMX_LINE_MAP(line_minus_probables, (const F* x, const F* g, F* out, int64 n, F m, F L, Words<F> w, Words<F> G),
              minus_probable(load<N>(g + i), softmax_value(load<N>(x + i), spread<N>(m), spread<N>(L), Words<N>{spread<N>(w.high), spread<N>(w.low)}),
                             Words<N>{spread<N>(G.high), spread<N>(G.low)}))
// g (q (-log s))
LSMX_LINE_MAP(line_by_target, (const F* x, const F* q, F* out, int64 n, F m, F L, F g),
              canonical(product(spread<N>(g), unless(load<N>(q + i) == F(0), surprise(load<N>(x + i), spread<N>(m), spread<N>(L), load<N>(q + i))))))

// The loss of each row, of the logits x
template <class F> ONCE void target_losses(Lines<F>& l, const F* const* x, const Soon* next, void (*fill)(Lines<F>&, int64)) {
    const LineSumExp<F> s = sum_exp_of(l, x, next);
    const LineTotals<F> t(s);
    bool infinite[lanes<F>] = {};
    for (int64 j = 0; j < l.rows; ++j) {
        if (!s.defined[j] || l.index[j] < 0) {
            fill_line(l.work[j], l.n, F(0));
            continue;
        }
        fill(l, j);
        if (l.n > l.length) fill_line(l.q[j] + l.length, l.n - l.length, F(0));
        infinite[j] = line_surprises(x[j], l.q[j], l.work[j], l.n, s.m[j], t.L[j]);
    }
    LineValueSum<F> sum(l.work, l.n, l.rows, next, l.to, l.guess);
    for (int64 j = 0; j < l.rows; ++j)
        l.value[j] = l.index[j] == IGNORED               ? F(0)
                     : !s.defined[j] || l.index[j] < 0 ? not_a_number<F>()
                     : infinite[j]                     ? infinity<F>()
                                                       : sum.high[j];
}

// dx = g - s G of rows that are known, whose cotangents g are in q
template <class F> ONCE void gradients_of(Lines<F>& l, const LineSumExp<F>& s, const Words<F>* G, const bool* known) {
    const LineTotals<F> t(s);
    alignas(BYTES) F others[lanes<F>], R[lanes<F>];
    store(others, times(s.R, t.wide).high);
    store(R, s.R.high);
    for (int64 j = 0; j < l.rows; ++j) {
        if (!known[j] || unordered(G[j].high)) {
            fill_line(l.out[j], l.n, l.index[j] == IGNORED ? F(0) : not_a_number<F>());
            continue;
        }
        const int64 top = R[j] < 1 ? line_find(l.b[j], l.n, s.m[j]) : -1;
        line_minus_probables(l.b[j], l.q[j], l.out[j], l.n, s.m[j], t.L[j], t.w(j), G[j]);
        if (top >= 0) write_one(l.out[j] + top, minus_likely(l.q[j][top], others[j], G[j]));
    }
}

// The gradient by x, from u and what the part that goes with lse takes from the sum of the cotangents
template <class F> ONCE void target_gradients(Lines<F>& l, void (*fill)(Lines<F>&, int64)) {
    const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
    bool known[lanes<F>];
    for (int64 j = 0; j < l.rows; ++j) {
        known[j] = s.defined[j] && l.index[j] >= 0;
        if (known[j]) {
            fill(l, j);
            line_cotangents(l.numbers[j][0], l.q[j], l.length);
        }
        fill_line(l.q[j] + (known[j] ? l.length : 0), l.n - (known[j] ? l.length : 0), F(0));
    }
    LineValueSum<F> sum(l.q, l.n, l.rows, l.next_b, l.to, l.guess);
    Words<F> G[lanes<F>];
    for (int64 j = 0; j < l.rows; ++j) {
        const Words<F> less = two_sum(sum.high[j], -l.numbers[j][1]);
        G[j] = fast_two_sum(less.high, less.low + sum.low[j]);
    }
    gradients_of(l, s, G, known);
}

// dx_c = g_c - s_c G of log_prob at several indices:  g_c = sum(g_k over i_k = c),  G = sum(g_k)
struct LogProbsBackward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        Words<F> G[lanes<F>];
        bool known[lanes<F>];
        for (int64 j = 0; j < l.rows; ++j) {
            known[j] = s.defined[j];
            fill_line(l.q[j], l.n, F(0));
            F* g = l.each[j];
            for (int64 k = 0; k < l.count; ++k) {
                known[j] = known[j] && l.indices[j][k] >= 0;
                g[k] = finite(g[k]) ? flush(g[k]) : not_a_number<F>();
            }
            if (!known[j]) continue;
            F* seen = l.work[j];
            for (int64 k = 0; k < l.count; ++k) seen[l.indices[j][k]] = 0;
            for (int64 k = 0; k < l.count; ++k) {
                const int64 i = l.indices[j][k];
                l.q[j][i] = seen[i] == 0 ? g[k] : sum_of(l, j, i).high;
                seen[i] = 1;
            }
            G[j] = l.count == 1 ? Words<F>{g[0], 0} : sum_of(l, j, -1);
        }
        gradients_of(l, s, G, known);
    }

    // The exact sum of the cotangents of one class, or of all
    template <class F> static Words<F> sum_of(Lines<F>& l, int64 j, int64 index) {
        F* some = l.each[j] + l.count;
        for (int64 k = 0; k < l.count; ++k) some[k] = index < 0 || l.indices[j][k] == index ? l.each[j][k] : F(0);
        const int64 n = l.count < lanes<F> ? lanes<F> : l.count;
        for (int64 k = l.count; k < n; ++k) some[k] = F(0);
        const Soon nothing{reinterpret_cast<const char*>(some), 0};
        F guess = 0;
        const LineValueSum<F> sum(&some, n, 1, &nothing, &nothing, guess);
        return {sum.high[0], sum.low[0]};
    }
};

struct WeightedForward {
    template <class F> static void lines(Lines<F>& l) { target_losses(l, l.a, l.next_a, class_targets<F>); }
};
struct WeightedBackward {
    template <class F> static void lines(Lines<F>& l) { target_gradients(l, class_targets<F>); }
};
struct OfForward {
    template <class F> static void lines(Lines<F>& l) { target_losses(l, l.b, l.next_b, probability_targets<F>); }
};
struct OfBackwardZ {
    template <class F> static void lines(Lines<F>& l) { target_gradients(l, probability_targets<F>); }
};

// dp_c = g w_c (1 - eps) (-log s_c)
struct OfBackwardTarget {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        const LineTotals<F> t(s);
        for (int64 j = 0; j < l.rows; ++j) {
            target_factors(l, j);
            if (l.n > l.length) fill_line(l.q[j] + l.length, l.n - l.length, F(0));
            if (s.defined[j]) line_by_target(l.b[j], l.q[j], l.out[j], l.n, s.m[j], t.L[j], flush(l.one[j]));
            else
                for (int64 i = 0; i < l.n; ++i) {
                    const F value = l.q[j][i] == 0 ? canonical(product(flush(l.one[j]), F(0))) : not_a_number<F>();
                    __builtin_memcpy(l.out[j] + i, &value, sizeof value);
                }
        }
    }
};

}  // namespace LSMX_TARGET
