"""The rank of a chosen class: how many logits are greater than its own."""

from __future__ import annotations

from typing import Any

from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import EACH, INDICES, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.log_prob import Indices
from lsmx._definition.logits import Scaling, scaled
from lsmx._definition.ops import Array
from lsmx._definition.rows import Rows


class Rank(Function):
    """Has no gradient, as it changes in steps. A count as a float: exact for rows of up to 2^24 classes, in float64 2^53."""

    takes = {"z": ROWS, "index": INDICES}  # noqa: RUF012
    optional = {"temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    gradients = ()
    residual = ()
    reduces = True
    gives = EACH
    shaped = "index"
    widens = True

    @staticmethod
    def forward(
        ctx: Any,
        z: Array,
        index: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        temperature: Any = 1.0,
        softcap: float = 0.0,
        row_sums: Any = None,
    ) -> Array:
        by = Scaling(temperature, softcap, row_sums)
        rows = Rows.of("z", z, axis, where)
        ops, absent = rows.ops, -float("inf")
        x = scaled(rows, rows.enter("z", z, absent), by)
        at = Indices(rows, index)
        maximum = rows.max(x, empty=absent) if row_sums is None else rows.parts(row_sums)[0]
        undefined = maximum != maximum  # True where the row has a NaN

        # the number of c with x_c > x_i; -1 in a row with NaN, and for an index outside of it
        counts = [ops.floating(rows.count(x > x_i)) for x_i in at.pick(x)]
        known = [inside & ~undefined for inside in at.inside]
        out = at.leave([ops.where(k, count, -1.0) for k, count in zip(known, counts, strict=True)])
        keep(ctx, Rank, (z, index), out, axis, where, **by.changed())
        return out
