"""The array operations that the definition is written in: a library's namespace, and three steps that a backend may replace."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import array_api_compat

from lsmx._definition.formats import Format
from lsmx._definition.parts import Part, present
from lsmx._errors import BackendError

NAN = float("nan")
Array = Any  # an array of any library: the standard has no type for it
Namespace = Any


def identity(product: Array) -> Array:
    """``rounded`` for a library that computes one operation at a time, and so contracts nothing."""
    return product


def power_from_table(ops: Ops, k: Array) -> Array:
    """``2**k`` by look-up: exact, and in standard operations."""
    table = [2.0**e for e in range(ops.format.tiny, ops.format.huge + 1)]
    index = ops.integer(k) - ops.format.tiny
    return ops.look_up(table, index)


def power_from_bits(ops: Ops, k: Array) -> Array:
    """``2**k``, written into the exponent bits: for libraries whose arrays have a bit-casting ``view``.

    Parameters
    ----------
    ops : Ops
        The operations on the array.
    k : array
        Integer-valued, from the least to the largest exponent of a normal number.

    Returns
    -------
    array
        Exact, in the format, of the shape of ``k``.
    """
    fmt = ops.format
    bits = ops.xp.int32 if fmt.dtype == "float32" else ops.xp.int64
    return ((ops.xp.astype(k, bits) + fmt.huge) << (fmt.precision - 1)).view(ops.dtype)


@dataclass(frozen=True)
class Ops:
    """An array namespace on one device, computing in one format.

    Attributes
    ----------
    xp, device : object
        The array namespace, and the device where constants are made.
    format : Format
        The format computed in.
    integers : tuple of dtype and int
        The widest integer dtype of the device, and its bits.
    rounded : callable, optional
        Called with a product that enters an addition: returns it, and keeps a compiler from making one fused multiply-add of the
        two, which would round once instead of twice.
    power : callable, optional
        Gives ``2**k`` for integer-valued ``k`` with ``tiny <= k <= huge``, exactly.
    eager : bool, default False
        Whether the library never traces a program, so that a constant that was made once can be used again.
    part : Part, optional
        What the arrays are a part of, where they have parts of rows; None where rows are whole.
    dtype : dtype
        The float dtype computed in.
    """

    xp: Namespace
    device: Any
    format: Format
    integers: tuple[Any, int]
    rounded: Callable[[Array], Array] = identity
    power: Callable[[Ops, Array], Array] = power_from_table
    eager: bool = False
    part: Part | None = None
    dtype: Any = field(init=False)
    _made: dict[float, Array] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", getattr(self.xp, self.format.dtype))

    def constant(self, value: float) -> Array:
        """A 0-d array in the format.

        Parameters
        ----------
        value : float
            A number of the format, or NaN.

        Returns
        -------
        array
            0-d, in the format.
        """
        made = self.xp.asarray(value, dtype=self.dtype, device=self.device)
        if self.eager and (value == value or value is NAN):  # NaN is not equal to itself: only this one object is found again
            self._made[value] = made
        return made

    def floating(self, x: Array) -> Array:
        """``x`` cast to the format: used only where that is exact.

        Parameters
        ----------
        x : array
            Of a dtype that the format holds.

        Returns
        -------
        array
            Of the shape of ``x``, in the format.
        """
        if self.eager and x.dtype == self.dtype:
            return x
        return self.xp.astype(x, self.dtype)

    def integer(self, x: Array) -> Array:
        """An integer-valued ``x`` in the widest integer dtype.

        Parameters
        ----------
        x : array
            Of integers, or of floats that are integers.

        Returns
        -------
        array of int
            Of the shape of ``x``.
        """
        return self.xp.astype(x, self.integers[0])

    def where(self, condition: Array, a: Array | float, b: Array | float) -> Array:
        """``where`` that takes Python floats too.

        Parameters
        ----------
        condition : array of bool
            Where to take ``a``.
        a : array or float
            Taken where it is True.
        b : array or float
            Taken elsewhere.

        Returns
        -------
        array
            Of the shapes broadcast together.
        """
        made = self._made
        if type(a) is float:
            a = made[a] if a in made else self.constant(a)
        if type(b) is float:
            b = made[b] if b in made else self.constant(b)
        return self.xp.where(condition, a, b)

    def of_whole(self) -> Ops:
        """The same operations for arrays with whole rows, inside a computation on parts of rows.

        Returns
        -------
        Ops
            Without a ``part``.
        """
        return self if self.part is None else replace(self, part=None)

    def merged(self, how: str, *arrays: Array) -> tuple[Array, ...]:
        """Numbers of each row, such as its maximum, merged over all parts of the row: ``how`` is a name in `MERGE`.

        Parameters
        ----------
        how : str
            A name in `MERGE`.
        *arrays : array
            One number a row each, of this part.

        Returns
        -------
        tuple of array
            The same of whole rows; ``arrays`` themselves where rows are whole.
        """
        return arrays if self.part is None else self.part.merged(how, arrays)

    def flush(self, x: Array) -> Array:
        """``x``, but +0 where it is -0 or below twice the least normal number, as hardware that flushes subnormals would differ.

        Parameters
        ----------
        x : array
            In the format.

        Returns
        -------
        array
            Of the shape of ``x``.
        """
        return self.where(self.xp.abs(x) < self.format.least, 0.0, x)

    def look_up(self, table: Sequence[float], index: Array) -> Array:
        """``table[index]``, elementwise.

        Parameters
        ----------
        table : sequence of float
            Numbers of the format.
        index : array of int
            From 0 on.

        Returns
        -------
        array
            In the format, of the shape of ``index``.
        """
        values = self.xp.asarray(table, dtype=self.dtype, device=self.device)
        return self.xp.reshape(self.xp.take(values, self.xp.reshape(index, (-1,)), axis=0), index.shape)

    def horner(self, coefficients: Sequence[float], x: Array) -> Array:
        """A polynomial, highest power first: each product and each sum rounded once.

        Parameters
        ----------
        coefficients : sequence of float
            Highest power first.
        x : array
            In the format.

        Returns
        -------
        array
            Of the shape of ``x``.
        """
        first, *rest = coefficients
        p, rounded = self._made[first] if first in self._made else self.constant(first), self.rounded
        for c in rest:
            p = (p * x if rounded is identity else rounded(p * x)) + c
        return p


def standard_ops(x: Array, fmt: Format) -> Ops:
    """The operations of the namespace that ``x`` names."""
    library = type(x).__module__.partition(".")[0]
    try:
        xp = array_api_compat.array_namespace(x)
    except Exception as error:  # whatever a library raises when it is asked
        raise lacks(library, "__array_namespace__(api_version=None) of its arrays", error) from error
    try:
        device = array_api_compat.device(x)
    except AttributeError:
        device = None  # the library's own choice
    return Ops(xp=xp, device=device, format=fmt, integers=widest_integers(xp, device))


def library_name(xp: Namespace) -> str:
    """``numpy`` for its own namespace, that of array-api-compat, and that of its backend here."""
    name = str(getattr(xp, "__name__", "the array's library"))
    return name.removeprefix("array_api_compat.").removeprefix("lsmx_").removesuffix(".namespace")


def lacks(library: str, part: str, error: object = None) -> BackendError:
    """The error about a library without a part of the standard."""
    why = "" if error is None else f" ({type(error).__name__}: {error})"
    return BackendError(
        f"{library}: has no {part} as the array API standard asks for{why}; convert the array first, by numpy.asarray(z) or by "
        "what its library has for it"
    )


def widest_integers(xp: Namespace, device: Any) -> tuple[Any, int]:
    """The widest signed integer dtype of a device, and its bits."""
    ask = getattr(xp, "__array_namespace_info__", None)
    found = integers_tried(xp, device) if ask is None else integers_told(xp, ask, device)
    if not found:
        raise lacks(library_name(xp), "signed integers")
    bits = max(found)
    return found[bits], bits


def integers_told(xp: Namespace, ask: Callable[[], Any], device: Any) -> dict[int, Any]:
    """The signed integer dtypes by their bits, as a namespace lists them; some namespaces lack options that the standard has."""
    wanted = {"device": device, "kind": "signed integer"}
    for options in (wanted, {"device": device}, {"kind": "signed integer"}, {}):
        try:
            told = ask().dtypes(**options)
            return {int(name[3:]): dtype for name, dtype in told.items() if re.fullmatch(r"int\d+", name)}
        except TypeError as error:
            reason = error
        except Exception as error:  # whatever a library raises when it is asked
            raise lacks(library_name(xp), "__array_namespace_info__().dtypes()", error) from error
    raise lacks(library_name(xp), "__array_namespace_info__().dtypes()", reason) from reason


def integers_tried(xp: Namespace, device: Any) -> dict[int, Any]:
    """The widest signed integer dtype by its bits, of a namespace without such a list: the first that an array can be made in."""
    for bits in (64, 32):
        dtype = getattr(xp, f"int{bits}", None)
        if dtype is not None:
            with contextlib.suppress(Exception):  # whatever a library raises for want of the dtype
                if xp.asarray(0, dtype=dtype, device=device).dtype == dtype:
                    return {bits: dtype}
    return {}


_finder: list[Callable[[Array, Format], Ops]] = [standard_ops]


def ops_for(x: Array, fmt: Format) -> Ops:
    """The operations that the definition uses on ``x``: the standard's, or what the function given to ``find_ops_by`` finds."""
    ops, part = _finder[0](x, fmt), present.get()
    if part is None:
        return ops
    return replace(ops if part.adapted is None else part.adapted(ops), part=part)


def find_ops_by(finder: Callable[[Array, Format], Ops]) -> None:
    """Have ``ops_for`` ask ``finder`` from now on."""
    _finder[0] = finder
