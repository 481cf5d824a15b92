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
    """Which axes of the rows those of an array are, as indices for ``dask.array.blockwise``; ``rows`` is how many rows have."""
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


def check_known(name: str, x: Any, axes: Sequence[int]) -> list[int]:
    """The axes among some along which there are several chunks; raises if their sizes are unknown."""
    split = [a for a in axes if len(x.chunks[a]) > 1]
    for a in split:
        if any(n != n for n in x.chunks[a]):
            raise ShapeError(
                f"{name}: chunks of unknown sizes along axis {a}, which is reduced; call compute_chunk_sizes() on it first"
            )
    return split


def in_one_chunk(name: str, x: Any, axes: Sequence[int]) -> Any:
    """``x`` in one chunk along some axes; along others its chunks stay, unless they became larger than Dask is told to make."""
    split = check_known(name, x, axes)
    if not split:
        return x
    others = [i for i in range(x.ndim) if i not in axes]
    elements = math.prod(x.shape[a] for a in axes) * math.prod(max(x.chunks[i]) for i in others)
    large = elements * x.dtype.itemsize > parse_bytes(dask.config.get("array.chunk-size"))  # False where a size is unknown
    return x.rechunk(dict.fromkeys(split, -1) | (dict.fromkeys(others, "auto") if large else {}))


def cut_like(name: str, x: Any, index: Index, rows: Any, whole: Sequence[int] = ()) -> Any:
    """``x`` in chunks that go with those of the rows; in one along axes of another length, such as those of several indices.

    Along the axes that are to be ``whole`` it is in one chunk, whatever its length.
    """
    wanted: dict[int, Any] = {}
    for i, a in enumerate(index):
        have, like = x.chunks[i], rows.chunks[a]
        if a in whole:
            wanted |= {i: -1} if len(have) > 1 else {}
        elif x.shape[i] != x.shape[i] or rows.shape[a] != rows.shape[a]:
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


def cut_again(value: Any, index: Index, like: Any, axes: Sequence[int]) -> Any:
    """A result in the chunks that its rows had before they were put together, along those of their axes that it still has."""
    wanted = {
        i: like.chunks[a]
        for i, a in enumerate(index)
        if a in axes and value.shape[i] == like.shape[a] and value.chunks[i] != like.chunks[a]
    }
    return value.rechunk(wanted) if wanted else value
