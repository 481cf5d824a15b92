"""Rows that lie in parts, each in an array, a process or a device of its own: what a part has to hear from the others.

All that a rule asks of a whole row are maxima and sums of integers, and those are the same in whatever order they are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Array = Any  # an array of any library
Arrays = tuple[Array, ...]


def merge_two_largest(xp: Any, a: Arrays, b: Arrays) -> Arrays:
    """The two largest of a row, from the two largest of each of two parts of it; equal ones count twice."""
    between = xp.minimum(a[0], b[0])
    return xp.maximum(a[0], b[0]), xp.maximum(between, xp.maximum(a[1], b[1]))


MERGE: dict[str, Callable[[Any, Arrays, Arrays], Arrays]] = {
    "max": lambda xp, a, b: tuple(xp.maximum(x, y) for x, y in zip(a, b, strict=True)),
    "any": lambda xp, a, b: tuple(x | y for x, y in zip(a, b, strict=True)),
    "sum": lambda xp, a, b: tuple(x + y for x, y in zip(a, b, strict=True)),
    "two largest": merge_two_largest,
}
"""How the numbers of two parts become those of both, by name. Each is associative and commutative; NaN counts as the largest."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of each row of an array.

    Attributes
    ----------
    shape : tuple of int
        Of the whole array.
    start : tuple of int
        The place of the part's first element in the whole array, for each axis.
    merged : callable
        Merges numbers of this part with those of all others: called with a name in `MERGE`, and the arrays.
    row_sums : callable, optional
        Finds what `RowSums` gives, of an array along some axes, and with its mask, the temperature, and options; None if there is
        no better way than the definition's.
    row_sum : callable, optional
        Finds the sum of each row of an array along some axes, without what a mask leaves out, as two words: exactly, as
        `Rows.sum` does; None if there is no better way than the definition's.
    adapted : callable, optional
        Replaces the operations of a library by those that rules are to compute with; None to leave them.
    """

    shape: tuple[Any, ...]
    start: tuple[Any, ...]
    merged: Callable[[str, Arrays], Arrays]
    row_sums: Callable[..., list[Array]] | None = None
    row_sum: Callable[[Array, tuple[int, ...], Array | None], tuple[Array, Array]] | None = None
    adapted: Callable[[Any], Any] | None = None


present: ContextVar[Part | None] = ContextVar("lsmx_part", default=None)
"""The part of rows that rules are computing on now; None if rows are whole."""


@contextmanager
def in_part(part: Part | None) -> Iterator[None]:
    """A context in which rules compute on a part of every row; with None, on whole rows.

    Parameters
    ----------
    part : Part or None
        The part; None for whole rows.

    Yields
    ------
    None
        While the block runs, rules compute so.
    """
    token = present.set(part)
    try:
        yield
    finally:
        present.reset(token)
