// Rows in line: g - s sum(g), in blocks, each in the quickest way that its outputs allow.
#pragma once
#include "lines.h"

namespace LSMX_TARGET {

// How far from 0 outputs are, by their bits as unsigned integers: positive floats come first, then negative ones by magnitude, -infinity, NaN
template <class N> struct Depths {
    using F = Element<N>;
    using B = With<N, Unsigned<F>>;
    B deepest{}, nearest = deepest - Unsigned<F>(1);
    LAW void add(N y) {
        deepest = larger(bits(y), deepest);
        nearest = smaller(bits(y), nearest);
    }
    // Whether a gradient by an output is minus_s_sum alone: it is not below far
    LAW static auto near(B y) { return y <= Unsigned<F>(bits(Format<F>::far)); }
    LAW bool any_near() const { return any(near(nearest)); }
    LAW Unsigned<F> most() const {
        Native<Unsigned<F>> all = deepest.v[0];
        LSMX_EACH(Of<N>::vectors, all = larger_of(all, deepest.v[i]))
        return largest<Unsigned<F>>(all);
    }
};

enum Way { MILD, SMALL, ANY };
template <class F> LAW Way way_of(Unsigned<F> deepest, bool plain, bool mild) {
    if (!plain || deepest > Unsigned<F>(bits(-infinity<F>()))) return ANY;
    return mild && deepest <= Unsigned<F>(bits(Format<F>::mild)) ? MILD : SMALL;
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

// Few outputs of a row are near 0, as their exponentials sum to 1. Gradients of vectors with one are computed before out overwrites g or y
template <class F> struct LineNear {
    static constexpr int MOST = 8;
    int count = 0;
    int64 at[MOST];
    One<F> dz[MOST];

    // False if there are more
    ONCE bool find(const F* g, const F* y, int64 n, const Words<One<F>>& G) {
        for (int64 i = 0; i < n; i += lanes<F>) {
            const One<F> log_p = load<One<F>>(y + i);
            if (!any(Depths<One<F>>::near(bits(log_p)))) continue;
            if (count == MOST) return false;
            dz[count] = minus_s_sum(load<One<F>>(g + i), log_p, G);
            at[count++] = i;
        }
        return true;
    }
    LAW void put(F* out) const {
        for (int k = 0; k < count; ++k) store(out + at[k], dz[k]);
    }
};

template <class F> ALONE Way line_way(const F* y, int64 n, bool mild, bool& any_near) {
    using N = Pack<F, 4>;
    Depths<N> depths;
    for (int64 i = 0; i < n; i += lanes<F> * 4) depths.add(load<N>(y + i));
    any_near = depths.any_near();
    return way_of<F>(depths.most(), true, mild);
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
        bool any_near;
        Way way = line_way(y + i, length, mild, any_near);
        LineNear<F> near;
        if (way != ANY && any_near && !near.find(g + i, y + i, length, sum)) way = ANY;
        switch (way) {
            case MILD: line_gradient<F, MILD, LINE>(g + i, y + i, out + i, length, G, G_low, from(i)); break;
            case SMALL: line_gradient<F, SMALL, LINE>(g + i, y + i, out + i, length, G, G_low, from(i)); break;
            default: line_gradient<F, ANY, 1>(g + i, y + i, out + i, length, G, G_low, from(i));
        }
        near.put(out + i);
        i += length;
    }
    line_gradient<F, ANY, 1>(g + i, y + i, out + i, n - i, G, G_low, from(i));
    store(out, first);
    store(out + n - W, last);
}

}  // namespace LSMX_TARGET
