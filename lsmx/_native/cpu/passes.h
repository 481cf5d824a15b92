// The passes: each on up to a vector of rows in line, and on a tile of short rows, side by side. The formulas are those of law.h.
#pragma once
#include "tiles.h"

namespace LSMX_TARGET {

constexpr int PAIR_ROWS = 4;  // of scratch, for each pair of rows side by side

// Rows in line: where each row of the operands begins, and where its result goes, which may be the place of an operand
template <class F> struct Lines {
    int64 n, rows;
    int64 length;  // of the rows, where n is more, for a whole vector
    F guess;  // the scale of the last sum of values
    const F *a[lanes<F>], *b[lanes<F>];
    F *out[lanes<F>], *work[lanes<F>];
    F* kept[PAIR_ROWS][lanes<F>];  // scratch that passes of two rows side by side have
    alignas(BYTES) F one[lanes<F>], value[lanes<F>];  // numbers a row: of an operand, of the result
    int64 count;                          // of indices for each row, if there may be several
    int64* indices[lanes<F>];
    F* each[lanes<F>];                    // what belongs to each: a cotangent, an element, the result
    int64 index[lanes<F>];                            // an element of each, or that it is outside or ignored
    F numbers[lanes<F>][lsmx::NUMBERS];
    F sums[lanes<F>][lsmx::PARTS];  // of a result, or given
    bool given;
    F *q[lanes<F>], *mask[lanes<F>];  // q of each class, in the place of its weight (1 without weights), and the mask; or null
    F smoothing;
    bool weighted;
    // in memory: the rows of a and of b after these, what is read after a, and where the results go
    Soon next_a[lanes<F>], next_b[lanes<F>], after_a[lanes<F>], to[lanes<F>];
};

// The sums of exponentials of the rows x, as they are given, or found
template <class F> LAW LineSumExp<F> sum_exp_of(const Lines<F>& l, const F* const* x, const Soon* next) {
    return l.given ? LineSumExp<F>(l.sums, l.rows) : LineSumExp<F>(x, l.n, l.rows, next, l.to);
}

// A tile: the result takes the place of a
template <class F> struct Tile {
    int64 n;
    F *a, *b, *work;
    Wide<F> one, value;
    Ahead ahead;
};

// ---- maps over a row in line: loops that have the registers to themselves

#define LSMX_LINE_MAP(NAME, ARGUMENTS, BODY)                                                              \
    template <class F> ALONE void NAME ARGUMENTS {                                                        \
        map_line<F, 2>(out, n, [&](auto number, int64 i) __attribute__((always_inline)) { using N = decltype(number); return BODY; }); \
    }

// The same, vector by vector: for what takes many registers
#define LSMX_LINE_MAP_OF_ONE(NAME, ARGUMENTS, BODY)                                                       \
    template <class F> ALONE void NAME ARGUMENTS {                                                        \
        map_line<F, 1>(out, n, [&](auto number, int64 i) __attribute__((always_inline)) { using N = decltype(number); return BODY; }); \
    }

LSMX_LINE_MAP(line_log_softmax, (const F* x, F* out, int64 n, F m, F L), log_softmax_value(load<N>(x + i), spread<N>(m), spread<N>(L)))
LSMX_LINE_MAP(line_softmax, (const F* x, F* out, int64 n, F m, F L, Words<F> w),
              softmax_value(load<N>(x + i), spread<N>(m), spread<N>(L), Words<N>{spread<N>(w.high), spread<N>(w.low)}))
LSMX_LINE_MAP(line_times, (F v, F* out, int64 n), product(spread<N>(v), load<N>(out + i)))
LSMX_LINE_MAP(line_product, (const F* v, const F* s, F* out, int64 n), product(flush(load<N>(v + i)), flush(load<N>(s + i))))
LSMX_LINE_MAP(line_weighted, (const F* v, const F* p, F* out, int64 n), product(flush(load<N>(v + i)), load<N>(p + i)))
LSMX_LINE_MAP(line_exp_product, (const F* v, const F* y, F* out, int64 n), product(value(probability(load<N>(y + i))), flush(load<N>(v + i))))
LSMX_LINE_MAP(line_minus_sum, (const F* v, F* out, int64 n, F G, F G_low), minus_sum(flush(load<N>(v + i)), Words<N>{spread<N>(G), spread<N>(G_low)}))
LSMX_LINE_MAP(line_s_minus_sum, (const F* v, const F* s, F* out, int64 n, F G, F G_low),
              s_minus_sum(load<N>(v + i), load<N>(s + i), Words<N>{spread<N>(G), spread<N>(G_low)}))

// What values and gradients need of up to a vector of rows: L = ln(1 + R),  w = 1 / (1 + R)
template <class F> struct LineTotals {
    Words<One<F>> wide;
    alignas(BYTES) F L[lanes<F>], high[lanes<F>], low[lanes<F>];
    ONCE explicit LineTotals(const LineSumExp<F>& s) {
        const Normal<One<F>> total = normalise(s.R);
        wide = reciprocal(total);
        store(L, log(total).high);
        store(high, wide.high);
        store(low, wide.low);
    }
    LAW Words<F> w(int64 j) const { return {high[j], low[j]}; }
};

// log-softmax and softmax of rows, into other rows: NaN where they are not defined
template <class F> ALONE void log_softmax_lines(const LineSumExp<F>& s, const F* const* x, F* const* out, int64 n, int64 rows) {
    const LineTotals<F> t(s);
    for (int64 j = 0; j < rows; ++j) {
        if (s.defined[j]) line_log_softmax(x[j], out[j], n, s.m[j], t.L[j]);
        else fill_line(out[j], n, not_a_number<F>());
    }
}
template <class F> ALONE void softmax_lines(const LineSumExp<F>& s, const F* const* x, F* const* out, int64 n, int64 rows, bool none_is_zero) {
    const LineTotals<F> t(s);
    for (int64 j = 0; j < rows; ++j) {
        if (s.defined[j]) line_softmax(x[j], out[j], n, s.m[j], t.L[j], t.w(j));
        else fill_line(out[j], n, none_is_zero && s.maximum[j] == -infinity<F>() ? F(0) : not_a_number<F>());
    }
}
template <class F> ALONE void log_softmax_tile(const TileSumExp<F>& s, F* tile, int64 n) {
    using N = Wide<F>;
    const N L = where(s.defined, log(normalise(s.R)).high, not_a_number<F>()), m = s.m;
    const bool all = !any(!s.defined);
    if (all) map_tile(tile, n, [&](int64 at) __attribute__((always_inline)) { return log_softmax_value(load<N>(tile + at), m, L); });
    else map_tile(tile, n, [&](int64 at) __attribute__((always_inline)) { return canonical(log_softmax_value(load<N>(tile + at), m, L)); });
}
// into what may be another tile
template <class F> ALONE void softmax_tile(const TileSumExp<F>& s, F* tile, int64 n, bool none_is_zero) {
    using N = Wide<F>;
    const Normal<N> total = normalise(s.R);
    const Words<N> w = reciprocal(total);
    const N L = log(total).high, m = s.m;
    N otherwise = spread<N>(not_a_number<F>());
    if (none_is_zero) otherwise = unless(s.maximum == -infinity<F>(), otherwise);
    const auto defined = s.defined;
    map_tile(tile, n, [&](int64 at) __attribute__((always_inline)) { return where(defined, softmax_value(load<N>(tile + at), m, L, w), otherwise); });
}

// ---- log-softmax

// out = (z - max) - L,  L = ln sum exp(z - max)
struct LogSoftmaxForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.a, l.next_a);
        log_softmax_lines(s, l.a, l.out, l.n, l.rows);
    }
    template <class F> static void tile(Tile<F>& t) {
        TileSumExp<F> s(t.a, t.n, t.ahead);
        log_softmax_tile(s, t.a, t.n);
    }
};

