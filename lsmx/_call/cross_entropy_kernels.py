"""The compiled kernels of cross-entropy, by the passes of ``log_prob`` and of its own.

Which passes run depends on the targets. With classes and no smoothing the loss is ``-w log s_t``, computed by ``log_prob``, and its
gradient that of ``log_prob`` at the cotangent ``-u w``. With smoothing, ``q`` is one number at the target and another elsewhere,
and ``sum(-u q)`` is known without looking at the row. With weights or a mask beside smoothing, or with probabilities, the passes of
cross-entropy compute ``q`` for each class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lsmx._call.elsewhere import gradient_elsewhere, log_prob_elsewhere
from lsmx._call.loss_kernels import Found, Operands, Runner, cotangent_refused, operands_of
from lsmx._definition import sums
from lsmx._definition.checks import reduced_shape, row_length
from lsmx._definition.cross_entropy import CrossEntropy
from lsmx._definition.cross_entropy_of import CrossEntropyOf
from lsmx._definition.function import keep, recall
from lsmx._definition.kinds import PER_CLASS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.ops import NAN, Array
from lsmx._definition.rows import Rows
from lsmx._definition.targets import Options, at_and_elsewhere, weight_at
from lsmx._definition.words import Words, fast_two_sum, two_sum
from lsmx._errors import LsmxError

INF = float("inf")


@dataclass(frozen=True)
class Targets:
    """What a call of cross-entropy is computed from.

    Attributes
    ----------
    runner, given
        The passes, and their operands.
    rows
        Of the logits, with results in the format.
    options
        Those of the targets.
    weight
        That of each target, or None.
    made
        Whether the passes compute ``q`` for each class.
    """

    runner: Runner
    given: Operands
    rows: Rows
    options: Options
    weight: Array | None = None
    made: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one number a row."""
        return reduced_shape(tuple(self.given.z.shape), self.given.axes, False)

    def counted(self, x: Array) -> Array:
        """``x``, 0 in rows that are ignored."""
        return x if self.given.ignored is None else self.rows.ops.where(self.given.index == self.given.ignored, 0.0, x)

    def log_prob(self) -> Array:
        """The log-probability of each target."""
        return self.runner.run("log_prob_forward", self.given, self.shape, None)

    def lse(self) -> Array:
        """The logarithm of the sum of the exponentials."""
        return self.runner.run(
            "logsumexp_forward", replace(self.given, index=None, probabilities=None, weight=None, smoothing=0.0), self.shape, None
        )

    def together(self, *numbers: Array) -> Array:
        """Several numbers a row, along a last axis."""
        xp = self.rows.ops.xp
        return xp.stack([xp.broadcast_to(x, self.shape) for x in numbers], axis=-1)


def targets(runner: Runner, arrays: tuple[Array, ...], axis: Any, where: Array | None, given: dict[str, Any]) -> Targets | str:
    """The operands of a call with classes, or why there is no kernel for it."""
    options = Options(**{name: value for name, value in given.items() if name in Options._fields})
    weighted, smooth = hasattr(options.weight, "shape"), bool(options.label_smoothing)
    operands = operands_of(runner, arrays, axis, where, given, options.ignore_index if options.ignores else None)
    if isinstance(operands, str):
        return operands
    assert operands.index is not None
    if tuple(operands.index.shape) != reduced_shape(tuple(operands.z.shape), operands.axes, False):
        return "targets with an axis of length 1"
    try:
        rows = Rows.of("z", operands.z, operands.axes, None).widened()
        if options.elsewhere and (smooth or weighted):
            return "classes in other parts of the row, with smoothing or weights"
        if smooth and (weighted or where is not None or row_length(rows.shape, rows.axes) >= 2**20):
            return with_classes(Targets(runner, operands, rows, options, made=True))
        made = Targets(runner, operands, rows, options)
        if not weighted:
            return made
        index = rows.ops.xp.reshape(operands.index, reduced_shape(rows.shape, rows.axes, True))
        weight = made.counted(rows.ops.xp.reshape(weight_at(rows, options.weight, index), made.shape))
        return Targets(runner, operands, rows, options, weight)
    except LsmxError as error:
        return str(error)


