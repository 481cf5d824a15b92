"""What the walks need to know of arrays: how many rows, how long, and how far apart, from shapes and strides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Strides = tuple[int, ...]  # of all operands along one axis, in elements
OPERANDS = 4


class Axis(NamedTuple):
    """An axis: the number of its steps, and the stride of each operand along it."""

    size: int
    strides: Strides


class Geometry(NamedTuple):
    """``outer x inner`` rows of ``length`` elements, at every combination of steps along the axes of ``loops``."""

    length: Axis
    outer: Axis
    inner: Axis
    loops: tuple[Axis, ...]

    @property
    def rows(self) -> int:
        """Rows at each offset."""
        return self.outer.size * self.inner.size

    def in_line(self) -> Geometry:
        """The same rows, numbered along one axis."""
        one = Axis(1, (0,) * len(self.length.strides))
        if self.inner.size == 1:
            return self
        return self._replace(outer=self.inner, inner=one, loops=(*self.loops, self.outer))

    def offsets(self) -> Iterator[Strides]:
        """Where the rows begin, for every operand, in elements."""
        return _offsets(self.loops, (0,) * len(self.length.strides))


def _offsets(loops: tuple[Axis, ...], at: Strides) -> Iterator[Strides]:
    if not loops:
        yield at
        return
    first, *rest = loops
    for i in range(first.size):
        yield from _offsets(tuple(rest), tuple(a + i * s for a, s in zip(at, first.strides, strict=True)))


def merged(axes: Sequence[Axis]) -> list[Axis]:
    """The same elements by fewer axes: neighbours that lie like one axis are joined."""
    out: list[Axis] = []
    for axis in axes:
        if out and all(s == axis.size * t for s, t in zip(out[-1].strides, axis.strides, strict=True)):
            out[-1] = Axis(out[-1].size * axis.size, axis.strides)
        else:
            out.append(axis)
    return out


def geometry(shape: tuple[int, ...], axes: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> Geometry | str:
    """How to walk operands of one shape (with stride 0 where they lack an axis), or the reason why the walks cannot."""
    every = [Axis(n, tuple(s[i] for s in strides)) for i, n in enumerate(shape)]
    one = Axis(1, (0,) * len(strides))
    reduced = merged([every[i] for i in axes if shape[i] > 1]) or [one]
    if len(reduced) > 1:
        return "the reduced axes do not lie in memory as one"
    kept = [a for i, a in enumerate(every) if i not in axes and a.size > 1]
    kept = merged(sorted(kept, key=lambda a: tuple(map(abs, a.strides)), reverse=True))
    *loops, outer, inner = [one, one, *kept]
    if inner.size > 1 and outer.size == 1 and all(abs(s) != 1 for s in inner.strides):
        outer, inner = inner, one  # rows numbered along one axis, which needs no division
    return Geometry(reduced[0], outer, inner, tuple(a for a in loops if a.size > 1))


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array in C order."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
