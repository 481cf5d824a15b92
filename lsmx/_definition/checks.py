"""Checks of arguments, the same for every library: what was given, what is accepted, what to do."""

from __future__ import annotations

import math
import operator
import re
from typing import Any

from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array, Ops, ops_for
from lsmx._definition.shown import shown
from lsmx._errors import ArgumentError, AxisError, DTypeError, ShapeError
from lsmx._typing import Axis

_names: dict[tuple[type, Any], str] = {}  # of the float dtypes of all libraries
FLOATS = ", ".join(FORMAT_OF)
NUMBERS = re.compile(r"bool|u?int\d+|b?float\d+(_\w+)?|longdouble")
"""Names of the dtypes whose numbers can be cast to a float format."""
VECTORS = ("grad_output", "tangent", "output")
"""Arguments of derivatives, which take no ``dtype=``."""


def dtype_name(dtype: Any) -> str:
    """``float32`` for ``np.float32``, ``np.dtype("float32")``, ``torch.float32``, ``"float32"`` and their like.

    Parameters
    ----------
    dtype : dtype or str
        Of any library.

    Returns
    -------
    str
        Its name, without that of the library.
    """
    if isinstance(dtype, str):
        return dtype
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    return str(name).rpartition(".")[2]


def ops_of(x: Array) -> Ops:
    """The operations on an array of floats, in the format of its own dtype."""
    return ops_for(x, FORMAT_OF[dtype_name(x.dtype)])


def native(dtype: Any) -> Any:
    """A dtype in the machine's own byte order: NumPy has dtypes of the other one, for files of other machines.

    Parameters
    ----------
    dtype : dtype
        Of any library.

    Returns
    -------
    dtype
        The same one, unless its byte order is the other.
    """
    return dtype if getattr(dtype, "isnative", True) else dtype.newbyteorder("=")


def float_name(name: str, z: Array) -> str:
    """The dtype of ``z``, which must be one that is computed in.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    z : array
        The argument.

    Returns
    -------
    str
        ``float16``, ``bfloat16``, ``float32`` or ``float64``.

    Raises
    ------
    DTypeError
        Any other dtype.
    """
    key = type(z.dtype), z.dtype  # dtypes of different libraries are not to be compared
    known = _names.get(key)
    if known is not None:
        return known
    given = dtype_name(z.dtype)
    if given not in FORMAT_OF:
        check_number(name, given)
        how = "cast it first" if name in VECTORS else 'cast it first, or pass dtype="float32" to a function that takes dtype='
        raise DTypeError(f"{name}: dtype {given} is not one of {FLOATS}; {how}")
    _names[key] = given
    return given


def check_number(name: str, given: str) -> None:
    """Raise unless arrays of the dtype called ``given`` hold real numbers."""
    if NUMBERS.fullmatch(given):
        return
    if given.startswith("complex"):
        raise DTypeError(f"{name}: an array of {given}, and complex numbers have no order; take their real part or absolute value")
    text = given.startswith(("str", "bytes", "String"))
    if text or given == "object":
        what = "text" if text else "Python objects"
        raise DTypeError(f'{name}: an array of {what}, no numbers; convert it first, as in numpy.asarray({name}, dtype="float32")')
    if given.startswith(("datetime", "timedelta")):
        raise DTypeError(f'{name}: an array of dates or times, no numbers; convert it first, as in {name}.astype("int64")')
    if given.startswith(("void", "record")):
        raise DTypeError(f'{name}: an array of records, no numbers; convert it first: take one field, as in {name}["field"]')
    raise DTypeError(f"{name}: an array of {given}, no numbers that can be cast; convert it first, by its library")


