"""Operations on arrays as autograds see them: with VJPs and JVPs that are made of such operations again.

So derivatives of derivatives are operations too, with the same bits everywhere. An autograd has to bring one function of its own:
``bind``, which computes an operation on its arrays and records it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from lsmx._definition.checks import check_mask, float_name, normal_axes, reduced_shape
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.kinds import PER_ROW, ROWS, Axes, Kind, Shape
from lsmx._definition.ops import Array

if TYPE_CHECKING:
    from lsmx._call.calculus import Calculus

Rule = Callable[["Calculus", Array, Mapping[str, Array]], Array]
Options = Mapping[str, Any]
NARROW = frozenset(name for name, fmt in FORMAT_OF.items() if name != fmt.dtype)
"""The 16-bit dtypes, by name."""
JACOBIAN = Kind(
    "a Jacobian", True, lambda rows, axes: [(*reduced_shape(rows, axes, False), *[math.prod(rows[a] for a in axes)] * 2)]
)
"""Of each row: over the reduced axes flattened, ``(..., n, n)``."""


class Compute(Protocol):
    """Computes the value of an operation from plain arrays, which no autograd follows."""

    def __call__(self, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options, out: Array | None) -> Array:
        """The value; may be put into ``out``."""


class Bind(Protocol):
    """Computes an operation: recorded by an autograd, or without one."""

    def __call__(self, operation: Operation, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options) -> Array:
        """The value."""


class Beforehand(Protocol):
    """Computes what the derivatives of an operation need beside its arguments."""

    def __call__(
        self, bind: Bind, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options
    ) -> tuple[Operation, tuple[Array, ...]]:
        """The operation to compute and to differentiate in place of this one, or this one, and its arrays."""


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation on arrays, for an autograd.

    Attributes
    ----------
    name : str
        Unique among the operations of a registry, as ``log_softmax_backward``.
    takes : mapping of str to Kind
        Its arrays by name, in order, each with its kind.
    rows : str
        The name of the one whose rows are walked: ``axis`` and ``where`` refer to it, and the result has its dtype.
    compute : callable
        Called with the arrays, ``axis``, ``where``, the further options, and ``out`` or None.
    result : Kind or str
        The kind of the result, or the name of an argument that it has the shape of.
    options : mapping
        Further options with their defaults.
    saves : tuple of str
        What the rules ask for: names of arguments, or ``"output"`` for the result.
    pull : mapping of str to callable
        By argument: the VJP along it, from the cotangent and what was saved.
    push : mapping of str to callable
        By argument: the share of the JVP that its tangent has.
    widens : bool, default False
        Whether the result has the dtype that is computed in: float32 for 16-bit rows.
    inert : tuple of str
        Arguments that have no derivative: only their shape matters, or they hold no floats.
    family : mapping of str to Operation
        The operations of its function, by direction; itself among them.
    each : bool, default False
        Whether it computes on one number (or a few) for each row of logits: those are whole even where rows lie in parts.
    narrow : Operation, optional
        The same with other ``saves``, ``pull`` and ``push``, for 16-bit rows; or None.
    beforehand : callable, optional
        Called by an autograd first: returns an operation and arrays to differentiate in place of this one, with the same bits and
        fewer walks over the rows. Or None.
    """

    name: str
    takes: Mapping[str, Kind]
    rows: str
    compute: Compute
    result: Kind | str = ROWS
    options: Options = field(default_factory=dict)
    saves: tuple[str, ...] = ()
    widens: bool = False
    pull: Mapping[str, Rule] = field(default_factory=dict)
    push: Mapping[str, Rule] = field(default_factory=dict)
    inert: tuple[str, ...] = ()
    family: Mapping[str, Operation] = field(default_factory=dict)
    each: bool = False
    narrow: Operation | None = None
    beforehand: Beforehand | None = None

    def on(self, arrays: Sequence[Array]) -> Operation:
        """The operation with the rules and the residual for the dtype of these arrays: ``narrow`` for 16 bits.

        Parameters
        ----------
        arrays : sequence of array
            Its arrays, in the order of ``takes``.

        Returns
        -------
        Operation
            Itself, or ``narrow``.
        """
        narrow = self.narrow
        return self if narrow is None or float_name(self.rows, arrays[self.at]) not in NARROW else narrow

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of its arguments."""
        return tuple(self.takes)

    @cached_property
    def at(self) -> int:
        """Index of the argument whose rows are walked."""
        return self.names.index(self.rows)

    @cached_property
    def moving(self) -> tuple[int, ...]:
        """Indices of the arguments with which the result can change."""
        return tuple(i for i, name in enumerate(self.takes) if self.moves(name))

    def moves(self, name: str) -> bool:
        """Whether the result can change with an argument.

        Parameters
        ----------
        name : str
            Of the argument.

        Returns
        -------
        bool
            False for integers, masks, and what is ``inert``.
        """
        return self.takes[name].floating and name not in self.inert

    def axes(self, arrays: Sequence[Array], axis: Any) -> Axes:
        """``axis`` as a tuple of non-negative ints.

        Parameters
        ----------
        arrays : sequence of array
            Its arrays, in the order of ``takes``.
        axis : int, tuple of int or None
            The axis or axes of the rows.

        Returns
        -------
        tuple of int
            Sorted.

        Raises
        ------
        AxisError
            An axis that there is not.
        """
        return normal_axes(axis, len(arrays[self.at].shape))

    def axis(self, arrays: Sequence[Array], axes: Sequence[int]) -> Any:
        """Back from ``axes``: -1 for the last one, which is the quickest to look at, and None for an array that has none.

        Parameters
        ----------
        arrays : sequence of array
            Its arrays, in the order of ``takes``.
        axes : sequence of int
            As `axes` gives them.

        Returns
        -------
        int, tuple of int or None
            To be given to a call.
        """
        return -1 if list(axes) == [len(arrays[self.at].shape) - 1] else tuple(axes) or None

    def shape(self, shapes: Sequence[Shape], axes: Axes, options: Options) -> Shape:
        """The shape of the result, from those of the arguments.

        Parameters
        ----------
        shapes : sequence of tuple of int
            Of its arrays.
        axes : tuple of int
            The axes along which rows lie, sorted and not negative.
        options : mapping
            The further options.

        Returns
        -------
        tuple of int
            The shape.
        """
        if isinstance(self.result, str):
            return shapes[self.names.index(self.result)]
        if self.result is PER_ROW:
            return reduced_shape(shapes[self.at], axes, options.get("keepdims", False))
        return self.result.shape(shapes[self.at], axes)

    def dtype(self, rows: Array) -> str:
        """The name of the result's dtype.

        Parameters
        ----------
        rows : array
            Whose rows are walked.

        Returns
        -------
        str
            Such as ``"float32"``.
        """
        name = float_name(self.rows, rows)
        return FORMAT_OF[name].dtype if self.widens else name

    def check(self, arrays: Sequence[Array], axis: Any, where: Array | None) -> None:
        """Raise what the computation would: inside an autograd or a compiler the same error would come in another form.

        Parameters
        ----------
        arrays : sequence of array
            Its arrays, in the order of ``takes``.
        axis : int, tuple of int or None
            The axis or axes of the rows.
        where : array of bool or None
            Mask.

        Raises
        ------
        DTypeError, ShapeError, AxisError
            What does not go together.
        """
        rows = arrays[self.at]
        float_name(self.rows, rows)
        shape, axes = tuple(rows.shape), self.axes(arrays, axis)
        for (name, kind), x in zip(self.takes.items(), arrays, strict=True):
            kind.check(name, x, rows.dtype, shape, axes)
        if where is not None:
            check_mask(where, shape)

    def values(self, options: Options | None = None) -> list[Any]:
        """The further options in order, each as given or by default.

        Parameters
        ----------
        options : mapping, optional
            Those that are given.

        Returns
        -------
        list
            One value for each of ``options``, in order.

        Raises
        ------
        TypeError
            An option that there is not.
        """
        options = options or {}
        if unknown := options.keys() - self.options.keys():
            raise TypeError(f"{self.name}: there is no option {', '.join(sorted(unknown))}")
        return [options.get(name, default) for name, default in self.options.items()]

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """Back from ``values``.

        Parameters
        ----------
        values : sequence
            One for each of ``options``, in order.

        Returns
        -------
        dict
            The same by name.
        """
        return dict(zip(self.options, values, strict=True))

    def saved(self, arrays: Sequence[Array], result: Array) -> dict[str, Array]:
        """What the rules ask for, of the arguments and the result, by name.

        Parameters
        ----------
        arrays : sequence of array
            Its arrays, in the order of ``takes``.
        result : array
            The result.

        Returns
        -------
        dict of str to array
            By the names in ``saves``.
        """
        at = {"output": result, **dict(zip(self.names, arrays, strict=True))}
        return {name: at[name] for name in self.saves}

    def rule(self, which: str, name: str) -> Rule:
        """``pull`` or ``push`` along an argument; raises if there is none.

        Parameters
        ----------
        which : str
            ``"pull"`` or ``"push"``.
        name : str
            Of the argument.

        Returns
        -------
        callable
            Called with a `Calculus`, the vector, and what was saved.

        Raises
        ------
        NotImplementedError
            There is none.
        """
        rule: Rule | None = getattr(self, which).get(name)
        if rule is None:
            along = "normalizer, or along the weight that a mean divides by" if name == "divisor" else name
            kind = "VJP" if which == "pull" else "JVP"
            raise NotImplementedError(
                f"{self.name.partition('_with_')[0]}: has no {kind} along {along}; detach it from the autograd first"
            )
        return rule
