"""Logits under a soft cap, ``y = cap tanh(z / cap)``, as a function: what second derivatives of the losses are composed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, keep, recall
from lsmx._definition.logits import Scaling, scaled, scaled_backward, scaled_jvp
from lsmx._definition.ops import Array
from lsmx._definition.rows import Rows


class CappedLogits(Function):
    """``dy = sech^2(z / cap) dz``."""

    residual = ("z",)
    widens = True

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, softcap: float = 0.0) -> Array:
        rows, absent = Rows.of("z", z, axis, where), -float("inf")
        out = rows.widened().leave(scaled(rows, rows.enter("z", z, absent), Scaling(softcap=softcap)), absent)
        keep(ctx, CappedLogits, (z,), out, axis, where, softcap=softcap)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        g = rows.flush(rows.widened().enter("grad_output", grad_output, absent=0.0))
        return rows.leave(scaled_backward(rows, rows.enter("z", z, absent=0.0), g, Scaling.of(ctx)), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        v = rows.flush(rows.enter("tangent", tangent, absent=0.0))
        dy = scaled_jvp(rows, rows.enter("z", z, absent=0.0), v, Scaling.of(ctx))
        return rows.widened().leave(dy, absent=0.0)

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, z: Array) -> tuple[Array]:
        # g . J v = sum(g sech^2 v):  by z, sech^2 (-2/cap) tanh g v
        return (d.backward(slope(d, z, g, v), z),)

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array) -> tuple[Callable[[Array], Array]]:
        return (lambda dz: d.jvp(slope(d, z, v, dz), z),)


def slope(d: Any, z: Array, a: Array, b: Array) -> Array:
    """``-2/cap tanh(z / cap) a b``: what ``a b sech^2`` changes by, over ``sech^2``."""
    found: Array = d.times_number(d.times(d.times(a, b), d.tanh(z)), -2.0 / d.option("softcap", 0.0))
    return found
