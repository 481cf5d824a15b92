"""Makes primitives of HIPS autograd of the operations of lsmx, by ``defvjp`` and ``defjvp``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from autograd.extend import defjvp, defvjp, primitive
from autograd.tracer import getval, isbox

from lsmx.extend import Calculus, Operation
from lsmx_autograd import namespace


def bind(
    operation: Operation,
    arrays: tuple[Any, ...],
    axis: Any,
    where: Any = None,
    options: Mapping[str, Any] | None = None,
    out: Any = None,
) -> Any:
    """An operation by its primitive. ``out`` is left alone: the result belongs to the autograd."""
    if operation.beforehand is not None and any(map(isbox, arrays)):
        operation, arrays = operation.beforehand(bind, arrays, axis, where, dict(options or {}))
    return primitive_of(operation)(*arrays, axis=axis, where=where, options=dict(options or {}))


def unboxed(x: Any) -> Any:
    """The array in all its boxes."""
    while isbox(x):
        x = getval(x)
    return x


@functools.cache
def primitive_of(operation: Operation) -> Callable[..., Any]:
    """The primitive of an operation, with its rules along each argument."""

    @primitive  # type: ignore[untyped-decorator]
    def f(*arrays: Any, axis: Any, where: Any, options: dict[str, Any]) -> Any:
        return operation.compute(tuple(map(np.asarray, arrays)), axis, where, options, None)  # NumPy makes scalars of 0-d arrays

    if not operation.moving:  # nothing to follow: not even a box is left around the result

        def plain(*arrays: Any, axis: Any, where: Any, options: dict[str, Any]) -> Any:
            return operation.compute(tuple(np.asarray(unboxed(x)) for x in arrays), axis, where, options, None)

        return plain

    def given(
        output: Any, arrays: tuple[Any, ...], axis: Any, where: Any, options: dict[str, Any]
    ) -> tuple[Operation, Calculus, dict[str, Any]]:
        rules = operation.on(arrays)
        return rules, Calculus(bind, operation.family, axis, where, options), rules.saved(arrays, output)

    def vjp(name: str) -> Callable[..., Any] | None:
        def maker(output: Any, *arrays: Any, **options: Any) -> Callable[[Any], Any]:
            rules, d, at = given(output, arrays, **options)
            return lambda cotangent: rules.rule("pull", name)(d, cast(cotangent, output), at)

        return maker if operation.moves(name) else None

    def jvp(name: str) -> Callable[..., Any] | None:
        def push(tangent: Any, output: Any, *arrays: Any, **options: Any) -> Any:
            rules, d, at = given(output, arrays, **options)
            return rules.rule("push", name)(d, cast(tangent, output), at)

        return push if operation.moves(name) else None

    def cast(vector: Any, output: Any) -> Any:
        """To the dtype of the result: Autograd lets dtypes mix."""
        return vector if vector.dtype == output.dtype else namespace.astype(vector, output.dtype)

    defvjp(f, *map(vjp, operation.names))
    defjvp(f, *map(jvp, operation.names))
    made: Callable[..., Any] = f
    return made
