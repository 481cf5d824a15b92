"""Tasks on the blocks of rows that are cut: in each round the numbers of a block's part, and at the end its result.

A block is walked in tiles: the definition, which runs on parts, holds some twenty arrays of the size of what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from lsmx import backend_for
from lsmx.extend import MASK, PER_CLASS, ROWS, Heard, Kind, Operation, Round, Said, finish_of, merged_said, namespace_of
from lsmx_dask import tiles
from lsmx_dask.task import Task, alone
from lsmx_dask.tiles import Tile, cut, tiled

Index = tuple[int, ...]
ALONG = (ROWS, PER_CLASS, MASK)
"""The kinds of arrays that are cut where the rows are; the others belong to whole rows."""


@dataclass(frozen=True)
class PartTask:
    """An operation on a part of every row: called with blocks of arrays, their place in the whole, and what rounds before found.

    Attributes
    ----------
    task
        The operation.
    axes, sizes
        The axes along which rows lie, and the elements of whole rows along each.
    """

    task: Task
    axes: Index
    sizes: Index

    def given(self, blocks: Sequence[Any]) -> tuple[Operation, list[tuple[Kind, Any]], list[Any]]:
        """The operation, its arrays with their kinds, and the other things that it is called with."""
        operation = self.task.operation
        kinds = [*operation.takes.values(), *([MASK] if self.task.masked else [])]
        found = list(map(alone, blocks))
        return operation, list(zip(kinds, found[: len(kinds)], strict=True)), found[len(kinds) :]

    @property
    def elements(self) -> int:
        """Of a tile."""
        return tiles.ELEMENTS if finish_of(self.task.operation) is None else tiles.BY_KERNELS

    def begins(self, place: Sequence[slice]) -> Index:
        """Where the part does, in whole rows."""
        return tuple(place[a].start for a in self.axes)

    def run(self, operation: Operation, arrays: Sequence[Any], starts: Index, known: Heard) -> tuple[Round, Any]:
        """The operation on a part, as far as what is known leads."""
        found = Round(known, self.sizes, starts)
        *given, where = arrays if self.task.masked else (*arrays, None)
        return found, found.bind(operation, tuple(given), self.task.axis, where, dict(self.task.options))


@dataclass(frozen=True)
class Ask(PartTask):
    """The task that finds the numbers of a part for a round."""

    def __call__(self, *blocks: Any) -> Said:
        """Numbers of the rows, by their place in the computation; each with an axis for each of the rows'."""
        operation, arrays, (place, *rounds) = self.given(blocks)
        starts, known, rows = self.begins(place), all_of(rounds), arrays[operation.at][1]
        xp = namespace_of(backend_for(rows), rows)

        def say(tile: Tile) -> Said:
            some = [cut(kind, x, tile, self.axes) for kind, x in arrays]
            told = {at: [tile.of_rows(x, self.axes) for x in numbers] for at, numbers in known.items()}
            found, _ = self.run(operation, some, tile.starts(starts, self.axes), {at: tuple(x) for at, x in told.items()})
            each = tuple(1 if a in self.axes else n for a, n in enumerate(tile.shape))
            whole = len(self.axes) == len(each)  # numbers of all rows together, in whatever shape
            return {
                at: (how, numbers if whole else tuple(xp.broadcast_to(x, each) for x in numbers))
                for at, (how, numbers) in found.asked.items()
            }

        def join(a: int, said: list[Said]) -> Said:
            if a in self.axes:
                return reduce(merged_said, said)
            columns = {at: zip(*[one[at][1] for one in said], strict=True) for at in said[0]}
            return {at: (said[0][at][0], tuple(xp.concat(list(x), axis=a) for x in column)) for at, column in columns.items()}

        return tiled(tuple(rows.shape), self.axes, self.elements, say, join)


@dataclass(frozen=True)
class Finish(PartTask):
    """The block of the result.

    Attributes
    ----------
    reduces
        Whether the result is one number a row or the like: then the merged numbers determine it, and no element is read again.
    """

    reduces: bool = False

    def __call__(self, *blocks: Any) -> Any:
        """The value, with the numbers of whole rows."""
        operation, arrays, rounds = self.given(blocks)
        rows = arrays[operation.at][1]
        if self.reduces:
            starts, known = (0,) * len(self.axes), all_of(rounds)
            some = [emptied(kind, x, rows.ndim, self.axes) for kind, x in arrays]
            return self.last(operation, some, starts, known)
        starts, known = self.begins(rounds.pop(0)), all_of(rounds)
        xp = namespace_of(backend_for(rows), rows)

        def compute(tile: Tile) -> Any:
            some = [cut(kind, x, tile, self.axes) for kind, x in arrays]
            told = {at: tuple(tile.of_rows(x, self.axes) for x in numbers) for at, numbers in known.items()}
            return self.last(operation, some, tile.starts(starts, self.axes), told)

        return tiled(tuple(rows.shape), self.axes, self.elements, compute, lambda a, values: xp.concat(values, axis=a))

    def last(self, operation: Operation, arrays: Sequence[Any], starts: Index, known: Heard) -> Any:
        """The value on a part, once all is known."""
        found, value = self.run(operation, arrays, starts, known)
        if found.asked or found.more:
            raise RuntimeError(f"{operation.name}: asks for more rounds than were planned; please report this")
        return value


def all_of(rounds: Sequence[Said]) -> Heard:
    """The merged numbers of several rounds, as one mapping."""
    return {at: numbers for said in rounds for at, (_, numbers) in said.items()}


def emptied(kind: Kind, x: Any, rows: int, axes: Index) -> Any:
    """A part of no elements."""
    if kind not in ALONG:
        return x
    flat = kind is PER_CLASS and x.ndim < rows
    gone = 0 if flat else rows - x.ndim  # a mask may lack the first axes
    return x[tuple(slice(0, 0) if flat or i + gone in axes else slice(None) for i in range(x.ndim))]
