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
    bind
        Computes an operation so that the autograd can differentiate it: called with the operation, its arrays, ``axis``, ``where``
        and the further options.
    family
        The operations of the function that is differentiated.
    axis, where, options
        The options of its call.
    given
        Those that are arrays, in the order of the function's operations.
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
        """The same where some options are arrays."""
        return Calculus(self.bind, self.family, self.axis, self.where, self.options, given) if given else self

    def option(self, name: str, default: Any) -> Any:
        """An option of the call."""
        return self.given.get(name, self.options.get(name, default))

    def of(self, name: str) -> Calculus:
        """Another registered function, along the same rows."""
        return Calculus(self.bind, operators[name].operations, self.axis, self.where)

    def beside(self, name: str, without: tuple[str, ...] = ()) -> Calculus:
        """Another registered function along the same rows, with those of the same options that it has, ``without`` some."""
        variants = operators[name].variants
        optional = operators[name].function.optional.keys() - set(without)
        given = {option: x for option, x in self.given.items() if option in optional}
        options = {option: value for option, value in self.options.items() if option not in without}
        return Calculus(self.bind, variants[tuple(given)].operations, self.axis, self.where, options, given)

    def direction(self, direction: str, arrays: tuple[Array, ...]) -> Array:
        """One of the function's own operations."""
        operation = self.family[direction]
        options = self.options
        if options:
            options = {name: value for name, value in options.items() if name in operation.options}
        return self.bind(operation, (*arrays, *self.given.values()), self.axis, self.where, options)

    def forward(self, *arrays: Array) -> Array:
        """The function itself."""
        return self.direction("forward", arrays)

    def backward(self, grad_output: Array, *residual: Array, by: str = "") -> Array:
        """The function's VJP, along the argument ``by`` if there are several gradients."""
        return self.direction(f"backward {by}" if by else "backward", (grad_output, *residual))

    def jvp(self, tangent: Array, *residual: Array, by: str = "") -> Array:
        """The function's JVP, of the argument ``by`` if several have tangents."""
        return self.direction(f"jvp {by}" if by else "jvp", (tangent, *residual))

    def exp(self, log_p: Array) -> Array:
        """A probability from its logarithm."""
        return self.bind(EXP, (log_p,), self.axis, self.where)

    def sum(self, x: Array) -> Array:
        """The sum of each row, in each entry of the row."""
        return self.bind(SUM, (x,), self.axis, self.where)

    def times_exp(self, a: Array, log_p: Array) -> Array:
        """``a * exp(log_p)`` with a probability from its logarithm, 0 where masked."""
        return self.bind(TIMES_EXP, (a, log_p), self.axis, self.where)

    def times_sum(self, a: Array, x: Array) -> Array:
        """``a`` times the sum of each row of ``x``, 0 where masked."""
        return self.bind(TIMES_SUM, (a, x), self.axis, self.where)

    def total(self, x: Array) -> Array:
        """The sum of each row, as one number a row."""
        return self.bind(TOTAL, (x,), self.axis, self.where)

    def spread(self, a: Array, like: Array) -> Array:
        """One number a row, in each entry of the rows of ``like``."""
        return self.bind(SPREAD, (like, a), self.axis, self.where)

    def across(self, a: Array, like: Array) -> Array:
        """One number a class, in each of the rows of ``like``."""
        return self.bind(ACROSS, (like, a), self.axis, self.where)

    def pick(self, x: Array, index: Array) -> Array:
        """What each row has at its index."""
        return self.bind(PICK, (x, index), self.axis, self.where)

    def place(self, a: Array, index: Array, like: Array) -> Array:
        """One number a row, at the index of the row, and 0 elsewhere."""
        return self.bind(PLACE, (like, a, index), self.axis, self.where)

    def times(self, a: Array, b: Array) -> Array:
        """``a * b``, 0 where masked."""
        return self.bind(PRODUCT, (a, b), self.axis, self.where)

    def times_number(self, x: Array, factor: float) -> Array:
        """``factor * x`` of an array that has one number for each row."""
        return self.bind(TIMES_NUMBER, (x,), None, None, {"factor": factor})

    def ratio(self, a: Array, b: Array) -> Array:
        """``a / b``, 0 where ``b`` is 0."""
        return self.bind(RATIO, (a, b), self.axis, self.where)

    def tanh(self, z: Array) -> Array:
        """``tanh(z / cap)`` with the soft cap of the function, 0 where ``z`` is not finite."""
        return self.bind(TANH, (z,), self.axis, self.where, {"softcap": self.option("softcap", 0.0)})

    def minus(self, a: Array, b: Array) -> Array:
        """``a - b``, 0 where masked."""
        return self.bind(MINUS, (a, b), self.axis, self.where)

    def negative(self, x: Array) -> Array:
        """``-x``, 0 where masked; the sign of NaN stays."""
        return self.bind(NEGATIVE, (x,), self.axis, self.where)

    def times_each(self, a: Array, b: Array) -> Array:
        """``a * b`` of arrays that have one number for each row."""
        return self.bind(TIMES_EACH, (a, b), None, None)

    def total_each(self, g: Array, z: Array) -> Array:
        """The sum of the numbers that belong to the indices of each row of ``z``."""
        return g if len(g.shape) < len(z.shape) else self.bind(TOTAL_EACH, (g,), self.axis, None)

    def spread_each(self, a: Array, like: Array, z: Array) -> Array:
        """One number for each row of ``z``, for each of its indices: in the shape of ``like``."""
        return a if len(like.shape) < len(z.shape) else self.bind(SPREAD_EACH, (like, a), self.axis, None)
