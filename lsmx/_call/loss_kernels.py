"""Plans of the losses' compiled kernels: which calls their passes take, and how the result is made of what these give.

They are written for a ``Runner``, which calls a pass on the arrays of one library. Those of cross-entropy are in
``cross_entropy_kernels``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lsmx._call.elsewhere import log_prob_elsewhere, log_prob_gradient_elsewhere
from lsmx._definition.checks import check_mask, dtype_name, normal_axes, reduced_shape
from lsmx._definition.cross_entropy import CrossEntropy
from lsmx._definition.cross_entropy_of import CrossEntropyOf
from lsmx._definition.divergence import JSDivergence, KLDivergence
from lsmx._definition.entropy import Entropy
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.function import Function, keep, recall
from lsmx._definition.kinds import EACH, INDICES, PER_ROW, ROW_SUMS, ROWS, Axes
from lsmx._definition.log_prob import LogProb
from lsmx._definition.logits import Scaling
from lsmx._definition.ops import Array
from lsmx._definition.rank import Rank
from lsmx._definition.row_parts import RowDigits, RowTop
from lsmx._definition.row_sums import RowSums
from lsmx._definition.row_values import RowGradient, RowInteger, RowMagnitude
from lsmx._definition.rows import Rows, parts_of
from lsmx._definition.scaled_logsumexp import ScaledLogSumExp
from lsmx._errors import LsmxError

Found = str | Callable[[], Array]
LOSSES: dict[str, type[Function]] = {
    "log_prob": LogProb,
    "entropy": Entropy,
    "rank": Rank,
    "row_sums": RowSums,
    "row_top": RowTop,
    "row_digits": RowDigits,
    "row_magnitude": RowMagnitude,
    "row_integer": RowInteger,
    "row_gradient": RowGradient,
    "scaled_logsumexp": ScaledLogSumExp,
    "cross_entropy": CrossEntropy,
    "cross_entropy_of": CrossEntropyOf,
    "kl_divergence": KLDivergence,
    "js_divergence": JSDivergence,
}
"""The functions of rows that kernels may be given, by name."""
SEVERAL = {"log_prob": "log_probs", "rank": "ranks"}
"""Names of the passes for several indices a row, where there is a pass of its own for one."""


@dataclass(frozen=True)
class Operands:
    """The operands of a pass of a loss; what a call does not have is at its default.

    Attributes
    ----------
    z : array
        The logits.
    axes : tuple of int
        Along which their rows lie.
    where : array of bool or None
        A mask.
    index : array of int or None
        An integer for each row, or with ones along the axes.
    ignored : int or None
        An index that makes a row count as 0.
    one : array or None
        A number for each row: a cotangent.
    temperature : float or array
        A number, or one for each row.
    softcap : float
        A number, 0 for none.
    row_sums : array or None
        What the function of this name gave for the rows.
    w : array or None
        Other logits beside them.
    numbers : array or None
        Several numbers for each row, along a last axis, in the format that is computed in.
    probabilities : array or None
        The probability of each class that the logits are compared with; in a JVP or ``row_gradient``, the vector.
    weight : array or None
        Numbers for each class, so that they broadcast to the rows.
    smoothing : float
        The part of targets that goes to all classes alike.
    """

    z: Array
    axes: Axes
    where: Array | None = None
    index: Array | None = None
    ignored: int | None = None
    one: Array | None = None
    temperature: Any = 1.0
    softcap: float = 0.0
    row_sums: Array | None = None
    w: Array | None = None
    numbers: Array | None = None
    probabilities: Array | None = None
    weight: Array | None = None
    smoothing: float = 0.0

    @property
    def several(self) -> bool:
        """Whether there is any number of indices for each row, along its axis."""
        shape = tuple(self.z.shape)
        return self.index is not None and tuple(self.index.shape) not in [reduced_shape(shape, self.axes, k) for k in (False, True)]

    @property
    def index_is_empty(self) -> bool:
        """Whether there is no index for any row."""
        return self.index is not None and 0 in self.index.shape


@dataclass(frozen=True)
class Runner:
    """How passes of the core are run on one library's arrays.

    Attributes
    ----------
    refuse : callable
        Why a pass cannot take its operands, or None.
    run : callable
        Runs a pass: called with its name, the operands, the shape of the result, and ``out`` or None. The result is in the format
        that is computed in if it is one number a row, else in the dtype of the logits.
    """

    refuse: Callable[[Operands], str | None]
    run: Callable[[str, Operands, tuple[int, ...], Array | None], Array]


def loss_plans(runner: Runner) -> dict[tuple[str, str], Callable[..., Found]]:
    """The plans of all kernels, by function and direction.

    Parameters
    ----------
    runner : Runner
        How passes are run on the library's arrays.

    Returns
    -------
    dict of tuple of str to callable
        What the ``plan`` of a `Kernel` is made of, by function and direction.
    """
    plans: dict[tuple[str, str], Callable[..., Found]] = {}
    for name, function, passname in (
        ("log_prob", LogProb, "log_prob"),
        ("entropy", Entropy, "entropy"),
        ("scaled_logsumexp", ScaledLogSumExp, "logsumexp"),
        ("rank", Rank, "rank"),
        ("row_sums", RowSums, "row_sums"),
        ("row_top", RowTop, "row_top"),
        ("row_digits", RowDigits, "row_digits"),
        ("row_magnitude", RowMagnitude, "row_magnitude"),
        ("row_integer", RowInteger, "row_integer"),
    ):
        plans[name, "forward"] = forward(runner, function, name, passname)
        if function.gradients:
            plans[name, "backward"] = backward(runner, name, passname)
    for passname, divergence in (("kl", KLDivergence), ("js", JSDivergence)):
        name = f"{passname}_divergence"
        plans[name, "forward"] = divergence_forward(runner, divergence, f"{passname}_forward")
        plans[name, "backward"] = divergence_backward(runner, (f"{passname}_backward_z", f"{passname}_backward_w"))
    plans["row_gradient", "forward"] = row_gradient(runner)
    return plans


def row_gradient(runner: Runner) -> Callable[..., Found]:
    """The plan of ``g - s sum(g)`` with a sum that is known."""

    def plan(
        ctx: Any,
        log_p: Array,
        g: Array,
        total: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        row_sums: Array | None = None,
    ) -> Found:
        found = operands_of(runner, (log_p,), axis, where, {} if row_sums is None else {"row_sums": row_sums})
        if isinstance(found, str):
            return found
        shape, axes = tuple(log_p.shape), found.axes
        try:
            ROWS.check("grad_output", g, log_p.dtype, shape, axes)
            ROW_SUMS.check("total", total, log_p.dtype, shape, axes)
        except LsmxError as error:
            return str(error)

        def run() -> Array:
            xp, to = Rows.of("log_p", log_p, axes).ops.xp, reduced_shape(shape, axes, False)
            numbers = xp.stack([xp.reshape(x, to) for x in parts_of(total, max(axes))[:2]], axis=-1)
            value = runner.run("row_gradient_backward", replace(given, numbers=numbers), shape, ctx.out)
            keep(ctx, RowGradient, (log_p, g, total), value, axis, where)
            return value

        given = replace(found, probabilities=g)
        return runner.refuse(given) or run

    return plan


def pair_of(runner: Runner, z: Array, w: Array, axis: Any, where: Array | None, options: dict[str, Any]) -> Operands | str:
    """The operands for two arrays of logits, or why there is no kernel for them."""
    found = operands_of(runner, (z,), axis, where, options)
    if isinstance(found, str):
        return found
    given = replace(found, w=w)
    if tuple(w.shape) != tuple(z.shape) or w.dtype != z.dtype:
        return "logits of different shapes or dtypes"
    return runner.refuse(given) or given


def divergence_forward(runner: Runner, function: type[Function], passname: str) -> Callable[..., Found]:
    """The plan of a divergence."""

    def plan(ctx: Any, z: Array, w: Array, /, *, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        given = pair_of(runner, z, w, axis, where, options)
        if isinstance(given, str):
            return given

        def run() -> Array:
            value = runner.run(passname, given, reduced_shape(tuple(z.shape), given.axes, False), ctx.out)
            keep(ctx, function, (z, w), value, axis, where, **options)
            return value

        return run

    return plan


def divergence_backward(runner: Runner, passnames: tuple[str, str]) -> Callable[..., Found]:
    """The plan of its gradients, those that are asked for."""

    def plan(ctx: Any, g: Array, /) -> Found:
        z, w = ctx.saved_tensors
        given = pair_of(runner, z, w, *recall(ctx), options_on(ctx))
        if isinstance(given, str):
            return given
        given = replace(given, one=g)
        if (reason := cotangent_refused(runner, given)) is not None:
            return reason
        needed = getattr(ctx, "needs_input_grad", None) or (True, True)

        def run() -> Any:
            pairs = zip(passnames, needed, strict=True)
            return tuple(runner.run(name, given, tuple(z.shape), None) if asked else None for name, asked in pairs)

        return run

    return plan


def operands_of(
    runner: Runner, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any], ignored: int | None = None
) -> Operands | str:
    """The operands for logits, and perhaps an index; or why there is no kernel for them."""
    z, *index = arrays
    by, shape = Scaling._make(options.get(name, default) for name, default in Scaling._field_defaults.items()), tuple(z.shape)
    temperature, softcap, row_sums = by
    if 0 in shape or not shape:
        return "no elements" if shape else "no axes"
    try:
        axes = normal_axes(axis, len(shape))
        if where is not None:
            check_mask(where, shape)
        fmt = FORMAT_OF[dtype_name(z.dtype)]
        if index:
            INDICES.check("index", index[0], z.dtype, shape, axes)
        if row_sums is not None:
            ROW_SUMS.check("row_sums", row_sums, z.dtype, shape, axes)
        if hasattr(temperature, "shape"):
            PER_ROW.check("temperature", temperature, z.dtype, shape, axes)
        elif not fmt.least <= temperature < 2.0**fmt.huge:
            return "a temperature that is none"
        if softcap and not fmt.least <= softcap < 2.0**fmt.huge:
            return "a soft cap that is none"
    except (LsmxError, KeyError) as error:
        return str(error)
    found = Operands(z, axes, where, index[0] if index else None, ignored, None, *by)
    return runner.refuse(found) or found


def forward(runner: Runner, function: type[Function], name: str, passname: str) -> Callable[..., Found]:
    """The plan of a value of one number a row."""

    def plan(ctx: Any, /, *arrays: Array, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        known = {"row_sums": arrays[-1]} if ROW_SUMS in function.takes.values() else {}
        given = operands_of(runner, arrays[:-1] if known else arrays, axis, where, options | known)
        if isinstance(given, str):
            return given
        if given.several and (name not in SEVERAL or given.index_is_empty):
            return "several indices for each row, or none"
        shape = tuple(given.z.shape)
        shape = function.result().shape(shape, given.axes) if given.index is None else tuple(given.index.shape)

        def run() -> Array:
            own = f"{SEVERAL[name] if given.several else passname}_forward"
            there = options.get("elsewhere", False)
            value = log_prob_elsewhere(runner, own, given, shape) if there else runner.run(own, given, shape, ctx.out)
            keep(ctx, function, arrays, value, axis, where, **options)
            return value

        return run

    return plan


def backward(runner: Runner, name: str, passname: str) -> Callable[..., Found]:
    """The plan of its gradient."""

    def plan(ctx: Any, g: Array, /) -> Found:
        axis, where = recall(ctx)
        found = operands_of(runner, ctx.saved_tensors, axis, where, options_on(ctx))
        if isinstance(found, str):
            return found
        given = replace(found, one=g)
        if found.index_is_empty:
            return "no indices"
        reason = cotangent_refused(runner, given)
        if getattr(ctx, "elsewhere", False):
            if given.several:
                return "several indices for each row, some of another part of it"
            return reason or (lambda: log_prob_gradient_elsewhere(runner, given, g, ctx.out))
        own = f"{SEVERAL[name] if given.several else passname}_backward"
        return reason or (lambda: runner.run(own, given, tuple(given.z.shape), ctx.out))

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
    if tuple(given.one.shape) not in (shapes if given.index is None else [tuple(given.index.shape)]):
        return "a cotangent of another shape"
    return runner.refuse(given)


def options_on(ctx: Any) -> dict[str, Any]:
    """The options of a context that kernels look at."""
    return {name: getattr(ctx, name) for name in Scaling._fields if hasattr(ctx, name)}
