// From shapes and strides to the axes that a call is walked along.
#pragma once
#include "core.h"

namespace lsmx {

// An array as it lies in memory
struct View {
    Operand at;
    int dimensions = 0;
    int64_t shape[DIMENSIONS], strides[DIMENSIONS];  // in bytes
};

// The call for arrays of which `rows` has all axes; the reduced ones are those in the bits of `reduced`. Why not, or null.
// The mask broadcasts to the rows; numbers a row have the axes that are kept, or all with ones in place of those that are reduced.
const char* lay_out(Call&, Pass, Type format, const View* const arrays[OPERANDS], const View& rows, uint64_t reduced);

int64_t elements_of(const View&);

// Whether elements lie one after the other
bool in_line(const View&);

// Whether two arrays overlap without being element for element the same, and whether an array overlaps itself
bool overlap(const View&, const View&);
bool overlaps_itself(const View&);

}  // namespace lsmx
