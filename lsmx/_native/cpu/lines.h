// Rows in line: the elements of a row across the lanes, one after the other. Loops over a row; the formulas are in law.h.
// Where a step of the definition is left out, it cannot change the result, and the reason stands there.
#pragma once
#include "turn.h"

#define ALONE static __attribute__((noinline))  // a loop that is to have all registers to itself
#define ONCE __attribute__((noinline))          // what several passes share

namespace LSMX_TARGET {

constexpr int LINE = 4;      // vectors side by side: chains of operations for one core to overlap
constexpr int STEPS = 256;   // limbs that are added up in 32 bits before they are widened: 2^8 of up to 2^23
typedef __int128 int128;

LAW int64 least_of(int64 a, int64 b) { return a < b ? a : b; }

// What will be read or written soon, of elements that are `step` bytes apart: hints for the caches
struct Soon {
    const char* at;
    int64 step;
    template <int BYTES_A_STEP> LAW void read(int64 i) const { fetch<BYTES_A_STEP>(at + i * step); }
    template <int BYTES_A_STEP> LAW void write(int64 i) const { fetch_to_write<BYTES_A_STEP>(at + i * step); }
};

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

// Calls add with the whole vectors of a row, four at a time and then one at a time; returns how many elements they have
template <class F, class Four, class One_> LAW int64 add_vectors(const F* x, int64 n, Four& four, One_& one) {
    constexpr int W = lanes<F>;
    int64 i = 0;
    for (; i + 4 * W <= n; i += 4 * W) four.add(load<Pack<F, 4>>(x + i));
    for (; i + W <= n; i += W) one.add(load<One<F>>(x + i));
    return i;
}

// How many elements there are before the first aligned vector
template <class F> LAW int64 before_vectors(const F* p) {
    return int64(-reinterpret_cast<unsigned long long>(p) % BYTES / sizeof(F));
}

// body(N(), i) over a row, by packs of U aligned vectors, then by one; the first and the last vector overlap those
// beside them and are stored at the end, so that the result may take the place of an operand
template <class F, int U, class Body> LAW void map_line(F* out, int64_t n, Body body) {
    constexpr int W = lanes<F>, S = W * U;
    One<F> first = body(One<F>(), 0), last = body(One<F>(), n - W);
    int64 i = before_vectors(out);
    for (; i + S <= n; i += S) store(out + i, body(Pack<F, U>(), i));
    for (; i + W <= n; i += W) store(out + i, body(One<F>(), i));
    store(out, first);
    store(out + n - W, last);
}

// Rows in line may be at any address
template <class F> LAW F read_one(const F* x) {
    F value;
    __builtin_memcpy(&value, x, sizeof value);
    return value;
}
template <class F> LAW void write_one(F* x, F value) { __builtin_memcpy(x, &value, sizeof value); }
template <class F> LAW void fill_line(F* out, int64 n, F value) {
    for (int64 i = 0; i < n; ++i) __builtin_memcpy(out + i, &value, sizeof value);
}

}  // namespace LSMX_TARGET
