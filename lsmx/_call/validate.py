"""Checks of a call: that its arrays go together, the dtype asked for, and where the result goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lsmx._definition.checks import FLOATS, checked_flag, dtype_name
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array
from lsmx._errors import DTypeError, OutputError, ShapeError


def wanted_dtype(xp: Any, dtype: Any, z: Array, argument: str = "z") -> Any:
    """The library's own dtype for the ``dtype=`` that was asked for."""
    name = dtype_name(dtype)
    if name not in FORMAT_OF:
        raise DTypeError(f"dtype: {dtype!r} is not one of {FLOATS}")
    given = dtype_name(z.dtype)
    if not re.fullmatch(r"bool|u?int\d+|(b?float|complex)\d+", given):
        raise DTypeError(f"{argument}: an array of {given}, which is no number that can be cast to {name}")
    if given.startswith("complex"):
        raise DTypeError(f"{argument}: a complex array cannot be cast to {name}; take its real part or its absolute value first")
    if not hasattr(xp, name):
        raise DTypeError(f"dtype: {xp.__name__} has no {name}; it has {', '.join(n for n in FORMAT_OF if hasattr(xp, n))}")
    return getattr(xp, name)


def check_out(out: Array, shape: tuple[int, ...], dtype: Any) -> None:
    """``out`` has the result's shape and dtype."""
    if tuple(out.shape) != shape:
        raise ShapeError(f"out: shape {tuple(out.shape)}, but the result has {shape}")
    if out.dtype != dtype:
        raise OutputError(f"out: dtype {dtype_name(out.dtype)}, but the result has {dtype_name(dtype)}; pass dtype= to choose it")


def check_flags(options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Options whose default is a bool are True or False."""
    for option, value in options.items():
        if isinstance(known[option], bool):
            checked_flag(option, value)


def described(x: Array) -> str:
    """The type of an array, for messages."""
    return f"{type(x).__module__}.{type(x).__qualname__}"


def write(result: Array, out: Array) -> Array:
    """Put the result into ``out``, unless a kernel has."""
    if result is out:
        return out
    check_out(out, tuple(result.shape), result.dtype)
    try:
        out[...] = result
    except (TypeError, ValueError, RuntimeError) as error:
        raise OutputError(f"out: cannot be written to: {error}") from error
    return out
