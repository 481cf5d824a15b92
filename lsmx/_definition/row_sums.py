"""The sum of exponentials of each row, ``sum(exp(x - m)) = 1 + R``, in the parts that a function and its derivatives need of it.

They are found by two walks over the row; given to `log_prob` and the others, they are not looked for again.
"""

from __future__ import annotations

from typing import Any

from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import PER_ROW, ROW_SUMS
from lsmx._definition.logits import Scaling, scaled
from lsmx._definition.ops import Array, Ops
from lsmx._definition.row import INF
from lsmx._definition.rows import Rows, together
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
        rows = Rows.of("z", z, axis, where)
        ops, to, x = rows.ops, axis_of(rows), scaled(rows, rows.enter("z", z, absent=-INF), by)
        found = rows.found_by_kernels(x)
        if found is None:
            s = rows.sum_exp(x)
            found = [s.maximum, s.second, *s.rest]
        maximum, second, *rest = found
        out = rows.widened().result(together(ops, [*unsigned(ops, maximum, second), *rest], to, len(z.shape)))
        keep(ctx, RowSums, (z,), out, axis, where, **by.changed())
        return out


def unsigned(ops: Ops, maximum: Array, second: Array) -> tuple[Array, Array]:
    """The two largest logits, the second -inf where the first is not finite.

    Of zeros with different signs, which libraries order in their own ways, the positive one.
    """
    second = ops.where(ops.xp.isfinite(maximum), ops.where(second == 0.0, 0.0, second), -INF)
    return ops.where((maximum == 0.0) & (second == 0.0), 0.0, maximum), second


def axis_of(rows: Rows, name: str = "z") -> int:
    """The axis that numbers of a row lie along."""
    if not rows.axes:
        raise ShapeError(f"{name}: shape (), but the sums of its rows lie along an axis of them; give it one")
    return max(rows.axes)
