"""``support=``: the logits of the classes that a sampler kept, gathered, give the same bits as the whole row with a mask."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from lsmx._call.division import divisions
from lsmx._call.losses import where_is
from lsmx._call.operator import place_of, serving, together
from lsmx._definition.checks import check_index, check_mask, normal_axes
from lsmx._definition.ops import Array, library_name, widest_integers
from lsmx._errors import ArgumentError, BackendError, ClassError, ShapeError
from lsmx._typing import Axis


def kept(z: Array, index: Array | None, support: Any, axis: Axis, where: Array | None) -> tuple[Array, Array | None, Array]:
    """The logits of the classes of ``support``, an index among them, and a mask of those that count.

    ``support`` has indices along the axis of ``z``, with -1 where a row has fewer; repetitions count once, and the order does not
    matter. Or it is a pair of values and offsets: those of the row ``r`` are ``values[offsets[r]:offsets[r + 1]]``.
    """
    if divisions.get():
        raise ArgumentError(
            "support: names classes of whole rows, but the logits are parts of rows; pass where=, a mask of the part"
        )
    shape = tuple(z.shape)
    axes = normal_axes(axis, len(shape))
    if len(axes) != 1:
        raise ArgumentError(
            f"support: its indices lie along one axis, but axis={axis!r} are {len(axes)}; reshape z so that classes have one axis"
        )
    (a,) = axes
    backend = serving("z", z)
    xp, device = place_of(backend, z)
    if where is not None:
        together("z", z, where=where)
        check_mask(where, shape)
    if not hasattr(xp, "take_along_axis"):
        raise BackendError(
            f"support: {library_name(xp)} has no take_along_axis; pass where=, a mask of the classes: it has the same bits"
        )
    if isinstance(support, tuple):
        if len(support) != 2:
            raise ArgumentError(
                f"support: a tuple of {len(support)}, but a pair is of values and offsets; or pass one array of indices"
            )
        values, offsets = support
        support = padded(z, values, offsets, a)
    together("z", z, support=support)
    check_index("support", support)
    if (
        len(support.shape) != len(shape)
        or any(m != n for i, (m, n) in enumerate(zip(support.shape, shape, strict=True)) if i != a)
        or support.shape[a] == 0
    ):
        raise ShapeError(
            f"support: shape {tuple(support.shape)}, but an array of {shape} asks for that shape, save along axis {a}, where any "
            "size from 1 up is taken"
        )
    if backend.seen is not None and backend.seen(support):
        check_support(np.asarray(backend.to_numpy(support)), shape[a])
    classes = xp.sort(xp.astype(support, widest_integers(xp, device)[0]), axis=a)
    before = (slice(None),) * a
    first = xp.ones_like(classes[(*before, slice(0, 1), ...)], dtype=xp.bool)
    new = xp.concat([first, classes[(*before, slice(1, None), ...)] != classes[(*before, slice(0, -1), ...)]], axis=a)
    counts = new & (classes >= 0) & (classes < shape[a])
    at = xp.where(counts, classes, xp.zeros_like(classes))
    some = xp.take_along_axis(z, at, axis=a)
    place = None if index is None else among(xp, classes, counts, index, a, shape)
    return some, place, counts if where is None else counts & xp.take_along_axis(xp.broadcast_to(where, shape), at, axis=a)


def check_support(values: Any, n: int) -> None:
    """Raise for a class that is not in rows of ``n``: whoever names one means other rows than these."""
    bad = (values < -1) | (values >= n)
    if bad.any():
        raise ClassError(
            f"support: {values[bad][0]} {where_is(bad)}is no class of a row of {n}; accepted are 0 to {n - 1}, and -1 where a row "
            "has fewer"
        )


def among(xp: Any, classes: Array, counts: Array, index: Array, a: int, shape: tuple[int, ...]) -> Array:
    """The place of each index among the classes; one past the last for an index that is not among them."""
    each = tuple(index.shape)
    one = len(each) < len(shape)
    found = []
    for k in range(1 if one else each[a]):
        i = xp.expand_dims(index, axis=a) if one else index[(*(slice(None),) * a, slice(k, k + 1), ...)]
        here = (classes == xp.astype(i, classes.dtype)) & counts
        place = xp.argmax(xp.astype(here, xp.int32), axis=a, keepdims=True)
        found.append(xp.where(xp.any(here, axis=a, keepdims=True), place, xp.full_like(place, classes.shape[a])))
    result = xp.reshape(found[0] if len(found) == 1 else xp.concat(found, axis=a), each)
    backend = serving("index", index)
    if backend.seen is not None and backend.seen(index) and backend.seen(classes):
        bad = np.asarray(backend.to_numpy(result)) == classes.shape[a]
        if bad.any():
            values = np.asarray(backend.to_numpy(index))
            raise ClassError(
                f"index: {values[bad][0]} {where_is(bad)}is not in the support of its row; accepted are the classes that are in it"
            )
    return result


def padded(z: Array, values: Array, offsets: Array, a: int) -> Array:
    """Values and offsets as one array, with -1 where a row has fewer than another."""
    for values_or_offsets in (values, offsets):
        together("z", z, support=values_or_offsets)
        check_index("support", values_or_offsets)
    backend = serving("support", values)
    if backend.seen is None or not backend.seen(offsets) or not backend.seen(values):
        raise ArgumentError(
            "support: values and offsets that are traced, or not on the host; pass indices along the axis, padded with -1"
        )
    flat, stops = np.asarray(backend.to_numpy(values)), np.asarray(backend.to_numpy(offsets))
    rest = tuple(n for i, n in enumerate(z.shape) if i != a)
    rows = int(np.prod(rest, dtype=np.int64))
    if flat.ndim != 1:
        raise ShapeError(f"support: values of shape {flat.shape}, but those of all rows are to follow each other along one axis")
    if stops.shape != (rows + 1,) or stops[0] != 0 or stops[-1] != flat.size or (np.diff(stops) < 0).any():
        raise ShapeError(
            f"support: offsets of shape {stops.shape}, but {flat.size} values in {rows} rows ask for ({rows + 1},), and for "
            f"numbers that rise from 0 to {flat.size}"
        )
    width = max(int(np.diff(stops).max(initial=1)), 1)
    table = np.full((rows, width), -1, dtype=np.int32)
    for row, (start, stop) in enumerate(itertools.pairwise(stops)):
        table[row, : stop - start] = flat[start:stop]
    return backend.from_numpy(np.ascontiguousarray(np.moveaxis(table.reshape(*rest, width), -1, a)), "int32", None)
