"""What the rows of a cross-entropy are compared with: ``q_c`` of each class, from a class or from probabilities."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lsmx._definition.checks import reduced_shape, row_length
from lsmx._definition.function import Function, keep, recall
from lsmx._definition.kinds import INDEX, PER_CLASS, ROWS
from lsmx._definition.ops import NAN, Array, Ops
from lsmx._definition.products import quotient
from lsmx._definition.row import Row
from lsmx._definition.rows import Rows
from lsmx._errors import ArgumentError


class Options(NamedTuple):
    """The options of a call that concern its targets."""

    weight: Any = 1.0  # 1.0 for none, or an array with one number for each class
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    ignore_index: int = -100
    ignores: bool = True  # whether rows whose target is ignore_index count as 0
    elsewhere: bool = False  # whether a target outside of the row is in another part of it

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

    q: Array  # the weight q_c of each class
    counted: Array  # rows that are not ignored
    known: Array  # rows whose target is one of their classes
    chosen: Array | None = None  # a mask of the one class with q_c != 0, where each row has only one


def kept(rows: Rows, options: Options) -> Array:
    """``1 - eps``."""
    return rows.ops.constant(1.0) - rows.ops.constant(options.label_smoothing)


def share(rows: Rows, options: Options) -> Array:
    """``[eps / C]`` with the number C of classes that are present."""
    ops = rows.ops
    if rows.where is None:
        present = ops.constant(float(max(rows.length, 1)))
    else:
        mask = ops.xp.broadcast_to(rows.where, rows.shape)
        present = ops.floating(rows.count(mask))
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


def counted(ops: Ops, index: Array, options: Options) -> Array:
    """Rows that are not ignored."""
    index, bits = ops.integer(index), ops.integers[1]
    fits = -(2 ** (bits - 1)) <= options.ignore_index < 2 ** (bits - 1)
    return index != options.ignore_index if options.ignores and fits else index == index


def of_index(rows: Rows, target: Array, options: Options) -> Target:
    """``q_c = w_c ((1 - eps) [c = target] + [eps / C])``; that of an absent class counts at the target alone."""
    ops = rows.ops
    chosen = rows.chosen("target", target)
    q = weighted(rows, ops.where(chosen, *at_and_elsewhere(rows, options)), options)
    if rows.where is not None:
        q = ops.where(chosen | rows.where, q, 0.0)
    index = ops.xp.reshape(target, reduced_shape(rows.shape, rows.axes, keepdims=True))
    if options.elsewhere and (options.label_smoothing or hasattr(options.weight, "shape")):
        raise ArgumentError(
            "elsewhere: given with label_smoothing or weight, of which a part of a row knows only its own share; leave them out"
        )
    known = rows.inside(target) | options.elsewhere
    return Target(q, counted(ops, index, options), known, None if options.label_smoothing else chosen)


def of_probabilities(row: Row, target: Array, options: Options) -> Target:
    """``q_c = w_c (p_c (1 - eps) + [eps / C])``."""
    always = row.sums.m == row.sums.m
    return Target(q_of(row.rows, target, options), always, always)


def q_of(rows: Rows, target: Array, options: Options) -> Array:
    """The same, 0 where masked."""
    q = rows.flush(rows.enter("target", target, absent=0.0))
    if options.label_smoothing:
        q = rows.product(q, kept(rows, options)) + share(rows, options)
    return rows.present(rows.flush(weighted(rows, q, options)), absent=0.0)


def q_by_p(rows: Rows, options: Options, like: Array) -> Array:
    """``dq_c/dp_c = w_c (1 - eps)``, 0 where masked."""
    factor = weighted(rows, kept(rows, options) * rows.ops.xp.ones_like(like), options)
    return rows.present(rows.flush(factor), absent=0.0)


class OfTarget(Function):
    """One number for each target, which does not depend on the logits: of these only the shape matters."""

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
    w, index = rows.classes("weight", weight), ops.integer(index)
    n = row_length(rows.shape, rows.axes)
    if not n and ops.part is None:
        return xp.full(index.shape, NAN, dtype=ops.dtype, device=ops.device)
    if math.prod(w.shape) != n or ops.part is not None:  # weights that differ from row to row, or of the classes of this part alone
        return rows.pick(rows.chosen("target", index), xp.broadcast_to(w, rows.shape))
    inside = (index >= 0) & (index < n)
    at = xp.reshape(xp.where(inside, index, xp.zeros_like(index)), (-1,))
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
        out = rows.widened().leave_each(ops.where(counted(ops, index, options), w, 0.0))
        keep(ctx, TargetWeight, (z, target), out, axis, where)
        return out


class ProbabilitiesTotal(Function):
    """``sum(q)`` of each row, of targets that are probabilities: what second derivatives are composed with."""

    takes = {"target": ROWS}  # noqa: RUF012
    gradients = ("target",)
    optional = {"weight": PER_CLASS}  # noqa: RUF012
    residual = ("target",)
    reduces = True
    linear = True
    widens = True

    @staticmethod
    def forward(
        ctx: Any, target: Array, /, *, axis: Any = -1, where: Array | None = None, weight: Any = 1.0, label_smoothing: float = 0.0
    ) -> Array:
        rows, options = Rows.of("target", target, axis, where), Options(weight, label_smoothing)
        out = rows.widened().leave_each(rows.sum(q_of(rows, target, options))[0])
        keep(ctx, ProbabilitiesTotal, (target,), out, axis, where, **options.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (target,) = ctx.saved_tensors
        rows = Rows.of("target", target, *recall(ctx))

        # dp_c = g w_c (1 - eps)
        g = rows.flush(rows.ops.floating(rows.expand("grad_output", grad_output)))
        return rows.leave(rows.product(g, q_by_p(rows, Options.of(ctx), rows.enter("target", target, absent=0.0))), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (target,) = ctx.saved_tensors
        rows = Rows.of("target", target, *recall(ctx))

        # sum(dp_c w_c (1 - eps))
        v = rows.flush(rows.enter("tangent", tangent, absent=0.0))
        return rows.widened().leave_each(rows.sum(rows.product(v, q_by_p(rows, Options.of(ctx), v)))[0])
