"""Cross-entropy of each row with a probability for each class: its gradient by those is ``-log s``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.cross_entropy import gradient, loss, steep, steep_along
from lsmx._definition.function import keep
from lsmx._definition.kinds import PER_CLASS, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import Array
from lsmx._definition.row import Row
from lsmx._definition.targets import Options, of_probabilities, q_by_p


class CrossEntropyOf(OfScaledLogits):
    """With a probability for each class."""

    takes = {"z": ROWS, "target": ROWS}  # noqa: RUF012
    gradients = ("z", "target")
    optional = {"weight": PER_CLASS, "temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z", "target")
    plain = "cross_entropy_of"
    reduces = True
    widens = True

    @staticmethod
    def forward(
        ctx: Any,
        z: Array,
        target: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        weight: Any = 1.0,
        temperature: Any = 1.0,
        softcap: float = 0.0,
        row_sums: Any = None,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
    ) -> Array:
        by, options = Scaling(temperature, softcap, row_sums), Options(weight, label_smoothing, z_loss)
        row = Row.of("z", z, axis, where, by)
        out = row.leave_each(loss(row, of_probabilities(row, target, options), options))
        keep(ctx, CrossEntropyOf, (z, target), out, axis, where, **by.changed(), **options.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Any:
        z, target = ctx.saved_tensors
        row, options, needed = Row.at(ctx, z), Options.of(ctx), getattr(ctx, "needs_input_grad", None) or (True, True)
        g = row.cotangent("grad_output", grad_output)
        dz = row.leave(gradient(row, of_probabilities(row, target, options), options, g)) if needed[0] else None

        # dtarget_c = g -log s_c w_c (1 - eps)
        dtarget = row.rows.leave(row.rows.product(g, by_target(row, options)), absent=0.0) if needed[1] else None
        return dz, dtarget

    @staticmethod
    def jvp(ctx: Any, v: Array | None, w: Array | None, /) -> Array:
        z, target = ctx.saved_tensors
        row, options = Row.at(ctx, z), Options.of(ctx)
        rows = row.rows
        if v is not None:
            return row.along(v, gradient(row, of_probabilities(row, target, options), options, rows.ops.constant(1.0)))
        moved, _ = rows.sum(rows.product(by_target(row, options), rows.flush(rows.enter("tangent", w, absent=0.0))))
        return row.leave_each(moved)

    @classmethod
    def by_logits(cls, d: Any, g: Array, v: Array | None, t: Array | None, /, x: Array, target: Array) -> tuple[Array | None, ...]:
        softmax, c, moves = d.of("softmax"), d.option("z_loss", 0.0), by_probabilities(d)
        s = softmax.forward(x)
        if v is not None:
            # g . J v = g sum((s sum(q) - q) v):  by x, g sum(q) (S - s s^T) v, and by p_c, - g w_c (1 - eps) (v_c - sum(s v));
            # and of c lse^2, by x, g 2 c (s sum(s v) + lse (S - s s^T) v)
            bent, centred = softmax.backward(v, s), moves(d.minus(v, d.sum(d.times(s, v))))
            dx = d.times(d.spread(d.times_each(g, d.beside("probabilities_total").forward(target)), x), bent)
            if c:
                dx = dx + d.times(d.spread(d.times_number(g, 2.0 * c), x), steep(d, x, v, s, bent))
            return dx, d.negative(d.times(d.spread(g, centred), centred))
        # g . J t = g sum(-log s_c dq_c), dq = w (1 - eps) t:  by x, - g (dq - s sum(dq))
        dq = moves(t)
        moved = d.minus(dq, d.times(s, d.sum(dq)))
        return d.negative(d.times(d.spread(g, moved), moved)), d.times_number(t, 0.0)

    @classmethod
    def along_logits(
        cls, d: Any, v: Array | None, t: Array | None, /, x: Array, target: Array
    ) -> tuple[Callable[[Array], Array] | None, ...]:
        softmax, c, moves = d.of("softmax"), d.option("z_loss", 0.0), by_probabilities(d)
        s = softmax.forward(x)
        if v is not None:
            # sum((s sum(q) - q) v):  by dx, sum(q) sum(dx (S - s s^T) v), and by dp, - sum(w (1 - eps) (v - sum(s v)) dp)
            bent, centred = softmax.backward(v, s), moves(d.minus(v, d.sum(d.times(s, v))))

            def change(dx: Array) -> Array:
                along = d.total(d.times(bent, dx))
                moved: Array = d.times_each(d.beside("probabilities_total").forward(target), along)
                return moved + d.times_number(steep_along(d, x, v, dx, along), 2.0 * c) if c else moved

            return change, (lambda dt: -d.total(d.times(centred, dt)))
        # sum(-log s_c dq_c):  by dx, - sum((dq - s sum(dq)) dx)
        dq = moves(t)
        moved = d.minus(dq, d.times(s, d.sum(dq)))
        return (lambda dx: -d.total(d.times(moved, dx))), (lambda dt: d.times_number(d.total(dt), 0.0))


def by_probabilities(d: Any) -> Callable[[Array], Array]:
    """A function that multiplies by ``dq_c/dp_c = w_c (1 - eps)``, for second derivatives."""
    weight, kept = d.option("weight", 1.0), 1.0 - d.option("label_smoothing", 0.0)

    def moves(a: Array) -> Array:
        moved = d.times(d.across(weight, a), a) if hasattr(weight, "shape") else a
        return moved if kept == 1.0 else d.times_number(moved, kept)

    return moves


def by_target(row: Row, options: Options) -> Array:
    """``-log s_c w_c (1 - eps)``."""
    factor = q_by_p(row.rows, options, row.x)
    return row.rows.ops.where(factor == 0.0, 0.0, row.rows.product(factor, -row.log_s()))
