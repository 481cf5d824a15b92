// From addresses and strides to rows. All arguments are 64-bit integers: addresses, counts, and strides in elements.

namespace lsmx {

// Packs of V elements of each operand that a thread has in registers at a time, of so many elements of a row that is held
template <int V, bool HELD, int ELEMENTS> constexpr int slots = (HELD ? ELEMENTS : ELEMENTS / 2) < V ? 1 : (HELD ? ELEMENTS : ELEMENTS / 2) / V;

struct Operand {
    long long address, along, outer, inner;  // of its first element; from element to element; between rows, which have two axes

    template <class T> LAW T* at(long long o, long long i) const {
        return reinterpret_cast<T*>(address) + (o * outer + i * inner);
    }
};

// A copy of the row in shared memory. Each thread copies the elements that it will walk itself, so that none has to wait.
template <class T, int OPERANDS, int V> LAW void stage(const Team& team, Row<T, OPERANDS>& row) {
    const long long bytes = (row.n * sizeof(T) + 15) / 16 * 16;
#pragma unroll
    for (int a = 0; a < OPERANDS; ++a) {
        T* to = reinterpret_cast<T*>(reinterpret_cast<char*>(room + blockDim.x) + a * bytes);
        for (int i = team.rank * V; i < row.n; i += team.size * V)
            put<T, V>(to, 1, i, row.n, fetch<T, V>(row.from[a], row.along[a], i, row.n, row.absent[a]));
        row.from[a] = to;
        row.along[a] = 1;
    }
}

// How the rows of a call lie, and how threads share them
struct Turns {
    long long n, rows, inner, size, side_by_side, staged;

    // Blocks take rows in turn: body(o, i, mine) with the place of a team's row. A team without one computes the first, not its own (mine).
    template <class Body> LAW void each(const Team& team, Body body) const {
        const long long step = (long long)gridDim.x * team.rows;
        for (long long first = (long long)blockIdx.x * team.rows; first < rows; first += step) {
            const long long own = first + team.row, at = own < rows ? own : 0;
            body(inner == 1 ? at : at / inner, inner == 1 ? 0 : at % inner, own < rows);
        }
    }

    // A row as a thread walks it
    template <int V, bool HELD, int ELEMENTS = 16, class T, int N> LAW auto values(const Team& team, Row<T, N>& row) const {
        if (!HELD && staged) stage<T, N, V>(team, row);
        return typename WalkOf<T, N, V, slots<V, HELD, ELEMENTS>, HELD>::Type(team, row);
    }
};

struct Call {
    Operand a, b, c, out;
    Turns turns;
};

template <class Pass, class T, int V, bool HELD> LAW void run(const Call& call) {
    using F = typename Computed<T>::Type;
    constexpr int N = Pass::operands;
    const Team team(call.turns.size, call.turns.side_by_side);
    call.turns.each(team, [&](long long o, long long i, bool mine) {
        const Operand& x = Pass::single ? call.b : call.a;
        Row<T, N> row;
        row.from[0] = x.at<const T>(o, i);
        row.along[0] = x.along;
        row.from[N - 1] = N == 2 ? call.b.at<const T>(o, i) : row.from[0];
        row.along[N - 1] = N == 2 ? call.b.along : row.along[0];
#pragma unroll
        for (int a = 0; a < N; ++a) row.absent[a] = narrow<T>(Pass::template absent<F>(a));
        row.out = call.out.at<T>(o, i);
        row.out_along = call.out.along;
        row.n = mine ? call.turns.n : 0;  // a row of no elements, if there is none
        const T* g = call.a.at<const T>(o, i);
        Pass::template run<T, F>(team, call.turns.values<V, HELD>(team, row), g);
    });
}

}  // namespace lsmx

#define LSMX_OPERAND(x) long long x, long long x##_along, long long x##_outer, long long x##_inner
#define LSMX_TAKE(x) {x, x##_along, x##_outer, x##_inner}
#define LSMX_KERNEL(NAME, THREADS, BLOCKS, PASS, T, V, HELD)                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                             \
        NAME(LSMX_OPERAND(a), LSMX_OPERAND(b), LSMX_OPERAND(c), LSMX_OPERAND(out), long long n, long long rows,              \
             long long inner, long long size, long long side_by_side, long long staged) {                                    \
        lsmx::run<lsmx::PASS, T, V, HELD>({LSMX_TAKE(a), LSMX_TAKE(b), LSMX_TAKE(c), LSMX_TAKE(out),                         \
                                           {n, rows, inner, size, side_by_side, staged}});                                   \
    }
