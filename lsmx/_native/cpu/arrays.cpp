#include "arrays.h"

namespace lsmx {

bool Array::get(Library library, const State& s, PyObject* x, Kind kind, bool writable) {
    if (!(library == NUMPY ? get_buffer(s, x, writable) : get_tensor(s, x))) return false;
    return kind == (at.type < TYPES ? FLOATS : at.type == BOOL ? BOOLS : INTEGERS);
}

bool Array::get_buffer(const State& s, PyObject* x, bool writable) {
    PyTypeObject* type = Py_TYPE(x);
    if (type != reinterpret_cast<PyTypeObject*>(s.ndarray) && type != reinterpret_cast<PyTypeObject*>(s.memmap)) return false;
    if (PyObject_GetBuffer(x, &buffer, PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0))) {
        PyErr_Clear();
        return false;
    }
    held = true;
    const char* format = buffer.format;
    if (buffer.ndim > DIMENSIONS || !format) return false;
    at.swapped = *format == (PY_LITTLE_ENDIAN ? '>' : '<');
    if (*format == '<' || *format == '>' || *format == '=' || *format == '@') ++format;
    if (!format[0] || format[1]) return false;
    switch (format[0]) {
        case 'e': at.type = FLOAT16; break;
        case 'f': at.type = FLOAT32; break;
        case 'd': at.type = FLOAT64; break;
        case '?': at.type = BOOL; break;
        case 'i':
        case 'l':
        case 'q': at.type = buffer.itemsize == 4 ? INT32 : INT64; break;
        default: return false;
    }
    at.data = static_cast<char*>(buffer.buf);
    dimensions = buffer.ndim;
    for (int k = 0; k < dimensions; ++k) {
        shape[k] = buffer.shape[k];
        strides[k] = buffer.strides[k];
    }
    return true;
}

bool Array::get_tensor(const State& s, PyObject* x) {
    bool known = false;
    for (int i = 0; i < TENSOR_TYPES; ++i) known = known || Py_TYPE(x) == reinterpret_cast<PyTypeObject*>(s.tensor_types[i]);
    exchange::Tensor t;
    if (!known) return false;
    if (s.exchange->from_object(x, &t)) {
        PyErr_Clear();
        return false;
    }
    return view(t);
}

bool Array::view(const exchange::Tensor& t) {
    if (t.device.type != exchange::HOST || t.dimensions > DIMENSIONS || t.type.lanes != 1 || !t.data) return false;
    const int bits = t.type.bits;
    if (t.type.code == exchange::FLOAT && (bits == 16 || bits == 32 || bits == 64)) at.type = bits == 16 ? FLOAT16 : bits == 32 ? FLOAT32 : FLOAT64;
    else if (t.type.code == exchange::BFLOAT && bits == 16) at.type = BFLOAT16;
    else if (t.type.code == exchange::BOOL && bits == 8) at.type = BOOL;
    else if (t.type.code == exchange::INTEGER && (bits == 32 || bits == 64)) at.type = bits == 32 ? INT32 : INT64;
    else return false;
    at.swapped = false;
    at.data = static_cast<char*>(t.data) + t.byte_offset;
    dimensions = t.dimensions;
    for (int k = 0; k < dimensions; ++k) {
        shape[k] = t.shape[k];
        strides[k] = t.strides[k] * bits / 8;
    }
    return true;
}

static void set_error(void*, const char*, const char* message) { PyErr_SetString(PyExc_RuntimeError, message); }

static PyObject* made_by_numpy(const State& s, int dimensions, const int64_t* shape, Type type) {
    PyObject* tuple = PyTuple_New(dimensions);
    if (!tuple) return nullptr;
    for (int k = 0; k < dimensions; ++k) {
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

PyObject* Array::make(Library library, const State& s, int dimensions, const int64_t* shape, Type type) {
    if (library == NUMPY) {
        PyObject* out = made_by_numpy(s, dimensions, shape, type);
        if (out && !get_buffer(s, out, true)) {
            Py_CLEAR(out);
            PyErr_SetString(PyExc_RuntimeError, "numpy.empty made no array");
        }
        return out;
    }
    int64_t sizes[DIMENSIONS], steps[DIMENSIONS];
    int64_t step = 1;
    for (int k = dimensions - 1; k >= 0; --k) {
        sizes[k] = shape[k];
        steps[k] = step;
        step *= shape[k];
    }
    const uint8_t code = type == BFLOAT16 ? exchange::BFLOAT : exchange::FLOAT;
    exchange::Tensor prototype = {nullptr, {exchange::HOST, 0}, dimensions, {code, uint8_t(8 * width_of[type]), 1}, sizes, steps, 0};
    exchange::Managed* made = nullptr;
    if (s.exchange->allocate(&prototype, &made, nullptr, set_error)) return nullptr;
    view(made->tensor);
    void* out = nullptr;
    return s.exchange->to_object(made, &out) ? nullptr : static_cast<PyObject*>(out);
}

}  // namespace lsmx
