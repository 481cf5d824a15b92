// Numbers and their bits. F is float or double, T what lies in memory; the constants of Format<F> are written by source.py.

#define LAW __device__ __forceinline__
#define RARE __device__ __noinline__

namespace lsmx {

template <class F> struct Format;

LAW int bits(float x) { return __float_as_int(x); }
LAW long long bits(double x) { return __double_as_longlong(x); }
LAW float floats(int x) { return __int_as_float(x); }
LAW double floats(long long x) { return __longlong_as_double(x); }

template <class F> struct Integers;
template <> struct Integers<float> {
    using Signed = int;
    using Wrapping = unsigned;
};
template <> struct Integers<double> {
    using Signed = long long;
    using Wrapping = unsigned long long;
};
template <class F> using Word = typename Integers<F>::Signed;
template <class F> using Wrapping = typename Integers<F>::Wrapping;

LAW unsigned wrapping(int x) { return x; }
LAW unsigned long long wrapping(long long x) { return x; }

// a b + c in one instruction. Only for products that are exact: then it gives the bits of the product and the sum rounded apart.
LAW float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
LAW double fused(double a, double b, double c) { return __fma_rn(a, b, c); }

// The larger one; b where a is NaN
LAW float larger(float a, float b) { return fmaxf(a, b); }
LAW double larger(double a, double b) { return fmax(a, b); }

LAW float magnitude(float x) { return fabsf(x); }
LAW double magnitude(double x) { return fabs(x); }

template <class F> LAW F infinity() { return floats(Word<F>(2 * Format<F>::bias + 1) << Format<F>::fraction); }
// The one NaN that there is in results: quiet, of positive sign, without a payload
template <class F> LAW F not_a_number() { return floats(bits(infinity<F>()) | Word<F>(1) << (Format<F>::fraction - 1)); }
template <class F> LAW bool unordered(F x) { return !(x == x); }
template <class F> LAW bool finite(F x) { return x - x == F(0); }

// A polynomial, highest power first: each product and each sum rounded once
template <class F, class... C> LAW F horner(F x, F p, C... coefficients) {
    ((p = p * x + coefficients), ...);
    return p;
}

// ---- what lies in memory, and what it is computed in: widening is exact, narrowing rounds to nearest-even, and knows one NaN

struct Half {
    unsigned short word;
};
struct Bfloat {
    unsigned short word;
};

template <class T> struct Computed {
    using Type = T;
};
template <> struct Computed<Half> {
    using Type = float;
};
template <> struct Computed<Bfloat> {
    using Type = float;
};

LAW float widen(float x) { return x; }
LAW double widen(double x) { return x; }
LAW float widen(Bfloat x) { return floats(int(unsigned(x.word) << 16)); }
LAW float widen(Half x) { return half_to_float(x.word); }

template <class T> LAW T narrow(typename Computed<T>::Type x) { return unordered(x) ? not_a_number<T>() : x; }
template <> LAW Bfloat narrow<Bfloat>(float x) { return {unordered(x) ? (unsigned short)0x7fc0 : float_to_bfloat(x)}; }
template <> LAW Half narrow<Half>(float x) { return {unordered(x) ? (unsigned short)0x7e00 : float_to_half(x)}; }

}  // namespace lsmx
