// Numbers in vectors. A Pack is U vectors of the target's width, so that U chains of operations run side by side. Every operation is
// written once for all targets, but for the few that have an instruction of their own (native.h).
// Everything is in the target's namespace and inlined: no two targets share a function.
#pragma once
#include "../include/lsmx/numbers.h"

// One statement for each vector of a pack: constant indices, so that no pack has to be in memory
#define LSMX_EACH(U, S)                                  \
    {                                                    \
        { constexpr int i = 0; S; }                      \
        if constexpr (U > 1) { constexpr int i = 1; S; } \
        if constexpr (U > 2) { constexpr int i = 2; S; } \
        if constexpr (U > 3) { constexpr int i = 3; S; } \
    }

namespace LSMX_TARGET {

constexpr int BYTES = LSMX_BYTES;

template <class T, int SIZE> struct VectorOf {
    typedef T Type __attribute__((vector_size(SIZE)));
};
template <class T> using Native = typename VectorOf<T, BYTES>::Type;
template <class T> constexpr int lanes = BYTES / int(sizeof(T));

template <class T, int U> struct Pack {
    Native<T> v[U];
};

template <class T, int U> struct Of<Pack<T, U>> {
    using Element = T;
    template <class S> using With = Pack<S, U>;
    static constexpr int vectors = U, count = U * lanes<T>;
};

// Truth: all bits of a lane, or none
template <class T, int U> struct Truth {
    Native<T> v[U];
};
template <class T> using Flag = typename IntegersOf<T>::Signed;

template <class T, int U> struct Spread<Pack<T, U>> {
    LAW static Pack<T, U> of(T x) {
        Pack<T, U> r;
        LSMX_EACH(U, r.v[i] = x - Native<T>{})
        return r;
    }
};

#define LSMX_OPERATOR(OP)                                                              \
    template <class T, int U> LAW Pack<T, U> operator OP(Pack<T, U> a, Pack<T, U> b) { \
        Pack<T, U> r;                                                                  \
        LSMX_EACH(U, r.v[i] = a.v[i] OP b.v[i])                                        \
        return r;                                                                      \
    }                                                                                  \
    template <class T, int U> LAW Pack<T, U> operator OP(Pack<T, U> a, same<T> b) {    \
        Pack<T, U> r;                                                                  \
        LSMX_EACH(U, r.v[i] = a.v[i] OP b)                                             \
        return r;                                                                      \
    }                                                                                  \
    template <class T, int U> LAW Pack<T, U> operator OP(same<T> a, Pack<T, U> b) {    \
        Pack<T, U> r;                                                                  \
        LSMX_EACH(U, r.v[i] = a OP b.v[i])                                             \
        return r;                                                                      \
    }
LSMX_OPERATOR(+)
LSMX_OPERATOR(-)
LSMX_OPERATOR(*)
LSMX_OPERATOR(/)
LSMX_OPERATOR(&)
LSMX_OPERATOR(|)
#undef LSMX_OPERATOR

// By a number of bits: arithmetic for signed integers, and to the left only unsigned ones
template <class T, int U> LAW Pack<T, U> operator<<(Pack<T, U> a, int by) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = a.v[i] << by)
    return r;
}
template <class T, int U> LAW Pack<T, U> operator>>(Pack<T, U> a, int by) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = a.v[i] >> by)
    return r;
}

template <class T, int U> LAW Truth<T, U> operator&(Truth<T, U> a, Truth<T, U> b) {
    Truth<T, U> r;
    LSMX_EACH(U, r.v[i] = a.v[i] & b.v[i])
    return r;
}
template <class T, int U> LAW Truth<T, U> operator|(Truth<T, U> a, Truth<T, U> b) {
    Truth<T, U> r;
    LSMX_EACH(U, r.v[i] = a.v[i] | b.v[i])
    return r;
}
template <class T, int U> LAW Truth<T, U> operator!(Truth<T, U> a) {
    Truth<T, U> r;
    LSMX_EACH(U, r.v[i] = ~a.v[i])
    return r;
}
// In the law, conditions are joined by && and ||, of numbers and of vectors alike; nothing there has side effects
template <class T, int U> LAW Truth<T, U> operator&&(Truth<T, U> a, Truth<T, U> b) { return a & b; }
template <class T, int U> LAW Truth<T, U> operator||(Truth<T, U> a, Truth<T, U> b) { return a | b; }

