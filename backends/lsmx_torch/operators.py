"""Makes PyTorch operators of the operations of lsmx: ``torch.ops.lsmx.log_softmax`` and the others.

An operator is opaque to ``torch.compile``: nothing that is compiled around it can be fused with it and change its bits.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch.autograd import forward_ad

from lsmx import BackendError
from lsmx.extend import MASK, Operation, serving
from lsmx_torch import layouts, onnx
from lsmx_torch.autograd import Plain, check_differentiable, differentiable, wants_grad
from lsmx_torch.distributed import distributed, on_local

LIBRARY = torch.library.Library("lsmx", "FRAGMENT")
TYPES = {bool: "bool", int: "int", float: "float", str: "str"}
NARROW = (torch.float16, torch.bfloat16)
PLAIN = frozenset((torch.Tensor, torch.nn.Parameter))
REQUIRES_GRAD = operator.attrgetter("requires_grad")
NONE: Mapping[str, Any] = {}
_operators: dict[str, tuple[Operation, Any]] = {}


def bind(
    operation: Operation,
    arrays: tuple[torch.Tensor, ...],
    axis: Any,
    where: torch.Tensor | None = None,
    options: Mapping[str, Any] = NONE,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """An operation: at once, and into ``out``, where nothing looks on; by ordinary autograd; or in the way of what looks on."""
    given = arrays if where is out is None else (*arrays, *(x for x in (where, out) if x is not None))
    if (
        torch.compiler.is_dynamo_compiling()
        or not PLAIN.issuperset(map(type, given))
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or any(map(torch._C._functorch.is_legacy_batchedtensor, given))  # of PyTorch's first vmap
        or (arrays[0].is_cuda and torch.is_autocast_enabled("cuda"))
    ):
        return seen(operation, arrays, axis, where, options, out)
    followed = torch.is_grad_enabled() and any(map(REQUIRES_GRAD, given))
    if followed and len(operation.moving) < len(arrays):
        followed = wants_grad(operation, arrays, out)
    if followed and any(map(torch._C._functorch.is_functorch_wrapped_tensor, given)):  # of a transform that is over
        arrays = tuple(map(torch._C._functorch.unwrap_if_dead, arrays))
    try:
        if followed:
            if not operation.pull:
                check_differentiable(operation)
            result: torch.Tensor = Plain.apply((bind, operation, axis, where, options), *arrays)  # type: ignore[attr-defined]
        else:
            result = operation.compute(arrays, axis, where, options, out)
            if result is out and not out.is_inference():
                torch.autograd.graph.increment_version(out)  # for whom has saved it
    except RuntimeError:
        layouts.check(operation, arrays, where, out)
        raise
    return result


def seen(
    operation: Operation,
    arrays: tuple[torch.Tensor, ...],
    axis: Any,
    where: torch.Tensor | None,
    options: Mapping[str, Any],
    out: torch.Tensor | None,
) -> torch.Tensor:
    """An operation on tensors of other kinds, or inside a mode: by its operator, where there is no way of its own."""
    layouts.check(operation, arrays, where, out)
    if onnx.exporting():
        return onnx.translated(operation, arrays, operation.axes(arrays, axis), where, options)
    if distributed(*map(type, arrays), type(where)):
        return on_local(bind, operation, arrays, axis, where, options)
    result: torch.Tensor = operator_of(operation)(*arrays, operation.axes(arrays, axis), where, *operation.values(options))
    return result


def operator_of(operation: Operation) -> Any:
    """The operator of an operation, made on first use if it is not known yet."""
    known, op = _operators.get(operation.name, (None, None))
    return op if known is operation else define(operation)


def define(operation: Operation) -> Any:
    """Make the operator, with what it does in each part of PyTorch."""
    name = operation.name
    while hasattr(torch.ops.lsmx, name):  # taken by a function that was unregistered since
        name += "_"
    LIBRARY.define(name + schema(operation))
    op = getattr(torch.ops.lsmx, name).default
    n, at, kinds = len(operation.names), operation.at, tuple(operation.takes.values())

    def compute(*args: Any) -> torch.Tensor:
        axes, where, *values = args[n:]
        serving(operation.rows, args[at])  # compiled programs run inside `using` too
        axis = operation.axis(args[:n], axes)
        result: torch.Tensor = operation.compute(args[:n], axis, where, operation.named(values), None)
        return result.contiguous()

    def fake(*args: Any) -> torch.Tensor:
        axes, where, *values = args[n:]
        operation.check(args[:n], operation.axis(args[:n], axes), where)
        shape = operation.shape([tuple(x.shape) for x in args[:n]], tuple(axes), operation.named(values))
        result: torch.Tensor = args[at].new_empty(shape)
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
