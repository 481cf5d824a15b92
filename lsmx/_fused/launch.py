"""From arrays to what is compiled: addresses and strides, in parts for the threads."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx._arithmetic.ops import Array
from lsmx._fused.geometry import OPERANDS, Geometry, geometry
from lsmx._threads import WORTH, share
from lsmx._validate import normal_axes

LANES = 16  # rows of a tile, at most
SHORT = {"forward": 256, "backward": 80}  # rows of fewer elements are taken a tile at a time
GROUP = 8  # tiles that are filled at a time, for runs of cache lines and fewer pages
SPARE = 64 * (LANES + 1)  # bytes past the last tile that may be read and written, and what it takes to align it
ROOM = 2**22  # bytes of scratch up to which that pays
WIDTH = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


@dataclass(frozen=True)
class Memory:
    """How a library's arrays lie in the host's memory.

    Attributes
    ----------
    refuse
        Why an array's memory cannot be read or written as it is, or None.
    dtype
        The name of its dtype.
    address
        Of its first element.
    strides
        In elements.
    simple
        The name of its dtype if it is in C order without gaps, and nothing speaks against it; else None.
    is_writable
        Whether it may be written to.
    empty
        A new array of a shape, with the dtype and on the device of another.
    masked
        A new array: another where a mask is true, else a number.
    fill
        Put a number into an array where a mask is false.
    threads
        How many to use.
    """

    refuse: Callable[[Array], str | None]
    dtype: Callable[[Array], str]
    address: Callable[[Array], int]
    strides: Callable[[Array], tuple[int, ...]]
    simple: Callable[[Array], str | None]
    is_writable: Callable[[Array], bool]
    empty: Callable[[tuple[int, ...], Array], Array]
    masked: Callable[[Array, Array, float], Array]
    fill: Callable[[Array, Array, float], None]
    threads: Callable[[], int]


@functools.cache
def unavailable() -> str | None:
    """Why there is no compiler, or None."""
    try:
        import numba
    except ImportError as error:
        return f'Numba cannot be imported ({error}); pip install "lsmx[fast]"'
    return "Numba's compiler is switched off by NUMBA_DISABLE_JIT" if numba.config.DISABLE_JIT else None  # type: ignore[attr-defined]


@functools.cache
def compiled(name: str, dtype: str) -> tuple[Any, Any]:
    """The walks of a pass, over rows and over tiles."""
    from lsmx._fused import compiled as source

    rows, tiles = getattr(source, name)(f"{dtype} {source.digest()}")
    return rows, tiles


def run_contiguous(
    name: str, memory: Memory, dtype: str, a: int, b: int, c: int, out: int, na: int, nb: int, nc: int, nout: int, n: int, rows: int
) -> None:
    """A pass over rows in C order: the addresses of the operands, and how many elements they have of each row, ``n``, 1 or none."""
    by_rows, by_tiles = compiled(name, dtype)
    if n >= SHORT[name.rpartition("_")[2]]:
        spread(memory, rows, n, 1, by_rows, a, b, c, out, n, after=(na, nb, nc, nout))
    elif rows * n < WORTH:
        by_tiles(a, b, c, out, n, 0, rows, 0)
    else:
        spread(memory, rows, n, LANES, by_tiles, a, b, c, out, n, after=(0,))


def spread(memory: Memory, rows: int, n: int, multiple: int, compiled: Any, *before: int, after: Sequence[int]) -> None:
    """Call what is compiled for all rows, in one part, or in one for each thread."""
    if rows * n < WORTH or (threads := memory.threads()) == 1:
        compiled(*before, 0, rows, *after)
    else:
        share(lambda start, stop: compiled(*before, start, stop, *after), rows, threads, multiple)


def in_rows(memory: Memory, shape: tuple[int, ...], axis: Any, *arrays: Array | None) -> str | None:
    """The dtype of arrays whose rows lie one after the other, so that nothing needs planning; else None."""
    if type(axis) is not int or axis not in (-1, len(shape) - 1):
        return None
    names = {memory.simple(x) for x in arrays if x is not None}
    return names.pop() if len(names) == 1 else None


def plan(memory: Memory, shape: tuple[int, ...], axis: Any, operands: Sequence[Array | tuple[int, ...] | None]) -> Geometry | str:
    """How to walk the operands, of which some may be strides only or missing, or why the walks cannot."""
    axes = normal_axes(axis, len(shape))
    strides = [(0,) * len(shape)] * OPERANDS
    for i, x in enumerate(operands):
        if isinstance(x, tuple):
            strides[i] = x
        elif x is not None:
            strides[i] = expanded(memory.strides(x), len(shape), axes, x.shape)
    return geometry(shape, axes, strides)


def expanded(strides: tuple[int, ...], ndim: int, axes: tuple[int, ...], shape: Sequence[int]) -> tuple[int, ...]:
    """Strides along all axes: 0 along those that an array lacks, or has with length 1."""
    if len(strides) < ndim:
        rest = iter(zip(strides, shape, strict=True))
        strides, shape = zip(*((0, 1) if i in axes else next(rest) for i in range(ndim)), strict=True)
    return tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))


def run_strided(name: str, memory: Memory, operands: Sequence[Array | None], lengths: Sequence[int], walk: Geometry) -> None:
    """A pass over rows at any strides."""
    dtype = memory.dtype(operands[-1])
    n = walk.length.size
    by_rows, by_tiles = compiled(name, dtype)
    in_line = n >= SHORT[name.rpartition("_")[2]] and all(
        s == 1 for s, length in zip(walk.length.strides, lengths, strict=True) if length == n
    )
    if in_line:
        walk = walk.in_line()
    for offset in walk.offsets():
        addresses = [0 if x is None else memory.address(x) + WIDTH[dtype] * o for x, o in zip(operands, offset, strict=True)]
        if in_line:
            spread(memory, walk.rows, n, 1, by_rows, *addresses, n, after=walk.outer.strides)
        else:
            share_tiles(memory, walk, n, 64 * sum(lengths), by_tiles, *addresses, n)


def share_tiles(memory: Memory, walk: Geometry, n: int, size: int, compiled: Any, *before: int) -> None:
    """Call what is compiled for all tiles; every part has its own scratch memory, ``size`` bytes for each tile."""
    side_by_side = 1 in walk.inner.strides and walk.inner.size >= GROUP * LANES
    group = max(1, min(GROUP, ROOM // size)) if side_by_side else 1
    strides = zip(walk.outer.strides, walk.inner.strides, walk.length.strides, strict=True)
    flat = [s for three in strides for s in three]

    def job(start: int, stop: int) -> None:
        room = np.empty(size * group + SPARE, dtype=np.uint8)
        scratch = -(-room.ctypes.data // 64) * 64
        table = np.asarray([group, walk.inner.size, scratch, *flat], dtype=np.int64)
        compiled(*before, start, stop, table.ctypes.data)

    share(job, walk.rows, memory.threads() if walk.rows * n >= WORTH else 1, LANES)


def overlap(memory: Memory, a: Array, b: Array) -> bool:
    """Whether two arrays overlap without being element for element the same."""
    if a is b:
        return False
    here, there = span(memory, a), span(memory, b)
    if here[1] <= there[0] or there[1] <= here[0]:
        return False
    return memory.address(a) != memory.address(b) or memory.strides(a) != memory.strides(b) or a.shape != b.shape


def span(memory: Memory, x: Array) -> tuple[int, int]:
    """The first address of an array, and the one after its last."""
    base = memory.address(x)
    if (dtype := memory.simple(x)) is not None:
        return base, base + WIDTH[dtype] * math.prod(x.shape)
    width = WIDTH[memory.dtype(x)]
    steps = [s * (n - 1) for s, n in zip(memory.strides(x), x.shape, strict=True)]
    low, high = sum(min(s, 0) for s in steps), sum(max(s, 0) for s in steps)
    return base + width * low, base + width * (high + 1)


def overlaps_itself(memory: Memory, x: Array) -> bool:
    """Whether two elements of an array may share memory."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(memory.strides(x), x.shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False
