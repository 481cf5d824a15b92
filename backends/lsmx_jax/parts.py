"""Rows of which each device of a group has a part: how the devices merge their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lsmx.extend import MERGE, Part, row_sum_by_kernels, row_sums_by_kernels
from lsmx_jax.place import AXIS

Groups = tuple[tuple[int, ...], ...]


def part_of(groups: Groups, tiles: Any, shape: Sequence[Any], here: Sequence[Any]) -> Part:
    """What a device has of an array, whose parts are of the shape ``here``: ``tiles`` has the devices' numbers by their parts."""
    device = jax.lax.axis_index(AXIS)
    start: list[Any] = [0] * len(shape)
    for a in range(len(shape)):
        if tiles.shape[a] > 1:
            place = np.empty(tiles.size, dtype=np.int32)  # of each device along this axis
            place[tiles.ravel()] = np.indices(tiles.shape)[a].ravel()
            start[a] = jnp.asarray(place)[device] * here[a]
    told = partial(merged, groups)
    sums = partial(row_sums_by_kernels, told, nothing_heard), partial(row_sum_by_kernels, told, nothing_heard)
    return Part(tuple(shape), tuple(start), told, *sums)


def nothing_heard() -> None:
    """Nothing: devices compute at the same time, so no answer is known before it is asked for."""


def merged(groups: Groups, how: str, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers of parts as those of whole rows."""
    if how == "sum":
        return tuple(jax.lax.psum(x, AXIS, axis_index_groups=groups) for x in arrays)
    if how == "any":
        return tuple(jax.lax.pmax(x.astype(jnp.int32), AXIS, axis_index_groups=groups) > 0 for x in arrays)
    if how == "max":
        return tuple(largest(groups, x) for x in arrays)
    parts = [jax.lax.all_gather(x, AXIS, axis_index_groups=groups) for x in arrays]
    each = [tuple(x[i] for x in parts) for i in range(len(groups[0]))]
    return reduce(partial(MERGE[how], jnp), each)


def largest(groups: Groups, x: Any) -> Any:
    """The maximum of all parts, NaN if there is one: XLA's own may lose it."""
    undefined = jnp.isnan(x)
    value = jax.lax.pmax(jnp.where(undefined, -jnp.inf, x), AXIS, axis_index_groups=groups)
    return jnp.where(jax.lax.pmax(undefined.astype(jnp.int32), AXIS, axis_index_groups=groups) > 0, jnp.nan, value)
