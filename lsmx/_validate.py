"""Checks of arguments, the same for every library: what was given, what is accepted, what to do."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from typing import Any

from lsmx._arithmetic.formats import FORMAT_OF
from lsmx._arithmetic.ops import Array
from lsmx._errors import AxisError, DTypeError, OutputError, ShapeError
from lsmx._typing import Axis

FLOATS = ", ".join(FORMAT_OF)


def dtype_name(dtype: Any) -> str:
    """``float32`` for ``np.float32``, ``np.dtype("float32")``, ``torch.float32``, ``"float32"`` and their like."""
    if isinstance(dtype, str):
        return dtype
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    return str(name).rpartition(".")[2]


def float_name(name: str, z: Array) -> str:
    """The dtype of ``z``, which must be one that is computed in."""
    given = dtype_name(z.dtype)
    if given not in FORMAT_OF:
        hint = "" if given.startswith("complex") else f'; pass dtype="float32" (or one of {FLOATS}) to cast it first'
        raise DTypeError(f"{name}: dtype {given} is not one of {FLOATS}{hint}")
    return given


def wanted_dtype(xp: Any, dtype: Any, z: Array) -> Any:
    """The library's own dtype for the ``dtype=`` that was asked for."""
    name = dtype_name(dtype)
    if name not in FORMAT_OF:
        raise DTypeError(f"dtype: {dtype!r} is not one of {FLOATS}")
    given = dtype_name(z.dtype)
    if not re.fullmatch(r"bool|u?int\d+|(b?float|complex)\d+", given):
        raise DTypeError(f"z: an array of {given}, which is no number that can be cast to {name}")
    if given.startswith("complex"):
        raise DTypeError(f"z: a complex array cannot be cast to {name}; take its real part or its absolute value first")
    if not hasattr(xp, name):
        raise DTypeError(f"dtype: {xp.__name__} has no {name}; it has {', '.join(n for n in FORMAT_OF if hasattr(xp, n))}")
    return getattr(xp, name)


def normal_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of non-negative ints."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    out = []
    for a in axes:
        try:
            i = operator.index(a)
        except TypeError:
            i = None
        if i is None or isinstance(a, bool):
            raise AxisError(f"axis: {axis!r} is not an int, a tuple of ints, or None")
        if ndim == 0:
            raise AxisError(f"axis: {axis!r} on a 0-d array, which has no axes; pass axis=None")
        if not -ndim <= i < ndim:
            raise AxisError(f"axis: {axis!r} is out of range for an array with {ndim} axes; accepted are {-ndim} to {ndim - 1}")
        out.append(i % ndim)
    if len(set(out)) != len(out):
        raise AxisError(f"axis: {axis!r} names an axis more than once, for an array with {ndim} axes")
    if not out:
        raise AxisError("axis: () reduces nothing; pass None for all axes")
    return tuple(sorted(out))


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """``shape`` without ``axes``, or with ones there."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


def same_shape(name: str, given: tuple[int, ...], *accepted: tuple[int, ...], of: str) -> None:
    """Raise unless ``given`` is one of ``accepted``."""
    if given not in accepted:
        wanted = " or ".join(map(str, dict.fromkeys(accepted)))
        raise ShapeError(f"{name}: shape {given}, but {of} asks for {wanted}")


def check_argument(name: str, x: Array, dtype: Any, accepted: Iterable[tuple[Any, ...]], of: tuple[Any, ...]) -> None:
    """``x`` computes in the format of ``dtype`` and has one of the ``accepted`` shapes, which go with an array of ``of``."""
    given = float_name(name, x)
    fmt = FORMAT_OF[dtype_name(dtype)]
    if FORMAT_OF[given] is not fmt:
        raise DTypeError(f"{name}: dtype {given} among arrays of {dtype_name(dtype)} computed in {fmt.dtype}; cast it")
    same_shape(name, tuple(x.shape), *accepted, of=f"an array of {of}")


def check_mask(where: Array, shape: tuple[int, ...]) -> None:
    """``where`` is a boolean array that broadcasts to ``shape``."""
    if dtype_name(where.dtype) != "bool":
        raise DTypeError(f"where: dtype {dtype_name(where.dtype)}, but a mask is bool: True for the entries that take part")
    mask = tuple(where.shape)
    if len(mask) > len(shape) or any(m not in (1, n) for m, n in zip(mask[::-1], shape[::-1], strict=False)):
        raise ShapeError(f"where: shape {mask} does not broadcast to the array's {shape}")


def check_out(out: Array, shape: tuple[int, ...], dtype: Any) -> None:
    """``out`` has the result's shape and dtype."""
    if tuple(out.shape) != shape:
        raise ShapeError(f"out: shape {tuple(out.shape)}, but the result has {shape}")
    if out.dtype != dtype:
        raise OutputError(f"out: dtype {dtype_name(out.dtype)}, but the result has {dtype_name(dtype)}; pass dtype= to choose it")


def row_length(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements are reduced."""
    return math.prod(shape[a] for a in axes)
