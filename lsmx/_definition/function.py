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
    out : array or None
        Where a kernel may put the result, if anywhere.
    needs_input_grad : tuple of bool or None
        For a backward pass, which of the arrays with gradients are asked for; None for all.
    """

    out: Array | None = None
    needs_input_grad: tuple[bool, ...] | None = None

    def __init__(self, *saved_tensors: Array, **options: Any) -> None:
        self.saved_tensors: tuple[Array, ...] = saved_tensors
        if options:
            self.__dict__.update(options)

    def save_for_backward(self, *tensors: Array) -> None:
        """Keep the residual: the arrays that the backward pass needs.

        Parameters
        ----------
        *tensors : array
            In the order of ``Function.residual``.
        """
        self.saved_tensors = tensors


class Function:
    """A differentiable function of arrays, as rules and traits.

    Subclasses give ``forward``, and those of ``backward`` (the VJP), ``jvp`` and ``jacobian`` that they have. ``forward`` calls
    ``ctx.save_for_backward`` with the residual; the others read ``ctx.saved_tensors``. For second derivatives they give
    ``by_residual``, ``backward_along`` and ``jvp_along``, written in the operations of ``d``, a ``Calculus``, and the arrays' own
    ``+`` and ``-``. Shapes, casts, checks, autograd bridges, ``vmap``, fake tensors and the tests' matrix follow from the traits.

    Attributes
    ----------
    takes : mapping of str to Kind
        Its arrays by name, in order, each with its ``Kind``: the first is of the kind ``ROWS``, whose dtype the result has.
    gradients : tuple of str
        Which of them have gradients. ``backward`` returns one for each, ``jvp`` is given a tangent for each, or None.
    residual : tuple of str
        What is saved, in order: names of ``takes``, and ``"output"``.
    reduces : bool, default False
        Whether the result is one number a row. Otherwise it is of the shape of the rows.
    absent : float, default 0.0
        What stands in the result where a mask is False, if the result has rows.
    optional : mapping of str to Kind
        Options that may be arrays in place of what they are by default, by name, each with its ``Kind``: they are given to
        ``forward`` by keyword, and to the other rules as attributes of ``ctx``, like any option.
    gives : Kind or None
        The kind of the result, where that is neither of the rows' shape nor one number a row.
    shaped : str
        The name of the array whose shape the result has, where ``gives`` does not tell.
    linear : bool, default False
        Whether it is linear, so that its derivatives do not depend on the residual's values: only on its shapes, and on constants.
    widens : bool, default False
        Whether the result is in the format that is computed in: float32 for 16-bit rows.
    by_sums : mapping
        Those of its directions that need nothing of whole rows but their ``row_sums``, each with how the results on parts of a row
        become that of the whole row.
    by_total : mapping
        Those of its directions that are `RowGradient`, ``g - s sum(g)``, and so need the sum of their vector over whole rows; True
        if they are taken at logits, and so need ``row_sums`` too.
    narrow : type of Function, or None
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
        """The kind of the result.

        Returns
        -------
        Kind
            ``gives``; else one number a row if it ``reduces``, else that of the rows.
        """
        return cls.gives or (PER_ROW if cls.reduces else ROWS)

    @staticmethod
    def forward(ctx: Any, /, *arrays: Any, **options: Any) -> Array:
        """The value; saves the residual.

        Parameters
        ----------
        ctx : object
            A `Context`, or what an autograd hands over: gets the residual by ``save_for_backward``, and options as attributes.
        *arrays : array
            Those in ``takes``, in order.
        **options : object
            ``axis``, ``where``, and those of the function, by keyword.

        Returns
        -------
        array
            Of the kind that `result` says.
        """
        raise NotImplementedError("this Function gives no forward; add it to the class")

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Any:
        """The VJP: ``grad_output`` times the Jacobian; a tuple if there are several gradients.

        Parameters
        ----------
        ctx : object
            A `Context`, or what an autograd hands over: what the forward pass saved is in ``ctx.saved_tensors``.
        grad_output : array
            Cotangent, of the shape of the result.

        Returns
        -------
        array or tuple of array
            One for each of ``gradients``, of the shape and dtype of that array.
        """
        raise NotImplementedError("this Function gives no backward; add it to the class")

    @staticmethod
    def jvp(ctx: Any, /, *tangents: Any) -> Array:
        """The JVP: the Jacobian times the tangents, of which those that are None do not move.

        Parameters
        ----------
        ctx : object
            A `Context`, or what an autograd hands over: what the forward pass saved is in ``ctx.saved_tensors``.
        *tangents : array or None
            One for each of ``gradients``, of the shape of that array.

        Returns
        -------
        array
            Of the shape of the result.
        """
        raise NotImplementedError("this Function gives no jvp; add it to the class")

    @staticmethod
    def jacobian(ctx: Any, /) -> Array:
        """The Jacobian itself, over the reduced axes flattened: ``(..., n, n)``.

        Parameters
        ----------
        ctx : object
            A `Context`, or what an autograd hands over: what the forward pass saved is in ``ctx.saved_tensors``.

        Returns
        -------
        array
            The other axes of the rows, then ``n, n``.
        """
        raise NotImplementedError("this Function gives no jacobian; add it to the class")

    @classmethod
    def by_residual(cls, d: Any, g: Array, /, *tangents_and_residual: Any) -> tuple[Array | None, ...]:
        """The derivative of ``g . J v`` by each array of the residual; None for those that have none.

        Parameters
        ----------
        d : Calculus
            The operations that it is written in.
        g : array
            Cotangent, of the shape of the result.
        *tangents_and_residual : array
            The tangents ``v``, then the residual, in order.

        Returns
        -------
        tuple of array or None
            One for each array of the residual.
        """
        raise NotImplementedError(f"{cls.__name__}: gives no by_residual, which a second derivative asks for")

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, *residual: Array) -> tuple[Callable[[Array], Any], ...]:
        """How ``backward`` at ``g`` changes as each array of the residual moves: from the move to the change.

        Second derivatives are symmetric: where one argument has a gradient and no output is saved, ``by_residual`` says it already.

        Parameters
        ----------
        d : Calculus
            The operations that it is written in.
        g : array
            Cotangent, of the shape of the result.
        *residual : array
            In order.

        Returns
        -------
        tuple of callable
            One for each array of the residual: called with its move, returns the change of what `backward` gives.
        """
        if "output" in cls.residual or len(cls.gradients) > 1:
            raise NotImplementedError(f"{cls.__name__}: gives no backward_along, which a second derivative asks for")
        moving = cls.residual.index(cls.gradients[0])
        return tuple((lambda move: cls.by_residual(d, g, move, *residual)[moving]) for _ in cls.residual)

    @classmethod
    def jvp_along(cls, d: Any, /, *tangents_and_residual: Any) -> tuple[Callable[[Array], Array] | None, ...]:
        """How ``jvp`` changes as each array of the residual moves: from the move to the change.

        Parameters
        ----------
        d : Calculus
            The operations that it is written in.
        *tangents_and_residual : array
            The tangents, then the residual, in order.

        Returns
        -------
        tuple of callable or None
            One for each array of the residual: called with its move, returns the change of what `jvp` gives.
        """
        raise NotImplementedError(f"{cls.__name__}: gives no jvp_along, which a second derivative asks for")


