"""An operation on Dask arrays: planned now, computed later on each block by the library that the block is of.

A row's bits are its own, so blocks of whole rows are independent of each other. Rows that are cut are put together first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask.array.utils import meta_from_array

from lsmx import ArrayTypeError, OutputError, ShapeError, backend_for, using
from lsmx.extend import MASK, PER_CLASS, Operation, by_full_name, check_out, forced, native
from lsmx_dask.layout import cut_like, in_one_chunk, letters, placed

Options = Mapping[str, Any]
UNKNOWN = float("nan")  # one object, which equals itself in a tuple


@dataclass(frozen=True)
class Task:
    """What is computed on each block, in words, so that it can be sent to another process."""

    function: str
    direction: str
    masked: bool
    axis: Any
    options: tuple[tuple[str, Any], ...]
    reference: bool

    def __call__(self, *blocks: Any) -> Any:
        """The block of the result."""
        arrays = list(map(alone, blocks))
        where = arrays.pop() if self.masked else None
        operation = by_full_name()[self.function].operations[self.direction]
        with using("reference") if self.reference else nullcontext():
            return operation.compute(tuple(arrays), self.axis, where, dict(self.options), None)


@dataclass(frozen=True)
class Outline:
    """What is known of an array before it is computed; sizes may not be."""

    dtype: Any
    shape: tuple[Any, ...]


def outline(x: Any) -> Outline:
    """The outline of an array."""
    return Outline(x.dtype, tuple(UNKNOWN if n != n else n for n in x.shape))


def alone(block: Any) -> Any:
    """The block in a list, or in lists of lists: along an axis that the result lacks there is one only."""
    while isinstance(block, list):
        (block,) = block
    return block


def lazily(x: Any) -> Any:
    """An array as one of Dask's."""
    return x if isinstance(x, da.Array) else da.from_array(x, chunks=-1)


def bind(
    operation: Operation,
    arrays: tuple[Any, ...],
    axis: Any,
    where: Any = None,
    options: Options | None = None,
    out: Any = None,
) -> Any:
    """An operation on arrays some of which are Dask's, and the others NumPy's."""
    result = on_blocks(operation, arrays, axis, where, options or {})
    if out is not None:
        check_out(out, result.shape, result.dtype)
        raise OutputError("out: cannot be written to by Dask, which computes later; use the result, or dask.array.store")
    return result


def on_blocks(operation: Operation, arrays: Sequence[Any], axis: Any, where: Any, options: Options) -> Any:
    """The plan of an operation, whose result is one of its arguments' kinds or has axes of its own."""
    check(operation, arrays, axis, where)
    axes, at = operation.axes(arrays, axis), operation.at
    result = operation.takes[operation.result] if isinstance(operation.result, str) else operation.result
    parts = [lazily(x) for x in arrays]
    single = range(parts[at].ndim) if result is PER_CLASS else axes  # one number a class comes from all rows
    rows = parts[at] = in_one_chunk(operation.rows, parts[at], single)
    shape = operation.shape([x.shape for x in parts], axes, options)

    given = list(zip(operation.names, parts, operation.takes.values(), strict=True))
    if where is not None:
        given.append(("where", lazily(where), MASK))
    pairs = []
    for name, x, kind in given:
        index = letters(kind, x.ndim, rows.ndim, axes)
        pairs += [cut_like(name, x, index, rows), index]

    index, new, sizes = placed(result, shape, rows.chunks, axes, single)
    task = Task(
        function=operation.family["forward"].name,
        direction=next(direction for direction, one in operation.family.items() if one is operation),
        masked=where is not None,
        axis=operation.axis(arrays, axes),
        options=tuple(options.items()),
        reference=forced() == "reference",
    )
    dtype = np.dtype(operation.dtype(rows)) if operation.widens else native(rows.dtype)
    return da.blockwise(
        task,
        index,
        *pairs,
        token=f"lsmx-{operation.name}",
        new_axes=new,
        adjust_chunks=sizes,
        align_arrays=False,
        dtype=dtype,
        meta=meta_from_array(rows._meta, ndim=len(shape), dtype=dtype),
    )


def check(operation: Operation, arrays: Sequence[Any], axis: Any, where: Any) -> None:
    """Raise now what the blocks would raise later."""
    outlines = [outline(x) for x in arrays]
    try:
        operation.check(outlines, axis, None if where is None else outline(where))
    except ShapeError as error:
        if not any(n != n for x in outlines for n in x.shape):
            raise
        raise ShapeError(f"{error}; sizes that are nan are unknown: call compute_chunk_sizes() on the array first") from None
    for name, x in (*zip(operation.names, arrays, strict=True), ("where", where)):
        if isinstance(x, da.Array):
            try:
                backend_for(x._meta)
            except ArrayTypeError as error:
                raise ArrayTypeError(f"{name}: a Dask array in blocks of another kind: {error}") from None
