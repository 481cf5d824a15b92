// The law's exponential and logarithm, of arrays of any length that is a multiple of 64: one number at a time, as a device's thread has
// them, or with LSMX_BYTES in vectors, two side by side.
#ifdef LSMX_BYTES
#include "turn.h"
#else
#include "lsmx/loss_law.h"
#endif

namespace LSMX_TARGET {

#ifdef LSMX_BYTES
template <class F> using Numbers = Pack<F, 2>;
template <class F> constexpr int count = 2 * lanes<F>;
template <class F> LAW Numbers<F> take(const F* p) { return load<Numbers<F>>(p); }
template <class F> LAW void give(F* p, Numbers<F> x) { store(p, x); }
#else
template <class F> using Numbers = F;
template <class F> constexpr int count = 1;
template <class F> LAW F take(const F* p) { return *p; }
template <class F> LAW void give(F* p, F x) { *p = x; }
#endif

template <class F> void of_probability(long n, const F* x, F* const* out) {
    for (long i = 0; i < n; i += count<F>) {
        const Probability<Numbers<F>> p = probability(take(x + i));
        give(out[0] + i, p.exp.expm1);
        give(out[1] + i, p.exp.low);
        give(out[2] + i, p.exp.k);
        give(out[3] + i, value(p));
    }
}

template <class F, Known KNOWN> void of_difference(long n, const F* x, const F* m, F* out) {
    for (long i = 0; i < n; i += count<F>) give(out + i, exp_difference<KNOWN>(take(x + i), take(m + i)));
}

template <class F> void of_rest(long n, const F* high, const F* low, F* const* out) {
    for (long i = 0; i < n; i += count<F>) {
        const Normal<Numbers<F>> s = normalise(Words<Numbers<F>>{take(high + i), take(low + i)});
        const Words<Numbers<F>> l = log(s), w = reciprocal(s);
        give(out[0] + i, s.e);
        give(out[1] + i, s.at.c);
        give(out[2] + i, s.f.high);
        give(out[3] + i, s.f.low);
        give(out[4] + i, l.high);
        give(out[5] + i, l.low);
        give(out[6] + i, w.high);
        give(out[7] + i, w.low);
    }
}

}  // namespace LSMX_TARGET

#define LAW_OF(F)                                                                                                                    \
    extern "C" void probability_##F(long n, const F* x, F* const* out) { LSMX_TARGET::of_probability(n, x, out); }                   \
    extern "C" void rest_##F(long n, const F* high, const F* low, F* const* out) { LSMX_TARGET::of_rest(n, high, low, out); }        \
    extern "C" void difference_##F(long n, const F* x, const F* m, F* out, int known) {                                              \
        if (known == 2) LSMX_TARGET::of_difference<F, LSMX_TARGET::ORDERED>(n, x, m, out);                                           \
        else if (known == 1) LSMX_TARGET::of_difference<F, LSMX_TARGET::NO_UNDERFLOW>(n, x, m, out);                                 \
        else LSMX_TARGET::of_difference<F, LSMX_TARGET::NOTHING>(n, x, m, out);                                                      \
    }
LAW_OF(float)
LAW_OF(double)
