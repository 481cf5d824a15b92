// What a row of logits has beside it: numbers of several types, indices, a mask, and what is made of a logit before it enters a loss.

namespace lsmx {

// What numbers of a row are in memory; NUMBER: no memory, but one number for all rows, as its bits in the place of the address
enum Type { NO_NUMBERS, FLOAT16, BFLOAT16, FLOAT32, FLOAT64, INT32, INT64, NUMBER };

constexpr long long OUTSIDE = -1, IGNORED = -2;  // in place of an index: it is not in the row, or its row counts as 0

// Numbers that belong to a row, in what is computed in
template <class F> struct Numbers {
    int type;
    long long address, along;

    LAW bool any() const { return type != NO_NUMBERS; }
    LAW F at(long long k) const {
        if (type == NUMBER) return floats(Unsigned<F>(address));
        if constexpr (sizeof(F) == 8) {
            return of<double>(k);
        } else {
            return type == FLOAT16 ? widen(of<Half>(k)) : type == BFLOAT16 ? widen(of<Bfloat>(k)) : of<float>(k);
        }
    }
    template <class T> LAW T of(long long k) const { return reinterpret_cast<const T*>(address)[k * along]; }
};

// Indices into a row of n classes
struct Indices {
    int type;
    long long address, along, count, n;
    bool ignores;  // one that makes a row count as 0
    long long ignored;

    LAW long long at(long long k) const {
        if (type == NO_NUMBERS) return OUTSIDE;
        const long long i = k * along;
        const long long index = type == INT32 ? reinterpret_cast<const int*>(address)[i] : reinterpret_cast<const long long*>(address)[i];
        if (ignores && index == ignored) return IGNORED;
        return index >= 0 && index < n ? index : OUTSIDE;
    }
};

// Which classes are present: all, if there is none
struct Mask {
    const unsigned char* data;
    long long along;

    LAW bool any() const { return data != nullptr; }
    LAW bool at(long long c) const { return !data || data[c * along] != 0; }
};

// Not inlined, as that would take compilers much longer
template <class F> RARE F quotient(F x, F temperature) { return divided(x, temperature); }
template <class F> RARE F under_cap(F z, F cap) { return capped(z, cap); }
template <class F> RARE F by_uncapped(F g, F z, F cap) { return uncapped(g, z, cap); }

// x = [round(cap tanh([z / cap])) / T]
template <class F> struct Scale {
    bool divides;  // by a temperature, which flushes also where that is 1
    F temperature, cap;  // 0 for none

    LAW F over(F x) const { return divides ? quotient(x, temperature) : x; }
    LAW F logit(F z) const { return over(cap > F(0) ? under_cap(z, cap) : z); }
    // A gradient by x as one by z
    LAW F gradient(F g, F z) const { return cap > F(0) ? by_uncapped(over(g), z, cap) : over(g); }
};

template <class T, class F> struct Beside {
    long long n;  // elements of the row, 0 if there is none
    const T* z;
    long long along;
    Scale<F> scale;
    F one, numbers[4];
    long long index;
    Indices indices;
    Numbers<F> each;  // what belongs to each of them
    F sums[4];        // what RowSumsForward has found, if it is given
    bool given;
    Numbers<F> weight, probability;  // of each class
    Mask mask;
    F smoothing;
    F* value;  // of results that have numbers a row
    long long value_along;

    // The logit at an index, if that is in the row
    LAW F logit_at(long long i) const { return i < 0 ? F(0) : scale.logit(widen(z[i * along])); }
    LAW void give(const Team& team, F result, long long k = 0) const {
        if (team.rank == 0 && n > 0) value[k * value_along] = narrow<F>(result);
    }
};

}  // namespace lsmx
