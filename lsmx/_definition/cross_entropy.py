"""Cross-entropy of each row: ``-sum_c q_c log s_c``; with ``q`` the unit vector ``y`` of a class, its gradient is ``s - y``.

The whole gradient is ``u (s sum(q) - q)``, and with ``z_loss`` it is that plus ``u 2 c lse s``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import INDEX, PER_CLASS, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.logsumexp import lse_of
from lsmx._definition.ops import NAN, Array
from lsmx._definition.row import INF, AtLogits, Row
from lsmx._definition.targets import Options, Target, of_index
from lsmx._definition.words import fast_two_sum, two_sum


class CrossEntropy(Function):
    """With the index of a class for each row."""

    takes = {"z": ROWS, "target": INDEX}  # noqa: RUF012
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
        ignore_index: int = -100,
        ignores: bool = True,
    ) -> Array:
        by, options = Scaling(temperature, softcap, row_sums), Options(weight, label_smoothing, z_loss, ignore_index, ignores)
        row = Row.of("z", z, axis, where, by)
        out = row.leave_each(loss(row, of_index(row.rows, target, options), options))
        keep(ctx, CrossEntropy, (z, target), out, axis, where, **by.changed(), **options.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        z, target = ctx.saved_tensors
        row, options = Row.at(ctx, z), Options.of(ctx)
        return row.leave(gradient(row, of_index(row.rows, target, options), options, row.cotangent("grad_output", grad_output)))

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        z, target = ctx.saved_tensors
        row, options = Row.at(ctx, z), Options.of(ctx)
        return row.along(tangent, gradient(row, of_index(row.rows, target, options), options, row.rows.ops.constant(1.0)))

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, z: Array, target: Array) -> tuple[Array | None, ...]:
        # g . J v = g sum((s sum(q) - q) v):  by x, g sum(q) (S - s s^T) v; and of c lse^2, g 2 c (s sum(s v) + lse (S - s s^T) v)
        at, softmax, lse, c = AtLogits(d, "cross_entropy", z), d.of("softmax"), d.of("logsumexp"), d.option("z_loss", 0.0)
        v, s = at.tangent(v), softmax.forward(at.x)
        bent = softmax.backward(v, s)
        dx = d.times(d.spread(d.times_each(g, of_target(d, "target_total", z, target)), at.x), bent)
        if c:
            steep = d.times(d.spread(lse.jvp(v, at.x), at.x), s) + d.times(d.spread(lse.forward(at.x), at.x), bent)
            each = d.times_number(d.times_each(g, of_target(d, "target_weight", z, target)), 2.0 * c)
            dx = dx + d.times(d.spread(each, at.x), steep)
        return at.back(dx), None

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array, target: Array) -> tuple[Callable[[Array], Array] | None, ...]:
        # sum((s sum(q) - q) v):  sum(q) sum(v (S - s s^T) dx); and of c lse^2, 2 c (sum(s v) sum(s dx) + lse sum(v (S - s s^T) dx))
        at, softmax, lse, c = AtLogits(d, "cross_entropy", z), d.of("softmax"), d.of("logsumexp"), d.option("z_loss", 0.0)
        v = at.tangent(v)
        bent = softmax.backward(v, softmax.forward(at.x))

        def change(dz: Array) -> Array:
            dx = at.tangent(dz)
            along = d.total(d.times(bent, dx))
            moved: Array = d.times_each(of_target(d, "target_total", z, target), along)
            if c:
                steep = d.times_each(lse.jvp(v, at.x), lse.jvp(dx, at.x)) + d.times_each(lse.forward(at.x), along)
                moved = moved + d.times_number(d.times_each(of_target(d, "target_weight", z, target), steep), 2.0 * c)
            return moved

        return change, None


def of_target(d: Any, name: str, z: Array, target: Array) -> Array:
    """``sum(q)`` of each row; or whether it counts, as 1 or 0: the weight of its target where classes have none."""
    found: Array = d.beside(name, without=() if name == "target_total" else ("weight",)).forward(z, target)
    return found


def loss(row: Row, target: Target, options: Options) -> Array:
    """``sum_c round(q_c (-log s_c)) + round(c round(lse^2))``, where a class with ``q_c = 0`` counts as 0."""
    rows, ops, xp = row.rows, row.rows.ops, row.rows.ops.xp
    none = target.q == 0.0
    terms = ops.where(none, 0.0, rows.product(target.q, ops.where(none, 1.0, -row.log_s())))
    value, _ = rows.sum(terms)
    value = ops.where(xp.any(terms == INF, axis=rows.axes, keepdims=True), INF, value)
    if options.z_loss:
        lse = lse_of(rows, row.sums, row.L)
        value = rows.flush(value + rows.product(ops.constant(options.z_loss), rows.product(lse, lse)))
    value = ops.where(target.known & row.sums.defined, value, NAN)
    return ops.where(target.counted, value, 0.0)


def gradient(row: Row, target: Target, options: Options, u: Array) -> Array:
    """``g - s G`` with ``g_c = -round(u q_c)`` and ``G = sum(g) - round(u round(2 c lse))``."""
    rows, ops = row.rows, row.rows.ops
    u = ops.where(target.counted, u, 0.0)
    g = -rows.product(u, target.q)
    G = rows.sum(g)
    if options.z_loss:
        lse = lse_of(rows, row.sums, row.L)
        high, error = two_sum(G[0], -rows.product(u, rows.product(ops.constant(2.0 * options.z_loss), lse)))
        G = fast_two_sum(high, error + G[1])
    dx = ops.where(target.known, row.minus_s_sum(g, G), NAN)
    return ops.where(target.counted, dx, 0.0)
