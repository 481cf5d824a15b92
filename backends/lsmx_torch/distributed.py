"""DTensors of ``torch.distributed``: each process computes the rows, or the parts of rows, that it has.

Where rows are divided, processes exchange a few numbers for each row, never its elements.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from lsmx import ArrayTypeError
from lsmx.extend import (
    EACH,
    INDEX,
    INDICES,
    JACOBIAN,
    MASK,
    PER_CLASS,
    PER_ROW,
    ROW_SUMS,
    ROWS,
    Kind,
    Operation,
    constant_when_compiled,
)
from lsmx_torch.collectives import merged as merged_in
from lsmx_torch.divided import division_by, uncompiled

Axes = tuple[int, ...]


@constant_when_compiled
def distributed(*kinds: type) -> bool:
    """Whether one of the types is a DTensor, without importing them."""
    tensor = sys.modules.get("torch.distributed.tensor")
    return tensor is not None and any(issubclass(kind, tensor.DTensor) for kind in kinds)


def on_local(
    bind: Callable[..., torch.Tensor],
    operation: Operation,
    arrays: tuple[Any, ...],
    axis: Any,
    where: Any,
    options: Mapping[str, Any],
) -> torch.Tensor:
    """An operation on what this process has of DTensors, computed by ``bind``, as a DTensor again.

    The others follow the placement of the one whose rows are walked. A plain mask, or a number, is taken to be the same in all
    processes.
    """
    from torch.distributed.tensor import DTensor, Replicate, Shard

    check_all_distributed(operation, arrays)
    rows = arrays[operation.at]
    arrays = tuple(x if isinstance(x, DTensor) else everywhere(x, rows.device_mesh) for x in arrays)
    mesh, ndim, axes = rows.device_mesh, rows.dim(), operation.axes(arrays, axis)
    splits = divided(operation, rows)  # for each dimension of the mesh, along which dimension of the rows, if any

    def placements(kind: Kind, shape: tuple[int, ...]) -> list[Any]:
        dims = [None if d is None else dim_of(kind, shape, ndim, axes, d) for d in splits]
        return [Replicate() if dim is None else Shard(dim) for dim in dims]

    def summed(placed: list[Any]) -> bool:
        """Whether rows in several processes share an array, so that its gradient, or itself if it is one, is a sum over them."""
        return any(d is not None and d not in axes and p.is_replicate() for d, p in zip(splits, placed, strict=True))

    def local(name: str, kind: Kind, x: Any) -> torch.Tensor:
        placed = placements(kind, tuple(x.shape))
        if x.requires_grad and summed(placed):
            raise NotImplementedError(
                f"{name}: its gradient is a sum over processes, as {operation.rows} is divided among them; pass "
                f"{operation.rows}.redistribute(placements={[Replicate()] * mesh.ndim}), or {name}.detach()"
            )
        part: torch.Tensor = x.redistribute(mesh, placed).to_local()
        return part

    if where is not None and not isinstance(where, DTensor):
        where = everywhere(where, mesh)
    parts = tuple(local(name, kind, x) for (name, kind), x in zip(operation.takes.items(), arrays, strict=True))
    mask = None if where is None else local("where", MASK, where)
    shape = operation.shape([tuple(x.shape) for x in arrays], axes, options)
    kind = operation.takes[operation.result] if isinstance(operation.result, str) else operation.result
    placed = placements(kind, shape)
    if summed(placed):
        raise NotImplementedError(
            f"{operation.name}: a sum over processes, as {operation.rows} is divided among them; pass "
            f"{operation.rows}.redistribute(placements={[Replicate()] * mesh.ndim})"
        )
    takes_part = mesh.get_coordinate() is not None
    if any(d in axes for d in splits):
        bind = partial(in_parts, bind, rows, splits, axes)
    result = bind(operation, parts, axis, mask, options) if takes_part else parts[operation.at]
    strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    return DTensor.from_local(result, mesh, placed, run_check=False, shape=torch.Size(shape), stride=strides)


def everywhere(x: torch.Tensor, mesh: Any) -> Any:
    """A tensor that all processes have, as a DTensor."""
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(x, mesh, [Replicate()] * mesh.ndim, run_check=False)


def check_all_distributed(operation: Operation, arrays: tuple[Any, ...]) -> None:
    """Raise for a plain tensor among DTensors, unless it is a number."""
    for name, x in zip(operation.names, arrays, strict=True):
        if not distributed(type(x)) and (x.dim() or x.requires_grad):
            raise ArrayTypeError(
                f"{name}: a plain tensor among DTensors; pass torch.distributed.tensor.distribute_tensor({name}, mesh, placements)"
            )


def divided(operation: Operation, rows: Any) -> list[int | None]:
    """Along which dimension the rows are divided among processes, for each dimension of the mesh.

    None for a dimension of the mesh along which all processes have all rows, or are to have them (a placement ``Partial``).
    """
    from torch.distributed.tensor import Replicate, Shard

    known = [type(p) is Shard or p.is_replicate() or p.is_partial() for p in rows.placements]
    for p, fine in zip(rows.placements, known, strict=True):
        if not fine:
            instead = [q if ok else Replicate() for q, ok in zip(rows.placements, known, strict=True)]
            raise NotImplementedError(
                f"{operation.rows}: placed as {p}, whose order of elements is not known here; pass "
                f"{operation.rows}.redistribute(placements={instead})"
            )
    return [int(p.dim % rows.dim()) if type(p) is Shard else None for p in rows.placements]


@uncompiled
def in_parts(
    bind: Callable[..., torch.Tensor],
    rows: Any,
    splits: list[int | None],
    axes: Axes,
    operation: Operation,
    parts: tuple[torch.Tensor, ...],
    axis: Any,
    mask: torch.Tensor | None,
    options: Mapping[str, Any],
) -> torch.Tensor:
    """An operation on this process's part of each row of ``rows``."""
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    if operation.result is JACOBIAN:
        raise NotImplementedError(
            f"{operation.rows}: rows in several processes, but a Jacobian is of whole rows; pass "
            f"{operation.rows}.redistribute(placements=...) with whole rows"
        )
    mesh = rows.device_mesh
    _, offset = compute_local_shape_and_global_offset(rows.shape, mesh, rows.placements)
    groups = [mesh.get_group(i) for i, d in enumerate(splits) if d in axes]

    def merged(how: str, tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        for group in groups:
            tensors = merged_in(group, how, tensors)
        return tensors

    division = division_by(bind, merged, tuple(int(rows.shape[a]) for a in axes), tuple(int(offset[a]) for a in axes))
    assert division.bind is not None
    result: torch.Tensor = division.bind(operation, parts, axis, mask, options)
    return result


ONE_EACH = (PER_ROW, INDEX, INDICES, EACH)


def dim_of(kind: Kind, shape: tuple[int, ...], ndim: int, axes: Axes, d: int) -> int | None:
    """Which dimension of an array is dimension ``d`` of the rows; None if it lacks that, or has one number for all along it."""
    whole = len(shape) == ndim
    if kind is MASK:
        at = d - (ndim - len(shape))
        return at if at >= 0 and shape[at] != 1 else None
    if kind is PER_CLASS:
        return (d if shape[d] != 1 else None) if whole else axes.index(d) if d in axes else None
    if kind is ROWS:
        return d
    if d in axes:
        return None
    if whole and kind in (*ONE_EACH, ROW_SUMS):
        return d
    return d - sum(a < d for a in axes) if kind in (*ONE_EACH, JACOBIAN) else None
