// lsmx._native.core: the targets that this machine has, best first, and the one in use.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>

#define TARGET(NAME)         \
    namespace lsmx_##NAME {  \
    const char* name();      \
    }
#if defined(__x86_64__)
TARGET(baseline)
TARGET(avx2)
TARGET(avx512)
#elif defined(__aarch64__)
TARGET(neon)
#else
TARGET(baseline)
#endif

namespace {

const char* names[3];
int count = 0, chosen = 0;

void look() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw")) names[count++] = lsmx_avx512::name();
    if (__builtin_cpu_supports("avx2")) names[count++] = lsmx_avx2::name();
    names[count++] = lsmx_baseline::name();
#elif defined(__aarch64__)
    names[count++] = lsmx_neon::name();
#else
    names[count++] = lsmx_baseline::name();
#endif
}

PyObject* targets(PyObject*, PyObject*) {
    PyObject* list = PyList_New(0);
    for (int i = 0; list && i < count; ++i) {
        PyObject* name = PyUnicode_FromString(names[i]);
        if (!name || PyList_Append(list, name) < 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

PyObject* target(PyObject*, PyObject*) { return PyUnicode_FromString(names[chosen]); }

PyObject* use(PyObject*, PyObject* given) {
    PyObject* bytes = PyUnicode_AsUTF8String(given);
    if (!bytes) return nullptr;
    int found = -1;
    for (int i = 0; i < count; ++i)
        if (!std::strcmp(names[i], PyBytes_AsString(bytes))) found = i;
    Py_DECREF(bytes);
    if (found < 0) return PyErr_Format(PyExc_ValueError, "no such target: %R", given);
    chosen = found;
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"targets", targets, METH_NOARGS, "The targets that this machine has, best first."},
    {"target", target, METH_NOARGS, "The target in use."},
    {"use", use, METH_O, "Use a target."},
    {nullptr, nullptr, 0, nullptr},
};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "core", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_core() {
    if (!count) look();
    return PyModule_Create(&module);
}
