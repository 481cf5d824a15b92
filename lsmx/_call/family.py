"""A function's directions as operations that know their derivatives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lsmx._call.calculus import Calculus, Family
from lsmx._call.functions import operators
from lsmx._call.operation import JACOBIAN, Beforehand, Bind, Compute, Operation, Options, Rule
from lsmx._call.plan import plan
from lsmx._call.registry import PARTS, _forced, backend_at_work, computed
from lsmx._definition.checks import normal_axes, row_length
from lsmx._definition.function import Context, Function, remember
from lsmx._definition.kinds import ROW_SUMS, ROWS, Kind
from lsmx._definition.ops import Array
from lsmx._errors import BackendError

if TYPE_CHECKING:
    from lsmx._call.operator import Operator

FEW_ELEMENTS = 2**14
"""With no more elements than this, computing the sums of rows a second time is cheaper than keeping them."""
SHORT = 192
"""Rows of fewer elements are computed many at once by the compiled core, one in each lane of a vector."""


def operations_of(operator: Operator) -> Family:
    """A function's forward, backward, JVP and Jacobian as operations; and backward and JVP of 16-bit rows, if they are others."""
    function = operator.function
    family: dict[str, Operation] = {}
    derivatives = directions_of(operator, function, family)
    forward = Operation(
        name=operator.full_name,
        takes={**function.takes, **kinds_given(operator)},
        rows=next(iter(function.takes)),
        compute=forward_of(operator),
        result=function.shaped or function.result(),
        options=options_of(function, operator.given),
        saves=(*function.residual, *operator.given),
        widens=function.widens,
        pull=rules_of(operator, function, "backward"),
        push=rules_of(operator, function, "jvp"),
        inert=constants(operator) if function.gradients else (*function.takes, *operator.given),
        family=family,
        beforehand=None if function.narrow else sums_beforehand(operator),
    )
    if function.narrow is not None:
        suffix = suffix_of(function.narrow)
        derivatives |= directions_of(operator, function.narrow, family, suffix)
        forward = replace(
            forward,
            narrow=replace(
                forward,
                saves=(*function.narrow.residual, *operator.given),
                pull=rules_of(operator, function.narrow, "backward", suffix),
                push=rules_of(operator, function.narrow, "jvp", suffix),
                beforehand=sums_beforehand(operator),
            ),
        )
    family["forward"] = forward
    family.update(derivatives)
    return family


def kinds_given(operator: Operator) -> dict[str, Kind]:
    """The options that are arrays, by name."""
    return {name: operator.function.optional[name] for name in operator.given}


def constants(operator: Operator) -> tuple[str, ...]:
    """Names of arrays that are redundant, such as ``row_sums``: no derivative goes through them."""
    return tuple(name for name, kind in kinds_given(operator).items() if kind is ROW_SUMS)


def too_few(shape: tuple[Any, ...], axis: Any, narrow: bool) -> bool:
    """Whether rows are so few and short that finding sums twice costs less than another call; False for unknown sizes."""
    if not all(type(n) is int for n in shape):
        return False
    return math.prod(shape) < FEW_ELEMENTS or (narrow and row_length(shape, normal_axes(axis, len(shape))) < SHORT)


def sums_beforehand(operator: Operator) -> Beforehand | None:
    """What computes `row_sums` before a function that takes them, so that its derivatives need not walk the rows for them again."""
    if "row_sums" not in operator.function.optional or "row_sums" in operator.given:
        return None

    def beforehand(
        bind: Bind, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options
    ) -> tuple[Operation, tuple[Array, ...]]:
        own, shape = operator.operations["forward"], tuple(arrays[0].shape)
        if not shape or (_forced.get() != PARTS and too_few(shape, axis, operator.function.narrow is not None)):
            return own, arrays
        sums = operators["row_sums"]
        find = sums.variants[tuple(name for name in operator.given if name in sums.function.optional)].operations["forward"]
        at = dict(zip(own.names, arrays, strict=True))
        known = {name: value for name, value in options.items() if name in find.options}
        found = bind(find, tuple(at[name] for name in find.names), axis, where, known)
        return operators[operator.name].variants[(*operator.given, "row_sums")].operations["forward"], (*arrays, found)

    return beforehand


