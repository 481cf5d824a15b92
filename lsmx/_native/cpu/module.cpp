// The Python module lsmx._native.core, in the limited API of Python 3.11.
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "geometry.h"

namespace lsmx {

static PyObject* refuse(const char* why) {
    PyErr_SetString(PyExc_ValueError, why);
    return nullptr;
}

static bool numbers_of(PyObject* tuple, int64_t* to, int& count) {
    const Py_ssize_t n = PyTuple_Size(tuple);
    if (n < 0) return false;
    if (n > DIMENSIONS) return refuse("too many axes");
    count = int(n);
    for (Py_ssize_t i = 0; i < n; ++i) to[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
    return !PyErr_Occurred();
}

// (address, type, shape, strides in bytes); a type from 8 on is of the other byte order; a mask's is TYPES
static bool view_of(PyObject* tuple, View& x) {
    if (PyTuple_Size(tuple) != 4) return !PyErr_Occurred() && refuse("an array is given by four things");
    x.at.data = static_cast<char*>(PyLong_AsVoidPtr(PyTuple_GetItem(tuple, 0)));
    const long type = PyLong_AsLong(PyTuple_GetItem(tuple, 1));
    int more;
    if (PyErr_Occurred() || !numbers_of(PyTuple_GetItem(tuple, 2), x.shape, x.dimensions) || !numbers_of(PyTuple_GetItem(tuple, 3), x.strides, more))
        return false;
    if (type < 0 || (type & 7) > TYPES || more != x.dimensions) return refuse("a type, a shape, or strides");
    x.at.type = Type(type & 7);
    x.at.swapped = type >= 8;
    return true;
}

// run(pass, double, axes, a, b, one, mask, out, threads): arrays by their addresses, or None
static PyObject* run(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count != 9) return refuse("run takes nine arguments");
    const long pass = PyLong_AsLong(args[0]), threads = PyLong_AsLong(args[8]);
    const int in_double = PyObject_IsTrue(args[1]);
    int64_t axes[DIMENSIONS];
    int reduced_count;
    if (PyErr_Occurred() || !numbers_of(args[2], axes, reduced_count)) return nullptr;
    if (pass < 0 || pass >= PASSES) return refuse("there is no such pass");
    View views[OPERANDS];
    const View* arrays[OPERANDS] = {};
    for (int o = 0; o < OPERANDS; ++o) {
        if (args[3 + o] == Py_None) continue;
        if (!view_of(args[3 + o], views[o])) return nullptr;
        arrays[o] = &views[o];
    }
    const Shape& s = shape_of(Pass(pass));
    const bool wants_a = s.rows == 2 || !s.one, wants_b = s.rows == 2 || s.one;
    if (bool(arrays[A]) != wants_a || bool(arrays[B]) != wants_b || bool(arrays[ONE]) != s.one || !arrays[OUT]) return refuse("other arrays than the pass takes");
    const View& rows = wants_b ? views[B] : views[A];
    uint64_t reduced = 0;
    for (int i = 0; i < reduced_count; ++i) {
        if (axes[i] < 0 || axes[i] >= rows.dimensions) return refuse("an axis is out of range");
        reduced |= uint64_t(1) << axes[i];
    }
    Call c;
    if (const char* why = lay_out(c, Pass(pass), in_double ? FLOAT64 : FLOAT32, arrays, rows, reduced)) return refuse(why);
    bool ok = true;
    if (c.rows > 0 && c.n > 0) {
        Py_BEGIN_ALLOW_THREADS
        ok = run_all(c, int(threads));
        Py_END_ALLOW_THREADS
    }
    if (!ok) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject* names(PyObject*, PyObject*) {
    PyObject* list = PyList_New(0);
    for (auto t = targets(); list && *t; ++t) {
        if (!(*t)->available()) continue;
        PyObject* name = PyUnicode_FromString((*t)->name);
        if (!name || PyList_Append(list, name)) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject* name_in_use(PyObject*, PyObject*) { return PyUnicode_FromString(target()->name); }

static PyObject* use_name(PyObject*, PyObject* name) {
    const char* s = name == Py_None ? nullptr : PyUnicode_AsUTF8AndSize(name, nullptr);
    if (!s && PyErr_Occurred()) return nullptr;
    if (const char* why = use(s)) return refuse(why);
    Py_RETURN_NONE;
}

#define FAST(F) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(F))
static PyMethodDef methods[] = {
    {"run", FAST(run), METH_FASTCALL, "run(pass, double, axes, a, b, one, mask, out, threads)"},
    {"targets", names, METH_NOARGS, "The targets that this machine has, best first."},
    {"target", name_in_use, METH_NOARGS, "The target in use."},
    {"use", use_name, METH_O, "Use a target, or the best one if None."},
    {nullptr, nullptr, 0, nullptr},
};
static PyModuleDef_Slot slots[] = {{0, nullptr}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "core", nullptr, 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace lsmx

PyMODINIT_FUNC PyInit_core() { return PyModuleDef_Init(&lsmx::definition); }
