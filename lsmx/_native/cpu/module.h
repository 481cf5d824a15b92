// What the files of the Python module share. The limited API of Python 3.11, which an interpreter without the GIL does not have.
#pragma once
#include <pyconfig.h>
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030b0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "exchange.h"
#include "geometry.h"

namespace lsmx {

constexpr int TENSOR_TYPES = 2;

// Of one module in one interpreter
struct State {
    PyObject *ndarray, *memmap, *empty;        // NumPy's types and function
    PyObject *dtypes[TYPES], *scalars[TYPES];  // NumPy's dtypes, and the types of their scalars

    // of a library that offers DLPack's table: its types, and what tells how many threads to use
    const exchange::Api* exchange;
    PyObject *tensor_types[TENSOR_TYPES], *tensor_threads;
};
inline State& state_of(PyObject* module) { return *static_cast<State*>(PyModule_GetState(module)); }

PyObject* refuse(const char* why);  // a ValueError

using Function = PyObject* (*)(PyObject* module, PyObject* const* args, Py_ssize_t count);
Function call_of(Pass), tensor_call_of(Pass);  // or null, where a pass has no short way
Function mean_call_of(bool tensors, bool gradient);

PyObject* xla_handler(PyObject* module, PyObject*);  // a capsule

}  // namespace lsmx
