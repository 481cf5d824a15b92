// The passes on one row, as the formulas say. F is what is computed in; values are a thread's own elements, its team's together the row.

namespace lsmx {

struct Nothing {
    LAW void operator()() const {}
};

// ---- forward

template <class F> struct SumExp {
    F maximum, m;  // of the row; where it is finite, else 0
    bool defined;  // where it is
    Normal<F> total;
};

// The fine limb of exp(x - m): for rows of which one term outweighs all the others
template <class F> RARE long long fine_limb_of(F x, F m) { return fine_limb(coarse_limbs(exp_difference(x, m)).rest); }

// sum(exp(x - m)) - 1
template <class F, class Values> LAW Words<F> rest_of_sum(const Team& team, const Values& values, F m) {
    const Limbs<F> zero = coarse_limbs(F(0));
    Wrapping<F> a = 0, b = 0;
    long long first = 0, second = 0, fine = 0;
    values.each(
        [&](F x, F) {
            Limbs<F> limbs = coarse_limbs(exp_difference(x, m));
            a += limbs.first - zero.first;
            b += limbs.second - zero.second;
        },
        [&] {
            first += Word<F>(a);
            second += Word<F>(b);
            a = b = 0;
        });
    first = team.sum(first);
    second = team.sum(second);
    bool single = dominated<F>(first, second);
    if (team.any(single)) {
        values.each([&](F x, F) { fine += fine_limb_of(x, m); }, Nothing());
        fine = team.sum(fine);
    }
    return rest_words<F>(first, second, single ? fine : 0);
}

template <class F, class Values> LAW SumExp<F> sum_exp(const Team& team, const Values& values) {
    F top = -infinity<F>();
    bool any_nan = false;
    values.each(
        [&](F x, F) {
            top = larger(x, top);
            any_nan |= unordered(x);
        },
        Nothing());
    F maximum = team.largest(any_nan ? not_a_number<F>() : top);
    bool defined = finite(maximum);
    F m = defined ? maximum : F(0);
    return {maximum, m, defined, normalise(rest_of_sum(team, values, m))};
}

struct log_softmax_forward {
    static constexpr int operands = 1;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    // out = (z - max) - L,  L = ln sum exp(z - max)
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        F L = s.defined ? log(s.total).high : not_a_number<F>();
        values.write([&](F x, F) { return (x - s.m) - L; });
    }
};

struct softmax_forward {
    static constexpr int operands = 1;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    // s = 2^k (1/sum + (e^r - 1)/sum),  exp(z - max) = 2^k e^r;  zero where exp(log_softmax) would be
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        F L = log(s.total).high;
        Words<F> w = reciprocal(s.total);
        values.write([&](F x, F) {
            Exponential<F> e = exp(minus_words(x, s.m));
            F p = times_power(w.high + (e.expm1 * w.high + w.low), e.shifted);
            p = (x - s.m) - L > Format<F>::underflow ? p : F(0);
            return s.defined ? p : not_a_number<F>();
        });
    }
};

struct logsumexp_forward {
    static constexpr int operands = 1;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return -infinity<F>(); }

    // lse = max + L,  L = ln sum exp(z - max);  where the maximum is not finite, it is the answer
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*, const T*) {
        SumExp<F> s = sum_exp<F>(team, values);
        Words<F> L = log(s.total), lse = two_sum(s.m, L.high);
        F value = s.defined ? flush(lse.high + (lse.low + L.low)) : s.maximum;
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
    const Limbs<F> zero = signed_limbs(F(0));
    Wrapping<F> a = 0, b = 0;
    long long first = 0, second = 0;
    auto add = [&](F v) {
        Limbs<F> limbs = signed_limbs(v);
        a += limbs.first - zero.first;
        b += limbs.second - zero.second;
    };
    values.each(
        [&](F g, F y) {
            F v = value(g, y) * scale;
            if (large) {
                F part = v > F(2) ? F(2) : v < F(-2) ? F(-2) : v;
                add(v - part);
                v = part;
            }
            add(v);
        },
        [&] {
            first += Word<F>(a);
            second += Word<F>(b);
            a = b = 0;
        });
    first = team.sum(first);
    second = team.sum(second);
    return scaled_sum(first, second, e, finite(largest));
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

struct log_softmax_backward {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int operand) { return operand == 0 ? F(0) : -infinity<F>(); }

    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*, const T*) {
        Words<F> G = value_sum<F>(team, values, [](F g, F) { return flush(g); });
        values.write([&](F g, F log_p) {
            F v = flush(g), dz;
            if (log_p < Format<F>::far) {  // k < 0
                Exponential<F> s = exp(Words<F>{log_p, F(0)});
                F sum = G.high + flush(product(s.expm1, G.high) + G.low);
                dz = flush(v - flush(log_p > Format<F>::underflow ? sum * power(s.shifted) : F(0)));
            } else {
                dz = minus_s_sum(v, log_p, G.high, G.low);
            }
            return unordered(G.high) ? not_a_number<F>() : dz;
        });
    }
};

struct softmax_backward {
    static constexpr int operands = 2;
    static constexpr bool single = false;
    template <class F> LAW static F absent(int) { return F(0); }

    // s * (g - sum(g * s))
    template <class T, class F, class Values> LAW static void run(const Team& team, const Values& values, const T*, const T*) {
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

    // g * exp(z - lse): the exponential is 0 in a row of nothing but -inf, NaN in one with +inf or NaN
    template <class T, class F, class Values>
    LAW static void run(const Team& team, const Values& values, const T* g, const T* output) {
        F v = flush(F(widen(*g))), lse = widen(*output);
        bool defined = finite(lse);
        F m = defined ? lse : F(0), otherwise = lse == -infinity<F>() ? F(0) : not_a_number<F>();
        values.write([&](F x, F) {
            Words<F> d = minus_words(x, m);
            bool valid = defined && d.high <= -Format<F>::underflow;
            Exponential<F> e = exp(d);
            F s = d.high > Format<F>::underflow ? times_power(F(1) + e.expm1, e.shifted) : F(0);
            return product(v, valid ? s : otherwise);
        });
    }
};

}  // namespace lsmx
