"""Cross-entropy of each row with a probability for each class: its gradient by those is ``-log s``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.cross_entropy import gradient, loss
from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import PER_CLASS, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.ops import Array
from lsmx._definition.row import AtLogits, Row
from lsmx._definition.targets import Options, kept, of_probabilities, weighted


class CrossEntropyOf(Function):
    """With a probability for each class."""

    takes = {"z": ROWS, "target": ROWS}  # noqa: RUF012
    gradients = ("z", "target")
    optional = {"weight": PER_CLASS, "temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z", "target")
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
    def by_residual(
        cls, d: Any, g: Array, v: Array | None, t: Array | None, /, z: Array, target: Array
    ) -> tuple[Array | None, ...]:
        at, s, weighted = of_plain_probabilities(d, z)
        if v is not None:
            # g . J v = g sum((s sum(q) - q) v), q_c = w_c p_c:  by x, g sum(q) (S - s s^T) v, and by p_c, - g w_c (v_c - sum(s v))
            v = at.tangent(v)
            bent = d.times(d.spread(d.times_each(g, d.total(weighted(target))), at.x), d.of("softmax").backward(v, s))
            centred = weighted(d.minus(v, d.sum(d.times(s, v))))
            return at.back(bent), d.negative(d.times(d.spread(g, centred), centred))
        # g . J t = g sum(-log s_c w_c t_c):  by x, - g (w t - s sum(w t))
        wt = weighted(t)
        moved = d.minus(wt, d.times(s, d.sum(wt)))
        return at.back(d.negative(d.times(d.spread(g, moved), moved))), d.times_number(t, 0.0)

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, z: Array, target: Array) -> tuple[Callable[[Array], Any], ...]:
        # second derivatives are symmetric
        return (lambda dz: cls.by_residual(d, g, dz, None, z, target)), (lambda dt: cls.by_residual(d, g, None, dt, z, target))

    @classmethod
    def jvp_along(
        cls, d: Any, v: Array | None, t: Array | None, /, z: Array, target: Array
    ) -> tuple[Callable[[Array], Array] | None, ...]:
        at, s, weighted = of_plain_probabilities(d, z)
        if v is not None:
            # sum((s sum(q) - q) v):  by dx, sum(q) sum(dx (S - s s^T) v), and by dp, - sum(w (v - sum(s v)) dp)
            v = at.tangent(v)
            bent, centred = d.of("softmax").backward(v, s), weighted(d.minus(v, d.sum(d.times(s, v))))
            total = d.total(weighted(target))
            return (lambda dz: d.times_each(total, d.total(d.times(bent, at.tangent(dz))))), (
                lambda dt: -d.total(d.times(centred, dt))
            )
        # sum(-log s_c w_c t_c):  by dx, - sum((w t - s sum(w t)) dx)
        wt = weighted(t)
        moved = d.minus(wt, d.times(s, d.sum(wt)))
        return (lambda dz: -d.total(d.times(moved, at.tangent(dz)))), (lambda dt: d.times_number(d.total(dt), 0.0))


def of_plain_probabilities(d: Any, z: Array) -> tuple[AtLogits, Array, Callable[[Array], Array]]:
    """The logits, their softmax, and what multiplies by the weights of classes, for second derivatives."""
    for name in ("label_smoothing", "z_loss"):
        if d.option(name, 0.0):
            raise NotImplementedError(f"cross_entropy: has no second derivative with probabilities and {name}=")
    at, weight = AtLogits(d, "cross_entropy", z), d.option("weight", 1.0)
    s = d.of("softmax").forward(at.x)
    return at, s, (lambda a: d.times(d.across(weight, a), a)) if hasattr(weight, "shape") else (lambda a: a)


def by_target(row: Row, options: Options) -> Array:
    """``-log s_c w_c (1 - eps)``."""
    rows, ops = row.rows, row.rows.ops
    factor = weighted(rows, kept(rows, options) * ops.xp.ones_like(row.x), options)
    factor = rows.present(rows.flush(factor), absent=0.0)
    return ops.where(factor == 0.0, 0.0, rows.product(factor, -row.log_s()))
