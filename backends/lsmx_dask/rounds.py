"""Rows that are cut, in rounds: each block gives some numbers of its part, a tree of tasks merges them; then blocks compute.

No element of a row leaves its block, and the result has the blocks of the rows.
"""

from __future__ import annotations

import math
from functools import lru_cache, reduce
from typing import Any

import dask.array as da
import numpy as np
from dask.layers import ArraySliceDep

from lsmx.extend import (
    EACH,
    INDICES,
    JACOBIAN,
    PER_CLASS,
    ROW_SUMS,
    Heard,
    Kind,
    Operation,
    Said,
    by_full_name,
    heard_of,
    merged_said,
)
from lsmx_dask.layout import check_known
from lsmx_dask.parts import Ask, Finish, PartTask
from lsmx_dask.task import Task

Index = tuple[int, ...]
Given = tuple[Kind, Any, Index]
"""An array, its kind, and which axes of the rows its own are."""
FAN_IN = 16
"""Blocks whose numbers one task merges."""
SHORTEST = 64
"""With fewer elements of a row in a block, on average, rows are put together: the numbers to merge would be nearly as large."""


def goes_by_rounds(operation: Operation, kind: Kind, rows: Any, axes: Index) -> bool:
    """Whether an operation with a result of some kind is computed on the blocks of rows as they are cut.

    Not if rows are whole, nor if blocks have only a few elements of each row. Not for Jacobians, which need all pairs of elements,
    nor for functions that are not lsmx's, whose rules may sum over rows in ways that know nothing of parts.
    """
    blocks = [len(rows.chunks[a]) for a in axes]
    if max(blocks, default=1) < 2 or kind in (JACOBIAN, PER_CLASS):
        return False
    check_known(operation.rows, rows, axes)
    if not by_full_name()[operation.family["forward"].name].function.__module__.startswith("lsmx."):
        return False
    length = math.prod(rows.shape[a] for a in axes) / math.prod(blocks)
    return bool(length >= SHORTEST or len(axes) == rows.ndim)


def by_rounds(task: Task, given: list[Given], rows: Any, axes: Index, reduces: bool) -> tuple[Finish, list[Any]]:
    """What computes the blocks of the result, and what it is given, as ``dask.array.blockwise`` asks for."""
    every = tuple(range(rows.ndim))
    place = ArraySliceDep(tuple(c if a in axes else (1,) * len(c) for a, c in enumerate(rows.chunks)))
    ask = Ask(task, axes, tuple(rows.shape[a] for a in axes))
    pairs = [y for _, x, index in given for y in (x, index)]
    found: list[Any] = []
    for number in range(1, 1 + rounds_of(task, axes, tuple(outline(kind, x, rows.ndim, axes) for kind, x, _ in given))):
        said = da.blockwise(
            ask,
            every,
            *pairs,
            *(place, every),
            *found,
            token=f"lsmx-{task.operation.name}-round-{number}",
            adjust_chunks={a: (1,) * len(c) for a, c in enumerate(rows.chunks)},
            align_arrays=False,
            meta=RECORDS[(np.newaxis,) * (rows.ndim - 1)],
        )
        found += [in_a_tree(said, axes, f"lsmx-{task.operation.name}-merged-{number}"), every]
    finish = Finish(task, axes, ask.sizes, reduces)
    if reduces:  # every block of a row would compute the same result: the first one does
        return finish, [y for _, x, index in given for y in (first(x, index, axes), index)] + found
    return finish, [*pairs, place, every, *found]


def first(x: Any, index: Index, axes: Index) -> Any:
    """The first block along some axes of the rows."""
    return x.blocks[tuple(slice(1) if a in axes else slice(None) for a in index)] if set(index) & set(axes) else x


RECORDS = np.empty(0, object)


def in_a_tree(said: Any, axes: Index, token: str) -> Any:
    """One record in place of several along some axes: some are merged by one task, and what they give is merged in turn."""
    return da.reduction(
        said,
        chunk=as_it_is,
        aggregate=merge,
        axis=axes,
        keepdims=True,
        split_every=FAN_IN,
        concatenate=False,
        dtype=object,
        meta=said._meta,
        name=token,
    )


def as_it_is(said: Said, axis: Any, keepdims: bool) -> Said:
    """The numbers of one part, unchanged."""
    return said


def merge(said: Any, axis: Any, keepdims: bool) -> Said:
    """The numbers of several parts, merged."""
    return reduce(merged_said, flat(said))


def flat(said: Any) -> list[Said]:
    """The records in lists of lists."""
    return [one for part in said for one in flat(part)] if isinstance(said, list) else [said]


Outline = tuple[str, Index]


def outline(kind: Kind, x: Any, ndim: int, axes: Index) -> Outline:
    """The dtype of an array, and the shape of one that goes with a single element."""
    own = x.ndim == ndim and kind in (EACH, INDICES, ROW_SUMS)  # how many there are along the row is not the row's length
    return x.dtype.name, tuple(n if own and a in axes else 1 for a, n in enumerate(x.shape))


@lru_cache(maxsize=1024)
def rounds_of(task: Task, axes: Index, outlines: tuple[Outline, ...]) -> int:
    """How many rounds an operation takes, which depends on its options and never on numbers: found on a part of one element."""
    sizes = (2,) * len(axes)
    part, rounds = PartTask(task, axes, sizes), 0
    known: Heard = {}
    operation = task.operation
    arrays = [np.ones(shape, np.dtype(dtype)) for dtype, shape in outlines]
    while True:
        found, _ = part.run(operation, arrays, (0,) * len(axes), known)
        if not found.asked:
            return rounds
        known, rounds = heard_of(known, found.asked), rounds + 1
