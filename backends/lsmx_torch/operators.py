"""Makes PyTorch operators of the operations of lsmx: ``torch.ops.lsmx.log_softmax`` and the others.

An operator is opaque to ``torch.compile``: nothing that is compiled around it can be fused with it and change its bits.
"""

from __future__ import annotations

from typing import Any

import torch

from lsmx import BackendError
from lsmx.extend import MASK, Operation, by_full_name, serving
from lsmx_torch.autograd import Bind, differentiable

TYPES = {bool: "bool", int: "int", float: "float", str: "str"}
NARROW = (torch.float16, torch.bfloat16)
_operators: dict[str, tuple[Operation, Any, torch.library.Library]] = {}
_outlived: dict[
    Operation, tuple[Any, torch.library.Library]
] = {}  # operators of unregistered functions whose names have been taken again


def operator_of(operation: Operation, bind: Bind) -> Any:
    """The operator of an operation, made on first use if it is not known yet; its derivatives are computed by ``bind``."""
    known, op, _ = _operators.get(operation.name, (None, None, None))
    if known is operation:
        return op
    return _outlived[operation][0] if operation in _outlived else define(operation, bind)


def is_registered(operation: Operation) -> bool:
    """Whether it is of a function that is registered."""
    return any(operation is other for function in by_full_name().values() for other in function.operations.values())


def define(operation: Operation, bind: Bind) -> Any:
    """Make the operator, with what it does in each part of PyTorch. It has the operation's name, unless another needs it."""
    name = operation.name
    holder, _, library = _operators.get(name, (None, None, None))
    outlived = holder is not None and is_registered(holder)
    if library is not None and not outlived:
        library._destroy()
    while hasattr(torch.ops.lsmx, name):
        name += "_"
    library = torch.library.Library("lsmx", "FRAGMENT")
    library.define(name + schema(operation))
    op = getattr(torch.ops.lsmx, name).default
    n, at, kinds = len(operation.names), operation.at, tuple(operation.takes.values())

    def compute(*args: Any) -> torch.Tensor:
        axes, where, *values = args[n:]
        serving(operation.rows, args[at])  # raises inside `using`, which compiled programs must obey too
        axis = operation.axis(args[:n], axes)
        result: torch.Tensor = operation.compute(args[:n], axis, where, operation.named(values), None)
        return result.contiguous()

    def fake(*args: Any) -> torch.Tensor:
        axes, where, *values = args[n:]
        operation.check(args[:n], operation.axis(args[:n], axes), where)
        shape = operation.shape([tuple(x.shape) for x in args[:n]], tuple(axes), operation.named(values))
        result: torch.Tensor = args[at].new_empty(shape, dtype=getattr(torch, operation.dtype(args[at])))
        return result

    def cast_first(*args: Any) -> torch.Tensor:
        with torch.autocast("cuda", enabled=False):
            result: torch.Tensor = op(*(x.float() if x.dtype in NARROW else x for x in args[:n]), *args[n:])
        return result

    def batched(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[torch.Tensor, int]:
        axes, where, *values = args[n:]
        size = info.batch_size
        arrays = [at_front(x, dim, size) for x, dim in zip(args[:n], in_dims, strict=False)]
        wanted = operation.shape([tuple(x.shape[1:]) for x in arrays], tuple(axes), operation.named(values))
        scalars = not axes  # each is a row of its own
        ndim = arrays[at].dim() - 1
        shapes = [kind.aligned(tuple(x.shape[1:]), ndim, tuple(axes)) for kind, x in zip(kinds, arrays, strict=True)]
        if scalars:
            shapes = [shape or (1,) for shape in shapes]
        arrays = [x.reshape(size, *shape) for x, shape in zip(arrays, shapes, strict=True)]
        if in_dims[n + 1] is not None:
            where = at_front(where, in_dims[n + 1], size)
            where = where.reshape(size, *MASK.aligned(tuple(where.shape[1:]), ndim + scalars, tuple(axes)))
        result: torch.Tensor = op(*arrays, [a + 1 for a in axes or (0,)], where, *values)
        shaped: torch.Tensor = result.reshape(size, *wanted)
        return shaped, 0

    library.impl(name, compute, "CompositeExplicitAutograd")
    library.impl(name, differentiable(operation, op, bind), "Autograd")
    if operation is operation.family.get("forward"):
        library.impl(name, cast_first, "AutocastCUDA")
    torch.library.register_fake(f"lsmx::{name}", fake, lib=library)
    torch.library.register_vmap(f"lsmx::{name}", batched, lib=library)
    if outlived:
        _outlived[operation] = op, library
    else:
        _operators[operation.name] = operation, op, library
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
