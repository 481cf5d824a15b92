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
SHORT = 64  # rows of fewer elements are taken a tile at a time
STACK = 32768  # bytes of scratch that a walk over tiles has of its own
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
    is_contiguous
        Whether it is in C order without gaps.
    is_writable
        Whether it may be written to.
    empty
        A new array of a shape, with the dtype of another.
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
    is_contiguous: Callable[[Array], bool]
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
    return "Numba's compiler is switched off by NUMBA_DISABLE_JIT" if numba.config.DISABLE_JIT else None


@functools.cache
def compiled(name: str, dtype: str) -> tuple[Any, Any]:
    """The walks of a pass, over rows and over tiles."""
    from lsmx._fused import compiled as source

    rows, tiles = getattr(source, name)(f"{dtype} {source.digest()}")
    return rows, tiles


def run_contiguous(name: str, memory: Memory, operands: Sequence[Array | None], lengths: Sequence[int], rows: int) -> None:
    """A pass over rows in C order; an operand has ``n`` elements of each, or 1, or none."""
    dtype = memory.dtype(operands[-1])
    n = max(lengths)
    addresses = [0 if x is None else memory.address(x) for x in operands]
    by_rows, by_tiles = compiled(name, dtype)
    if n >= SHORT:
        job = functools.partial(_rows, by_rows, addresses, n, lengths)
    else:
        strides = [s for length in lengths for s in (length, 0, 1)]
        job = functools.partial(_tiles, by_tiles, addresses, n, 1, 0, strides)
    if rows * n >= WORTH and (threads := memory.threads()) > 1:
        share(job, rows, threads, LANES if n < SHORT else 1)
    else:
        job(0, rows)


def _rows(compiled: Any, addresses: Sequence[int], n: int, strides: Sequence[int], start: int, stop: int) -> None:
    compiled(*addresses, n, start, stop, *strides)


def _tiles(
    compiled: Any, addresses: Sequence[int], n: int, inner: int, scratch: int, strides: Sequence[int], start: int, stop: int
) -> None:
    if scratch:
        room = np.empty(scratch + 64, dtype=np.uint8)
        address = room.ctypes.data
        compiled(*addresses, n, inner, start, stop, -(-address // 64) * 64, *strides)
    else:
        compiled(*addresses, n, inner, start, stop, 0, *strides)


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
    width = WIDTH[dtype]
    n = walk.length.size
    by_rows, by_tiles = compiled(name, dtype)
    full = [i for i, length in enumerate(lengths) if length == n]
    in_line = all(walk.length.strides[i] == 1 for i in full) and n >= SHORT
    outer, inner, loops = walk.outer, walk.inner, walk.loops
    if in_line and inner.size > 1:
        outer, inner, loops = inner, outer._replace(size=1), (*loops, outer) if outer.size > 1 else loops
    rows = outer.size * inner.size
    scratch = 64 * sum(lengths)
    for offset in walk._replace(loops=loops).offsets():
        addresses = [0 if x is None else memory.address(x) + width * o for x, o in zip(operands, offset, strict=True)]
        if in_line:
            job = functools.partial(_rows, by_rows, addresses, n, outer.strides)
        else:
            strides = [s for i in range(4) for s in (outer.strides[i], inner.strides[i], walk.length.strides[i])]
            job = functools.partial(_tiles, by_tiles, addresses, n, inner.size, scratch if scratch > STACK else 0, strides)
        if rows * n >= WORTH and (threads := memory.threads()) > 1:
            share(job, rows, threads, 1 if in_line else LANES)
        else:
            job(0, rows)


def overlap(memory: Memory, a: Array, b: Array) -> bool:
    """Whether two arrays overlap without being element for element the same."""
    here, there = (span(memory, x) for x in (a, b))
    if here[1] <= there[0] or there[1] <= here[0]:
        return False
    return memory.address(a) != memory.address(b) or memory.strides(a) != memory.strides(b) or a.shape != b.shape


def span(memory: Memory, x: Array) -> tuple[int, int]:
    """The first address of an array, and the one after its last."""
    width = WIDTH[memory.dtype(x)]
    steps = [s * (n - 1) for s, n in zip(memory.strides(x), x.shape, strict=True)]
    low, high = sum(min(s, 0) for s in steps), sum(max(s, 0) for s in steps)
    base = memory.address(x)
    return base + width * low, base + width * (high + 1)


def overlaps_itself(memory: Memory, x: Array) -> bool:
    """Whether two elements of an array may share memory."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(memory.strides(x), x.shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False


def elements(shape: tuple[int, ...]) -> int:
    """How many there are."""
    return math.prod(shape)
