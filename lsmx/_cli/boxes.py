"""Which part of a large array is worked on at a time: a box of whole rows, which neither a reader nor a writer cuts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

Box = tuple[slice, ...]
Shape = tuple[int, ...]

ELEMENTS = 2**22  # of a box, if no row has more: 16 MiB of float32
LARGE = 2**26  # elements of a chunk up to which it is read whole, and not once for each box in it


@dataclass(frozen=True)
class Boxes:
    """An array of some shape cut into boxes of one size, smaller at its ends; in C order."""

    shape: Shape
    box: Shape

    def counts(self) -> Shape:
        """How many there are along each axis."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.box, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts())

    def places(self) -> Iterator[Shape]:
        """The place of each among the others, one number along each axis."""
        return itertools.product(*map(range, self.counts()))

    def __iter__(self) -> Iterator[Box]:
        for place in self.places():
            yield tuple(slice(i * b, min((i + 1) * b, n)) for i, b, n in zip(place, self.box, self.shape, strict=True))


def boxes(shape: Shape, whole: Collection[int], chunks: Sequence[int] | None, elements: int = 0) -> Boxes:
    """An array in boxes that are whole along some axes.

    Parameters
    ----------
    shape
        Of the array.
    whole
        The axes along which nothing is cut: those of a row.
    chunks
        Sizes in which the array is stored, if it is stored in chunks: a box has as many of them as it can.
    elements
        At most so many in a box that has more than one row and more than one chunk; `ELEMENTS` by default.
    """
    elements = elements or ELEMENTS

    def least(grain: Sequence[int]) -> list[int]:
        return [max(1, n if a in whole else min(n, grain[a])) for a, n in enumerate(shape)]

    box = least([1] * len(shape))
    if chunks is not None and math.prod(least(chunks)) <= LARGE:
        box = least(chunks)
    for a in reversed(range(len(shape))):  # those of a row are whole already
        box[a] = max(1, min(shape[a], box[a] * max(1, elements // math.prod(box))))
        if box[a] < shape[a]:
            break
    return Boxes(shape, tuple(box))
