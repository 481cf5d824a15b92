// Numbers and their bits: float and double one at a time, as a CUDA thread has them. cpu/pack.h has the same operations on vectors.
// Compilers for devices read this too, so no header is included.
#pragma once

#ifdef __CUDACC__
#define LAW __device__ __forceinline__
#define SHARED LAW
#else
#define LAW inline __attribute__((always_inline))
#define SHARED inline __attribute__((noinline))  // long, and called from several places: one copy of it
#endif

#ifndef LSMX_TARGET
#define LSMX_TARGET lsmx
#endif

namespace LSMX_TARGET {

typedef long long int64;
typedef unsigned long long uint64;

template <class F> struct Format;  // constants.h

// The integers that a number's bits are
template <class T> struct IntegersOf;
template <> struct IntegersOf<float> {
    using Signed = int;
    using Unsigned = unsigned;
};
template <> struct IntegersOf<double> {
    using Signed = int64;
    using Unsigned = uint64;
};
template <> struct IntegersOf<int> : IntegersOf<float> {};
template <> struct IntegersOf<unsigned> : IntegersOf<float> {};
template <> struct IntegersOf<int64> : IntegersOf<double> {};
template <> struct IntegersOf<uint64> : IntegersOf<double> {};

// What a number type consists of, and the integers and the other numbers that go with it
template <class N> struct Of {
    using Element = N;
    template <class T> using With = T;
};
template <class N> using Element = typename Of<N>::Element;
template <class N, class T> using With = typename Of<N>::template With<T>;
template <class N> using Signed = typename IntegersOf<Element<N>>::Signed;
template <class N> using Unsigned = typename IntegersOf<Element<N>>::Unsigned;
template <class N> using Integers = With<N, Signed<N>>;
template <class N> using Constants = Format<Element<N>>;
template <class T> struct SameAs {
    using Type = T;
};
template <class T> using same = typename SameAs<T>::Type;  // an argument that deduces nothing

#ifdef __CUDACC__
LAW unsigned bits(float x) { return __float_as_uint(x); }
LAW uint64 bits(double x) { return __double_as_longlong(x); }
LAW float floats(unsigned x) { return __uint_as_float(x); }
LAW double floats(uint64 x) { return __longlong_as_double(x); }
LAW float minus_exact_product(float a, float b, float c) { return __fmaf_rn(-b, c, a); }
LAW double minus_exact_product(double a, double b, double c) { return __fma_rn(-b, c, a); }
LAW float larger(float a, float b) { return fmaxf(a, b); }
LAW double larger(double a, double b) { return fmax(a, b); }
LAW float smaller(float a, float b) { return fminf(a, b); }
LAW double smaller(double a, double b) { return fmin(a, b); }
#else
template <class To, class From> LAW To reread(From x) {
    To to;
    __builtin_memcpy(&to, &x, sizeof to);
    return to;
}
LAW unsigned bits(float x) { return reread<unsigned>(x); }
LAW uint64 bits(double x) { return reread<uint64>(x); }
LAW float floats(unsigned x) { return reread<float>(x); }
LAW double floats(uint64 x) { return reread<double>(x); }
// a - b c for a product that is exact, so that it may be fused
LAW float minus_exact_product(float a, float b, float c) { return a - b * c; }
LAW double minus_exact_product(double a, double b, double c) { return a - b * c; }
#endif

LAW int as_signed(unsigned x) { return int(x); }
LAW int64 as_signed(uint64 x) { return int64(x); }
LAW unsigned as_unsigned(int x) { return unsigned(x); }
LAW uint64 as_unsigned(int64 x) { return uint64(x); }

LAW float to_floats(int x) { return float(x); }
LAW double to_floats(int64 x) { return double(x); }

LAW float magnitude(float x) { return floats(bits(x) & 0x7fffffffu); }
LAW double magnitude(double x) { return floats(bits(x) & 0x7fffffffffffffffull); }

template <class T> LAW T where(bool c, T a, same<T> b) { return c ? a : b; }
template <class T> LAW T unless(bool c, T a) { return c ? T(0) : a; }

// The larger or the smaller one; b where a is NaN
template <class T> LAW T larger(T a, T b) { return a > b ? a : b; }
template <class T> LAW T smaller(T a, T b) { return a < b ? a : b; }

template <class N> struct Spread {
    LAW static N of(Element<N> x) { return x; }
};
template <class N> LAW N spread(Element<N> x) { return Spread<N>::of(x); }

// A polynomial, highest power first: each product and each sum rounded once
template <class N, class... C> LAW N horner(N x, Element<N> first, C... rest) {
    N p = spread<N>(first);
    ((p = p * x + rest), ...);
    return p;
}

template <class F> LAW F infinity() { return floats(Unsigned<F>(Unsigned<F>(2 * Format<F>::bias + 1) << Format<F>::fraction)); }

// The one NaN that results have
template <class F> LAW F not_a_number() { return floats(Unsigned<F>(Unsigned<F>(4 * Format<F>::bias + 3) << (Format<F>::fraction - 1))); }

}  // namespace LSMX_TARGET
