// The passes of the losses, on up to a vector of rows in line. The formulas are those of law.h.
#pragma once
#include "passes.h"

namespace LSMX_TARGET {

LSMX_LINE_MAP(line_softmax_times, (const F* x, F* out, int64 n, F m, F L, Words<F> w, F g),
              product(spread<N>(g), softmax_value(load<N>(x + i), spread<N>(m), spread<N>(L), Words<N>{spread<N>(w.high), spread<N>(w.low)})))
LSMX_LINE_MAP(line_minus_probable, (const F* x, F* out, int64 n, F m, F L, Words<F> w, F g, Words<F> G),
              minus_probable(spread<N>(g), softmax_value(load<N>(x + i), spread<N>(m), spread<N>(L), Words<N>{spread<N>(w.high), spread<N>(w.low)}),
                             Words<N>{spread<N>(G.high), spread<N>(G.low)}))
LSMX_LINE_MAP(line_surprise, (const F* x, F* out, int64 n, F m, F L, F q), surprise(load<N>(x + i), spread<N>(m), spread<N>(L), spread<N>(q)))
LSMX_LINE_MAP_OF_ONE(line_entropy_gradient, (const F* x, F* out, int64 n, F m, F L, Words<F> w, Words<F> E, F g),
              entropy_gradient(load<N>(x + i), spread<N>(m), spread<N>(L), Words<N>{spread<N>(w.high), spread<N>(w.low)},
                               Words<N>{spread<N>(E.high), spread<N>(E.low)}, spread<N>(g)))

// How many elements are greater than one
template <class F> ALONE int64 line_above(const F* x, int64 n, F value) {
    constexpr int W = lanes<F>;
    const One<Signed<F>> one = spread<One<Signed<F>>>(1);
    int64 found = 0, i = 0;
    while (i + W <= n) {
        const int64 stop = least_of(n, i + (int64(1) << 20) * W);
        One<Signed<F>> count{};
        for (; i + W <= stop; i += W) count = count + where(load<One<F>>(x + i) > spread<One<F>>(value), one, Signed<F>(0));
        for (int lane = 0; lane < W; ++lane) found += count.v[0][lane];
    }
    for (; i < n; ++i) found += read_one(x + i) > value;
    return found;
}

// Where the first element is that equals one; -1 if there is none, as that is in another part of the row
template <class F> ALONE int64 line_find(const F* x, int64 n, F value) {
    constexpr int W = lanes<F>;
    int64 i = 0;
    while (i + W <= n && !any(load<One<F>>(x + i) == spread<One<F>>(value))) i += W;
    while (i < n && !(read_one(x + i) == value)) ++i;
    return i < n ? i : -1;
}

// ---- A = sum(t D),  D = max - x,  t = exp(-D), on the grid of the power of two under t2 max(D2, 1)

template <class F, Known KNOWN, bool PLAIN> ALONE int128 line_distances(const F* x, int64 n, F max, F scale) {
    using N = Pack<F, 2>;
    using N1 = One<F>;
    constexpr int W = lanes<F>, S = W * 2;
    const Grid<F> by = grid(PLAIN ? scale : F(1));
    LineSums<F> sums;
    int64 i = 0;
    const F times = power_of(-exponent_of(scale));
    while (PLAIN && i + S <= n) {
        const Grid<N> grids = {spread<N>(by.first), spread<N>(by.second)};
        const N m = spread<N>(max);
        const int64 start = i, stop = least_of(n, i + STEPS * S);
        Pack<Unsigned<F>, 2> a{}, b{};
        for (; i + S <= stop; i += S) {
            Limbs<N> l = limbs(distance_term<KNOWN>(load<N>(x + i), m), grids);
            a = a + l.first;
            b = b + l.second;
        }
        sums.add(a, b, by, (i - start) / S);
    }
    const Grid<N1> grids = {spread<N1>(by.first), spread<N1>(by.second)};
    while (i < n) {
        Pack<Unsigned<F>, 1> a{}, b{};
        int64 steps = 0;
        auto add = [&](Limbs<N1> l) __attribute__((always_inline)) {
            a = a + l.first;
            b = b + l.second;
            ++steps;
        };
        for (; i < n && steps < STEPS; i += W) {
            const N1 term = distance_term<NOTHING>(load_or(x, i, n, -infinity<F>()), spread<N1>(max));
            if constexpr (PLAIN) add(limbs(term, grids));
            else any_limbs(term, spread<N1>(times), grids, add);
        }
        sums.add(a, b, by, steps);
    }
    return sums.value();
}

// E = A / sum(t) of up to a vector of rows
template <class F> ONCE Words<One<F>> line_mean_distances(const LineSumExp<F>& s, const F* const* x, int64 n, int64 rows, Words<One<F>> w) {
    using N1 = One<F>;
    const N1 m = load<N1>(s.m), second = load<N1>(s.second), one = spread<N1>(1);
    const N1 D2 = unless(!finite(second), m - second);
    const N1 largest = product(load<N1>(s.t2), where(D2 > one, D2, one));
    const N1 e = unless(!(largest > F(0)), exponent_of(largest)), scales = power_of(e);
    alignas(BYTES) F scale[lanes<F>], top[lanes<F>];
    store(scale, scales);
    store(top, largest);
    LineDigits<F> digits;
    for (int64 j = 0; j < rows; ++j) {
        if (!s.defined[j] || s.t2[j] == 0) continue;
        // terms may be larger than the bound by their roundings, and twice the grid's power is the most that a limb holds
        const bool roomy = top[j] * F(1 + 1.0 / 1024) < 2 * scale[j];
        digits.set(j, !roomy || !s.roomy(j)     ? line_distances<F, NOTHING, false>(x[j], n, s.m[j], scale[j])
                      : s.known[j] == NOTHING ? line_distances<F, NOTHING, true>(x[j], n, s.m[j], scale[j])
                                              : line_distances<F, NO_UNDERFLOW, true>(x[j], n, s.m[j], scale[j]));
    }
    return times(scaled(words(digits.get()), scales), w);
}

// ---- log_prob

// What is known of a row: its two largest logits, of equal zeros the positive one, and two numbers
template <class F> LAW void give_sums(Lines<F>& l, int64 j, F largest, F next, F third, F fourth) {
    const F second = next == 0 ? F(0) : next, first = largest == 0 && second == 0 ? F(0) : largest;
    const F parts[lsmx::PARTS] = {first, second, third, fourth};
    __builtin_memcpy(l.sums[j], parts, sizeof parts);
}

// max, the second largest logit, R in two words:  sum exp(x - max) = 1 + R
struct RowSumsForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s(l.a, l.n, l.rows, l.next_a, l.to);
        alignas(BYTES) F high[lanes<F>], low[lanes<F>];
        store(high, s.R.high);
        store(low, s.R.low);
        for (int64 j = 0; j < l.rows; ++j) give_sums(l, j, s.maximum[j], s.second[j], high[j], low[j]);
    }
};

