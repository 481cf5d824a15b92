"""The sum of one number a row, over a divisor: ``[round(sum v) / d]``, the same for every split and order of the rows."""

from __future__ import annotations

from typing import Any

from lsmx._definition.checks import row_length
from lsmx._definition.function import Function, keep, recall
from lsmx._definition.kinds import PER_ROW, ROWS
from lsmx._definition.ops import NAN, Array
from lsmx._definition.products import quotient
from lsmx._definition.rows import Rows
from lsmx._definition.totals import total


class Mean(Function):
    """The mean of ``v`` over all axes but those of ``vmap``. A divisor of 0 gives NaN or 0, as asked for, and a gradient of 0."""

    takes = {"v": ROWS, "divisor": PER_ROW}  # noqa: RUF012
    gradients = ("v",)
    residual = ("v", "divisor")
    reduces = True
    linear = True

    @staticmethod
    def forward(
        ctx: Any, v: Array, divisor: Array, /, *, axis: Any = None, where: Array | None = None, zero_if_empty: bool = False
    ) -> Array:
        rows = Rows.of("v", v, axis, where)
        ops = rows.ops
        x = flat(rows, rows.enter("v", v, absent=0.0))
        d = rows.expand("divisor", divisor)
        some = divides(rows, d)

        # [round(sum v) / d]
        value = quotient(ops, ops.xp.reshape(total(ops, x), d.shape), ops.where(some, d, 1.0))
        value = ops.where(some, value, ops.where(d == 0.0, 0.0 if zero_if_empty else NAN, NAN))
        out = rows.leave_each(value)
        keep(ctx, Mean, (v, divisor), out, axis, where)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        v, divisor = ctx.saved_tensors
        rows = Rows.of("v", v, *recall(ctx))

        # dv = [g / d], 0 for an empty mean
        u = share(rows, rows.flush(rows.expand("grad_output", grad_output)), divisor)
        return rows.leave(rows.ops.xp.broadcast_to(u, rows.shape), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        v, divisor = ctx.saved_tensors
        rows = Rows.of("v", v, *recall(ctx))

        # [sum(tangent) / d], 0 for an empty mean
        moved, _ = rows.sum(rows.flush(rows.enter("tangent", tangent, absent=0.0)))
        return rows.leave_each(share(rows, moved, divisor))


def flat(rows: Rows, x: Array) -> Array:
    """The reduced axes as one, the last."""
    xp, kept = rows.ops.xp, [a for a in range(len(rows.shape)) if a not in rows.axes]
    moved = xp.permute_dims(x, (*kept, *rows.axes)) if kept else x
    return xp.reshape(moved, (*(rows.shape[a] for a in kept), row_length(rows.shape, rows.axes)))


def share(rows: Rows, g: Array, divisor: Array) -> Array:
    """``[g / d]``, 0 where d is 0, and NaN where it is negative, too small or too large."""
    ops, d = rows.ops, rows.expand("divisor", divisor)
    some = divides(rows, d)
    return ops.where(some, quotient(ops, g, ops.where(some, d, 1.0)), ops.where(d == 0.0, 0.0, NAN))


def divides(rows: Rows, d: Array) -> Array:
    """Whether a number is a positive divisor that the quotient is defined for."""
    fmt = rows.ops.format
    return (d >= fmt.least) & (d < 2.0**fmt.huge)
