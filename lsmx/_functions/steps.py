"""The steps that rules of second derivatives are made of, beside the functions' own rules: each is its own derivative's step.

They are computed in the portable arithmetic like everything else, so second derivatives have the same bits everywhere too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._arithmetic.ops import Array
from lsmx._functions.rows import Rows
from lsmx._operation import Compute, Operation
from lsmx._registry import backend_for


def exp(rows: Rows, log_p: Array) -> Array:
    """``exp(log_p)`` for the logarithm of a probability."""
    return rows.probability(rows.enter("log_p", log_p, absent=-float("inf"))).value(rows.ops)


def sum_of(rows: Rows, x: Array) -> Array:
    """``sum(x)`` of each row, exact before it is rounded, in each entry of the row."""
    total, _ = rows.sum(rows.flush(rows.enter("x", x, absent=0.0)))
    return rows.ops.xp.broadcast_to(total, rows.shape)


def product(rows: Rows, a: Array, b: Array) -> Array:
    """``a * b``, rounded on its own."""
    return rows.product(rows.enter("a", a, absent=0.0), rows.enter("b", b, absent=0.0))


def computed_by(step: Callable[..., Array]) -> Compute:
    """A step on the rows of its first argument."""

    def compute(arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any], out: Array | None) -> Array:
        with backend_for(arrays[0]).quiet():
            rows = Rows.of("x", arrays[0], axis, where)
            return rows.leave(step(rows, *arrays), absent=0.0)

    return compute


def same(*shapes: tuple[Any, ...], axes: tuple[int, ...]) -> tuple[Any, ...]:
    """The shape of the first argument."""
    return shapes[0]


EXP = Operation(
    name="exp",
    names=("log_p",),
    rows=0,
    compute=computed_by(exp),
    shape=same,
    saves=("output",),
    pull={"log_p": lambda d, w, at: d.times(w, at["output"])},
    push={"log_p": lambda d, v, at: d.times(v, at["output"])},
)

SUM = Operation(
    name="row_sum",
    names=("x",),
    rows=0,
    compute=computed_by(sum_of),
    shape=same,
    pull={"x": lambda d, w, at: d.sum(w)},
    push={"x": lambda d, v, at: d.sum(v)},
)

PRODUCT = Operation(
    name="product",
    names=("a", "b"),
    rows=0,
    compute=computed_by(product),
    shape=same,
    saves=("a", "b"),
    pull={"a": lambda d, w, at: d.times(w, at["b"]), "b": lambda d, w, at: d.times(w, at["a"])},
    push={"a": lambda d, v, at: d.times(v, at["b"]), "b": lambda d, v, at: d.times(v, at["a"])},
)
