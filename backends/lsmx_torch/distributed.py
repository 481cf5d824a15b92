"""DTensors of ``torch.distributed``: each process computes the rows that it holds, with the bits that they have in the whole."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lsmx import ArrayTypeError
from lsmx.extend import INDEX, JACOBIAN, MASK, PER_CLASS, PER_ROW, ROWS, Kind, Operation, constant_when_compiled

Axes = tuple[int, ...]


@constant_when_compiled
def distributed(*kinds: type) -> bool:
    """Whether one of the types is a DTensor, without importing them."""
    tensor = sys.modules.get("torch.distributed.tensor")
    return tensor is not None and any(issubclass(kind, tensor.DTensor) for kind in kinds)


def on_local(
    bind: Callable[..., torch.Tensor],
    operation: Operation,
    arrays: tuple[torch.Tensor, ...],
    axis: Any,
    where: torch.Tensor | None,
    options: Mapping[str, Any],
) -> torch.Tensor:
    """An operation on what this process holds of DTensors, bound to it by ``bind``, and the result as a DTensor again.

    The others follow the placement of the one whose rows are walked. A plain mask is taken to be the same in all processes.
    """
    from torch.distributed.tensor import DTensor, Replicate, Shard

    names, kinds, rows = operation.names, tuple(operation.takes.values()), arrays[operation.at]
    for name, x in zip(names, arrays, strict=True):
        if not isinstance(x, DTensor):
            raise ArrayTypeError(
                f"{name}: a plain tensor among DTensors; pass torch.distributed.tensor.distribute_tensor({name}, mesh, placements)"
            )
    assert isinstance(rows, DTensor)
    mesh, ndim = rows.device_mesh, rows.dim()
    axes = operation.axes(arrays, axis)
    splits = [split(operation, axes, rows, placement) for placement in rows.placements]

    def placed(dims: list[int | None]) -> list[Any]:
        return [Replicate() if dim is None else Shard(dim) for dim in dims]

    def local(name: str, kind: Kind, x: Any) -> torch.Tensor:
        dims = [None if d is None else dim_of(kind, tuple(x.shape), ndim, axes, d) for d in splits]
        if x.requires_grad and dims.count(None) > splits.count(None):
            raise NotImplementedError(
                f"{name}: the same for rows that {operation.rows} holds in several processes, so that its gradient is a sum over "
                f"them; pass {operation.rows}.redistribute(placements=[Replicate()]), or {name}.detach()"
            )
        part: torch.Tensor = x.redistribute(mesh, placed(dims)).to_local()
        return part

    if where is not None and not isinstance(where, DTensor):
        where = DTensor.from_local(where, mesh, placed([None] * mesh.ndim), run_check=False)
    parts = tuple(local(name, kind, x) for name, kind, x in zip(names, kinds, arrays, strict=True))
    mask = None if where is None else local("where", MASK, where)
    shape = operation.shape([tuple(x.shape) for x in arrays], axes, options)
    kind = operation.takes[operation.result] if isinstance(operation.result, str) else operation.result
    dims = [None if d is None else dim_of(kind, shape, ndim, axes, d) for d in splits]
    if dims.count(None) > splits.count(None):
        raise NotImplementedError(
            f"{operation.name}: a sum over rows that {operation.rows} holds in several processes; pass "
            f"{operation.rows}.redistribute(placements=[Replicate()])"
        )
    here = mesh.get_coordinate() is not None
    result = bind(operation, parts, axis, mask, options) if here else parts[operation.at]
    strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    return DTensor.from_local(result, mesh, placed(dims), run_check=False, shape=torch.Size(shape), stride=strides)


def split(operation: Operation, axes: Axes, rows: Any, placement: Any) -> int | None:
    """The dimension along which the rows are divided among processes; None if all have them all, or shall (pending sums)."""
    from torch.distributed.tensor import Shard

    if placement.is_replicate() or placement.is_partial():
        return None
    if type(placement) is not Shard or placement.dim % rows.dim() in axes:
        raise NotImplementedError(
            f"{operation.rows}: placed as {placement}, so that no process has whole rows along axis {list(axes)}; pass "
            f"{operation.rows}.redistribute(placements=[Replicate()]), or one that is divided along another axis"
        )
    return int(placement.dim % rows.dim())


def dim_of(kind: Kind, shape: tuple[int, ...], ndim: int, axes: Axes, d: int) -> int | None:
    """Which dimension of an array is dimension ``d`` of the rows; None if it lacks that, or has one number for all along it."""
    whole = len(shape) == ndim
    if kind is MASK:
        at = d - (ndim - len(shape))
        return at if at >= 0 and shape[at] != 1 else None
    if kind is PER_CLASS:
        return d if whole and shape[d] != 1 else None
    if kind is ROWS or (whole and kind in (PER_ROW, INDEX)):
        return d
    return d - sum(a < d for a in axes) if kind in (PER_ROW, INDEX, JACOBIAN) else None
