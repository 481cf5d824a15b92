"""For authors of functions and backends.

A function of your own is a `Function` and a call of `register`; an array library of your own is a `Backend` record. Both are
described in the documentation, with whole examples: docs/functions.md and backends/README.md.
"""

from lsmx._call.backend import DIRECTIONS, Backend, Kernel
from lsmx._call.blocks import row_blocks
from lsmx._call.calculus import Calculus
from lsmx._call.cross_entropy_kernels import cross_entropy_plans
from lsmx._call.device import fused
from lsmx._call.division import Division, dividing, on_part
from lsmx._call.family import FEW_ELEMENTS
from lsmx._call.finishing import finish_of
from lsmx._call.functions import by_full_name, registered
from lsmx._call.host import core_kernels
from lsmx._call.loss_kernels import Operands, Runner, loss_plans
from lsmx._call.operation import JACOBIAN, Operation
from lsmx._call.operator import Operator, namespace_of, register, serving, unregister
from lsmx._call.part_sums import row_sum_by_kernels, row_sums_by_kernels
from lsmx._call.plan import Plan
from lsmx._call.registry import (
    backend_for,
    backend_of,
    constant_when_compiled,
    forced,
    known_backends,
    register_backend,
    roots,
    unregister_backend,
)
from lsmx._call.rounds import Heard, Round, Said, heard_of, merged_said
from lsmx._call.standard import STANDARD
from lsmx._call.validate import check_out, described
from lsmx._definition.checks import dtype_name, float_name, native, normal_axes, reduced_shape
from lsmx._definition.formats import DOUBLE, FORMAT_OF, SINGLE, Format
from lsmx._definition.function import Context, Function, keep, recall, remember
from lsmx._definition.kinds import EACH, INDEX, INDICES, MASK, PER_CLASS, PER_ROW, ROW_SUMS, ROWS, Kind
from lsmx._definition.ops import Array, Ops, power_from_bits
from lsmx._definition.parts import MERGE, Part, in_part
from lsmx._definition.row_parts import row_sums_of
from lsmx._definition.row_values import row_sum_of
from lsmx._definition.rows import Rows
from lsmx._definition.softmax import softmax_of
from lsmx._errors import LsmxError
from lsmx._native.compiled import core, core_status
from lsmx._native.cuda.launch import CudaDevice, cuda_engine
from lsmx._native.cuda.launch import too_old as cuda_too_old
from lsmx._native.cuda.source import OPTIONS as CUDA_OPTIONS
from lsmx._native.cuda.source import source as cuda_source
from lsmx._native.host import SWAPPED, HostMemory
from lsmx._native.host import TYPES as HOST_TYPES
from lsmx._native.host import View as HostView
from lsmx._native.memory import Memory
from lsmx._native.threads import chosen_threads

__all__ = [
    "CUDA_OPTIONS",
    "DIRECTIONS",
    "DOUBLE",
    "EACH",
    "FEW_ELEMENTS",
    "FORMAT_OF",
    "HOST_TYPES",
    "INDEX",
    "INDICES",
    "JACOBIAN",
    "MASK",
    "MERGE",
    "PER_CLASS",
    "PER_ROW",
    "ROWS",
    "ROW_SUMS",
    "SINGLE",
    "STANDARD",
    "SWAPPED",
    "Array",
    "Backend",
    "Calculus",
    "Context",
    "CudaDevice",
    "Division",
    "Format",
    "Function",
    "Heard",
    "HostMemory",
    "HostView",
    "Kernel",
    "Kind",
    "LsmxError",
    "Memory",
    "Operands",
    "Operation",
    "Operator",
    "Ops",
    "Part",
    "Plan",
    "Round",
    "Rows",
    "Runner",
    "Said",
    "backend_for",
    "backend_of",
    "by_full_name",
    "check_out",
    "chosen_threads",
    "constant_when_compiled",
    "core",
    "core_kernels",
    "core_status",
    "cross_entropy_plans",
    "cuda_engine",
    "cuda_source",
    "cuda_too_old",
    "described",
    "dividing",
    "dtype_name",
    "finish_of",
    "float_name",
    "forced",
    "fused",
    "heard_of",
    "in_part",
    "keep",
    "known_backends",
    "loss_plans",
    "merged_said",
    "namespace_of",
    "native",
    "normal_axes",
    "on_part",
    "power_from_bits",
    "recall",
    "reduced_shape",
    "register",
    "register_backend",
    "registered",
    "remember",
    "roots",
    "row_blocks",
    "row_sum_by_kernels",
    "row_sum_of",
    "row_sums_by_kernels",
    "row_sums_of",
    "serving",
    "softmax_of",
    "unregister",
    "unregister_backend",
]
