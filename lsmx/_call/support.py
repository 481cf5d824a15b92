"""The classes that a sampler kept: logits and an index among them alone, which have the bits of the whole row with a mask."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from lsmx._call.division import divisions
from lsmx._call.losses import where_is
from lsmx._call.operator import namespace_of, serving
from lsmx._definition.checks import broadcasts, check_index, normal_axes
from lsmx._definition.ops import Array
from lsmx._errors import ArgumentError, BackendError, ClassError, ShapeError
from lsmx._typing import Axis


def kept(z: Array, index: Array | None, support: Any, axis: Axis, where: Array | None) -> tuple[Array, Array | None, Array]:
    """The logits of the classes of ``support``, an index among them, and a mask of those that count.

    ``support`` has indices along the axis of ``z``, with -1 where a row has fewer; repetitions count once, and the order does not
    matter. Or it is a pair of values and offsets: those of the row ``r`` are ``values[offsets[r]:offsets[r + 1]]``.
    """
    if divisions.get():
        raise ArgumentError("support: classes among those of whole rows, but there are parts of rows here; pass where=, a mask")
    shape = tuple(z.shape)
    axes = normal_axes(axis, len(shape))
    if len(axes) != 1:
        raise ArgumentError(f"support: indices along one axis, but axis={axis!r} are {len(axes)}; flatten them first")
    (a,) = axes
    backend = serving("z", z)
    xp = namespace_of(backend, z)
    if not hasattr(xp, "take_along_axis"):
        raise BackendError(
            f"support: {backend.name} has no take_along_axis; pass where=, a mask of the classes: it has the same bits"
        )
    if isinstance(support, tuple):
        if len(support) != 2:
            raise ArgumentError(f"support: {len(support)} things, but a pair is of values and offsets")
        values, offsets = support
        support = padded(z, values, offsets, a)
    check_index("support", support)
    if len(support.shape) != len(shape) or any(m != n for i, (m, n) in enumerate(zip(support.shape, shape, strict=True)) if i != a):
        raise ShapeError(
            f"support: shape {tuple(support.shape)}, but an array of {shape} asks for it with any number along axis {a}"
        )
    classes = xp.sort(support, axis=a)
    before = (slice(None),) * a
    first = xp.ones_like(classes[(*before, slice(0, 1), ...)], dtype=xp.bool)
    new = xp.concat([first, classes[(*before, slice(1, None), ...)] != classes[(*before, slice(0, -1), ...)]], axis=a)
    counts = new & (classes >= 0) & (classes < shape[a])
    at = xp.where(counts, classes, xp.zeros_like(classes))
    some = xp.take_along_axis(z, xp.astype(at, xp.int64), axis=a)
    if where is not None:
        if not broadcasts(tuple(where.shape), shape):
            raise ShapeError(f"where: shape {tuple(where.shape)} does not broadcast to the array's {shape}")
        counts = counts & xp.take_along_axis(xp.broadcast_to(where, shape), xp.astype(at, xp.int64), axis=a)
    return some, None if index is None else among(xp, classes, counts, index, a, shape), counts


def among(xp: Any, classes: Array, counts: Array, index: Array, a: int, shape: tuple[int, ...]) -> Array:
    """Where each index is among the classes; one past them for an index that is none of them."""
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
            raise ClassError(f"index: {values[bad][0]} {where_is(bad)}is not in the support of its row")
    return result


def padded(z: Array, values: Array, offsets: Array, a: int) -> Array:
    """Values and offsets as one array, with -1 where a row has fewer than another."""
    backend = serving("support", values)
    if backend.seen is None or not backend.seen(offsets) or not backend.seen(values):
        raise ArgumentError(
            "support: values and offsets that cannot be looked at here; pass indices along the axis, padded with -1"
        )
    flat, stops = np.asarray(backend.to_numpy(values)), np.asarray(backend.to_numpy(offsets))
    rest = tuple(n for i, n in enumerate(z.shape) if i != a)
    rows = int(np.prod(rest, dtype=np.int64))
    if stops.shape != (rows + 1,) or stops[0] != 0 or stops[-1] != flat.size or (np.diff(stops) < 0).any():
        raise ShapeError(f"support: offsets of shape {stops.shape} that do not lead from 0 to {flat.size} in {rows} rows")
    width = max(int(np.diff(stops).max(initial=1)), 1)
    table = np.full((rows, width), -1, dtype=np.int32)
    for row, (start, stop) in enumerate(itertools.pairwise(stops)):
        table[row, : stop - start] = flat[start:stop]
    return backend.from_numpy(np.ascontiguousarray(np.moveaxis(table.reshape(*rest, width), -1, a)), "int32", None)
