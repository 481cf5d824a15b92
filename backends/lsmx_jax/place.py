"""Where a primitive is lowered for: kernels on the host are for the host alone, one device of it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import jax
from jax.interpreters import mlir

_place: ContextVar[tuple[str, int] | None] = ContextVar("lsmx_jax_place", default=None)


def lowering(compute: Callable[..., Any]) -> Callable[..., Any]:
    """How ``compute`` is lowered, for any platform."""
    lower = mlir.lower_fun(compute, multiple_results=False)

    def rule(ctx: Any, *args: Any, **params: Any) -> Any:
        ctx = ctx.replace(avals_in=[jax.core.ShapedArray(a.shape, a.dtype) for a in ctx.avals_in])  # XLA divides what is computed
        module = ctx.module_context
        platforms = ctx.platforms or module.platforms
        count = 0 if module.lowering_parameters.for_export else getattr(module.axis_context, "num_devices", 0)
        token = _place.set((",".join(platforms), count))
        try:
            return lower(ctx, *args, **params)
        finally:
            _place.reset(token)

    return rule


def elsewhere(x: Any) -> str | None:
    """Why an array is not in the host's memory, or not in one piece; or None."""
    place = _place.get()
    if place is None and isinstance(x, jax.core.Tracer):
        return "being traced: what runs is chosen when it is compiled"
    platform, count = place or (",".join(sorted({d.platform for d in x.devices()})), len(x.devices()))
    if platform != "cpu":
        return f"for {platform}, not in the host's memory"
    return None if count == 1 else f"for {count or 'other'} devices, to be divided by XLA or to be exported"
