// Rows in line: sum(v), exactly, on the grid of the largest magnitude.
#pragma once
#include "line_sums.h"

namespace LSMX_TARGET {

// The largest magnitude, and the least that is not 0: by the bits shifted to the left by one, where NaN is above infinity; the least
// is less 1, so that 0 is above all
template <class F, int U> struct MagnitudePacks {
    using B = Pack<Unsigned<F>, U>;
    B most{}, least = most - Unsigned<F>(1);
    LAW void add(Pack<F, U> v) {
        B b = bits(v);
        b = b + b;
        most = larger(b, most);
        least = smaller(b - Unsigned<F>(1), least);
    }
    LAW Pack<F, U> largest() const { return floats(most >> 1); }
};

// Whether no value but 0 is so small that it, or a difference with it, could need flushing, and 2^-e is normal
template <class F> LAW bool are_plain(F most, Unsigned<F> least) {
    using C = Format<F>;
    return least >= Unsigned<F>(bits(C::plain) * 2 - 1) && most >= C::plain && most < C::plain_most;
}

template <class F> struct Magnitudes {
    F most;
    bool plain;
};
template <class F, int U> LAW Magnitudes<F> magnitudes_of(const MagnitudePacks<F, U>& many, MagnitudePacks<F, 1> one) {
    LSMX_EACH(U, one.most.v[0] = larger_of(one.most.v[0], many.most.v[i]); one.least.v[0] = smaller_of(one.least.v[0], many.least.v[i]))
    const F most = floats(Unsigned<F>(largest<Unsigned<F>>(one.most.v[0]) >> 1));
    return {most, are_plain<F>(most, smallest<Unsigned<F>>(one.least.v[0]))};
}
template <class F> ALONE Magnitudes<F> line_magnitudes(const F* v, int64 n) {
    constexpr int W = lanes<F>;
    MagnitudePacks<F, 4> four;
    MagnitudePacks<F, 1> one;
    add_vectors(v, n, four, one);
    one.add(load<One<F>>(v + n - W));
    return magnitudes_of(four, one);
}

// The sum of values of any size, of which `scale` is the power of two under the largest
template <class F> ALONE int128 line_any_sum(const F* v, int64 n, F scale) {
    using N1 = One<F>;
    constexpr int W = lanes<F>;
    const Grid<F> by = grid(F(1));
    const Grid<N1> grids = {spread<N1>(by.first), spread<N1>(by.second)};
    const N1 scales = spread<N1>(power_of(-scale_of(scale)));
    LineSums<F> sums;
    for (int64 i = 0; i < n;) {
        Pack<Unsigned<F>, 1> a{}, b{};
        int64 steps = 0;
        for (; i < n && steps < STEPS; i += W)
            any_limbs(load_or(v, i, n, F(0)), scales, grids, [&](Limbs<N1> l) __attribute__((always_inline)) {
                a = a + l.first;
                b = b + l.second;
                ++steps;
            });
        sums.add(a, b, by, steps);
    }
    return sums.value();
}

// The sum of plain values, and their magnitudes if LOOK. What is read and written next is fetched if FETCH.
template <class F, bool LOOK, bool FETCH>
ALONE int128 line_plain_sum(const F* v, int64 n, F scale, Soon next, Soon out, Magnitudes<F>* found) {
    using N = Pack<F, LINE>;
    using N1 = One<F>;
    constexpr int W = lanes<F>, S = W * LINE;
    const Grid<F> by = grid(scale);
    MagnitudePacks<F, LINE> many;
    LineSums<F> sums;
    int64 i = 0;
    {
        const Grid<N> grids = {spread<N>(by.first), spread<N>(by.second)};
        while (i + S <= n) {
            const int64 start = i, stop = least_of(n, i + STEPS * S);
            Pack<Unsigned<F>, LINE> a{}, b{};
            for (; i + S <= stop; i += S) {
                if constexpr (FETCH) next.read<S * int(sizeof(F))>(i);
                if constexpr (FETCH) out.write<S * int(sizeof(F))>(i);
                const N x = load<N>(v + i);
                if constexpr (LOOK) many.add(x);
                Limbs<N> l = limbs(x, grids);
                a = a + l.first;
                b = b + l.second;
            }
            sums.add(a, b, by, (i - start) / S);
        }
    }
    MagnitudePacks<F, 1> one;
    const Grid<N1> grids = {spread<N1>(by.first), spread<N1>(by.second)};
    Pack<Unsigned<F>, 1> a{}, b{};
    int64 steps = 0;
    for (; i < n; i += W, ++steps) {
        const N1 x = load_or(v, i, n, F(0));
        if constexpr (LOOK) one.add(x);
        Limbs<N1> l = limbs(x, grids);
        a = a + l.first;
        b = b + l.second;
    }
    sums.add(a, b, by, steps);
    if constexpr (LOOK) *found = magnitudes_of(many, one);
    return sums.value();
}

constexpr int64 LOOKED = 1 << 15;  // bytes of a row from which on a walk to find its grid is worth a guess
constexpr int64 KEPT = 1 << 18;    // up to which the caches keep a row and what is fetched beside it

// sum(v) of up to a vector of rows. The grid of a long row is guessed to be that of the row before, and seen to be right or not.
template <class F> struct LineValueSum {
    alignas(BYTES) F high[lanes<F>], low[lanes<F>];
    bool plain[lanes<F>];  // nothing that is made of the values and their sum needs flushing

    // next and out say what will be read and written soon; guess is the scale of the row before, or 0
    ONCE LineValueSum(const F* const* v, int64 n, int64 rows, const Soon* next, const Soon* out, F& guess) {
        using N1 = One<F>;
        alignas(BYTES) F most[lanes<F>] = {}, scale[lanes<F>];
        int128 sum[lanes<F>];
        const int64 size = n * int64(sizeof(F));
        const F guessed = size < LOOKED ? F(0) : guess;
        for (int64 j = 0; j < rows; ++j) {
            Magnitudes<F> m;
            if (guessed == F(0)) m = line_magnitudes(v[j], n);
            else if (size > KEPT) sum[j] = line_plain_sum<F, true, false>(v[j], n, guessed, next[j], out[j], &m);
            else sum[j] = line_plain_sum<F, true, true>(v[j], n, guessed, next[j], out[j], &m);
            most[j] = m.most;
            plain[j] = m.plain;
        }
        const N1 e = scale_of(load<N1>(most));
        store(scale, power_of(e));
        LineDigits<F> digits;
        for (int64 j = 0; j < rows; ++j) {
            if (!plain[j]) sum[j] = line_any_sum(v[j], n, scale[j]);
            else if (scale[j] != guessed) sum[j] = line_plain_sum<F, false, true>(v[j], n, scale[j], next[j], out[j], nullptr);
            if (plain[j]) guess = scale[j];
            digits.set(j, sum[j]);
        }
        Words<N1> G = value_sum(digits.get(), e, load<N1>(most));
        store(high, G.high);
        store(low, G.low);
        for (int64 j = 0; j < rows; ++j) plain[j] = plain[j] && magnitude(high[j]) > Format<F>::plain_sum;
    }
};

}  // namespace LSMX_TARGET
