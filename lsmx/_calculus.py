"""From the rules of a ``Function`` to operations that know their derivatives, of every order."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lsmx._arithmetic.ops import Array
from lsmx._errors import BackendError
from lsmx._function import Context, Function, remember
from lsmx._functions.steps import EXP, PRODUCT, SUM
from lsmx._operation import Compute, Operation, Rule
from lsmx._registry import backend_for
from lsmx._validate import reduced_shape

if TYPE_CHECKING:
    from lsmx._operator import Operator


class Calculus:
    """What rules are written in: the operations of one function, under one autograd.

    Parameters
    ----------
    bind
        Computes an operation so that the autograd remembers it: called with the operation, its arrays, ``axis`` and ``where``.
    operation
        The one that is differentiated.
    axis, where
        The options of its call.
    """

    def __init__(self, bind: Callable[..., Array], operation: Operation, axis: Any, where: Array | None) -> None:
        self.bind, self.family, self.axis, self.where = bind, operation.family, axis, where

    def backward(self, grad_output: Array, *residual: Array) -> Array:
        """The function's VJP."""
        return self.bind(self.family["backward"], (grad_output, *residual), self.axis, self.where)

    def jvp(self, tangent: Array, *residual: Array) -> Array:
        """The function's JVP."""
        return self.bind(self.family["jvp"], (tangent, *residual), self.axis, self.where)

    def exp(self, log_p: Array) -> Array:
        """A probability from its logarithm."""
        return self.bind(EXP, (log_p,), self.axis, self.where)

    def sum(self, x: Array) -> Array:
        """The sum of each row, in each entry of the row."""
        return self.bind(SUM, (x,), self.axis, self.where)

    def times(self, a: Array, b: Array) -> Array:
        """``a * b``, 0 where masked."""
        return self.bind(PRODUCT, (a, b), self.axis, self.where)

    def times_each(self, a: Array, b: Array) -> Array:
        """``a * b`` of arrays that have one number for each row."""
        return self.bind(PRODUCT, (a, b), None, None)


def operations_of(operator: Operator) -> dict[str, Operation]:
    """A function's forward, backward, JVP and Jacobian as operations.

    With ``phi = g . J v`` the JVP is the derivative of ``phi`` by ``g``, and the VJP that by ``v``: each is linear in its vector,
    and the other one is its transpose. How the two change with the residual is for the function to say.
    """
    function, residual = operator.function, operator.function.residual

    def at(saved: Mapping[str, Array]) -> list[Array]:
        return [saved[name] for name in residual]

    def by_residual(i: int, g: str, v: str) -> Rule:
        """``w`` takes the place of the vector that the operation is linear in but does not have."""
        return lambda d, w, saved: function.by_residual(d, saved.get(g, w), saved.get(v, w), *at(saved))[i]

    def along(direction: str, i: int, vector: str) -> Rule:
        change = getattr(function, f"{direction}_along")
        return lambda d, v, saved: change(d, saved[vector], *at(saved))[i](v)

    def backward_rule(d: Calculus, g: Array, saved: Mapping[str, Array]) -> Array:
        return d.backward(g, *at(saved))

    def jvp_rule(d: Calculus, v: Array, saved: Mapping[str, Array]) -> Array:
        return d.jvp(v, *at(saved))

    def reduced(*shapes: tuple[Any, ...], axes: tuple[int, ...], **options: Any) -> tuple[Any, ...]:
        return function.shape(shapes[-1], axes, **options)

    def output_shape(*shapes: tuple[Any, ...], axes: tuple[int, ...]) -> tuple[Any, ...]:
        return shapes[1 + residual.index("output")] if "output" in residual else function.shape(shapes[1], axes)

    def square(*shapes: tuple[Any, ...], axes: tuple[int, ...]) -> tuple[Any, ...]:
        n = math.prod(shapes[0][a] for a in axes)
        return (*reduced_shape(shapes[0], axes, keepdims=False), n, n)

    def accepts(name: str, rows: tuple[Any, ...], axes: tuple[int, ...]) -> list[tuple[Any, ...]]:
        if name in ("z", "tangent") or function.shape(rows, axes) == rows:
            return [rows]
        return [reduced_shape(rows, axes, keepdims) for keepdims in (False, True)]

    def made(direction: str, vectors: tuple[str, ...], shape: Callable[..., Any], **rules: Any) -> Operation:
        name = operator.name if direction == "forward" else f"{operator.name}_{direction}"
        names = vectors if direction == "forward" else (*vectors, *residual)
        rows = 0 if direction == "forward" else len(vectors)
        return Operation(name, names, rows, computed_by(operator, direction, rows), shape, accepts, family=family, **rules)

    family: dict[str, Operation] = {}
    indices = dict(enumerate(residual)).items()
    family |= {
        "forward": made(
            "forward",
            ("z",),
            reduced,
            options=options_of(function),
            saves=residual,
            pull={"z": backward_rule},
            push={"z": jvp_rule},
        ),
        "backward": made(
            "backward",
            ("grad_output",),
            lambda *shapes, axes: shapes[1],
            saves=("grad_output", *residual),
            pull={"grad_output": jvp_rule} | {name: by_residual(i, "grad_output", "") for i, name in indices},
            push={"grad_output": backward_rule} | {name: along("backward", i, "grad_output") for i, name in indices},
        ),
        "jvp": made(
            "jvp",
            ("tangent",),
            output_shape,
            saves=("tangent", *residual),
            pull={"tangent": backward_rule} | {name: by_residual(i, "", "tangent") for i, name in indices},
            push={"tangent": jvp_rule} | {name: along("jvp", i, "tangent") for i, name in indices},
        ),
        "jacobian": made("jacobian", (), square),
    }
    return family


def options_of(function: type[Function]) -> dict[str, Any]:
    """The options of a function beside ``axis`` and ``where``, with their defaults."""
    parameters = inspect.signature(function.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("axis", "where")}


def computed_by(operator: Operator, direction: str, vectors: int) -> Compute:
    """A direction of a function, as an operation computes it: of the arrays some are vectors, and the rest is the residual."""

    def forward(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any], out: Array | None) -> Array:
        ctx = Context()
        ctx.out = out
        result = operator.run("forward", backend_for(arrays[0]), ctx, arrays, {"axis": axis, "where": where, **options})
        inputs = [x is arrays[0] and x is not result for x in ctx.saved_tensors]
        if inputs and inputs != [name == "z" for name in operator.function.residual]:
            raise BackendError(
                f"{operator.name}: forward saves other arrays than the class says: residual = {operator.function.residual!r}"
            )
        return result

    def derivative(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any], out: Array | None) -> Array:
        ctx = Context(*arrays[vectors:])
        remember(ctx, axis, where)
        ctx.out = out
        return operator.run(direction, backend_for(arrays[-1]), ctx, arrays[:vectors], options)

    return forward if direction == "forward" else derivative
