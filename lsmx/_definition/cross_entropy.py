"""Cross-entropy of each row: ``-sum_c q_c log s_c``; with ``q`` the unit vector ``y`` of a class, its gradient is ``s - y``.

The whole gradient is ``u (s sum(q) - q)``, and with ``z_loss`` it is that plus ``u 2 c lse s``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from lsmx._definition.checks import reduced_shape, row_length
from lsmx._definition.function import Function, Once, keep
from lsmx._definition.kinds import INDEX, PER_CLASS, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.logsumexp import lse_of
from lsmx._definition.ops import NAN, Array
from lsmx._definition.products import quotient
from lsmx._definition.row import INF, Row, unscaled
from lsmx._definition.rows import Rows
from lsmx._definition.words import fast_two_sum, two_sum


class Options(NamedTuple):
    """What belongs to the targets."""

    weight: Any = 1.0  # none, or an array of one a class
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    ignore_index: int = -100
    ignores: bool = True  # whether rows whose target is ignore_index count as 0

    @classmethod
    def of(cls, ctx: Any) -> Options:
        """As a forward pass left them on a context."""
        return cls._make(getattr(ctx, name, default) for name, default in cls._field_defaults.items())

    def changed(self) -> dict[str, Any]:
        """Those that differ from their defaults."""
        values = self._asdict().items()
        return {name: value for name, value in values if hasattr(value, "shape") or value != self._field_defaults[name]}


class Target(NamedTuple):
    """What a row is compared with."""

    q: Array  # of each class
    counted: Array  # rows that are not ignored
    known: Array  # rows whose target is inside of them


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
        # g . J v = g sum((s sum(q) - q) v):  by z, g sum(q) (S - s s^T) v
        bent = d.of("softmax").backward(v, d.of("softmax").forward(z))
        return d.times(d.spread(d.times_each(g, target_total(d, z, target)), z), bent), None

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array, target: Array) -> tuple[Callable[[Array], Array] | None, ...]:
        # sum((s sum(q) - q) v):  sum(q) sum(v (S - s s^T) dz)
        bent = d.of("softmax").backward(v, d.of("softmax").forward(z))
        return (lambda dz: d.times_each(target_total(d, z, target), d.total(d.times(bent, dz)))), None


def target_total(d: Any, z: Array, target: Array) -> Array:
    """``sum(q)`` of each row."""
    if d.option("z_loss", 0.0):
        raise NotImplementedError("cross_entropy: has no second derivative with z_loss=; add z_loss * logsumexp(z)**2 yourself")
    total: Array = unscaled(d, "cross_entropy").beside("target_total").forward(z, target)
    return total


class CrossEntropyOf(Once):
    """With a probability for each class."""

    once = "cross_entropy: has no second derivative with probabilities"
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


def kept(rows: Rows, options: Options) -> Array:
    """``1 - eps``."""
    return rows.ops.constant(1.0) - rows.ops.constant(options.label_smoothing)


def share(rows: Rows, options: Options) -> Array:
    """``[eps / C]`` with the number C of classes that are present."""
    ops = rows.ops
    if rows.where is None:
        present = ops.constant(float(max(row_length(rows.shape, rows.axes), 1)))
    else:
        mask = ops.xp.broadcast_to(rows.where, rows.shape)
        present = ops.floating(ops.xp.sum(ops.integer(mask), axis=rows.axes, keepdims=True, dtype=ops.integers[0]))
        present = ops.where(present > 0.0, present, 1.0)
    return quotient(ops, ops.constant(options.label_smoothing), present)


def at_and_elsewhere(rows: Rows, options: Options) -> tuple[Any, Any]:
    """``q`` of a target that is a class, without weights: ``(1 - eps) + [eps / C]`` there, and ``[eps / C]`` elsewhere."""
    if not options.label_smoothing:
        return 1.0, 0.0
    each = share(rows, options)
    return kept(rows, options) + each, each


def weighted(rows: Rows, q: Array, options: Options) -> Array:
    """``q_c w_c``."""
    return rows.product(q, rows.classes("weight", options.weight)) if hasattr(options.weight, "shape") else q


def counted(index: Array, options: Options) -> Array:
    """Rows that are not ignored."""
    return index != options.ignore_index if options.ignores else index == index


def of_index(rows: Rows, target: Array, options: Options) -> Target:
    """``q_c = w_c ((1 - eps) [c = target] + [eps / C])``; that of an absent class counts at the target alone."""
    ops, xp = rows.ops, rows.ops.xp
    chosen = rows.chosen("target", target)
    q = weighted(rows, ops.where(chosen, *at_and_elsewhere(rows, options)), options)
    if rows.where is not None:
        q = ops.where(rows.where | chosen, q, 0.0)
    index = xp.reshape(target, reduced_shape(rows.shape, rows.axes, keepdims=True))
    return Target(q, counted(index, options), xp.any(chosen, axis=rows.axes, keepdims=True))


def of_probabilities(row: Row, target: Array, options: Options) -> Target:
    """``q_c = w_c (p_c (1 - eps) + [eps / C])``."""
    rows = row.rows
    q = rows.enter("target", target, absent=0.0)
    if options.label_smoothing:
        q = rows.product(q, kept(rows, options)) + share(rows, options)
    always = row.sums.m == row.sums.m
    return Target(rows.present(rows.flush(weighted(rows, q, options)), absent=0.0), always, always)


def by_target(row: Row, options: Options) -> Array:
    """``-log s_c w_c (1 - eps)``."""
    rows, ops = row.rows, row.rows.ops
    factor = weighted(rows, kept(rows, options) * ops.xp.ones_like(row.x), options)
    factor = rows.present(rows.flush(factor), absent=0.0)
    return ops.where(factor == 0.0, 0.0, rows.product(factor, -row.log_s()))


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


class OfTarget(Function):
    """One number for each target, that the logits do not move: only their shape matters."""

    takes = {"z": ROWS, "target": INDEX}  # noqa: RUF012
    gradients = ()
    optional = {"weight": PER_CLASS}  # noqa: RUF012
    residual = ()
    reduces = True
    widens = True


class TargetTotal(OfTarget):
    """``sum(q)`` of each row, 0 in rows that are ignored."""

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
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        ignores: bool = True,
    ) -> Array:
        rows, options = Rows.of("z", z, axis, where), Options(weight, label_smoothing, 0.0, ignore_index, ignores)
        found = of_index(rows, target, options)
        total, _ = rows.sum(found.q)
        out = rows.widened().leave_each(rows.ops.where(found.counted, rows.ops.where(found.known, total, NAN), 0.0))
        keep(ctx, TargetTotal, (z, target), out, axis, where)
        return out


def weight_at(rows: Rows, weight: Array, index: Array) -> Array:
    """The weight of the class at each index, NaN where that is outside."""
    ops, xp = rows.ops, rows.ops.xp
    w = rows.classes("weight", weight)
    n = row_length(rows.shape, rows.axes)
    if math.prod(w.shape) != n:  # others for each row
        return rows.pick(rows.chosen("target", index), xp.broadcast_to(w, rows.shape))
    inside = (index >= 0) & (index < n)
    at = xp.reshape(ops.integer(xp.where(inside, index, xp.zeros_like(index))), (-1,))
    return ops.where(inside, xp.reshape(xp.take(xp.reshape(w, (-1,)), at, axis=0), index.shape), NAN)


class TargetWeight(OfTarget):
    """The weight of the target's class, 0 in rows that are ignored: what a mean of losses divides by, added up."""

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
        ignore_index: int = -100,
        ignores: bool = True,
    ) -> Array:
        rows = Rows.of("z", z, axis, None)
        ops = rows.ops
        index = ops.xp.reshape(rows.check("target", target, INDEX), reduced_shape(rows.shape, rows.axes, keepdims=True))
        w = weight_at(rows, weight, index) if hasattr(weight, "shape") else ops.constant(1.0)
        options = Options(ignore_index=ignore_index, ignores=ignores)
        out = rows.widened().leave_each(ops.where(counted(index, options), w, 0.0))
        keep(ctx, TargetWeight, (z, target), out, axis, where)
        return out
