"""CuPy's functions by the standard's names, with a choice between bfloat16 numbers."""

from __future__ import annotations

from typing import Any

import cupy
from array_api_compat import cupy as xp


def __getattr__(name: str) -> Any:
    return getattr(xp, name)


def where(condition: Any, a: Any, b: Any, /) -> Any:
    """Of equal dtypes, as the law has them. CuPy's own makes float32 of bfloat16, so 16-bit floats are chosen by their bits."""
    if a.dtype.itemsize == 2:
        return cupy.where(condition, a.view(cupy.int16), b.view(cupy.int16)).view(a.dtype)
    return cupy.where(condition, a, b)
