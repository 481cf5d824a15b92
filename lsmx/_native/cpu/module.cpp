// The Python module lsmx._native.core, in the limited API of Python 3.11.
#include "module.h"
#include "totals.h"

namespace lsmx {

PyObject* refuse(const char* why) {
    PyErr_SetString(PyExc_ValueError, why);
    return nullptr;
}

static bool numbers_of(PyObject* tuple, int64_t* to, int& count) {
    const Py_ssize_t n = PyTuple_Size(tuple);
    if (n < 0) return false;
    if (n > DIMENSIONS) return refuse("too many axes") != nullptr;
    count = int(n);
    for (Py_ssize_t i = 0; i < n; ++i) to[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
    return !PyErr_Occurred();
}

// (address, type, shape, strides in bytes); a type from 8 on is of the other byte order
static bool view_of(PyObject* tuple, View& x) {
    if (PyTuple_Size(tuple) != 4) return !PyErr_Occurred() && refuse("an array is given by four things") != nullptr;
    x.at.data = static_cast<char*>(PyLong_AsVoidPtr(PyTuple_GetItem(tuple, 0)));
    const long type = PyLong_AsLong(PyTuple_GetItem(tuple, 1));
    int more;
    if (PyErr_Occurred() || !numbers_of(PyTuple_GetItem(tuple, 2), x.shape, x.dimensions) || !numbers_of(PyTuple_GetItem(tuple, 3), x.strides, more))
        return false;
    if (type < 0 || (type & 7) >= EVERY_TYPE || more != x.dimensions) return refuse("a type, a shape, or strides") != nullptr;
    x.at.type = Type(type & 7);
    x.at.swapped = type >= 8;
    return true;
}

// run(pass, double, axes, a, b, one, mask, out, threads, index, temperature, sums, weight, ignored, softcap, smoothing): arrays by their
// addresses, or None
static PyObject* run(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count != 9 && count != 16) return refuse("run takes nine arguments, or also what belongs to losses");
    const long pass = PyLong_AsLong(args[0]), threads = PyLong_AsLong(args[8]);
    const int in_double = PyObject_IsTrue(args[1]);
    int64_t axes[DIMENSIONS];
    int reduced_count;
    if (PyErr_Occurred() || !numbers_of(args[2], axes, reduced_count)) return nullptr;
    if (pass < 0 || pass >= PASSES) return refuse("there is no such pass");
    View views[OPERANDS];
    const View* arrays[OPERANDS] = {};
    for (int o = 0; o < OPERANDS; ++o) {
        const Py_ssize_t i = o < INDEX ? 3 + o : 4 + o;  // behind the number of threads
        if (i >= count || args[i] == Py_None) continue;
        if (!view_of(args[i], views[o])) return nullptr;
        const Type type = views[o].at.type;
        if (o == MASK ? type != BOOL : o == INDEX ? type < INT32 : type >= TYPES) return refuse("a mask is of bools, an index of integers, and the other arrays are of floats");
        arrays[o] = &views[o];
    }
    const Shape& s = shape_of(Pass(pass));
    const bool wants_a = s.rows == 2 || !s.one, wants_b = s.rows == 2 || s.one;
    if (bool(arrays[A]) != wants_a || bool(arrays[B]) != wants_b || bool(arrays[ONE]) != s.one || bool(arrays[INDEX]) != bool(s.index) || (arrays[TEMPERATURE] && !s.scales) || (arrays[SUMS] && s.sums == NO_SUMS) || (!arrays[SUMS] && s.sums == NEEDS) || (arrays[WEIGHT] && !s.targets) || !arrays[OUT]) return refuse("other arrays than the pass takes");
    if (s.numbers && (views[ONE].at.swapped || (views[ONE].at.type != (in_double ? FLOAT64 : FLOAT32)))) return refuse("numbers a row are of the format that is computed in");
    const Operand& parts = views[arrays[SUMS] ? SUMS : OUT].at;
    if ((arrays[SUMS] || s.reduces > 1) && (parts.swapped || parts.type != (in_double ? FLOAT64 : FLOAT32))) return refuse("sums are of the format that is computed in");
    if (views[OUT].at.type == FLOAT64 ? !in_double : in_double) return refuse("the result is of doubles where doubles are computed in");
    const View& rows = wants_b ? views[B] : views[A];
    uint64_t reduced = 0;
    for (int i = 0; i < reduced_count; ++i) {
        if (axes[i] < 0 || axes[i] >= rows.dimensions) return refuse("an axis is out of range");
        reduced |= uint64_t(1) << axes[i];
    }
    Call c;
    if (const char* why = lay_out(c, Pass(pass), in_double ? FLOAT64 : FLOAT32, arrays, rows, reduced)) return refuse(why);
    if (count == 16) {
        c.ignores = args[13] != Py_None;
        c.ignored = c.ignores ? PyLong_AsLongLong(args[13]) : 0;
        c.softcap = PyFloat_AsDouble(args[14]);
        c.smoothing = PyFloat_AsDouble(args[15]);
    }
    if (PyErr_Occurred()) return nullptr;
    if ((c.softcap && !s.capped()) || (c.smoothing && !s.targets)) return refuse("a soft cap, or smoothing, for a pass that takes none");
    bool ok = true;
    if (c.rows > 0 && c.n > 0) {
        Py_BEGIN_ALLOW_THREADS
        ok = run_all(c, int(threads));
        Py_END_ALLOW_THREADS
    }
    if (!ok) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

// mean(v, divisor, out, zero_if_empty)
static PyObject* mean(PyObject*, PyObject* const* args, Py_ssize_t count) {
    View v, divisor, out;
    if (count != 4) return refuse("mean takes four arguments");
    if (!view_of(args[0], v) || !view_of(args[1], divisor) || !view_of(args[2], out)) return nullptr;
    const Type type = v.at.type;
    if ((type != FLOAT32 && type != FLOAT64) || divisor.at.type != type || out.at.type != type || v.at.swapped || divisor.at.swapped || out.at.swapped)
        return refuse("mean takes arrays of one type, float32 or float64");
    if (!in_line(v) || !in_line(out)) return refuse("mean takes numbers that lie one after the other");
    const int zero_if_empty = PyObject_IsTrue(args[3]);
    Py_BEGIN_ALLOW_THREADS
    mean_of(v, divisor, out, zero_if_empty);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

// overlap(x, y): whether arrays overlap without being element for element the same
static PyObject* overlap_of(PyObject*, PyObject* const* args, Py_ssize_t count) {
    View x, y;
    if (count != 2) return refuse("overlap takes two arrays");
    if (!view_of(args[0], x) || !view_of(args[1], y)) return nullptr;
    return PyBool_FromLong(overlap(x, y));
}

static PyObject* overlaps_itself_of(PyObject*, PyObject* array) {
    View x;
    return view_of(array, x) ? PyBool_FromLong(overlaps_itself(x)) : nullptr;
}

static PyObject* set_threads(PyObject*, PyObject* number) {
    const long n = PyLong_AsLong(number);
    if (n == -1 && PyErr_Occurred()) return nullptr;
    use_threads(n < 1 ? 1 : n > 1 << 20 ? 1 << 20 : int(n));
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
    if (const char* why = use(s)) return PyErr_Format(PyExc_ValueError, "%s: %s", s, why);
    Py_RETURN_NONE;
}

// set_up(ndarray, memmap, empty): NumPy's types and function
static PyObject* set_up(PyObject* module, PyObject* const* args, Py_ssize_t count) {
    if (count != 3) return refuse("set_up takes three arguments");
    State& s = state_of(module);
    PyObject** to[] = {&s.ndarray, &s.memmap, &s.empty};
    for (int i = 0; i < 3; ++i) {
        PyObject* before = *to[i];
        Py_INCREF(args[i]);
        *to[i] = args[i];
        Py_XDECREF(before);
    }
    const char* names[TYPES] = {"float16", nullptr, "float32", "float64"};
    for (int i = 0; i < TYPES; ++i) {
        if (!names[i] || s.dtypes[i]) continue;
        PyObject* module = PyImport_ImportModule("numpy");
        s.scalars[i] = module ? PyObject_GetAttrString(module, names[i]) : nullptr;
        s.dtypes[i] = s.scalars[i] ? PyObject_CallMethod(module, "dtype", "O", s.scalars[i]) : nullptr;
        Py_XDECREF(module);
        if (!s.dtypes[i]) return nullptr;
    }
    Py_RETURN_NONE;
}

// set_up_tensors(types, threads): the types of one library, of which the first offers DLPack's table; whether it can be used
static PyObject* set_up_tensors(PyObject* module, PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || PyTuple_Size(args[0]) != TENSOR_TYPES) return PyErr_Occurred() ? nullptr : refuse("set_up_tensors takes two types and a function");
    PyObject* capsule = PyObject_GetAttrString(PyTuple_GetItem(args[0], 0), "__dlpack_c_exchange_api__");
    void* found = capsule ? PyCapsule_GetPointer(capsule, "dlpack_exchange_api") : nullptr;
    Py_XDECREF(capsule);
    PyErr_Clear();
    const auto* header = static_cast<const exchange::Header*>(found);
    while (header && header->version.major != 1) header = header->previous;
    const auto* api = reinterpret_cast<const exchange::Api*>(header);
    if (!api || !api->from_object || !api->allocate || !api->to_object) Py_RETURN_FALSE;
    State& s = state_of(module);
    for (int i = 0; i < TENSOR_TYPES; ++i) {
        Py_XDECREF(s.tensor_types[i]);
        s.tensor_types[i] = PyTuple_GetItem(args[0], i);
        Py_XINCREF(s.tensor_types[i]);
    }
    Py_XDECREF(s.tensor_threads);
    Py_INCREF(args[1]);
    s.tensor_threads = args[1];
    s.exchange = api;
    Py_RETURN_TRUE;
}

static int each(PyObject* module, visitproc visit, void* arg) {
    State& s = state_of(module);
    Py_VISIT(s.ndarray);
    Py_VISIT(s.memmap);
    Py_VISIT(s.empty);
    Py_VISIT(s.tensor_threads);
    for (int i = 0; i < TENSOR_TYPES; ++i) Py_VISIT(s.tensor_types[i]);
    for (int i = 0; i < TYPES; ++i) {
        Py_VISIT(s.dtypes[i]);
        Py_VISIT(s.scalars[i]);
    }
    return 0;
}

static int clear(PyObject* module) {
    State& s = state_of(module);
    Py_CLEAR(s.ndarray);
    Py_CLEAR(s.memmap);
    Py_CLEAR(s.empty);
    Py_CLEAR(s.tensor_threads);
    for (int i = 0; i < TENSOR_TYPES; ++i) Py_CLEAR(s.tensor_types[i]);
    for (int i = 0; i < TYPES; ++i) {
        Py_CLEAR(s.dtypes[i]);
        Py_CLEAR(s.scalars[i]);
    }
    return 0;
}

static void release(void* module) { clear(static_cast<PyObject*>(module)); }

#define FAST(F) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(F))
static PyMethodDef methods[] = {
    {"run", FAST(run), METH_FASTCALL, "run(pass, double, axes, a, b, one, mask, out, threads[, index, temperature, sums, weight, ignored, softcap, smoothing])"},
    {"targets", names, METH_NOARGS, "The targets that this machine has, best first."},
    {"target", name_in_use, METH_NOARGS, "The target in use."},
    {"use", use_name, METH_O, "Use a target, or the best one if None."},
    {"set_up", FAST(set_up), METH_FASTCALL, "set_up(ndarray, memmap, empty): NumPy's types and function."},
    {"set_threads", set_threads, METH_O, "How many threads calls on NumPy and JAX arrays use."},
    {"set_up_tensors", FAST(set_up_tensors), METH_FASTCALL, "set_up_tensors(types, threads): whether DLPack's table of a library can be used."},
    {"xla_handler", xla_handler, METH_NOARGS, "The handler of XLA's foreign-function interface that runs the passes, in a capsule."},
    {"mean", FAST(mean), METH_FASTCALL, "mean(v, divisor, out, zero_if_empty): the sum of all, rounded once, over a divisor, in each element of out."},
    {"overlap", FAST(overlap_of), METH_FASTCALL, "overlap(x, y): whether two arrays overlap without being element for element the same."},
    {"overlaps_itself", overlaps_itself_of, METH_O, "Whether elements of an array share memory."},
    {nullptr, nullptr, 0, nullptr},
};

// The passes as functions of arrays, and their numbers for `run`
static int add_passes(PyObject* module) {
    static PyMethodDef calls[2 * PASSES + 5], *next;
    next = calls;
    static char names[PASSES][40];
    static const char* about = "(arrays..., axis, where, dtype, out, keepdims); None if it has to go a longer way.";
    PyObject* numbers = PyDict_New();
    if (!numbers) return -1;
    for (int i = 0; i < PASSES; ++i) {
        const char* name = shape_of(Pass(i)).name;
        if (const Function short_way = call_of(Pass(i))) {
            PyOS_snprintf(names[i], sizeof names[i], "tensor_%s", name);
            *next++ = {name, FAST(short_way), METH_FASTCALL, about};
            *next++ = {names[i], FAST(tensor_call_of(Pass(i))), METH_FASTCALL, about};
        }
        PyObject* number = PyLong_FromLong(i);
        if (!number || PyDict_SetItemString(numbers, name, number)) return -1;
        Py_DECREF(number);
    }
    static const char* const means[] = {"mean_of_rows_forward", "mean_of_rows_backward", "tensor_mean_of_rows_forward", "tensor_mean_of_rows_backward"};
    for (int i = 0; i < 4; ++i) *next++ = {means[i], FAST(mean_call_of(i > 1, i % 2)), METH_FASTCALL, about};
    if (PyModule_AddFunctions(module, calls)) return -1;
    return PyModule_AddObject(module, "passes", numbers);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(add_passes)},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},  // a call writes to its own result; what calls share is set once, before the first
#endif
    {0, nullptr}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "core", nullptr, sizeof(State), methods, slots, each, clear, release};

}  // namespace lsmx

PyMODINIT_FUNC PyInit_core() { return PyModuleDef_Init(&lsmx::definition); }
