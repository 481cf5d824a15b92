// From addresses and strides to rows of logits and what they have beside them. All arguments are 64-bit integers, as in kernels.cuh.

namespace lsmx {

// What an operand of numbers a row has in memory; NUMBER: no memory, but one number for all rows, as its bits in the place of the address
enum Type { NO_NUMBERS, FLOAT16, BFLOAT16, FLOAT32, FLOAT64, INT32, INT64, NUMBER };

struct LossCall {
    Operand a, b, one, index, temperature, sums, out;
    Turns turns;
    long long types;             // four bits for each of one, index, temperature and sums
    long long ignores, ignored;  // whether rows with some index count as 0, and which

    LAW int type(int which) const { return int(types >> (4 * which)) & 15; }
};

template <class F> LAW F number_at(const Operand& x, int type, long long o, long long i, long long k = 0) {
    if (type == NUMBER) return floats(Unsigned<F>(x.address));
    if constexpr (sizeof(F) == 8) {
        return x.at<const F>(o, i)[k * x.along];
    } else {
        if (type == FLOAT16) return widen(x.at<const Half>(o, i)[k * x.along]);
        if (type == BFLOAT16) return widen(x.at<const Bfloat>(o, i)[k * x.along]);
        return x.at<const F>(o, i)[k * x.along];
    }
}

LAW long long index_at(const LossCall& call, long long o, long long i) {
    if (call.type(1) == NO_NUMBERS) return OUTSIDE;
    const long long index = call.type(1) == INT32 ? *call.index.at<const int>(o, i) : *call.index.at<const long long>(o, i);
    if (call.ignores && index == call.ignored) return IGNORED;
    return index >= 0 && index < call.turns.n ? index : OUTSIDE;
}

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
    row.divides = call.type(2) != NO_NUMBERS;
    row.temperature = row.divides ? divisor(number_at<F>(call.temperature, call.type(2), o, i)) : F(1);
    row.one = Pass::numbers || call.type(0) == NO_NUMBERS ? F(0) : number_at<F>(call.one, call.type(0), o, i);
    row.index = index_at(call, o, i);
    row.given = call.type(3) != NO_NUMBERS;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        row.numbers[k] = k < Pass::numbers ? number_at<F>(call.one, call.type(0), o, i, k) : F(0);
        row.sums[k] = row.given ? number_at<F>(call.sums, call.type(3), o, i, k) : F(0);
    }
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
            row.absent[a] = narrow<T>(-infinity<F>());
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
             LSMX_OPERAND(sums), LSMX_OPERAND(out), long long n, long long rows, long long inner, long long size,             \
             long long side_by_side, long long staged, long long types, long long ignores, long long ignored) {               \
        lsmx::run_loss<lsmx::PASS, T, V, HELD>({LSMX_TAKE(a), LSMX_TAKE(b), LSMX_TAKE(one), LSMX_TAKE(index),                 \
                                                LSMX_TAKE(temperature), LSMX_TAKE(sums), LSMX_TAKE(out),                      \
                                                {n, rows, inner, size, side_by_side, staged}, types, ignores, ignored});      \
    }
