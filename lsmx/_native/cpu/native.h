// Operations on one vector that have an instruction of their own. Included by pack.h.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace LSMX_TARGET {

#if defined(__AVX512F__) && LSMX_BYTES == 64
LAW Native<float> minus_exact_product(Native<float> a, Native<float> b, Native<float> c) { return _mm512_fnmadd_ps(b, c, a); }
LAW Native<double> minus_exact_product(Native<double> a, Native<double> b, Native<double> c) { return _mm512_fnmadd_pd(b, c, a); }
#define LSMX_FUSED
LAW Native<float> product_error(Native<float> a, Native<float> b, Native<float> h) { return _mm512_fmsub_ps(a, b, h); }
LAW Native<double> product_error(Native<double> a, Native<double> b, Native<double> h) { return _mm512_fmsub_pd(a, b, h); }
LAW Native<float> larger_of(Native<float> a, Native<float> b) { return _mm512_max_ps(a, b); }
LAW Native<double> larger_of(Native<double> a, Native<double> b) { return _mm512_max_pd(a, b); }
LAW Native<float> smaller_of(Native<float> a, Native<float> b) { return _mm512_min_ps(a, b); }
LAW Native<double> smaller_of(Native<double> a, Native<double> b) { return _mm512_min_pd(a, b); }
LAW bool any_of(Native<int> t) { return _mm512_movepi32_mask((__m512i)t) != 0; }
LAW bool any_of(Native<int64> t) { return _mm512_movepi64_mask((__m512i)t) != 0; }
#elif defined(__AVX2__) && LSMX_BYTES == 32
LAW Native<float> minus_exact_product(Native<float> a, Native<float> b, Native<float> c) { return _mm256_fnmadd_ps(b, c, a); }
LAW Native<double> minus_exact_product(Native<double> a, Native<double> b, Native<double> c) { return _mm256_fnmadd_pd(b, c, a); }
#define LSMX_FUSED
LAW Native<float> product_error(Native<float> a, Native<float> b, Native<float> h) { return _mm256_fmsub_ps(a, b, h); }
LAW Native<double> product_error(Native<double> a, Native<double> b, Native<double> h) { return _mm256_fmsub_pd(a, b, h); }
LAW Native<float> larger_of(Native<float> a, Native<float> b) { return _mm256_max_ps(a, b); }
LAW Native<double> larger_of(Native<double> a, Native<double> b) { return _mm256_max_pd(a, b); }
LAW Native<float> smaller_of(Native<float> a, Native<float> b) { return _mm256_min_ps(a, b); }
LAW Native<double> smaller_of(Native<double> a, Native<double> b) { return _mm256_min_pd(a, b); }
LAW bool any_of(Native<int> t) { return _mm256_movemask_ps((__m256)t) != 0; }
LAW bool any_of(Native<int64> t) { return _mm256_movemask_pd((__m256d)t) != 0; }
#else
template <class V> LAW V minus_exact_product(V a, V b, V c) { return a - b * c; }
#if defined(__SSE2__) && LSMX_BYTES == 16
LAW Native<float> larger_of(Native<float> a, Native<float> b) { return _mm_max_ps(a, b); }
LAW Native<double> larger_of(Native<double> a, Native<double> b) { return _mm_max_pd(a, b); }
LAW Native<float> smaller_of(Native<float> a, Native<float> b) { return _mm_min_ps(a, b); }
LAW Native<double> smaller_of(Native<double> a, Native<double> b) { return _mm_min_pd(a, b); }
LAW bool any_of(Native<int> t) { return _mm_movemask_ps((__m128)t) != 0; }
LAW bool any_of(Native<int64> t) { return _mm_movemask_pd((__m128d)t) != 0; }
#else
// Not vmaxq: it gives NaN where either is NaN
LAW Native<float> larger_of(Native<float> a, Native<float> b) { return a > b ? a : b; }
LAW Native<double> larger_of(Native<double> a, Native<double> b) { return a > b ? a : b; }
LAW Native<float> smaller_of(Native<float> a, Native<float> b) { return a < b ? a : b; }
LAW Native<double> smaller_of(Native<double> a, Native<double> b) { return a < b ? a : b; }
template <class V> LAW bool any_of(V t) {
    typename VectorOf<uint64, BYTES>::Type w = (typename VectorOf<uint64, BYTES>::Type)t;
    uint64 all = 0;
    for (int i = 0; i < BYTES / 8; ++i) all |= w[i];
    return all != 0;
}
#endif
#endif

LAW Native<unsigned> larger_of(Native<unsigned> a, Native<unsigned> b) { return a > b ? a : b; }
LAW Native<uint64> larger_of(Native<uint64> a, Native<uint64> b) { return a > b ? a : b; }
LAW Native<unsigned> smaller_of(Native<unsigned> a, Native<unsigned> b) { return a < b ? a : b; }
LAW Native<uint64> smaller_of(Native<uint64> a, Native<uint64> b) { return a < b ? a : b; }

}  // namespace LSMX_TARGET
