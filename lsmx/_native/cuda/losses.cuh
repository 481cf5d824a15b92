// The passes of the losses on one row of logits x = z / T, as the formulas of law.h say: those of cpu/losses.h, by the same names.

namespace lsmx {

constexpr long long OUTSIDE = -1, IGNORED = -2;  // what stands for an index that is not in the row, or counts as 0

template <class F> RARE F quotient(F x, F temperature) { return divided(x, temperature); }

// What a row has beside its logits
template <class T, class F> struct Beside {
    long long n;  // elements of the row, 0 if there is none
    const T* z;
    long long along;
    bool divides;  // by a temperature, which flushes also where that is 1
    F temperature, one, numbers[4];
    long long index;
    F sums[4];  // what RowSumsForward has found, if it is given
    bool given;
    F* value;  // of results that have numbers a row
    long long value_along;

    LAW F over(F x) const { return divides ? quotient(x, temperature) : x; }
    // The logit at the index, if that is in the row
    LAW F picked() const { return index < 0 ? F(0) : over(widen(z[index * along])); }
    LAW void give(const Team& team, F result) const {
        if (team.rank == 0 && n > 0) *value = narrow<F>(result);
    }
};

// ---- walks over what is made of the elements

// x = z / T of one or two operands, and results over T
template <class F, class Values, class Row> struct Scaled : Walks<F, Scaled<F, Values, Row>> {
    const Values& of;
    const Row& row;

    LAW Scaled(const Values& of, const Row& row) : of(of), row(row) {}
    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        of.each_at([&](long long i, F a, F b) { body(i, row.over(a), row.over(b)); }, settle);
    }
    template <class Body> LAW void write_at(Body body) const {
        of.write_at([&](long long i, F a, F b) { return row.over(body(i, row.over(a), row.over(b))); });
    }
};

// term(i, a, b) in the place of both operands
template <class F, class Values, class Term> struct Terms : Walks<F, Terms<F, Values, Term>> {
    const Values& of;
    Term term;

    LAW Terms(const Values& of, Term term) : of(of), term(term) {}
    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        of.each_at([&](long long i, F a, F b) { const F v = term(i, a, b); body(i, v, v); }, settle);
    }
};

// sum(term(i, a, b))
template <class F, class Values, class Term> LAW ValueSum<F> sum_of(const Team& team, const Values& values, Term term) {
    return value_sum<F>(team, Terms<F, Values, Term>(values, term), [](F v, F) { return v; });
}

template <class F, class Row> LAW SumExp<F> sums_given(const Row& row) {
    SumExp<F> s(row.sums[0], row.sums[1]);
    s.add({row.sums[2], row.sums[3]});
    return s;
}

// The sums of exponentials of the row, as they are given, or found
template <class F, class Values, class Row> LAW SumExp<F> sum_exp_of(const Team& team, const Values& values, const Row& row) {
    return row.given ? sums_given<F>(row) : sum_exp<F>(team, values);
}

// ---- what a pass is

// Of one row of logits
struct OfOne {
    static constexpr int operands = 1;
    static constexpr int held = 16;       // so many elements of each row of logits are in registers, if it is held
    static constexpr int numbers = 0;     // so many numbers of the row lie together
    static constexpr bool picks = false;  // where the sums are given, it reads the logit at the index and no other
};

// ---- log_prob

// max, the second largest logit, R in two words:  sum exp(x - max) = 1 + R
struct RowSumsForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp<F>(team, values);
        // of equal zeros, the positive one
        const F second = s.second == F(0) ? F(0) : s.second, first = s.maximum == F(0) && second == F(0) ? F(0) : s.maximum;
        const F parts[] = {first, second, s.R.high, s.R.low};
        if (team.rank == 0 && row.n > 0)
            for (int k = 0; k < 4; ++k) row.value[k * row.value_along] = narrow<F>(parts[k]);
    }
};

// log s_i = (x_i - max) - L,  L = ln sum exp(x - max)
struct LogProbForward : OfOne {
    static constexpr bool picks = true;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        pick<F>(team, row, sum_exp<F>(team, values));
    }
    template <class F, class Row> LAW static void pick(const Team& team, const Row& row, const SumExp<F>& s) {
        const F value = s.defined && row.index >= 0 ? log_softmax_value(row.picked(), s.m, log(s.total).high) : not_a_number<F>();
        row.give(team, row.index == IGNORED ? F(0) : value);
    }
};

// dx_c = g_c - s_c G,  g_c one number at the index and another elsewhere
template <class F, class Values, class Row>
LAW void log_prob_gradients(const Team& team, const Values& values, const Row& row, F at, F elsewhere, Words<F> G) {
    const SumExp<F> s = sum_exp_of<F>(team, values, row);
    const SoftmaxOf<F> p(s, not_a_number<F>());
    const F others = times(s.R, p.w).high;  // 1 - s at the maximum
    const bool known = s.defined && row.index >= 0 && finite(G.high), dominates = s.R.high < F(1);
    values.write_at([&](long long i, F, F x) {
        if (!known) return row.index == IGNORED ? F(0) : not_a_number<F>();
        const F g = i == row.index ? at : elsewhere;
        return dominates && x == s.m ? minus_likely(g, others, G) : minus_probable(g, p(x), G);
    });
}

