// From addresses and strides to rows of logits and what they have beside them. All arguments are 64-bit integers, as in kernels.cuh.

namespace lsmx {

struct LossCall {
    Operand a, b, one, index, temperature, sums, weight, mask, out;
    Turns turns;
    long long types;              // four bits for each of one, index, temperature, sums, weight, and for b where that is no logits
    long long ignores, ignored;   // whether rows with some index count as 0, and which
    long long count;              // of indices for each row
    long long softcap, smoothing; // their bits

    LAW int type(int which) const { return int(types >> (4 * which)) & 15; }

    // Of a row: where the numbers of an operand begin
    template <class F> LAW Numbers<F> numbers(const Operand& x, int which, long long o, long long i) const {
        const int kind = type(which), width = kind == FLOAT16 || kind == BFLOAT16 ? 2 : kind == FLOAT64 || kind == INT64 ? 8 : 4;
        const long long skipped = kind == NO_NUMBERS || kind == NUMBER ? 0 : (o * x.outer + i * x.inner) * width;
        return {kind, x.address + skipped, x.along};
    }
};

// A temperature, NaN if it is none
template <class F> LAW F divisor(F temperature) {
    using C = Format<F>;
    return temperature >= C::least && temperature < C::largest_divisor ? temperature : not_a_number<F>();
}

template <class Pass, class T, class F> LAW Beside<T, F> beside(const LossCall& call, long long o, long long i, bool mine) {
    Beside<T, F> row;
    row.n = mine ? call.turns.n : 0;
    row.z = call.a.at<const T>(o, i);
    row.along = call.a.along;
    const Numbers<F> temperature = call.numbers<F>(call.temperature, 2, o, i), sums = call.numbers<F>(call.sums, 3, o, i);
    const F cap = Pass::caps ? floats(Unsigned<F>(call.softcap)) : F(0);
    row.scale = {temperature.any(), temperature.any() ? divisor(temperature.at(0)) : F(1), cap};
    const Numbers<F> index = call.numbers<F>(call.index, 1, o, i);
    row.indices = {index.type, index.address, index.along, call.count, call.turns.n, call.ignores != 0, call.ignored};
    row.index = row.indices.at(0);
    row.each = call.numbers<F>(call.one, 0, o, i);
    row.one = row.each.any() && !Pass::numbers ? row.each.at(0) : F(0);
    row.given = sums.any();
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        row.numbers[k] = k < Pass::numbers ? row.each.at(k) : F(0);
        row.sums[k] = row.given ? sums.at(k) : F(0);
    }
    row.weight = call.numbers<F>(call.weight, 4, o, i);
    row.probability = call.numbers<F>(call.b, 5, o, i);
    row.mask = {call.mask.at<const unsigned char>(o, i), call.mask.along};
    row.smoothing = floats(Unsigned<F>(call.smoothing));
    row.value = call.out.at<F>(o, i);
    row.value_along = call.out.along;
    return row;
}

template <class Pass, class T, int V, bool HELD> LAW void run_loss(const LossCall& call) {
    using F = typename Computed<T>::Type;
    constexpr int N = Pass::operands;
    const Team team(call.turns.size, call.turns.side_by_side);
    call.turns.each(team, [&](long long o, long long i, bool mine) {
        const Beside<T, F> extras = beside<Pass, T, F>(call, o, i, mine);
        if constexpr (Pass::picks) {
            if (extras.given) return Pass::template pick<F>(team, extras, sums_given<F>(extras));
        }
        Row<T, N> row;
#pragma unroll
        for (int a = 0; a < N; ++a) {
            const Operand& x = a ? call.b : call.a;
            row.from[a] = x.at<const T>(o, i);
            row.along[a] = x.along;
            row.absent[a] = narrow<T>(Pass::values ? F(0) : -infinity<F>());
        }
        row.out = call.out.at<T>(o, i);
        row.out_along = call.out.along;
        row.n = extras.n;
        const auto values = call.turns.values<V, HELD, Pass::held>(team, row);
        Pass::template run<F>(team, Scaled<F, decltype(values), Beside<T, F>>(values, extras), extras);
    });
}

}  // namespace lsmx

#define LSMX_LOSS_KERNEL(NAME, THREADS, BLOCKS, PASS, T, V, HELD)                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                             \
        NAME(LSMX_OPERAND(a), LSMX_OPERAND(b), LSMX_OPERAND(one), LSMX_OPERAND(index), LSMX_OPERAND(temperature),             \
             LSMX_OPERAND(sums), LSMX_OPERAND(weight), LSMX_OPERAND(mask), LSMX_OPERAND(out), long long n, long long rows,    \
             long long inner, long long size, long long side_by_side, long long staged, long long types, long long ignores,   \
             long long ignored, long long count, long long softcap, long long smoothing) {                                    \
        lsmx::run_loss<lsmx::PASS, T, V, HELD>({LSMX_TAKE(a), LSMX_TAKE(b), LSMX_TAKE(one), LSMX_TAKE(index),                 \
                                                LSMX_TAKE(temperature), LSMX_TAKE(sums), LSMX_TAKE(weight), LSMX_TAKE(mask),  \
                                                LSMX_TAKE(out), {n, rows, inner, size, side_by_side, staged}, types, ignores, \
                                                ignored, count, softcap, smoothing});                                         \
    }
