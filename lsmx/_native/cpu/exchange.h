// DLPack's table of C functions by which a library's arrays are read and made: https://dmlc.github.io/dlpack, version 1.3 and later
// minor ones. A type offers it as the capsule __dlpack_c_exchange_api__.
#pragma once
#include <stdint.h>

namespace lsmx {
namespace exchange {

struct Version {
    uint32_t major, minor;
};
struct Device {
    int32_t type, id;
};
struct Type {
    uint8_t code, bits;
    uint16_t lanes;
};
struct Tensor {
    void* data;
    Device device;
    int32_t dimensions;
    Type type;
    int64_t *shape, *strides;  // in elements
    uint64_t byte_offset;
};
struct Managed {
    Version version;
    void* context;
    void (*deleter)(Managed*);
    uint64_t flags;
    Tensor tensor;
};
struct Header {
    Version version;
    Header* previous;
};
struct Api {
    Header header;
    int (*allocate)(Tensor* prototype, Managed** out, void* context, void (*set_error)(void* context, const char* kind, const char* message));
    int (*managed_from_object)(void* object, Managed** out);
    int (*to_object)(Managed*, void** object);  // takes the tensor over
    int (*from_object)(void* object, Tensor* out);  // valid as long as the object is not touched; may be null
    int (*current_stream)(int32_t device_type, int32_t device_id, void** stream);
};

constexpr int32_t HOST = 1;
constexpr uint8_t INTEGER = 0, FLOAT = 2, BFLOAT = 4, BOOL = 6;

}  // namespace exchange
}  // namespace lsmx
