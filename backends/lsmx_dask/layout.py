"""How arrays that go together are cut into blocks that go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dask
from dask.utils import parse_bytes

from lsmx import ShapeError
from lsmx.extend import JACOBIAN, MASK, PER_CLASS, PER_ROW, Kind

Index = tuple[int, ...]


def letters(kind: Kind, ndim: int, rows: int, axes: Index) -> Index:
    """Which axes of the rows those of an array are, as ``dask.array.blockwise`` asks for: ``rows`` is the number of the former."""
    if kind is MASK:
        return tuple(range(rows - ndim, rows))
    if ndim == rows:
        return tuple(range(rows))
    return axes if kind is PER_CLASS else tuple(i for i in range(rows) if i not in axes)


def placed(kind: Kind, shape: tuple[Any, ...], chunks: Any, axes: Index, single: Sequence[int]) -> tuple[Index, Any, Any]:
    """The axes of a result, the sizes of those that the rows lack, and the chunks along the others: those of the rows, or one."""
    rows = len(chunks)
    if kind is not JACOBIAN:
        index, new = letters(kind, len(shape), rows, axes), {}
    else:  # two axes more
        index = (*letters(PER_ROW, len(shape) - 2, rows, axes), rows, rows + 1)
        new = {rows: shape[-2], rows + 1: shape[-1]}
    return index, new, {i: (n,) if i in single else chunks[i] for i, n in zip(index, shape, strict=True) if i < rows}


def in_one_chunk(name: str, x: Any, axes: Sequence[int]) -> Any:
    """``x`` in one chunk along some axes; along others its chunks stay, unless they became larger than Dask is told to make."""
    split = [a for a in axes if len(x.chunks[a]) > 1]
    if not split:
        return x
    for a in split:
        if any(n != n for n in x.chunks[a]):
            raise ShapeError(
                f"{name}: chunks of unknown sizes along axis {a}, which is reduced; call compute_chunk_sizes() on it first"
            )
    others = [i for i in range(x.ndim) if i not in axes]
    elements = math.prod(x.shape[a] for a in axes) * math.prod(max(x.chunks[i]) for i in others)
    large = elements * x.dtype.itemsize > parse_bytes(dask.config.get("array.chunk-size"))  # False where a size is unknown
    return x.rechunk(dict.fromkeys(split, -1) | (dict.fromkeys(others, "auto") if large else {}))


def cut_like(name: str, x: Any, index: Index, rows: Any) -> Any:
    """``x`` in chunks that go with those of the rows; in one along axes of another length, such as those of several indices."""
    wanted = {}
    for i, a in enumerate(index):
        have, like = x.chunks[i], rows.chunks[a]
        if x.shape[i] != x.shape[i] or rows.shape[a] != rows.shape[a]:
            if len(have) != len(like) and x.shape[i] != 1:
                raise ShapeError(
                    f"{name}: {len(have)} chunks of unknown sizes along axis {i}, beside {len(like)} of the rows; call "
                    "compute_chunk_sizes() on both first"
                )
        elif x.shape[i] == rows.shape[a] and have != like:
            wanted[i] = like
        elif x.shape[i] != rows.shape[a] and len(have) > 1:
            wanted[i] = -1
    return x.rechunk(wanted) if wanted else x
