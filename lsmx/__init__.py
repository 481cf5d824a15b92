"""lsmx: log-softmax, softmax and logsumexp, forward and backward, on any array, with the same bits everywhere.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from importlib import metadata as _metadata

from lsmx._api import (
    log_softmax,
    log_softmax_backward,
    log_softmax_jacobian,
    log_softmax_jvp,
    logsumexp,
    logsumexp_backward,
    logsumexp_jvp,
    softmax,
    softmax_backward,
    softmax_jacobian,
    softmax_jvp,
)
from lsmx._arithmetic.formats import ARITHMETIC_VERSION, DOUBLE, SINGLE, Format
from lsmx._arithmetic.ops import Ops, power_from_bits
from lsmx._backend import Backend, Kernel
from lsmx._blocks import row_blocks
from lsmx._calculus import Calculus
from lsmx._cuda.launch import CudaDevice, cuda_engine
from lsmx._cuda.source import OPTIONS as CUDA_OPTIONS
from lsmx._cuda.source import source as cuda_source
from lsmx._errors import (
    ArgumentError,
    ArrayTypeError,
    AxisError,
    BackendError,
    BackendWarning,
    DeviceError,
    DTypeError,
    LsmxError,
    OutputError,
    ShapeError,
    ThreadsError,
)
from lsmx._explain import explain
from lsmx._function import Context, Function
from lsmx._fused.kernels import fused
from lsmx._fused.launch import Memory
from lsmx._operation import Operation
from lsmx._operator import Operator, register, registered, unregister
from lsmx._registry import backend_for, register_backend, unregister_backend, using
from lsmx._threads import chosen_threads, get_num_threads, set_num_threads

try:
    __version__ = _metadata.version("lsmx")
except _metadata.PackageNotFoundError:  # a bare clone, not installed
    __version__ = "0+unknown"

__all__ = [
    "ARITHMETIC_VERSION",
    "CUDA_OPTIONS",
    "DOUBLE",
    "SINGLE",
    "ArgumentError",
    "ArrayTypeError",
    "AxisError",
    "Backend",
    "BackendError",
    "BackendWarning",
    "Calculus",
    "Context",
    "CudaDevice",
    "DTypeError",
    "DeviceError",
    "Format",
    "Function",
    "Kernel",
    "LsmxError",
    "Memory",
    "Operation",
    "Operator",
    "Ops",
    "OutputError",
    "ShapeError",
    "ThreadsError",
    "__version__",
    "backend_for",
    "chosen_threads",
    "cuda_engine",
    "cuda_source",
    "explain",
    "fused",
    "get_num_threads",
    "log_softmax",
    "log_softmax_backward",
    "log_softmax_jacobian",
    "log_softmax_jvp",
    "logsumexp",
    "logsumexp_backward",
    "logsumexp_jvp",
    "power_from_bits",
    "register",
    "register_backend",
    "registered",
    "row_blocks",
    "set_num_threads",
    "softmax",
    "softmax_backward",
    "softmax_jacobian",
    "softmax_jvp",
    "unregister",
    "unregister_backend",
    "using",
]
