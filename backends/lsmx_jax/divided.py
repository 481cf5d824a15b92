"""An operation on arrays that are divided among devices of the host: each computes its part of the rows.

XLA calls back once it knows along which axes the arrays are divided. If rows themselves are divided, each device computes on parts
of rows, and the parts are merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.experimental.custom_partitioning import ArrayMapping, SdyShardingRule, custom_partitioning
from jax.sharding import NamedSharding, PartitionSpec
from jaxlib.xla_client import OpSharding

from lsmx.extend import JACOBIAN, MASK, PER_CLASS, ROWS, Kind, Operation, on_part
from lsmx_jax.parts import part_of
from lsmx_jax.place import Place, at

Along = tuple[int | None, ...]
"""For each axis of an array, the axis of the rows that it belongs to; None where it has length 1."""


def divide(operation: Operation, arrays: tuple[Any, ...], axis: Any, where: Any, options: dict[str, Any], here: Place) -> Any:
    """The operation, in the program that is traced for the devices of a place."""
    axes, shape = operation.axes(arrays, axis), tuple(arrays[operation.at].shape)
    args = arrays if where is None else (*arrays, where)
    ways = [along(kind, x.shape, shape, axes) for kind, x in zip(operation.takes.values(), arrays, strict=True)]
    if where is not None:
        ways.append(along(MASK, where.shape, shape, axes))
    made = operation.takes[operation.result] if isinstance(operation.result, str) else operation.result
    way_out = along(made, operation.shape([x.shape for x in arrays], axes, options), shape, axes)

    def compute(tiles: Any, *args: Any) -> Any:
        groups = () if tiles is None else groups_of(tiles, axes)
        given = args[: len(arrays)], axis, None if where is None else args[-1], options
        with at(replace(here, devices=1)), jax.enable_x64(True):
            if not groups:
                return operation.compute(*given, None)
            return on_part(operation, part_of(groups, tiles, shape, args[operation.at].shape), *given)

    def partition(mesh: Any, given: tuple[Any, ...], result: Any) -> tuple[Any, Any, Any, tuple[Any, ...]]:
        like = given[operation.at].sharding
        tiles = tiles_of(like, shape, here.devices)
        whole = [a for a in axes if made is JACOBIAN or shape[a] % tiles.shape[a]]
        tiles = select(tiles, tuple(None if a in whole else a for a in range(len(shape))))
        to = [sharding_of(select(tiles, way), mesh, like) for way in (*ways, way_out)]
        return mesh, lambda *parts: compute(tiles, *parts), to[-1], tuple(to[:-1])

    def infer(mesh: Any, given: tuple[Any, ...], result: Any) -> Any:
        like = given[operation.at].sharding
        return sharding_of(select(tiles_of(like, shape, here.devices), way_out), mesh, like)

    whole = custom_partitioning(jax.jit(lambda *args: compute(None, *args)))
    mappings = [
        ArrayMapping(*(f"one{i}_{j}" if a is None else f"x{a}" for j, a in enumerate(way)))
        for i, way in enumerate([*ways, way_out])
    ]
    rule = SdyShardingRule(tuple(mappings[:-1]), (mappings[-1],))
    whole.def_partition(partition, infer_sharding_from_operands=infer, decode_shardings=False, sharding_rule=rule)
    return whole(*args)


def along(kind: Kind, shape: Sequence[int], rows: tuple[int, ...], axes: tuple[int, ...]) -> Along:
    """Which axes of the rows those of an array are."""
    kept = [a for a in range(len(rows)) if a not in axes]
    if kind is MASK:
        lies: list[int | None] = list(range(len(rows) - len(shape), len(rows)))
    elif kind is JACOBIAN:
        lies = [*kept, None, None]
    elif len(shape) == len(rows):  # along the reduced axes, those of one number a row or an index have numbers of their own
        lies = [a if a in kept or kind in (ROWS, PER_CLASS) else None for a in range(len(rows))]
    else:
        lies = list(axes if kind is PER_CLASS else kept)
    return tuple(a if a is not None and n == rows[a] else None for a, n in zip(lies, shape, strict=True))


def tiles_of(sharding: Any, shape: tuple[int, ...], devices: int) -> Any:
    """The numbers of the devices: an axis for each of an array's, along which its parts lie, and one for copies of a part."""
    tiles = None if sharding is None else sharding._to_xla_hlo_sharding(len(shape))
    if tiles is None or not tiles.is_tiled():
        return np.arange(devices).reshape(*[1] * len(shape), devices)
    parts = tiles.tile_assignment_dimensions()[: len(shape)]
    return np.asarray(tiles.tile_assignment_devices()).reshape(*parts, -1)


def select(tiles: Any, way: Along) -> Any:
    """The same for an array that lies so: devices whose parts differ along other axes have copies."""
    chosen = [a for a in way if a is not None]
    others = [a for a in range(tiles.ndim) if a not in chosen]
    return tiles.transpose(*chosen, *others).reshape(*[1 if a is None else tiles.shape[a] for a in way], -1)


def groups_of(tiles: Any, axes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The devices that have parts of the same rows; none if all have whole ones."""
    parts = math.prod(tiles.shape[a] for a in axes)
    others = [a for a in range(tiles.ndim) if a not in axes]
    return tuple(map(tuple, tiles.transpose(*others, *axes).reshape(-1, parts).tolist())) if parts > 1 else ()


def sharding_of(tiles: Any, mesh: Any, like: Any) -> Any:
    """From numbers of devices back to a sharding, of the type of another."""
    copies = tiles.shape[-1]
    if copies == tiles.size:
        return NamedSharding(mesh, PartitionSpec())
    found = OpSharding()
    found.type = OpSharding.Type.OTHER
    found.replicate_on_last_tile_dim = copies > 1
    found.tile_assignment_dimensions = tiles.shape if copies > 1 else tiles.shape[:-1]
    found.tile_assignment_devices = tiles.ravel().tolist()
    return type(like)(tuple(mesh.devices.flat), found)
