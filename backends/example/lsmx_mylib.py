"""The lsmx backend of mylib."""

from __future__ import annotations

from typing import Any

import mylib
import numpy as np

import lsmx
from lsmx import extend


def owns(kind: type) -> bool:
    """Mylib's arrays."""
    return issubclass(kind, mylib.Array)


def ops(x: Any, fmt: extend.Format) -> extend.Ops:
    """What the definition is made of: a namespace, a device, the format, the widest integers and their bits."""
    return extend.Ops(xp=mylib, device="cpu", format=fmt, integers=(mylib.int64, 64))


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """A new array."""
    return mylib.Array(np.asarray(values).astype(dtype))


def to_numpy(x: Any) -> Any:
    """The way back."""
    return x.inner


def plan(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
    """A kernel: called as the definition is, gives the reason why it does not take the call, or what computes it."""

    def run() -> Any:
        """Equals the definition bit for bit, and saves what that saves. This one borrows NumPy's."""
        out = mylib.Array(lsmx.log_softmax(z.inner, axis=axis))
        if axis != -1:
            ctx.axis = axis
        ctx.save_for_backward(out)
        return out

    return run if where is None else "masks are left to the definition"


backend = extend.Backend(
    name="mylib",
    roots=("mylib",),
    owns=owns,
    ops=ops,
    version=lambda: "1.0",
    devices=lambda: ["cpu"],
    dtypes=("float32", "float64"),
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=(extend.Kernel("borrowed", "log_softmax", "forward", plan),),
    quiet=lambda: np.errstate(all="ignore"),
)