// ---- rows in parts: each of the two walks on its own

struct RowTopForward {
    template <class F> static void lines(Lines<F>& l) {
        for (int64 j = 0; j < l.rows; ++j) {
            const Range<F> r = line_range(l.a[j], l.n);
            const F first = r.nan ? not_a_number<F>() : r.maximum;
            give_sums(l, j, first, first - first == 0 ? r.second : -infinity<F>(), F(0), F(0));
        }
    }
};

template <class F> constexpr int64 BLOCK = (1 << 14) / sizeof(F);

template <class F> LAW void give_digits(Lines<F>& l, const LineDigits<F>& digits) {
    for (int64 j = 0; j < l.rows; ++j) {
        const F parts[lsmx::PARTS] = {F(digits.top[j]), F(digits.high[j]), F(digits.middle[j]), F(digits.low[j])};
        __builtin_memcpy(l.sums[j], parts, sizeof parts);
    }
}

// sum(t(min(x, z2))),  t(x) = exp(x - max), in units of its grid, in digits; the two largest logits are those of the whole row
struct RowDigitsForward {
    template <class F> static void lines(Lines<F>& l) {
        LineSumExp<F> s(l.sums, l.rows);
        LineDigits<F> digits;
        for (int64 j = 0; j < l.rows; ++j)
            if (s.has_terms(j)) digits.set(j, block_sums(s, l, j));
        give_digits(l, digits);
    }
    // Block by block, each of which is seen twice while the caches have it: how far its logits reach is not known before
    template <class F> ALONE int128 block_sums(LineSumExp<F>& s, const Lines<F>& l, int64 j) {
        int128 sum = 0;
        for (int64 i = 0; i < l.n; i += BLOCK<F>) {
            const F* x = l.a[j] + i;
            const int64 n = least_of(BLOCK<F>, l.n - i);
            s.reaches(j, line_least(x, n));
            sum += s.walk(j, x, n, Soon{reinterpret_cast<const char*>(x + BLOCK<F>), sizeof(F)}, l.to[j]);
        }
        return sum;
    }
};

// The same of any values: max |v|
struct RowMagnitudeForward {
    template <class F> static void lines(Lines<F>& l) {
        for (int64 j = 0; j < l.rows; ++j) {
            const F most = line_magnitudes(l.a[j], l.n).most;
            const F parts[lsmx::PARTS] = {most != most ? not_a_number<F>() : flush(most), F(0), F(0), F(0)};
            __builtin_memcpy(l.sums[j], parts, sizeof parts);
        }
    }
};

