// Rows of any type, byte order and strides copied into rows in line or tiles of floats or doubles, and back.
#pragma once
#include "core.h"
#include "memory.h"
#include "tiles.h"

namespace LSMX_TARGET {

// Element i of row j: at + j row_step + i step, in elements
template <class F> struct Block {
    F* at;
    int64 row_step, step;
    bool tile() const { return step != 1; }
};

// The same in memory: row[j] + shift + i stride, in bytes
struct Rows {
    char* const* row;
    int64 shift, stride, n, rows;
    bool swapped;

    LAW char* at(int64 j, int64 i = 0) const { return row[j] + shift + i * stride; }
    // Whether each row begins so many bytes after the one before
    LAW bool apart(int64 width) const {
        bool all = true;
        for (int64 j = 1; j < rows; ++j) all = all && row[j] - row[j - 1] == width;
        return all;
    }
};

// Doubles of 16-bit floats are made one by one
template <class F, class T> constexpr bool by_vectors = !(sizeof(F) == 8 && sizeof(T) == 2);

// ---- elements one after the other

template <class F, class T> LAW void line_in(const char* p, F* to, int64 n) {
    constexpr int W = lanes<F>, width = int(sizeof(T));
    int64 i = 0;
    if constexpr (by_vectors<F, T>)
        for (; i + W <= n; i += W) store(to + i, One<F>{take<F, T>(p + i * width)});
    for (; i < n; ++i) to[i] = take_one<F, T>(p + i * width, false);
}
template <class F, class T> LAW void line_out(const F* from, char* p, int64 n) {
    constexpr int W = lanes<F>, width = int(sizeof(T));
    int64 i = 0;
    if constexpr (__is_same(T, Bfloat))
        for (; i + 2 * W <= n; i += 2 * W) {
            const auto x = load<Pack<F, 2>>(from + i);
            *reinterpret_cast<Unaligned<unsigned short>*>(p + i * width) = floats_to_bfloats(x.v[0], x.v[1], LanesOf<Native<unsigned short>>{});
        }
    for (; i + W <= n; i += W) give<F, T>(p + i * width, load<One<F>>(from + i).v[0]);
    for (; i < n; ++i) give_one<F, T>(p + i * width, from[i], false);
}

// ---- elements in reverse order, and every second one: how many of them, as the rest goes one by one

template <class F, int... I> LAW Native<F> in_reverse(Native<F> v, Indices<I...>) {
    return __builtin_shufflevector(v, v, (lanes<F> - 1 - I)...);
}
template <class F, int... I> LAW Native<F> every_second(Native<F> a, Native<F> b, Indices<I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...);
}

template <class F, class T> LAW int64 reversed_in(const char* p, F* to, int64 n) {
    constexpr int W = lanes<F>, width = int(sizeof(T));
    int64 i = 0;
    for (; i + W <= n; i += W) store(to + i, One<F>{in_reverse<F>(take<F, T>(p - (i + W - 1) * width), LanesOf<Native<F>>{})});
    return i;
}
template <class F, class T> LAW int64 reversed_out(const F* from, char* p, int64 n) {
    constexpr int W = lanes<F>, width = int(sizeof(T));
    int64 i = 0;
    for (; i + W <= n; i += W)
        give<F, T>(p - (i + W - 1) * width, in_reverse<F>(load<One<F>>(from + i).v[0], LanesOf<Native<F>>{}));
    return i;
}
// what stands after the last element is not read
template <class F, class T> LAW int64 every_second_in(const char* p, F* to, int64 n) {
    constexpr int W = lanes<F>, width = int(sizeof(T));
    int64 i = 0;
    for (; i + W < n; i += W) {
        const char* at = p + 2 * i * width;
        store(to + i, One<F>{every_second<F>(take<F, T>(at), take<F, T>(at + W * width), LanesOf<Native<F>>{})});
    }
    return i;
}

// ---- tiles of rows in line: turned, some columns at a time; the last ones overlap those before

constexpr int64 COLUMNS = 32;  // of rows of other types that are made floats and turned at a time

