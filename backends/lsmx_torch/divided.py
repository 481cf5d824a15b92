"""Operations on parts of rows in several processes, as PyTorch's autograd sees them: they communicate where they need to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from lsmx.extend import Division, Operation, dividing
from lsmx_torch.autograd import check_differentiable, kept, pull, refuse_compiled_autograd, wants_grad

F = TypeVar("F", bound=Callable[..., Any])


def uncompiled(function: F) -> F:
    """A function that ``torch.compile`` calls as it is: communication is not to be traced."""
    apart: F = torch.compiler.disable(function, recursive=True)
    return apart


def division_by(
    whole: Callable[..., torch.Tensor], merged: Callable[..., Any], sizes: tuple[int, ...] = (), starts: tuple[int, ...] = ()
) -> Division:
    """A division whose operations PyTorch's autograd follows; ``whole`` computes those on arrays that are not divided."""
    division = Division(merged, sizes, starts, lambda *call: bind(division, whole, *call))
    return division


@uncompiled
def bind(
    division: Division,
    whole: Callable[..., torch.Tensor],
    operation: Operation,
    arrays: tuple[torch.Tensor, ...],
    axis: Any,
    where: torch.Tensor | None,
    options: Mapping[str, Any],
) -> torch.Tensor:
    """An operation on parts."""
    if operation.each:
        return whole(operation, arrays, axis, where, options)
    refuse_transforms(operation.name, arrays)
    if not wants_grad(operation, arrays):
        with torch.no_grad():
            result: torch.Tensor = division.divided(operation).compute(arrays, axis, where, options, None)
        return result
    check_differentiable(operation)
    found: torch.Tensor = Divided.apply((division, whole, operation, axis, where, options), *arrays)  # type: ignore[attr-defined]
    return found


def refuse_transforms(name: str, arrays: tuple[Any, ...]) -> None:
    """Raise inside transforms: they would differentiate sums of integers over processes, and get wrong derivatives."""
    tensors = [x for x in arrays if isinstance(x, torch.Tensor)]
    dual = forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(x).tangent is not None for x in tensors)
    if dual or torch._C._are_functorch_transforms_active():
        raise NotImplementedError(
            f"{name}: neither torch.func nor forward mode goes through rows that processes have parts of; call torch.autograd.grad "
            "or take the JVP by lsmx.partial, lsmx.merge and lsmx.finish"
        )


class Divided(_SingleLevelFunction):
    """Ordinary autograd. Its arguments are those of ``bind`` that are no arrays, and the arrays."""

    @staticmethod
    def _compiled_autograd_key(ctx: Any) -> tuple[Any, ...]:
        return refuse_compiled_autograd(ctx.operation)

    @staticmethod
    def forward(ctx: Any, call: tuple[Any, ...], *arrays: torch.Tensor) -> torch.Tensor:
        """The value, and what its rules ask for: among it the numbers of whole rows, so that they are heard once."""
        division, whole, operation, axis, where, options = call

        def computed(
            operation: Operation, arrays: tuple[torch.Tensor, ...], axis: Any, where: Any, options: Mapping[str, Any]
        ) -> torch.Tensor:
            result: torch.Tensor = division.divided(operation).compute(arrays, axis, where, options, None)
            return result

        first = operation.on(arrays).beforehand
        if first is not None:
            with dividing(division):
                operation, arrays = first(computed, arrays, axis, where, options)
        rules = operation.on(arrays)
        result = computed(operation, arrays, axis, where, options)

        def bind_again(
            operation: Operation, arrays: tuple[torch.Tensor, ...], axis: Any, where: Any = None, options: Any = None
        ) -> Any:
            return bind(division, whole, operation, arrays, axis, where, options or {})

        ctx.bind = bind_again
        ctx.operation, ctx.axis, ctx.options, ctx.first = rules, axis, options, 1
        given = (*arrays, result)
        ctx.save_for_backward(where, *[given[i] for i in kept(rules)])
        return result

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor | None) -> tuple[Any, ...]:
        """The VJP along each of the arrays."""
        return pull(ctx, cotangent)
