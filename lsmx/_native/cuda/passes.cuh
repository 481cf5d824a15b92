// The passes on one row, as the formulas say. F is what is computed in; values are a thread's own elements, its team's together the row.

namespace lsmx {

struct Nothing {
    LAW void operator()() const {}
};

// ---- exact sums

// A thread's own sums of limbs, for as many values as 32-bit integers have room for
template <class F> struct Adder {
    Wrapping<F> first, second;

    LAW void operator()(F v) {
        const Limbs<F> zero = limbs_of(F(0)), limbs = limbs_of(v);
        first += limbs.first - zero.first;
        second += limbs.second - zero.second;
    }
};

// The sums of the limbs of all that each(a, b, add) adds, over the team: values in [-2, 2]
template <class F, class Values, class Each> LAW Digits exact_sum(const Team& team, const Values& values, Each each) {
    Adder<F> add = {0, 0};
    Digits n = {0, 0};
    values.each([&](F a, F b) { each(a, b, add); },
                [&] {
                    n.first += Word<F>(add.first);
                    n.second += Word<F>(add.second);
                    add = {0, 0};
                });
    return {team.sum(n.first), team.sum(n.second)};
}

// ---- forward

template <class F> struct SumExp {
    F maximum, m;  // of the row; where it is finite, else 0
    bool defined;  // where it is
    Normal<F> total;
};

// sum(exp(x - m)) = 1 + R,  m = max(x),  R = sum(t(min(x, z2))) - t(z2),  t(x) = exp(x - m),  with the second largest z2
template <class F, class Values> LAW SumExp<F> sum_exp(const Team& team, const Values& values) {
    Two<F> top = {-infinity<F>(), -infinity<F>()};
    bool any_nan = false;
    values.each(
        [&](F, F x) {
            top.second = larger(x < top.first ? x : top.first, top.second);
            top.first = larger(x, top.first);
            any_nan |= unordered(x);
        },
        Nothing());
    if (any_nan) top.first = not_a_number<F>();
    top = team.two_largest(top);
    bool defined = finite(top.first);
    F m = defined ? top.first : F(0), z2 = top.second, t2 = exp_difference(z2, m);
    F e = exponent_of(t2), scale = power_of(F(0) - e);
    Digits n = exact_sum<F>(team, values, [&](F, F x, Adder<F>& add) { add(exp_difference(x < z2 ? x : z2, m) * scale); });
    const Digits one = digits_of(t2 * scale);
    return {top.first, m, defined, normalise(scaled_words(Digits{n.first - one.first, n.second - one.second}, e))};
}

// softmax of an element:  s = 2^k (1/sum + (e^r - 1)/sum),  exp(z - max) = 2^k e^r;  zero where exp(log_softmax) would be
template <class F> struct Probability {
    F m, L;
    Words<F> w;

    LAW Probability(const SumExp<F>& s) : m(s.m), L(log(s.total).high), w(reciprocal(s.total)) {}

    LAW F operator()(F x) const {
        Exponential<F> e = exp(minus_words(x, m));
        F p = times_power(w.high + (e.expm1 * w.high + w.low), e.shifted);
        return (x - m) - L > Format<F>::underflow ? p : F(0);
    }
};

struct log_softmax_forward {
    static constexpr int operands = 1;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    // out = (z - max) - L,  L = ln sum exp(z - max)
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        F L = s.defined ? log(s.total).high : not_a_number<F>();
        values.write([&](F, F x) { return (x - s.m) - L; });
    }
};

struct softmax_forward {
    static constexpr int operands = 1;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        Probability<F> p(s);
        values.write([&](F, F x) { return s.defined ? p(x) : not_a_number<F>(); });
    }
};

struct logsumexp_forward {
    static constexpr int operands = 1;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    // lse = max + L,  L = ln sum exp(z - max);  where the maximum is not finite, it is the answer
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        Words<F> L = log(s.total), lse = two_sum(flush(s.m), L.high);
        F value = s.defined ? flush(lse.high + flush(flush(lse.low) + L.low)) : s.maximum;
        if (team.rank == 0 && values.row.n > 0) *values.row.out = narrow<T>(value);
    }
};

// ---- backward

