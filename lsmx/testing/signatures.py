"""What can be read from the signature of somebody's own function; and rules that take a context."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from lsmx.extend import Array, Context


def with_context(rule: Callable[..., Any]) -> Callable[..., Any]:
    """``rule(ctx, grad_output)`` as ``backward(grad_output, *saved)``; of several gradients the first if the rest are None."""

    def backward(g: Array, *saved: Array) -> Any:
        needs = (True, *(False for _ in saved))
        result = rule(Context(*saved, axis=-1, dim=-1, needs_input_grad=needs), g)
        several = isinstance(result, tuple) and len(result) > 0
        return result[0] if several and all(rest is None for rest in result[1:]) else result

    return backward


def parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a callable; none if it does not tell."""
    try:
        return list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return []


def keywords(call: Callable[..., Any]) -> set[str]:
    """The names that a callable takes as keywords, ``**`` if it takes any."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {p.name for p in parameters(call) if p.kind in by_name}
    return names | {"**" for p in parameters(call) if p.kind is inspect.Parameter.VAR_KEYWORD}