def suffix_of(narrow: type[Function]) -> str:
    """The suffix of its directions' names, as in ``backward_z``."""
    return f"_{'_'.join(narrow.residual)}"


def rules_of(operator: Operator, function: type[Function], direction: str, suffix: str = "") -> dict[str, Rule]:
    """The VJPs or JVPs of a function's value, by argument: its ``backward`` or ``jvp``."""
    one, saves = len(function.gradients) == 1, (*function.residual, *operator.given)

    def rule(z: str) -> Rule:
        key = f"{direction}{suffix}" if one else f"{direction}{suffix} {z}"
        return lambda d, vector, saved: d.direction(key, (vector, *map(saved.__getitem__, saves)))

    return {z: rule(z) for z in function.gradients}


def directions_of(operator: Operator, function: type[Function], family: Family, suffix: str = "") -> dict[str, Operation]:
    """The derivatives of a function as operations, called ``backward`` and so on, and the suffix.

    With ``phi = g . J v`` the JVP is the derivative of ``phi`` by ``g``, and the VJP that by ``v``: each is linear in its vector,
    and the other one is its transpose. How the two change with the residual is for the function to say.
    """
    takes, residual, gradients = function.takes, function.residual, function.gradients
    output, widens = operator.function.result(), operator.function.widens
    options, given = options_of(operator.function, operator.given), kinds_given(operator)
    kinds = {**takes, "output": output}
    rows = next((name for name in residual if kinds[name] is ROWS), None)
    moving = [(i, name) for i, name in enumerate(residual) if (name in gradients and not function.linear) or name == "output"]
    one = len(gradients) == 1
    found: dict[str, Operation] = {}
    vjps, jvps = rules_of(operator, function, "backward", suffix), rules_of(operator, function, "jvp", suffix)

    def at(saved: Mapping[str, Array]) -> list[Array]:
        return list(map(saved.__getitem__, residual))

    def with_given(d: Calculus, saved: Mapping[str, Array]) -> Calculus:
        return d.at({name: saved[name] for name in given})

    def tangents(z: str, v: Array) -> list[Array | None]:
        return [v if name == z else None for name in gradients]

    def made(direction: str, by: str, vector: dict[str, Any], result: Any, **rules: Any) -> None:
        key = f"{direction}{suffix}" if one or not by else f"{direction}{suffix} {by}"
        found[key] = Operation(
            name=f"{operator.full_name}_{key.replace(' ', '_')}",
            takes={**vector, **{name: kinds[name] for name in residual}, **given},
            rows=rows or next(iter(vector)),
            compute=derivative_of(operator, f"{direction}{suffix}", by),
            result=result,
            options=options,
            inert=residual if function.linear else constants(operator),
            family=family,
            **rules,
        )

    def backward(z: str) -> None:
        def by_residual(i: int) -> Rule:
            """The derivative of ``w . backward(g)``, which is ``g . J w``, by an array of the residual."""
            return lambda d, w, saved: function.by_residual(
                with_given(d, saved), saved["grad_output"], *tangents(z, w), *at(saved)
            )[i]

        def along(i: int) -> Rule:
            """The change of ``backward(g)`` as an array of the residual moves."""

            def rule(d: Calculus, move: Array, saved: Mapping[str, Array]) -> Array:
                change = function.backward_along(with_given(d, saved), saved["grad_output"], *at(saved))[i](move)
                return change if one else change[gradients.index(z)]

            return rule

        made(
            "backward",
            z,
            {"grad_output": output},
            z if z in residual else ROWS if takes[z] is ROWS else takes[z],
            saves=("grad_output", *residual, *given),
            pull={"grad_output": jvps[z]} | {name: by_residual(i) for i, name in moving},
            push={"grad_output": vjps[z]} | {name: along(i) for i, name in moving},
        )

    def jvp(z: str) -> None:
        def by_residual(i: int) -> Rule:
            """The derivative of ``w . J v`` by an array of the residual."""
            return lambda d, w, saved: function.by_residual(with_given(d, saved), w, *tangents(z, saved["tangent"]), *at(saved))[i]

        def along(i: int) -> Rule:
            """The change of ``J v`` as an array of the residual moves."""

            def rule(d: Calculus, move: Array, saved: Mapping[str, Array]) -> Array:
                changes: Any = function.jvp_along(with_given(d, saved), *tangents(z, saved["tangent"]), *at(saved))
                return changes[i](move)

            return rule

        made(
            "jvp",
            z,
            {"tangent": takes[z]},
            "output" if "output" in residual else function.shaped or output,
            saves=("tangent", *residual, *given),
            widens=widens,
            pull={"tangent": vjps[z]} | {name: by_residual(i) for i, name in moving},
            push={"tangent": jvps[z]} | {name: along(i) for i, name in moving},
        )

    for z in gradients:
        backward(z)
        jvp(z)
    if residual and not suffix and not given:
        made("jacobian", "", {}, JACOBIAN)
    return found


