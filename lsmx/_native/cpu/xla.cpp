// The passes as XLA's CPU programs call them: one handler of its foreign-function interface for all of them, without Python.
//
//     arguments   the pass's arrays, one row after the other, in the order of its formula; its index, if it takes one; then the mask, if
//                 "mask" is 1; a temperature for each row, if "temperature" is 1; the sums of the rows, if "sums" is 1; and a number for
//                 each class, which broadcasts, if "weight" is 1
//     attributes  "pass", "reduced" (bit k: axis k is one of a row), "mask": integers; "temperature", "sums", "weight", "ignored", an index,
//                 "softcap" and "smoothing", the bits of doubles
//     result      one array
//
// The interface is a stable one of C, of which this is as much as is needed: xla/ffi/api/c_api.h, version 0.1 and its compatible
// successors, https://openxla.org/xla/custom_call. Its structs begin with their size and their extensions.
#include "module.h"

#include <string.h>

namespace lsmx {
namespace xla {

enum DataType : int { PRED = 1, S32 = 4, S64 = 5, U32 = 8, U64 = 9, F16 = 10, F32 = 11, F64 = 12, BF16 = 16 };
enum Stage : int { EXECUTE = 3 };
enum Code : int { INVALID_ARGUMENT = 3, RESOURCE_EXHAUSTED = 8 };
enum { METADATA = 1, BUFFER = 1, SCALAR = 3 };  // of extensions, of arguments and results, of attributes

struct Metadata;
struct Extension {
    size_t size;
    int type;
    Extension* next;
    Metadata* metadata;  // of an extension that is about metadata
};

struct Version {
    size_t size;
    Extension* extension;
    int major, minor;
};

struct Metadata {
    size_t size;
    Version version;
};

struct Buffer {
    size_t size;
    Extension* extension;
    DataType type;
    void* data;
    int64_t rank;
    int64_t* dims;
};

struct Buffers {
    size_t size;
    Extension* extension;
    int64_t count;
    int* kinds;
    Buffer** at;
};

struct Text {
    const char* start;
    size_t length;
};

struct Scalar {
    DataType type;
    void* value;
};

struct Attributes {
    size_t size;
    Extension* extension;
    int64_t count;
    int* kinds;
    Text** names;
    Scalar** at;
};

struct Error;
struct Problem {
    size_t size;
    Extension* extension;
    const char* message;
    Code code;
};

struct Api {
    size_t size;
    Extension* extension;
    Version version;
    const void* internal;
    Error* (*error)(Problem*);
};

struct Frame {
    size_t size;
    Extension* extension;
    const Api* api;
    void* context;
    Stage stage;
    Buffers arguments, results;
    Attributes attributes;
};

// An attribute; false if there is none of this name that is an integer
static bool integer(const Attributes& from, const char* name, uint64_t& value) {
    for (int64_t i = 0; i < from.count; ++i) {
        const Text& text = *from.names[i];
        if (text.length != strlen(name) || memcmp(text.start, name, text.length) || from.kinds[i] != SCALAR) continue;
        const Scalar& x = *from.at[i];
        const int width = x.type == S64 || x.type == U64 ? 8 : x.type == S32 || x.type == U32 ? 4 : 0;
        value = 0;
        memcpy(&value, x.value, width);  // all formats here are little-endian
        return width != 0;
    }
    return false;
}

enum Holds { FLOATS, BOOLS, INTEGERS };

// A buffer, whose elements lie one after the other; false if it is not such as a pass takes
static bool view(const Buffers& from, int64_t i, Holds holds, View& x) {
    const Buffer& b = *from.at[i];
    if (from.kinds[i] != BUFFER || b.rank > DIMENSIONS) return false;
    switch (b.type) {
        case F16: x.at.type = FLOAT16; break;
        case BF16: x.at.type = BFLOAT16; break;
        case F32: x.at.type = FLOAT32; break;
        case F64: x.at.type = FLOAT64; break;
        case PRED: x.at.type = BOOL; break;
        case S32: x.at.type = INT32; break;
        case S64: x.at.type = INT64; break;
        default: return false;
    }
    if (holds != (x.at.type < TYPES ? FLOATS : x.at.type == BOOL ? BOOLS : INTEGERS)) return false;
    x.at.data = static_cast<char*>(b.data);
    x.dimensions = int(b.rank);
    int64_t stride = width_of[x.at.type];
    for (int k = x.dimensions - 1; k >= 0; --k) {
        x.shape[k] = b.dims[k];
        x.strides[k] = stride;
        stride *= b.dims[k];
    }
    return true;
}

// Runs the pass. What is wrong, or null.
static const char* run(const Frame& frame, Code& code) {
    code = INVALID_ARGUMENT;
    uint64_t pass, reduced, mask;
    const Attributes& with = frame.attributes;
    if (!integer(with, "pass", pass) || !integer(with, "reduced", reduced) || !integer(with, "mask", mask))
        return "pass, reduced, mask: an attribute is missing, or is not an integer";
    if (pass >= PASSES || mask > 1) return "pass, mask: there is no such pass, or mask is neither 0 nor 1";
    const Shape& s = shape_of(Pass(pass));
    const int given = s.rows + s.one;
    uint64_t temperature = 0, sums = 0, weight = 0, ignored = 0, softcap = 0, smoothing = 0;
    integer(with, "temperature", temperature);
    integer(with, "sums", sums);
    integer(with, "weight", weight);
    integer(with, "smoothing", smoothing);
    if (frame.arguments.count != given + bool(s.index) + int64_t(mask) + int64_t(temperature) + int64_t(sums) + int64_t(weight) || frame.results.count != 1)
        return "other arrays than the pass takes";
    integer(with, "softcap", softcap);
    if ((temperature && !s.scales) || (softcap && !s.capped()) || (sums && s.sums == NO_SUMS) || (!sums && s.sums == NEEDS) || ((weight || smoothing) && !s.targets)) return "temperature, sums, weight, softcap, smoothing: the pass does not take them, or needs them";

    View views[OPERANDS];
    const View* arrays[OPERANDS] = {};
    int order[3], count = 0;
    if (s.one) order[count++] = ONE;
    if (s.rows == 2 || !s.one) order[count++] = A;
    if (s.rows == 2 || s.one) order[count++] = B;
    for (int i = 0; i < given; ++i) {
        if (!view(frame.arguments, i, FLOATS, views[order[i]])) return "an array is not of a float type, or has too many axes";
        arrays[order[i]] = &views[order[i]];
    }
    int64_t next = given;
    if (s.index) {
        if (!view(frame.arguments, next++, INTEGERS, views[INDEX])) return "the index is not of int32 or int64, or has too many axes";
        arrays[INDEX] = &views[INDEX];
    }
    if (mask) {
        if (!view(frame.arguments, next++, BOOLS, views[MASK])) return "the mask is not of booleans, or has too many axes";
        arrays[MASK] = &views[MASK];
    }
    if (temperature) {
        if (!view(frame.arguments, next++, FLOATS, views[TEMPERATURE])) return "the temperature is not of a float type, or has too many axes";
        arrays[TEMPERATURE] = &views[TEMPERATURE];
    }
    if (sums) {
        if (!view(frame.arguments, next++, FLOATS, views[SUMS])) return "the sums are not of a float type, or have too many axes";
        arrays[SUMS] = &views[SUMS];
    }
    if (weight) {
        if (!view(frame.arguments, next++, FLOATS, views[WEIGHT])) return "the weights are not of a float type, or have too many axes";
        arrays[WEIGHT] = &views[WEIGHT];
    }
    if (!view(frame.results, 0, FLOATS, views[OUT])) return "the result is not of a float type, or has too many axes";
    arrays[OUT] = &views[OUT];

    const View& rows = views[order[given - 1]];
    const bool in_double = rows.at.type == FLOAT64;
    for (int o = 0; o < OPERANDS; ++o)
        if (arrays[o] && views[o].at.type < TYPES && (arrays[o]->at.type == FLOAT64) != in_double) return "arrays are of types that are computed in different formats";
    const Type format = in_double ? FLOAT64 : FLOAT32;
    if (s.numbers) {  // which lie along a last axis of their own
        View& one = views[ONE];
        if (one.at.type != format || one.dimensions < 1 || one.shape[one.dimensions - 1] != s.numbers) return "numbers a row: others than the pass takes";
        --one.dimensions;
    }
    if ((sums && views[SUMS].at.type != format) || (s.reduces > 1 && views[OUT].at.type != format)) return "sums are of the format that is computed in";
    if (rows.dimensions < DIMENSIONS && reduced >> rows.dimensions) return "reduced: an axis is out of range";
    Call c;
    if (const char* why = lay_out(c, Pass(pass), format, arrays, rows, reduced)) return why;
    c.ignores = integer(with, "ignored", ignored);
    c.ignored = int64_t(ignored);
    memcpy(&c.softcap, &softcap, sizeof softcap);
    memcpy(&c.smoothing, &smoothing, sizeof smoothing);
    if (c.rows == 0 || c.n == 0) return "an array has no elements";
    if (run_all(c, threads_in_use())) return nullptr;
    code = RESOURCE_EXHAUSTED;
    return "no memory";
}

static Error* handle(Frame* frame) {
    for (Extension* e = frame->extension; e; e = e->next) {
        if (e->type != METADATA) continue;
        e->metadata->version.major = 0;
        e->metadata->version.minor = 1;
        return nullptr;
    }
    if (frame->stage != EXECUTE) return nullptr;
    Code code;
    const char* why = run(*frame, code);
    if (!why) return nullptr;
    char message[160] = "lsmx: ";
    strncat(message, why, sizeof message - strlen(message) - 1);
    Problem problem{sizeof problem, nullptr, message, code};
    return frame->api->error(&problem);
}

}  // namespace xla

PyObject* xla_handler(PyObject*, PyObject*) { return PyCapsule_New(reinterpret_cast<void*>(xla::handle), nullptr, nullptr); }

}  // namespace lsmx
