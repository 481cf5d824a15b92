// The sum of one number a row, rounded once.
#pragma once
#include "geometry.h"

namespace lsmx {

// [round(sum v) / divisor] of numbers that lie one after the other, into each element of out, which do too
void mean_of(const View& v, const View& divisor, const View& out, bool zero_if_empty);

}  // namespace lsmx
