// The threads that share a row. What they add up and compare is exact, so that their number and order cannot matter.

namespace lsmx {

extern __shared__ long long room[];  // one for every thread; a row that is kept in shared memory comes after them

// The two largest of some numbers, -inf where there are fewer; NaN as the first one if there is any
template <class F> struct Two {
    F first, second;

    LAW Two with(F x) const {
        return {unordered(first) ? first : unordered(x) ? x : larger(x, first), larger(second, smaller(x, first))};
    }
};

struct Team {
    int rank, size;     // which of the threads that share the row: a power of two, and if more than a warp the whole block
    int row, rows;      // which of the rows that the block has at a time
    bool side_by_side;  // neighbouring threads have neighbouring rows; otherwise neighbouring elements
    unsigned lanes;     // those of the warp that are in the team

    LAW Team(int size, bool side_by_side) : size(size), rows(blockDim.x / size), side_by_side(side_by_side) {
        int thread = threadIdx.x;
        rank = side_by_side ? thread / rows : thread % size;
        row = side_by_side ? thread % rows : thread / size;
        lanes = size < 32 ? ((1u << size) - 1) << (thread % 32 / size * size) : ~0u;
    }

    // op over the team, for an op that is associative and commutative to the bit
    template <class V, class Op> LAW V reduce(V v, Op op) const {
        if (size == 1) return v;
        V* all = reinterpret_cast<V*>(room);
        if (side_by_side) {
            all[threadIdx.x] = v;
            __syncthreads();
            v = all[row];
            for (int i = 1; i < size; ++i) v = op(v, all[row + i * rows]);
            __syncthreads();
            return v;
        }
        v = exchange(v, op, min(size, 32), lanes);
        if (size > 32) {
            const int warps = size / 32;
            if (threadIdx.x % 32 == 0) all[threadIdx.x / 32] = v;
            __syncthreads();
            v = exchange(all[threadIdx.x % warps], op, warps, ~0u);
            __syncthreads();
        }
        return v;
    }

    // op over so many neighbouring lanes, a power of two
    template <class V, class Op> LAW static V exchange(V v, Op op, int count, unsigned lanes) {
#pragma unroll 1
        for (int step = count / 2; step; step /= 2) v = op(v, __shfl_xor_sync(lanes, v, step));
        return v;
    }

    LAW long long sum(long long v) const {
        return reduce(v, [](long long a, long long b) { return a + b; });
    }

    // NaN wins
    template <class F> LAW F largest(F v) const {
        return reduce(v, [](F a, F b) { return unordered(a) ? a : unordered(b) ? b : larger(a, b); });
    }

    // Not for NaN
    template <class F> LAW F least(F v) const {
        return reduce(v, [](F a, F b) { return smaller(a, b); });
    }

    // The bitwise or over the team
    LAW int any(int bits) const {
        return reduce(bits, [](int a, int b) { return a | b; });
    }

    // The two largest of the team, from those of each thread, repetition counted; NaN wins
    template <class F> LAW Two<F> two_largest(Two<F> mine) const {
        if (size == 1) return mine;
        F* all = reinterpret_cast<F*>(room);
        if (side_by_side) {
            Two<F> two = {-infinity<F>(), -infinity<F>()};
            all[threadIdx.x] = mine.first;
            __syncthreads();
            for (int i = 0; i < size; ++i) two = two.with(all[row + i * rows]);
            __syncthreads();
            all[threadIdx.x] = mine.second;
            __syncthreads();
            for (int i = 0; i < size; ++i) two.second = larger(all[row + i * rows], two.second);
            __syncthreads();
            return two;
        }
        mine = exchange(mine, min(size, 32), lanes);
        if (size > 32) {
            const int warps = size / 32, warp = threadIdx.x / 32;
            if (threadIdx.x % 32 == 0) {
                all[2 * warp] = mine.first;
                all[2 * warp + 1] = mine.second;
            }
            __syncthreads();
            const int other = threadIdx.x % warps;
            mine = exchange(Two<F>{all[2 * other], all[2 * other + 1]}, warps, ~0u);
            __syncthreads();
        }
        return mine;
    }

    template <class F> LAW static Two<F> exchange(Two<F> mine, int count, unsigned lanes) {
#pragma unroll 1
        for (int step = count / 2; step; step /= 2) {
            F first = __shfl_xor_sync(lanes, mine.first, step), second = __shfl_xor_sync(lanes, mine.second, step);
            mine = mine.with(first);
            mine.second = larger(second, mine.second);
        }
        return mine;
    }
};

}  // namespace lsmx
