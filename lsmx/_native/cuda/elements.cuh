// What lies in memory: T is a float, a double, or 16 bits that are computed in float. Widening is exact, narrowing rounds to
// nearest-even, with one bit pattern for NaN.

#define RARE __device__ __noinline__

namespace lsmx {

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
LAW float widen(Bfloat x) { return floats(unsigned(x.word) << 16); }
LAW float widen(Half x) { return half_to_float(x.word); }

template <class T> LAW T narrow(typename Computed<T>::Type x) { return canonical(x); }
template <> LAW Bfloat narrow<Bfloat>(float x) {
    const unsigned word = bits(x), rounded = word + 0x7fff + (word >> 16 & 1);
    return {unordered(x) ? (unsigned short)0x7fc0 : (unsigned short)(rounded >> 16)};
}
template <> LAW Half narrow<Half>(float x) { return {unordered(x) ? (unsigned short)0x7e00 : float_to_half(x)}; }

}  // namespace lsmx
