"""How a forward/backward pair is written down.

A ``Function`` is a set of static methods that see arrays and a context, nothing else, so that any autograd can call them:
those of the array libraries through their backends, and one written by hand, with a context of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, ClassVar

from lsmx._definition.kinds import PER_ROW, ROWS, Kind
from lsmx._definition.ops import Array


class OfParts(IntEnum):
    """How the results that parts of a row give become that of the whole row; the value is the sign to take the largest with."""

    EACH_ITS_OWN = 0  # each part keeps its part of the result
    LARGEST = 1
    LEAST = -1


class Context:
    """What a forward pass hands to its backward pass.

    Any object with ``save_for_backward`` and ``saved_tensors`` does as well. Options that differ from their defaults are kept as
    attributes (``ctx.axis``), as in PyTorch.

    Attributes
    ----------
    out
        Where a kernel may put the result, if anywhere.
    needs_input_grad
        For a backward pass, which of the arrays with gradients are asked for; None for all.
    """

    out: Array | None = None
    needs_input_grad: tuple[bool, ...] | None = None

    def __init__(self, *saved_tensors: Array, **options: Any) -> None:
        self.saved_tensors: tuple[Array, ...] = saved_tensors
        if options:
            self.__dict__.update(options)

    def save_for_backward(self, *tensors: Array) -> None:
        """Keep the residual: the arrays that the backward pass needs."""
        self.saved_tensors = tensors


class Function:
    """A differentiable function of arrays, as rules and traits.

    Subclasses give ``forward``, and those of ``backward`` (the VJP), ``jvp`` and ``jacobian`` that they have. ``forward`` calls
    ``ctx.save_for_backward`` with the residual; the others read ``ctx.saved_tensors``. For second derivatives they give
    ``by_residual``, ``backward_along`` and ``jvp_along``, written in the operations of ``d``, a ``Calculus``, and the arrays' own
    ``+`` and ``-``. Shapes, casts, checks, autograd bridges, ``vmap``, fake tensors and the tests' matrix follow from the traits.

    Attributes
    ----------
    takes
        Its arrays by name, in order, each with its ``Kind``: the first is of the kind ``ROWS``, whose dtype the result has.
    gradients
        Which of them have gradients. ``backward`` returns one for each, ``jvp`` is given a tangent for each, or None.
    residual
        What is saved, in order: names of ``takes``, and ``"output"``.
    reduces
        Whether the result is one number a row. Otherwise it is of the shape of the rows.
    absent
        What stands in the result where a mask is False, if the result has rows.
    optional
        Options that may be arrays in place of what they are by default, by name, each with its ``Kind``: they are given to
        ``forward`` by keyword, and to the other rules as attributes of ``ctx``, like any option.
    gives
        The kind of the result, where that is neither of the rows' shape nor one number a row.
    shaped
        The name of the array whose shape the result has, where ``gives`` does not tell.
    linear
        Whether it is linear, so that its derivatives do not depend on the residual's values: only on its shapes, and on constants.
    widens
        Whether the result is in the format that is computed in: float32 for 16-bit rows.
    by_sums
        Those of its directions that need nothing of whole rows but their ``row_sums``, each with how the results on parts of a row
        become that of the whole row.
    by_total
        Those of its directions that are `RowGradient`, ``g - s sum(g)``, and so need the sum of their vector over whole rows; True
        if they are taken at logits, and so need ``row_sums`` too.
    narrow
        A function with the derivatives for 16-bit rows, if these are taken from another residual: ``residual``, ``backward``,
        ``jvp``, and rules of second derivatives. Autograds then save that residual and take those derivatives. Or None.
    """

    takes: ClassVar[Mapping[str, Kind]] = {"z": ROWS}
    gradients: ClassVar[tuple[str, ...]] = ("z",)
    residual: ClassVar[tuple[str, ...]] = ("output",)
    reduces: ClassVar[bool] = False
    absent: ClassVar[float] = 0.0
    optional: ClassVar[Mapping[str, Kind]] = {}
    gives: ClassVar[Kind | None] = None
    shaped: ClassVar[str] = ""
    linear: ClassVar[bool] = False
    widens: ClassVar[bool] = False
    by_sums: ClassVar[Mapping[str, OfParts]] = {}
    by_total: ClassVar[Mapping[str, bool]] = {}
    narrow: ClassVar[type[Function] | None] = None

    @classmethod
    def result(cls) -> Kind:
        """The kind of the result."""
        return cls.gives or (PER_ROW if cls.reduces else ROWS)

    @staticmethod
    def forward(ctx: Any, /, *arrays: Any, **options: Any) -> Array:
        """The value; saves the residual."""
        raise NotImplementedError("this Function gives no forward; add it to the class")

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Any:
        """The VJP: ``grad_output`` times the Jacobian; a tuple if there are several gradients."""
        raise NotImplementedError("this Function gives no backward; add it to the class")

    @staticmethod
    def jvp(ctx: Any, /, *tangents: Any) -> Array:
        """The JVP: the Jacobian times the tangents, of which those that are None do not move."""
        raise NotImplementedError("this Function gives no jvp; add it to the class")

    @staticmethod
    def jacobian(ctx: Any, /) -> Array:
        """The Jacobian itself, over the reduced axes flattened: ``(..., n, n)``."""
        raise NotImplementedError("this Function gives no jacobian; add it to the class")

    @classmethod
    def by_residual(cls, d: Any, g: Array, /, *tangents_and_residual: Any) -> tuple[Array | None, ...]:
        """The derivative of ``g . J v`` by each array of the residual; None for those that have none."""
        raise NotImplementedError(f"{cls.__name__}: gives no by_residual, which a second derivative asks for")

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, *residual: Array) -> tuple[Callable[[Array], Any], ...]:
        """How ``backward`` at ``g`` changes as each array of the residual moves: from the move to the change.

        Second derivatives are symmetric: where one argument has a gradient and no output is saved, ``by_residual`` says it already.
        """
        if "output" in cls.residual or len(cls.gradients) > 1:
            raise NotImplementedError(f"{cls.__name__}: gives no backward_along, which a second derivative asks for")
        moving = cls.residual.index(cls.gradients[0])
        return tuple((lambda move: cls.by_residual(d, g, move, *residual)[moving]) for _ in cls.residual)

    @classmethod
    def jvp_along(cls, d: Any, /, *tangents_and_residual: Any) -> tuple[Callable[[Array], Array] | None, ...]:
        """How ``jvp`` changes as each array of the residual moves: from the move to the change."""
        raise NotImplementedError(f"{cls.__name__}: gives no jvp_along, which a second derivative asks for")


def remember(ctx: Any, axis: Any = -1, where: Array | None = None, **options: Any) -> None:
    """Keep the options that differ from their defaults on ``ctx``: a context that cannot hold attributes serves the defaults."""
    if type(axis) is not int or axis != -1:  # an array has no truth of its own
        ctx.axis = axis
    if where is not None:
        ctx.where = where
    for name, value in options.items():
        setattr(ctx, name, value)


def keep(
    ctx: Any, function: type[Function], arrays: tuple[Array, ...], output: Array, axis: Any, where: Array | None, **options: Any
) -> None:
    """What the forward pass of a function leaves on ``ctx``: its options and its residual."""
    remember(ctx, axis, where, **options)
    at = {"output": output, **dict(zip(function.takes, arrays, strict=True))}
    ctx.save_for_backward(*[at[name] for name in function.residual])


def recall(ctx: Any) -> tuple[Any, Array | None]:
    """``axis`` and ``where`` as ``remember`` left them."""
    return getattr(ctx, "axis", -1), getattr(ctx, "where", None)
