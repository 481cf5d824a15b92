"""An operation on Dask arrays: planned now, computed later on each block by the library that the block is of.

The bits of a row depend on nothing else, so blocks of whole rows are independent. Blocks of rows that are cut exchange numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask.array.utils import meta_from_array

from lsmx import ArrayTypeError, OutputError, ShapeError, backend_for
from lsmx.extend import MASK, PER_CLASS, ROWS, Kind, Operation, check_out, native
from lsmx_dask.layout import cut_again, cut_like, in_one_chunk, letters, placed
from lsmx_dask.parts import ALONG
from lsmx_dask.rounds import Given, by_rounds, goes_by_rounds
from lsmx_dask.task import Task

Options = Mapping[str, Any]
UNKNOWN = float("nan")  # one object: tuples that contain it compare equal, though NaN does not


@dataclass(frozen=True)
class Outline:
    """What is known of an array before it is computed; sizes may not be."""

    dtype: Any
    shape: tuple[Any, ...]


def outline(x: Any) -> Outline:
    """The outline of an array."""
    return Outline(x.dtype, tuple(UNKNOWN if n != n else n for n in x.shape))


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
    result = result_of(operation)
    parts = [lazily(x) for x in arrays]
    own, reduces = parts[at], result is not ROWS
    single = range(own.ndim) if result is PER_CLASS else axes  # one number a class comes from all rows
    divided = goes_by_rounds(operation, result, own, axes)
    rows = parts[at] = own if divided else in_one_chunk(operation.rows, own, single)
    shape = operation.shape([x.shape for x in parts], axes, options)

    named = list(zip(operation.names, parts, operation.takes.values(), strict=True))
    if where is not None:
        named.append(("where", lazily(where), MASK))
    given: list[Given] = []
    for name, x, kind in named:
        index = letters(kind, x.ndim, rows.ndim, axes)
        given.append((kind, cut_like(name, x, index, rows, () if kind in ALONG else axes), index))

    task = Task.of(operation, where is not None, operation.axis(arrays, axes), options)
    compute: Callable[..., Any] = task
    pairs = [y for _, x, index in given for y in (x, index)]
    if divided:
        compute, pairs = by_rounds(task, given, rows, axes, reduces)
    index, new, sizes = placed(result, shape, rows.chunks, axes, () if divided and not reduces else single)
    dtype = np.dtype(operation.dtype(rows)) if operation.widens else native(rows.dtype)
    value = da.blockwise(
        compute,
        index,
        *pairs,
        token=f"lsmx-{operation.name}",
        new_axes=new,
        adjust_chunks=sizes,
        align_arrays=False,
        dtype=dtype,
        meta=meta_from_array(rows._meta, ndim=len(shape), dtype=dtype),
    )
    kept = [a for a in range(own.ndim) if a not in single]
    return value if rows is own else cut_again(value, index, own, kept if reduces else range(own.ndim))


def result_of(operation: Operation) -> Kind:
    """The kind of an operation's result."""
    return operation.takes[operation.result] if isinstance(operation.result, str) else operation.result


def runs_by_rounds(operation: Operation, arrays: Sequence[Any], axis: Any) -> bool:
    """Whether an operation on these arrays is one on parts of rows."""
    return goes_by_rounds(operation, result_of(operation), lazily(arrays[operation.at]), operation.axes(arrays, axis))


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
