"""Sums of whole rows that lie in parts, by kernels that walk each part twice.

Both functions are called with ``merged``, which merges numbers of this part with those of the others (see ``Part.merged``), and
with ``heard``, which returns the merged numbers if they are known already: then the part need not be walked for them. Where numbers
of whole rows are not known yet, the result is ``UNKNOWN``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lsmx._call.functions import every
from lsmx._call.operation import Operation
from lsmx._call.unknown import Box, is_unknown, opened
from lsmx._definition.checks import ops_of
from lsmx._definition.kinds import Axes
from lsmx._definition.ops import Array
from lsmx._definition.parts import Arrays, in_part
from lsmx._definition.row_parts import packed, row_sums_of, unpacked
from lsmx._definition.row_values import row_sum_of
from lsmx._definition.rows import parts_of, together
from lsmx._definition.words import Words

Merged = Callable[[str, Arrays], Arrays]
Heard = Callable[[], Arrays | None]
NONE: Mapping[str, Any] = {}


def operation_of(name: str, given: tuple[str, ...] = ()) -> Operation:
    """The forward pass of one of the library's functions, in the variant for the options that are given as arrays."""
    return every()[name].variants[given].operations["forward"]


def row_sums_by_kernels(
    merged: Merged,
    heard: Heard,
    x: Array,
    axes: Axes,
    where: Array | None = None,
    temperature: Arrays = (),
    options: Mapping[str, Any] = NONE,
) -> list[Array]:
    """The numbers that ``row_sums`` gives of whole rows, with its mask, its temperature if that is an array, and its options.

    Parameters
    ----------
    merged : callable
        Merges numbers of this part with those of the others: see `Part`.
    heard : callable
        Returns the merged numbers if they are known already, else None.
    x : array
        The part of the logits.
    axes : tuple of int
        The axes along which rows lie, sorted and not negative.
    where : array of bool, optional
        Mask, broadcastable to the rows.
    temperature : tuple of array, default ()
        The temperature of each row, if it is an array.
    options : mapping, optional
        The other options of `lsmx.row_sums`.

    Returns
    -------
    list of array
        Four, each of one number a row, with the axes of the rows at length 1, in the format computed in.
    """
    plain, ndim, to = opened(x), len(x.shape), max(axes)
    given = ("temperature",) if temperature else ()
    with in_part(None):
        ops, largest = ops_of(plain), heard()
        if largest is None:
            found = operation_of("row_top", given).compute((plain, *temperature), axes, where, options, None)
            largest = merged("two largest", tuple(parts_of(found, to)[:2]))
        if is_unknown(largest):
            return [*largest, *merged("sum", largest)]
        found, total = together(ops, opened(largest), to, ndim), heard()
        if total is None:
            said = operation_of("row_digits", given).compute((plain, found, *temperature), axes, where, options, None)
            total = merged("sum", tuple(packed(ops, said, to)))
        if is_unknown(total):
            return [*largest, *total[:2]]
        numbers = parts_of(row_sums_of(found, unpacked(ops, opened(total), to, ndim), axis=axes), to)
        return [Box(n) for n in numbers] if isinstance(x, Box) else numbers


def row_sum_by_kernels(merged: Merged, heard: Heard, v: Array, axes: Axes, where: Array | None = None) -> Words:
    """The exact sum of each whole row, as ``Rows.sum`` gives it.

    Parameters
    ----------
    merged : callable
        Merges numbers of this part with those of the others: see `Part`.
    heard : callable
        Returns the merged numbers if they are known already, else None.
    v : array
        The part of the numbers that are added up.
    axes : tuple of int
        The axes along which rows lie, sorted and not negative.
    where : array of bool, optional
        Mask, broadcastable to the rows.

    Returns
    -------
    tuple of array
        The sum in two words, high and low, each of one number a row.
    """
    if is_unknown(v):
        high, low = merged("sum", (v, *merged("max", (v,))))
        return high, low
    plain, ndim, to = opened(v), len(v.shape), max(axes)
    with in_part(None):
        ops, largest = ops_of(plain), heard()
        if largest is None:
            found = operation_of("row_magnitude").compute((plain,), axes, where, {}, None)
            largest = merged("max", tuple(parts_of(found, to)[:1]))
        if is_unknown(largest):
            high, low = merged("sum", (*largest, *largest))
            return high, low
        found, total = together(ops, opened(largest), to, ndim), heard()
        if total is None:
            said = operation_of("row_integer").compute((plain, found), axes, where, {}, None)
            total = merged("sum", tuple(packed(ops, said, to)))
        if is_unknown(total):
            return total[0], total[1]
        high, low = row_sum_of(found, unpacked(ops, opened(total), to, ndim), axis=axes)
        return (Box(high), Box(low)) if isinstance(v, Box) else (high, low)