template <class F, class At> LAW void turned_in(At row, int64 n, F* tile) {
    constexpr int W = lanes<F>, q = quad<F>;
    for (int64 c = 0; c < n; c += q) {
        c = least_of(c, n - q);
        LSMX_EACH(TILE, {
            Native<F> v[q];
            load_columns<F>([&](int lane) __attribute__((always_inline)) { return row(lane + i * W) + c; }, v);
            for (int k = 0; k < q; ++k) store(tile + (c + k) * wide<F> + i * W, One<F>{v[k]});
        })
    }
}
template <class F, class At> LAW void turned_out(const F* tile, At row, int64 n, int64 rows) {
    constexpr int W = lanes<F>, q = quad<F>;
    for (int64 c = 0; c < n; c += q) {
        c = least_of(c, n - q);
        LSMX_EACH(TILE, {
            Native<F> v[q];
            for (int k = 0; k < q; ++k) v[k] = load<One<F>>(tile + (c + k) * wide<F> + i * W).v[0];
            auto at = [&](int lane) __attribute__((always_inline)) { return row(lane + i * W) + c; };
            if (rows == wide<F>) store_columns<F>(at, v, W);
            else if (rows > i * W) store_columns<F>(at, v, int(rows) - i * W);
        })
    }
}

// The columns from c on, of which the last ones overlap those before
template <class Body> LAW void by_columns(int64 n, Body body) {
    for (int64 c = 0; c < n; c += COLUMNS) {
        c = n > COLUMNS ? least_of(c, n - COLUMNS) : 0;
        body(c, least_of(COLUMNS, n));
    }
}

template <class F, class T> LAW void tile_in(const Rows& x, F* tile) {
    if constexpr (__is_same(T, F)) {
        turned_in<F>([&](int64 j) { return reinterpret_cast<const F*>(x.at(j)); }, x.n, tile);
    } else {
        F line[wide<F> * COLUMNS];
        const bool one = x.n <= COLUMNS && x.apart(x.n * x.stride);  // the rows follow each other, as if they were one
        if (one) line_in<F, T>(x.at(0), line, x.n * wide<F>);
        const int64 step = one ? x.n : COLUMNS;
        by_columns(x.n, [&](int64 c, int64 count) {
            for (int64 j = 0; j < wide<F> && !one; ++j) line_in<F, T>(x.at(j, c), line + j * COLUMNS, count);
            turned_in<F>([&](int64 j) { return line + j * step; }, count, tile + c * wide<F>);
        });
    }
}
template <class F, class T> LAW void tile_out(const F* tile, const Rows& x) {
    if constexpr (__is_same(T, F)) {
        turned_out<F>(tile, [&](int64 j) { return reinterpret_cast<F*>(x.at(j)); }, x.n, x.rows);
    } else {
        F line[wide<F> * COLUMNS];
        const bool one = x.n <= COLUMNS && x.apart(x.n * x.stride);
        const int64 step = one ? x.n : COLUMNS;
        by_columns(x.n, [&](int64 c, int64 count) {
            turned_out<F>(tile + c * wide<F>, [&](int64 j) { return line + j * step; }, count, x.rows);
            for (int64 j = 0; j < x.rows && !one; ++j) line_out<F, T>(line + j * COLUMNS, x.at(j, c), count);
        });
        if (one) line_out<F, T>(line, x.at(0), x.n * x.rows);
    }
}

// ---- any rows

template <class F, class T> static void block_in(const Rows& x, Block<F> to) {
    const bool plain = !x.swapped && by_vectors<F, T>, in_line = plain && x.stride == int(sizeof(T));
    if (in_line && !to.tile()) {
        for (int64 j = 0; j < x.rows; ++j) line_in<F, T>(x.at(j), to.at + j * to.row_step, x.n);
    } else if (in_line && x.n >= quad<F> && x.rows == wide<F>) {
        if constexpr (by_vectors<F, T>) tile_in<F, T>(x, to.at);
    } else if (plain && to.tile() && x.rows == wide<F> && x.apart(sizeof(T))) {  // neighbouring rows are neighbours in memory
        for (int64 i = 0; i < x.n; ++i) line_in<F, T>(x.at(0, i), to.at + i * wide<F>, wide<F>);
    } else if (to.tile() && (x.stride > 64 || x.stride < -64)) {  // elements of a row are far from each other
        for (int64 i = 0; i < x.n; ++i)
            for (int64 j = 0; j < x.rows; ++j) to.at[i * to.step + j] = take_one<F, T>(x.at(j, i), x.swapped);
    } else {
        for (int64 j = 0; j < x.rows; ++j) {
            F* o = to.at + j * to.row_step;
            int64 i = 0;
            if constexpr (by_vectors<F, T>) {
                const bool line = plain && !to.tile();
                if (line && x.stride == -int(sizeof(T))) i = reversed_in<F, T>(x.at(j), o, x.n);
                else if (line && x.stride == 2 * int(sizeof(T))) i = every_second_in<F, T>(x.at(j), o, x.n);
            }
            if (!x.swapped) for (; i < x.n; ++i) o[i * to.step] = take_one<F, T>(x.at(j, i), false);
            else for (int64 i = 0; i < x.n; ++i) o[i * to.step] = take_one<F, T>(x.at(j, i), true);
        }
    }
}

