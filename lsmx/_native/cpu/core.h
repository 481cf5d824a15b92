// What the targets offer, and how they are called.
#pragma once
#include <stdint.h>

namespace lsmx {

// What lies in memory. An element of the other byte order, or at an odd address, is read and written byte by byte.
enum Type : int { FLOAT16, BFLOAT16, FLOAT32, FLOAT64, TYPES, BOOL = TYPES, INT32, INT64, EVERY_TYPE };
constexpr int width_of[EVERY_TYPE] = {2, 2, 4, 8, 1, 4, 8};

enum Pass : int {
    LOG_SOFTMAX_FORWARD,
    LOG_SOFTMAX_BACKWARD,
    LOG_SOFTMAX_BACKWARD_Z,
    LOG_SOFTMAX_JVP,
    LOG_SOFTMAX_JVP_Z,
    SOFTMAX_FORWARD,
    SOFTMAX_BACKWARD,
    LOGSUMEXP_FORWARD,
    LOGSUMEXP_BACKWARD,
    LOGSUMEXP_JVP,
    LOG_PROB_FORWARD,
    LOG_PROB_BACKWARD,
    ENTROPY_FORWARD,
    ENTROPY_BACKWARD,
    RANK_FORWARD,
    CROSS_ENTROPY_FORWARD,
    CROSS_ENTROPY_BACKWARD,
    KL_FORWARD,
    KL_BACKWARD_Z,
    KL_BACKWARD_W,
    ROW_SUMS_FORWARD,
    WEIGHTED_FORWARD,
    WEIGHTED_BACKWARD,
    OF_FORWARD,
    OF_BACKWARD_Z,
    OF_BACKWARD_TARGET,
    JS_FORWARD,
    JS_BACKWARD_Z,
    JS_BACKWARD_W,
    LOG_PROBS_FORWARD,
    LOG_PROBS_BACKWARD,
    RANKS_FORWARD,
    ROW_TOP_FORWARD,
    ROW_DIGITS_FORWARD,
    ROW_MAGNITUDE_FORWARD,
    ROW_INTEGER_FORWARD,
    ROW_GRADIENT_BACKWARD,
    PASSES
};

// What a pass does where it is given what ROW_SUMS_FORWARD found of its rows: it cannot be, it does not walk its rows to find them, or it
// does not walk them at all, but takes the element at the index; or it has to be given what is known of the whole row
enum Sums { NO_SUMS, WALKS, PICKS, NEEDS };

constexpr int SEVERAL = 2;

// Whether a temperature and a soft cap apply to a pass: to its logits, or also to its result, which is a gradient by them
enum Scales { NOT_SCALED, LOGITS, GRADIENT };

// What a pass takes and gives
struct Shape {
    const char* name;
    int rows;         // operands that have all of a row
    bool one;         // and one that has one number a row
    int reduces;      // the result has so many numbers a row, or 0: all of a row
    double absent[2]; // what the operands have where a mask is false
    double left;      // what the result has there
    int index;        // an integer a row, which says where in it; or SEVERAL, with as many cotangents or results
    bool lines;       // rows in line only: short ones are made as long as a vector
    Scales scales;
    int numbers;      // so many numbers a row lie together where its one is, in the format that is computed in
    Sums sums;        // what it does with the sums of exponentials of its rows, if they are given
    bool targets;     // its rows are compared with a number for each class, made of weights, smoothing, and an index or its first operand

    bool capped() const { return scales && (rows == 1 || targets); }  // divergences take no soft cap
};
const Shape& shape_of(Pass);

constexpr int OPERANDS = 9, DIMENSIONS = 64;
// operands: of rows, one number a row, a mask, the result; an index into each row, what its logits are divided by, their sums, and a weight
// for each class
enum { A, B, ONE, MASK, OUT, INDEX, TEMPERATURE, SUMS, WEIGHT };
constexpr int NUMBERS = 4;  // at most
constexpr int PARTS = 4;    // of the sum of exponentials of a row: its maximum, the second largest logit, and R in two words

struct Operand {
    char* data = nullptr;  // of the first element; null if there is none
    Type type = FLOAT32;   // a mask's elements are bytes
    bool swapped = false;  // of the other byte order
};

// Some steps along one axis, and what each means for the operands, in bytes
struct Axis {
    int64_t size;
    int64_t stride[OPERANDS];
};

// rows of n elements. The axes along a row and those from row to row are ordered from outermost to innermost; there is at least one.
struct Call {
    Pass pass;
    Type format;  // computed in: FLOAT32 or FLOAT64
    Operand at[OPERANDS];
    int along_count, across_count;
    Axis along[DIMENSIONS], across[DIMENSIONS];
    int64_t n, rows;
    bool ignores = false;  // whether rows with one index count as 0
    int64_t ignored = 0;
    bool opposite = false;  // a loss, -log_prob: the numbers a row have the other sign
    double softcap = 0;  // none
    double smoothing = 0;
    int64_t indices = 1;  // for each row
    int64_t index_step = 0, each_step = 0;  // from one to the next, and from what belongs to one, or one of a row's results, to the next, in bytes
    int64_t part = 0;  // from one of a row's sums that are given to the next, in bytes
};

// A part of the rows. False if there is no memory.
using Run = bool (*)(const Call&, int64_t start, int64_t stop);

struct Target {
    const char* name;
    bool (*available)();
    int64_t (*multiple)(const Call&);  // rows are shared out in multiples of so many
    Run run;
};

const Target* const* targets();        // best first; ends with null
const Target* target();                // the one in use
const char* use(const char* name);     // by name, or the best one if null; why not, or null

// All rows, by so many threads
bool run_all(const Call&, int threads);

// How many threads calls use whose library does not say
int threads_in_use();
void use_threads(int);

}  // namespace lsmx