#define LSMX_COMPARISON(OP)                                                                   \
    template <class T, int U> LAW Truth<Flag<T>, U> operator OP(Pack<T, U> a, Pack<T, U> b) { \
        Truth<Flag<T>, U> r;                                                                  \
        LSMX_EACH(U, r.v[i] = (Native<Flag<T>>)(a.v[i] OP b.v[i]))                            \
        return r;                                                                             \
    }                                                                                         \
    template <class T, int U> LAW Truth<Flag<T>, U> operator OP(Pack<T, U> a, same<T> b) {    \
        Truth<Flag<T>, U> r;                                                                  \
        LSMX_EACH(U, r.v[i] = (Native<Flag<T>>)(a.v[i] OP b))                                 \
        return r;                                                                             \
    }
LSMX_COMPARISON(<)
LSMX_COMPARISON(<=)
LSMX_COMPARISON(>)
LSMX_COMPARISON(>=)
LSMX_COMPARISON(==)
LSMX_COMPARISON(!=)
#undef LSMX_COMPARISON

template <class T, int U> LAW Pack<T, U> where(Truth<Flag<T>, U> c, Pack<T, U> a, Pack<T, U> b) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = c.v[i] ? a.v[i] : b.v[i])
    return r;
}
template <class T, int U> LAW Pack<T, U> where(Truth<Flag<T>, U> c, Pack<T, U> a, same<T> b) { return where(c, a, spread<Pack<T, U>>(b)); }

// a, or +0 where the condition holds: one instruction in place of a blend
template <class T, int U> LAW Pack<T, U> unless(Truth<Flag<T>, U> c, Pack<T, U> a) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = (Native<T>)(~c.v[i] & (Native<Flag<T>>)a.v[i]))
    return r;
}

// ---- bits

template <class To, class T, int U> LAW Pack<To, U> reread(Pack<T, U> x) {
    Pack<To, U> r;
    LSMX_EACH(U, r.v[i] = (Native<To>)x.v[i])
    return r;
}
template <class T, int U> LAW auto bits(Pack<T, U> x) { return reread<typename IntegersOf<T>::Unsigned>(x); }
template <int U> LAW Pack<float, U> floats(Pack<unsigned, U> x) { return reread<float>(x); }
template <int U> LAW Pack<double, U> floats(Pack<uint64, U> x) { return reread<double>(x); }
template <class T, int U> LAW auto as_signed(Pack<T, U> x) { return reread<typename IntegersOf<T>::Signed>(x); }
template <class T, int U> LAW auto as_unsigned(Pack<T, U> x) { return reread<typename IntegersOf<T>::Unsigned>(x); }

template <class T, int U> LAW Pack<T, U> magnitude(Pack<T, U> x) {
    using B = typename IntegersOf<T>::Unsigned;
    return floats(bits(x) & B(B(~B(0)) >> 1));
}

}  // namespace LSMX_TARGET
#include "native.h"
namespace LSMX_TARGET {

template <class T, int U> LAW Pack<T, U> minus_exact_product(Pack<T, U> a, Pack<T, U> b, same<T> c) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = minus_exact_product(a.v[i], b.v[i], c - Native<T>{}))
    return r;
}
#ifdef LSMX_FUSED
template <class T, int U> LAW Pack<T, U> product_error(Pack<T, U> a, Pack<T, U> b, Pack<T, U> h) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = product_error(a.v[i], b.v[i], h.v[i]))
    return r;
}
#endif
template <class T, int U> LAW Pack<T, U> larger(Pack<T, U> a, Pack<T, U> b) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = larger_of(a.v[i], b.v[i]))
    return r;
}
template <class T, int U> LAW Pack<T, U> smaller(Pack<T, U> a, Pack<T, U> b) {
    Pack<T, U> r;
    LSMX_EACH(U, r.v[i] = smaller_of(a.v[i], b.v[i]))
    return r;
}
template <class T, int U> LAW bool any(Truth<T, U> t) {
    Native<T> all = t.v[0];
    LSMX_EACH(U, if (i) all |= t.v[i])
    return any_of(all);
}

