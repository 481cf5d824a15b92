// Rows in line: R = sum exp(min(x, z2) - m) - exp(z2 - m), with the maximum m and the second largest logit z2.
#pragma once
#include "line_sums.h"

namespace LSMX_TARGET {

template <class F> struct Range {
    F maximum, second, least;
    bool nan;
};

template <class F, int U> struct RangePacks {
    Pack<F, U> top = spread<Pack<F, U>>(-infinity<F>()), second = top, least = spread<Pack<F, U>>(infinity<F>());
    Truth<Signed<F>, U> nan{};
    LAW void add(Pack<F, U> x) {
        second = larger(smaller(top, x), second);
        top = larger(x, top);
        least = smaller(x, least);
        nan = nan | unordered(x);
    }
};

// The two largest of disjoint parts of a row
template <class F> LAW void merge(Native<F>& top, Native<F>& second, Native<F> other_top, Native<F> other_second) {
    second = larger_of(smaller_of(top, other_top), larger_of(second, other_second));
    top = larger_of(top, other_top);
}
template <int STEP, class F> LAW void fold_two(Native<F>& top, Native<F>& second) {
    if constexpr (STEP < lanes<F>) {
        merge<F>(top, second, exchanged<STEP>(top), exchanged<STEP>(second));
        fold_two<STEP * 2, F>(top, second);
    }
}

template <class F> ALONE Range<F> line_range(const F* x, int64 n) {
    constexpr int W = lanes<F>;
    RangePacks<F, 4> four;
    RangePacks<F, 1> one;
    const int64 i = add_vectors(x, n, four, one);
    Native<F> least = one.least.v[0];
    if (i < n) {
        One<F> last = load<One<F>>(x + n - W);
        one.add(where(last_lanes<F>(n - i), last, -infinity<F>()));
        least = smaller_of(last.v[0], least);
    }
    Native<F> top = one.top.v[0], second = one.second.v[0];
    LSMX_EACH(4, merge<F>(top, second, four.top.v[i], four.second.v[i]); least = smaller_of(four.least.v[i], least))
    fold_two<1, F>(top, second);
    return {top[0], second[0], smallest<F>(least), any(one.nan) || any(four.nan)};
}

// The least of the whole vectors of a row; the elements after them are not looked at, and are treated as if anything could be there
template <class F, int U> struct LeastPacks {
    Pack<F, U> least = spread<Pack<F, U>>(infinity<F>());
    LAW void add(Pack<F, U> x) { least = smaller(x, least); }
};
template <class F> ALONE F line_least(const F* x, int64 n) {
    LeastPacks<F, 4> four;
    LeastPacks<F, 1> one;
    add_vectors(x, n, four, one);
    LSMX_EACH(4, one.least.v[0] = smaller_of(four.least.v[i], one.least.v[0]))
    return smallest<F>(one.least.v[0]);
}

template <class F, Known KNOWN>
ALONE int128 line_sum_exp(const F* x, int64 n, F max, F z2, F scale, Soon next, Soon out) {
    using N = Pack<F, LINE>;
    constexpr int W = lanes<F>, S = W * LINE;
    // A grid far below 1 is not made finer, but the values larger
    const Grid<F> by = grid(KNOWN == NOTHING ? F(1) : scale);
    const F times = KNOWN == NOTHING ? power_of(-exponent_of(scale)) : F(1);
    LineSums<F> sums;
    int64 i = 0;
    {
        const N m = spread<N>(max), second = spread<N>(z2);
        const Grid<N> grids = {spread<N>(by.first), spread<N>(by.second)};
        while (i + S <= n) {
            const int64 start = i, stop = least_of(n, i + STEPS * S);
            Pack<Unsigned<F>, LINE> a{}, b{};
            for (; i + S <= stop; i += S) {
                next.read<S * int(sizeof(F))>(i);
                out.write<S * int(sizeof(F))>(i);
                N t = exp_difference<KNOWN>(smaller(load<N>(x + i), second), m);
                if constexpr (KNOWN == NOTHING) t = t * times;
                Limbs<N> l = limbs(t, grids);
                a = a + l.first;
                b = b + l.second;
            }
            sums.add(a, b, by, (i - start) / S);
        }
    }
    using N1 = One<F>;
    const N1 m = spread<N1>(max), second = spread<N1>(z2);
    const Grid<N1> grids = {spread<N1>(by.first), spread<N1>(by.second)};
    Pack<Unsigned<F>, 1> a{}, b{};
    int64 steps = 0;
    for (; i < n; i += W, ++steps) {
        N1 t = exp_difference<NOTHING>(smaller(load_or(x, i, n, -infinity<F>()), second), m);
        if constexpr (KNOWN == NOTHING) t = t * times;
        Limbs<N1> l = limbs(t, grids);
        a = a + l.first;
        b = b + l.second;
    }
    sums.add(a, b, by, steps);
    return sums.value();
}

// Up to a vector of rows, and what is known of each
template <class F> struct LineSumExp {
    alignas(BYTES) F m[lanes<F>] = {}, second[lanes<F>] = {}, t2[lanes<F>], scale[lanes<F>];
    bool defined[lanes<F>];
    F maximum[lanes<F>];
    Known known[lanes<F>];
    Words<One<F>> R;

    // as they were found before
    ONCE LineSumExp(const F (*found)[lsmx::PARTS], int64 rows) {
        alignas(BYTES) F high[lanes<F>] = {}, low[lanes<F>] = {};
        for (int64 j = 0; j < rows; ++j) {
            set(j, found[j][0], found[j][1]);
            high[j] = found[j][2];
            low[j] = found[j][3];
            known[j] = NOTHING;
        }
        R = {load<One<F>>(high), load<One<F>>(low)};
        terms();
    }

    // x[j] are the rows; next and out say what will be read and written soon
    ONCE LineSumExp(const F* const* x, int64 n, int64 rows, const Soon* next, const Soon* out) {
        for (int64 j = 0; j < rows; ++j) {
            Range<F> r = line_range(x[j], n);
            set(j, r.nan ? not_a_number<F>() : r.maximum, r.second);
            reaches(j, r.least);
        }
        const One<F> scales = terms();
        LineDigits<F> digits;
        for (int64 j = 0; j < rows; ++j)
            if (has_terms(j)) digits.set(j, walk(j, x[j], n, next[j], out[j]) - integer(t2[j], scale[j]));
        R = scaled(words(digits.get()), scales);
    }

    // What is known of logits of which this is the least
    LAW void reaches(int64 j, F least) {
        using C = Format<F>;
        constexpr int f = C::fraction;
        const bool wider = (Unsigned<F>(bits(least) << 1) >> (f + 1)) > (Unsigned<F>(bits(m[j]) << 1) >> (f + 1));
        const bool plain = least - m[j] > C::underflow && roomy(j);
        known[j] = !plain ? NOTHING : wider ? NO_UNDERFLOW : ORDERED;
    }
    // Whether any term but the largest is above 0
    LAW bool has_terms(int64 j) const { return defined[j] && t2[j] != 0; }
    // The sum over some of a row, in units of its grid
    ONCE int128 walk(int64 j, const F* x, int64 n, Soon next, Soon out) const {
        switch (known[j]) {
            case ORDERED: return line_sum_exp<F, ORDERED>(x, n, m[j], second[j], scale[j], next, out);
            case NO_UNDERFLOW: return line_sum_exp<F, NO_UNDERFLOW>(x, n, m[j], second[j], scale[j], next, out);
            default: return line_sum_exp<F, NOTHING>(x, n, m[j], second[j], scale[j], next, out);
        }
    }

    LAW void set(int64 j, F largest, F next) {
        maximum[j] = largest;
        defined[j] = largest - largest == 0;
        m[j] = defined[j] ? largest : F(0);
        second[j] = defined[j] ? next : -infinity<F>();
    }
    // Whether the second largest term is not so small that no grid lies below it
    LAW bool roomy(int64 j) const { return second[j] - m[j] > Format<F>::deep; }
    // The terms of the second largest logits, and the powers of two that the grids go by
    LAW One<F> terms() {
        const One<F> t = exp_difference<NOTHING>(load<One<F>>(second), load<One<F>>(m)), scales = power_of(unless(t == F(0), exponent_of(t)));
        store(t2, t);
        store(scale, scales);
        return scales;
    }

    // One value in units of its grid
    LAW static int128 integer(F t, F scale) {
        const F whole = t * power_of(-exponent_of(scale));
        const Grid<F> by = grid(F(1));
        Limbs<F> l = limbs(whole, by);
        return int128(as_signed(l.first - bits(by.first))) * (int128(1) << Format<F>::split) + as_signed(l.second - bits(by.second));
    }
};

}  // namespace LSMX_TARGET
