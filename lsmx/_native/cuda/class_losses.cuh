// Cross-entropy with a number q for each class, and log_prob of several classes, on one row: those of cpu/class_losses.h, by the same names.
//
//     loss = sum_c q_c (-log s_c),  dx = g - s G  with  g_c = -u q_c,  G = sum(g) - u 2 c lse

namespace lsmx {

// How many classes are present
template <class F, class Values, class Row> LAW long long present_in(const Team& team, const Values& values, const Row& row) {
    if (!row.mask.any()) return row.n;
    long long present = 0;
    values.of.each_at([&](long long c, F, F) { present += c < row.n && row.mask.at(c); }, Nothing());
    return team.sum(present);
}

template <class F, class Row> LAW F weight_of(const Row& row, long long c) { return row.weight.any() ? row.weight.at(c) : F(1); }

// Not inlined: a thread computes many classes, and each inlined call would contain the code for every type of numbers.

// q_c of an index; that of an absent class counts at the index alone
template <class F, class Row> RARE F class_target(const Row& row, const Smoothed<F>& by, long long c) {
    if (c == row.index) return by.chosen(weight_of<F>(row, c));
    return row.mask.at(c) ? by.other(weight_of<F>(row, c)) : F(0);
}

// q_c of probabilities
template <class F, class Row> RARE F probability_target(const Row& row, const Smoothed<F>& by, long long c) {
    return row.mask.at(c) ? by.of(row.probability.at(c), weight_of<F>(row, c)) : F(0);
}

// The factor of -log s_c in the gradient by p_c
template <class F, class Row> RARE F target_factor(const Row& row, const Smoothed<F>& by, long long c) {
    return row.mask.at(c) ? by.factor(weight_of<F>(row, c)) : F(0);
}

// The gradient by x of a loss, from u and what the part that goes with lse takes from the sum of the cotangents
template <class F, class Values, class Row, class Target>
LAW void target_gradients(const Team& team, const Values& values, const Row& row, bool known, Target q) {
    const SumExp<F> s = sum_exp_of<F>(team, values, row);
    const F u = row.numbers[0];
    const auto g = [&](long long c) { return F(0) - product(u, q(c)); };
    const Words<F> sum = sum_of<F>(team, values.of, [&](long long c, F, F) { return known && c < row.n ? g(c) : F(0); }).G;
    const Words<F> less = two_sum(sum.high, F(0) - row.numbers[1]);
    gradients_of<F>(team, values, row, s, known, fast_two_sum(less.high, less.low + sum.low), g);
}

struct WeightedForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const Smoothed<F> by(row.smoothing, present_in<F>(team, values, row));
        target_losses<F>(team, values, row, row.index >= 0, [&](long long c) { return class_target(row, by, c); });
    }
};

struct WeightedBackward : OfOne {
    static constexpr int numbers = 2;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const Smoothed<F> by(row.smoothing, present_in<F>(team, values, row));
        target_gradients<F>(team, values, row, row.index >= 0, [&](long long c) { return class_target(row, by, c); });
    }
};

struct OfForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const Smoothed<F> by(row.smoothing, present_in<F>(team, values, row));
        target_losses<F>(team, values, row, true, [&](long long c) { return probability_target(row, by, c); });
    }
};

struct OfBackwardZ : OfOne {
    static constexpr int numbers = 2;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const Smoothed<F> by(row.smoothing, present_in<F>(team, values, row));
        target_gradients<F>(team, values, row, true, [&](long long c) { return probability_target(row, by, c); });
    }
};

// dp_c = g w_c (1 - eps) (-log s_c)
struct OfBackwardTarget : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp_of<F>(team, values, row);
        const Smoothed<F> by(row.smoothing, 1);
        const F L = s.defined ? log(s.total).high : not_a_number<F>(), g = flush(row.one);
        values.write_beside([&](long long c, F x) { return c < row.n ? product(g, surprise(x, s.m, L, target_factor(row, by, c))) : F(0); });
    }
};

// ---- log_prob at several indices

constexpr long long EVERY = -3;  // in place of a class: all of them

// The cotangents of one class, or of all, in the order of their indices
template <class F, class Row> struct Chosen : Walks<F, Chosen<F, Row>> {
    const Row& row;
    long long c;

    LAW Chosen(const Row& row, long long c) : row(row), c(c) {}
    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        for (long long k = 0; k < row.indices.count; ++k) {
            if (c != EVERY && row.indices.at(k) != c) continue;
            const F v = flush(row.each.at(k));
            body(k, v, v);
            settle();
        }
    }
};

// g_c = sum(g_k over i_k = c): exact, by each thread on its own
template <class F, class Row> RARE Words<F> cotangent_of(const Row& row, long long c) {
    const Chosen<F, Row> chosen(row, c);
    F one = F(0);
    int found = 0;
    chosen.each([&](F v, F) { one = v; ++found; }, Nothing());
    return found < 2 ? Words<F>{one, F(0)} : value_sum<F>(Team(1, false), chosen, [](F v, F) { return v; }).G;
}

// dx_c = g_c - s_c G,  G = sum(g_k)
struct LogProbsBackward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp_of<F>(team, values, row);
        bool known = true;
        for (long long k = 0; k < row.indices.count; ++k) known = known && row.indices.at(k) >= 0;
        gradients_of<F>(team, values, row, s, known, cotangent_of<F>(row, EVERY), [&](long long c) { return cotangent_of<F>(row, c).high; });
    }
};

}  // namespace lsmx
