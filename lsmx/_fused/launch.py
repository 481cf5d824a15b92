"""From arrays to what is compiled: addresses and strides, in parts for the threads."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lsmx._definition.ops import Array
from lsmx._native.geometry import Geometry
from lsmx._native.memory import WIDTH, Memory
from lsmx._native.threads import WORTH, share

LANES = 16  # rows of a tile, at most
SHORT = {"forward": 256, "backward": 80}  # rows of fewer elements are taken a tile at a time
GROUP = 8  # tiles that are filled at a time, for runs of cache lines and fewer pages
SPARE = 64 * (LANES + 1)  # bytes past the last tile that may be read and written, and what it takes to align it
ROOM = 2**22  # bytes of scratch up to which that pays


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
