"""Checks of a call: that its arrays go together, the dtype asked for, and where the result goes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lsmx._call.registry import constant_when_compiled
from lsmx._definition.checks import FLOATS, check_number, checked_flag, dtype_name, native
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array, library_name
from lsmx._definition.shown import shown, type_name
from lsmx._errors import DTypeError, OutputError, ShapeError


@constant_when_compiled
def format_name(dtype: Any) -> str | None:
    """The name of the float format that a ``dtype=`` stands for: a library's own dtype, a name, or what NumPy makes of it."""
    name = dtype_name(dtype)
    if name not in FORMAT_OF:
        if hasattr(dtype, "ndim") and not isinstance(dtype, type | np.dtype):
            return None  # an array: NumPy would take the dtype that it has
        try:
            name = np.dtype(dtype).name
        except Exception:  # NumPy asks whatever it is given
            return None
    return name if name in FORMAT_OF else None


def wanted_dtype(xp: Any, dtype: Any, z: Array, argument: str = "z") -> Any:
    """The library's own dtype for the ``dtype=`` that was asked for."""
    name = format_name(dtype)
    if name is None:
        raise DTypeError(f"dtype: {shown(dtype)} is not one of {FLOATS}, nor another spelling of them that numpy.dtype() knows")
    check_number(argument, dtype_name(z.dtype))
    if hasattr(xp, name):
        return getattr(xp, name)
    if isinstance(z.dtype, np.dtype) and not isinstance(dtype, str):
        with contextlib.suppress(TypeError):
            return np.dtype(dtype)  # one that somebody else has added to NumPy's
    raise DTypeError(f"dtype: {library_name(xp)} has no {name}; it has {', '.join(n for n in FORMAT_OF if hasattr(xp, n))}")


def cast_to(xp: Any, dtype: Any, z: Array, argument: str) -> Array:
    """``z`` in the ``dtype=`` that was asked for, rounded once where that is narrower."""
    wanted = wanted_dtype(xp, dtype, z, argument)
    try:
        return xp.astype(z, wanted)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DTypeError(
            f"{argument}: {library_name(xp)} cannot cast {dtype_name(z.dtype)} to {dtype_name(wanted)}: {error}; convert it first"
        ) from error


def check_out(out: Array, shape: tuple[int, ...], dtype: Any) -> None:
    """Check that ``out`` has the result's shape and dtype, in any byte order.

    Parameters
    ----------
    out : array
        Where the result is to go.
    shape : tuple of int
        Of the result.
    dtype : dtype
        Of the result, as its library has it.

    Raises
    ------
    ShapeError
        Another shape.
    OutputError
        Another dtype, or elements that share memory.
    """
    if tuple(out.shape) != shape:
        raise ShapeError(f"out: shape {tuple(out.shape)}, but the result has {shape}; pass an array of that shape")
    if native(out.dtype) != native(dtype):
        raise OutputError(f"out: dtype {dtype_name(out.dtype)}, but the result has {dtype_name(dtype)}; pass dtype= to choose it")
    if overlaps_itself(out):
        raise OutputError("out: several of its elements are at the same place in memory; pass an array whose elements are apart")


def overlaps_itself(x: Array) -> bool:
    """Whether elements may share memory, by the strides of an array that tells them."""
    strides, reach = getattr(x, "strides", None), getattr(x, "itemsize", 0)
    if not isinstance(strides, tuple) or 0 in x.shape:
        return False
    for step, n in sorted((abs(step), n) for step, n in zip(strides, x.shape, strict=True) if n > 1):
        if step < reach:
            return True
        reach += step * (n - 1)
    return False


def check_flags(options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Options whose default is a bool are True or False."""
    for option, value in options.items():
        if isinstance(known[option], bool):
            checked_flag(option, value)


def described(x: Array) -> str:
    """The type of an array, for messages.

    Parameters
    ----------
    x : array
        Of any library; or anything else.

    Returns
    -------
    str
        Such as ``torch.Tensor``.
    """
    return type_name(type(x))


def write(result: Array, out: Array) -> Array:
    """Put the result into ``out``, unless a kernel has."""
    if result is out:
        return out
    check_out(out, tuple(result.shape), result.dtype)
    try:
        out[...] = result
    except (TypeError, ValueError, RuntimeError) as error:
        raise OutputError(f"out: cannot be written to: {error}; pass another array, or take the result in place of out=") from error
    return out
