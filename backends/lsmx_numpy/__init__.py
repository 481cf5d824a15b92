"""NumPy arrays."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from lsmx import ArrayTypeError, Backend, Format, Ops, power_from_bits, row_blocks


def owns(x: object) -> bool:
    """Arrays, but neither scalars nor masked arrays, whose mask would be lost."""
    if isinstance(x, np.matrix):
        raise ArrayTypeError("a numpy.matrix, which has no axes to keep; pass numpy.asarray(z)")
    if isinstance(x, np.ma.MaskedArray):
        raise ArrayTypeError("a numpy.ma.MaskedArray: its mask would be lost; pass z.data with where=~numpy.ma.getmaskarray(z)")
    return isinstance(x, np.ndarray)


def ops(x: Any, fmt: Format) -> Ops:
    """NumPy's operations."""
    return Ops(xp=xp, device="cpu", format=fmt, integers=(np.int64, 64), power=power_from_bits)


def quiet() -> Any:
    """No warning, and no error, for infinities, NaN and underflow: the contract defines them."""
    return np.errstate(all="ignore")


def version() -> str:
    """NumPy's version."""
    return np.__version__


def devices() -> list[str]:
    """The host."""
    return ["cpu"]


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """An array in ``dtype``."""
    return np.asarray(values).astype(dtype)


def to_numpy(x: Any) -> Any:
    """The array itself."""
    return x


backend = Backend(
    name="numpy",
    roots=("numpy",),
    owns=owns,
    ops=ops,
    version=version,
    devices=devices,
    dtypes=("float16", "float32", "float64"),
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=row_blocks(xp, block=2**17),
    quiet=quiet,
)
