"""The short way of calls on arrays, as users make them: a compiled program for each combination of options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from lsmx.extend import LsmxError, Operation
from lsmx_jax.primitives import bind

Short = Callable[..., Any]


def direct(operation: Operation) -> Short:
    """The short way of an operation on arrays. Tracers, and calls with something wrong, go the long way."""
    programs: dict[Any, Short] = {}
    count = len(operation.names)

    def short(*given: Any) -> Any:
        arrays, (axis, where, dtype, out, *values) = given[:count], given[count:]
        args = arrays if where is None else (*arrays, where)
        kind = type(args[0])
        if dtype is not None or out is not None or isinstance(args[0], jax.core.Tracer):
            return None
        if any(type(x) is not kind for x in args[1:]) or any(value is not True and value is not False for value in values):
            return None
        if not (type(axis) is int or axis is None or (type(axis) is tuple and all(type(a) is int for a in axis))):
            return None
        key = axis, where is None, *values
        run = programs.get(key)
        if run is None:
            run = programs[key] = program(operation, axis, where is not None, values)
        try:
            return run(*args)
        except LsmxError:
            return None

    return short


def program(operation: Operation, axis: Any, masked: bool, values: list[Any]) -> Short:
    """The operation with these options."""
    options = dict(zip(operation.options, values, strict=False))

    def run(*args: Any) -> Any:
        return bind(operation, args[: len(args) - masked], axis, args[-1] if masked else None, options)

    run.__name__ = f"lsmx_{operation.name}"
    compiled: Short = jax.jit(run)
    return compiled


def unfollowed(short: Short, function: str, direction: str) -> Short:
    """The same: arrays that a transformation follows are of another type."""
    return short
