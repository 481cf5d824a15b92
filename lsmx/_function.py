"""How a forward/backward pair is written down.

A ``Function`` is a set of static methods that see arrays and a context, nothing else, so that any autograd can call them:
those of the array libraries through their backends, and one written by hand, with a context of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lsmx._arithmetic.ops import Array


class Context:
    """What a forward pass hands to its backward pass.

    Any object with ``save_for_backward`` and ``saved_tensors`` does as well. Options that differ from their defaults are kept as
    attributes (``ctx.axis``), as in PyTorch.

    Attributes
    ----------
    out
        Where a kernel may put the result, if anywhere.
    keeps
        Whether the result is kept for an autograd, and so has to be an array of its own.
    """

    out: Array | None = None
    keeps: bool = False

    def __init__(self, *saved_tensors: Array, **options: Any) -> None:
        self.saved_tensors: tuple[Array, ...] = saved_tensors
        if options:
            self.__dict__.update(options)

    def save_for_backward(self, *tensors: Array) -> None:
        """Keep the residual: the arrays that the backward pass needs."""
        self.saved_tensors = tensors


class Function:
    """A differentiable function of one array, as rules.

    Subclasses give ``forward``, and those of ``backward`` (the VJP), ``jvp`` and ``jacobian`` that they have. ``forward`` calls
    ``ctx.save_for_backward`` with the residual; the others read ``ctx.saved_tensors``. For second derivatives they give
    ``by_residual``, ``backward_along`` and ``jvp_along``, written in the operations of ``d``, a ``Calculus``, and the arrays' own
    ``+`` and ``-``.

    Attributes
    ----------
    residual
        What is saved, in order: ``"z"``, the input, and ``"output"`` are known.
    """

    residual: ClassVar[tuple[str, ...]] = ("output",)

    @staticmethod
    def forward(ctx: Any, /, *arrays: Any, **options: Any) -> Array:
        """The value; saves the residual."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        """The VJP: ``grad_output`` times the Jacobian."""
        raise NotImplementedError

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        """The JVP: the Jacobian times ``tangent``."""
        raise NotImplementedError

    @staticmethod
    def jacobian(ctx: Any, /) -> Array:
        """The Jacobian itself, over the reduced axes flattened: ``(..., n, n)``."""
        raise NotImplementedError

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, *residual: Array) -> tuple[Array, ...]:
        """The derivative of ``g . J v`` by each array of the residual."""
        raise NotImplementedError(f"{cls.__name__}: gives no by_residual, which a second derivative asks for")

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, *residual: Array) -> tuple[Callable[[Array], Array], ...]:
        """How ``backward`` at ``g`` changes as each array of the residual moves: from the move to the change."""
        raise NotImplementedError(f"{cls.__name__}: gives no backward_along, which a second derivative asks for")

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, *residual: Array) -> tuple[Callable[[Array], Array], ...]:
        """How ``jvp`` at ``v`` changes as each array of the residual moves."""
        raise NotImplementedError(f"{cls.__name__}: gives no jvp_along, which a second derivative asks for")

    @staticmethod
    def shape(z: tuple[Any, ...], axes: tuple[int, ...], /, **options: Any) -> tuple[Any, ...]:
        """The shape of the output for that of the input, which it is unless a subclass says otherwise."""
        return z


def remember(ctx: Any, axis: Any, where: Array | None) -> None:
    """Keep the options that differ from their defaults on ``ctx``: a context that cannot hold attributes serves the defaults."""
    if axis != -1:
        ctx.axis = axis
    if where is not None:
        ctx.where = where


def keep(ctx: Any, function: type[Function], z: Array, output: Array, axis: Any, where: Array | None) -> None:
    """What the forward pass of a function leaves on ``ctx``: its options and its residual."""
    remember(ctx, axis, where)
    ctx.save_for_backward(*({"z": z, "output": output}[name] for name in function.residual))


def recall(ctx: Any) -> tuple[Any, Array | None]:
    """``axis`` and ``where`` as ``remember`` left them."""
    return getattr(ctx, "axis", -1), getattr(ctx, "where", None)
