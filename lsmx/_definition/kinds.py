"""The kinds of arrays that a function takes: which dtypes and shapes each may have, beside the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lsmx._definition.checks import broadcasts, check_dtype_like, check_index, check_mask, reduced_shape, same_shape
from lsmx._definition.ops import Array

Shape = tuple[Any, ...]
Axes = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """What an array holds for the rows of another.

    Attributes
    ----------
    name : str
        In words, for messages.
    floating : bool
        Whether it holds numbers in the rows' format, so that it is cast with them and may have a gradient.
    shapes : callable
        The shapes that it may have, the usual one first: called with the shape of the rows, and the axes along which they lie.
    aligned : callable, optional
        Its shape with an axis for each of the rows', so that it broadcasts to them: called with its own shape, the number of the
        rows' axes, and the axes along which they lie. For arrays that have lost none this is the shape itself.
    also : callable, optional
        Whether it may have another shape than those: called with its own, that of the rows, and the axes along which they lie.
    others : str, optional
        What those others are, for messages.
    """

    name: str
    floating: bool = field(repr=False)
    shapes: Callable[[Shape, Axes], list[Shape]] = field(repr=False)
    aligned: Callable[[Shape, int, Axes], Shape] = field(repr=False, default=lambda shape, ndim, axes: shape)
    also: Callable[[Shape, Shape, Axes], bool] = field(repr=False, default=lambda shape, rows, axes: False)
    others: str = field(repr=False, default="")

    def check(self, name: str, x: Array, dtype: Any, rows: Shape, axes: Axes) -> None:
        """Raise unless ``x`` is one for rows of this dtype and shape.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        x : array
            The argument.
        dtype : dtype
            That of the rows.
        rows : tuple of int
            The shape of the rows.
        axes : tuple of int
            The axes along which rows lie, sorted and not negative.

        Raises
        ------
        DTypeError
            Another dtype than goes with the rows'.
        ShapeError
            Another shape.
        """
        if self is MASK:
            check_mask(x, rows, name)
            return
        if self.floating:
            check_dtype_like(name, x, dtype)
        else:
            check_index(name, x)
        shape = tuple(x.shape)
        if not self.also(shape, rows, axes):
            same_shape(name, shape, *self.shapes(rows, axes), of=f"an array of {rows}", others=self.others)

    def shape(self, rows: Shape, axes: Axes) -> Shape:
        """The usual shape.

        Parameters
        ----------
        rows : tuple of int
            The shape of the rows.
        axes : tuple of int
            The axes along which rows lie, sorted and not negative.

        Returns
        -------
        tuple of int
            The first of ``shapes``.
        """
        return self.shapes(rows, axes)[0]


def _reduced(rows: Shape, axes: Axes) -> list[Shape]:
    return [reduced_shape(rows, axes, keepdims) for keepdims in (False, True)]


def _every_axis(shape: Shape, rows: Shape, axes: Axes) -> bool:
    return len(shape) == len(rows) and broadcasts(shape, rows) and all(shape[a] == rows[a] for a in axes)


def _several(shape: Shape, rows: Shape, axes: Axes) -> bool:
    """Any number of them along the one axis that is reduced."""
    return (
        len(axes) == 1
        and len(shape) == len(rows)
        and all(i in axes or m == n for i, (m, n) in enumerate(zip(shape, rows, strict=True)))
    )


def _along(shape: Shape, ndim: int, axes: Axes) -> Shape:
    """Put ones where the classes do not lie."""
    if len(shape) == ndim:
        return shape
    sizes = iter(shape)
    return tuple(next(sizes) if i in axes else 1 for i in range(ndim))


PARTS = 4
"""How many numbers `row_sums` gives of each row."""


def _parts(rows: Shape, axes: Axes) -> list[Shape]:
    return [tuple(PARTS if axes and i == max(axes) else 1 if i in axes else n for i, n in enumerate(rows))]


ROWS = Kind("rows", True, lambda rows, axes: [rows])
"""Of the shape of the rows, as the logits themselves."""
PER_ROW = Kind("one number a row", True, _reduced)
"""The rows' shape without the reduced axes, or with ones there."""
PER_CLASS = Kind("one number a class", True, lambda rows, axes: [tuple(rows[a] for a in axes)], _along, _every_axis)
"""Of the shape of the reduced axes alone; or of as many axes as the rows, with length 1 along those that are not reduced."""
INDEX = Kind("an integer index into the row", False, _reduced)
"""Integers, shaped as one number a row; into the reduced axes flattened, where they are several."""
INDICES = Kind("integer indices into the row", False, _reduced, also=_several, others="any number along the axis")
"""Integers, shaped as one number a row, or with any number of them along the one reduced axis."""
EACH = Kind("one number for each index", True, _reduced, also=_several, others="any number along the axis")
"""Of the shape of `INDICES`."""
ROW_SUMS = Kind("the sums of the rows, as row_sums gives them", True, _parts)
"""Four numbers a row, along the last of the reduced axes; the others have length 1."""
MASK = Kind("a mask", False, lambda rows, axes: [rows], lambda shape, ndim, axes: (1,) * (ndim - len(shape)) + shape)
"""Bools that broadcast to the rows."""