def remember(ctx: Any, axis: Any = -1, where: Array | None = None, **options: Any) -> None:
    """Keep the options that differ from their defaults on ``ctx``: a context that cannot hold attributes serves the defaults.

    Parameters
    ----------
    ctx : object
        A `Context`, or what an autograd hands to a forward pass.
    axis : int, tuple of int or None, default -1
        The axis or axes of the rows.
    where : array of bool, optional
        Mask.
    **options : object
        Further options, to be attributes of ``ctx``: give those that are not at their defaults.
    """
    if type(axis) is not int or axis != -1:  # an array has no truth of its own
        ctx.axis = axis
    if where is not None:
        ctx.where = where
    for name, value in options.items():
        setattr(ctx, name, value)


def keep(
    ctx: Any, function: type[Function], arrays: tuple[Array, ...], output: Array, axis: Any, where: Array | None, **options: Any
) -> None:
    """What the forward pass of a function leaves on ``ctx``: its options and its residual.

    Parameters
    ----------
    ctx : object
        A `Context`, or what an autograd hands to a forward pass.
    function : type of Function
        Whose ``takes`` and ``residual`` say what is saved.
    arrays : tuple of array
        Those that the forward pass was called with, in the order of ``takes``.
    output : array
        Its result.
    axis : int, tuple of int or None
        The axis or axes of the rows.
    where : array of bool or None
        Mask, broadcastable to the rows.
    **options : object
        Further options that are not at their defaults.
    """
    remember(ctx, axis, where, **options)
    at = {"output": output, **dict(zip(function.takes, arrays, strict=True))}
    ctx.save_for_backward(*[at[name] for name in function.residual])


def recall(ctx: Any) -> tuple[Any, Array | None]:
    """``axis`` and ``where`` as ``remember`` left them.

    Parameters
    ----------
    ctx : object
        What `remember` was called with, in a backward pass.

    Returns
    -------
    tuple
        ``axis``, by default -1, and ``where``, by default None.
    """
    return getattr(ctx, "axis", -1), getattr(ctx, "where", None)
