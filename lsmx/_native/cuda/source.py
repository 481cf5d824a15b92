"""The CUDA source of a pass in a dtype, with the constants of its format: for NVRTC, and for a C++ compiler of the host."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources

from lsmx._definition.constants import TABLE
from lsmx._definition.formats import DOUBLE, SINGLE, Format
from lsmx._native.memory import WIDTH

PASSES = (*(f"{f}_{d}" for f in ("log_softmax", "softmax", "logsumexp") for d in ("forward", "backward")), "log_softmax_backward_z")
ELEMENTS = {"float16": "lsmx::Half", "bfloat16": "lsmx::Bfloat", "float32": "float", "float64": "double"}
FILES = ("law.cuh", "team.cuh", "rows.cuh", "passes.cuh", "kernels.cuh")
THREADS = 512
"""The most threads of a block."""
OPTIONS = ("--std=c++17", "--fmad=false")
"""What NVRTC is told, besides the architecture."""


def number(x: float) -> str:
    """A constant, exactly."""
    return f"F({float(x).hex()})"


def listed(values: Iterable[float]) -> str:
    """Constants in a row."""
    return ", ".join(map(number, values))


def constants(fmt: Format) -> str:
    """``Format<F>``: the format's own constants, and the magic numbers that follow from it."""
    p, (w0, w1) = fmt.precision, fmt.limbs
    piece = p - 4
    kind = {"float32": "float", "float64": "double"}[fmt.dtype]
    integers = {
        "fraction": p - 1,
        "bias": fmt.huge,
        "table_bits": len(TABLE).bit_length() - 1,
        "w0": w0,
        "w1": w1,
        "piece": piece,
    }
    floats = {
        "log2e": fmt.log2e,
        "ln2_hi": fmt.ln2_hi,
        "ln2_lo": fmt.ln2_lo,
        "underflow": fmt.underflow,
        "round_0": 1.5 * 2.0 ** (p - 1),  # x + this has a last bit of 1
        "round_first": 1.5 * 2.0 ** (p - w0),  # ... of 2^-(w0 - 1)
        "round_second": 1.5 * 2.0 ** (p - 1 - w0 - w1),  # ... of 2^-(w0 + w1)
        "round_half": 1.5 * 2.0 ** (p - 1 - (p - 1) // 2),  # ... of half the word
        "least": 2.0 ** (fmt.tiny + 1),
        "least_exact": 2.0 ** (fmt.tiny + p + 1),
        "far": -0.35,  # below it, round(x log2 e) is not 0
        "largest_exponent": fmt.huge - 1,
        "fourth": 2.0 ** (3 * piece - w0 - w1),  # of the pieces that a sum is cut into
        "third": 2.0 ** (2 * piece - w0 - w1),
        "second": 2.0 ** (piece - w0 - w1),
        "last": 2.0 ** -(w0 + w1),
    }
    polynomials = {"exp": fmt.exp, "log": fmt.log, "inv": fmt.inv[:-1]}
    tables = {"table": TABLE, "log_table_hi": fmt.log_table_hi, "log_table_lo": fmt.log_table_lo}
    lines = [f"template <> struct Format<{kind}> {{", f"    using F = {kind};"]
    lines += [f"    static constexpr int {name} = {value};" for name, value in integers.items()]
    lines += [f"    static constexpr F {name} = {number(value)};" for name, value in floats.items()]
    lines += [f"    LAW static F {name}_polynomial(F x) {{ return horner(x, {listed(v)}); }}" for name, v in polynomials.items()]
    lines += [f"    LAW static F {name}(int i) {{ return {kind}_{name}[i]; }}" for name in tables]
    given = [f"__device__ const {kind} {kind}_{name}[] = {{{listed(v).replace('F(', f'{kind}(')}}};" for name, v in tables.items()]
    return "\n".join([*given, *lines, "};"])


@functools.cache
def common(device: bool) -> str:
    """Everything but the kernels; what only a device understands is left out for the host."""
    folder = resources.files("lsmx._native.cuda")
    first = [folder.joinpath(name).read_text() for name in (("device.cuh",) if device else ()) + ("numbers.cuh",)]
    numbers = ["namespace lsmx {", constants(SINGLE), constants(DOUBLE), "}  // namespace lsmx"]
    return "\n".join([*first, *numbers, *(folder.joinpath(name).read_text() for name in FILES)])


def kernel_name(passname: str, dtype: str, held: bool, pack: int) -> str:
    """The name of a kernel: whether a thread holds its elements, and how many lie together."""
    return f"{passname}_{dtype}_{'held' if held else 'walked'}_{pack}"


def packs(dtype: str) -> tuple[int, int]:
    """Elements that are loaded together: 16 bytes, or one."""
    return 16 // WIDTH[dtype], 1


def kernels(passname: str, dtype: str) -> str:
    """The kernels of a pass."""
    return "\n".join(
        f"LSMX_KERNEL({kernel_name(passname, dtype, held, pack)}, {THREADS}, {passname}, {ELEMENTS[dtype]}, {pack}, "
        f"{'true' if held else 'false'})"
        for held in (True, False)
        for pack in packs(dtype)
    )


def source(passname: str, dtype: str, device: bool = True) -> str:
    """The whole source of a pass."""
    return "\n".join([common(device), kernels(passname, dtype), ""])