template <class F, class T> static void block_out(const Rows& x, Block<F> from) {
    const bool in_line = !x.swapped && x.stride == int(sizeof(T));
    if (in_line && !from.tile()) {
        for (int64 j = 0; j < x.rows; ++j) line_out<F, T>(from.at + j * from.row_step, x.at(j), x.n);
    } else if (in_line && x.n >= quad<F>) {
        tile_out<F, T>(from.at, x);
    } else if (!x.swapped && from.tile() && x.rows == wide<F> && x.apart(sizeof(T))) {
        for (int64 i = 0; i < x.n; ++i) line_out<F, T>(from.at + i * wide<F>, x.at(0, i), wide<F>);
    } else if (from.tile() && (x.stride > 64 || x.stride < -64)) {
        for (int64 i = 0; i < x.n; ++i)
            for (int64 j = 0; j < x.rows; ++j) give_one<F, T>(x.at(j, i), from.at[i * from.step + j], x.swapped);
    } else {
        for (int64 j = 0; j < x.rows; ++j) {
            const F* o = from.at + j * from.row_step;
            int64 i = 0;
            if (!x.swapped && !from.tile() && x.stride == -int(sizeof(T))) i = reversed_out<F, T>(o, x.at(j), x.n);
            if (!x.swapped) for (; i < x.n; ++i) give_one<F, T>(x.at(j, i), o[i * from.step], false);
            else for (int64 i = 0; i < x.n; ++i) give_one<F, T>(x.at(j, i), o[i * from.step], true);
        }
    }
}

// Tiles of rows that are neighbours in memory, side by side: to.row_step is the distance of the tiles
template <class F, class T> static void columns_in(const Rows& x, Block<F> to) {
    for (int64 i = 0; i < x.n; ++i)
        for (int64 j = 0; j < x.rows; j += wide<F>)
            line_in<F, T>(x.at(j, i), to.at + j / wide<F> * to.row_step + i * wide<F>, wide<F>);
}
template <class F, class T> static void columns_out(const Rows& x, Block<F> from) {
    for (int64 i = 0; i < x.n; ++i)
        for (int64 j = 0; j < x.rows; j += wide<F>)
            line_out<F, T>(from.at + j / wide<F> * from.row_step + i * wide<F>, x.at(j, i), wide<F>);
}

template <class F> using Copy = void (*)(const Rows&, Block<F>);

// Over all runs of a row: `along` has the axes of a row, the last of which makes a run
template <class F> static void over_runs(const lsmx::Call& c, int operand, Copy<F> copy, char* const* row, int64 rows, Block<F> block) {
    const lsmx::Axis& run = c.along[c.along_count - 1];
    Rows x = {row, 0, run.stride[operand], run.size, rows, c.at[operand].swapped};
    int64 index[lsmx::DIMENSIONS];
    for (int k = 0; k < c.along_count; ++k) index[k] = 0;
    for (int64 done = 0; done < c.n; done += run.size) {
        copy(x, {block.at + done * block.step, block.row_step, block.step});
        for (int k = c.along_count - 2; k >= 0; --k) {
            x.shift += c.along[k].stride[operand];
            if (++index[k] < c.along[k].size) break;
            x.shift -= c.along[k].size * c.along[k].stride[operand];
            index[k] = 0;
        }
    }
}

