"""logsumexp of logits with a temperature or a soft cap: ``lse(x)``; its gradient by x is ``softmax(x)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import PER_ROW, ROW_SUMS
from lsmx._definition.logits import Scaling
from lsmx._definition.logsumexp import LogSumExp, lse_of
from lsmx._definition.ops import Array
from lsmx._definition.row import INF, AtLogits, Row


class ScaledLogSumExp(Function):
    """Saves its input and nothing else."""

    optional = {"temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z",)
    reduces = True
    widens = True

    @staticmethod
    def forward(
        ctx: Any,
        z: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        temperature: Any = 1.0,
        softcap: float = 0.0,
        row_sums: Any = None,
    ) -> Array:
        by = Scaling(temperature, softcap, row_sums)
        row = Row.of("z", z, axis, where, by)
        out = row.leave_each(lse_of(row.rows, row.sums, row.L))
        keep(ctx, ScaledLogSumExp, (z,), out, axis, where, **by.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        row = Row.at(ctx, z)

        # dx = g s
        return row.leave(row.rows.product(row.cotangent("grad_output", grad_output), weights(row)))

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        row = Row.at(ctx, z)

        # dlse = sum(s v)
        return row.along(tangent, weights(row))

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, z: Array) -> tuple[Array]:
        at = AtLogits(d, "logsumexp", z)
        return (at.back(*LogSumExp.by_residual(d.of("logsumexp"), g, at.tangent(v), at.x)),)

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array) -> tuple[Callable[[Array], Array]]:
        at = AtLogits(d, "logsumexp", z)
        (change,) = LogSumExp.jvp_along(d.of("logsumexp"), at.tangent(v), at.x)
        return (lambda dz: change(at.tangent(dz)),)


def weights(row: Row) -> Array:
    """``s``, 0 in a row of nothing but -inf."""
    return row.rows.ops.where(row.sums.maximum == -INF, 0.0, row.softmax())