// g - s G of rows, in a function of its own, which passes share
template <class F> ONCE void gradient_lines(const Lines<F>& l, const F* const* y, const F* G, const F* G_low, const bool* plain) {
    // what is fetched: the next row, or, of rows that the caches do not keep, the next block of this one
    const bool kept = l.n * int64(sizeof(F)) <= KEPT;
    for (int64 j = 0; j < l.rows; ++j) {
        const F* block = y[j] + GRADIENT_BLOCK<F>;
        const Soon next = kept ? l.next_a[j] : Soon{reinterpret_cast<const char*>(block), sizeof(F)};
        line_backward(l.a[j], y[j], l.out[j], l.n, G[j], G_low[j], plain[j], next);
    }
}

// dz = g - s sum(g),  s = exp(y), from the output y
struct LogSoftmaxBackward {
    template <class F> static void lines(Lines<F>& l) { lines_at(l, l.b); }
    template <class F> static void lines_at(Lines<F>& l, const F* const* y) {
        const LineValueSum<F> G(l.a, l.n, l.rows, l.after_a, l.to, l.guess);
        gradient_lines(l, y, G.high, G.low, G.plain);
    }
    template <class F> static void tile(Tile<F>& t) {
        TileValueSum<F> G(t.a, t.n, t.ahead);
        tile_backward(t.a, t.b, t.n, G, t.ahead);
    }
};

