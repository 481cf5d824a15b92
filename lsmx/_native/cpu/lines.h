// Rows in line: the elements of a row across the lanes, one after the other. Loops over a row; the formulas are in law.h.
// Where a step of the definition is left out, it cannot change the result, and the reason stands there.
#pragma once
#include "turn.h"

#define ALONE static __attribute__((noinline))  // a loop that is to have all registers to itself

namespace LSMX_TARGET {

constexpr int LINE = 4;      // vectors side by side: chains of operations for one core to overlap
constexpr int STEPS = 256;   // limbs that are added up in 32 bits before they are widened: 2^8 of up to 2^23
typedef __int128 int128;

LAW int64 least_of(int64 a, int64 b) { return a < b ? a : b; }

// A pack of one
template <class F> using One = Pack<F, 1>;

// True in the last `count` lanes
template <class F> LAW Truth<Signed<F>, 1> last_lanes(int64 count) {
    static const struct Numbers {
        Signed<F> at[lanes<F>];
        constexpr Numbers() : at() {
            for (int i = 0; i < lanes<F>; ++i) at[i] = i;
        }
    } numbers;
    return load<One<Signed<F>>>(numbers.at) >= Signed<F>(lanes<F> - count);
}

// The vector at i of n >= W elements; where fewer are left, the row's last W elements with `absent` for those before i
template <class F> LAW One<F> load_or(const F* x, int64 i, int64 n, F absent) {
    constexpr int W = lanes<F>;
    return i + W <= n ? load<One<F>>(x + i) : where(last_lanes<F>(n - i), load<One<F>>(x + n - W), absent);
}

// body(N(), i) over a row, by packs of U vectors, then by one; the last vector overlaps the one before and is stored at the end, so
// that the result may take the place of an operand
template <class F, int U, class Body> LAW void map_line(F* out, int64_t n, Body body) {
    constexpr int W = lanes<F>, S = W * U;
    One<F> last = body(One<F>(), n - W);
    int64 i = 0;
    for (; i + S <= n; i += S) store(out + i, body(Pack<F, U>(), i));
    for (; i + W <= n; i += W) store(out + i, body(One<F>(), i));
    store(out + n - W, last);
}

// Rows in line may be at any address
template <class F> LAW void fill_line(F* out, int64 n, F value) {
    for (int64 i = 0; i < n; ++i) __builtin_memcpy(out + i, &value, sizeof value);
}

// ---- sums of limbs

template <class F> struct LineSums {
    // Limbs are at least -2^22 (-2^40): with this they are positive
    static constexpr Unsigned<F> bias = Unsigned<F>(1) << (sizeof(F) == 4 ? 22 : 40);
    Native<uint64> first{}, second{};
    int128 sum_first = 0, sum_second = 0;
    int64 count = 0, since = 0;

    LAW static Native<uint64> widened(Native<unsigned> x) {
        Native<uint64> w = (Native<uint64>)x;
        return (w & 0xffffffffu) + (w >> 32);
    }
    LAW static Native<uint64> widened(Native<uint64> x) { return x; }

    // The sums of so many limbs in each lane
    template <int U> LAW void add(Pack<Unsigned<F>, U> a, Pack<Unsigned<F>, U> b, Grid<F> grid, int64 steps) {
        a = a - Unsigned<F>(steps) * (bits(grid.first) - bias);
        b = b - Unsigned<F>(steps) * (bits(grid.second) - bias);
        LSMX_EACH(U, first += widened(a.v[i]); second += widened(b.v[i]))
        count += steps * U * lanes<F>;
        if ((since += steps * U) > (1 << 20)) settle();
    }
    LAW void settle() {
        for (int i = 0; i < lanes<uint64>; ++i) sum_first += first[i], sum_second += second[i];
        first = second = Native<uint64>{};
        since = 0;
    }
    // In units of the grid
    LAW int128 value() {
        settle();
        return (sum_first - int128(count) * bias) * (int128(1) << Format<F>::split) + (sum_second - int128(count) * bias);
    }
};

// The integers of some rows, as the digits of one vector of rows
template <class F> struct LineDigits {
    alignas(BYTES) Signed<F> top[lanes<F>] = {}, high[lanes<F>] = {}, middle[lanes<F>] = {}, low[lanes<F>] = {};

    LAW void set(int64 j, int128 v) {
        constexpr int p = Format<F>::piece;
        constexpr int64 mask = (int64(1) << p) - 1;
        low[j] = Signed<F>(int64(v) & mask);
        middle[j] = Signed<F>(int64(v >> p) & mask);
        if constexpr (sizeof(F) == 4) {
            high[j] = Signed<F>(int64(v >> 2 * p) & mask);
            top[j] = Signed<F>(v >> 3 * p);
        } else {
            high[j] = Signed<F>(v >> 2 * p);
        }
    }
    LAW Digits<One<F>> get() const {
        using I = One<Signed<F>>;
        return {load<I>(top), load<I>(high), load<I>(middle), load<I>(low)};
    }
};

// ---- R = sum exp(min(x, z2) - m) - exp(z2 - m), with the maximum m and the second largest logit z2

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
    int64 i = 0;
    for (; i + 4 * W <= n; i += 4 * W) four.add(load<Pack<F, 4>>(x + i));
    for (; i + W <= n; i += W) one.add(load<One<F>>(x + i));
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

template <class F, Known KNOWN>
ALONE int128 line_sum_exp(const F* x, int64 n, F max, F z2, F scale, const F* next, const F* out) {
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
                fetch<S * int(sizeof(F))>(next + i);
                fetch_to_write<S * int(sizeof(F))>(out + i);
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
    Words<One<F>> R;

    // x[j] are the rows; next and out say what will be read and written soon
    LAW LineSumExp(const F* const* x, int64 n, int64 rows, int64 ahead, F* const* out) {
        using N1 = One<F>;
        using C = Format<F>;
        Known known[lanes<F>];
        for (int64 j = 0; j < rows; ++j) {
            Range<F> r = line_range(x[j], n);
            maximum[j] = r.nan ? not_a_number<F>() : r.maximum;
            defined[j] = maximum[j] - maximum[j] == 0;
            m[j] = defined[j] ? r.maximum : F(0);
            second[j] = defined[j] ? r.second : -infinity<F>();
            constexpr int f = C::fraction;
            const bool wider = (Unsigned<F>(bits(r.least) << 1) >> (f + 1)) > (Unsigned<F>(bits(m[j]) << 1) >> (f + 1));
            const bool plain = r.least - m[j] > C::underflow && second[j] - m[j] > C::deep;
            known[j] = !plain ? NOTHING : wider ? NO_UNDERFLOW : ORDERED;
        }
        N1 t = exp_difference<NOTHING>(load<N1>(second), load<N1>(m));
        N1 scales = power_of(unless(t == F(0), exponent_of(t)));
        store(t2, t);
        store(scale, scales);
        LineDigits<F> digits;
        for (int64 j = 0; j < rows; ++j) {
            if (t2[j] == 0 || !defined[j]) continue;
            const F* next = x[j] + ahead;
            int128 sum;
            switch (known[j]) {
                case ORDERED: sum = line_sum_exp<F, ORDERED>(x[j], n, m[j], second[j], scale[j], next, out[j]); break;
                case NO_UNDERFLOW: sum = line_sum_exp<F, NO_UNDERFLOW>(x[j], n, m[j], second[j], scale[j], next, out[j]); break;
                default: sum = line_sum_exp<F, NOTHING>(x[j], n, m[j], second[j], scale[j], next, out[j]);
            }
            digits.set(j, sum - integer(t2[j], scale[j]));
        }
        R = scaled(words(digits.get()), scales);
    }

    // One value in units of its grid
    LAW static int128 integer(F t, F scale) {
        const F whole = t * power_of(-exponent_of(scale));
        const Grid<F> by = grid(F(1));
        Limbs<F> l = limbs(whole, by);
        return int128(as_signed(l.first - bits(by.first))) * (int128(1) << Format<F>::split) + as_signed(l.second - bits(by.second));
    }
};

// ---- sum(v), exactly

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

// No value but 0 is so small that it, or what it is subtracted from, could need flushing; and 2^-e is normal
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
    int64 i = 0;
    for (; i + 4 * W <= n; i += 4 * W) four.add(load<Pack<F, 4>>(v + i));
    for (; i + W <= n; i += W) one.add(load<One<F>>(v + i));
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
ALONE int128 line_plain_sum(const F* v, int64 n, F scale, const F* soon, const F* out, Magnitudes<F>* found) {
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
                if constexpr (FETCH) fetch<S * int(sizeof(F))>(soon + i);
                if constexpr (FETCH) fetch_to_write<S * int(sizeof(F))>(out + i);
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

    // soon and out are what will be read and written next; guess is the scale of the row before, or 0
    LAW LineValueSum(const F* const* v, int64 n, int64 rows, const F* const* soon, F* const* out, F& guess) {
        using N1 = One<F>;
        alignas(BYTES) F most[lanes<F>] = {}, scale[lanes<F>];
        int128 sum[lanes<F>];
        const int64 size = n * int64(sizeof(F));
        const F guessed = size < LOOKED ? F(0) : guess;
        for (int64 j = 0; j < rows; ++j) {
            Magnitudes<F> m;
            if (guessed == F(0)) m = line_magnitudes(v[j], n);
            else if (size > KEPT) sum[j] = line_plain_sum<F, true, false>(v[j], n, guessed, soon[j], out[j], &m);
            else sum[j] = line_plain_sum<F, true, true>(v[j], n, guessed, soon[j], out[j], &m);
            most[j] = m.most;
            plain[j] = m.plain;
        }
        const N1 e = scale_of(load<N1>(most));
        store(scale, power_of(e));
        LineDigits<F> digits;
        for (int64 j = 0; j < rows; ++j) {
            if (!plain[j]) sum[j] = line_any_sum(v[j], n, scale[j]);
            else if (scale[j] != guessed) sum[j] = line_plain_sum<F, false, true>(v[j], n, scale[j], soon[j], out[j], nullptr);
            if (plain[j]) guess = scale[j];
            digits.set(j, sum[j]);
        }
        Words<N1> G = value_sum(digits.get(), e, load<N1>(most));
        store(high, G.high);
        store(low, G.low);
        for (int64 j = 0; j < rows; ++j) plain[j] = plain[j] && magnitude(high[j]) > Format<F>::plain_sum;
    }
};

// ---- g - s sum(g)

// How far from 0 outputs are: by the bits of negative floats, above those of `far`; all that is not below it wraps around
template <class F> struct Depth {
    LAW static Unsigned<F> base() { return bits(Format<F>::far) + 1; }
    LAW static Unsigned<F> to_mild() { return bits(Format<F>::mild) - base(); }
    LAW static Unsigned<F> to_infinity() { return bits(-infinity<F>()) - base(); }
};

enum Way { MILD, SMALL, ANY };
template <class F> LAW Way way_of(Unsigned<F> deepest, bool plain, bool mild) {
    return !plain || deepest > Depth<F>::to_infinity() ? ANY : mild && deepest <= Depth<F>::to_mild() ? MILD : SMALL;
}
template <Way WAY, class N> LAW N gradient(N g, N log_p, Words<N> G) {
    if constexpr (WAY == MILD) return minus_mild_s_sum(g, log_p, G);
    else if constexpr (WAY == SMALL) return minus_small_s_sum(g, log_p, G);
    else return minus_s_sum(g, log_p, G);
}

template <class F, Way WAY, int U> ALONE void line_gradient(const F* g, const F* y, F* out, int64 n, F G, F G_low, const F* next) {
    using N = Pack<F, U>;
    constexpr int S = lanes<F> * U;
    const Words<N> sum = {spread<N>(G), spread<N>(G_low)};
    for (int64 i = 0; i + S <= n; i += S) {
        fetch<S * int(sizeof(F))>(next + i);
        store(out + i, gradient<WAY>(load<N>(g + i), load<N>(y + i), sum));
    }
}

template <class F> ALONE Unsigned<F> line_depth(const F* y, int64 n) {
    using N = Pack<F, 4>;
    Pack<Unsigned<F>, 4> most{};
    for (int64 i = 0; i < n; i += lanes<F> * 4) most = larger(bits(load<N>(y + i)) - Depth<F>::base(), most);
    Native<Unsigned<F>> one = most.v[0];
    LSMX_EACH(4, one = larger_of(one, most.v[i]))
    return largest<Unsigned<F>>(one);
}

template <class F> constexpr int64 GRADIENT_BLOCK = lanes<F> * 64;

// In blocks, each in the quickest way that its outputs allow
template <class F> LAW void line_backward(const F* g, const F* y, F* out, int64 n, F G, F G_low, bool plain, const F* next) {
    constexpr int64 W = lanes<F>, S = W * 4, BLOCK = GRADIENT_BLOCK<F>;
    using N1 = One<F>;
    const N1 last = minus_s_sum(load<N1>(g + n - W), load<N1>(y + n - W), Words<N1>{spread<N1>(G), spread<N1>(G_low)});
    const bool mild = magnitude(G) < Format<F>::mild_sum;
    int64 i = 0;
    while (plain && i + S <= n) {
        const int64 length = least_of(BLOCK, (n - i) / S * S);
        switch (way_of<F>(line_depth(y + i, length), plain, mild)) {
            case MILD: line_gradient<F, MILD, LINE>(g + i, y + i, out + i, length, G, G_low, next + i); break;
            case SMALL: line_gradient<F, SMALL, LINE>(g + i, y + i, out + i, length, G, G_low, next + i); break;
            default: line_gradient<F, ANY, 1>(g + i, y + i, out + i, length, G, G_low, next + i);
        }
        i += length;
    }
    line_gradient<F, ANY, 1>(g + i, y + i, out + i, n - i, G, G_low, y + i);
    store(out + n - W, last);
}

}  // namespace LSMX_TARGET