def targets_of(runner: Runner, arrays: tuple[Array, ...], axis: Any, where: Array | None, given: dict[str, Any]) -> Targets | str:
    """The operands of a call with probabilities."""
    z, target = arrays
    operands = operands_of(runner, (z,), axis, where, given)
    if isinstance(operands, str):
        return operands
    options = Options(**{name: value for name, value in given.items() if name in Options._fields})
    try:
        rows = Rows.of("z", z, operands.axes, None).widened()
        ROWS.check("target", target, z.dtype, rows.shape, rows.axes)
        return with_classes(Targets(runner, replace(operands, probabilities=target), rows, options, made=True))
    except LsmxError as error:
        return str(error)


def with_classes(of: Targets) -> Targets | str:
    """The operands with the weights and the smoothing, for passes that compute ``q``."""
    weight = of.options.weight
    given = replace(of.given, smoothing=of.options.label_smoothing)
    if hasattr(weight, "shape"):
        PER_CLASS.check("weight", weight, of.given.z.dtype, of.rows.shape, of.rows.axes)
        given = replace(
            given, weight=of.rows.ops.xp.reshape(weight, PER_CLASS.aligned(tuple(weight.shape), len(of.rows.shape), of.rows.axes))
        )
    return of.runner.refuse(given) or replace(of, given=given)


