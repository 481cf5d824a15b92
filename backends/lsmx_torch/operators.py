"""Makes PyTorch operators of the operations of lsmx: ``torch.ops.lsmx.log_softmax`` and the others.

An operator is opaque to ``torch.compile``: nothing that is compiled around it can be fused with it and change its bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lsmx import BackendError, Operation, registered
from lsmx_torch.autograd import differentiable, followed

LIBRARY = torch.library.Library("lsmx", "FRAGMENT")
TYPES = {bool: "bool", int: "int", float: "float", str: "str"}
NARROW = (torch.float16, torch.bfloat16)
_operators: dict[str, tuple[Operation, Any]] = {}


def bind(
    operation: Operation,
    arrays: tuple[torch.Tensor, ...],
    axis: Any,
    where: torch.Tensor | None = None,
    options: Mapping[str, Any] | None = None,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """An operation by its operator; at once, and into ``out``, where nothing in PyTorch would look on."""
    if unseen(arrays if out is None else (*arrays, out)):
        result: torch.Tensor = operation.compute(arrays, axis, where, {} if options is None else dict(options), out)
        if result is out and not out.is_inference():
            torch.autograd.graph.increment_version(out)  # for whom has saved it
    else:
        result = operator_of(operation)(*arrays, operation.axes(arrays, axis), where, *operation.values(options))
    return result


def unseen(arrays: tuple[torch.Tensor, ...]) -> bool:
    """Whether these are plain tensors, outside of every mode of PyTorch that an operator has to be known to."""
    return (
        not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and all(type(x) in (torch.Tensor, torch.nn.Parameter) for x in arrays)
        and not any(map(torch._C._functorch.is_legacy_batchedtensor, arrays))  # of PyTorch's first vmap
        and not followed(arrays)
        and not (arrays[0].is_cuda and torch.is_autocast_enabled("cuda"))
    )


def operator_of(operation: Operation) -> Any:
    """The operator of an operation; that of a function registered by a user is made on first use."""
    known, op = _operators.get(operation.name, (None, None))
    return op if known is operation else define(operation)


def define(operation: Operation) -> Any:
    """Make the operator, with what it does in each part of PyTorch."""
    name = operation.name
    while hasattr(torch.ops.lsmx, name):  # taken by a function that was unregistered since
        name += "_"
    LIBRARY.define(name + schema(operation))
    op = getattr(torch.ops.lsmx, name).default
    n = len(operation.names)

    def compute(*args: Any) -> torch.Tensor:
        axes, where, *values = args[n:]
        axis = operation.axis(args[:n], axes)
        result: torch.Tensor = operation.compute(args[:n], axis, where, operation.named(values), None)
        return result.contiguous()

    def shape(axes: Any, values: Any, *shapes: Any) -> tuple[Any, ...]:
        return operation.shape(*shapes, axes=tuple(axes), **operation.named(values))

    def fake(*args: Any) -> torch.Tensor:
        axes, where, *values = args[n:]
        operation.check(args[:n], operation.axis(args[:n], axes), where)
        result: torch.Tensor = args[operation.rows].new_empty(shape(axes, values, *(tuple(x.shape) for x in args[:n])))
        return result

    def cast_first(*args: Any) -> torch.Tensor:
        with torch.autocast("cuda", enabled=False):
            result: torch.Tensor = op(*(x.float() if x.dtype in NARROW else x for x in args[:n]), *args[n:])
        return result

    def batched(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[torch.Tensor, int]:
        axes, where, *values = args[n:]
        arrays = [at_front(x, dim, info.batch_size) for x, dim in zip(args[:n], in_dims, strict=False)]
        wanted = shape(axes, values, *(tuple(x.shape[1:]) for x in arrays))
        if not axes:  # scalars: each is a row of its own
            arrays = [x.unsqueeze(-1) for x in arrays]
        if in_dims[n + 1] is not None:
            where = at_front(where, in_dims[n + 1], info.batch_size)
            where = where.reshape(info.batch_size, *[1] * (arrays[operation.rows].dim() - where.dim()), *where.shape[1:])
        result: torch.Tensor = op(*arrays, [a + 1 for a in axes or (0,)], where, *values)
        shaped: torch.Tensor = result.reshape(info.batch_size, *wanted)
        return shaped, 0

    LIBRARY.impl(name, compute, "CompositeExplicitAutograd")
    LIBRARY.impl(name, differentiable(operation, op, bind), "Autograd")
    if operation is operation.family.get("forward"):
        LIBRARY.impl(name, cast_first, "AutocastCUDA")
    torch.library.register_fake(f"lsmx::{name}", fake, lib=LIBRARY)
    torch.library.register_vmap(f"lsmx::{name}", batched, lib=LIBRARY)
    _operators[operation.name] = operation, op
    return op


def schema(operation: Operation) -> str:
    """The operator's signature in PyTorch's language."""
    arrays = ", ".join(f"Tensor {name}" for name in operation.names)
    options = ""
    for name, default in operation.options.items():
        if type(default) not in TYPES:
            raise BackendError(
                f"{operation.name}: option {name}={default!r} is not of a type that PyTorch's operators take; there are "
                f"{', '.join(t.__name__ for t in TYPES)}"
            )
        options += f", {TYPES[type(default)]} {name}"
    return f"({arrays}, int[] axes, Tensor? where{options}) -> Tensor"


def at_front(x: torch.Tensor, dim: int | None, size: int) -> torch.Tensor:
    """A tensor with the dimension that ``vmap`` runs over in front."""
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)


for _operator in registered().values():
    for _operation in _operator.operations.values():
        define(_operation)