// sum(value(g, y)) as a double word
template <class F, class Values, class Value> LAW Words<F> value_sum(const Team& team, const Values& values, Value value) {
    F top = F(0);
    bool any_nan = false;
    values.each(
        [&](F g, F y) {
            F v = value(g, y);
            top = larger(magnitude(v), top);
            any_nan |= unordered(v);
        },
        Nothing());
    F largest = team.largest(any_nan ? not_a_number<F>() : top);
    F e = scale_of(largest), scale = power_of(F(0) - e);
    bool large = e >= Format<F>::largest_exponent;  // which has no scale: |v scale| < 4
    Digits n = exact_sum<F>(team, values, [&](F g, F y, Adder<F>& add) {
        F v = value(g, y) * scale;
        if (large) {
            F part = v > F(2) ? F(2) : v < F(-2) ? F(-2) : v;
            add(v - part);
            v = part;
        }
        add(v);
    });
    Words<F> s = scaled_words(n, e);
    return {finite(largest) && finite(s.high) ? s.high : not_a_number<F>(), s.low};
}

// two_sum(a, -b), and the error only where it cannot be subnormal
template <class F> LAW Words<F> minus(F a, F b) {
    bool exact = magnitude(a) >= Format<F>::least_exact && magnitude(b) >= Format<F>::least_exact;
    Words<F> d = minus_words(a, b);
    return {flush(d.high), exact ? d.low : F(0)};
}

// g - s sum(g) in full: any log_p, and s near 1
template <class F> RARE F minus_s_sum(F v, F log_p, F G, F G_low) {
    using C = Format<F>;
    bool valid = log_p <= -C::underflow;
    log_p = flush(valid ? log_p : F(0));
    bool normal = log_p > C::underflow;
    Exponential<F> s = exp(Words<F>{normal ? log_p : C::underflow, F(0)});
    F expm1 = valid ? s.expm1 : not_a_number<F>();

    // dz = g - s * sum(g),  s = 2^k e^r:  g - 2^k (sum(g) + (e^r - 1) sum(g))
    F rest = product(expm1, G);
    F far = v - flush(normal ? (G + flush(rest + G_low)) * power(s.shifted) : F(0));
    // where s is near 1, k = 0:  (g - sum(g)) - (s - 1) * sum(g), which does not cancel
    Words<F> d = minus(v, G), d2 = minus(d.high, rest);
    F near = d2.high + ((d.low - flush(G_low + product(s.low, G))) + d2.low);
    return flush(s.k == F(0) ? near : far);
}

// dz = g - s sum(g),  s = exp(log_s)
template <class F> LAW F log_softmax_gradient(F g, F log_s, Words<F> G) {
    F v = flush(g), dz;
    if (log_s < Format<F>::far) {  // k < 0
        Exponential<F> s = exp(Words<F>{log_s, F(0)});
        F sum = G.high + flush(product(s.expm1, G.high) + G.low);
        dz = flush(v - flush(log_s > Format<F>::underflow ? sum * power(s.shifted) : F(0)));
    } else {
        dz = minus_s_sum(v, log_s, G.high, G.low);
    }
    return unordered(G.high) ? not_a_number<F>() : dz;
}

struct log_softmax_backward {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int operand) { return operand == 0 ? F(0) : -infinity<F>(); }

    // log_s is the output
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        Words<F> G = value_sum<F>(team, values, [](F g, F) { return flush(g); });
        values.write([&](F g, F output) { return log_softmax_gradient(g, output, G); });
    }
};

struct log_softmax_backward_z {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int operand) { return operand == 0 ? F(0) : -infinity<F>(); }

    // log_s = (z - m) - L,  as in log_softmax_forward, but not rounded to 16 bits
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        F L = s.defined ? log(s.total).high : not_a_number<F>();
        Words<F> G = value_sum<F>(team, values, [](F g, F) { return flush(g); });
        values.write([&](F g, F x) { return log_softmax_gradient(g, (x - s.m) - L, G); });
    }
};

struct softmax_backward {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return F(0); }

    // s * (g - sum(g * s))
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*) {
        Words<F> G = value_sum<F>(team, values, [](F g, F s) { return product(flush(g), flush(s)); });
        values.write([&](F g, F s) {
            Words<F> d = minus(flush(g), G.high);
            return product(flush(s), flush(d.high + (d.low - G.low)));
        });
    }
};

struct logsumexp_backward {
    static constexpr int operands = 1;
    static constexpr bool single = true;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    // dz = g s: 0 in a row of nothing but -inf, NaN in one with +inf or NaN
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T* g) {
        SumExp<F> s = sum_exp<F>(team, values);
        Probability<F> p(s);
        F v = flush(F(widen(*g))), otherwise = s.maximum == -infinity<F>() ? F(0) : not_a_number<F>();
        values.write([&](F, F x) { return product(v, s.defined ? p(x) : otherwise); });
    }
};

}  // namespace lsmx
