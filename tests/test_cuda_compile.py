"""The CUDA kernels compile for the devices that they are meant for, without one; and what is compiled contracts nothing."""

from __future__ import annotations

import pathlib
import re

import lsmx_torch.cuda
import pytest

from lsmx import extend
from lsmx._native.cuda.source import PASSES, kernel_name, packs, source
from lsmx._native.memory import WIDTH

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed: pip install 'lsmx[test]'")
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
ROUNDED = re.compile(r"(add|sub|mul|fma)\.rn(\.ftz)?\.f(32|64)")
ARITHMETIC = re.compile(
    r"^\s*(?:@!?%p\d+\s+)?((?:add|sub|mul|fma|mad|div|rcp|sqrt|rsqrt|ex2|lg2|sin|cos|tanh)\.\S*f(?:16x2|16|32|64))\s", re.MULTILINE
)
FMA = re.compile(r"fma\.rn\S*\s+(%fd?\d+), (%fd?\d+), (%fd?\d+), (%fd?\d+);")
CONSTANT = re.compile(r"mov\.f(?:32|64)\s+(%fd?\d+), 0([fd])([0-9A-F]+);")


def ptx(text: str, *options: str) -> str:
    """What NVRTC makes of a source."""

    def done(result: tuple[object, ...]) -> tuple[object, ...]:
        assert result[0] == nvrtc.nvrtcResult.NVRTC_SUCCESS, result[0]
        return result[1:]

    (program,) = done(nvrtc.nvrtcCreateProgram(text.encode(), b"kernels.cu", 0, [], []))
    done(nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options]))
    (size,) = done(nvrtc.nvrtcGetPTXSize(program))
    assert isinstance(size, int)
    made = b" " * size
    done(nvrtc.nvrtcGetPTX(program, made))
    return made.decode()


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
    import struct

    value: float = struct.unpack(">f" if kind == "f" else ">d", bytes.fromhex(digits))[0]
    return value


@pytest.mark.parametrize("dtype", WIDTH)
@pytest.mark.parametrize("passname", PASSES)
def test_every_kernel_compiles(passname: str, dtype: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for PyTorch, to machine code; the same again from the cache on disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for arch in ARCHITECTURES:
        code = lsmx_torch.cuda.compiled(passname, dtype, arch).code
        for held in (True, False):
            for pack in packs(dtype):
                assert kernel_name(passname, dtype, held, pack).encode() in code
    assert lsmx_torch.cuda.compiled(passname, dtype, arch).code == code
    assert len(list(tmp_path.rglob("*"))) >= len(ARCHITECTURES)


@pytest.mark.parametrize("dtype", WIDTH)
@pytest.mark.parametrize("passname", PASSES)
def test_nothing_is_contracted(passname: str, dtype: str) -> None:
    """With CuPy's options and what it adds to them."""
    text = ptx(source(passname, dtype), "--gpu-architecture=compute_90", *extend.CUDA_OPTIONS, "-ftz=true")
    assert contractions(text, dtype) == []
    assert len(re.findall(r"fma\.rn", text)) >= (0 if passname == "softmax_backward" else 4)
    loads = {2: r"ld\.global\.v4\.(u|f|b)32", 4: r"ld\.global\.v4\.(u|f|b)32", 8: r"ld\.global\.v2\.(u|f|b)64"}
    assert re.search(loads[WIDTH[dtype]], text)


def test_contraction_is_seen() -> None:
    text = ptx(source("log_softmax_forward", "float32"), "--gpu-architecture=compute_90", "--std=c++17")
    assert contractions(text, "float32") != []
