// Short rows, and rows over another axis, in a tile: one row per lane, element i of the rows at tile + i S. Loops over a tile; the
// formulas are in law.h.
#pragma once
#include "line_exp.h"
#include "line_gradient.h"
#include "line_values.h"

namespace LSMX_TARGET {

constexpr int TILE = 2;         // vectors side by side
constexpr int TILE_STEPS = 64;  // limbs that are added up in 32 bits before they are carried

template <class F> constexpr int wide = lanes<F> * TILE;  // rows of a tile
template <class F> using Wide = Pack<F, TILE>;

// What comes after a tile in memory, of one operand or two, and where its result goes: hints for the caches
struct Ahead {
    const void *next, *other, *out;
    int64 step;  // 1, or 0 where rows do not follow each other, and there is nothing to fetch
    template <class F> LAW void at(int64 i) const {
        fetch<SIZE<F>>(static_cast<const char*>(next) + i * step * SIZE<F>);
        fetch_to_write<SIZE<F>>(static_cast<const char*>(out) + i * step * SIZE<F>);
    }
    template <class F> LAW void other_at(int64 i) const { fetch<SIZE<F>>(static_cast<const char*>(other) + i * step * SIZE<F>); }

  private:
    template <class F> static constexpr int SIZE = wide<F> * int(sizeof(F));
};

// body(i) over a tile, which is its result
template <class F, class Body> LAW void map_tile(F* out, int64 n, Body body) {
    for (int64 i = 0; i < n; ++i) store(out + i * wide<F>, body(i * wide<F>));
}

// ---- sums of limbs, carried into digits

template <class F> struct TileDigits {
    using N = Wide<F>;
    using I = Integers<N>;
    using J = Signed<F>;
    I high{}, middle{}, low{};

    // Sums of at most TILE_STEPS limbs, of at most 2^22 (2^40) each
    LAW void add(I first, I second) {
        constexpr int p = Format<F>::piece, split = Format<F>::split;
        constexpr J mask = (J(1) << p) - 1;
        second = second + low;
        if constexpr (split >= p) {
            low = second & mask;
            // bits of `first` that go into the middle digit: those below p bits from it on
            constexpr int room = 2 * p - split;
            I over = (second >> p) + middle + as_signed(as_unsigned(first & ((J(1) << room) - 1)) << (split - p));
            middle = over & mask;
            high = high + (over >> p) + (first >> room);
        } else {
            constexpr int room = p - split;
            second = second + as_signed(as_unsigned(first & ((J(1) << room) - 1)) << split);
            low = second & mask;
            I over = (second >> p) + middle + (first >> room);
            middle = over & mask;
            high = high + (over >> p);
        }
    }
    LAW Digits<N> get() const {
        constexpr int p = Format<F>::piece;
        return {high >> p, high & ((J(1) << p) - 1), middle, low};
    }
};

// ---- R = sum exp(min(x, z2) - m) - exp(z2 - m)

template <class F, Known KNOWN>
ALONE void tile_sum_exp(const F* tile, int64 n, const Wide<F>& max, const Wide<F>& z2, const Wide<F>& scale, TileDigits<F>& out, Ahead ahead) {
    using N = Wide<F>;
    const N m = max, second = z2, one = spread<N>(1);
    const Grid<N> by = grid(KNOWN == NOTHING ? one : scale);
    const N times = KNOWN == NOTHING ? power_of(F(0) - exponent_of(scale)) : one;
    TileDigits<F> digits;
    for (int64 i = 0; i < n;) {
        const int64 start = i, stop = least_of(n, i + TILE_STEPS);
        With<N, Unsigned<F>> a{}, b{};
        for (; i < stop; ++i) {
            ahead.at<F>(i);
            N t = exp_difference<KNOWN>(smaller(load<N>(tile + i * wide<F>), second), m);
            if constexpr (KNOWN == NOTHING) t = t * times;
            Limbs<N> l = limbs(t, by);
            a = a + l.first;
            b = b + l.second;
        }
        const auto steps = Unsigned<F>(stop - start);
        digits.add(as_signed(a - bits(by.first) * steps), as_signed(b - bits(by.second) * steps));
    }
    // without the second largest logit's own term, once
    N t = exp_difference<NOTHING>(second, m);
    t = t * power_of(F(0) - exponent_of(scale));
    const Grid<N> whole = grid(one);
    Limbs<N> l = limbs(t, whole);
    digits.add(as_signed(bits(whole.first) - l.first), as_signed(bits(whole.second) - l.second));
    out = digits;
}

template <class F> struct TileSumExp {
    using N = Wide<F>;
    N m, maximum;  // the maximum where it is finite, else 0; as it is
    Truth<Signed<F>, TILE> defined;
    Words<N> R;

    ONCE TileSumExp(const F* tile, int64 n, Ahead ahead) {
        using C = Format<F>;
        RangePacks<F, TILE> r;
        for (int64 i = 0; i < n; ++i) r.add(load<N>(tile + i * wide<F>));
        defined = finite(r.top) && !r.nan;
        maximum = where(r.nan, spread<N>(not_a_number<F>()), r.top);
        m = unless(!defined, r.top);
        const N second = where(defined, r.second, -infinity<F>());
        const N t = exp_difference<NOTHING>(second, m), scale = power_of(unless(t == F(0), exponent_of(t)));
        auto exponent = [](N x) __attribute__((always_inline)) { return as_signed(bits(magnitude(x)) >> C::fraction); };
        const bool plain = !any(!(r.least - m > C::underflow) || !(second - m > C::deep) || !defined);
        const Known known = !plain ? NOTHING : any(exponent(r.least) > exponent(m)) ? NO_UNDERFLOW : ORDERED;
        TileDigits<F> digits;
        switch (known) {
            case ORDERED: tile_sum_exp<F, ORDERED>(tile, n, m, second, scale, digits, ahead); break;
            case NO_UNDERFLOW: tile_sum_exp<F, NO_UNDERFLOW>(tile, n, m, second, scale, digits, ahead); break;
            default: tile_sum_exp<F, NOTHING>(tile, n, m, second, scale, digits, ahead);
        }
        auto none = (t == F(0)) || !defined;
        Words<N> s = scaled(words(digits.get()), scale);
        R = {unless(none, s.high), unless(none, s.low)};
    }
};

// ---- sum(v), exactly

template <class F, bool PLAIN>
ALONE void tile_value_sum(const F* tile, int64 n, const Wide<F>& e, TileDigits<F>& out, Ahead ahead) {
    using N = Wide<F>;
    const N scale = power_of(PLAIN ? e : F(0) - e);
    const Grid<N> by = grid(PLAIN ? scale : spread<N>(1));
    TileDigits<F> digits;
    constexpr int64 most = PLAIN ? TILE_STEPS : TILE_STEPS / 2;
    for (int64 i = 0; i < n;) {
        const int64 start = i, stop = least_of(n, i + most);
        With<N, Unsigned<F>> a{}, b{};
        auto add = [&](Limbs<N> l) __attribute__((always_inline)) {
            a = a + l.first;
            b = b + l.second;
        };
        for (; i < stop; ++i) {
            ahead.at<F>(i);
            N v = load<N>(tile + i * wide<F>);
            if constexpr (PLAIN) add(limbs(v, by));
            else any_limbs(v, scale, by, add);
        }
        const auto steps = Unsigned<F>((stop - start) * (PLAIN ? 1 : 2));
        digits.add(as_signed(a - bits(by.first) * steps), as_signed(b - bits(by.second) * steps));
    }
    out = digits;
}

template <class F> struct TileValueSum {
    using N = Wide<F>;
    Words<N> G;
    bool plain, mild;

    ONCE TileValueSum(const F* tile, int64 n, Ahead ahead) {
        using C = Format<F>;
        MagnitudePacks<F, TILE> m;
        for (int64 i = 0; i < n; ++i) m.add(load<N>(tile + i * wide<F>));
        Native<Unsigned<F>> least = m.least.v[0];
        LSMX_EACH(TILE, least = smaller_of(least, m.least.v[i]))
        const N most = m.largest(), e = scale_of(most);
        plain = smallest<Unsigned<F>>(least) >= Unsigned<F>(bits(C::plain) * 2 - 1) && !any(!(most >= C::plain) || !(most < C::plain_most));
        TileDigits<F> digits;
        if (plain) tile_value_sum<F, true>(tile, n, e, digits, ahead);
        else tile_value_sum<F, false>(tile, n, e, digits, ahead);
        G = value_sum(digits.get(), e, most);
        const N size = magnitude(G.high);
        plain = plain && !any(!(size > C::plain_sum));
        mild = !any(!(size < C::mild_sum));
    }
};

// ---- g - s sum(g): takes the place of g

template <class F, Way WAY> ALONE void tile_gradient(F* g, const F* y, int64 n, const Words<Wide<F>>& sum, Ahead ahead) {
    using N = Wide<F>;
    const Words<N> G = sum;
    map_tile(g, n, [&](int64 at) __attribute__((always_inline)) {
        ahead.other_at<F>(at / wide<F>);
        return gradient<WAY>(load<N>(g + at), load<N>(y + at), G);
    });
}

// One output of each row at most is near 0, where they are probabilities: the gradients by them, of all rows together
template <class F> struct TileNear {
    using N = Wide<F>;
    N dz;

    // False if a row has more
    ONCE bool find(const F* g, const F* y, int64 n, const Words<N>& G) {
        N g_near{}, y_near{};
        auto found = N{} != F(0), twice = found;
        for (int64 i = 0; i < n * wide<F>; i += wide<F>) {
            const N log_p = load<N>(y + i);
            const auto near = Depths<N>::near(bits(log_p));
            twice = twice | (found & near);
            found = found | near;
            y_near = where(near, log_p, y_near);
            g_near = where(near, load<N>(g + i), g_near);
        }
        dz = minus_s_sum(g_near, y_near, G);
        return !any(twice);
    }
    LAW void put(const F* y, F* out, int64 n) const {
        for (int64 i = 0; i < n * wide<F>; i += wide<F>) {
            const auto near = Depths<N>::near(bits(load<N>(y + i)));
            if (any(near)) store(out + i, where(near, dz, load<N>(out + i)));
        }
    }
};

template <class F> ALONE void tile_backward(F* g, const F* y, int64 n, const TileValueSum<F>& s, Ahead ahead) {
    using N = Wide<F>;
    Depths<N> depths;
    for (int64 i = 0; i < n; ++i) depths.add(load<N>(y + i * wide<F>));
    Way way = way_of<F>(depths.most(), s.plain, s.mild);
    const bool some = way != ANY && depths.any_near();
    TileNear<F> near;
    if (some && !near.find(g, y, n, s.G)) way = ANY;
    switch (way) {
        case MILD: tile_gradient<F, MILD>(g, y, n, s.G, ahead); break;
        case SMALL: tile_gradient<F, SMALL>(g, y, n, s.G, ahead); break;
        default: tile_gradient<F, ANY>(g, y, n, s.G, ahead);
    }
    if (some && way != ANY) near.put(y, g, n);
}

}  // namespace LSMX_TARGET
