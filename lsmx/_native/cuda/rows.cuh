// The elements of a row that are a thread's own: in registers, or fetched anew for every walk.

namespace lsmx {

template <class T, int V> struct alignas(V * sizeof(T)) Pack {
    T at[V];
};

// V elements of a row at an index, which lie together if V > 1; past its end, those that change nothing
template <class T, int V> LAW Pack<T, V> fetch(const T* row, long long along, int i, int n, T absent) {
    if (V > 1 && i + V <= n) return *reinterpret_cast<const Pack<T, V>*>(row + i);
    Pack<T, V> pack;
#pragma unroll
    for (int j = 0; j < V; ++j) pack.at[j] = i + j < n ? row[(V > 1 ? 1 : along) * (i + j)] : absent;
    return pack;
}

template <class T, int V> LAW void put(T* row, long long along, int i, int n, Pack<T, V> pack) {
    if (V > 1 && i + V <= n) {
        *reinterpret_cast<Pack<T, V>*>(row + i) = pack;
        return;
    }
#pragma unroll
    for (int j = 0; j < V; ++j)
        if (i + j < n) row[(V > 1 ? 1 : along) * (i + j)] = pack.at[j];
}

// The rows of OPERANDS arrays that belong together, and where the result goes
template <class T, int OPERANDS> struct Row {
    const T* from[OPERANDS];
    long long along[OPERANDS];
    T absent[OPERANDS];
    T* out;
    long long out_along, n;

    // How many elements are left from `start` on, at most 2^30, which is more than a batch has
    LAW int left(long long start) const { return int(min(n - start, 1LL << 30)); }
};

// S packs of each operand for each thread of the team, from one element on
template <class T, int OPERANDS, int V, int S> struct Batch {
    Pack<T, V> packs[OPERANDS][S];

    LAW void load(const Team& team, const Row<T, OPERANDS>& row, long long start) {
        const int n = row.left(start);
#pragma unroll
        for (int k = 0; k < S; ++k) {
            if (k * team.size * V < n) {
#pragma unroll
                for (int a = 0; a < OPERANDS; ++a)
                    packs[a][k] = fetch<T, V>(row.from[a] + start * row.along[a], row.along[a], (k * team.size + team.rank) * V, n,
                                              row.absent[a]);
            }
        }
    }

    // Which element the pack k begins with
    LAW static long long first(const Team& team, long long start, int k) { return start + (k * team.size + team.rank) * V; }

    template <class Body> LAW void each(const Team& team, const Row<T, OPERANDS>& row, long long start, Body body) const {
        const int n = row.left(start);
#pragma unroll
        for (int k = 0; k < S; ++k) {
            if (k * team.size * V < n) {
                const long long i = first(team, start, k);
#pragma unroll
                for (int j = 0; j < V; ++j) body(i + j, widen(packs[0][k].at[j]), widen(packs[OPERANDS - 1][k].at[j]));
            }
        }
    }

    template <class Body> LAW void write(const Team& team, const Row<T, OPERANDS>& row, long long start, Body body) const {
        const int n = row.left(start);
#pragma unroll
        for (int k = 0; k < S; ++k) {
            if (k * team.size * V < n) {
                const long long i = first(team, start, k);
                Pack<T, V> result;
#pragma unroll
                for (int j = 0; j < V; ++j)
                    result.at[j] = narrow<T>(body(i + j, widen(packs[0][k].at[j]), widen(packs[OPERANDS - 1][k].at[j])));
                put(row.out + start * row.out_along, row.out_along, (k * team.size + team.rank) * V, n, result);
            }
        }
    }
};

// Adds walks whose body(a, b) is not told the index of the element to those whose body(i, a, b) is
template <class F, class Values> struct Walks {
    template <class Body, class Settle> LAW void each(Body body, Settle settle) const {
        values().each_at([&](long long, F a, F b) { body(a, b); }, settle);
    }
    template <class Body> LAW void write(Body body) const {
        values().write_at([&](long long, F a, F b) { return body(a, b); });
    }
    LAW const Values& values() const { return static_cast<const Values&>(*this); }
};

// A row of at most one batch: read once
template <class T, int OPERANDS, int V, int S> struct Held : Walks<typename Computed<T>::Type, Held<T, OPERANDS, V, S>> {
    const Team& team;
    const Row<T, OPERANDS>& row;
    Batch<T, OPERANDS, V, S> batch;

    LAW Held(const Team& team, const Row<T, OPERANDS>& row) : team(team), row(row) { batch.load(team, row, 0); }

    // body(i, a, b) for each element; then settle()
    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        batch.each(team, row, 0, body);
        settle();
    }

    template <class Body> LAW void write_at(Body body) const { batch.write(team, row, 0, body); }
};

// A row of any length, from device or shared memory: settle() after every batch
template <class T, int OPERANDS, int V, int S> struct Walked : Walks<typename Computed<T>::Type, Walked<T, OPERANDS, V, S>> {
    const Team& team;
    const Row<T, OPERANDS>& row;

    LAW Walked(const Team& team, const Row<T, OPERANDS>& row) : team(team), row(row) {}

    template <class Body, class Settle> LAW void each_at(Body body, Settle settle) const {
        for (long long start = 0; start < row.n; start += S * team.size * V) {
            Batch<T, OPERANDS, V, S> batch;
            batch.load(team, row, start);
            batch.each(team, row, start, body);
            settle();
        }
    }

    template <class Body> LAW void write_at(Body body) const {
        for (long long start = 0; start < row.n; start += S * team.size * V) {
            Batch<T, OPERANDS, V, S> batch;
            batch.load(team, row, start);
            batch.write(team, row, start, body);
        }
    }
};

template <class T, int OPERANDS, int V, int S, bool HELD> struct WalkOf {
    using Type = Held<T, OPERANDS, V, S>;
};
template <class T, int OPERANDS, int V, int S> struct WalkOf<T, OPERANDS, V, S, false> {
    using Type = Walked<T, OPERANDS, V, S>;
};

}  // namespace lsmx
