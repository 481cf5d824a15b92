"""logsumexp of logits with a temperature or a soft cap: ``lse(x)``; its gradient by x is ``softmax(x)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import keep
from lsmx._definition.kinds import PER_ROW, ROW_SUMS
from lsmx._definition.logits import Scaling
from lsmx._definition.logsumexp import LogSumExp, lse_of
from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import Array
from lsmx._definition.row import INF, Row


class ScaledLogSumExp(OfScaledLogits):
    """Saves its input and nothing else."""

    optional = {"temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z",)
    plain = "logsumexp"
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
    def by_logits(cls, d: Any, g: Array, v: Array, /, x: Array) -> tuple[Array]:
        return LogSumExp.by_residual(d, g, v, x)

    @classmethod
    def along_logits(cls, d: Any, v: Array, /, x: Array) -> tuple[Callable[[Array], Array]]:
        return LogSumExp.jvp_along(d, v, x)


def weights(row: Row) -> Array:
    """The softmax, which is the gradient; 0 in a row of nothing but -inf."""
    return row.rows.ops.where(row.sums.maximum == -INF, 0.0, row.softmax())
