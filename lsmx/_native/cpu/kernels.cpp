// Compiled once for each target, in a namespace of its own.
namespace LSMX_TARGET {
const char* name() { return LSMX_NAME; }
}  // namespace LSMX_TARGET
