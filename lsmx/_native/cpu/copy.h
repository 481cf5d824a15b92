// Rows of any type, byte order and strides copied into rows in line or tiles of floats or doubles, and back. Every conversion is exact
// or rounds to nearest-even.
#pragma once
#include "core.h"
#include "tiles.h"

namespace LSMX_TARGET {

// ---- what lies in memory

struct Half {
    unsigned short word;
};
struct Bfloat {
    unsigned short word;
};
struct Truths {
    unsigned char word;
};

template <class T> struct WordOf {
    using Type = decltype(T::word);
};
template <> struct WordOf<float> {
    using Type = unsigned;
};
template <> struct WordOf<double> {
    using Type = uint64;
};
template <class T> using Word = typename WordOf<T>::Type;

// Of a vector of float's words
LAW Native<float> half_to_float(Native<unsigned> h) {
    using V = Native<unsigned>;
    const V size = h & 0x7fffu, sign = (h & 0x8000u) << 16;
    const V normal = (size << 13) + (112u << 23), special = (size << 13) | 0x7f800000u;
    const V tiny = (V)(__builtin_convertvector((Native<int>)size, Native<float>) * 0x1p-24f);
    const V found = size >= 0x7c00u ? special : size < 0x400u ? tiny : normal;
    return (Native<float>)(found | sign);
}
LAW Native<unsigned> float_to_half(Native<float> x) {
    using V = Native<unsigned>;
    const V b = (V)x, size = b & 0x7fffffffu, sign = (b >> 16) & 0x8000u;
    const V normal = (size - (112u << 23) + 0xfffu + ((size >> 13) & 1u)) >> 13;
    const V tiny = (V)((Native<float>)size + 0.5f) - 0x3f000000u;
    const V special = size > 0x7f800000u ? V{} + 0x7e00u : V{} + 0x7c00u;
    return (size >= 0x47800000u ? special : size < 0x38800000u ? tiny : normal) | (size > 0x7f800000u ? V{} : sign);
}
LAW Native<unsigned> float_to_bfloat(Native<float> x) {
    using V = Native<unsigned>;
    const V b = (V)x;
    return (b & 0x7fffffffu) > 0x7f800000u ? V{} + 0x7fc0u : (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
}

// lanes<F> elements of T at an address, in F; and back
template <class F, class T> LAW Native<F> take(const char* p) {
    const auto w = *reinterpret_cast<const Unaligned<Word<T>, lanes<F> * int(sizeof(T))>*>(p);
    if constexpr (__is_same(T, Half)) {
        return half_to_float(__builtin_convertvector(w, Native<unsigned>));
    } else if constexpr (__is_same(T, Bfloat)) {
        return (Native<float>)(__builtin_convertvector(w, Native<unsigned>) << 16);
    } else if constexpr (__is_same(T, Truths)) {
        return __builtin_convertvector(__builtin_convertvector(w, Native<Signed<F>>), Native<F>);
    } else {
        typedef T V __attribute__((vector_size(lanes<F> * int(sizeof(T)))));
        return __builtin_convertvector((V)w, Native<F>);
    }
}
template <class F, class T> LAW void give(char* p, Native<F> x) {
    using Memory = Unaligned<Word<T>, lanes<F> * int(sizeof(T))>;
    typedef Word<T> W __attribute__((vector_size(lanes<F> * int(sizeof(T)))));
    if constexpr (sizeof(T) == 2) {
        const Native<unsigned> w = __is_same(T, Half) ? float_to_half(x) : float_to_bfloat(x);
        *reinterpret_cast<Memory*>(p) = __builtin_convertvector(w, W);
    } else {
        typedef T V __attribute__((vector_size(lanes<F> * int(sizeof(T)))));
        *reinterpret_cast<Memory*>(p) = (W)__builtin_convertvector(x, V);
    }
}

template <class W> LAW W swapped_bytes(W w) {
    if constexpr (sizeof(W) == 2) return __builtin_bswap16(w);
    else if constexpr (sizeof(W) == 4) return __builtin_bswap32(w);
    else if constexpr (sizeof(W) == 8) return __builtin_bswap64(w);
    else return w;
}
template <class F, class T> LAW F take_one(const char* p, bool swapped) {
    Word<T> w;
    __builtin_memcpy(&w, p, sizeof w);
    if (swapped) w = swapped_bytes(w);
    if constexpr (__is_same(T, Half)) return F(half_to_float(Native<unsigned>{} + unsigned(w))[0]);
    else if constexpr (__is_same(T, Bfloat)) return F(floats(unsigned(w) << 16));
    else if constexpr (__is_same(T, Truths)) return F(w);
    else return F(floats(w));
}
template <class F, class T> LAW void give_one(char* p, F x, bool swapped) {
    Word<T> w;
    if constexpr (__is_same(T, Half)) w = Word<T>(float_to_half(Native<float>{} + float(x))[0]);
    else if constexpr (__is_same(T, Bfloat)) w = Word<T>(float_to_bfloat(Native<float>{} + float(x))[0]);
    else w = bits(T(x));
    if (swapped) w = swapped_bytes(w);
    __builtin_memcpy(p, &w, sizeof w);
}

// ---- blocks: element i of row j at block + j row_step + i step, in elements; in memory at row[j] + shift + i stride, in bytes

template <class F> struct Block {
    F* at;
    int64 row_step, step;
    bool tile() const { return step != 1; }
};

LAW bool neighbours(char* const* row, int64 rows, int64 width) {
    bool all = true;
    for (int64 j = 1; j < rows; ++j) all = all && row[j] - row[j - 1] == width;
    return all;
}

template <class F, class T>
ALONE void block_in(char* const* row, int64 shift, int64 stride, bool swapped, int64 n, int64 rows, Block<F> to) {
    constexpr int W = lanes<F>, q = quad<F>;
    // doubles of 16-bit floats are made one by one
    constexpr bool wider = sizeof(F) == 8 && sizeof(T) == 2;
    const bool plain = !swapped && !wider, in_line = plain && stride == int(sizeof(T));
    if constexpr (!wider) if (in_line && !to.tile()) {
        for (int64 j = 0; j < rows; ++j) {
            const char* p = row[j] + shift;
            F* o = to.at + j * to.row_step;
            int64 i = 0;
            for (; i + W <= n; i += W) store(o + i, One<F>{take<F, T>(p + i * int(sizeof(T)))});
            for (; i < n; ++i) o[i] = take_one<F, T>(p + i * int(sizeof(T)), false);
        }
        return;
    }
    if (to.tile()) {
        const int64 full = wide<F>;
        if constexpr (__is_same(T, F)) {
            if (in_line && n >= q && rows == full) {  // turned, some columns at a time; the last ones overlap those before
                for (int64 c = 0; c < n; c += q) {
                    c = least_of(c, n - q);
                    LSMX_EACH(TILE, {
                        Native<F> v[q];
                        load_columns<F>([&](int lane) __attribute__((always_inline)) { return reinterpret_cast<const F*>(row[lane + i * W] + shift) + c; }, v);
                        for (int k = 0; k < q; ++k) store(to.at + (c + k) * full + i * W, One<F>{v[k]});
                    })
                }
                return;
            }
        }
        if constexpr (!wider) if (plain && rows == full && neighbours(row, full, int(sizeof(T)))) {
            for (int64 i = 0; i < n; ++i) {  // neighbouring rows are neighbours in memory
                const char* p = row[0] + shift + i * stride;
                for (int k = 0; k < TILE; ++k) store(to.at + i * full + k * W, One<F>{take<F, T>(p + k * W * int(sizeof(T)))});
            }
            return;
        }
        if (stride > 64 || stride < -64) {
            for (int64 i = 0; i < n; ++i)
                for (int64 j = 0; j < rows; ++j) to.at[i * full + j] = take_one<F, T>(row[j] + shift + i * stride, swapped);
            return;
        }
    }
    for (int64 j = 0; j < rows; ++j) {
        const char* p = row[j] + shift;
        F* o = to.at + j * to.row_step;
        if (!swapped) for (int64 i = 0; i < n; ++i) o[i * to.step] = take_one<F, T>(p + i * stride, false);
        else for (int64 i = 0; i < n; ++i) o[i * to.step] = take_one<F, T>(p + i * stride, true);
    }
}

template <class F, class T>
ALONE void block_out(char* const* row, int64 shift, int64 stride, bool swapped, int64 n, int64 rows, Block<F> from) {
    constexpr int W = lanes<F>, q = quad<F>;
    const bool plain = !swapped, in_line = plain && stride == int(sizeof(T));
    if (in_line && !from.tile()) {
        for (int64 j = 0; j < rows; ++j) {
            char* p = row[j] + shift;
            const F* o = from.at + j * from.row_step;
            int64 i = 0;
            for (; i + W <= n; i += W) give<F, T>(p + i * int(sizeof(T)), load<One<F>>(o + i).v[0]);
            for (; i < n; ++i) give_one<F, T>(p + i * int(sizeof(T)), o[i], false);
        }
        return;
    }
    if (from.tile()) {
        const int64 full = wide<F>;
        if constexpr (__is_same(T, F)) {
            if (in_line && n >= q) {
                for (int64 c = 0; c < n; c += q) {
                    c = least_of(c, n - q);
                    LSMX_EACH(TILE, {
                        Native<F> v[q];
                        for (int k = 0; k < q; ++k) v[k] = load<One<F>>(from.at + (c + k) * full + i * W).v[0];
                        auto at = [&](int lane) __attribute__((always_inline)) { return reinterpret_cast<F*>(row[lane + i * W] + shift) + c; };
                        if (rows == full) store_columns<F>(at, v, W);
                        else if (rows > i * W) store_columns<F>(at, v, int(rows) - i * W);
                    })
                }
                return;
            }
        }
        if (plain && rows == full && neighbours(row, full, int(sizeof(T)))) {
            for (int64 i = 0; i < n; ++i) {
                char* p = row[0] + shift + i * stride;
                for (int k = 0; k < TILE; ++k) give<F, T>(p + k * W * int(sizeof(T)), load<One<F>>(from.at + i * full + k * W).v[0]);
            }
            return;
        }
        if (stride > 64 || stride < -64) {
            for (int64 i = 0; i < n; ++i)
                for (int64 j = 0; j < rows; ++j) give_one<F, T>(row[j] + shift + i * stride, from.at[i * full + j], swapped);
            return;
        }
    }
    for (int64 j = 0; j < rows; ++j) {
        char* p = row[j] + shift;
        const F* o = from.at + j * from.row_step;
        if (plain) for (int64 i = 0; i < n; ++i) give_one<F, T>(p + i * stride, o[i * from.step], false);
        else for (int64 i = 0; i < n; ++i) give_one<F, T>(p + i * stride, o[i * from.step], true);
    }
}

template <class F> using Copy = void (*)(char* const*, int64, int64, bool, int64, int64, Block<F>);

// Over all runs of a row: `along` has the axes of a row, the last of which makes a run
template <class F> static void over_runs(const lsmx::Call& c, int operand, Copy<F> copy, char* const* row, int64 rows, Block<F> block) {
    const lsmx::Axis& run = c.along[c.along_count - 1];
    const int64 stride = run.stride[operand];
    const bool swapped = c.at[operand].swapped;
    int64 index[lsmx::DIMENSIONS] = {}, shift = 0;
    for (int64 done = 0; done < c.n; done += run.size) {
        copy(row, shift, stride, swapped, run.size, rows, {block.at + done * block.step, block.row_step, block.step});
        for (int k = c.along_count - 2; k >= 0; --k) {
            shift += c.along[k].stride[operand];
            if (++index[k] < c.along[k].size) break;
            shift -= c.along[k].size * c.along[k].stride[operand];
            index[k] = 0;
        }
    }
}

template <class F> LAW void rows_in(const lsmx::Call& c, int operand, char* const* row, int64 rows, Block<F> to) {
    static constexpr Copy<F> in[lsmx::TYPES] = {block_in<F, Half>, block_in<F, Bfloat>, block_in<F, float>, block_in<F, double>};
    over_runs<F>(c, operand, operand == lsmx::MASK ? block_in<F, Truths> : in[c.at[operand].type], row, rows, to);
}
template <class F> LAW void rows_out(const lsmx::Call& c, char* const* row, int64 rows, Block<F> from) {
    // results are doubles where doubles are computed in, else one of the other types
    if constexpr (sizeof(F) == 8) {
        over_runs<F>(c, lsmx::OUT, block_out<F, double>, row, rows, from);
    } else {
        static constexpr Copy<F> out[] = {block_out<F, Half>, block_out<F, Bfloat>, block_out<F, float>};
        over_runs<F>(c, lsmx::OUT, out[c.at[lsmx::OUT].type], row, rows, from);
    }
}

// One number a row
template <class F> LAW F one_in(const lsmx::Operand& x, const char* p) {
    switch (x.type) {
        case lsmx::FLOAT16: return take_one<F, Half>(p, x.swapped);
        case lsmx::BFLOAT16: return take_one<F, Bfloat>(p, x.swapped);
        case lsmx::FLOAT32: return take_one<F, float>(p, x.swapped);
        default: return take_one<F, double>(p, x.swapped);
    }
}
template <class F> LAW void one_out(const lsmx::Operand& x, char* p, F value) {
    switch (x.type) {
        case lsmx::FLOAT16: return give_one<F, Half>(p, value, x.swapped);
        case lsmx::BFLOAT16: return give_one<F, Bfloat>(p, value, x.swapped);
        case lsmx::FLOAT32: return give_one<F, float>(p, value, x.swapped);
        default: return give_one<F, double>(p, value, x.swapped);
    }
}

}  // namespace LSMX_TARGET
