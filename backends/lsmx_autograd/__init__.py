"""NumPy arrays that HIPS autograd follows.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from typing import Any

import lsmx_numpy
from autograd.core import VJPNode
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import getval, new_box

from lsmx.extend import Backend, Format, Ops
from lsmx_autograd import namespace
from lsmx_autograd.primitives import bind


def owns(kind: type) -> bool:
    """The boxes that arrays are in while autograd follows them."""
    return issubclass(kind, ArrayBox)


def ops(x: Any, fmt: Format) -> Ops:
    """NumPy's operations: what is computed is computed on the arrays in the boxes."""
    return replace(lsmx_numpy.ops(x, fmt), xp=namespace)


def version() -> str:
    """Autograd's version."""
    return metadata.version("autograd")


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """An array in ``dtype``, in a box; masks and indices are in none."""
    array = lsmx_numpy.from_numpy(values, dtype)
    return array if dtype not in backend.dtypes else new_box(array, 0, VJPNode.new_root())


def to_numpy(x: Any) -> Any:
    """The array in the box, however many boxes it is in."""
    while isinstance(x, ArrayBox):
        x = getval(x)
    return x


backend = Backend(
    name="autograd",
    roots=("autograd",),
    owns=owns,
    ops=ops,
    version=version,
    devices=lsmx_numpy.devices,
    dtypes=lsmx_numpy.backend.dtypes,
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    bind=bind,
    follows="numpy",
)
