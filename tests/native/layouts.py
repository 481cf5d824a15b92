"""How the arrays of a case lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.native.values import DTYPES, Values

TYPES = {name: i for i, name in enumerate([*DTYPES, "bool", "int32", "int64"])}
SWAPPED = 8
CANARY = 0xA5


@dataclass(frozen=True)
class Layout:
    """How an array lies in memory.

    Attributes
    ----------
    order
        The axes, from the outermost to the innermost.
    gaps
        For each axis, how many steps of the next inner one a step takes, in lengths of that axis: 1 leaves no gap.
    flipped
        Whether its stride is negative.
    repeated
        Whether its stride is 0.
    offset, after
        Bytes before and after, which are not to be touched.
    swapped
        Whether elements are of the other byte order.
    """

    order: tuple[int, ...]
    gaps: tuple[int, ...]
    flipped: tuple[bool, ...]
    repeated: tuple[bool, ...]
    offset: int = 0
    after: int = 0
    swapped: bool = False


def plain(ndim: int, offset: int = 0, after: int = 0) -> Layout:
    """C order."""
    none = (False,) * ndim
    return Layout(tuple(range(ndim)), (1,) * ndim, none, none, offset, after)


def random_layout(rng: np.random.Generator, ndim: int, *, may_repeat: bool) -> Layout:
    """Some layout."""
    return Layout(
        order=tuple(int(k) for k in (rng.permutation(ndim) if rng.random() < 0.5 else np.arange(ndim))),
        gaps=tuple(int(k) for k in (rng.choice([1, 1, 1, 2, 3], ndim) if rng.random() < 0.4 else np.ones(ndim, int))),
        flipped=tuple(bool(x) for x in rng.random(ndim) < (0.5 if rng.random() < 0.3 else 0.0)),
        repeated=tuple(bool(x) for x in rng.random(ndim) < (0.4 if may_repeat and rng.random() < 0.2 else 0.0)),
        offset=int(rng.choice([0, 0, 0, 1, 2, 4, 8, 60])),
        after=int(rng.choice([0, 72])),
        swapped=bool(rng.random() < 0.2),
    )


@dataclass(frozen=True)
class Operand:
    """An array in one of a case's buffers: offset and strides in bytes, and how many of them an element takes."""

    buffer: int
    offset: int
    type: int
    width: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def seen(self, buffer: Values) -> Values:
        """Its elements' bits."""
        dtype = pattern(self.width)
        return np.ndarray(self.shape, dtype.newbyteorder() if self.type >= SWAPPED else dtype, buffer, self.offset, self.strides)


def pattern(width: int) -> np.dtype[Any]:
    """What holds the bits of an element of so many bytes."""
    return np.dtype(f"u{width}" if width <= 8 else f"V{width}")


def bits(x: Values, numbers: int = 0) -> Values:
    """Bit patterns; of so many numbers that lie together along the last axis, one."""
    found = np.ascontiguousarray(x).view(pattern(x.dtype.itemsize * max(numbers, 1)))
    return found[..., 0] if numbers else found.reshape(x.shape)


def repeat(x: Values, layout: Layout) -> Values:
    """The values of an array that has the same along the layout's repeated axes."""
    index = tuple(slice(0, 1) if r else slice(None) for r in layout.repeated)
    return np.array(np.broadcast_to(x[index], x.shape), order="C")


def place(x: Values, kind: str, layout: Layout, buffer: int) -> tuple[Operand, Values]:
    """Bit patterns of a dtype in a buffer of their own."""
    width = x.dtype.itemsize
    strides, start, step = [0] * x.ndim, layout.offset, width
    for k in reversed(layout.order):
        if x.shape[k] == 1:
            strides[k] = -3 * width - 1  # whatever it is, nothing steps by it
        elif not layout.repeated[k]:
            step *= layout.gaps[k]
            strides[k] = -step if layout.flipped[k] else step
            start += step * (x.shape[k] - 1) if layout.flipped[k] else 0
            step *= x.shape[k]
    reach = sum(abs(s) * (n - 1) for s, n in zip(strides, x.shape, strict=True))
    memory = np.full(layout.offset + reach + width + layout.after, CANARY, np.uint8)
    code = TYPES[kind] + (SWAPPED if layout.swapped and kind != "bool" else 0)
    operand = Operand(buffer, start, code, width, x.shape, tuple(strides))
    operand.seen(memory)[...] = x
    return operand, memory
