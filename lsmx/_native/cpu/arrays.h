// Arrays of Python as the passes read and write them: NumPy's by their buffer, and those of libraries that offer DLPack's table.
#pragma once
#include "exchange.h"
#include "module.h"

namespace lsmx {

// What the module knows of a library
enum Library { NUMPY, EXCHANGED };

// What an array holds
enum Kind { FLOATS, BOOLS, INTEGERS };

class Array : public View {
    Py_buffer buffer;
    bool held = false;

public:
    ~Array() {
        if (held) PyBuffer_Release(&buffer);
    }
    // False, without an error, if it is none of this kind that can be read, or written to
    bool get(Library, const State&, PyObject*, Kind = FLOATS, bool writable = false);
    // A new one in C order, viewed too; null with an error set
    PyObject* make(Library, const State&, int dimensions, const int64_t* shape, Type);

private:
    bool get_buffer(const State&, PyObject*, bool writable);
    bool get_tensor(const State&, PyObject*);
    bool view(const exchange::Tensor&);
};

}  // namespace lsmx
