// Exact sums of rows in line: limbs added up lane by lane, and the integer that they make.
#pragma once
#include "lines.h"

namespace LSMX_TARGET {

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

}  // namespace LSMX_TARGET
