"""Bit patterns, by which any two of lsmx's own results are compared: there is no tolerance."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

_UINT = {"float16": np.uint16, "float32": np.uint32, "float64": np.uint64}


def quantise(values: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """``values`` rounded to ``dtype``, to nearest-even. bfloat16, which NumPy lacks, is held as float32."""
    with np.errstate(over="ignore"):
        if dtype != "bfloat16":
            return values.astype(dtype)
        single = to_odd_single(values)
    word = single.view(np.uint32)
    rounded = (word + np.uint32(0x7FFF) + ((word >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(single), np.float32(np.nan), rounded.view(np.float32))


def to_odd_single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """float64 to float32 by rounding to odd, so that rounding the result again gives what rounding once would."""
    single = values.astype(np.float32)
    if values.dtype == np.float32:
        return single
    toward_zero = np.where(np.abs(single.astype(np.float64)) > np.abs(values), np.nextafter(single, np.float32(0)), single)
    inexact = (toward_zero.astype(np.float64) != values) & np.isfinite(values)
    return np.where(inexact, (toward_zero.view(np.uint32) | np.uint32(1)).view(np.float32), toward_zero)


def bits(x: npt.NDArray[Any], dtype: str | None = None) -> npt.NDArray[Any]:
    """The bit pattern of every element, of NaN too; float32 that holds bfloat16 as its upper half."""
    x = np.ascontiguousarray(x)
    pattern: npt.NDArray[Any] = x.view(_UINT[x.dtype.name])
    if dtype == "bfloat16":
        assert not (pattern & np.uint32(0xFFFF)).any(), "float32 values that are no bfloat16"
        return (pattern >> np.uint32(16)).astype(np.uint16)
    return pattern


def differing(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> str | None:
    """None if two results are equal in shape, dtype and every bit, else the first difference in words."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype} {a.shape} against {b.dtype} {b.shape}"
    unequal = (bits(a) != bits(b)).reshape(a.shape)
    if not unequal.any():
        return None
    at = tuple(int(i) for i in np.argwhere(unequal)[0])
    return f"{int(unequal.sum())} of {a.size} differ, first at {at}: {a[at]!r} against {b[at]!r}"


def digest(*results: tuple[npt.NDArray[Any], str]) -> str:
    """A short hash of the shapes and bit patterns of results, each given with its dtype's name."""
    sha = hashlib.sha256()
    for x, dtype in results:
        pattern = bits(x, dtype)
        sha.update(f"{dtype}{x.shape}".encode())
        sha.update(pattern.astype(pattern.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:12]


def combined(marks: list[str]) -> str:
    """Several hashes as one."""
    return hashlib.sha256("".join(marks).encode()).hexdigest()[:12]


def ulp_error(got: npt.NDArray[Any], exact: list[Any], unit: list[Any] | None = None) -> float:
    """The largest error of ``got`` in ulp of its dtype at ``unit``: by default at the exact values, which are mpmath numbers."""
    worst = 0.0
    for i, (value, true) in enumerate(zip(got.ravel().tolist(), exact, strict=True)):
        at = abs(true if unit is None else unit[i])
        worst = max(worst, float(abs(true - value) / float(np.spacing(got.dtype.type(float(at))))))
    return worst
