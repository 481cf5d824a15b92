#include "geometry.h"

namespace lsmx {

static int64_t size_of(const View& x) { return width_of[x.at.type]; }
static int64_t absolute(int64_t x) { return x < 0 ? -x : x; }

// Strides of an array along all axes of the rows: 0 along those that it lacks or has with length 1. A mask broadcasts. It has so many numbers for each row,
// along the last of the axes of a row, or all of it if that is 0.
static const char* expand(const View& x, int64_t each_row, bool several, bool mask, const View& rows, uint64_t reduced, int64_t* strides, int64_t& step) {
    several = several || each_row > 1;
    const bool dropped = each_row == 1 && !several && x.dimensions != rows.dimensions;
    bool first = true;
    int from = x.dimensions - 1;
    for (int k = rows.dimensions - 1; k >= 0; --k) {
        const bool along = reduced >> k & 1;
        strides[k] = 0;
        if ((dropped && along) || (mask && from < 0)) continue;
        if (from < 0) return "an array has too few axes";
        const bool numbers = several && along && first;
        first = first && !along;
        const int64_t n = x.shape[from], wanted = numbers ? each_row : each_row && along ? 1 : rows.shape[k];
        if (n != wanted && !(mask && n == 1)) return "an array has another shape";
        if (numbers) step = x.strides[from];
        else if (n != 1) strides[k] = x.strides[from];
        --from;
    }
    return from < 0 ? nullptr : "an array has too many axes";
}

// Whether a step along x is larger than one along y
static bool outer(const Axis& x, const Axis& y) {
    for (int o = 0; o < OPERANDS; ++o) {
        const int64_t a = absolute(x.stride[o]), b = absolute(y.stride[o]);
        if (a != b) return a > b;
    }
    return false;
}

// In order from outermost to innermost, unless they are to stay in theirs; neighbours that make one are one
static int joined(Axis* axes, int count, bool stay) {
    for (int i = 1; i < count && !stay; ++i)
        for (int k = i; k > 0 && outer(axes[k], axes[k - 1]); --k) {
            const Axis other = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = other;
        }
    int last = 0;
    for (int i = 1; i < count; ++i) {
        bool one = true;
        for (int o = 0; o < OPERANDS; ++o) one = one && axes[last].stride[o] == axes[i].size * axes[i].stride[o];
        if (one) {
            axes[i].size *= axes[last].size;
            axes[last] = axes[i];
        } else {
            axes[++last] = axes[i];
        }
    }
    if (count) return last + 1;
    axes[0] = {1, {}};
    return 1;
}

const char* lay_out(Call& c, Pass pass, Type format, const View* const arrays[OPERANDS], const View& rows, uint64_t reduced) {
    const Shape& s = shape_of(pass);
    int64_t strides[OPERANDS][DIMENSIONS];
    c.pass = pass;
    c.format = format;
    if (s.index == SEVERAL) {  // along the last of a row's axes
        int last = rows.dimensions - 1;
        while (last >= 0 && !(reduced >> last & 1)) --last;
        if (last < 0 || !arrays[INDEX] || arrays[INDEX]->dimensions != rows.dimensions) return "indices need an axis";
        c.indices = arrays[INDEX]->shape[last];
        if (c.indices < 1) return "there are no indices";
    }
    for (int o = 0; o < OPERANDS; ++o) {
        c.at[o] = arrays[o] ? arrays[o]->at : Operand();
        if (!arrays[o]) {
            for (int k = 0; k < rows.dimensions; ++k) strides[o][k] = 0;
            continue;
        }
        if ((o == SUMS || (o == OUT && s.reduces > 1)) && !reduced) return "sums of rows without an axis";
        const bool several = s.index == SEVERAL && (o == INDEX || o == ONE || (o == OUT && s.reduces));
        const int64_t each_row = o == SUMS ? PARTS : several ? c.indices : o == OUT ? s.reduces : o == ONE || o == INDEX || o == TEMPERATURE;
        int64_t& step = o == INDEX ? c.index_step : o == SUMS ? c.part : c.each_step;
        const char* why = expand(*arrays[o], each_row, several, o == MASK || o == WEIGHT, rows, reduced, strides[o], step);
        if (why) return why;
    }
    c.along_count = c.across_count = 0;
    c.n = c.rows = 1;
    for (int k = 0; k < rows.dimensions; ++k) {
        const bool along = reduced >> k & 1;
        (along ? c.n : c.rows) *= rows.shape[k];
        if (rows.shape[k] == 1) continue;
        Axis& axis = along ? c.along[c.along_count++] : c.across[c.across_count++];
        axis.size = rows.shape[k];
        for (int o = 0; o < OPERANDS; ++o) axis.stride[o] = strides[o][k];
    }
    c.along_count = joined(c.along, c.along_count, s.index);  // an index counts along the axes in the order given
    c.across_count = joined(c.across, c.across_count, false);
    return nullptr;
}

// The addresses that an array lies between, relative to its first element
static void span(const View& x, const char*& low, const char*& high) {
    low = high = x.at.data;
    for (int k = 0; k < x.dimensions; ++k) {
        const int64_t reach = x.strides[k] * (x.shape[k] - 1);
        (reach < 0 ? low : high) += reach;
    }
    high += size_of(x);
}

bool overlap(const View& x, const View& y) {
    const char *a, *b, *c, *d;
    span(x, a, b);
    span(y, c, d);
    if (b <= c || d <= a) return false;
    bool same = x.at.data == y.at.data && size_of(x) == size_of(y) && x.dimensions == y.dimensions;
    for (int k = 0; same && k < x.dimensions; ++k)
        same = x.shape[k] == y.shape[k] && (x.strides[k] == y.strides[k] || x.shape[k] == 1);
    return !same;
}

bool overlaps_itself(const View& x) {
    int order[DIMENSIONS], count = 0;
    for (int k = 0; k < x.dimensions; ++k)
        if (x.shape[k] > 1) order[count++] = k;
    for (int i = 1; i < count; ++i)
        for (int k = i; k > 0 && absolute(x.strides[order[k]]) < absolute(x.strides[order[k - 1]]); --k) {
            const int other = order[k];
            order[k] = order[k - 1];
            order[k - 1] = other;
        }
    int64_t reach = size_of(x) - 1;
    for (int i = 0; i < count; ++i) {
        const int64_t stride = absolute(x.strides[order[i]]);
        if (stride <= reach) return true;
        reach += stride * (x.shape[order[i]] - 1);
    }
    return false;
}

int64_t elements_of(const View& x) {
    int64_t elements = 1;
    for (int k = 0; k < x.dimensions; ++k) elements *= x.shape[k];
    return elements;
}

bool in_line(const View& x) {
    int64_t step = width_of[x.at.type];
    for (int k = x.dimensions - 1; k >= 0; --k) {
        if (x.strides[k] != step && x.shape[k] != 1) return false;
        step *= x.shape[k];
    }
    return true;
}

}  // namespace lsmx