// sum(v) in units of its grid, in digits; the largest magnitude is that of the whole row
struct RowIntegerForward {
    template <class F> static void lines(Lines<F>& l) {
        LineDigits<F> digits;
        for (int64 j = 0; j < l.rows; ++j)
            if (finite(l.sums[j][0])) digits.set(j, sum(l, j, l.sums[j][0]));
        give_digits(l, digits);
    }
    // What is so small that it is flushed elsewhere is below a grid that goes by a plain magnitude
    template <class F> LAW static int128 sum(const Lines<F>& l, int64 j, F most) {
        const F scale = power_of(scale_of(most));
        const bool plain = are_plain(most, ~Unsigned<F>(0));
        return plain ? line_plain_sum<F, false, true>(l.a[j], l.n, scale, l.next_a[j], l.to[j], nullptr) : line_any_sum(l.a[j], l.n, scale);
    }
};

// dz = g - s G of a part of a row whose sum of cotangents G is given, from the output, or from logits whose sums are given
struct RowGradientBackward {
    template <class F> static void lines(Lines<F>& l) {
        const F* const* y = l.b;
        if (l.given) {
            log_softmax_lines(sum_exp_of(l, l.b, l.next_b), l.b, l.work, l.n, l.rows);
            y = l.work;
        }
        F G[lanes<F>], low[lanes<F>];
        bool plain[lanes<F>];
        for (int64 j = 0; j < l.rows; ++j) {
            const Magnitudes<F> m = line_magnitudes(l.a[j], l.n);
            G[j] = l.numbers[j][0], low[j] = l.numbers[j][1];
            plain[j] = (m.plain || m.most == 0) && magnitude(G[j]) > Format<F>::plain_sum;
        }
        gradient_lines(l, y, G, low, plain);
    }
};

// log s_i = (x_i - max) - L,  L = ln sum exp(x - max); where the sums are given, of x_i alone
struct LogProbForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.a, l.next_a);
        const LineTotals<F> t(s);
        for (int64 j = 0; j < l.rows; ++j)
            l.value[j] = l.index[j] == IGNORED                ? F(0)
                         : s.defined[j] && l.index[j] >= 0 ? log_softmax_value(l.given ? l.one[j] : read_one(l.a[j] + l.index[j]), s.m[j], t.L[j])
                                                           : not_a_number<F>();
    }
};

// The same at several indices
struct LogProbsForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.a, l.next_a);
        const LineTotals<F> t(s);
        for (int64 j = 0; j < l.rows; ++j)
            for (int64 k = 0; k < l.count; ++k) {
                const int64 i = l.indices[j][k];
                l.each[j][k] = s.defined[j] && i >= 0 ? log_softmax_value(l.given ? l.each[j][k] : read_one(l.a[j] + i), s.m[j], t.L[j]) : not_a_number<F>();
            }
    }
};

// dx_c = g_c - s_c G,  g_c one number at the index and another elsewhere
template <class F> struct Cotangents {
    F at, elsewhere;
    Words<F> G;
};
template <class F> ONCE void log_prob_gradients(Lines<F>& l, const Cotangents<F>* cotangents) {
    const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
    const LineTotals<F> t(s);
    alignas(BYTES) F others[lanes<F>], R[lanes<F>];
    store(others, times(s.R, t.wide).high);
    store(R, s.R.high);
    for (int64 j = 0; j < l.rows; ++j) {
        const Cotangents<F>& g = cotangents[j];
        const F* x = l.b[j];
        const int64 i = l.index[j];
        if (!s.defined[j] || i < 0 || !finite(g.G.high)) {
            fill_line(l.out[j], l.n, i == IGNORED ? F(0) : not_a_number<F>());
            continue;
        }
        // before the row is written, which may take the place of the logits
        const F logit = read_one(x + i), at = softmax_value(logit, s.m[j], t.L[j], t.w(j));
        const bool dominates = R[j] < 1, target = logit == s.m[j];
        const int64 top = !dominates || target ? i : line_find(x, l.n, s.m[j]);
        if (g.elsewhere == 0 && g.G.low == 0) line_softmax_times(x, l.out[j], l.n, s.m[j], t.L[j], t.w(j), -g.G.high);
        else line_minus_probable(x, l.out[j], l.n, s.m[j], t.L[j], t.w(j), g.elsewhere, g.G);
        write_one(l.out[j] + i, dominates && target ? minus_likely(g.at, others[j], g.G) : minus_probable(g.at, at, g.G));
        if (top != i && top >= 0) write_one(l.out[j] + top, minus_likely(g.elsewhere, others[j], g.G));
    }
}

