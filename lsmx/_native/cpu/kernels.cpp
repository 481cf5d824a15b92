// The passes of one target: rows are taken from memory as they lie, or copied, and given to a pass. Compiled once for each target, with
// its own flags, LSMX_TARGET (a namespace), LSMX_NAME and LSMX_BYTES.
#include "core.h"
#include "copy.h"
#include "divergence.h"
#include "losses.h"
#include "passes.h"
#include "class_losses.h"

#include <stdlib.h>

namespace LSMX_TARGET {

constexpr int64 SHORT_FORWARD = 192, SHORT_BACKWARD = 192;  // rows of fewer elements go into tiles
constexpr int64 BATCH = 1 << 13;                           // bytes of rows in line that share one logarithm
constexpr int64 PIECE = 1 << 12;                           // bytes that lie together, below which rows are in pieces
constexpr int64 ON_STACK = 1 << 14;                        // bytes of scratch that need no allocation

// Tiles of neighbouring rows that are copied together: as many as make whole lines of the cache, while they fit into it
constexpr int64 LINES = 512, CACHED = 1 << 20;  // bytes
template <class F> constexpr int64 GROUP = LINES / (wide<F> * int64(sizeof(F)));
template <class F> LAW int64 group(int64 n) {
    int64 tiles = GROUP<F>;
    while (tiles > 1 && tiles * n * wide<F> * int64(sizeof(F)) > CACHED) tiles /= 2;
    return tiles;
}

// Where rows begin, counted through the axes from row to row, of the operands that there are
struct Cursor {
    const lsmx::Call& c;
    int present[lsmx::OPERANDS], count = 0;
    int64 index[lsmx::DIMENSIONS], offset[lsmx::OPERANDS] = {};

