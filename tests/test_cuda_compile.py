"""The CUDA kernels compile for the devices that they are meant for, without one; and what is compiled contracts nothing."""

from __future__ import annotations

import itertools
import pathlib
import re
import struct
from collections.abc import Sequence

import lsmx_torch.cuda
import pytest

from lsmx import extend
from lsmx._native.cuda.source import LOSSES, PASSES, kernel_name, packs, source
from lsmx._native.memory import WIDTH

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed: pip install 'lsmx[test]'")
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
KERNELS = list(itertools.product(PASSES, WIDTH))
DTYPES = tuple(WIDTH)
LIKE = ("js_backward_z",)
"""Those that are the same as another with a side turned."""
OF_LOSSES = [  # half of them, for one dtype each, by turns; the others take minutes
    pytest.param(passname, dtype, marks=() if (i + j) % (2 * len(DTYPES)) == 0 and passname not in LIKE else pytest.mark.nightly)
    for i, passname in enumerate(LOSSES)
    for j, dtype in enumerate(DTYPES)
]
ROUNDED = re.compile(r"(add|sub|mul|div|fma)\.rn(\.ftz)?\.f(32|64)")
ARITHMETIC = re.compile(
    r"^\s*(?:@!?%p\d+\s+)?((?:add|sub|mul|fma|mad|div|rcp|sqrt|rsqrt|ex2|lg2|sin|cos|tanh)\.\S*f(?:16x2|16|32|64))\s", re.MULTILINE
)
FMA = re.compile(r"fma\.rn\S*\s+(%fd?\d+), (%fd?\d+), (%fd?\d+), (%fd?\d+);")
CONSTANT = re.compile(r"mov\.f(?:32|64)\s+(%fd?\d+), 0([fd])([0-9A-F]+);")


def done(result: tuple[object, ...]) -> tuple[object, ...]:
    """What NVRTC gives, beside that it went well."""
    assert result[0] == nvrtc.nvrtcResult.NVRTC_SUCCESS, result[0]
    return result[1:]


def told(program: object, size: str, text: str) -> str:
    """A text of NVRTC's about a program."""
    (n,) = done(getattr(nvrtc, size)(program))
    assert isinstance(n, int)
    made = b" " * n
    done(getattr(nvrtc, text)(program, made))
    return made.decode()


