"""A block in tiles, of some rows or of parts of them, so that what is held beside the block is small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lsmx.extend import EACH, INDEX, INDICES, MASK, PER_CLASS, PER_ROW, ROW_SUMS, Kind

Index = tuple[int, ...]
T = TypeVar("T")
ELEMENTS, BY_KERNELS = 2**17, 2**20
"""Elements of a tile: for the definition, whose intermediate arrays then stay in the cache, and for kernels, which make none."""
OF_ROWS = (EACH, INDEX, INDICES, PER_ROW, ROW_SUMS)


@dataclass(frozen=True)
class Tile:
    """A box in a block, from ``start`` to ``stop`` along each axis of the rows; ``block`` is the shape of that."""

    start: Index
    stop: Index
    block: Index

    @classmethod
    def whole(cls, block: Index) -> Tile:
        """All of it."""
        return cls((0,) * len(block), block, block)

    @property
    def shape(self) -> Index:
        """Of the tile."""
        return tuple(j - i for i, j in zip(self.start, self.stop, strict=True))

    def slices(self, shape: Index, at: Index) -> tuple[slice, ...]:
        """Where the tile is in an array whose axes are those ``at`` of the rows; all of an axis that it has not."""
        return tuple(
            slice(self.start[a], self.stop[a]) if n == self.block[a] else slice(None) for n, a in zip(shape, at, strict=True)
        )

    def of_rows(self, x: Any, axes: Index) -> Any:
        """What belongs to the tile's rows, of numbers of whole rows: they may lack the axes, or have other sizes there."""
        ndim = len(self.block)
        at = [a for a in range(ndim) if a not in axes]
        if not at:
            return x
        if x.ndim == ndim:
            return x[tuple(slice(None) if a in axes else s for a, s in enumerate(self.slices(self.block, tuple(range(ndim)))))]
        return x[self.slices(tuple(x.shape), tuple(at))]

    def starts(self, starts: Index, axes: Index) -> Index:
        """Where the tile begins in whole rows, if the block does at ``starts``."""
        return tuple(s + self.start[a] for s, a in zip(starts, axes, strict=True))


def cut(kind: Kind, x: Any, tile: Tile, axes: Index) -> Any:
    """The tile's part of an array of some kind."""
    ndim = len(tile.block)
    if tile.shape == tile.block:
        return x
    if kind in OF_ROWS:
        return tile.of_rows(x, axes)
    if kind is PER_CLASS and x.ndim < ndim:
        return x[tile.slices(tuple(x.shape), axes)]
    at = range(ndim - x.ndim, ndim) if kind is MASK else range(ndim)
    return x[tile.slices(tuple(x.shape), tuple(at))]


def tiled(block: Index, axes: Index, elements: int, run: Callable[[Tile], T], join: Callable[[int, list[T]], T]) -> T:
    """What tiles of a block give, joined along one axis after the other: rows are cut only if one alone is too long."""
    steps = steps_of(block, axes, elements)

    def over(tile: Tile, rest: list[int]) -> T:
        if not rest:
            return run(tile)
        a, *others = rest
        found = []
        for i in range(0, block[a], steps[a]):
            start, stop = list(tile.start), list(tile.stop)
            start[a], stop[a] = i, min(i + steps[a], block[a])
            found.append(over(Tile(tuple(start), tuple(stop), block), others))
        return join(a, found)

    return over(Tile.whole(block), [a for a, n in enumerate(block) if steps[a] < n])


def steps_of(block: Index, axes: Index, most: int) -> list[int]:
    """The sizes of a tile: the longest of the kept axes is cut first."""
    steps = list(block)
    while (elements := math.prod(steps)) > most:
        kept = [a for a, n in enumerate(steps) if a not in axes and n > 1]
        longest = max(kept or axes, key=lambda a: steps[a])
        steps[longest] = max(1, steps[longest] * most // elements)
    return steps
