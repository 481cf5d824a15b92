// The threads that share a row. What they add up and compare is exact, so that their number and order cannot matter.

namespace lsmx {

extern __shared__ long long room[];  // one for every thread; a row that is kept in shared memory comes after them

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

    // Whether a barrier that follows has to be met: by this team's own word, or, where the teams of a block share their barriers
    // (side_by_side), by that of any of them
    LAW bool any(bool yes) const { return side_by_side ? __syncthreads_or(yes) : yes; }
};

}  // namespace lsmx