// The same from z: the output before it is rounded to 16 bits
struct LogSoftmaxBackwardZ {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        log_softmax_lines(s, l.b, l.work, l.n, l.rows);
        LogSoftmaxBackward::lines_at(l, l.work);
    }
    template <class F> static void tile(Tile<F>& t) {
        TileSumExp<F> s(t.b, t.n, t.ahead);
        log_softmax_tile(s, t.b, t.n);
        LogSoftmaxBackward::tile(t);
    }
};

// dout = v - sum(s v),  s = exp(y)
struct LogSoftmaxJvp {
    template <class F> static void lines(Lines<F>& l) { lines_at(l, l.b); }
    template <class F> static void lines_at(Lines<F>& l, const F* const* y) {
        for (int64 j = 0; j < l.rows; ++j) line_exp_product(l.a[j], y[j], l.work[j], l.n);
        LineValueSum<F> G(l.work, l.n, l.rows, l.next_a, l.to, l.guess);
        for (int64 j = 0; j < l.rows; ++j) line_minus_sum(l.a[j], l.out[j], l.n, G.high[j], G.low[j]);
    }
    template <class F> static void tile(Tile<F>& t) {
        using N = Wide<F>;
        F *v = t.a, *y = t.b;
        map_tile(y, t.n, [&](int64 at) __attribute__((always_inline)) { return product(value(probability(load<N>(y + at))), flush(load<N>(v + at))); });
        const Words<N> G = TileValueSum<F>(y, t.n, t.ahead).G;
        map_tile(v, t.n, [&](int64 at) __attribute__((always_inline)) { return minus_sum(flush(load<N>(v + at)), G); });
    }
};

struct LogSoftmaxJvpZ {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        log_softmax_lines(s, l.b, l.work, l.n, l.rows);
        LogSoftmaxJvp::lines_at(l, l.work);
    }
    template <class F> static void tile(Tile<F>& t) {
        TileSumExp<F> s(t.b, t.n, t.ahead);
        log_softmax_tile(s, t.b, t.n);
        LogSoftmaxJvp::tile(t);
    }
};

// ---- softmax

// s = exp(z - max) / sum exp(z - max)
struct SoftmaxForward {
    template <class F> static void lines(Lines<F>& l) {
        LineSumExp<F> s(l.a, l.n, l.rows, l.next_a, l.to);
        softmax_lines(s, l.a, l.out, l.n, l.rows, false);
    }
    template <class F> static void tile(Tile<F>& t) {
        TileSumExp<F> s(t.a, t.n, t.ahead);
        softmax_tile(s, t.a, t.n, false);
    }
};

