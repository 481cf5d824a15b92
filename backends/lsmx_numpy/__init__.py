"""NumPy arrays.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from lsmx import get_num_threads
from lsmx.extend import Backend, Format, Memory, Ops, power_from_bits, row_blocks
from lsmx_numpy.subclasses import serves

NAMES = {np.dtype(name): name for name in ("float16", "float32", "float64")}
addressof, from_buffer, plain = ctypes.addressof, ctypes.c_char.from_buffer, np.ndarray


def ops(x: Any, fmt: Format) -> Ops:
    """NumPy's operations."""
    return ops_in(fmt)


@functools.cache
def ops_in(fmt: Format) -> Ops:
    """The operations in a format."""
    return Ops(xp=xp, device="cpu", format=fmt, integers=(np.int64, 64), power=power_from_bits, eager=True)


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


def refuse(x: Any) -> str | None:
    """Kernels read the memory of plain arrays in native byte order."""
    if type(x) is not np.ndarray:
        return f"a {type(x).__name__}, not a plain numpy.ndarray"
    if x.dtype not in NAMES:
        return f"dtype {x.dtype.str}, not a float in native byte order"
    if not x.flags.aligned or any(s % x.itemsize for s in x.strides):
        return "elements that are not aligned in memory"
    return None


def simple(x: Any) -> str | None:
    """What kernels take without a further look: plain arrays in C order, aligned and writable."""
    return NAMES.get(x.dtype) if type(x) is plain and x.flags.carray and x.size and x.ndim else None


def address(x: Any) -> int:
    """Of the first element; the quick way where there is one."""
    try:
        return addressof(from_buffer(x))
    except (TypeError, ValueError):  # not in C order, or not writable
        where: int = x.__array_interface__["data"][0]
        return where


def masked(x: Any, where: Any, value: float) -> Any:
    """A copy in C order, with a number where the mask is false."""
    copy = np.full(x.shape, value, x.dtype)
    np.copyto(copy, x, where=where)
    return copy


MEMORY = Memory(
    refuse=refuse,
    dtype=lambda x: NAMES[x.dtype],
    address=address,
    strides=lambda x: tuple(s // x.itemsize for s in x.strides),
    simple=simple,
    width=lambda x: x.itemsize,
    is_writable=lambda x: x.flags.writeable,
    empty=lambda shape, like: np.empty(shape, like.dtype),
    masked=masked,
    fill=lambda x, where, value: np.copyto(x, value, where=~where),
    threads=get_num_threads,
)

backend = Backend(
    name="numpy",
    roots=("numpy",),
    owns=serves,
    ops=ops,
    version=version,
    devices=devices,
    dtypes=("float16", "float32", "float64"),
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=row_blocks(xp, block=2**17),
    quiet=quiet,
    one_place=True,
)
