"""Dask arrays: lazily, block by block, through the library that the blocks are of.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import lsmx_numpy
import numpy as np

from lsmx import backend_for
from lsmx.extend import Backend, Format, Ops
from lsmx_dask import namespace
from lsmx_dask.blocks import bind
from lsmx_dask.kernels import kernels


def owns(kind: type) -> bool:
    """Arrays, but neither bags nor data frames."""
    return issubclass(kind, da.Array)


def ops(x: Any, fmt: Format) -> Ops:
    """Dask's operations, on the device of the blocks."""
    device = "cpu" if isinstance(x, np.ndarray) else backend_for(x._meta).ops(x._meta, fmt).device
    return Ops(xp=namespace, device=device, format=fmt, integers=(np.int64, 64))


def version() -> str:
    """Dask's version."""
    return str(dask.__version__)


def devices() -> list[str]:
    """Those of the blocks."""
    return ["those of the blocks"]


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """An array in ``dtype``, each axis but the last one cut in two."""
    array = lsmx_numpy.from_numpy(values, dtype)
    return da.from_array(array, chunks=tuple(n if i == array.ndim - 1 else max(1, (n + 1) // 2) for i, n in enumerate(array.shape)))


def to_numpy(x: Any) -> Any:
    """The array, computed in this thread."""
    return np.asarray(x.compute(scheduler="synchronous"))


backend = Backend(
    name="dask",
    roots=("dask",),
    owns=owns,
    ops=ops,
    version=version,
    devices=devices,
    dtypes=lsmx_numpy.backend.dtypes,
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=kernels(),
    bind=bind,
    follows="numpy",
)