def is_bool(value: object) -> bool:
    """Whether a value is a bool, of Python or of an array library, some of which count as the integers 0 and 1."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")


def integer(value: object) -> int | None:
    """A value as an int; None if it is no integer."""
    try:
        return None if is_bool(value) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def normal_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of non-negative ints.

    Parameters
    ----------
    axis : int, tuple of int or None
        As users give it; None for all axes.
    ndim : int
        How many axes the array has.

    Returns
    -------
    tuple of int
        From 0 to ``ndim - 1``, each once.

    Raises
    ------
    AxisError
        An axis that is out of range, repeated, or missing.
    """
    if axis is None:
        return tuple(range(ndim))
    out = []
    for a in axis if isinstance(axis, tuple | list) else (axis,):
        i = integer(a)
        if i is None:
            raise AxisError(f"axis: {shown(axis)} is not an int, a tuple of ints, or None")
        if ndim == 0:
            raise AxisError(f"axis: {shown(axis)} on a 0-d array, which has no axes; pass axis=None")
        if not -ndim <= i < ndim:
            raise AxisError(
                f"axis: {shown(axis)} is out of range for an array with {ndim} axes; accepted are {-ndim} to {ndim - 1}"
            )
        out.append(i % ndim)
    if len(set(out)) != len(out):
        raise AxisError(f"axis: {shown(axis)} names an axis more than once, for an array with {ndim} axes")
    if not out:
        raise AxisError("axis: () reduces nothing; pass None for all axes")
    return tuple(sorted(out))


def checked_flag(name: str, value: object) -> bool:
    """An option that is True or False; a number or a text is neither, and an array has no truth of its own."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise ArgumentError(f"{name}: {shown(value)} is not a bool; pass True or False")


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """``shape`` without ``axes``, or with ones there.

    Parameters
    ----------
    shape : tuple of int
        Of the rows' array.
    axes : tuple of int
        Those that are reduced, from 0 on.
    keepdims : bool
        Whether to put ones there.

    Returns
    -------
    tuple of int
        The shape of one number a row.
    """
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


def same_shape(name: str, given: tuple[int, ...], *accepted: tuple[int, ...], of: str, others: str = "") -> None:
    """Raise unless ``given`` is one of ``accepted``; ``others`` names further shapes that are, for the message."""
    if given not in accepted:
        wanted = " or ".join([*map(str, dict.fromkeys(accepted)), *([others] if others else [])])
        raise ShapeError(f"{name}: shape {given}, but {of} asks for {wanted}")


def check_dtype_like(name: str, x: Array, dtype: Any) -> None:
    """``x`` is of a dtype that computes in the format of ``dtype``."""
    given = float_name(name, x)
    fmt = FORMAT_OF[dtype_name(dtype)]
    if FORMAT_OF[given] is not fmt:
        raise DTypeError(f"{name}: dtype {given} among arrays of {dtype_name(dtype)}, which are computed in {fmt.dtype}; cast it")


def check_index(name: str, x: Array) -> None:
    """``x`` holds integers."""
    given = dtype_name(x.dtype)
    if not re.fullmatch(r"u?int\d+", given):
        instead = "pass a mask as where=" if given == "bool" and name == "support" else "cast it"
        raise DTypeError(f"{name}: dtype {given}, but an index into a row is an integer; {instead}")


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of ``shape`` broadcasts to another's."""
    return len(shape) <= len(to) and all(m in (1, n) for m, n in zip(shape[::-1], to[::-1], strict=False))


def check_mask(where: Array, shape: tuple[int, ...], name: str = "where") -> None:
    """``where`` is a boolean array that broadcasts to ``shape``."""
    if not hasattr(where, "dtype") or not hasattr(where, "shape"):
        raise DTypeError(f"{name}: {shown(where)} is not an array; pass a bool array, True for the entries that take part")
    if dtype_name(where.dtype) != "bool":
        raise DTypeError(f"{name}: dtype {dtype_name(where.dtype)}, but a mask is bool: True for the entries that take part")
    if not broadcasts(tuple(where.shape), shape):
        raise ShapeError(f"{name}: shape {tuple(where.shape)} does not broadcast to the array's {shape}")


def row_length(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements are reduced."""
    return math.prod(shape[a] for a in axes)
