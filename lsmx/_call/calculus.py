"""The operations that rules of second derivatives are written in: each knows its own derivatives, so any order can be taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lsmx._call.functions import operators
from lsmx._call.operation import Operation, Options
from lsmx._call.steps import (
    ACROSS,
    EXP,
    MINUS,
    NEGATIVE,
    PICK,
    PLACE,
    PRODUCT,
    RATIO,
    SPREAD,
    SPREAD_EACH,
    SUM,
    TANH,
    TIMES_EACH,
    TIMES_EXP,
    TIMES_NUMBER,
    TIMES_SUM,
    TOTAL,
    TOTAL_EACH,
)
from lsmx._definition.ops import Array

Family = Mapping[str, Operation]


class Calculus:
    """Operations for the rules of one function, computed so that one autograd follows them.

    Parameters
    ----------
    bind : callable
        Computes an operation so that the autograd can differentiate it: called with the operation, its arrays, ``axis``, ``where``
        and the further options.
    family : mapping of str to Operation
        The operations of the function that is differentiated, by direction.
    axis : int, tuple of int or None
        The axis or axes of the rows, as given to the call.
    where : array of bool or None
        Mask of the call.
    options : mapping, optional
        The further options of the call.
    given : mapping of str to array, optional
        Those of its options that are arrays, in the order of the function's operations.
    """

    def __init__(
        self,
        bind: Callable[..., Array],
        family: Family,
        axis: Any,
        where: Array | None,
        options: Options | None = None,
        given: Mapping[str, Array] | None = None,
    ) -> None:
        self.bind, self.family, self.axis, self.where = bind, family, axis, where
        self.options, self.given = options or {}, given or {}

    def at(self, given: Mapping[str, Array]) -> Calculus:
        """The same where some options are arrays.

        Parameters
        ----------
        given : mapping of str to array
            Those options, by name.

        Returns
        -------
        Calculus
            Itself if there are none.
        """
        return Calculus(self.bind, self.family, self.axis, self.where, self.options, given) if given else self

    def option(self, name: str, default: Any) -> Any:
        """An option of the call.

        Parameters
        ----------
        name : str
            Its name.
        default : object
            Its value where the call has not got it.

        Returns
        -------
        object
            Its value: a number or an array.
        """
        return self.given.get(name, self.options.get(name, default))

    def of(self, name: str) -> Calculus:
        """Another registered function, along the same rows.

        Parameters
        ----------
        name : str
            A registered name.

        Returns
        -------
        Calculus
            With the same ``axis`` and ``where``, and no other options.
        """
        return Calculus(self.bind, operators[name].operations, self.axis, self.where)

    def beside(self, name: str, without: tuple[str, ...] = ()) -> Calculus:
        """Another registered function along the same rows, with those of the same options that it has, ``without`` some.

        Parameters
        ----------
        name : str
            A registered name.
        without : tuple of str, default ()
            Options that are left out.

        Returns
        -------
        Calculus
            With the same ``axis`` and ``where``.
        """
        variants = operators[name].variants
        optional = operators[name].function.optional.keys() - set(without)
        given = {option: x for option, x in self.given.items() if option in optional}
        options = {option: value for option, value in self.options.items() if option not in without}
        return Calculus(self.bind, variants[tuple(given)].operations, self.axis, self.where, options, given)

    def direction(self, direction: str, arrays: tuple[Array, ...]) -> Array:
        """One of the function's own operations.

        Parameters
        ----------
        direction : str
            Such as ``"forward"`` or ``"backward z"``.
        arrays : tuple of array
            Those of the operation, in order.

        Returns
        -------
        array
            As the operation.
        """
        operation = self.family[direction]
        options = self.options
        if options:
            options = {name: value for name, value in options.items() if name in operation.options}
        return self.bind(operation, (*arrays, *self.given.values()), self.axis, self.where, options)

    def forward(self, *arrays: Array) -> Array:
        """The function itself.

        Parameters
        ----------
        *arrays : array
            As the function takes them.

        Returns
        -------
        array
            As the function's.
        """
        return self.direction("forward", arrays)

    def backward(self, grad_output: Array, *residual: Array, by: str = "") -> Array:
        """The function's VJP, along the argument ``by`` if there are several gradients.

        Parameters
        ----------
        grad_output : array
            Cotangent, of the shape of the result.
        *residual : array
            What the function saves, in order.
        by : str, default ""
            The name of the argument.

        Returns
        -------
        array
            Of the shape of that argument.
        """
        return self.direction(f"backward {by}" if by else "backward", (grad_output, *residual))

    def jvp(self, tangent: Array, *residual: Array, by: str = "") -> Array:
        """The function's JVP, of the argument ``by`` if several have tangents.

        Parameters
        ----------
        tangent : array
            Direction, of the shape of the argument.
        *residual : array
            What the function saves, in order.
        by : str, default ""
            The name of the argument.

        Returns
        -------
        array
            Of the shape of the result.
        """
        return self.direction(f"jvp {by}" if by else "jvp", (tangent, *residual))

    def exp(self, log_p: Array) -> Array:
        """A probability from its logarithm.

        Parameters
        ----------
        log_p : array
            Of the shape of the rows.

        Returns
        -------
        array
            ``exp(log_p)``, of the shape of the rows.
        """
        return self.bind(EXP, (log_p,), self.axis, self.where)

    def sum(self, x: Array) -> Array:
        """The sum of each row, in each entry of the row.

        Parameters
        ----------
        x : array
            Of the shape of the rows.

        Returns
        -------
        array
            ``sum(x)``, of the shape of the rows.
        """
        return self.bind(SUM, (x,), self.axis, self.where)

    def times_exp(self, a: Array, log_p: Array) -> Array:
        """``a * exp(log_p)`` with a probability from its logarithm, 0 where masked.

        Parameters
        ----------
        a : array
            Of the shape of the rows.
        log_p : array
            Of the shape of the rows.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(TIMES_EXP, (a, log_p), self.axis, self.where)

    def times_sum(self, a: Array, x: Array) -> Array:
        """``a`` times the sum of each row of ``x``, 0 where masked.

        Parameters
        ----------
        a : array
            Of the shape of the rows.
        x : array
            Of the shape of the rows.

        Returns
        -------
        array
            ``a * sum(x)``, of the shape of the rows.
        """
        return self.bind(TIMES_SUM, (a, x), self.axis, self.where)

    def total(self, x: Array) -> Array:
        """The sum of each row, as one number a row.

        Parameters
        ----------
        x : array
            Of the shape of the rows.

        Returns
        -------
        array
            ``sum(x)``, one number a row.
        """
        return self.bind(TOTAL, (x,), self.axis, self.where)

    def spread(self, a: Array, like: Array) -> Array:
        """One number a row, in each entry of the rows of ``like``.

        Parameters
        ----------
        a : array
            One number a row.
        like : array
            Of the shape of the rows; its values do not matter.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(SPREAD, (like, a), self.axis, self.where)

    def across(self, a: Array, like: Array) -> Array:
        """One number a class, in each of the rows of ``like``.

        Parameters
        ----------
        a : array
            One number a class.
        like : array
            Of the shape of the rows; its values do not matter.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(ACROSS, (like, a), self.axis, self.where)

    def pick(self, x: Array, index: Array) -> Array:
        """What each row has at its index.

        Parameters
        ----------
        x : array
            Of the shape of the rows.
        index : array of int
            One a row, of the kind ``INDEX``.

        Returns
        -------
        array
            ``x`` at the index, one number a row.
        """
        return self.bind(PICK, (x, index), self.axis, self.where)

    def place(self, a: Array, index: Array, like: Array) -> Array:
        """One number a row, at the index of the row, and 0 elsewhere.

        Parameters
        ----------
        a : array
            One number a row.
        index : array of int
            One a row, of the kind ``INDEX``.
        like : array
            Of the shape of the rows; its values do not matter.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(PLACE, (like, a, index), self.axis, self.where)

    def times(self, a: Array, b: Array) -> Array:
        """``a * b``, 0 where masked.

        Parameters
        ----------
        a : array
            Of the shape of the rows.
        b : array
            Of the shape of the rows.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(PRODUCT, (a, b), self.axis, self.where)

    def times_number(self, x: Array, factor: float) -> Array:
        """``factor * x`` of an array that has one number for each row.

        Parameters
        ----------
        x : array
            One number a row.
        factor : float
            The number.

        Returns
        -------
        array
            One number a row.
        """
        return self.bind(TIMES_NUMBER, (x,), None, None, {"factor": factor})

    def ratio(self, a: Array, b: Array) -> Array:
        """``a / b``, 0 where ``b`` is 0.

        Parameters
        ----------
        a : array
            Of the shape of the rows.
        b : array
            Of the shape of the rows.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(RATIO, (a, b), self.axis, self.where)

    def tanh(self, z: Array) -> Array:
        """``tanh(z / cap)`` with the soft cap of the function, 0 where ``z`` is not finite.

        Parameters
        ----------
        z : array
            Logits, of the shape of the rows.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(TANH, (z,), self.axis, self.where, {"softcap": self.option("softcap", 0.0)})

    def minus(self, a: Array, b: Array) -> Array:
        """``a - b``, 0 where masked.

        Parameters
        ----------
        a : array
            Of the shape of the rows.
        b : array
            Of the shape of the rows.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(MINUS, (a, b), self.axis, self.where)

    def negative(self, x: Array) -> Array:
        """``-x``, 0 where masked; the sign of NaN stays.

        Parameters
        ----------
        x : array
            Of the shape of the rows.

        Returns
        -------
        array
            Of the shape of the rows.
        """
        return self.bind(NEGATIVE, (x,), self.axis, self.where)

    def times_each(self, a: Array, b: Array) -> Array:
        """``a * b`` of arrays that have one number for each row.

        Parameters
        ----------
        a : array
            One number a row.
        b : array
            One number a row.

        Returns
        -------
        array
            One number a row.
        """
        return self.bind(TIMES_EACH, (a, b), None, None)

    def total_each(self, g: Array, z: Array) -> Array:
        """The sum of the numbers that belong to the indices of each row of ``z``.

        Parameters
        ----------
        g : array
            One number for each index.
        z : array
            Of the shape of the rows; its values do not matter.

        Returns
        -------
        array
            ``sum(g)``, one number a row; ``g`` itself if there is one index a row.
        """
        return g if len(g.shape) < len(z.shape) else self.bind(TOTAL_EACH, (g,), self.axis, None)

    def spread_each(self, a: Array, like: Array, z: Array) -> Array:
        """One number for each row of ``z``, for each of its indices: in the shape of ``like``.

        Parameters
        ----------
        a : array
            One number a row.
        like : array
            One number for each index; its values do not matter.
        z : array
            Of the shape of the rows; its values do not matter.

        Returns
        -------
        array
            One number for each index; ``a`` itself if there is one index a row.
        """
        return a if len(like.shape) < len(z.shape) else self.bind(SPREAD_EACH, (like, a), self.axis, None)