// dx = g (1[c = i] - s)
struct LogProbBackward {
    template <class F> static void lines(Lines<F>& l) {
        Cotangents<F> cotangents[lanes<F>];
        for (int64 j = 0; j < l.rows; ++j) {
            const F g = flush(l.one[j]);
            cotangents[j] = {g, F(0), {g, F(0)}};
        }
        log_prob_gradients(l, cotangents);
    }
};

// ---- cross-entropy of classes with smoothing or a part that goes with lse: its numbers are

// q at the target, and q elsewhere:  loss = sum_c q_c (-log s_c),  infinite where a class is impossible
struct CrossEntropyForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        const LineTotals<F> t(s);
        bool known[lanes<F>], infinite[lanes<F>];
        for (int64 j = 0; j < l.rows; ++j) {
            const int64 i = l.index[j];
            known[j] = s.defined[j] && i >= 0;
            infinite[j] = false;
            if (!known[j]) {
                fill_line(l.work[j], l.n, F(0));
                continue;
            }
            const F at = surprise(read_one(l.b[j] + i), s.m[j], t.L[j], l.numbers[j][0]);
            line_surprise(l.b[j], l.work[j], l.n, s.m[j], t.L[j], l.numbers[j][1]);
            l.work[j][i] = at;
            if (l.n > l.length) fill_line(l.work[j] + l.length, l.n - l.length, F(0));
            infinite[j] = line_magnitudes(l.work[j], l.n).most == infinity<F>();
        }
        LineValueSum<F> sum(l.work, l.n, l.rows, l.next_b, l.to, l.guess);
        for (int64 j = 0; j < l.rows; ++j)
            l.value[j] = l.index[j] == IGNORED ? F(0) : !known[j] ? not_a_number<F>() : infinite[j] ? infinity<F>() : sum.high[j];
    }
};

// the cotangent at the target, that elsewhere, and their sum in two words
struct CrossEntropyBackward {
    template <class F> static void lines(Lines<F>& l) {
        Cotangents<F> cotangents[lanes<F>];
        for (int64 j = 0; j < l.rows; ++j) cotangents[j] = {l.numbers[j][0], l.numbers[j][1], {l.numbers[j][2], l.numbers[j][3]}};
        log_prob_gradients(l, cotangents);
    }
};

// ---- entropy

// H = L + E,  E = sum(s D),  D = max - x
struct EntropyForward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.a, l.next_a);
        const Normal<One<F>> total = normalise(s.R);
        store(l.value, entropy_value(log(total), line_mean_distances(s, l.a, l.n, l.rows, reciprocal(total))));
        for (int64 j = 0; j < l.rows; ++j)
            if (!s.defined[j]) l.value[j] = not_a_number<F>();
    }
};

// dx = g s (D - E)
struct EntropyBackward {
    template <class F> static void lines(Lines<F>& l) {
        const LineSumExp<F> s = sum_exp_of(l, l.b, l.next_b);
        const LineTotals<F> t(s);
        const Words<One<F>> mean = line_mean_distances(s, l.b, l.n, l.rows, t.wide);
        alignas(BYTES) F E[lanes<F>], low[lanes<F>];
        store(E, mean.high);
        store(low, mean.low);
        for (int64 j = 0; j < l.rows; ++j) {
            const F g = flush(l.one[j]);
            if (!s.defined[j]) fill_line(l.out[j], l.n, not_a_number<F>());
            else line_entropy_gradient(l.b[j], l.out[j], l.n, s.m[j], t.L[j], t.w(j), Words<F>{E[j], low[j]}, g);
        }
    }
};

// ---- rank: how many logits are greater; -1 in a row with NaN, and for an index outside of it

struct RankForward {
    template <class F> static void lines(Lines<F>& l) {
        for (int64 j = 0; j < l.rows; ++j) {
            const int64 i = l.index[j];
            const bool known = i >= 0 && (l.given ? l.sums[j][0] == l.sums[j][0] : !line_range(l.a[j], l.n).nan);
            l.value[j] = known ? F(line_above(l.a[j], l.n, read_one(l.a[j] + i))) : F(-1);
        }
    }
};

struct RanksForward {
    template <class F> static void lines(Lines<F>& l) {
        for (int64 j = 0; j < l.rows; ++j) {
            const bool known = l.given ? l.sums[j][0] == l.sums[j][0] : !line_range(l.a[j], l.n).nan;
            for (int64 k = 0; k < l.count; ++k) {
                const int64 i = l.indices[j][k];
                l.each[j][k] = known && i >= 0 ? F(line_above(l.a[j], l.n, read_one(l.a[j] + i))) : F(-1);
            }
        }
    }
};

}  // namespace LSMX_TARGET