def cross_entropy_plans(runner: Runner) -> dict[tuple[str, str], Callable[..., Found]]:
    """The plans, by function and direction.

    Parameters
    ----------
    runner : Runner
        How passes are run on the library's arrays.

    Returns
    -------
    dict of tuple of str to callable
        What the ``plan`` of a `Kernel` is made of, by function and direction.
    """

    def forward(ctx: Any, /, *arrays: Array, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        found = targets(runner, arrays, axis, where, options)
        if isinstance(found, str):
            return found

        def run() -> Array:
            value = found.rows.ops.xp.asarray(found.rows.result(loss(found)))
            keep(ctx, CrossEntropy, arrays, value, axis, where, **options)
            return value

        return run

    def backward(ctx: Any, g: Array, /) -> Found:
        found = targets(runner, ctx.saved_tensors, *recall(ctx), options_on(ctx))
        if isinstance(found, str):
            return found
        reason = cotangent_refused(runner, replace(found.given, one=g))
        return reason or (lambda: gradient(found, g, ctx.out))

    def forward_of(ctx: Any, /, *arrays: Array, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        found = targets_of(runner, arrays, axis, where, options)
        if isinstance(found, str):
            return found

        def run() -> Array:
            value = found.rows.ops.xp.asarray(found.rows.result(loss(found)))
            keep(ctx, CrossEntropyOf, arrays, value, axis, where, **options)
            return value

        return run

    def backward_of(ctx: Any, g: Array, /) -> Found:
        z, target = ctx.saved_tensors
        found = targets_of(runner, ctx.saved_tensors, *recall(ctx), options_on(ctx))
        if isinstance(found, str):
            return found
        if target.dtype != z.dtype:
            return "logits and probabilities of different dtypes"
        needed = getattr(ctx, "needs_input_grad", None) or (True, True)
        reason = cotangent_refused(runner, replace(found.given, one=g))

        def by_target() -> Array:
            return runner.run(
                "cross_entropy_of_backward_target", replace(found.given, probabilities=None, one=g), tuple(z.shape), None
            )

        return reason or (lambda: (gradient(found, g, None) if needed[0] else None, by_target() if needed[1] else None))

    return {
        ("cross_entropy", "forward"): forward,
        ("cross_entropy", "backward"): backward,
        ("cross_entropy_of", "forward"): forward_of,
        ("cross_entropy_of", "backward"): backward_of,
    }


def options_on(ctx: Any) -> dict[str, Any]:
    """The options of a context."""
    return {name: getattr(ctx, name) for name in (*Options._fields, *Scaling._fields) if hasattr(ctx, name)}


def loss(of: Targets) -> Array:
    """``sum_c q_c (-log s_c) + c lse^2``."""
    rows, ops, options = of.rows, of.rows.ops, of.options
    if of.made:
        value = of.runner.run(f"{made_by(of)}_forward", of.given, of.shape, None)
    elif options.label_smoothing:
        value = of.runner.run(
            "cross_entropy_forward", replace(of.given, numbers=of.together(*at_and_elsewhere(of.rows, of.options))), of.shape, None
        )
    else:
        there = options.elsewhere
        log_prob = log_prob_elsewhere(of.runner, "log_prob_forward", of.given, of.shape) if there else of.log_prob()
        value = rows.flush(-log_prob)
        if of.weight is not None:
            value = ops.where(of.weight == 0.0, ops.where(value == value, 0.0, NAN), rows.product(of.weight, value))
            value = ops.where(value == -INF, NAN, value)
    if options.z_loss:
        lse = of.lse()
        value = of.counted(rows.flush(value + rows.product(ops.constant(options.z_loss), rows.product(lse, lse))))
    return value


def gradient(of: Targets, g: Array, out: Array | None) -> Array:
    """``g_c - s_c G`` with ``g_c = -u q_c``, ``G = sum(g) - u 2 c lse``."""
    rows, ops, options = of.rows, of.rows.ops, of.options
    u, shape = of.counted(rows.flush(ops.floating(g))), tuple(of.given.z.shape)
    if not of.made and not options.label_smoothing and not options.z_loss and not options.elsewhere:
        one = -u if of.weight is None else -rows.product(u, of.weight)
        return of.runner.run("log_prob_backward", replace(of.given, one=ops.xp.asarray(one)), shape, out)
    bent = None
    if options.z_loss:
        bent = rows.product(u, rows.product(ops.constant(2.0 * options.z_loss), of.lse()))
    if of.made:
        numbers = of.together(u, ops.xp.zeros_like(u) if bent is None else bent)
        passname = f"{made_by(of)}_backward" if of.given.index is not None else f"{made_by(of)}_backward_z"
        return of.runner.run(passname, replace(of.given, numbers=numbers), shape, out)
    zero = ops.xp.zeros_like(u)
    if options.label_smoothing:
        at, elsewhere = (-rows.product(u, q) for q in at_and_elsewhere(of.rows, options))
        G = equal_but_one(of, at, elsewhere)
    else:
        at, elsewhere = -u if of.weight is None else -rows.product(u, of.weight), zero
        G = ops.where(ops.xp.isfinite(at), at, NAN), zero
    if bent is not None:
        high, error = two_sum(-bent, G[0])  # G second: with one cotangent for all rows, XLA would simplify (G + x) - G to x
        G = fast_two_sum(high, error + G[1])
    if options.elsewhere:
        return gradient_elsewhere(of.runner, of.given, [at, elsewhere, *G], out)
    return of.runner.run("cross_entropy_backward", replace(of.given, numbers=of.together(at, elsewhere, *G)), shape, out)


def made_by(of: Targets) -> str:
    """The name of the passes that compute ``q``."""
    return "cross_entropy_of" if of.given.index is None else "weighted_cross_entropy"


def equal_but_one(of: Targets, one: Array, others: Array) -> Words:
    """The exact sum of a row that has one number once and another everywhere else, with the bits of a sum over the row."""
    ops, xp = of.rows.ops, of.rows.ops.xp
    n = row_length(of.rows.shape, of.rows.axes) - 1
    size, rest = xp.abs(one), xp.abs(others)
    largest = xp.where(size > rest, size, rest) if n else size
    finite = xp.isfinite(one) & xp.isfinite(others)
    one, others = ops.where(finite, one, 0.0), ops.where(finite, others, 0.0)
    e = sums.grid_of(ops, ops.where(finite, largest, 0.0))
    widths, digits = ops.format.limbs, []
    for i, (a, b) in enumerate(zip(sums.scaled(ops, one, e), sums.scaled(ops, others, e), strict=True)):
        value = ops.integer(a) + ops.integer(b) * n
        digits.append(sums.Digit(value, sum(widths[: i + 1]), widths[i] + 3 + max(n, 1).bit_length()))
    high, low = sums.words(ops, sums.carry(digits))
    scale = ops.power(ops, e)
    high, low = ops.flush(high * scale), ops.flush(low * scale)
    return ops.where(finite & xp.isfinite(high), high, NAN), low
