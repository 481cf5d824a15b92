"""The sum of exponentials of each row, ``sum(exp(x - m)) = 1 + R``, in the parts that a function and its derivatives need of it.

They are found by two walks over the row; given to `log_prob` and the others, they are not looked for again.
"""

from __future__ import annotations

from typing import Any

from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import PARTS, PER_ROW, ROW_SUMS
from lsmx._definition.logits import Scaling
from lsmx._definition.ops import Array
from lsmx._definition.row import INF, Row
from lsmx._errors import ShapeError


class RowSums(Function):
    """Four numbers a row: the maximum ``m``, the second largest logit, and ``R`` in two words. No gradient goes through them."""

    gradients = ()
    optional = {"temperature": PER_ROW}  # noqa: RUF012
    residual = ()
    gives = ROW_SUMS
    widens = True

    @staticmethod
    def forward(
        ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, temperature: Any = 1.0, softcap: float = 0.0
    ) -> Array:
        by = Scaling(temperature, softcap)
        row = Row.of("z", z, axis, where, by)
        if not row.rows.axes:
            raise ShapeError("z: shape (), but the sums of its rows lie along an axis of them; give it one")
        ops, s = row.rows.ops, row.sums
        # of equal zeros, whose signs libraries choose among in their own ways, the positive one
        second = ops.where(s.defined, ops.where(s.second == 0.0, 0.0, s.second), -INF)
        parts = ops.where((s.maximum == 0.0) & (second == 0.0), 0.0, s.maximum), second, *s.rest
        axis = max(row.rows.axes)
        number = ops.xp.reshape(
            ops.xp.arange(PARTS, device=ops.device), tuple(PARTS if i == axis else 1 for i in range(len(z.shape)))
        )
        together, *others = parts
        for k, part in enumerate(others, 1):
            together = ops.xp.where(number == k, part, together)
        out = row.rows.widened().result(together)
        keep(ctx, RowSums, (z,), out, axis, where, **by.changed())
        return out
