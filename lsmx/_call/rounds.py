"""Rounds of a computation on parts of rows: what a part says now, with what the whole rows have said before.

A run of the rules goes as far as what is known leads; the numbers that it stops at are what the parts are to merge next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsmx._call.division import Division
from lsmx._call.operation import Operation, Options
from lsmx._call.operator import at_once, namespace_of
from lsmx._call.registry import backend_for
from lsmx._call.unknown import UNKNOWN, Box, is_unknown, opened, patiently
from lsmx._definition.checks import dtype_name
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array
from lsmx._definition.parts import MERGE, Arrays
from lsmx._errors import PartError

Place = tuple[int, int]
"""Of a question: in which of the call's operations, and where in it."""
Heard = Mapping[Place, Arrays]
"""What whole rows have said."""
Said = Mapping[Place, tuple[str, Arrays]]
"""What parts say: how it is merged, and the numbers."""


class Round:
    """One run of a function over a part: what is known, what is asked now, and whether more will be.

    Its calls are made under its ``division``, on a part that begins at ``starts`` of rows of some sizes.
    """

    def __init__(self, known: Heard, sizes: tuple[int, ...], starts: tuple[int, ...]) -> None:
        self.division = Division(self.merged, sizes, starts, self.bind, patiently, self.heard)
        self.known, self.place, self.more = known, (0, 0), False
        self.asked: dict[Place, tuple[str, Arrays]] = {}
        self.shape: tuple[int, ...] = ()  # of the part
        self.pending: list[Array] = []  # what stands for results that are not known yet

    def heard(self) -> Arrays | None:
        """The answer to the next question, if whole rows have given it.

        Returns
        -------
        tuple of array or None
            The merged numbers; None if they are still to be asked for.
        """
        found = self.known.get(self.place)
        if found is None:
            return None
        self.place = self.place[0], self.place[1] + 1
        return tuple(map(Box, found))

    def merged(self, how: str, arrays: Arrays) -> Arrays:
        """The numbers of the whole rows, as far as they are known.

        Parameters
        ----------
        how : str
            A name in `MERGE`.
        arrays : tuple of array
            The numbers of this part.

        Returns
        -------
        tuple of array
            Those of the whole rows; else what stands for numbers that are not known.
        """
        known = self.heard()
        if known is not None:
            return known
        at = self.place
        self.place = at[0], at[1] + 1
        if is_unknown(arrays):
            self.more = True
        else:
            self.asked[at] = how, opened(arrays)
        return (UNKNOWN,) * len(arrays)

    def bind(self, operation: Operation, arrays: Arrays, axis: Any, where: Array | None, options: Options) -> Array:
        """An operation on the part; zeros in place of what is not known yet.

        Parameters
        ----------
        operation : Operation
            What to compute.
        arrays : tuple of array
            Its arrays.
        axis : int, tuple of int or None
            The axis or axes of the rows.
        where : array of bool or None
            Mask.
        options : mapping
            The further options.

        Returns
        -------
        array
            The part's value, as far as it is known.
        """
        rows = arrays[operation.at]
        backend, self.shape = backend_for(rows), self.shape or tuple(rows.shape)
        self.place = self.place[0] + 1, 0
        if any(x is y for x in arrays for y in self.pending):
            self.more, value = True, UNKNOWN
        else:
            value = at_once(backend)(self.division.divided(operation), arrays, axis, where, options)
        if value is not UNKNOWN:
            return opened(value)
        ops = backend.ops(rows, FORMAT_OF[dtype_name(rows.dtype)])
        shape = operation.shape([tuple(x.shape) for x in arrays], operation.axes(arrays, axis), options)
        self.pending.append(ops.xp.zeros(shape, dtype=ops.dtype if operation.widens else rows.dtype, device=ops.device))
        return self.pending[-1]


def merged_said(a: Said, b: Said) -> Said:
    """What two parts of the same rows say in a round, as one.

    Parameters
    ----------
    a : mapping
        What one part says, or several: `Said`.
    b : mapping
        What another says in the same round.

    Returns
    -------
    mapping
        What both say.

    Raises
    ------
    PartError
        Numbers of different shapes, dtypes or libraries.
    """
    said = {}
    for at, (how, arrays) in a.items():
        _, others = b[at]
        if numbers_in_words(arrays) != numbers_in_words(others):
            raise PartError(
                f"merge: one part has {numbers_in_words(arrays)}, another {numbers_in_words(others)}; pass parts of the same rows"
            )
        said[at] = how, MERGE[how](namespace_of(backend_for(arrays[0]), arrays[0]), arrays, others)
    return said


def numbers_in_words(arrays: Arrays) -> str:
    """What numbers of rows are, so that those of two parts can be compared, and named where they differ."""
    library = backend_for(arrays[0]).name if arrays else "no"
    return f"{library} arrays of " + ", ".join(f"{dtype_name(x.dtype)} {tuple(x.shape)}" for x in arrays)


def heard_of(heard: Heard, said: Said) -> Heard:
    """All that the whole rows have said, once all parts of this round are merged.

    Parameters
    ----------
    heard : mapping
        What whole rows said in the rounds before: `Heard`.
    said : mapping
        What all parts said in this one, merged: `Said`.

    Returns
    -------
    mapping
        What is known for the next round.
    """
    return {**heard, **{at: arrays for at, (_, arrays) in said.items()}}
