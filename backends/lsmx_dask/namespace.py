"""Dask's functions by the standard's names, through array-api-compat."""

from __future__ import annotations

from functools import partial
from typing import Any

import array_api_compat.dask.array as xp
import dask.array as da
import numpy as np
from numpy import float16  # noqa: F401 (which the standard does not have)


def __getattr__(name: str) -> Any:
    return getattr(xp, name)


def astype(x: Any, dtype: Any, /) -> Any:
    """A cast, quiet when it is computed."""
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else x.map_blocks(partial(cast, dtype=dtype), dtype=dtype, meta=x._meta.astype(dtype))


def cast(block: Any, dtype: Any) -> Any:
    """A cast of a block without warnings."""
    with np.errstate(all="ignore"):
        return block.astype(dtype)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """The standard's, which Dask has not: each block of the result is given whole rows."""
    every, axis = tuple(range(x.ndim)), axis % x.ndim
    of_rows = tuple(x.ndim if a == axis else a for a in every)
    take = partial(np.take_along_axis, axis=axis)
    return da.blockwise(take, every, x, of_rows, indices, every, concatenate=True, dtype=x.dtype, meta=x._meta)
