// Calls on arrays, whole: checks, geometry, the result, and the pass. What is not a plain case is left to Python, which has the
// words for what is wrong with it: None is returned.
#include "arrays.h"
#include "totals.h"

#include <string.h>

namespace lsmx {

constexpr int64_t SMALL = 8192;              // elements up to which other threads of Python wait
constexpr int64_t LARGE = int64_t(1) << 18;  // from which on more than one thread may be used
constexpr int64_t PAGES = int64_t(1) << 20;  // from which on a new array of another library than NumPy is made in Python

// The axes as bits; false if they are not such as are taken here
static bool axes_of(PyObject* axis, int dimensions, uint64_t& reduced) {
    auto one = [&](PyObject* x) {
        if (!PyLong_CheckExact(x)) return false;
        const long i = PyLong_AsLong(x);
        if (i == -1 && PyErr_Occurred()) {  // beyond a long
            PyErr_Clear();
            return false;
        }
        if (i < -dimensions || i >= dimensions) return false;
        const uint64_t bit = uint64_t(1) << (i < 0 ? i + dimensions : i);
        if (reduced & bit) return false;
        reduced |= bit;
        return true;
    };
    reduced = 0;
    if (axis == Py_None) {
        reduced = dimensions == 64 ? ~uint64_t(0) : (uint64_t(1) << dimensions) - 1;
        return true;
    }
    if (!PyTuple_CheckExact(axis)) return one(axis);
    const Py_ssize_t n = PyTuple_Size(axis);
    for (Py_ssize_t i = 0; i < n; ++i)
        if (!one(PyTuple_GetItem(axis, i))) return false;
    return n > 0;
}

static const char* const type_names[TYPES] = {"float16", "bfloat16", "float32", "float64"};

template <int...> struct Numbers {};

// A reference that is let go of
struct Object {
    PyObject* is;
    explicit Object(PyObject* x) : is(x) {}
    ~Object() { Py_XDECREF(is); }
    Object(const Object&) = delete;
    PyObject* given() {
        PyObject* x = is;
        is = nullptr;
        return x;
    }
};

// The type that dtype= asks for, TYPES if it is none that is taken here. Casting to 16 bits rounds first, which no pass does.
static Type wanted(const State& s, PyObject* dtype, Type given) {
    if (dtype == Py_None) return given;
    for (int t = 0; t < TYPES; ++t) {
        const bool named = PyUnicode_Check(dtype) && PyUnicode_CompareWithASCIIString(dtype, type_names[t]) == 0;
        if (dtype == s.scalars[t] || dtype == s.dtypes[t] || named) return width_of[t] > 2 || t == given ? Type(t) : TYPES;
    }
    return TYPES;
}

static int shape_of_result(const Shape& s, const View& rows, uint64_t reduced, bool keepdims, int64_t* shape) {
    int count = 0;
    for (int k = 0; k < rows.dimensions; ++k) {
        if (!s.reduces || !(reduced >> k & 1)) shape[count++] = rows.shape[k];
        else if (keepdims) shape[count++] = 1;
    }
    return count;
}

static int64_t integer_at(Type type, const char* p) {
    int narrow;
    int64_t wide;
    if (type == INT64) memcpy(&wide, p, sizeof wide);
    else memcpy(&narrow, p, sizeof narrow);
    return type == INT64 ? wide : narrow;
}

// Whether every index is one of its row, or ignored
static bool inside(const Call& c) {
    const Operand& x = c.at[INDEX];
    if (x.swapped || c.across_count > 1) return false;
    const char* p = x.data;
    for (int64_t i = 0; i < c.rows; ++i, p += c.across[0].stride[INDEX]) {
        const int64_t index = integer_at(x.type, p);
        if ((index < 0 || index >= c.n) && !(c.ignores && index == c.ignored)) return false;
    }
    return true;
}

// How many threads a call of so many elements uses; -1 with an error set
static int threads_of(Library library, const State& s, int64_t size) {
    if (size < LARGE) return 1;
    if (library == NUMPY) return threads_in_use();
    PyObject* n = PyObject_CallFunctionObjArgs(s.tensor_threads, nullptr);
    const long found = n ? PyLong_AsLong(n) : -1;
    Py_XDECREF(n);
    return PyErr_Occurred() ? -1 : found < 1 ? 1 : found > 4096 ? 4096 : int(found);
}

// Whether there are the library's arrays
template <Library L> bool known(const State& s) { return L == NUMPY ? s.ndarray != nullptr : s.exchange != nullptr; }

// The losses of which there are such calls; of log-softmax, softmax and logsumexp, whose passes come before theirs, all have one
constexpr bool is_loss(Pass p) {
    return p == LOG_PROB_FORWARD || p == LOG_PROB_BACKWARD || p == ENTROPY_FORWARD || p == ENTROPY_BACKWARD || p == RANK_FORWARD ||
           p == CROSS_ENTROPY_FORWARD || p == CROSS_ENTROPY_BACKWARD;
}
constexpr int64_t IGNORED_CLASS = -100;  // where nothing else is asked for

template <Library L> PyObject* total_cross_entropy(PyObject* module, PyObject* const* args);

template <Library L> static __attribute__((noinline)) PyObject* call(Pass of, PyObject* module, PyObject* const* args, Py_ssize_t count) {
    // cross-entropy of classes is -log_prob
    const bool classes = of == CROSS_ENTROPY_FORWARD || of == CROSS_ENTROPY_BACKWARD, loss = is_loss(of);
    const Pass pass = of == CROSS_ENTROPY_FORWARD ? LOG_PROB_FORWARD : of == CROSS_ENTROPY_BACKWARD ? LOG_PROB_BACKWARD : of;
    if (of == CROSS_ENTROPY_FORWARD && count == 8) return total_cross_entropy<L>(module, args);
    const State& state = state_of(module);
    const Shape& s = shape_of(pass);
    const int given = s.rows + s.one, taken = given + s.index;  // arrays
    if (count < taken + 4 || !known<L>(state)) Py_RETURN_NONE;
    PyObject *axis = args[taken], *where = args[taken + 1], *dtype = args[taken + 2], *to = args[taken + 3];
    const bool keepdims = count > taken + 4 && args[taken + 4] == Py_True;
    if (count > taken + 4 && (loss || (!keepdims && args[taken + 4] != Py_False))) Py_RETURN_NONE;

    Array held[OPERANDS];
    const View* arrays[OPERANDS] = {};
    const int order[] = {s.one ? ONE : A, B};
    for (int i = 0; i < given; ++i) {
        if (!held[order[i]].get(L, state, args[i])) Py_RETURN_NONE;
        arrays[order[i]] = &held[order[i]];
    }
    const View& rows = held[order[given - 1]];
    const bool in_double = rows.at.type == FLOAT64;
    for (int i = 0; i + 1 < given; ++i)
        if (loss ? (held[order[i]].at.type == FLOAT64) != in_double : held[order[i]].at.type != rows.at.type) Py_RETURN_NONE;
    Type type = wanted(state, dtype, rows.at.type);
    if (loss && dtype != Py_None && type != rows.at.type) Py_RETURN_NONE;
    if (loss && s.reduces) type = dtype != Py_None ? type : in_double ? FLOAT64 : FLOAT32;
    if (s.index) {
        if (!held[INDEX].get(L, state, args[given], INTEGERS)) Py_RETURN_NONE;
        arrays[INDEX] = &held[INDEX];
    }
    uint64_t reduced;
    if (type == TYPES || !axes_of(axis, rows.dimensions, reduced)) Py_RETURN_NONE;
    if (where != Py_None) {
        if (!held[MASK].get(L, state, where, BOOLS)) Py_RETURN_NONE;
        arrays[MASK] = &held[MASK];
    }
    const int64_t size = elements_of(rows);
    int64_t shape[DIMENSIONS];
    const bool index_kept = s.index && held[INDEX].dimensions == rows.dimensions;
    if (classes && index_kept) Py_RETURN_NONE;
    const int dimensions = shape_of_result(s, rows, reduced, keepdims || (s.reduces && index_kept), shape);
    if (!size || (L != NUMPY && size >= PAGES && to == Py_None)) Py_RETURN_NONE;

    // into `to`, or into a new array, which is copied to it if the two would be in each other's way
    bool apart = to == Py_None;
    if (!apart) {
        if (!held[OUT].get(L, state, to, FLOATS, true) || held[OUT].at.type != type || held[OUT].dimensions != dimensions) Py_RETURN_NONE;
        for (int k = 0; k < dimensions; ++k)
            if (held[OUT].shape[k] != shape[k]) Py_RETURN_NONE;
        if (overlaps_itself(held[OUT])) Py_RETURN_NONE;
        for (int o = 0; o < OPERANDS; ++o) apart = apart || (o != OUT && arrays[o] && overlap(*arrays[o], held[OUT]));
    }
    Array made;
    Object out(apart ? made.make(L, state, dimensions, shape, type) : Py_NewRef(to));
    if (!out.is) return nullptr;
    arrays[OUT] = apart ? &made : &held[OUT];
    Call c;
    if (lay_out(c, pass, type == FLOAT64 ? FLOAT64 : FLOAT32, arrays, rows, reduced)) Py_RETURN_NONE;
    c.opposite = c.ignores = classes;
    c.ignored = IGNORED_CLASS;
    if (s.index && !inside(c)) Py_RETURN_NONE;
    bool ok;
    if (size < SMALL) {
        ok = run_all(c, 1);
    } else {
        const int threads = threads_of(L, state, size);
        if (threads < 0) return nullptr;
        Py_BEGIN_ALLOW_THREADS
        ok = run_all(c, threads);
        Py_END_ALLOW_THREADS
    }
    if (!ok) return PyErr_NoMemory();
    if (to == Py_None || !apart) return out.given();
    return PyObject_SetItem(to, Py_Ellipsis, out.is) ? nullptr : Py_NewRef(to);
}

static void mean_to(const View& out, const View& v, const View& divisor, bool zero_if_empty) {
    if (elements_of(v) < SMALL && elements_of(out) < SMALL) return mean_of(v, divisor, out, zero_if_empty);
    Py_BEGIN_ALLOW_THREADS
    mean_of(v, divisor, out, zero_if_empty);
    Py_END_ALLOW_THREADS
}

// (z, target, axis, where, None, None, mean, zero_if_empty): the losses' sum, over how many are not ignored if it is a mean
template <Library L> PyObject* total_cross_entropy(PyObject* module, PyObject* const* args) {
    const State& state = state_of(module);
    if (args[4] != Py_None || args[5] != Py_None || !PyBool_Check(args[6]) || !PyBool_Check(args[7]) || !known<L>(state)) Py_RETURN_NONE;
    Array losses, target, out;
    if (!target.get(L, state, args[1], INTEGERS) || !in_line(target)) Py_RETURN_NONE;
    Object rows(call<L>(CROSS_ENTROPY_FORWARD, module, args, 6));
    if (!rows.is || rows.is == Py_None) return rows.given();
    if (!losses.get(L, state, rows.is)) Py_RETURN_NONE;
    const int64_t elements = elements_of(target);
    int64_t counted = 0;
    for (int64_t i = 0; i < elements; ++i) counted += integer_at(target.at.type, target.at.data + i * width_of[target.at.type]) != IGNORED_CLASS;
    double wide = args[6] == Py_True ? double(counted) : 1.0;
    float narrow = float(wide);
    View divisor;
    divisor.at.type = losses.at.type;
    divisor.at.data = reinterpret_cast<char*>(losses.at.type == FLOAT64 ? static_cast<void*>(&wide) : &narrow);
    int64_t no_shape[1];
    Object made(out.make(L, state, 0, no_shape, losses.at.type));
    if (made.is) mean_to(out, losses, divisor, args[7] == Py_True);
    return made.given();
}

// The mean of rows (v, divisor, None, None, None, None[, zero_if_empty]), or its gradient (g, v, divisor, ...)
template <Library L, bool GRADIENT> PyObject* mean_call(PyObject* module, PyObject* const* args, Py_ssize_t count) {
    constexpr int taken = GRADIENT ? 3 : 2;
    const State& state = state_of(module);
    bool plain = count == taken + 4 || (count == taken + 5 && args[taken + 4] == Py_True);
    for (int i = 0; plain && i < 4; ++i) plain = args[taken + i] == Py_None;
    if (!plain || !known<L>(state)) Py_RETURN_NONE;
    Array arrays[taken], out;
    for (int i = 0; i < taken; ++i)
        if (!arrays[i].get(L, state, args[i]) || arrays[i].at.swapped || arrays[i].at.type != arrays[0].at.type) Py_RETURN_NONE;
    const View &x = arrays[0], &divisor = arrays[taken - 1];
    if (!elements_of(x) || width_of[x.at.type] < 4 || divisor.dimensions || (GRADIENT ? x.dimensions != 0 : !in_line(x))) Py_RETURN_NONE;
    Object made(out.make(L, state, GRADIENT ? arrays[1].dimensions : 0, arrays[1].shape, x.at.type));
    if (made.is) mean_to(out, x, divisor, GRADIENT || count > taken + 4);
    return made.given();
}

template <Pass P, Library L> static PyObject* call_of_pass(PyObject* module, PyObject* const* args, Py_ssize_t count) {
    return call<L>(P, module, args, count);
}
template <Library L, int... P> Function call_at(Pass pass, Numbers<P...>) {
    static constexpr Function all[] = {P < LOG_PROB_FORWARD || is_loss(Pass(P)) ? call_of_pass<Pass(P), L> : nullptr...};
    return all[pass];
}
using Every = Numbers<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36>;
static_assert(PASSES == 37, "one call for each pass");
Function call_of(Pass pass) { return call_at<NUMPY>(pass, Every{}); }
Function tensor_call_of(Pass pass) { return call_at<EXCHANGED>(pass, Every{}); }
Function mean_call_of(bool tensors, bool gradient) {
    if (tensors) return gradient ? mean_call<EXCHANGED, true> : mean_call<EXCHANGED, false>;
    return gradient ? mean_call<NUMPY, true> : mean_call<NUMPY, false>;
}

}  // namespace lsmx
