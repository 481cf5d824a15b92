// Exact sums over a row that a team shares: each thread adds up the limbs of its own elements, as integers. The formulas are those of law.h.

namespace lsmx {

struct Nothing {
    LAW void operator()() const {}
};

// The sums of the limbs of some values, in units of the grid of 2^0:  N = first 2^split + second
struct LimbSums {
    int64 first, second;
};

// N in pieces, from its last bit upwards
template <class F> LAW Digits<F> digits(LimbSums sums) {
    using I = Signed<F>;
    constexpr int split = Format<F>::split, p = Format<F>::piece, room = (split < p ? p : 2 * p) - split;
    constexpr int64 mask = (int64(1) << p) - 1;
    const int64 rest = sums.second & ((int64(1) << split) - 1), upper = sums.first + (sums.second >> split);
    const int64 between = upper & ((int64(1) << room) - 1), above = upper >> room;  // what goes into the same piece as bits of `rest`
    if constexpr (split < p) {
        return {I(above >> p >> p), I(above >> p & mask), I(above & mask), I(rest | between << split)};
    } else {
        return {I(above >> p), I(above & mask), I(rest >> p | between << (split - p)), I(rest & mask)};
    }
}

// A thread's own sums, of as many limbs as 32-bit integers have room for
template <class F> struct Adder {
    Unsigned<F> first, second;

    LAW void operator()(Limbs<F> v) {
        const Grid<F> zero = grid(F(1));
        first += v.first - bits(zero.first);
        second += v.second - bits(zero.second);
    }
    LAW LimbSums sums() const { return {as_signed(first), as_signed(second)}; }
};

template <class F> LAW LimbSums sums_of_one(F v) {
    Adder<F> add = {0, 0};
    add(limbs(v, grid(F(1))));
    return add.sums();
}

// The sums of all the limbs that each(a, b, add) adds, over the team
template <class F, class Values, class Each> LAW LimbSums sum_limbs(const Team& team, const Values& values, Each each) {
    Adder<F> add = {0, 0};
    LimbSums mine = {0, 0};
    values.each([&](F a, F b) { each(a, b, add); },
                [&] {
                    const LimbSums n = add.sums();
                    mine = {mine.first + n.first, mine.second + n.second};
                    add = {0, 0};
                });
    return {team.sum(mine.first), team.sum(mine.second)};
}

// ---- R = sum exp(min(x, z2) - m) - exp(z2 - m), with the maximum m and the second largest logit z2

template <class F> struct SumExp {
    F maximum;
    bool defined;  // where the maximum is finite
    F m, second;   // the two largest where the maximum is finite, else 0 and -inf
    F t2;          // exp(second - m)
    Words<F> R;
    Normal<F> total;  // 1 + R

    LAW SumExp(F maximum, F next)
        : maximum(maximum), defined(finite(maximum)), m(defined ? maximum : F(0)), second(defined ? next : -infinity<F>()),
          t2(exp_difference<NOTHING>(second, m)) {}
    LAW void add(Words<F> rest) {
        R = rest;
        total = normalise(rest);
    }
};

// The two largest logits, and what follows from them alone
template <class F, class Values> LAW SumExp<F> largest_of(const Team& team, const Values& values) {
    Two<F> top = {-infinity<F>(), -infinity<F>()};
    bool any_nan = false;
    values.each(
        [&](F, F x) {
            top.second = larger(smaller(x, top.first), top.second);
            top.first = larger(x, top.first);
            any_nan |= unordered(x);
        },
        Nothing());
    if (any_nan) top.first = not_a_number<F>();
    top = team.two_largest(top);
    return SumExp<F>(top.first, top.second);
}

// The exponent of the power of two under exp(z2 - m), in units of which the values are below 2
template <class F> LAW F exponent(const SumExp<F>& s) { return unless(s.t2 == F(0), exponent_of(s.t2)); }

// sum exp(min(x, z2) - m) in those units
template <class F, class Values> LAW LimbSums sum_terms(const Team& team, const Values& values, const SumExp<F>& s) {
    const F m = s.m, z2 = s.second, scale = power_of(F(0) - exponent(s));
    return sum_limbs<F>(team, values, [&](F, F x, Adder<F>& add) {
        add(limbs(exp_difference<NOTHING>(smaller(x, z2), m) * scale, grid(F(1))));
    });
}

template <class F, class Values> LAW SumExp<F> sum_exp(const Team& team, const Values& values) {
    SumExp<F> s = largest_of<F>(team, values);
    const LimbSums all = sum_terms<F>(team, values, s);
    const F e = exponent(s);
    const LimbSums one = sums_of_one(s.t2 * power_of(F(0) - e));
    const Digits<F> rest = digits<F>({all.first - one.first, all.second - one.second});
    s.add(scaled(words(rest), power_of(e)));
    return s;
}

// ---- sum(v)

template <class F> struct ValueSum {
    Words<F> G;
    F most;      // the largest magnitude
    bool plain;  // no v of this thread but 0 is so small that it, or what it is subtracted from, could need flushing, nor is the sum
};

template <class F> LAW bool is_tiny(F v) { return v != F(0) && magnitude(v) < Format<F>::plain; }
template <class F> LAW bool is_plain_sum(F G) { return magnitude(G) > Format<F>::plain_sum || G == F(0); }

// The largest magnitude of v = value(a, b), and whether any of this thread's is tiny
template <class F, class Values, class Value> LAW F largest_magnitude(const Team& team, const Values& values, Value value, bool& tiny) {
    F top = F(0);
    bool any_nan = false;
    values.each(
        [&](F a, F b) {
            const F v = value(a, b);
            top = larger(magnitude(v), top);
            any_nan |= unordered(v);
            tiny |= is_tiny(v);
        },
        Nothing());
    return team.largest(any_nan ? not_a_number<F>() : top);
}

// Their sum in units of 2^e, where that is the scale of the largest
template <class F, class Values, class Value> LAW LimbSums sum_values(const Team& team, const Values& values, Value value, F e) {
    const F scale = power_of(F(0) - e);
    const bool large = e >= Format<F>::largest_exponent;  // scale_of has reduced e, perhaps: see any_limbs
    return sum_limbs<F>(team, values, [&](F a, F b, Adder<F>& add) {
        const F v = value(a, b);
        if (large) any_limbs(v, scale, grid(F(1)), add);
        else add(limbs(v * scale, grid(F(1))));
    });
}

template <class F, class Values, class Value> LAW ValueSum<F> value_sum(const Team& team, const Values& values, Value value) {
    bool tiny = false;
    const F most = largest_magnitude<F>(team, values, value, tiny), e = scale_of(most);
    const Words<F> G = value_sum(digits<F>(sum_values<F>(team, values, value, e)), e, most);
    return {G, most, !tiny && is_plain_sum(G.high)};
}

}  // namespace lsmx