// What copies rows of a type in and out: results are doubles where doubles are computed in, else one of the other types
template <class F> struct Copies {
    static Copy<F> in(const lsmx::Call& c, int operand) {
        static constexpr Copy<F> by[] = {block_in<F, Half>, block_in<F, Bfloat>, block_in<F, float>, block_in<F, double>};
        return operand == lsmx::MASK ? block_in<F, Truths> : by[c.at[operand].type];
    }
    static Copy<F> columns(const lsmx::Call& c, int operand) {
        static constexpr Copy<F> by[] = {columns_in<F, Half>, columns_in<F, Bfloat>, columns_in<F, float>, columns_in<F, double>};
        return operand == lsmx::MASK ? columns_in<F, Truths> : by[c.at[operand].type];
    }
    static Copy<F> out(const lsmx::Call& c, bool columns) {
        if constexpr (sizeof(F) == 8) {
            return columns ? columns_out<F, double> : block_out<F, double>;
        } else {
            static constexpr Copy<F> rows[] = {block_out<F, Half>, block_out<F, Bfloat>, block_out<F, float>};
            static constexpr Copy<F> sides[] = {columns_out<F, Half>, columns_out<F, Bfloat>, columns_out<F, float>};
            return (columns ? sides : rows)[c.at[lsmx::OUT].type];
        }
    }
};

template <class F> LAW void rows_in(const lsmx::Call& c, int operand, char* const* row, int64 rows, Block<F> to) {
    over_runs<F>(c, operand, Copies<F>::in(c, operand), row, rows, to);
}
template <class F> LAW void rows_out(const lsmx::Call& c, char* const* row, int64 rows, Block<F> from) {
    over_runs<F>(c, lsmx::OUT, Copies<F>::out(c, false), row, rows, from);
}

// Whether so many rows of an operand are neighbours in memory, as the passes' numbers or as what is made of them by vectors
template <class F> LAW bool side_by_side(const lsmx::Call& c, int operand, char* const* row, int64 rows) {
    const bool bytes = operand == lsmx::MASK;
    const int width = bytes ? 1 : lsmx::width_of[c.at[operand].type];
    return !c.at[operand].swapped && (bytes || !(sizeof(F) == 8 && width == 2)) && Rows{row, 0, 0, 1, rows, false}.apart(width);
}

// Some tiles, `size` elements apart: those past the last row have it again
template <class F> static void tiles_in(const lsmx::Call& c, int operand, char* const* row, int64 tiles, F* to, int64 size) {
    if (tiles > 1 && side_by_side<F>(c, operand, row, tiles * wide<F>)) {
        over_runs<F>(c, operand, Copies<F>::columns(c, operand), row, tiles * wide<F>, {to, size, wide<F>});
    } else {
        for (int64 k = 0; k < tiles; ++k) rows_in<F>(c, operand, row + k * wide<F>, wide<F>, {to + k * size, 1, wide<F>});
    }
}
template <class F> static void tiles_out(const lsmx::Call& c, char* const* row, int64 rows, const F* from, int64 size) {
    F* block = const_cast<F*>(from);
    if (rows > wide<F> && rows % wide<F> == 0 && side_by_side<F>(c, lsmx::OUT, row, rows)) {
        over_runs<F>(c, lsmx::OUT, Copies<F>::out(c, true), row, rows, {block, size, wide<F>});
    } else {
        for (int64 j = 0; j < rows; j += wide<F>)
            rows_out<F>(c, row + j, least_of(wide<F>, rows - j), {block + j / wide<F> * size, 1, wide<F>});
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
// An index into a row
constexpr int64 OUTSIDE = -1, IGNORED = -2;
LAW int64 index_in(const lsmx::Call& c, const char* p) {
    const lsmx::Operand& x = c.at[lsmx::INDEX];
    unsigned char bytes[8];
    const int width = lsmx::width_of[x.type];
    for (int i = 0; i < width; ++i) bytes[i] = p[x.swapped ? width - 1 - i : i];
    int64 index = 0;
    if (width == 4) {
        int narrow;
        __builtin_memcpy(&narrow, bytes, 4);
        index = narrow;
    } else {
        __builtin_memcpy(&index, bytes, 8);
    }
    if (c.ignores && index == c.ignored) return IGNORED;
    return index >= 0 && index < c.n ? index : OUTSIDE;
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
