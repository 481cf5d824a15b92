"""NumPy arrays.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from lsmx import get_num_threads
from lsmx.extend import (
    HOST_TYPES,
    SWAPPED,
    Backend,
    Format,
    HostMemory,
    HostView,
    Ops,
    core_kernels,
    native,
    power_from_bits,
    row_blocks,
)
from lsmx_numpy import namespace
from lsmx_numpy.subclasses import PLAIN, serves


def ops(x: Any, fmt: Format) -> Ops:
    """NumPy's operations."""
    return ops_in(fmt)


@functools.cache
def ops_in(fmt: Format) -> Ops:
    """The operations in a format."""
    return Ops(xp=namespace, device="cpu", format=fmt, integers=(np.int64, 64), power=power_from_bits, eager=True)


def quiet() -> Any:
    """A context without warnings or errors about infinities, NaN and underflow: their results are defined."""
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


def view(x: Any) -> HostView | str:
    """An array's memory; types that mean something of their own are no numbers to be read."""
    if type(x) not in PLAIN:
        return f"a {type(x).__name__}, not a plain numpy.ndarray"
    code = type_of(x.dtype)
    if code is None:
        return f"dtype {x.dtype.str}, not a float"
    return x.__array_interface__["data"][0], code, x.shape, x.strides


@functools.cache
def type_of(dtype: Any) -> int | None:
    """The core's number for a dtype, if it computes in it; bfloat16 is not NumPy's own, but added by other libraries."""
    code = HOST_TYPES.get(dtype.name)
    return code if code is None or dtype.isnative else code + SWAPPED


def empty(shape: tuple[int, ...], like: Any, widens: bool = False) -> Any:
    """A new array."""
    return np.empty(shape, np.float32 if widens and like.dtype.itemsize == 2 else native(like.dtype))


MEMORY = HostMemory(
    view=view,
    empty=empty,
    is_writable=lambda x: x.flags.writeable,
    threads=get_num_threads,
    direct=lambda core, passname: getattr(core, passname),
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
    kernels=(*core_kernels(MEMORY), *row_blocks(np, block=2**17)),
    quiet=quiet,
    one_place=True,
    seen=lambda x: type(x) in PLAIN,
)
