"""Functions of rows that lie in parts, in three steps: what a part says, what the parts make of it, and the part of the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from lsmx._call.deferred import public, publish
from lsmx._call.division import dividing
from lsmx._call.operator import together
from lsmx._call.rounds import Heard, Round, Said, heard_of, merged_said
from lsmx._definition.checks import dtype_name, normal_axes
from lsmx._definition.formats import ARITHMETIC_VERSION, FORMAT_OF
from lsmx._definition.ops import Array
from lsmx._definition.parts import Arrays
from lsmx._definition.shown import shown, type_name
from lsmx._errors import ArgumentError, PartError
from lsmx._typing import Axis


@dataclass(frozen=True)
class Call:
    """What the parts of one call have in common."""

    function: str
    computed_in: str
    axis: tuple[int, ...]
    size: tuple[int, ...]
    rows: tuple[int, ...]  # the shape without the axes
    options: tuple[tuple[str, str], ...]
    arithmetic: int = ARITHMETIC_VERSION


@dataclass(frozen=True)
class Partial:
    """What one part of the rows says, or several of them merged. Its arrays are small: some numbers a row.

    Attributes
    ----------
    call : object
        What parts have in common: function, format, axis, size, options, version of the arithmetic.
    elements : int
        How many of the row's elements it speaks for, of ``call.size``.
    said : mapping
        What it says in this round: how it is merged, and arrays, by their place in the computation.
    heard : mapping
        What the whole rows said in the rounds before.
    complete : bool
        Whether nothing is left to be asked once all parts of this round are merged.
    nbytes : int
        Bytes of what it says in this round.

    See Also
    --------
    partial : which makes it.
    merge : which makes one of several.
    """

    call: Call
    elements: int
    said: Said = field(repr=False)
    heard: Heard = field(repr=False)
    complete: bool

    @property
    def nbytes(self) -> int:
        """Bytes of what it says in this round."""
        return sum(int(x.nbytes) for _, arrays in self.said.values() for x in arrays)


def partial(
    function: Callable[..., Any] | str,
    /,
    *arrays: Array,
    size: int | tuple[int, ...],
    start: int | tuple[int, ...] = 0,
    whole: Partial | None = None,
    axis: Axis = -1,
    **options: Any,
) -> Partial:
    """The message that one shard of the rows contributes to a function of the whole rows.

    Rows may be longer than one memory, or lie in several processes. Each has its part of them and calls this function; what all of
    them return is brought together by `merge`, in any order; and so on with ``whole=`` until that is ``complete``. Then `finish`
    gives each its part of the result, with the bits that it has when the rows are in one array.

    Parameters
    ----------
    function : callable or str
        A function of lsmx, or its name: a value, a loss, or a gradient as ``lsmx.cross_entropy_backward``.
    *arrays : array
        Its arrays: of those of the logits' shape the part, of those with one number a row the whole. Indices and targets count
        along the whole row.
    size : int or tuple of int
        Elements of a whole row; one number for each axis if rows lie along several.
    start : int or tuple of int, default 0
        The place of the part's first element in the row.
    whole : Partial, optional
        What all parts of the round before were merged to; None in the first round.
    axis : int, tuple of int or None, default -1
        As in the call of the function.
    **options : object
        As in the call of the function; masks and class weights are those of the part.

    Returns
    -------
    Partial
        Some numbers a row, as arrays of the same library. It can be pickled if they can.

    Raises
    ------
    PartError
        A part that is not within the rows; or ``whole`` is of another call, or lacks a part.
    ArgumentError
        A function that has no rows to divide, or ``out`` among the options; ``whole`` is no `Partial`.
    NotImplementedError
        Arrays that an autograd follows: what parts say has no derivatives.
    LsmxError
        What the function itself raises.

    See Also
    --------
    merge : the second step.
    finish : the last step.

    Notes
    -----
    All that the functions ask of whole rows are maxima and sums of integers, on a grid that the two largest logits of the row set:
    both are the same in any order. In the first round parts tell their two largest logits, in the second their integers.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0, 4.0, 5.0]], dtype=np.float32)
    >>> left, right, whole = z[:, :2], z[:, 2:], None
    >>> while whole is None or not whole.complete:
    ...     whole = lsmx.merge(
    ...         lsmx.partial("log_softmax", left, size=5, whole=whole),
    ...         lsmx.partial("log_softmax", right, size=5, start=2, whole=whole),
    ...     )
    >>> lsmx.finish("log_softmax", right, whole=whole, start=2)
    array([[-2.4519143, -1.4519144, -0.4519144]], dtype=float32)
    >>> lsmx.log_softmax(z)[:, 2:]
    array([[-2.4519143, -1.4519144, -0.4519144]], dtype=float32)
    """
    if "out" in options:
        raise ArgumentError("out: given to partial, which has no result yet; pass it to finish")
    found, call, _ = run(function, arrays, sizes_of(size, "size"), start, whole, axis, options)
    elements = 1
    for a in call.axis:
        elements *= found.shape[a]
    return Partial(call, elements, found.asked, known_of(whole), not found.more)


def merge(first: Partial, /, *others: Partial) -> Partial:
    """What several parts of the same rows say together: associative and commutative, to the bit.

    Parameters
    ----------
    first : Partial
        What `partial` returned for a part, or what some of them were merged to.
    *others : Partial
        The same of other parts.

    Returns
    -------
    Partial
        The same of all their elements.

    Raises
    ------
    PartError
        Parts of different calls, rounds, shapes or versions of the arithmetic, or a part that is there twice; what differs is
        named.
    ArgumentError
        Something that is no `Partial`.

    See Also
    --------
    partial : the step before.
    finish : the step after.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> parts = [
    ...     lsmx.partial("softmax", np.ones((2, 3)), size=9, start=start)
    ...     for start in (0, 3, 6)
    ... ]
    >>> lsmx.merge(*parts).elements
    9
    """
    for other in (first, *others):
        if not isinstance(other, Partial):
            raise ArgumentError(f"merge: {type_name(type(other))} is no Partial; pass what lsmx.partial returns")
    return reduce(merged_pair, others, first)


def finish(
    function: Callable[..., Any] | str,
    /,
    *arrays: Array,
    whole: Partial,
    start: int | tuple[int, ...] = 0,
    axis: Axis = -1,
    **options: Any,
) -> Any:
    """The part of a function's result that belongs to a part of every row.

    Parameters
    ----------
    function : callable or str
        As given to `partial`.
    *arrays : array
        The part's arrays, as given to `partial`.
    whole : Partial
        What all parts of the last round were merged to.
    start : int or tuple of int, default 0
        The place of the part's first element in the row, as given to `partial`.
    axis : int, tuple of int or None, default -1
        As given to `partial`.
    **options : object
        As given to `partial`; and ``out``, where the function has it.

    Returns
    -------
    array
        What the function returns, for this part: of its shape where results have that of the logits, and the whole result where it
        is one number a row.

    Raises
    ------
    PartError
        ``whole`` is of another call, lacks a part, or is not complete.
    ArgumentError
        ``whole`` is no `Partial`.
    LsmxError
        What the function itself raises.

    See Also
    --------
    partial : the first step.
    merge : the second step.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, whole = np.asarray([1.0, 2.0, 3.0]), None
    >>> while whole is None or not whole.complete:
    ...     parts = [
    ...         lsmx.partial("logsumexp", z[i:][:1], size=3, start=i, whole=whole)
    ...         for i in range(3)
    ...     ]
    ...     whole = lsmx.merge(*parts)
    >>> found = lsmx.finish("logsumexp", z[:1], whole=whole)
    >>> bool(found == lsmx.logsumexp(z))
    True
    """
    check_whole(whole)
    found, _, value = run(function, arrays, whole.call.size, start, whole, axis, options)
    if found.more or found.asked:
        raise PartError("whole: not complete; call lsmx.partial with whole= on each part, and merge them, until it is")
    return value


def run(
    function: Callable[..., Any] | str,
    arrays: Arrays,
    size: tuple[int, ...],
    start: int | tuple[int, ...],
    whole: Partial | None,
    axis: Axis,
    options: dict[str, Any],
) -> tuple[Round, Call, Any]:
    """A function on parts of its arrays, as far as what is known leads."""
    name, called = named(function)
    starts = sizes_of(start, "start")
    if len(starts) != len(size):
        starts = starts * len(size) if starts == (0,) else starts
    if len(starts) != len(size):
        raise PartError(f"start: {start!r}, but size={size} is of {len(size)} axes; pass one number for each")
    formats = [fmt.dtype for x in arrays if (fmt := FORMAT_OF.get(dtype_name(getattr(x, "dtype", "")))) is not None]
    said = tuple(
        (key, "an array" if not isinstance(x, type) and getattr(x, "shape", None) else repr(x))
        for key, x in sorted(options.items())
    )
    call = Call(name, formats[0] if formats else "", (), size, (), said)
    if whole is not None:
        check_whole(whole)
        check_library(whole, arrays)
        check_alike("whole", replace(whole.call, axis=(), rows=()), call)
        if whole.elements != product(size):
            raise PartError(f"whole: {whole.elements} of the {product(size)} elements of a row; merge all of its parts")
    found = Round(known_of(whole), size, starts)
    with dividing(found.division):
        value = called(*arrays, axis=axis, **options)
    axes = normal_axes(axis, len(found.shape))
    call = replace(call, axis=axes, rows=tuple(n for a, n in enumerate(found.shape) if a not in axes))
    if whole is not None:
        check_alike("whole", whole.call, call)
    return found, call, value


def check_whole(whole: object) -> None:
    """Raise unless it is what parts say."""
    if not isinstance(whole, Partial):
        raise ArgumentError(f"whole: {type_name(type(whole))} is no Partial; pass what lsmx.merge returns")


def check_library(whole: Partial, arrays: Arrays) -> None:
    """Raise unless what whole rows have said goes together with the arrays of a part."""
    x = next((x for _, numbers in whole.said.values() for x in numbers), None)
    for at, y in enumerate(arrays):
        if x is not None and hasattr(y, "shape"):
            together("whole", x, **{f"array {at + 1} of the call": y})


def known_of(whole: Partial | None) -> Heard:
    """All that the whole rows have said."""
    return {} if whole is None else heard_of(whole.heard, whole.said)


def named(function: Callable[..., Any] | str) -> tuple[str, Any]:
    """A function of the package, and its name."""
    import lsmx

    name = function if isinstance(function, str) else getattr(function, "__name__", repr(function))
    found = getattr(lsmx, name, None) if name in lsmx.__all__ else None
    if found is None or public.get(name) is not found or name in STEPS:
        raise ArgumentError(f"function: {name!r} is no function of rows that lsmx has; pass one as lsmx.log_softmax, or its name")
    if name.startswith("linear_") or name.endswith("_jacobian"):
        raise ArgumentError(f"function: {name} is not for rows in parts; {INSTEAD[name.startswith('linear_')]}")
    return name, found


STEPS = ("partial", "merge", "finish")
INSTEAD = {
    True: "it makes the logits itself: give each part of them to cross_entropy or log_prob",
    False: "it is as large as the square of a row: take the backward function or the JVP",
}


def sizes_of(given: Any, name: str) -> tuple[int, ...]:
    """One number for each axis."""
    found = tuple(given) if isinstance(given, tuple | list) else (given,)
    if not found or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in found):
        raise PartError(
            f"{name}: {shown(given)} is no number of elements; pass an integer of at least 0, or a tuple of one for each axis"
        )
    return found


def merged_pair(a: Partial, b: Partial) -> Partial:
    """Two as one."""
    check_alike("merge", a.call, b.call)
    if a.said.keys() != b.said.keys() or a.heard.keys() != b.heard.keys():
        raise PartError("merge: parts of different rounds; give all of them the same whole=")
    if a.elements + b.elements > product(a.call.size):
        raise PartError(f"merge: {a.elements + b.elements} elements, but rows have {product(a.call.size)}; a part is there twice")
    return Partial(a.call, a.elements + b.elements, merged_said(a.said, b.said), a.heard, a.complete)


def check_alike(what: str, a: Call, b: Call) -> None:
    """Raise unless two parts are of one call, and name what differs."""
    for name, value in vars(a).items():
        if value != (other := getattr(b, name)):
            raise PartError(f"{what}: parts of different calls: {WORDS[name]} {value!r} and {other!r}")


WORDS = {
    "function": "function",
    "computed_in": "format",
    "axis": "axis",
    "size": "size",
    "rows": "rows of shape",
    "options": "options",
    "arithmetic": "ARITHMETIC_VERSION",
}


def product(numbers: tuple[int, ...]) -> int:
    """Of all of them."""
    return math.prod(numbers)


publish(partial, merge, finish)
