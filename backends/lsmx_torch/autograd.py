"""Tells PyTorch's autograd the rules of an operation: reverse and forward mode, and ``torch.func`` to any depth."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from lsmx import Calculus, Operation


def differentiable(operation: Operation, op: Any, bind: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The operator ``op`` as it runs where autograd looks on: its arguments are the arrays, the axes, the mask, and options."""
    names = operation.names
    n = len(names)

    def below(*args: Any) -> torch.Tensor:
        with torch._C._AutoDispatchBelowAutograd():
            result: torch.Tensor = op(*args)
        return result

    class Bridge(_SingleLevelFunction):
        """One level of autograd: PyTorch calls the operator once for each transform of ``torch.func``."""

        @staticmethod
        def forward(*args: Any) -> torch.Tensor:
            with outer_levels():
                return below(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            axes, where = inputs[n : n + 2]
            ctx.axis = operation.axis(inputs[:n], axes)
            saved = where, *operation.saved(inputs[:n], output).values()
            ctx.save_for_backward(*saved)  # the mask too: PyTorch notices if it is changed in place
            ctx.save_for_forward(*saved)

        @staticmethod
        def _compiled_autograd_key(ctx: Any) -> tuple[Any, ...]:
            raise NotImplementedError(f"{operation.name}: PyTorch's compiled autograd is not supported; torch.compile alone is")

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[Any, ...]:
            where, *saved = ctx.saved_tensors
            d, at = Calculus(bind, operation, ctx.axis, where), dict(zip(operation.saves, saved, strict=True))
            needed = zip(names, ctx.needs_input_grad, strict=False)
            grads = [operation.rule("pull", name)(d, cotangent, at) if needs else None for name, needs in needed]
            return *grads, *[None] * (2 + len(operation.options))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> torch.Tensor:
            where, *saved = map(primal, ctx.saved_tensors)
            d, at = Calculus(bind, operation, ctx.axis, where), dict(zip(operation.saves, saved, strict=True))
            refuse_nested(operation)
            moving = [(name, v) for name, v in zip(names, tangents, strict=False) if v is not None]
            with contextlib.nullcontext() if torch.compiler.is_compiling() else outer_levels():
                first, *more = (operation.rule("push", name)(d, v, at) for name, v in moving)
                total: torch.Tensor = sum(more, first)
                return total

    def run(*args: Any) -> torch.Tensor:
        if not followed(args[:n]):
            return below(*args)
        if not operation.pull:
            raise NotImplementedError(
                f"{operation.name}: cannot be differentiated, but {', '.join(names)} requires grad; detach it, or call it under "
                "torch.no_grad()"
            )
        with enable_single_level_autograd_function():
            result: torch.Tensor = Bridge.apply(*args)  # type: ignore[attr-defined]
        return result

    return run


def followed(arrays: tuple[torch.Tensor, ...]) -> bool:
    """Whether some mode of differentiation may look at an operation on these tensors."""
    return (
        (torch.is_grad_enabled() and any(x.requires_grad for x in arrays))
        or forward_ad._current_level >= 0
        or torch._C._are_functorch_transforms_active()
    )


@contextlib.contextmanager
def outer_levels() -> Iterator[None]:
    """Lets the transforms of ``torch.func`` outside of the present one follow what is computed for it.

    PyTorch turns differentiation off inside a custom function, for all levels: a forward mode inside another mode would lose a term
    in silence. Inside a JVP that is compiled it cannot be turned on again: see ``refuse_nested``.
    """
    if torch._C._are_functorch_transforms_active():
        with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):
            yield
    else:
        yield


def refuse_nested(operation: Operation) -> None:
    """Forward mode inside forward mode is beyond PyTorch's compiler, which would recurse without end."""
    modes = [level.key() for level in torch._C._functorch.get_interpreter_stack() or ()]
    if torch.compiler.is_compiling() and modes.count(torch._C._functorch.TransformType.Jvp) > 1:
        raise NotImplementedError(f"{operation.name}: forward mode inside forward mode cannot be compiled; use torch.func.jacrev")


def primal(x: torch.Tensor | None) -> torch.Tensor | None:
    """A tensor without its tangent of the present level."""
    return x if x is None or torch.compiler.is_compiling() else forward_ad.unpack_dual(x).primal
