// Blocks of rows turned so that a vector holds one element of each, by loads and stores of 16 bytes; and the logarithm's table, whose
// entries are rows of four.
#pragma once
#include "../include/lsmx/loss_law.h"
#include "pack.h"

namespace LSMX_TARGET {

template <class F> constexpr int quad = 16 / int(sizeof(F));
constexpr int QUADS = BYTES / 16;
template <class F> using Quad = typename VectorOf<F, 16>::Type;

// Which lanes of a (and from `n` on, of b) make a vector, within each quad of q
struct Low {  // a0 b0 a1 b1, or a0 b0
    static constexpr int at(int i, int q, int n) { return i / q * q + i % q / 2 + (i % 2 ? n : 0); }
};
struct High {  // a2 b2 a3 b3, or a1 b1
    static constexpr int at(int i, int q, int n) { return i / q * q + q / 2 + i % q / 2 + (i % 2 ? n : 0); }
};
struct LowHalf {  // a0 a1 b0 b1
    static constexpr int at(int i, int q, int n) { return i / q * q + i % (q / 2) + (i % q >= q / 2 ? n : 0); }
};
struct HighHalf {  // a2 a3 b2 b3
    static constexpr int at(int i, int q, int n) { return i / q * q + q / 2 + i % (q / 2) + (i % q >= q / 2 ? n : 0); }
};
template <class P, class F, int... I> LAW Native<F> mixed(Native<F> a, Native<F> b, Indices<I...>) {
    return __builtin_shufflevector(a, b, P::at(I, quad<F>, lanes<F>)...);
}
template <class P, class F> LAW Native<F> mixed(Native<F> a, Native<F> b) { return mixed<P, F>(a, b, LanesOf<Native<F>>{}); }

// Square blocks of each quad turned: its own inverse
template <class F> LAW void turn(Native<F> (&v)[quad<F>]) {
    if constexpr (quad<F> == 4) {
        Native<F> a = mixed<Low, F>(v[0], v[1]), b = mixed<High, F>(v[0], v[1]);
        Native<F> c = mixed<Low, F>(v[2], v[3]), d = mixed<High, F>(v[2], v[3]);
        v[0] = mixed<LowHalf, F>(a, c);
        v[1] = mixed<HighHalf, F>(a, c);
        v[2] = mixed<LowHalf, F>(b, d);
        v[3] = mixed<HighHalf, F>(b, d);
    } else {
        Native<F> a = v[0];
        v[0] = mixed<Low, F>(a, v[1]);
        v[1] = mixed<High, F>(a, v[1]);
    }
}

template <class F> LAW Quad<F> load_quad(const F* p) { return *reinterpret_cast<const Unaligned<F, 16>*>(p); }
template <class V, int... I> LAW auto joined(V a, V b, Indices<I...>) { return __builtin_shufflevector(a, b, I...); }
template <class V> LAW auto joined(V a, V b) { return joined(a, b, typename CountTo<int(2 * sizeof(V) / sizeof(a[0]))>::Type{}); }

// A quad from each of QUADS rows; at(row) is where it lies
template <class F, class At> LAW Native<F> load_quads(At at, int i) {
    constexpr int q = quad<F>;
    if constexpr (QUADS == 1) return load_quad(at(i));
    else if constexpr (QUADS == 2) return joined(load_quad(at(i)), load_quad(at(q + i)));
    else return joined(joined(load_quad(at(i)), load_quad(at(q + i))), joined(load_quad(at(2 * q + i)), load_quad(at(3 * q + i))));
}

// A quad of columns of as many rows as there are lanes
template <class F, class At> LAW void load_columns(At at, Native<F> (&v)[quad<F>]) {
    v[0] = load_quads<F>(at, 0);
    v[1] = load_quads<F>(at, 1);
    if constexpr (quad<F> == 4) {
        v[2] = load_quads<F>(at, 2);
        v[3] = load_quads<F>(at, 3);
    }
    turn<F>(v);
}

template <class F, int L, int... I> LAW Quad<F> part(Native<F> v, Indices<I...>) {
    if constexpr (QUADS == 1) return v;
    else return __builtin_shufflevector(v, v, (L * quad<F> + I)...);
}
template <class F> LAW Quad<F> part(Native<F> v, int l) {
    using I = typename CountTo<quad<F>>::Type;
    if (QUADS > 3 && l == 3) return part<F, (QUADS > 3 ? 3 : 0)>(v, I{});
    if (QUADS > 2 && l == 2) return part<F, (QUADS > 2 ? 2 : 0)>(v, I{});
    if (QUADS > 1 && l == 1) return part<F, (QUADS > 1 ? 1 : 0)>(v, I{});
    return part<F, 0>(v, I{});
}

template <class F, class At> LAW void store_columns(At at, Native<F> (&v)[quad<F>], int rows) {
    constexpr int q = quad<F>;
    turn<F>(v);
#pragma GCC unroll 4
    for (int i = 0; i < q; ++i)
#pragma GCC unroll 4
        for (int l = 0; l < QUADS; ++l)
            if (l * q + i < rows) *reinterpret_cast<Unaligned<F, 16>*>(at(l * q + i)) = part<F>(v[i], l);
}

template <class F, int U> struct LookUp<Pack<F, U>> {
    using N = Pack<F, U>;
    template <class I> LAW static void one(I index, Native<F>& c, Native<F>& hi, Native<F>& lo) {
        Native<F> v[quad<F>];
        auto at = [&](int lane) __attribute__((always_inline)) { return Format<F>::table(int(index[lane])); };
        load_columns<F>(at, v);
        c = v[0];
        hi = v[1];
        if constexpr (quad<F> == 4) {
            lo = v[2];
        } else {
            load_columns<F>([&](int lane) __attribute__((always_inline)) { return at(lane) + 2; }, v);
            lo = v[0];
        }
    }
    LAW static Entry<N> at(Integers<N> index) {
        Entry<N> e;
        LSMX_EACH(U, one(index.v[i], e.c.v[i], e.log_hi.v[i], e.log_lo.v[i]))
        return e;
    }
};

}  // namespace LSMX_TARGET
