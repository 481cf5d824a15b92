"""The steps that rules of second derivatives are made of, as operations: the derivatives of each are steps again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lsmx._call.operation import Compute, Operation, Options
from lsmx._call.registry import backend_at_work
from lsmx._definition import steps
from lsmx._definition.kinds import INDEX, PER_CLASS, PER_ROW, ROWS
from lsmx._definition.ops import Array
from lsmx._definition.rows import Rows

if TYPE_CHECKING:
    from lsmx._call.calculus import Calculus


def computed_by(step: Callable[..., Array]) -> Compute:
    """A step on the rows of its first argument."""

    def compute(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Options, out: Array | None) -> Array:
        quiet = backend_at_work(arrays[0]).quiet
        if quiet is nullcontext:
            return step(Rows.of("x", arrays[0], axis, where), *arrays, **options)
        with quiet():
            return step(Rows.of("x", arrays[0], axis, where), *arrays, **options)

    return compute


def no_sum_over_rows(d: Calculus, w: Array, at: Mapping[str, Array]) -> Array:
    """Stands for the VJP along numbers of classes, which is not needed: they are constants in all second derivatives."""
    raise NotImplementedError("row_across: numbers a class are not followed here; detach them from the autograd first")


EXP = Operation(
    name="exp",
    takes={"log_p": ROWS},
    rows="log_p",
    compute=computed_by(steps.exp),
    saves=("output",),
    pull={"log_p": lambda d, w, at: d.times(w, at["output"])},
    push={"log_p": lambda d, v, at: d.times(v, at["output"])},
)

PRODUCT = Operation(
    name="product",
    takes={"a": ROWS, "b": ROWS},
    rows="a",
    compute=computed_by(steps.product),
    saves=("a", "b"),
    pull={"a": lambda d, w, at: d.times(w, at["b"]), "b": lambda d, w, at: d.times(w, at["a"])},
    push={"a": lambda d, v, at: d.times(v, at["b"]), "b": lambda d, v, at: d.times(v, at["a"])},
)

RATIO = Operation(
    name="ratio",
    takes={"a": ROWS, "b": ROWS},
    rows="a",
    compute=computed_by(steps.ratio),
    saves=("b", "output"),
    pull={"a": lambda d, w, at: d.ratio(w, at["b"]), "b": lambda d, w, at: d.negative(d.ratio(d.times(w, at["output"]), at["b"]))},
    push={"a": lambda d, v, at: d.ratio(v, at["b"]), "b": lambda d, v, at: d.negative(d.ratio(d.times(v, at["output"]), at["b"]))},
)

NEGATIVE = Operation(
    name="negative",
    takes={"x": ROWS},
    rows="x",
    compute=computed_by(steps.negative),
    pull={"x": lambda d, w, at: d.negative(w)},
    push={"x": lambda d, v, at: d.negative(v)},
)

MINUS = Operation(
    name="minus",
    takes={"a": ROWS, "b": ROWS},
    rows="a",
    compute=computed_by(steps.minus),
    pull={"a": lambda d, w, at: d.negative(d.negative(w)), "b": lambda d, w, at: d.negative(w)},  # 0 where masked
    push={"a": lambda d, v, at: d.negative(d.negative(v)), "b": lambda d, v, at: d.negative(v)},
)

TIMES_NUMBER = Operation(
    name="times_number",
    takes={"x": ROWS},
    rows="x",
    compute=computed_by(steps.times_number),
    options={"factor": 1.0},
    pull={"x": lambda d, w, at: d.times_number(w, d.option("factor", 1.0))},
    push={"x": lambda d, v, at: d.times_number(v, d.option("factor", 1.0))},
    each=True,
)

TANH = Operation(
    name="row_tanh",
    takes={"z": ROWS},
    rows="z",
    compute=computed_by(steps.tanh),
    options={"softcap": 0.0},
    saves=("z",),
    widens=True,
    pull={"z": lambda d, w, at: d.times_number(d.beside("capped_logits").backward(w, at["z"]), 1.0 / d.option("softcap", 0.0))},
    push={"z": lambda d, v, at: d.times_number(d.beside("capped_logits").jvp(v, at["z"]), 1.0 / d.option("softcap", 0.0))},
)

SUM = Operation(
    name="row_sum",
    takes={"x": ROWS},
    rows="x",
    compute=computed_by(steps.row_sum),
    pull={"x": lambda d, w, at: d.sum(w)},
    push={"x": lambda d, v, at: d.sum(v)},
)

TIMES_EXP = Operation(
    name="times_exp",
    takes={"a": ROWS, "log_p": ROWS},
    rows="a",
    compute=computed_by(steps.times_exp),
    saves=("log_p", "output"),
    pull={"a": lambda d, w, at: d.times_exp(w, at["log_p"]), "log_p": lambda d, w, at: d.times(w, at["output"])},
    push={"a": lambda d, v, at: d.times_exp(v, at["log_p"]), "log_p": lambda d, v, at: d.times(v, at["output"])},
)

TIMES_SUM = Operation(
    name="times_sum",
    takes={"a": ROWS, "x": ROWS},
    rows="a",
    compute=computed_by(steps.times_sum),
    saves=("a", "x"),
    pull={"a": lambda d, w, at: d.times_sum(w, at["x"]), "x": lambda d, w, at: d.sum(d.times(w, at["a"]))},
    push={"a": lambda d, v, at: d.times_sum(v, at["x"]), "x": lambda d, v, at: d.times_sum(at["a"], v)},
)

TOTAL = Operation(
    name="row_total",
    takes={"x": ROWS},
    rows="x",
    compute=computed_by(steps.total),
    result=PER_ROW,
    saves=("x",),
    pull={"x": lambda d, w, at: d.spread(w, at["x"])},
    push={"x": lambda d, v, at: d.total(v)},
)

SPREAD = Operation(
    name="row_spread",
    takes={"like": ROWS, "a": PER_ROW},
    rows="like",
    compute=computed_by(steps.spread),
    inert=("like",),
    saves=("like",),
    pull={"a": lambda d, w, at: d.total(w)},
    push={"a": lambda d, v, at: d.spread(v, at["like"])},
)

ACROSS = Operation(
    name="row_across",
    takes={"like": ROWS, "a": PER_CLASS},
    rows="like",
    compute=computed_by(steps.across),
    inert=("like",),
    pull={"a": no_sum_over_rows},
    push={"a": no_sum_over_rows},
)

PICK = Operation(
    name="row_pick",
    takes={"x": ROWS, "index": INDEX},
    rows="x",
    compute=computed_by(steps.pick),
    result=PER_ROW,
    saves=("x", "index"),
    pull={"x": lambda d, w, at: d.place(w, at["index"], at["x"])},
    push={"x": lambda d, v, at: d.pick(v, at["index"])},
)

PLACE = Operation(
    name="row_place",
    takes={"like": ROWS, "a": PER_ROW, "index": INDEX},
    rows="like",
    compute=computed_by(steps.place),
    inert=("like",),
    saves=("like", "index"),
    pull={"a": lambda d, w, at: d.pick(w, at["index"])},
    push={"a": lambda d, v, at: d.place(v, at["index"], at["like"])},
)

TIMES_EACH = replace(PRODUCT, name="times_each", each=True)
TOTAL_EACH = replace(TOTAL, name="total_each", each=True)
SPREAD_EACH = replace(SPREAD, name="spread_each", each=True)

STEPS = (
    TIMES_EACH,
    TOTAL_EACH,
    SPREAD_EACH,
    EXP,
    PRODUCT,
    RATIO,
    NEGATIVE,
    MINUS,
    TIMES_NUMBER,
    TANH,
    SUM,
    TIMES_EXP,
    TIMES_SUM,
    TOTAL,
    SPREAD,
    ACROSS,
    PICK,
    PLACE,
)
