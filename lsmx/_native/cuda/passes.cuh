// The passes on one row, as the formulas of law.h say: those of cpu/passes.h, by the same names. F is what is computed in; values are a
// thread's own elements, its team's together the row.

namespace lsmx {

// ---- what a pass reads, and the value for elements past the end of a row, which does not change the result

// Rows of logits z
struct OfLogits {
    static constexpr int operands = 1;
    static constexpr bool single = false;  // of a: one number a row; the row is then of b
    template <class F> LAW static F absent(int) { return -infinity<F>(); }
};

// Rows of a vector, and of logits or log-probabilities
struct OfVectorAndLogits {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int operand) { return operand == 0 ? F(0) : -infinity<F>(); }
};

// Rows of a vector, and of probabilities
struct OfVectorAndProbabilities {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return F(0); }
};

// One number a row, and rows of logits
struct OfNumberAndLogits {
    static constexpr int operands = 1;
    static constexpr bool single = true;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }
};

// One number a row, by one of its threads
template <class T, class F, class Values> LAW void write_one(const Team& team, const Values& values, F value) {
    if (team.rank == 0 && values.row.n > 0) *values.row.out = narrow<T>(value);
}

// ---- log-softmax

// out = (z - max) - L,  L = ln sum exp(z - max): NaN where it is not defined
template <class F> struct LogSoftmaxOf {
    F m, L;

    LAW LogSoftmaxOf(const SumExp<F>& s) : m(s.m), L(s.defined ? log(s.total).high : not_a_number<F>()) {}
    LAW F operator()(F x) const { return log_softmax_value(x, m, L); }
};

struct LogSoftmaxForward : OfLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        const LogSoftmaxOf<F> y(sum_exp<F>(team, values));
        values.write([&](F, F x) { return y(x); });
    }
};

template <class F> RARE F any_minus_s_sum(F v, F log_p, F G, F G_low) { return minus_s_sum(v, log_p, Words<F>{G, G_low}); }

// One of g - s G where y = log s; plain: neither g nor G is tiny
template <class F> LAW F minus_s_sum(F g, F y, Words<F> G, bool plain) {
    return plain && y < Format<F>::far ? minus_small_s_sum(flush(g), y, G) : any_minus_s_sum(g, y, G.high, G.low);
}

// dz = g - s sum(g),  s = exp(y), from the output y = log_p(b)
template <class F, class Values, class LogP> LAW void log_softmax_vjp(const Team& team, const Values& values, LogP log_p) {
    const ValueSum<F> s = value_sum<F>(team, values, [](F g, F) { return flush(g); });
    values.write([&](F g, F b) { return minus_s_sum(g, log_p(b), s.G, s.plain); });
}

struct LogSoftmaxBackward : OfVectorAndLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        log_softmax_vjp<F>(team, values, [](F y) { return y; });
    }
};

// The same from z: the output before it is rounded to 16 bits
struct LogSoftmaxBackwardZ : OfVectorAndLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        log_softmax_vjp<F>(team, values, LogSoftmaxOf<F>(sum_exp<F>(team, values)));
    }
};

// dout = v - sum(s v),  s = exp(y)
template <class F, class Values, class LogP> LAW void log_softmax_tangent(const Team& team, const Values& values, LogP log_p) {
    const ValueSum<F> s = value_sum<F>(team, values, [&](F v, F b) { return product(value(probability(log_p(b))), flush(v)); });
    values.write([&](F v, F) { return minus_sum(flush(v), s.G); });
}

struct LogSoftmaxJvp : OfVectorAndLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        log_softmax_tangent<F>(team, values, [](F y) { return y; });
    }
};

struct LogSoftmaxJvpZ : OfVectorAndLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        log_softmax_tangent<F>(team, values, LogSoftmaxOf<F>(sum_exp<F>(team, values)));
    }
};

// ---- softmax

// s = exp(z - max) / sum exp(z - max), and what it is where that is not defined
template <class F> struct SoftmaxOf {
    F m, L, otherwise;
    Words<F> w;
    bool defined;

    LAW SoftmaxOf(const SumExp<F>& s, F otherwise)
        : m(s.m), L(log(s.total).high), otherwise(otherwise), w(reciprocal(s.total)), defined(s.defined) {}
    LAW F operator()(F x) const { return defined ? softmax_value(x, m, L, w) : otherwise; }
};

struct SoftmaxForward : OfLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        const SoftmaxOf<F> p(sum_exp<F>(team, values), not_a_number<F>());
        values.write([&](F, F x) { return p(x); });
    }
};

// dz = s (g - sum(s g)), from the output s: the JVP too, as the Jacobian is symmetric
struct SoftmaxBackward : OfVectorAndProbabilities {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        const ValueSum<F> sum = value_sum<F>(team, values, [](F g, F s) { return product(flush(g), flush(s)); });
        values.write([&](F g, F s) { return s_minus_sum(g, s, sum.G); });
    }
};

// ---- logsumexp

// lse = max + L,  L = ln sum exp(z - max);  where the maximum is not finite, it is the answer
template <class F> LAW F lse_of(const SumExp<F>& s) { return s.defined ? logsumexp_value(s.m, log(s.total)) : s.maximum; }

struct LogSumExpForward : OfLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        const SumExp<F> s = sum_exp<F>(team, values);
        write_one<T>(team, values, lse_of(s));
    }
};

// s = softmax(z), 0 in a row of nothing but -inf
template <class F> LAW SoftmaxOf<F> weights(const SumExp<F>& s) {
    return {s, s.maximum == -infinity<F>() ? F(0) : not_a_number<F>()};
}

// dz = g s,  s = softmax(z)
struct LogSumExpBackward : OfNumberAndLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T* one) {
        const SoftmaxOf<F> s = weights(sum_exp<F>(team, values));
        const F g = flush(widen(*one));
        values.write([&](F, F x) { return product(g, s(x)); });
    }
};

// dlse = sum(s v),  s = softmax(z)
struct LogSumExpJvp : OfVectorAndLogits {
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        const SoftmaxOf<F> s = weights(sum_exp<F>(team, values));
        const ValueSum<F> sum = value_sum<F>(team, values, [&](F v, F x) { return product(flush(v), s(x)); });
        write_one<T>(team, values, sum.G.high);
    }
};

}  // namespace lsmx
