// Runs kernels without Python, for processors that are emulated.
#include <cstdio>
#include <cstring>

namespace LSMX_TARGET {
const char* name();
}

int main() {
    std::puts(LSMX_TARGET::name());
    return std::strcmp(LSMX_TARGET::name(), LSMX_NAME) != 0;
}
