"""Functions and gradients of plain numbers, on any library, as NumPy arrays: what the kit's tests are written in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import lsmx
from lsmx.extend import Array
from lsmx.testing.bits import quantise
from lsmx.testing.tasks import Target

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
Result = npt.NDArray[Any]


def made(where: Target, values: Any, dtype: str = "float32") -> Array:
    """An array of the library, of numbers or, with ``"bool"``, a mask."""
    return where.from_numpy(np.array(values) if dtype == "bool" else quantise(np.array(values, dtype=np.float64), dtype), dtype)


def run(where: Target, function: str, values: Any, dtype: str = "float32", mask: Any = None, **options: Any) -> Result:
    """The value of a function."""
    given = None if mask is None else made(where, mask, "bool")
    return where.to_numpy(getattr(lsmx, function)(made(where, values, dtype), where=given, **options))


def gradient(where: Target, function: str, values: Any, g: Any, dtype: str = "float32", mask: Any = None) -> Result:
    """The gradient of a function."""
    z, dy = made(where, values, dtype), made(where, g, dtype)
    m = None if mask is None else made(where, mask, "bool")
    out = getattr(lsmx, function)(z, where=m)
    return where.to_numpy(getattr(lsmx, f"{function}_backward")(dy, *residual(function, z, out), where=m))


def residual(function: str, z: Array, out: Array) -> tuple[Array, ...]:
    """What the public derivatives of a function take beside a vector."""
    return (z, out) if function == "logsumexp" else (out,)


def equal(got: Result, want: Any) -> None:
    """Assert that the numbers are equal."""
    assert np.array_equal(got, np.asarray(want, dtype=got.dtype), equal_nan=True), got


def every_direction(function: str, z: Array, g: Array, v: Array, axis: Any = -1, where: Array | None = None) -> dict[str, Array]:
    """Value, gradient along ``g``, JVP along ``v``, and without a mask the Jacobian."""
    options = {"axis": axis, "where": where}
    out = getattr(lsmx, function)(z, **options)
    saved = residual(function, z, out)
    results = {
        "forward": out,
        "backward": getattr(lsmx, f"{function}_backward")(g, *saved, **options),
        "jvp": getattr(lsmx, f"{function}_jvp")(v, *saved, **options),
    }
    if where is None and function != "logsumexp":
        results["jacobian"] = getattr(lsmx, f"{function}_jacobian")(out, axis=axis)
    return results