def options_of(function: type[Function], given: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options beside ``axis``, ``where`` and those that are ``given`` as arrays, with their defaults.

    An option that is None by default is an array, or is not there.
    """
    parameters, others = inspect.signature(function.forward).parameters.values(), ("axis", "where", *given)
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in others and p.default is not None}


def forward_of(operator: Operator) -> Compute:
    """The value, as an operation computes it."""
    function, n = operator.function, len(operator.function.takes)

    def forward(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options, out: Array | None) -> Array:
        if operator.given:
            arrays, options = arrays[:n], {**options, **dict(zip(operator.given, arrays[n:], strict=True))}
        short = computed.get((operator.name, "forward", type(arrays[0])))
        if short is not None and _forced.get() is None:
            value = short(*arrays, axis, where, None, out, *options.values())
            if value is not None:
                return value
        ctx = Context()
        ctx.out = out
        given = {"axis": axis, "where": where, **options}
        result = plan(operator, "forward", backend_at_work(arrays[0]), ctx, arrays, given).run()
        at = {"output": result, **dict(zip(function.takes, arrays, strict=True))}
        for name, x in zip(function.residual, ctx.saved_tensors, strict=False):
            if x is not at[name] and any(x is y for y in at.values()):
                raise BackendError(
                    f"{operator.name}: forward saves other arrays than the class says: residual = {function.residual!r}"
                )
        return result

    return forward


def derivative_of(operator: Operator, direction: str, by: str) -> Compute:
    """A direction of a function, along one of its arguments: of the arrays the first is a vector, and the rest is the residual."""
    gradients, defaults = operator.function.gradients, options_of(operator.function, operator.given)
    vectors = 0 if direction == "jacobian" else 1
    several = len(gradients) > 1
    reverse = direction.startswith("backward")

    def derivative(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options, out: Array | None) -> Array:
        given: dict[str, Array] = {}
        if operator.given:
            n = len(arrays) - len(operator.given)
            arrays, given = arrays[:n], dict(zip(operator.given, arrays[n:], strict=True))
        short = computed.get((operator.name, direction, type(arrays[0])))
        if short is not None and _forced.get() is None:
            value = short(*arrays, axis, where, None, out, *options.values(), *given.values())
            if value is not None:
                return value
        ctx = Context(*arrays[vectors:])
        changed = {name: value for name, value in options.items() if value != defaults[name]} if options else {}
        remember(ctx, axis, where, **changed, **given)
        ctx.out = out
        moving = arrays[:vectors]
        if several and reverse:
            ctx.needs_input_grad = tuple(name == by for name in gradients)
        if several and vectors and not reverse:
            moving = tuple(arrays[0] if name == by else None for name in gradients)
        result = plan(operator, direction, backend_at_work(arrays[-1]), ctx, moving, {}).run()
        return result[gradients.index(by)] if several and reverse else result

    return derivative
