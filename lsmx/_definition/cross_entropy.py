"""Cross-entropy of each row: ``-sum_c q_c log s_c``; with ``q`` the unit vector ``y`` of a class, its gradient is ``s - y``.

The whole gradient is ``u (s sum(q) - q)``, and with ``z_loss`` it is that plus ``u 2 c lse s``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from lsmx._definition.checks import reduced_shape, row_length
from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import INDEX, PER_CLASS, PER_ROW, ROWS
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
    optional = {"weight": PER_CLASS, "temperature": PER_ROW}  # noqa: RUF012
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
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        ignore_index: int = -100,
        ignores: bool = True,
    ) -> Array:
        by, options = Scaling(temperature, softcap), Options(weight, label_smoothing, z_loss, ignore_index, ignores)
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


class CrossEntropyOf(Function):
    """With a probability for each class."""

    takes = {"z": ROWS, "target": ROWS}  # noqa: RUF012
    gradients = ("z", "target")
    optional = {"weight": PER_CLASS, "temperature": PER_ROW}  # noqa: RUF012
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
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
    ) -> Array:
        by, options = Scaling(temperature, softcap), Options(weight, label_smoothing, z_loss)
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
    def by_residual(cls, d: Any, g: Array, /, *tangents_and_residual: Any) -> tuple[Array | None, ...]:
        raise NotImplementedError(
            "cross_entropy: has no second derivative with probabilities; compose it of log_softmax where you need one"
        )

    @classmethod
    def jvp_along(cls, d: Any, /, *tangents_and_residual: Any) -> Any:
        return cls.by_residual(d, None)

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, *residual: Array) -> Any:
        return cls.by_residual(d, g)


def smoothed(rows: Rows, options: Options) -> tuple[Array, Array]:
    """``1 - eps``, and ``[eps / C]`` with the number C of classes that are present."""
    ops = rows.ops
    eps = ops.constant(options.label_smoothing)
    if rows.where is None:
        present = ops.constant(float(max(row_length(rows.shape, rows.axes), 1)))
    else:
        mask = ops.xp.broadcast_to(rows.where, rows.shape)
        present = ops.floating(ops.xp.sum(ops.integer(mask), axis=rows.axes, keepdims=True, dtype=ops.integers[0]))
        present = ops.where(present > 0.0, present, 1.0)
    return ops.constant(1.0) - eps, quotient(ops, eps, present)


def weighted(rows: Rows, q: Array, options: Options) -> Array:
    """``q_c w_c``, 0 where absent."""
    q = rows.product(q, rows.classes("weight", options.weight)) if hasattr(options.weight, "shape") else rows.flush(q)
    return rows.present(q, absent=0.0)


def of_index(rows: Rows, target: Array, options: Options) -> Target:
    """``q_c = w_c ((1 - eps) [c = target] + [eps / C])``; that of an absent class counts at the target alone."""
    ops, xp = rows.ops, rows.ops.xp
    chosen = rows.chosen("target", target)
    keep_, share = smoothed(rows, options)
    q = ops.where(chosen, keep_ + share if options.label_smoothing else 1.0, share if options.label_smoothing else 0.0)
    q = rows.product(q, rows.classes("weight", options.weight)) if hasattr(options.weight, "shape") else q
    if rows.where is not None:
        q = ops.where(rows.where | chosen, q, 0.0)
    index = xp.reshape(target, reduced_shape(rows.shape, rows.axes, keepdims=True))
    counted = index != options.ignore_index if options.ignores else index == index
    return Target(q, counted, xp.any(chosen, axis=rows.axes, keepdims=True))


def of_probabilities(row: Row, target: Array, options: Options) -> Target:
    """``q_c = w_c (p_c (1 - eps) + [eps / C])``."""
    rows = row.rows
    p = rows.enter("target", target, absent=0.0)
    keep_, share = smoothed(row.rows, options)
    q = rows.product(p, keep_) + share if options.label_smoothing else p
    always = row.sums.m == row.sums.m
    return Target(weighted(row.rows, q, options), always, always)


def by_target(row: Row, options: Options) -> Array:
    """``-log s_c w_c (1 - eps)``."""
    rows, ops = row.rows, row.rows.ops
    keep_, _ = smoothed(row.rows, options)
    factor = weighted(row.rows, keep_ * ops.xp.ones_like(row.x), options)
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


class TargetTotal(Function):
    """``sum(q)`` of each row, 0 in rows that are ignored."""

    takes = {"z": ROWS, "target": INDEX}  # noqa: RUF012
    gradients = ()
    optional = {"weight": PER_CLASS}  # noqa: RUF012
    residual = ()
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

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        raise NotImplementedError("target_total: has no gradient")


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


class TargetWeight(Function):
    """The weight of the target's class, 0 in rows that are ignored: what a mean of losses divides by, added up."""

    takes = {"z": ROWS, "target": INDEX}  # noqa: RUF012
    gradients = ()
    optional = {"weight": PER_CLASS}  # noqa: RUF012
    residual = ()
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
        ignore_index: int = -100,
        ignores: bool = True,
    ) -> Array:
        rows = Rows.of("z", z, axis, None)
        ops, xp = rows.ops, rows.ops.xp
        index = xp.reshape(rows.check("target", target, INDEX), reduced_shape(rows.shape, rows.axes, keepdims=True))
        w = ops.constant(1.0)
        if hasattr(weight, "shape"):
            w = weight_at(rows, weight, index)
        counted = index != ignore_index if ignores else index == index
        out = rows.widened().leave_each(ops.where(counted, w, 0.0))
        keep(ctx, TargetWeight, (z, target), out, axis, where)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        raise NotImplementedError("target_weight: has no gradient")
