"""logsumexp: ``lse = m + ln sum exp(z - m)`` with ``m = max(z)``; its gradient is softmax, ``s = exp(z - lse)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition import exp
from lsmx._definition.function import Function, recall, remember
from lsmx._definition.ops import NAN, Array
from lsmx._definition.rows import Rows
from lsmx._definition.words import two_sum


class LogSumExp(Function):
    """Saves its input and its output."""

    residual = ("z", "output")
    reduces = True

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, keepdims: bool = False) -> Array:
        rows = Rows.of("z", z, axis, where)
        ops = rows.ops
        s = rows.sum_exp(rows.enter("z", z, absent=-float("inf")))

        # lse = max + L,  L = ln sum exp(z - max);  where the maximum is not finite, it is the answer
        L, low = s.log(ops)
        high, error = two_sum(s.m, L)
        lse = ops.where(s.defined, rows.flush(high + (error + low)), s.maximum)
        out = rows.leave_each(lse, keepdims)

        remember(ctx, axis, where)
        ctx.save_for_backward(z, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        z, output = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        g = rows.flush(rows.expand("grad_output", grad_output))

        # dz = g * s
        return rows.leave(rows.product(g, softmax(rows, z, output)), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        z, output = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        v = rows.flush(rows.enter("tangent", tangent, absent=0.0))

        # dlse = sum(s * v)
        high, _ = rows.sum(rows.product(softmax(rows, z, output), v))
        return rows.ops.xp.reshape(rows.ops.xp.astype(high, rows.dtype), output.shape)

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, z: Array, output: Array) -> tuple[Array, Array]:
        # g . J v = g sum(s v) with s = exp(z - lse):  by z, g s v;  by lse, - g sum(s v)
        return d.times(d.backward(g, z, output), v), -d.times_each(d.jvp(v, z, output), g)

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, z: Array, output: Array) -> tuple[Callable[[Array], Array], ...]:
        # g s:  g s dz,  - g s dlse
        return (lambda dz: d.times(d.backward(g, z, output), dz)), (lambda dlse: -d.backward(d.times_each(g, dlse), z, output))

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array, output: Array) -> tuple[Callable[[Array], Array], ...]:
        # sum(s v):  sum(s v dz),  - sum(s v) dlse
        return (lambda dz: d.jvp(d.times(v, dz), z, output)), (lambda dlse: -d.times_each(d.jvp(v, z, output), dlse))


def softmax(rows: Rows, z: Array, lse: Array) -> Array:
    """``exp(z - lse)``: 0 in a row of nothing but -inf, NaN in one with +inf or NaN."""
    ops = rows.ops
    x = rows.enter("z", z, absent=-float("inf"))
    lse = rows.expand("output", lse)
    finite = ops.xp.isfinite(lse)
    m = ops.where(finite, lse, 0.0)
    valid = finite & (x - m <= -ops.format.underflow)
    s = exp.exp(ops, exp.difference(ops, ops.where(valid, x, m), m)).value(ops)
    return ops.where(valid, s, ops.where(lse == -float("inf"), 0.0, NAN))
