// The passes of the losses on one row of logits x = z / T, as the formulas of law.h say: those of cpu/losses.h, by the same names.

namespace lsmx {

// ---- walks over what is made of the elements

// The logits x of one or two operands, and gradients by them
template <class F, class Values, class Row> struct Scaled : Walks<F, Scaled<F, Values, Row>> {
    const Values& of;
    const Row& row;

    LAW Scaled(const Values& of, const Row& row) : of(of), row(row) {}
    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        of.each_at([&](long long i, F a, F b) { body(i, row.scale.logit(a), row.scale.logit(b)); }, settle);
    }
    template <class Body> LAW void write_at(Body body) const {
        of.write_at([&](long long i, F a, F b) { return row.scale.gradient(body(i, row.scale.logit(a), row.scale.logit(b)), b); });
    }
    // A result that is no gradient by the logits
    template <class Body> LAW void write_beside(Body body) const {
        of.write_at([&](long long i, F, F b) { return body(i, row.scale.logit(b)); });
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
    static constexpr bool caps = true;    // its logits may have a soft cap
    static constexpr bool picks = false;  // where the sums are given, it reads the logit at the index and no other
    static constexpr bool values = false; // its row is of any values, not of logits: 0 stands for what is not there
};

// ---- log_prob

template <class F, class Row> LAW void give_parts(const Team& team, const Row& row, const F (&parts)[4]) {
    if (team.rank == 0 && row.n > 0)
        for (int k = 0; k < 4; ++k) row.value[k * row.value_along] = narrow<F>(parts[k]);
}

// What is known of a row: its two largest logits, of equal zeros the positive one, and two numbers
template <class F, class Row> LAW void give_sums(const Team& team, const Row& row, const SumExp<F>& s, Words<F> last) {
    const F second = s.second == F(0) ? F(0) : s.second, first = s.maximum == F(0) && second == F(0) ? F(0) : s.maximum;
    give_parts<F>(team, row, {first, second, last.high, last.low});
}

// max, the second largest logit, R in two words:  sum exp(x - max) = 1 + R
struct RowSumsForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sum_exp<F>(team, values);
        give_sums<F>(team, row, s, s.R);
    }
};

// ---- rows in parts: each of the two walks on its own

struct RowTopForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        give_sums<F>(team, row, largest_of<F>(team, values), {F(0), F(0)});
    }
};

template <class F, class Row> LAW void give_digits(const Team& team, const Row& row, Digits<F> d) {
    if constexpr (sizeof(F) == 8) {  // three digits are enough, and the sign is in the first of them
        d.high += d.top * (Signed<F>(1) << Format<F>::piece);
        d.top = 0;
    }
    give_parts<F>(team, row, {F(d.top), F(d.high), F(d.middle), F(d.low)});
}

// sum(t(min(x, z2))),  t(x) = exp(x - max), in units of its grid, in digits; the two largest logits are those of the whole row
struct RowDigitsForward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s(row.sums[0], row.sums[1]);
        give_digits<F>(team, row, digits<F>(sum_terms<F>(team, values, s)));
    }
};

// The same of any values: max |v|
struct RowMagnitudeForward : OfOne {
    static constexpr bool values = true;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        bool tiny = false;
        const F most = largest_magnitude<F>(team, values, [](F, F v) { return flush(v); }, tiny);
        give_parts<F>(team, row, {most, F(0), F(0), F(0)});
    }
};

// sum(v) in units of its grid, in digits; the largest magnitude is that of the whole row
struct RowIntegerForward : OfOne {
    static constexpr bool values = true;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const F most = row.sums[0];
        const bool known = finite(most);
        give_digits<F>(team, row, digits<F>(sum_values<F>(team, values, [&](F, F v) { return known ? flush(v) : F(0); }, scale_of(most))));
    }
};

// dz = g - s G of a part of a row whose sum of cotangents G is given, from the output, or from logits whose sums are given
struct RowGradientBackward : OfOne {
    static constexpr int numbers = 2;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const SumExp<F> s = sums_given<F>(row);
        const LogSoftmaxOf<F> y(s);
        const Words<F> G = {row.numbers[0], row.numbers[1]};
        values.write_at([&](long long i, F, F x) {
            const F g = i < row.n ? flush(row.probability.at(i)) : F(0);
            return minus_s_sum(g, row.given ? y(x) : x, G, !is_tiny(g) && is_plain_sum(G.high));
        });
    }
};