// Integer-valued floats from integers: of 32 bits below 2^24; of 64 bits below 2^51, by a sum that leaves them in the low bits
template <int U> LAW Pack<float, U> to_floats(Pack<int, U> x) {
    Pack<float, U> r;
    LSMX_EACH(U, r.v[i] = __builtin_convertvector(x.v[i], Native<float>))
    return r;
}
template <int U> LAW Pack<double, U> to_floats(Pack<int64, U> x) {
    return floats(as_unsigned(x) + bits(6755399441055744.0)) - 6755399441055744.0;
}

// ---- memory

// A vector at any address. (gcc 12 makes of memcpy to a pack copies of 16 bytes through the stack, and a stall for each.)
template <class T, int SIZE> struct UnalignedOf {
    typedef T Type __attribute__((vector_size(SIZE), aligned(1), may_alias));
};
template <class T, int SIZE = BYTES> using Unaligned = typename UnalignedOf<T, SIZE>::Type;

template <class N> LAW N load(const Element<N>* p) {
    using T = Element<N>;
    N r;
    LSMX_EACH(Of<N>::vectors, r.v[i] = *reinterpret_cast<const Unaligned<T>*>(p + i * lanes<T>))
    return r;
}
template <class T, int U> LAW void store(T* p, Pack<T, U> x) {
    LSMX_EACH(U, *reinterpret_cast<Unaligned<T>*>(p + i * lanes<T>) = x.v[i])
}

template <int BYTES_A_STEP> LAW void fetch(const void* p) {
    for (int i = 0; i < BYTES_A_STEP; i += 64) __builtin_prefetch(static_cast<const char*>(p) + i, 0, 2);
}
template <int BYTES_A_STEP> LAW void fetch_to_write(const void* p) {
    for (int i = 0; i < BYTES_A_STEP; i += 64) __builtin_prefetch(static_cast<const char*>(p) + i, 1, 2);
}

// ---- all lanes made one

template <int... I> struct Indices {};
template <int N, int... I> struct CountTo : CountTo<N - 1, N - 1, I...> {};
template <int... I> struct CountTo<0, I...> {
    using Type = Indices<I...>;
};
template <class V> using LanesOf = typename CountTo<int(sizeof(V) / sizeof(V{}[0]))>::Type;

template <int STEP, class V, int... I> LAW V lanes_xor(V v, Indices<I...>) {
    return __builtin_shufflevector(v, v, (I ^ STEP)...);
}
// v with lanes STEP apart exchanged
template <int STEP, class V> LAW V exchanged(V v) { return lanes_xor<STEP>(v, LanesOf<V>{}); }

template <int STEP, class V, class Op> LAW V folded(V v, Op op) {
    if constexpr (STEP < int(sizeof(V) / sizeof(v[0]))) return folded<STEP * 2>(op(v, exchanged<STEP>(v)), op);
    return v;
}
template <class T> LAW T largest(Native<T> v) {
    return folded<1>(v, [](Native<T> a, Native<T> b) __attribute__((always_inline)) { return larger_of(a, b); })[0];
}
template <class T> LAW T smallest(Native<T> v) {
    return folded<1>(v, [](Native<T> a, Native<T> b) __attribute__((always_inline)) { return smaller_of(a, b); })[0];
}
template <class T> LAW T total(Native<T> v) {
    return folded<1>(v, [](Native<T> a, Native<T> b) __attribute__((always_inline)) { return a + b; })[0];
}

}  // namespace LSMX_TARGET
