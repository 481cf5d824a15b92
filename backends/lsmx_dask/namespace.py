"""Dask's functions by the standard's names, through array-api-compat."""

from __future__ import annotations

from functools import partial
from typing import Any

import array_api_compat.dask.array as xp
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
