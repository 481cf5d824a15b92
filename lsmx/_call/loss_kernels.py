"""The compiled kernels of the losses: which calls the passes of the core take, and what is made of their results.

They are written for a ``Runner``, which gives a pass its arrays in one library's way. Cross-entropy of classes is that of
``log_prob``: ``loss = w (-log s_t)``, with the gradient of the cotangent ``-u w``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lsmx._definition.checks import check_mask, dtype_name, normal_axes, reduced_shape
from lsmx._definition.cross_entropy import CrossEntropy, CrossEntropyOf, weight_at
from lsmx._definition.divergence import JSDivergence, KLDivergence
from lsmx._definition.entropy import Entropy
from lsmx._definition.formats import FORMAT_OF, Format
from lsmx._definition.function import Function, keep, recall
from lsmx._definition.kinds import EACH, INDICES, PER_ROW, Axes, Kind
from lsmx._definition.log_prob import LogProb
from lsmx._definition.ops import Array
from lsmx._definition.rank import Rank
from lsmx._definition.rows import Rows
from lsmx._definition.scaled_logsumexp import ScaledLogSumExp
from lsmx._errors import LsmxError

Found = str | Callable[[], Array]
LOSSES: dict[str, type[Function]] = {
    "log_prob": LogProb,
    "entropy": Entropy,
    "rank": Rank,
    "scaled_logsumexp": ScaledLogSumExp,
    "cross_entropy": CrossEntropy,
    "cross_entropy_of": CrossEntropyOf,
    "kl_divergence": KLDivergence,
    "js_divergence": JSDivergence,
}
"""The functions of rows that kernels may be given, by name."""


@dataclass(frozen=True)
class Operands:
    """What a pass of a loss is given: arrays, or what there is not.

    Attributes
    ----------
    z
        The logits.
    axes
        Along which their rows lie.
    where
        A mask.
    index
        An integer for each row, or with ones along the axes.
    ignored
        An index that makes a row count as 0.
    one
        A number for each row: a cotangent.
    temperature
        A number, or one for each row.
    """

    z: Array
    axes: Axes
    where: Array | None = None
    index: Array | None = None
    ignored: int | None = None
    one: Array | None = None
    temperature: Any = 1.0


@dataclass(frozen=True)
class Runner:
    """How passes of the core are run on one library's arrays.

    Attributes
    ----------
    refuse
        Why a pass cannot take its operands, or None.
    run
        A pass on its operands, with a result of a shape: in the format that is computed in for one number a row, else in the
        dtype of the logits. Called with a place for it too, or None.
    """

    refuse: Callable[[Operands], str | None]
    run: Callable[[str, Operands, tuple[int, ...], Array | None], Array]


def loss_plans(runner: Runner) -> dict[tuple[str, str], Callable[..., Found]]:
    """The plans of all kernels, by function and direction."""
    plans: dict[tuple[str, str], Callable[..., Found]] = {}
    for name, function, passname in (
        ("log_prob", LogProb, "log_prob"),
        ("entropy", Entropy, "entropy"),
        ("scaled_logsumexp", ScaledLogSumExp, "logsumexp"),
        ("rank", Rank, "rank"),
    ):
        plans[name, "forward"] = forward(runner, function, f"{passname}_forward")
        if function.gradients:
            plans[name, "backward"] = backward(runner, function, f"{passname}_backward")
    plans["cross_entropy", "forward"] = cross_entropy_forward(runner)
    plans["cross_entropy", "backward"] = cross_entropy_backward(runner)
    return plans


def operands_of(
    runner: Runner, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any], ignored: int | None = None
) -> tuple[Operands, Format] | str:
    """The operands for logits, and perhaps an index; or why there is no kernel for them."""
    z, *index = arrays
    shape, temperature = tuple(z.shape), options.get("temperature", 1.0)
    if options.get("softcap"):
        return "a soft cap, which the core does not compute"
    if 0 in shape:
        return "no elements"
    try:
        axes = normal_axes(axis, len(shape))
        if where is not None:
            check_mask(where, shape)
        fmt = FORMAT_OF[dtype_name(z.dtype)]
        check(z, axes, index, INDICES)
        if hasattr(temperature, "shape"):
            PER_ROW.check("temperature", temperature, z.dtype, shape, axes)
        elif not fmt.least <= temperature < 2.0**fmt.huge:
            return "a temperature that is none"
    except (LsmxError, KeyError) as error:
        return str(error)
    if index and tuple(index[0].shape) not in [reduced_shape(shape, axes, keepdims) for keepdims in (False, True)]:
        return "several indices for each row"
    found = Operands(z, axes, where, index[0] if index else None, ignored, temperature=temperature)
    reason = runner.refuse(found)
    return (found, fmt) if reason is None else reason


def check(z: Array, axes: Axes, arrays: list[Array], kind: Kind) -> None:
    """Raise unless arrays are of a kind that goes with logits."""
    for x in arrays:
        kind.check("index", x, z.dtype, tuple(z.shape), axes)


def forward(runner: Runner, function: type[Function], passname: str) -> Callable[..., Found]:
    """The plan of a value of one number a row."""

    def plan(ctx: Any, /, *arrays: Array, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        found = operands_of(runner, arrays, axis, where, options)
        if isinstance(found, str):
            return found
        given, _ = found
        shape = reduced_shape(tuple(given.z.shape), given.axes, False) if given.index is None else tuple(given.index.shape)

        def run() -> Array:
            value = runner.run(passname, given, shape, ctx.out)
            keep(ctx, function, arrays, value, axis, where, **options)
            return value

        return run

    return plan


def backward(runner: Runner, function: type[Function], passname: str) -> Callable[..., Found]:
    """The plan of its gradient."""

    def plan(ctx: Any, g: Array, /) -> Found:
        axis, where = recall(ctx)
        found = operands_of(runner, ctx.saved_tensors, axis, where, options_on(ctx))
        if isinstance(found, str):
            return found
        given = replaced(found[0], one=g)
        reason = cotangent_refused(runner, given)
        return reason or (lambda: runner.run(passname, given, tuple(given.z.shape), ctx.out))

    return plan


def cotangent_refused(runner: Runner, given: Operands) -> str | None:
    """Why a cotangent cannot be taken."""
    shape = tuple(given.z.shape)
    shapes = [reduced_shape(shape, given.axes, keepdims) for keepdims in (False, True)]
    try:
        EACH.check("grad_output", given.one, given.z.dtype, shape, given.axes)
    except LsmxError as error:
        return str(error)
    assert given.one is not None
    if tuple(given.one.shape) not in shapes or (given.index is not None and given.one.shape != given.index.shape):
        return "a cotangent of another shape"
    return runner.refuse(given)


def replaced(given: Operands, **changes: Any) -> Operands:
    """The same operands but for some."""
    return Operands(**{**given.__dict__, **changes})


def options_on(ctx: Any) -> dict[str, Any]:
    """The options of a context that kernels look at."""
    return {name: getattr(ctx, name) for name in ("temperature", "softcap") if hasattr(ctx, name)}


def unlike(label_smoothing: float = 0.0, z_loss: float = 0.0, **others: Any) -> str | None:
    """Why cross-entropy is not that of ``log_prob``, or None."""
    return "label smoothing" if label_smoothing else "a z_loss" if z_loss else None


def targets(
    runner: Runner, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any]
) -> tuple[Operands, Rows, Array | None] | str:
    """The operands of cross-entropy, its rows, and the weights of the targets if there are any."""
    if (reason := unlike(**options)) is not None:
        return reason
    ignored = options.get("ignore_index", -100) if options.get("ignores", True) else None
    found = operands_of(runner, arrays, axis, where, options, ignored)
    if isinstance(found, str):
        return found
    given, weight = found[0], options.get("weight")
    assert given.index is not None
    if given.index.shape != reduced_shape(tuple(given.z.shape), given.axes, False):
        return "targets with an axis of length 1"
    try:
        rows = Rows.of("z", given.z, given.axes, None)
        rows = Rows(rows.ops, rows.axes, rows.shape, None, rows.ops.dtype)
        w = None if not hasattr(weight, "shape") else rows.ops.xp.reshape(weight_of(rows, weight, given), given.index.shape)
    except LsmxError as error:
        return str(error)
    return given, rows, w


def weight_of(rows: Rows, weight: Any, given: Operands) -> Array:
    """The weight of each target, 0 in rows that are ignored."""
    xp = rows.ops.xp
    index = xp.reshape(given.index, reduced_shape(rows.shape, rows.axes, True))
    w = weight_at(rows, weight, index)
    return w if given.ignored is None else rows.ops.where(index == given.ignored, 0.0, w)


def cross_entropy_forward(runner: Runner) -> Callable[..., Found]:
    """``loss = w (-log s_t)``."""

    def plan(ctx: Any, /, *arrays: Array, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        found = targets(runner, arrays, axis, where, options)
        if isinstance(found, str):
            return found
        given, rows, w = found

        def run() -> Array:
            inf, nan = float("inf"), float("nan")
            ops, loss = rows.ops, rows.flush(-runner.run("log_prob_forward", given, tuple(arrays[1].shape), None))
            if w is not None:
                loss = ops.where(w == 0.0, ops.where(loss == loss, 0.0, nan), rows.product(w, loss))
                loss = ops.where(loss == -inf, nan, loss)
            value = rows.ops.xp.asarray(rows.result(loss))
            keep(ctx, CrossEntropy, arrays, value, axis, where, **options)
            return value

        return run

    return plan


def cross_entropy_backward(runner: Runner) -> Callable[..., Found]:
    """That of ``log_prob``, of the cotangent ``-u w``."""

    def plan(ctx: Any, g: Array, /) -> Found:
        names = ("label_smoothing", "z_loss", "weight", "ignore_index", "ignores")
        options = options_on(ctx) | {name: getattr(ctx, name) for name in names if hasattr(ctx, name)}
        axis, where = recall(ctx)
        found = targets(runner, ctx.saved_tensors, axis, where, options)
        if isinstance(found, str):
            return found
        given, rows, w = found
        if (reason := cotangent_refused(runner, replaced(given, one=g))) is not None:
            return reason

        def run() -> Array:
            u = rows.flush(rows.ops.floating(g))
            u = -u if w is None else -rows.product(u, w)
            return runner.run("log_prob_backward", replaced(given, one=u), tuple(given.z.shape), ctx.out)

        return run

    return plan
