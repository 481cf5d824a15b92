// Calls on NumPy arrays, whole: checks, geometry, the result, and the pass. What is not a plain case is left to Python, which has the
// words for what is wrong with it: None is returned.
#include "module.h"

namespace lsmx {

constexpr int64_t SMALL = 8192;  // elements up to which other threads of Python wait

// A NumPy array by its buffer
struct Buffer : View {
    Py_buffer b;
    bool held = false;
    ~Buffer() {
        if (held) PyBuffer_Release(&b);
    }
    // False if it is not one of floats (or of bools, for a mask)
    bool get(PyObject* x, PyObject* ndarray, bool mask, int flags = 0) {
        if (Py_TYPE(x) != reinterpret_cast<PyTypeObject*>(ndarray)) return false;
        if (PyObject_GetBuffer(x, &b, PyBUF_STRIDES | PyBUF_FORMAT | flags)) {
            PyErr_Clear();
            return false;
        }
        held = true;
        const char* f = b.format;
        if (b.ndim > DIMENSIONS || !f) return false;
        const bool other = *f == (PY_LITTLE_ENDIAN ? '>' : '<');
        if (*f == '<' || *f == '>' || *f == '=' || *f == '@') ++f;
        if (!f[0] || f[1]) return false;
        at.swapped = other;
        at.data = static_cast<char*>(b.buf);
        switch (f[0]) {
            case 'e': at.type = FLOAT16; break;
            case 'f': at.type = FLOAT32; break;
            case 'd': at.type = FLOAT64; break;
            case '?': at.type = TYPES; break;
            default: return false;
        }
        if (mask != (at.type == TYPES)) return false;
        dimensions = b.ndim;
        for (int k = 0; k < dimensions; ++k) {
            shape[k] = b.shape[k];
            strides[k] = b.strides[k];
        }
        return true;
    }
};

// The axes as bits; false if they are not such as are taken here
static bool axes_of(PyObject* axis, int dimensions, uint64_t& reduced) {
    auto one = [&](PyObject* x) {
        if (!PyLong_CheckExact(x)) return false;
        const long i = PyLong_AsLong(x);
        if (i == -1 && PyErr_Occurred()) PyErr_Clear();
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

static PyObject* fresh(const State& s, const View& rows, uint64_t reduced, bool reduces, bool keepdims, Type type) {
    int64_t shape[DIMENSIONS];
    int count = 0;
    for (int k = 0; k < rows.dimensions; ++k) {
        if (reduces && (reduced >> k & 1)) {
            if (keepdims) shape[count++] = 1;
        } else {
            shape[count++] = rows.shape[k];
        }
    }
    PyObject* tuple = PyTuple_New(count);
    if (!tuple) return nullptr;
    for (int k = 0; k < count; ++k) {
        PyObject* n = PyLong_FromLongLong(shape[k]);
        if (!n || PyTuple_SetItem(tuple, k, n)) {
            Py_DECREF(tuple);
            return nullptr;
        }
    }
    PyObject* out = PyObject_CallFunctionObjArgs(s.empty, tuple, s.dtypes[type], nullptr);
    Py_DECREF(tuple);
    return out;
}

template <Pass P> PyObject* call(PyObject* module, PyObject* const* args, Py_ssize_t count) {
    const State& state = state_of(module);
    const Shape& s = shape_of(P);
    const int given = s.rows + s.one;  // arrays
    if (!state.ndarray || count < given + 4) Py_RETURN_NONE;
    PyObject *axis = args[given], *where = args[given + 1], *dtype = args[given + 2], *to = args[given + 3];
    const bool keepdims = count > given + 4 && args[given + 4] == Py_True;
    if (count > given + 4 && !keepdims && args[given + 4] != Py_False) Py_RETURN_NONE;

    Buffer buffers[OPERANDS];
    const View* arrays[OPERANDS] = {};
    const int order[] = {s.one ? ONE : A, B};
    for (int i = 0; i < given; ++i) {
        if (!buffers[order[i]].get(args[i], state.ndarray, false)) Py_RETURN_NONE;
        arrays[order[i]] = &buffers[order[i]];
    }
    const Buffer& rows = buffers[order[given - 1]];
    Type type = rows.at.type;
    for (int i = 0; i + 1 < given; ++i)
        if (buffers[order[i]].at.type != type) Py_RETURN_NONE;
    if (dtype != Py_None) {
        int wanted = 0;
        while (wanted < TYPES && dtype != state.scalars[wanted] && dtype != state.dtypes[wanted]) ++wanted;
        if (wanted == TYPES || (wanted == FLOAT16 && type != FLOAT16)) Py_RETURN_NONE;
        type = Type(wanted);
    }
    uint64_t reduced;
    if (!axes_of(axis, rows.dimensions, reduced)) Py_RETURN_NONE;
    if (where != Py_None) {
        if (!buffers[MASK].get(where, state.ndarray, true)) Py_RETURN_NONE;
        arrays[MASK] = &buffers[MASK];
    }
    int64_t size = 1;
    for (int k = 0; k < rows.dimensions; ++k) size *= rows.shape[k];
    if (!size) Py_RETURN_NONE;

    PyObject* out = to;
    bool apart = to == Py_None;  // a new array, which may have to be copied into `to`
    if (!apart) {
        if (!buffers[OUT].get(to, state.ndarray, false, PyBUF_WRITABLE) || buffers[OUT].at.type != type || overlaps_itself(buffers[OUT])) Py_RETURN_NONE;
        for (int o = 0; o < OUT; ++o) apart = apart || (arrays[o] && overlap(*arrays[o], buffers[OUT]));
        arrays[OUT] = &buffers[OUT];
    }
    Call c;
    Buffer made;
    if (apart) {
        out = fresh(state, rows, reduced, s.reduces, keepdims, type);
        if (!out) return nullptr;
        if (!made.get(out, state.ndarray, false)) {
            Py_DECREF(out);
            Py_RETURN_NONE;
        }
        if (to != Py_None) {  // of the same shape?
            bool same = made.dimensions == buffers[OUT].dimensions;
            for (int k = 0; same && k < made.dimensions; ++k) same = made.shape[k] == buffers[OUT].shape[k];
            if (!same) {
                Py_DECREF(out);
                Py_RETURN_NONE;
            }
        }
        arrays[OUT] = &made;
    } else {
        Py_INCREF(out);
    }
    bool ok = !lay_out(c, P, type == FLOAT64 ? FLOAT64 : FLOAT32, arrays, rows, reduced);
    if (ok && !apart && s.reduces) ok = buffers[OUT].dimensions == (keepdims ? rows.dimensions : rows.dimensions - __builtin_popcountll(reduced));
    if (!ok) {
        Py_DECREF(out);
        Py_RETURN_NONE;
    }
    if (size < SMALL) {
        ok = run_all(c, 1);
    } else {
        Py_BEGIN_ALLOW_THREADS
        ok = run_all(c, threads_in_use());
        Py_END_ALLOW_THREADS
    }
    if (!ok) {
        Py_DECREF(out);
        return PyErr_NoMemory();
    }
    if (to == Py_None || !apart) return out;
    const int failed = PyObject_SetItem(to, Py_Ellipsis, out);
    Py_DECREF(out);
    if (failed) return nullptr;
    Py_INCREF(to);
    return to;
}

template <int... P> struct Calls {
    static constexpr Function all[] = {call<Pass(P)>...};
};
Function call_of(Pass pass) { return Calls<0, 1, 2, 3, 4, 5, 6, 7, 8, 9>::all[pass]; }
static_assert(PASSES == 10, "one call for each pass");

}  // namespace lsmx
