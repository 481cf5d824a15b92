// What lies in memory, element by element and in vectors. Every conversion is exact or rounds to nearest-even.
#pragma once
#include "lines.h"

namespace LSMX_TARGET {

struct Half {
    unsigned short word;
};
struct Bfloat {
    unsigned short word;
};
struct Truths {
    unsigned char word;
};

template <class T> struct WordOf {
    using Type = decltype(T::word);
};
template <> struct WordOf<float> {
    using Type = unsigned;
};
template <> struct WordOf<double> {
    using Type = uint64;
};
template <class T> using Word = typename WordOf<T>::Type;

// Vectors of 16-bit words, as many as there are floats in a vector
using Words16 = typename VectorOf<unsigned short, BYTES / 2>::Type;

#if defined(__AVX512F__) && LSMX_BYTES == 64
LAW Native<float> half_to_float(Words16 h) { return _mm512_cvtph_ps((__m256i)h); }
LAW Words16 float_to_half(Native<float> x) { return (Words16)_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
#elif defined(__F16C__) && LSMX_BYTES == 32
LAW Native<float> half_to_float(Words16 h) { return _mm256_cvtph_ps((__m128i)h); }
LAW Words16 float_to_half(Native<float> x) { return (Words16)_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
#else
LAW Native<float> half_to_float(Words16 words) {
    using V = Native<unsigned>;
    const V h = __builtin_convertvector(words, V), size = h & 0x7fffu, sign = (h & 0x8000u) << 16;
    const V normal = (size << 13) + (112u << 23), special = (size << 13) | 0x7f800000u;
    const V tiny = (V)(__builtin_convertvector((Native<int>)size, Native<float>) * 0x1p-24f);
    const V found = size >= 0x7c00u ? special : size < 0x400u ? tiny : normal;
    return (Native<float>)(found | sign);
}
LAW Words16 float_to_half(Native<float> x) {
    using V = Native<unsigned>;
    const V b = (V)x, size = b & 0x7fffffffu, sign = (b >> 16) & 0x8000u;
    const V normal = (size - (112u << 23) + 0xfffu + ((size >> 13) & 1u)) >> 13;
    const V tiny = (V)((Native<float>)size + 0.5f) - 0x3f000000u;
    const V special = size > 0x7f800000u ? V{} + 0x7e00u : V{} + 0x7c00u;
    const V found = (size >= 0x47800000u ? special : size < 0x38800000u ? tiny : normal) | (size > 0x7f800000u ? V{} : sign);
    return __builtin_convertvector(found, Words16);
}
#endif

LAW Native<float> bfloat_to_float(Words16 words) { return (Native<float>)(__builtin_convertvector(words, Native<unsigned>) << 16); }
// Rounded, in the upper half of each
LAW Native<unsigned> rounded_to_bfloat(Native<float> x) {
    using V = Native<unsigned>;
    const V b = (V)x;
    return x != x ? V{} + 0x7fc00000u : b + 0x7fffu + ((b >> 16) & 1u);
}
LAW Words16 float_to_bfloat(Native<float> x) { return __builtin_convertvector(rounded_to_bfloat(x) >> 16, Words16); }
// Of two vectors
template <int... I> LAW auto floats_to_bfloats(Native<float> a, Native<float> b, Indices<I...>) {
    using V = Native<unsigned short>;
    return __builtin_shufflevector((V)rounded_to_bfloat(a), (V)rounded_to_bfloat(b), (2 * I + 1)...);
}

// lanes<F> elements of T at an address, in F; and back
template <class F, class T> LAW Native<F> take(const char* p) {
    const auto w = *reinterpret_cast<const Unaligned<Word<T>, lanes<F> * int(sizeof(T))>*>(p);
    if constexpr (__is_same(T, Half)) {
        return half_to_float(w);
    } else if constexpr (__is_same(T, Bfloat)) {
        return bfloat_to_float(w);
    } else if constexpr (__is_same(T, Truths)) {
        return __builtin_convertvector(__builtin_convertvector(w, Native<Signed<F>>), Native<F>);
    } else {
        typedef T V __attribute__((vector_size(lanes<F> * int(sizeof(T)))));
        return __builtin_convertvector((V)w, Native<F>);
    }
}
template <class F, class T> LAW void give(char* p, Native<F> x) {
    using Memory = Unaligned<Word<T>, lanes<F> * int(sizeof(T))>;
    typedef Word<T> W __attribute__((vector_size(lanes<F> * int(sizeof(T)))));
    if constexpr (sizeof(T) == 2) {
        *reinterpret_cast<Memory*>(p) = __is_same(T, Half) ? float_to_half(x) : float_to_bfloat(x);
    } else {
        typedef T V __attribute__((vector_size(lanes<F> * int(sizeof(T)))));
        *reinterpret_cast<Memory*>(p) = (W)__builtin_convertvector(x, V);
    }
}

template <class W> LAW W swapped_bytes(W w) {
    if constexpr (sizeof(W) == 2) return __builtin_bswap16(w);
    else if constexpr (sizeof(W) == 4) return __builtin_bswap32(w);
    else if constexpr (sizeof(W) == 8) return __builtin_bswap64(w);
    else return w;
}
template <class F, class T> LAW F take_one(const char* p, bool swapped) {
    Word<T> w;
    __builtin_memcpy(&w, p, sizeof w);
    if (swapped) w = swapped_bytes(w);
    if constexpr (__is_same(T, Half)) return F(half_to_float(Words16{} + w)[0]);
    else if constexpr (__is_same(T, Bfloat)) return F(floats(unsigned(w) << 16));
    else if constexpr (__is_same(T, Truths)) return F(w);
    else return F(floats(w));
}
template <class F, class T> LAW void give_one(char* p, F x, bool swapped) {
    Word<T> w;
    if constexpr (__is_same(T, Half)) w = Word<T>(float_to_half(Native<float>{} + float(x))[0]);
    else if constexpr (__is_same(T, Bfloat)) w = Word<T>(float_to_bfloat(Native<float>{} + float(x))[0]);
    else w = bits(T(x));
    if (swapped) w = swapped_bytes(w);
    __builtin_memcpy(p, &w, sizeof w);
}

}  // namespace LSMX_TARGET