// log s_i = (x_i - max) - L,  L = ln sum exp(x - max), at one index or several
struct LogProbForward : OfOne {
    static constexpr bool picks = true;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        pick<F>(team, row, sum_exp<F>(team, values));
    }
    // Each thread some of the indices
    template <class F, class Row> LAW static void pick(const Team& team, const Row& row, const SumExp<F>& s) {
        const F L = log(s.total).high;
        for (long long k = team.rank; k < row.indices.count && row.n > 0; k += team.size) {
            const long long i = row.indices.at(k);
            const F value = s.defined && i >= 0 ? log_softmax_value(row.logit_at(i), s.m, L) : not_a_number<F>();
            row.value[k * row.value_along] = narrow<F>(i == IGNORED ? F(0) : value);
        }
    }
};

// dx_c = g_c - s_c G of cotangents g(c) with the sum G, of a row that is known
template <class F, class Values, class Row, class Cotangent>
LAW void gradients_of(const Team& team, const Values& values, const Row& row, const SumExp<F>& s, bool known, Words<F> G, Cotangent g) {
    const SoftmaxOf<F> p(s, not_a_number<F>());
    const F others = times(s.R, p.w).high;  // 1 - s at the maximum
    const bool dominates = s.R.high < F(1);
    known = known && s.defined && finite(G.high);
    values.write_at([&](long long i, F, F x) {
        if (!known || i >= row.n) return row.index == IGNORED ? F(0) : not_a_number<F>();
        return dominates && x == s.m ? minus_likely(g(i), others, G) : minus_probable(g(i), p(x), G);
    });
}

// The same with one number at the index and another elsewhere
template <class F, class Values, class Row>
LAW void log_prob_gradients(const Team& team, const Values& values, const Row& row, F at, F elsewhere, Words<F> G) {
    const SumExp<F> s = sum_exp_of<F>(team, values, row);
    gradients_of<F>(team, values, row, s, row.index >= 0, G, [&](long long i) { return i == row.index ? at : elsewhere; });
}

// dx = g (1[c = i] - s)
struct LogProbBackward : OfOne {
    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        const F g = flush(row.one);
        log_prob_gradients<F>(team, values, row, g, F(0), {g, F(0)});
    }
};

// loss = sum_c q_c (-log s_c) of a row that is known, infinite where a class is impossible
template <class F, class Values, class Row, class Target>
LAW void target_losses(const Team& team, const Values& values, const Row& row, bool known, Target q) {
    const SumExp<F> s = sum_exp_of<F>(team, values, row);
    const F L = log(s.total).high;
    known = known && s.defined;
    bool infinite = false;
    const ValueSum<F> sum = sum_of<F>(team, values, [&](long long i, F, F x) {
        const F term = known && i < row.n ? surprise(x, s.m, L, q(i)) : F(0);
        infinite |= term == infinity<F>();
        return term;
    });
    const F loss = team.any(infinite) ? infinity<F>() : sum.G.high;
    row.give(team, row.index == IGNORED ? F(0) : known ? loss : not_a_number<F>());
}

// ---- cross-entropy of classes with smoothing or a part that goes with lse: its numbers are

// q at the target, and q elsewhere
struct CrossEntropyForward : OfOne {
    static constexpr int numbers = 2;

    template <class F, class Values, class Row> LAW static void run(const Team& team, const Values& values, const Row& row) {
        target_losses<F>(team, values, row, row.index >= 0, [&](long long i) { return row.numbers[i == row.index ? 0 : 1]; });
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
        for (long long k = 0; k < row.indices.count; ++k) {
            const long long i = row.indices.at(k);
            const F x_i = row.logit_at(i);
            long long above = 0;
            bool any_nan = false;
            values.each(
                [&](F, F x) {
                    above += greater(x, x_i);
                    any_nan |= unordered(x);
                },
                Nothing());
            const long long all = team.sum(any_nan ? UNKNOWN : above);
            row.give(team, i >= 0 && all < UNKNOWN ? F(all) : F(-1), k);
        }
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