def ptx(text: str, *options: str) -> str:
    """What NVRTC makes of a source."""
    (program,) = done(nvrtc.nvrtcCreateProgram(text.encode(), b"kernels.cu", 0, [], []))
    status, *_ = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, told(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog")
    return told(program, "nvrtcGetPTXSize", "nvrtcGetPTX")


def contractions(text: str, dtype: str) -> list[str]:
    """Instructions of PTX that round otherwise than the law says, or that the assembler may contract.

    Without ``.rn`` it may make one of two. The one FMA that there is multiplies by ``ln2_hi``, whose product is exact.
    """
    fmt = extend.DOUBLE if dtype == "float64" else extend.SINGLE
    wrong = [found for found in ARITHMETIC.findall(text) if not ROUNDED.fullmatch(found)]
    for function in text.split("\n}\n"):
        values = {register: (kind, digits) for register, kind, digits in CONSTANT.findall(function)}
        for fma in FMA.finditer(function):
            factors = [values[r] for r in fma.group(2, 3) if r in values]
            if not any(number(*factor) in (fmt.ln2_hi, -fmt.ln2_hi) for factor in factors):
                wrong.append(fma.group())
    return wrong


def number(kind: str, digits: str) -> float:
    """A constant of PTX, which is written as its bits."""
    value: float = struct.unpack(">f" if kind == "f" else ">d", bytes.fromhex(digits))[0]
    return value


def check_compiles(passname: str, dtype: str, architectures: Sequence[str]) -> None:
    """As for PyTorch, to machine code; the same again from the cache on disk."""
    for arch in architectures:
        code = lsmx_torch.cuda.compiled(passname, dtype, arch).code
        for held in (True, False):
            for pack in packs(dtype):
                assert kernel_name(passname, dtype, held, pack).encode() in code
        assert lsmx_torch.cuda.compiled(passname, dtype, arch).code == code


@pytest.mark.one_in(14, slow=3)
@pytest.mark.parametrize(("passname", "dtype"), KERNELS[::3])
def test_every_kernel_compiles(passname: str, dtype: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one architecture each, by turns, in some of the dtypes; by night in all, for all."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    check_compiles(passname, dtype, [ARCHITECTURES[KERNELS.index((passname, dtype)) % len(ARCHITECTURES)]])
    assert list(tmp_path.rglob("*"))


@pytest.mark.nightly
@pytest.mark.parametrize(("passname", "dtype"), KERNELS)
def test_every_kernel_compiles_for_all(passname: str, dtype: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    check_compiles(passname, dtype, ARCHITECTURES)


@pytest.mark.one_in(10, slow=3)
@pytest.mark.parametrize(
    ("passname", "dtype", "ftz"),
    [(*kernel, ftz) for kernel in KERNELS[::3] for ftz in ("true", "false") if ftz == "true" or kernel[1] == "float32"],
)
def test_nothing_is_contracted(passname: str, dtype: str, ftz: str) -> None:
    """With CuPy's options and what it adds to them, and without; for the oldest device."""
    text = ptx(source(passname, dtype), "--gpu-architecture=compute_75", *extend.CUDA_OPTIONS, f"-ftz={ftz}")
    assert contractions(text, dtype) == []
    assert len(re.findall(r"fma\.rn", text)) >= (0 if passname == "softmax_backward" else 4)
    assert ("add.rn.ftz.f32" in text, "add.rn.f32" in text) == {"float64": (False, False)}.get(
        dtype, (ftz == "true", ftz == "false")
    )
    loads = {2: r"ld\.global\.v4\.(u|f|b)32", 4: r"ld\.global\.v4\.(u|f|b)32", 8: r"ld\.global\.v2\.(u|f|b)64"}
    assert re.search(loads[WIDTH[dtype]], text)


@pytest.mark.one_in(0, slow=3)
@pytest.mark.parametrize(("passname", "dtype"), OF_LOSSES)
def test_nothing_is_contracted_in_losses(passname: str, dtype: str) -> None:
    """For an architecture each; a quotient is rounded as IEEE says."""
    arch = ARCHITECTURES[list(LOSSES).index(passname) % len(ARCHITECTURES)].replace("sm_", "compute_")
    text = ptx(source(passname, dtype), f"--gpu-architecture={arch}", *extend.CUDA_OPTIONS, "-ftz=true")
    assert contractions(text, dtype) == []
    assert len(re.findall(r"fma\.rn", text)) >= (0 if passname == "rank_forward" else 4)
    assert len(re.findall(r"div\.rn", text)) == divisions(passname)


def divisions(passname: str) -> int:
    """By a temperature, and by a soft cap for logits and for gradients, in functions of their own; a share in each kernel."""
    if passname.startswith(("kl_", "js_")):
        return 1
    share = passname.startswith(("weighted_", "cross_entropy_of_")) and not passname.endswith("_target")
    return 2 + ("_backward" in passname and not passname.endswith("_target")) + 4 * share


@pytest.mark.nightly
@pytest.mark.parametrize(("passname", "dtype"), list(itertools.product(LOSSES, WIDTH)))
def test_every_kernel_of_losses_compiles(
    passname: str, dtype: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    check_compiles(passname, dtype, ARCHITECTURES[:: len(ARCHITECTURES) - 1])


def test_contraction_is_seen() -> None:
    text = ptx(source("log_softmax_forward", "float32"), "--gpu-architecture=compute_90", "--std=c++17")
    assert contractions(text, "float32") != []


def test_older_devices_are_an_error() -> None:
    _, supported = nvrtc.nvrtcGetSupportedArchs()
    if 70 not in supported:
        pytest.skip("this NVRTC knows no older ones")
    with pytest.raises(AssertionError, match=r"for devices of compute capability 7\.5 and later"):
        ptx(source("log_softmax_forward", "float32"), "--gpu-architecture=compute_70", *extend.CUDA_OPTIONS)