// dz = s (g - sum(s g)), from the output s: the JVP too, as the Jacobian is symmetric
struct SoftmaxBackward {
    template <class F> static void lines(Lines<F>& l) {
        for (int64 j = 0; j < l.rows; ++j) line_product(l.a[j], l.b[j], l.work[j], l.n);
        LineValueSum<F> G(l.work, l.n, l.rows, l.next_a, l.to, l.guess);
        for (int64 j = 0; j < l.rows; ++j) line_s_minus_sum(l.a[j], l.b[j], l.out[j], l.n, G.high[j], G.low[j]);
    }
    template <class F> static void tile(Tile<F>& t) {
        using N = Wide<F>;
        F *v = t.a, *s = t.b;
        map_tile(t.work, t.n, [&](int64 at) __attribute__((always_inline)) { return product(flush(load<N>(v + at)), flush(load<N>(s + at))); });
        const Words<N> G = TileValueSum<F>(t.work, t.n, t.ahead).G;
        map_tile(v, t.n, [&](int64 at) __attribute__((always_inline)) { return s_minus_sum(load<N>(v + at), load<N>(s + at), G); });
    }
};

// ---- logsumexp

// lse = max + L,  L = ln sum exp(z - max);  where the maximum is not finite, it is the answer
struct LogRowSumsForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.a, l.next_a);
        store(l.value, logsumexp_value(load<One<F>>(s.m), log(normalise(s.R))));
        for (int64 j = 0; j < l.rows; ++j)
            if (!s.defined[j]) l.value[j] = s.maximum[j];
    }
    template <class F> static void tile(Tile<F>& t) {
        TileSumExp<F> s(t.a, t.n, t.ahead);
        t.value = where(s.defined, logsumexp_value(s.m, log(normalise(s.R))), s.maximum);
    }
};

// dz = g s,  s = softmax(z)
struct LogSumExpBackward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        softmax_lines(s, l.b, l.out, l.n, l.rows, true);
        for (int64 j = 0; j < l.rows; ++j) line_times_canonical(l, j);
    }
    template <class F> LAW static void line_times_canonical(Lines<F>& l, int64 j) {
        const F g = flush(l.one[j]);
        if (finite(g)) line_times(g, l.out[j], l.n);
        else line_canonical_times(g, l.out[j], l.n);
    }
    template <class F> ALONE void line_canonical_times(F g, F* out, int64 n) {
        map_line<F, 1>(out, n, [&](auto number, int64 i) __attribute__((always_inline)) {
            using N = decltype(number);
            return canonical(product(spread<N>(g), load<N>(out + i)));
        });
    }
    template <class F> static void tile(Tile<F>& t) {
        using N = Wide<F>;
        TileSumExp<F> s(t.b, t.n, t.ahead);
        softmax_tile(s, t.b, t.n, true);
        const N g = flush(t.one);
        F* p = t.b;
        map_tile(t.a, t.n, [&](int64 at) __attribute__((always_inline)) { return canonical(product(g, load<N>(p + at))); });
    }
};

// dlse = sum(s v),  s = softmax(z)
struct LogSumExpJvp {
    template <class F> static void lines(Lines<F>& l) {
        LineSumExp<F> s(l.b, l.n, l.rows, l.next_b, l.to);
        softmax_lines(s, l.b, l.work, l.n, l.rows, true);
        for (int64 j = 0; j < l.rows; ++j) line_weighted(l.a[j], l.work[j], l.work[j], l.n);
        LineValueSum<F> G(l.work, l.n, l.rows, l.next_a, l.to, l.guess);
        store(l.value, load<One<F>>(G.high));
    }
    template <class F> static void tile(Tile<F>& t) {
        using N = Wide<F>;
        TileSumExp<F> s(t.b, t.n, t.ahead);
        softmax_tile(s, t.b, t.n, true);
        F *v = t.a, *p = t.b;
        map_tile(p, t.n, [&](int64 at) __attribute__((always_inline)) { return product(flush(load<N>(v + at)), load<N>(p + at)); });
        t.value = TileValueSum<F>(p, t.n, t.ahead).G.high;
    }
};

}  // namespace LSMX_TARGET
