// Rows in line: g - s sum(g), in blocks, each in the quickest way that its outputs allow.
#pragma once
#include "lines.h"

namespace LSMX_TARGET {

// How far from 0 outputs are: by the bits of negative floats, above those of `far`; all that is not below it wraps around
template <class F> struct Depth {
    LAW static Unsigned<F> base() { return bits(Format<F>::far) + 1; }
    LAW static Unsigned<F> to_mild() { return bits(Format<F>::mild) - base(); }
    LAW static Unsigned<F> to_infinity() { return bits(-infinity<F>()) - base(); }
};

enum Way { MILD, SMALL, ANY };
template <class F> LAW Way way_of(Unsigned<F> deepest, bool plain, bool mild) {
    return !plain || deepest > Depth<F>::to_infinity() ? ANY : mild && deepest <= Depth<F>::to_mild() ? MILD : SMALL;
}
template <Way WAY, class N> LAW N gradient(N g, N log_p, Words<N> G) {
    if constexpr (WAY == MILD) return minus_mild_s_sum(g, log_p, G);
    else if constexpr (WAY == SMALL) return minus_small_s_sum(g, log_p, G);
    else return minus_s_sum(g, log_p, G);
}

template <class F, Way WAY, int U> ALONE void line_gradient(const F* g, const F* y, F* out, int64 n, F G, F G_low, Soon next) {
    using N = Pack<F, U>;
    constexpr int S = lanes<F> * U;
    const Words<N> sum = {spread<N>(G), spread<N>(G_low)};
    for (int64 i = 0; i + S <= n; i += S) {
        next.read<S * int(sizeof(F))>(i);
        store(out + i, gradient<WAY>(load<N>(g + i), load<N>(y + i), sum));
    }
}

template <class F> ALONE Unsigned<F> line_depth(const F* y, int64 n) {
    using N = Pack<F, 4>;
    Pack<Unsigned<F>, 4> most{};
    for (int64 i = 0; i < n; i += lanes<F> * 4) most = larger(bits(load<N>(y + i)) - Depth<F>::base(), most);
    Native<Unsigned<F>> one = most.v[0];
    LSMX_EACH(4, one = larger_of(one, most.v[i]))
    return largest<Unsigned<F>>(one);
}

template <class F> constexpr int64 GRADIENT_BLOCK = lanes<F> * 64;
constexpr int64 WHOLE = 4096;

template <class F> LAW void line_backward(const F* g, const F* y, F* out, int64 n, F G, F G_low, bool plain, Soon next) {
    constexpr int64 W = lanes<F>, S = W * 4, BLOCK = GRADIENT_BLOCK<F>;
    using N1 = One<F>;
    const Words<N1> sum = {spread<N1>(G), spread<N1>(G_low)};
    const N1 first = minus_s_sum(load<N1>(g), load<N1>(y), sum), last = minus_s_sum(load<N1>(g + n - W), load<N1>(y + n - W), sum);
    auto from = [&](int64 i) { return Soon{next.at + i * next.step, next.step}; };
    const bool mild = magnitude(G) < Format<F>::mild_sum;
    int64 i = n < WHOLE ? 0 : before_vectors(out);  // stores of whole vectors in memory, where they are worth a ragged end
    while (plain && i + S <= n) {
        const int64 length = least_of(BLOCK, (n - i) / S * S);
        switch (way_of<F>(line_depth(y + i, length), plain, mild)) {
            case MILD: line_gradient<F, MILD, LINE>(g + i, y + i, out + i, length, G, G_low, from(i)); break;
            case SMALL: line_gradient<F, SMALL, LINE>(g + i, y + i, out + i, length, G, G_low, from(i)); break;
            default: line_gradient<F, ANY, 1>(g + i, y + i, out + i, length, G, G_low, from(i));
        }
        i += length;
    }
    line_gradient<F, ANY, 1>(g + i, y + i, out + i, n - i, G, G_low, from(i));
    store(out, first);
    store(out + n - W, last);
}

}  // namespace LSMX_TARGET
