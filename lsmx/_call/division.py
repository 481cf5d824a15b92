"""Calls on arrays that are parts of larger ones: in other processes, on other devices, or one after the other.

Two things can be divided: rows along their classes, as a vocabulary is, and the rows themselves among ranks, which matters where a
mean or a sum over all rows is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lsmx._call.finishing import finish_of, finished, takes, with_total
from lsmx._call.operation import Operation, Options
from lsmx._call.part_sums import row_sum_by_kernels, row_sums_by_kernels
from lsmx._call.registry import PARTS, _forced, constant_when_compiled, forcing
from lsmx._call.unknown import UNKNOWN, is_unknown, opened
from lsmx._definition.checks import ops_of, row_length
from lsmx._definition.kinds import Axes, Shape
from lsmx._definition.ops import Array, Ops
from lsmx._definition.parts import Arrays, Part, in_part
from lsmx._definition.rows import together
from lsmx._errors import PartError

MEAN = "mean_of_rows"
"""The function that takes the mean over rows: what it calls a row are the numbers of all rows."""


@dataclass(frozen=True, eq=False)
class Division:
    """How arrays are parts of larger ones.

    Attributes
    ----------
    merged : callable
        Merges numbers of this part with those of all others: see ``Part.merged``.
    sizes, starts : tuple of int, default ()
        Elements of whole rows along each of the reduced axes, and where the parts begin. Empty if rows are divided among ranks.
    bind : callable, optional
        Computes an operation on parts, using `divided`; by default at once, without any autograd.
    adapted : callable, optional
        See ``Part.adapted``.
    heard : callable, optional
        The next answer of ``merged``, if that is known before it is asked.
    """

    merged: Callable[[str, Arrays], Arrays]
    sizes: tuple[Any, ...] = ()
    starts: tuple[Any, ...] = ()
    bind: Callable[..., Array] | None = None
    adapted: Callable[[Ops], Ops] | None = None
    heard: Callable[[], Arrays | None] = lambda: None

    def concerns(self, operation: Operation) -> bool:
        """Whether what is divided are the rows that an operation walks.

        Parameters
        ----------
        operation : Operation
            The operation.

        Returns
        -------
        bool
            False where the other thing is divided: rows among ranks, or along their classes.
        """
        forward = operation.family.get("forward")
        return (forward is not None and forward.name == MEAN) is not bool(self.sizes)

    def part(self, shape: Shape, axes: Axes) -> Part:
        """The `Part` that an array of some shape is, with rows along some axes.

        Parameters
        ----------
        shape : tuple of int
            Of the part's array.
        axes : tuple of int
            The axes along which rows lie, sorted and not negative.

        Returns
        -------
        Part
            Where it lies in the whole array, and how to hear from the others.

        Raises
        ------
        PartError
            It does not lie within the rows, or rows lie along another number of axes.
        """
        whole, start = list(shape), [0] * len(shape)
        if self.sizes:
            if len(axes) != len(self.sizes):
                raise PartError(
                    f"size: {self.sizes} is of {len(self.sizes)} axes, but rows lie along {len(axes)}; pass one number for each"
                )
            for a, size, at in zip(axes, self.sizes, self.starts, strict=True):
                if isinstance(size, int) and isinstance(at, int) and not 0 <= at <= at + shape[a] <= size:
                    raise PartError(f"start: {at}, but a part of {shape[a]} elements from there on is not within rows of {size}")
                whole[a], start[a] = size, at
        sums = partial(row_sums_by_kernels, self.merged, self.heard), partial(row_sum_by_kernels, self.merged, self.heard)
        return Part(tuple(whole), tuple(start), self.merged, *sums, self.adapted)

    def divided(self, operation: Operation) -> Operation:
        """The same operation, computed on this part and merged with the others.

        Parameters
        ----------
        operation : Operation
            On whole rows.

        Returns
        -------
        Operation
            With the same name, arrays and options.
        """

        def compute(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options, out: Array | None) -> Array:
            part = self.part(tuple(arrays[operation.at].shape), operation.axes(arrays, axis))
            return on_part(operation, part, arrays, axis, where, options)

        return replace(operation, compute=compute)


def on_part(operation: Operation, part: Part, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options) -> Array:
    """An operation on a part of rows: by kernels that need only the sums of whole rows, if there are any, or by the definition.

    Parameters
    ----------
    operation : Operation
        What to compute.
    part : Part
        Of which rows the arrays are a part, and how to hear from the others.
    arrays : tuple of array
        Its arrays, as plain ones.
    axis : int, tuple of int or None
        The axis or axes of the rows.
    where : array of bool or None
        Mask, broadcastable to the rows.
    options : mapping
        The further options of the operation.

    Returns
    -------
    array
        The part of the result; or all of it, where that is one number a row.
    """
    with forcing(_forced.get() or PARTS):
        if part.row_sums is not None and operation.name.partition("_with_")[0] == "row_sums":
            return sums_of(operation, part, arrays, axis, where, options)
        finish = finish_of(operation)
        if finish is None or not takes(finish, part, arrays, axis, options):
            with in_part(part):
                return operation.compute(arrays, axis, where, options, None)
        sums = None
        if finish.find is not None:
            known = {name: value for name, value in options.items() if name in finish.find.options}
            given = arrays[operation.at], *arrays[len(arrays) - finish.beside :]
            sums = on_part(finish.find, part, given, axis, where, known)
        total = part.row_sum(arrays[0], operation.axes(arrays, axis), where) if finish.total and part.row_sum else None
        if is_unknown(sums) or is_unknown(total):
            return UNKNOWN
        arrays = arrays if sums is None else (*arrays, opened(sums))
        if total is not None:
            arrays = with_total(operation, arrays, axis, total)
        return finished(finish, part, arrays, axis, where, options)


def sums_of(operation: Operation, part: Part, arrays: Arrays, axis: Any, where: Array | None, options: Options) -> Array:
    """What ``row_sums`` gives of whole rows, found by kernels on a part of them."""
    assert part.row_sums is not None
    (z, *temperature), axes = arrays, operation.axes(arrays, axis)
    numbers = part.row_sums(z, axes, where, tuple(temperature), options)
    if is_unknown(numbers):
        return UNKNOWN
    ops = ops_of(numbers[0])
    return together(ops, numbers, max(axes), len(z.shape))


divisions: ContextVar[tuple[Division, ...]] = ContextVar("lsmx_divisions", default=())


@contextmanager
def dividing(*given: Division) -> Iterator[None]:
    """A context in which arrays are parts, by the divisions given beside those of contexts around it.

    Parameters
    ----------
    *given : Division
        How arrays are parts of larger ones: along the classes, along the rows, or both.

    Yields
    ------
    None
        While the block runs, calls are on parts.
    """
    token = divisions.set((*given, *divisions.get()))
    try:
        with forcing(_forced.get() or PARTS):
            yield
    finally:
        divisions.reset(token)


@constant_when_compiled
def division_of(operation: Operation) -> Division | None:
    """The division that an operation is to be computed under."""
    found = divisions.get()
    return next((one for one in found if one.concerns(operation)), None) if found else None


@constant_when_compiled
def rows_are_divided() -> bool:
    """Whether rows are divided among ranks, so that other ranks have more of them."""
    return any(not one.sizes for one in divisions.get())


def whole_length(shape: Shape, axes: Axes) -> Any:
    """Elements of a whole row."""
    for one in divisions.get():
        if one.sizes:
            return row_length(one.part(shape, axes).shape, axes)
    return row_length(shape, axes)
