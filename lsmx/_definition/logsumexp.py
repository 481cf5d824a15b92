"""logsumexp: ``lse = m + ln sum exp(z - m)`` with ``m = max(z)``; its gradient is softmax, ``s = softmax(z)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, recall, remember
from lsmx._definition.ops import Array
from lsmx._definition.rows import Rows, SumExp
from lsmx._definition.softmax import softmax_of
from lsmx._definition.words import Words, two_sum


class LogSumExp(Function):
    """Saves its input and nothing else."""

    residual = ("z",)
    reduces = True

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, keepdims: bool = False) -> Array:
        rows = Rows.of("z", z, axis, where)
        s = rows.sum_exp(rows.enter("z", z, absent=-float("inf")))
        out = rows.leave_each(lse_of(rows, s, s.log(rows.ops)), keepdims)

        remember(ctx, axis, where, **({"keepdims": keepdims} if keepdims else {}))
        ctx.save_for_backward(z)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        g = rows.flush(rows.expand("grad_output", grad_output))

        # dz = g * s
        return rows.leave(rows.product(g, softmax(rows, z)), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        v = rows.flush(rows.enter("tangent", tangent, absent=0.0))

        # dlse = sum(s * v)
        high, _ = rows.sum(rows.product(softmax(rows, z), v))
        return rows.leave_each(high, getattr(ctx, "keepdims", False))

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, z: Array) -> tuple[Array]:
        # g . J v = g sum(s v):  by z, g s (v - sum(s v))
        return (d.times(d.backward(g, z), d.minus(v, d.spread(d.jvp(v, z), z))),)

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array) -> tuple[Callable[[Array], Array]]:
        # sum(s v):  sum(s dz (v - sum(s v)))
        return (lambda dz: d.jvp(d.times(dz, d.minus(v, d.spread(d.jvp(v, z), z))), z),)


def lse_of(rows: Rows, s: SumExp, L: Words) -> Array:
    """``lse = m + L``, ``L = ln sum exp(z - m)``; where the maximum is not finite, it is the answer."""
    high, error = two_sum(rows.flush(s.m), L[0])
    return rows.ops.where(s.defined, rows.flush(high + rows.flush(rows.flush(error) + L[1])), s.maximum)


def softmax(rows: Rows, z: Array) -> Array:
    """``softmax(z)`` in the format: 0 in a row of nothing but -inf, NaN in one with +inf or NaN."""
    x = rows.enter("z", z, absent=-float("inf"))
    s = rows.sum_exp(x)
    return rows.ops.where(s.maximum == -float("inf"), 0.0, softmax_of(rows, x, s))
