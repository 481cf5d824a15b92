"""NumPy arrays that HIPS autograd follows."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import lsmx_numpy
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import getval

from lsmx import Backend, Format, Ops
from lsmx_autograd.primitives import bind


def owns(kind: type) -> bool:
    """The boxes that arrays are in while autograd follows them."""
    return issubclass(kind, ArrayBox)


def ops(x: Any, fmt: Format) -> Ops:
    """NumPy's operations: what is computed is computed on the arrays in the boxes."""
    return lsmx_numpy.ops(x, fmt)


def version() -> str:
    """Autograd's version."""
    return metadata.version("autograd")


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
    from_numpy=lsmx_numpy.from_numpy,
    to_numpy=to_numpy,
    bind=bind,
)
