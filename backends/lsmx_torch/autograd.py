"""Tells PyTorch's autograd the rules of an operation: reverse and forward mode, and ``torch.func`` to any depth."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from lsmx.extend import Calculus, Operation
from lsmx_torch import onnx

Bind = Callable[..., torch.Tensor]


def pull(ctx: Any, cotangent: torch.Tensor | None) -> tuple[Any, ...]:
    """The VJP along each argument that asks for it; a derivative that is followed comes back through ``ctx.bind``."""
    operation, needed = ctx.operation, ctx.needs_input_grad
    grads: list[torch.Tensor | None] = [None] * len(needed)
    if cotangent is None:
        return tuple(grads)
    where, *saved = ctx.saved_tensors
    d = Calculus(ctx.bind, operation.family, ctx.axis, where, ctx.options)
    at = dict(zip(operation.saves, saved, strict=True))
    for i, name in zip(range(ctx.first, len(needed)), operation.names, strict=False):
        if needed[i] and (name in operation.pull or operation.moves(name)):
            grads[i] = (operation.pull.get(name) or operation.rule("pull", name))(d, cotangent, at)
    return tuple(grads)


def refuse_compiled_autograd(operation: Operation) -> tuple[Any, ...]:
    """Raise: a compiled backward pass would trace through decisions that the rules take at run time."""
    raise NotImplementedError(f"{operation.name}: PyTorch's compiled autograd is not supported; torch.compile alone is")


def check_differentiable(operation: Operation) -> None:
    """Raise for an operation without rules."""
    if not operation.pull and operation.moving:
        raise NotImplementedError(
            f"{operation.name}: cannot be differentiated, but {', '.join(operation.names)} requires grad; detach it, or call it "
            "under torch.no_grad()"
        )


@functools.cache
def kept(operation: Operation) -> tuple[int, ...]:
    """Which of the arguments and the result the rules ask for."""
    names = (*operation.names, "output")
    return tuple(map(names.index, operation.saves))


def beforehand(operation: Operation, arrays: tuple[torch.Tensor, ...]) -> Any:
    """What is computed before an operation, or None. The CUDA kernels of 16-bit log-softmax find it themselves."""
    return operation.on(arrays).beforehand if arrays[0].device.type == "cpu" or operation.narrow is None else None


def computed(
    operation: Operation, arrays: tuple[torch.Tensor, ...], axis: Any, where: torch.Tensor | None, options: Mapping[str, Any]
) -> torch.Tensor:
    """An operation without autograd."""
    result: torch.Tensor = operation.compute(arrays, axis, where, options, None)
    return result


class Plain(_SingleLevelFunction):
    """Ordinary autograd, where nothing else looks on. Its arguments are those of ``bind`` that are no arrays, and the arrays."""

    @staticmethod
    def _compiled_autograd_key(ctx: Any) -> tuple[Any, ...]:
        return refuse_compiled_autograd(ctx.call[1])

    @staticmethod
    def forward(ctx: Any, call: tuple[Bind, Operation, Any, Any, Mapping[str, Any]], *arrays: torch.Tensor) -> torch.Tensor:
        """The value, and what its rules ask for."""
        bind, operation, axis, where, options = call
        first = beforehand(operation, arrays)
        if first is not None:
            operation, arrays = first(computed, arrays, axis, where, options)
        rules = operation.on(arrays)
        result: torch.Tensor = operation.compute(arrays, axis, where, options, None)
        ctx.call = bind, rules, axis, where, options
        given = (*arrays, result)
        # the mask too: PyTorch notices if it is changed in place
        ctx.save_for_backward(where, *[given[i] for i in kept(rules)])
        return result

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor | None) -> tuple[Any, ...]:
        """The VJP along each of the arrays."""
        ctx.bind, ctx.operation, ctx.axis, _, ctx.options, *_ = ctx.call
        ctx.first = 1  # of its arguments, which is an array
        return pull(ctx, cotangent)


class Short(Plain):
    """The same for the short way of a function of one array that saves one array: it, or the result."""

    @staticmethod
    def forward(ctx: Any, call: tuple[Any, ...], z: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """The value, and what its rules ask for."""
        _, rules, axis, where, options, short, saves_input = call
        result: torch.Tensor | None = short(z, axis, where, None, None, *options.values())
        value: torch.Tensor = rules.compute((z,), axis, where, options, None) if result is None else result
        ctx.call = call
        ctx.save_for_backward(where, z if saves_input else value)
        return value


def differentiable(operation: Operation, op: Any, bind: Bind) -> Callable[..., torch.Tensor]:
    """The operator ``op`` as it runs where autograd looks on: its arguments are the arrays, the axes, the mask, and options."""
    names = operation.names
    n = len(names)

    def below(*args: Any) -> torch.Tensor:
        with torch._C._AutoDispatchBelowAutograd():
            result: torch.Tensor = op(*args)
        return result

    class Bridge(_SingleLevelFunction):
        """One level of autograd: PyTorch calls the operator once for each transform of ``torch.func``."""

        backward = staticmethod(pull)

        @staticmethod
        def _compiled_autograd_key(ctx: Any) -> tuple[Any, ...]:
            return refuse_compiled_autograd(ctx.operation)

        @staticmethod
        def forward(*args: Any) -> torch.Tensor:
            with outer_levels():
                return below(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            axes, where, *values = inputs[n:]
            if not operation.moving:
                ctx.mark_non_differentiable(output)
            ctx.set_materialize_grads(False)  # so that a missing tangent is None, and not an array of zeros
            ctx.first, ctx.bind, ctx.axis = 0, bind, operation.axis(inputs[:n], axes)
            ctx.operation = operation.on(inputs[:n])
            ctx.options, ctx.shape = operation.named(values), output.shape
            saved = where, *map((*inputs[:n], output).__getitem__, kept(ctx.operation))
            ctx.save_for_backward(*saved)
            ctx.save_for_forward(*saved)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> torch.Tensor | None:
            if not operation.moving:
                return None
            where, *saved = map(primal, ctx.saved_tensors)
            d = Calculus(bind, operation.family, ctx.axis, where, ctx.options)
            at = dict(zip(ctx.operation.saves, saved, strict=True))
            refuse_nested(operation)
            given = [(name, v) for name, v in zip(names, tangents, strict=False) if v is not None]
            moving = [(name, v) for name, v in given if operation.moves(name)]
            if not moving:
                still: torch.Tensor = given[0][1].new_zeros(ctx.shape)
                return still
            with contextlib.nullcontext() if torch.compiler.is_compiling() else outer_levels():
                first, *more = (ctx.operation.rule("push", name)(d, v, at) for name, v in moving)
                total: torch.Tensor = sum(more, first)
                return total

    def run(*args: Any) -> torch.Tensor:
        if onnx.exporting():
            axes, where, *values = args[n:]
            translated: torch.Tensor = onnx.translated(operation, args[:n], tuple(axes), where, operation.named(values))
            return translated
        if not followed(operation, args[:n]):
            return below(*args)
        check_differentiable(operation)
        first = beforehand(operation, args[:n])
        if first is not None:
            axes, where, *values = args[n:]
            other, arrays = first(bind, args[:n], operation.axis(args[:n], axes), where, operation.named(values))
            if other is not operation:
                found: torch.Tensor = bind(other, arrays, operation.axis(args[:n], axes), where, operation.named(values))
                return found
        with enable_single_level_autograd_function():
            result: torch.Tensor = Bridge.apply(*args)  # type: ignore[attr-defined]
        return result

    return run


def followed(operation: Operation, arrays: tuple[torch.Tensor, ...]) -> bool:
    """Whether some mode of differentiation may look at an operation on these tensors."""
    return wants_grad(operation, arrays) or forward_ad._current_level >= 0 or torch._C._are_functorch_transforms_active()


def wants_grad(operation: Operation, arrays: tuple[torch.Tensor, ...], out: torch.Tensor | None = None) -> bool:
    """Whether ordinary autograd looks at an operation on these tensors: at those that it changes with, or at where it is put."""
    if torch.is_grad_enabled():
        for i in operation.moving:
            if arrays[i].requires_grad:
                return True
        return out is not None and out.requires_grad
    return False


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
