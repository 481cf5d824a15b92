"""Cross-entropy of each row: ``-sum_c q_c log s_c``; with ``q`` the unit vector ``y`` of a class, its gradient is ``s - y``.

The whole gradient is ``u (s sum(q) - q)``, and with ``z_loss`` it is that plus ``u 2 c lse s``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import OfParts, keep
from lsmx._definition.kinds import INDEX, PER_CLASS, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.logsumexp import lse_of
from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import NAN, Array
from lsmx._definition.row import INF, Row
from lsmx._definition.targets import Options, Target, of_index
from lsmx._definition.words import fast_two_sum, two_sum


class CrossEntropy(OfScaledLogits):
    """With the index of a class for each row.

    With ``elsewhere``, of a part of each row whose ``row_sums`` are given: a target outside of it belongs to another part. The loss
    is +inf there, so that the least of all parts is that of the row.
    """

    takes = {"z": ROWS, "target": INDEX}  # noqa: RUF012
    optional = {"weight": PER_CLASS, "temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z", "target")
    by_sums = {"forward": OfParts.LEAST, "backward": OfParts.EACH_ITS_OWN}  # noqa: RUF012
    plain = "cross_entropy"
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
        elsewhere: bool = False,
    ) -> Array:
        by = Scaling(temperature, softcap, row_sums)
        options = Options(weight, label_smoothing, z_loss, ignore_index, ignores, elsewhere)
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
    def by_logits(cls, d: Any, g: Array, v: Array, /, x: Array, target: Array) -> tuple[Array | None, ...]:
        # g . J v = g sum((s sum(q) - q) v):  by x, g sum(q) (S - s s^T) v; and of c lse^2, g 2 c (s sum(s v) + lse (S - s s^T) v)
        softmax, c = d.of("softmax"), d.option("z_loss", 0.0)
        s = softmax.forward(x)
        bent = softmax.backward(v, s)
        dx = d.times(d.spread(d.times_each(g, of_target(d, "target_total", x, target)), x), bent)
        if c:
            each = d.times_number(d.times_each(g, of_target(d, "target_weight", x, target)), 2.0 * c)
            dx = dx + d.times(d.spread(each, x), steep(d, x, v, s, bent))
        return dx, None

    @classmethod
    def along_logits(cls, d: Any, v: Array, /, x: Array, target: Array) -> tuple[Callable[[Array], Array] | None, ...]:
        # sum((s sum(q) - q) v):  sum(q) sum(v (S - s s^T) dx); and of c lse^2, 2 c (sum(s v) sum(s dx) + lse sum(v (S - s s^T) dx))
        softmax, c = d.of("softmax"), d.option("z_loss", 0.0)
        bent = softmax.backward(v, softmax.forward(x))

        def change(dx: Array) -> Array:
            along = d.total(d.times(bent, dx))
            moved: Array = d.times_each(of_target(d, "target_total", x, target), along)
            if c:
                steeper = d.times_each(of_target(d, "target_weight", x, target), steep_along(d, x, v, dx, along))
                moved = moved + d.times_number(steeper, 2.0 * c)
            return moved

        return change, None


def steep(d: Any, x: Array, v: Array, s: Array, bent: Array) -> Array:
    """Half the second derivative of ``lse^2``, along v:  ``s sum(s v) + lse (S - s s^T) v``, of which the last is ``bent``."""
    lse = d.of("logsumexp")
    found: Array = d.times(d.spread(lse.jvp(v, x), x), s) + d.times(d.spread(lse.forward(x), x), bent)
    return found


def steep_along(d: Any, x: Array, v: Array, dx: Array, along: Array) -> Array:
    """The same along dx too, one number a row:  ``sum(s v) sum(s dx) + lse sum(v (S - s s^T) dx)``."""
    lse = d.of("logsumexp")
    found: Array = d.times_each(lse.jvp(v, x), lse.jvp(dx, x)) + d.times_each(lse.forward(x), along)
    return found


def of_target(d: Any, name: str, z: Array, target: Array) -> Array:
    """``sum(q)`` of each row; or whether it counts, as 1 or 0: the weight of its target where classes have none."""
    found: Array = d.beside(name, without=() if name == "target_total" else ("weight",)).forward(z, target)
    return found


def loss(row: Row, target: Target, options: Options) -> Array:
    """``sum_c round(q_c (-log s_c)) + round(c round(lse^2))``, where a class with ``q_c = 0`` counts as 0."""
    rows, ops = row.rows, row.rows.ops
    if target.chosen is None:
        terms = term(row, target.q, row.log_s())
        value, _ = rows.sum(terms)
        value = ops.where(rows.any(terms == INF), INF, value)
    else:  # the only class that counts
        x, q = rows.picks(target.chosen, target.known, row.x, target.q)
        if options.elsewhere:
            q = ops.where(rows.any(target.chosen), q, 1.0)
        value = term(row, q, (x - row.sums.m) - row.L[0])
    if options.z_loss:
        lse = lse_of(rows, row.sums, row.L)
        value = rows.flush(value + rows.product(ops.constant(options.z_loss), rows.product(lse, lse)))
    value = ops.where(target.known & row.sums.defined, value, NAN)
    return ops.where(target.counted, value, 0.0)


def term(row: Row, q: Array, log_s: Array) -> Array:
    """``round(q_c (-log s_c))``, 0 where ``q_c`` is."""
    none = q == 0.0
    return row.rows.ops.where(none, 0.0, row.rows.product(q, row.rows.ops.where(none, 1.0, -log_s)))


def gradient(row: Row, target: Target, options: Options, u: Array) -> Array:
    """``g - s G`` with ``g_c = -round(u q_c)`` and ``G = sum(g) - round(u round(2 c lse))``."""
    rows, ops = row.rows, row.rows.ops
    u = ops.where(target.counted, u, 0.0)
    g = -rows.product(u, target.q)
    G = rows.sum(g) if not options.elsewhere else (ops.where(ops.xp.isfinite(u), -u, NAN), ops.xp.zeros_like(u))
    if options.z_loss:
        lse = lse_of(rows, row.sums, row.L)
        high, error = two_sum(G[0], -rows.product(u, rows.product(ops.constant(2.0 * options.z_loss), lse)))
        G = fast_two_sum(high, error + G[1])
    dx = ops.where(target.known, row.minus_s_sum(g, G), NAN)
    return ops.where(target.counted, dx, 0.0)