    Cursor(const lsmx::Call& c, int64 row) : c(c) {
        for (int o = 0; o < lsmx::OPERANDS; ++o)
            if (c.at[o].data) present[count++] = o;
        for (int k = c.across_count - 1; k >= 0; --k) {
            index[k] = row % c.across[k].size;
            row /= c.across[k].size;
            for (int o = 0; o < lsmx::OPERANDS; ++o) offset[o] += index[k] * c.across[k].stride[o];
        }
    }
    // Advances by so many rows, at most those that are left along the innermost axis
    LAW void skip(int64 rows) {
        for (int k = c.across_count - 1; k >= 0; --k, rows = 1) {
            const lsmx::Axis& axis = c.across[k];
            for (int p = 0; p < count; ++p) offset[present[p]] += rows * axis.stride[present[p]];
            if ((index[k] += rows) < axis.size || k == 0) return;
            for (int p = 0; p < count; ++p) offset[present[p]] -= axis.size * axis.stride[present[p]];
            index[k] = 0;
        }
    }
    LAW char* at(int operand) const { return c.at[operand].data + offset[operand]; }
    // Where the next rows begin, each operand's in a line of its own
    template <int MOST> LAW void take(int64 rows, char* (&to)[lsmx::OPERANDS][MOST]) {
        const lsmx::Axis& axis = c.across[c.across_count - 1];
        for (int64 j = 0; j < rows;) {
            const int64 run = least_of(rows - j, axis.size - index[c.across_count - 1]);
            for (int p = 0; p < count; ++p) {
                char *first = at(present[p]), **row = to[present[p]] + j;
                const int64 stride = axis.stride[present[p]];
                for (int64 i = 0; i < run; ++i) row[i] = first + i * stride;
            }
            skip(run);
            j += run;
        }
    }
};

// Rows of an operand that lie in memory as the passes read and write them
template <class F> LAW bool direct(const lsmx::Call& c, int operand) {
    const lsmx::Type type = sizeof(F) == 4 ? lsmx::FLOAT32 : lsmx::FLOAT64;
    return c.at[operand].type == type && !c.at[operand].swapped && !c.at[lsmx::MASK].data && c.along_count == 1 &&
           (c.along[0].stride[operand] == int64(sizeof(F)) || c.n == 1);
}

// Rows in line that are taken together, of so many bytes each
template <class F> LAW int64 rows_at_a_time(const lsmx::Call& c, int64 size) {
    // of rows in pieces, those that are neighbours in memory, while the caches keep them
    const bool pieces = c.along_count > 1 && c.along[c.along_count - 1].size * int64(sizeof(F)) < PIECE;
    const int64 together = pieces ? KEPT : BATCH;
    return size >= together ? 1 : least_of(lanes<F>, together / size);
}

// How a call is walked
template <class F> struct Plan {
    const lsmx::Shape& shape;
    bool tile, has_b, copy_a, copy_b, copy_out, masked, scaled, capped, given, picks, in_line, pairs;
    int64 tiles, batch;                    // at a time: tiles, rows
    int64 row_step, blocks, block, work;  // of scratch: elements from row to row, blocks, elements of each, and of what a pass works in
    int64 list = 0;                        // elements for what belongs to several indices of a row

    explicit Plan(const lsmx::Call& c) : shape(lsmx::shape_of(c.pass)) {
        constexpr int64 W = lanes<F>;
        const lsmx::Axis &across = c.across[c.across_count - 1], &along = c.along[c.along_count - 1];
        const int first = shape.rows == 2 || shape.one ? lsmx::B : lsmx::A;  // the operand with the logits, or what was saved of them
        const int64 width = lsmx::width_of[c.at[first].type];
        has_b = c.at[lsmx::B].data != nullptr;
        const bool side_by_side = across.stride[first] == width && across.size >= W && (along.stride[first] != width || along.size < 4);
        const int64 few = has_b ? SHORT_BACKWARD : SHORT_FORWARD;
        scaled = c.at[lsmx::TEMPERATURE].data != nullptr;
        given = c.at[lsmx::SUMS].data != nullptr;
        picks = given && shape.sums == lsmx::PICKS;
        capped = c.softcap > 0;
        pairs = shape.lines && shape.rows == 2 && !shape.targets && !shape.numbers;  // divergences
        in_line = shape.lines || scaled || capped || given;
        tile = !in_line && (c.n < W || side_by_side || (c.n < few && c.rows > 2));
        const bool made = scaled || capped || (in_line && c.n < W);
        masked = c.at[lsmx::MASK].data != nullptr && !picks;
        copy_a = !picks && (made || !direct<F>(c, lsmx::A));
        copy_b = made || !direct<F>(c, lsmx::B);
        copy_out = !shape.reduces && (capped || c.n < W || !direct<F>(c, lsmx::OUT));
        const int64 size = c.n * int64(sizeof(F)) * (has_b ? 2 : 1);
        tiles = tile && side_by_side ? group<F>(c.n) : 1;
        batch = tile ? tiles * wide<F> : rows_at_a_time<F>(c, size);
        row_step = tile ? 1 : (c.n + W - 1) / W * W;
        const bool a = shape.rows > 1 || !shape.one;
        blocks = tile ? 1 + has_b + masked : a * copy_a + has_b * copy_b + masked + copy_out + shape.targets + PAIR_ROWS * pairs;
        work = tile ? c.n * wide<F> : batch * row_step;
        block = work * tiles;
        if (shape.index == lsmx::SEVERAL) list = 2 * c.indices + W;
    }
    int64 bytes() const { return (blocks * block + work) * int64(sizeof(F)) + batch * list * int64(sizeof(F) + sizeof(int64)) + 64; }
};

// Memory for one thread
struct Scratch {
    alignas(64) char local[ON_STACK];
    void* made = nullptr;
    char* at;
    explicit Scratch(int64 bytes) : at(local) {
        if (bytes > ON_STACK && posix_memalign(&made, 64, size_t(bytes)) == 0) at = static_cast<char*>(made);
        else if (bytes > ON_STACK) at = nullptr;
    }
    ~Scratch() { free(made); }
    template <class F> LAW F* take(int64 elements) {
        F* p = reinterpret_cast<F*>(at);
        at += elements * int64(sizeof(F));
        return p;
    }
};

// A temperature, NaN if it is none
template <class F> LAW F divisor(F temperature) {
    using C = Format<F>;
    return temperature >= C::least && temperature < C::largest_divisor ? temperature : not_a_number<F>();
}

// Logits, or a gradient by them, over a temperature
template <class F> ALONE void divide_line(F* x, int64 n, F temperature) {
    const F T = divisor(temperature);
    constexpr int W = lanes<F>;
    int64 i = 0;
    for (; i + W <= n; i += W) store(x + i, divided(load<One<F>>(x + i), spread<One<F>>(T)));
    for (; i < n; ++i) write_one(x + i, divided(read_one(x + i), T));
}

// x where the mask is true, else what stands there
template <class F> ALONE void apply_mask(F* x, const F* mask, int64 n, F absent) {
    constexpr int W = lanes<F>;
    int64 i = 0;
    for (; i + W <= n; i += W) store(x + i, where(load<One<F>>(mask + i) == F(0), spread<One<F>>(absent), load<One<F>>(x + i)));
    for (; i < n; ++i) x[i] = mask[i] == F(0) ? absent : x[i];
}

// Logits under a soft cap, and a gradient by those as one by the logits: of rows that have room for whole vectors
template <class F> ALONE One<F> vector_capped(One<F> z, F cap) { return capped(z, spread<One<F>>(cap)); }
template <class F> ALONE void cap_line(F* z, int64 n, F cap) {
    for (int64 i = 0; i < n; i += lanes<F>) store(z + i, vector_capped<F>(load<One<F>>(z + i), cap));
}
template <class F> ALONE void uncap_line(F* g, const F* z, int64 n, F cap) {
    for (int64 i = 0; i < n; i += lanes<F>) store(g + i, uncapped(load<One<F>>(g + i), load<One<F>>(z + i), spread<One<F>>(cap)));
}

// One element of a row, as a pass is given it
template <class F> ONCE F picked(const lsmx::Call& c, const char* x, const char* mask, int64 index, F temperature) {
    for (int k = c.along_count - 1; k >= 0; --k) {
        const int64 i = index % c.along[k].size;
        index /= c.along[k].size;
        x += i * c.along[k].stride[lsmx::A];
        mask += i * c.along[k].stride[lsmx::MASK];
    }
    const F z = mask && !*mask ? -infinity<F>() : one_in<F>(c.at[lsmx::A], x);
    const F value = c.softcap > 0 ? vector_capped<F>(spread<One<F>>(z), F(c.softcap)).v[0][0] : z;
    return c.at[lsmx::TEMPERATURE].data ? divided(value, divisor(temperature)) : value;
}

template <class F> static bool run_lines(const lsmx::Call& c, const Plan<F>& plan, void (*pass)(Lines<F>&), int64 start, int64 stop) {
    constexpr int64 W = lanes<F>;
    Scratch scratch(plan.bytes());
    if (!scratch.at) return false;
    const lsmx::Shape& s = plan.shape;
    const bool has_a = !(s.one && s.rows == 1);
    F* block_a = has_a && plan.copy_a ? scratch.take<F>(plan.block) : nullptr;
    F* block_b = plan.has_b && plan.copy_b ? scratch.take<F>(plan.block) : nullptr;
    F* mask = plan.masked ? scratch.take<F>(plan.block) : nullptr;
    F* work = scratch.take<F>(plan.work);
    F* block_out = plan.copy_out ? scratch.take<F>(plan.block) : nullptr;
    F* kept = plan.pairs ? scratch.take<F>(PAIR_ROWS * plan.block) : nullptr;
    F* targets = s.targets ? scratch.take<F>(plan.block) : nullptr;
    int64* indices = scratch.take<int64>(plan.batch * plan.list);
    F* each = scratch.take<F>(plan.batch * plan.list);
    Cursor cursor(c, start);
    Lines<F> l;
    l.n = plan.in_line && c.n < W ? W : c.n;
    l.length = c.n;
    l.guess = F(0);
    l.given = plan.given;
    l.smoothing = F(c.smoothing);
    l.weighted = c.at[lsmx::WEIGHT].data != nullptr;
    char* at[lsmx::OPERANDS][W] = {};
    F temperature[W];
    const lsmx::Axis &along = c.along[c.along_count - 1], &across = c.across[0];
    auto soon = [&](int operand, int64 j, int64 rows) {
        return Soon{at[operand][j] + (c.across_count == 1 ? rows * across.stride[operand] : 0), c.along_count == 1 ? along.stride[operand] : 0};
    };
    for (int64 row = start; row < stop; row += l.rows) {
        l.rows = least_of(plan.batch, stop - row);
        cursor.take(l.rows, at);
        for (int64 j = 0; j < l.rows; ++j) {
            l.a[j] = block_a ? block_a + j * plan.row_step : reinterpret_cast<F*>(at[lsmx::A][j]);
            l.b[j] = block_b ? block_b + j * plan.row_step : reinterpret_cast<F*>(at[lsmx::B][j]);
            l.out[j] = block_out ? block_out + j * plan.row_step : s.reduces ? work + j * plan.row_step : reinterpret_cast<F*>(at[lsmx::OUT][j]);
            l.work[j] = work + j * plan.row_step;
            for (int k = 0; plan.pairs && k < PAIR_ROWS; ++k) l.kept[k][j] = kept + k * plan.block + j * plan.row_step;
            l.q[j] = targets ? targets + j * plan.row_step : nullptr;
            l.mask[j] = mask ? mask + j * plan.row_step : nullptr;
            l.next_a[j] = soon(lsmx::A, j, l.rows);
            l.next_b[j] = soon(lsmx::B, j, l.rows);
            l.after_a[j] = soon(lsmx::B, j, block_b ? l.rows : 0);
            l.to[j] = soon(lsmx::OUT, j, 0);
            if (s.numbers) __builtin_memcpy(l.numbers[j], at[lsmx::ONE][j], s.numbers * sizeof(F));
            else if (s.one && s.index != lsmx::SEVERAL) {
                const F one = one_in<F>(c.at[lsmx::ONE], at[lsmx::ONE][j]);
                l.one[j] = c.opposite ? -one : one;
            }
            l.index[j] = s.index == 1 ? index_in(c, at[lsmx::INDEX][j]) : 0;
            temperature[j] = plan.scaled ? one_in<F>(c.at[lsmx::TEMPERATURE], at[lsmx::TEMPERATURE][j]) : F(1);
            for (int k = 0; plan.given && k < lsmx::PARTS; ++k) __builtin_memcpy(&l.sums[j][k], at[lsmx::SUMS][j] + k * c.part, sizeof(F));
            if (plan.picks && s.index == 1 && l.index[j] >= 0) l.one[j] = picked<F>(c, at[lsmx::A][j], at[lsmx::MASK][j], l.index[j], temperature[j]);
            if (s.index != lsmx::SEVERAL) continue;
            l.count = c.indices;
            l.indices[j] = indices + j * plan.list;
            l.each[j] = each + j * plan.list;
            for (int64 k = 0; k < c.indices; ++k) {
                l.indices[j][k] = index_in(c, at[lsmx::INDEX][j] + k * c.index_step);
                if (s.one) l.each[j][k] = one_in<F>(c.at[lsmx::ONE], at[lsmx::ONE][j] + k * c.each_step);
                else if (plan.picks && l.indices[j][k] >= 0) l.each[j][k] = picked<F>(c, at[lsmx::A][j], at[lsmx::MASK][j], l.indices[j][k], temperature[j]);
            }
        }
        if (block_a) rows_in<F>(c, lsmx::A, at[lsmx::A], l.rows, {block_a, plan.row_step, 1});
        if (block_b) rows_in<F>(c, lsmx::B, at[lsmx::B], l.rows, {block_b, plan.row_step, 1});
        if (mask) {
            rows_in<F>(c, lsmx::MASK, at[lsmx::MASK], l.rows, {mask, plan.row_step, 1});
            for (int64 j = 0; j < l.rows; ++j) {
                if (block_a) apply_mask(block_a + j * plan.row_step, mask + j * plan.row_step, c.n, F(s.absent[0]));
                if (block_b) apply_mask(block_b + j * plan.row_step, mask + j * plan.row_step, c.n, F(s.absent[1]));
            }
        }
        if (l.weighted) rows_in<F>(c, lsmx::WEIGHT, at[lsmx::WEIGHT], l.rows, {targets, plan.row_step, 1});
        F* const copies[] = {s.targets && s.rows == 2 ? nullptr : block_a, block_b};
        for (int k = 0; k < 2; ++k) {
            F* logits = copies[k];
            if (!logits) continue;
            for (int64 j = 0; plan.capped && j < l.rows; ++j) cap_line(logits + j * plan.row_step, c.n, F(c.softcap));
            for (int64 j = 0; plan.scaled && j < l.rows; ++j) divide_line(logits + j * plan.row_step, c.n, temperature[j]);
            for (int64 j = 0; l.n > c.n && j < l.rows; ++j) fill_line(logits + j * plan.row_step + c.n, l.n - c.n, F(s.absent[k]));
        }
        pass(l);
        if (plan.scaled && s.scales == lsmx::GRADIENT)
            for (int64 j = 0; j < l.rows; ++j) divide_line(l.out[j], c.n, temperature[j]);
        if (plan.capped && s.scales == lsmx::GRADIENT) {  // by the logits as they were, which are read again
            rows_in<F>(c, lsmx::B, at[lsmx::B], l.rows, {work, plan.row_step, 1});
            for (int64 j = 0; j < l.rows; ++j) uncap_line(l.out[j], work + j * plan.row_step, c.n, F(c.softcap));
        }
        if (s.reduces > 1) {
            for (int64 j = 0; j < l.rows; ++j)
                for (int k = 0; k < lsmx::PARTS; ++k) __builtin_memcpy(at[lsmx::OUT][j] + k * c.each_step, &l.sums[j][k], sizeof(F));
        } else if (s.reduces && s.index == lsmx::SEVERAL) {
            for (int64 j = 0; j < l.rows; ++j)
                for (int64 k = 0; k < l.count; ++k) one_out<F>(c.at[lsmx::OUT], at[lsmx::OUT][j] + k * c.each_step, l.each[j][k]);
        } else if (s.reduces) {
            for (int64 j = 0; j < l.rows; ++j) one_out<F>(c.at[lsmx::OUT], at[lsmx::OUT][j], c.opposite ? flush(F(0) - l.value[j]) : l.value[j]);
        } else if (block_out) {
            if (mask)
                for (int64 j = 0; j < l.rows; ++j) apply_mask(block_out + j * plan.row_step, mask + j * plan.row_step, c.n, F(s.left));
            rows_out<F>(c, at[lsmx::OUT], l.rows, {block_out, plan.row_step, 1});
        }
    }
    return true;
}

template <class F> static bool run_tiles(const lsmx::Call& c, const Plan<F>& plan, void (*pass)(Tile<F>&), int64 start, int64 stop) {
    constexpr int64 S = wide<F>;
    Scratch scratch(plan.bytes());
    if (!scratch.at) return false;
    const lsmx::Shape& s = plan.shape;
    const bool has_a = !(s.one && s.rows == 1);
    const int64 size = plan.work;  // elements of a tile
    F* block_a = scratch.take<F>(plan.block);
    F* block_b = plan.has_b ? scratch.take<F>(plan.block) : nullptr;
    F* work = scratch.take<F>(plan.work);
    F* mask = plan.masked ? scratch.take<F>(plan.block) : nullptr;
    Cursor cursor(c, start);
    constexpr int64 MOST = S * GROUP<F>;
    char* at[lsmx::OPERANDS][MOST];
    F one[MOST], value[MOST];
    Tile<F> t;
    t.n = c.n;
    for (int64 row = start; row < stop; row += plan.batch) {
        const int64 rows = least_of(plan.batch, stop - row), tiles = (rows + S - 1) / S;
        cursor.take(rows, at);
        for (int64 j = rows; j < tiles * S; ++j)  // lanes past the last row have it again
            for (int p = 0; p < cursor.count; ++p) at[cursor.present[p]][j] = at[cursor.present[p]][rows - 1];
        if (has_a) tiles_in<F>(c, lsmx::A, at[lsmx::A], tiles, block_a, size);
        if (block_b) tiles_in<F>(c, lsmx::B, at[lsmx::B], tiles, block_b, size);
        if (mask) {
            tiles_in<F>(c, lsmx::MASK, at[lsmx::MASK], tiles, mask, size);
            if (has_a) apply_mask(block_a, mask, tiles * size, F(s.absent[0]));
            if (block_b) apply_mask(block_b, mask, tiles * size, F(s.absent[1]));
        }
        for (int64 j = 0; s.one && j < tiles * S; ++j) one[j] = one_in<F>(c.at[lsmx::ONE], at[lsmx::ONE][j]);
        for (int64 k = 0; k < tiles; ++k) {
            t.a = block_a + k * size;
            t.b = block_b ? block_b + k * size : nullptr;
            t.work = work;
            if (s.one) t.one = load<Wide<F>>(one + k * S);
            const char* next = cursor.at(has_a ? lsmx::A : lsmx::B);
            t.ahead = {next, block_b ? cursor.at(lsmx::B) : next, at[lsmx::OUT][0], plan.tiles == 1};
            pass(t);
            if (s.reduces) store(value + k * S, t.value);
        }
        if (s.reduces) {
            for (int64 j = 0; j < rows; ++j) one_out<F>(c.at[lsmx::OUT], at[lsmx::OUT][j], value[j]);
        } else {
            if (mask) apply_mask(block_a, mask, tiles * size, F(s.left));
            tiles_out<F>(c, at[lsmx::OUT], rows, block_a, size);
        }
    }
    return true;
}

// A pass on rows in line and on a tile
template <class F> struct Ways {
    void (*lines)(Lines<F>&);
    void (*tile)(Tile<F>&);
};

template <class F> static bool run_format(const lsmx::Call& c, int64 start, int64 stop) {
    static constexpr Ways<F> ways[lsmx::PASSES] = {
        {LogSoftmaxForward::lines, LogSoftmaxForward::tile},     {LogSoftmaxBackward::lines, LogSoftmaxBackward::tile},
        {LogSoftmaxBackwardZ::lines, LogSoftmaxBackwardZ::tile}, {LogSoftmaxJvp::lines, LogSoftmaxJvp::tile},
        {LogSoftmaxJvpZ::lines, LogSoftmaxJvpZ::tile},           {SoftmaxForward::lines, SoftmaxForward::tile},
        {SoftmaxBackward::lines, SoftmaxBackward::tile},         {LogRowSumsForward::lines, LogRowSumsForward::tile},
        {LogSumExpBackward::lines, LogSumExpBackward::tile},     {LogSumExpJvp::lines, LogSumExpJvp::tile},
        {LogProbForward::lines, nullptr},                        {LogProbBackward::lines, nullptr},
        {EntropyForward::lines, nullptr},                        {EntropyBackward::lines, nullptr},
        {RankForward::lines, nullptr},                           {CrossEntropyForward::lines, nullptr},
        {CrossEntropyBackward::lines, nullptr},                  {KlForward::lines, nullptr},
        {KlBackwardZ::lines, nullptr},                           {KlBackwardW::lines, nullptr},
        {RowSumsForward::lines, nullptr},                        {WeightedForward::lines, nullptr},
        {WeightedBackward::lines, nullptr},                      {OfForward::lines, nullptr},
        {OfBackwardZ::lines, nullptr},                           {OfBackwardTarget::lines, nullptr},
        {JsForward::lines, nullptr},                             {JsBackwardZ::lines, nullptr},
        {JsBackwardW::lines, nullptr},                           {LogProbsForward::lines, nullptr},
        {LogProbsBackward::lines, nullptr},                      {RanksForward::lines, nullptr},
        {RowTopForward::lines, nullptr},                         {RowDigitsForward::lines, nullptr},
        {RowMagnitudeForward::lines, nullptr},                   {RowIntegerForward::lines, nullptr},
        {RowGradientBackward::lines, nullptr},
    };
    const Plan<F> plan(c);
    const Ways<F>& way = ways[c.pass];
    return plan.tile ? run_tiles<F>(c, plan, way.tile, start, stop) : run_lines<F>(c, plan, way.lines, start, stop);
}

static bool run(const lsmx::Call& c, int64_t start, int64_t stop) {
    return c.format == lsmx::FLOAT32 ? run_format<float>(c, start, stop) : run_format<double>(c, start, stop);
}

// Rows are shared out in multiples of so many
template <class F> static int64_t multiple_of(const lsmx::Call& c) {
    const Plan<F> plan(c);
    return plan.tile ? plan.batch : 1;
}
static int64_t multiple(const lsmx::Call& c) {
    return c.format == lsmx::FLOAT32 ? multiple_of<float>(c) : multiple_of<double>(c);
}

bool available();  // in targets.cpp, which is compiled for the least of them

extern const lsmx::Target the_target;
const lsmx::Target the_target = {LSMX_NAME, available, multiple, run};

}  // namespace LSMX_TARGET