// dx = g (1[c = i] - s)
struct LogProbBackward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const F g = flush(row.one);
        log_prob_gradients<F>(team, values, row, g, F(0), {g, F(0)});
    }
};

// ---- cross-entropy of classes with smoothing or a part that goes with lse: its numbers are

// q at the target, and q elsewhere:  loss = sum_c q_c (-log s_c), infinite where a class is impossible
struct CrossEntropyForward : OfOne {
    static constexpr int numbers = 2;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp_of<F>(team, values, row);
        const F L = log(s.total).high;
        const bool known = s.defined && row.index >= 0;
        const ValueSum<F> sum = sum_of<F>(team, values, [&](long long i, F, F x) {
            return known && i < row.n ? surprise(x, s.m, L, i == row.index ? row.numbers[0] : row.numbers[1]) : F(0);
        });
        const F loss = sum.most == infinity<F>() ? sum.most : sum.G.high;
        row.give(team, row.index == IGNORED ? F(0) : known ? loss : not_a_number<F>());
    }
};

// the cotangent at the target, that elsewhere, and their sum in two words
struct CrossEntropyBackward : OfOne {
    static constexpr int numbers = 4;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        log_prob_gradients<F>(team, values, row, row.numbers[0], row.numbers[1], {row.numbers[2], row.numbers[3]});
    }
};

// ---- entropy

// E = A / sum(t),  A = sum(t D),  D = max - x,  t = exp(-D), on the grid of the power of two under t2 max(D2, 1)
template <class F, class Values> LAW Words<F> mean_distance(const Team& team, const Values& values, const SumExp<F>& s, Words<F> w) {
    const F D2 = unless(!finite(s.second), s.m - s.second), largest = product(s.t2, where(D2 > F(1), D2, F(1)));
    const F e = unless(!(largest > F(0)), exponent_of(largest)), scale = power_of(F(0) - e);
    // terms may be larger than the bound by their roundings, and twice the grid's power is the most that a limb holds
    const bool roomy = largest * F(1 + 1.0 / 1024) < 2 * power_of(e);
    const LimbSums sums = sum_limbs<F>(team, values, [&](F, F x, Adder<F>& add) {
        const F term = distance_term<NOTHING>(x, s.m);
        if (roomy) add(limbs(term * scale, grid(F(1))));
        else any_limbs(term, scale, grid(F(1)), add);
    });
    return times(scaled(words(digits<F>(sums)), power_of(e)), w);
}

// H = L + E,  E = sum(s D)
struct EntropyForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp_of<F>(team, values, row);
        const Words<F> E = mean_distance(team, values, s, reciprocal(s.total));
        row.give(team, s.defined ? entropy_value(log(s.total), E) : not_a_number<F>());
    }
};

// dx = g s (D - E)
struct EntropyBackward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp_of<F>(team, values, row);
        const Words<F> w = reciprocal(s.total), E = mean_distance(team, values, s, w);
        const F L = log(s.total).high, g = flush(row.one);
        values.write([&](F, F x) { return s.defined ? entropy_gradient(x, s.m, L, w, E, g) : not_a_number<F>(); });
    }
};

// ---- rank: how many logits are greater; -1 in a row with NaN, and for an index outside of it

// By their bits, as hardware that flushes takes the least numbers for equal
template <class F> LAW bool greater(F a, F b) {
    const Signed<F> x = as_signed(bits(a)), y = as_signed(bits(b)), sign = as_signed(Unsigned<F>(1) << (8 * sizeof(F) - 1));
    return (x < 0 ? sign - x : x) > (y < 0 ? sign - y : y);
}

struct RankForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        constexpr long long UNKNOWN = 1LL << 50;  // more than there are elements
        const F x_i = row.picked();
        long long above = 0;
        bool any_nan = false;
        values.each(
            [&](F, F x) {
                above += greater(x, x_i);
                any_nan |= unordered(x);
            },
            Nothing());
        const long long all = team.sum(any_nan ? UNKNOWN : above);
        row.give(team, row.index >= 0 && all < UNKNOWN ? F(all) : F(-1));
    }
};

// ---- logsumexp of logits with a temperature

struct ScaledLogSumExpForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        row.give(team, lse_of(sum_exp_of<F>(team, values, row)));
    }
};

// dx = g s
struct ScaledLogSumExpBackward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SoftmaxOf<F> s = weights(sum_exp_of<F>(team, values, row));
        const F g = flush(row.one);
        values.write([&](F, F x) { return product(g, s(x)); });
    }
};

}  // namespace lsmx
