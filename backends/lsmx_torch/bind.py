"""How an operation is computed so that everything in PyTorch that looks on knows of it, and at once where nothing does."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch.autograd import forward_ad

from lsmx.extend import Operation
from lsmx_torch import layouts, onnx
from lsmx_torch.autograd import Plain, check_differentiable, wants_grad
from lsmx_torch.distributed import distributed, on_local
from lsmx_torch.operators import operator_of

PLAIN = frozenset((torch.Tensor, torch.nn.Parameter))
REQUIRES_GRAD = operator.attrgetter("requires_grad")
NONE: Mapping[str, Any] = {}


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
    if looked_on(*given) or forward_ad._current_level >= 0 or (arrays[0].is_cuda and torch.is_autocast_enabled("cuda")):
        return seen(operation, arrays, axis, where, options, out)
    if out is not None and out.is_nested:
        layouts.check(operation, arrays, where, out)
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


def looked_on(*tensors: torch.Tensor) -> bool:
    """Whether they, or what runs, are of a kind that more than ordinary autograd looks at."""
    return (
        torch.compiler.is_dynamo_compiling()
        or not PLAIN.issuperset(map(type, tensors))
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._are_functorch_transforms_active()
        or any(map(torch._C._functorch.is_legacy_batchedtensor, tensors))  # of PyTorch's first vmap
    )


def at_hand(x: torch.Tensor) -> bool:
    """Whether a tensor's numbers can be looked at here and now."""
    return not looked_on(x) and x.device.type == "cpu" and not x.is_nested and x.layout is torch.strided


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
    result: torch.Tensor = operator_of(operation, bind)(*arrays, operation.axes(arrays, axis), where, *operation.values(options))
    return result


def define(operation: Operation) -> Any:
    """Make the operator of an operation known before it is called."""
    return operator_of(operation, bind)
