"""What a pass of the compiled core is given, and the definition of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx._definition.cross_entropy import loss
from lsmx._definition.cross_entropy_of import CrossEntropyOf
from lsmx._definition.function import Context
from lsmx._definition.log_prob import LogProb
from lsmx._definition.log_softmax import log_softmax, minus_s_sum
from lsmx._definition.row import Row
from lsmx._definition.row_parts import RowDigits
from lsmx._definition.row_values import RowInteger
from lsmx._definition.rows import Rows
from lsmx._definition.targets import Options, Target, of_index, of_probabilities
from lsmx._definition.words import fast_two_sum, two_sum
from tests.native.values import Values

PLACES = ("A", "B", "ONE", "MASK", "OUT", "INDEX", "TEMPERATURE", "SUMS", "WEIGHT")  # of a pass's arrays, as in core.h
A, B, ONE, MASK, OUT, INDEX, TEMPERATURE, SUMS, WEIGHT = range(len(PLACES))


@dataclass(frozen=True)
class Given:
    """What a pass is given: its arrays by their places, the axes of its rows, an index that is ignored, a soft cap, smoothing."""

    arrays: Mapping[int, Values]
    axes: tuple[int, ...]
    ignored: int | None = None
    softcap: float = 0.0
    smoothing: float = 0.0

    def options(self) -> dict[str, Any]:
        """Those of the functions of the definition."""
        names = {"where": MASK, "temperature": TEMPERATURE, "row_sums": SUMS}
        found: dict[str, Any] = {name: self.arrays[at] for name, at in names.items() if at in self.arrays}
        return {"axis": self.axes or None, **found, **({"softcap": self.softcap} if self.softcap else {})}

    def row(self, at: int = B) -> Row:
        """The rows of the logits, which are those of a derivative if no place is given."""
        return Row.at(Context(**self.options()), self.arrays[at])

    def targets(self) -> Options:
        """What belongs to the numbers that rows are compared with."""
        rows, weight = self.arrays[B if B in self.arrays else A], self.arrays.get(WEIGHT)
        each = 1.0 if weight is None else np.broadcast_to(weight, rows.shape)
        ignored = {"ignores": False} if self.ignored is None else {"ignore_index": self.ignored}
        return Options(each, self.smoothing, **ignored)

    def chosen(self, row: Row) -> Values:
        """Where a row is at its index."""
        return np.asarray(row.rows.chosen("index", self.arrays[INDEX]))

    def numbers(self, row: Row) -> list[Values]:
        """The several numbers of each row, which broadcast to it."""
        x = self.arrays[ONE]
        kept = tuple(1 if k in self.axes else n for k, n in enumerate(row.rows.shape))
        return [x[..., k].reshape(kept) for k in range(x.shape[-1])]

    def left_out(self, row: Row | None = None) -> Values:
        """Rows that are ignored, in the index's shape or in one that broadcasts to the rows."""
        index = self.arrays[INDEX]
        found = np.zeros(index.shape, bool) if self.ignored is None else np.asarray(index == self.ignored)
        return found if row is None else found.reshape([1 if k in self.axes else n for k, n in enumerate(row.rows.shape)])


Definition = Callable[[Given], Any]


def value(function: Any) -> Definition:
    """A function's forward pass."""

    def define(x: Given) -> Any:
        return function.forward(Context(), *(x.arrays[at] for at in (A, B, INDEX) if at in x.arrays), **x.options())

    return define


def derivative(function: Any, method: str, vector: int, which: int | None = None) -> Definition:
    """Its derivative along the vector at a place, or one of several."""

    def define(x: Given) -> Any:
        saved = [x.arrays[at] for at in (A, B, INDEX) if at in x.arrays and at != vector]
        found = getattr(function, method)(Context(*saved, **x.options()), x.arrays[vector])
        return found if which is None else found[which]

    return define


def logsumexp(plain: Definition, scaled: Definition) -> Definition:
    """By the function without options, where there are none."""
    return lambda x: (scaled if x.softcap or {TEMPERATURE, SUMS} & set(x.arrays) else plain)(x)


def row_digits(x: Given) -> Any:
    """The sum of a part of each row, whose largest logits are where the sums of rows are."""
    options = {name: value for name, value in x.options().items() if name != "row_sums"}
    return RowDigits.forward(Context(), x.arrays[A], x.arrays[SUMS], **options)


def row_integer(x: Given) -> Any:
    """The sum of a part of each row of any values, whose largest magnitudes are where the sums of rows are."""
    options = {name: value for name, value in x.options().items() if name != "row_sums"}
    return RowInteger.forward(Context(), x.arrays[A], x.arrays[SUMS], **options)


def row_gradient(x: Given) -> Any:
    """``g - s G`` with ``G`` in two words."""
    G, options = x.arrays[ONE], x.options()
    rows = Rows.of("log_p", x.arrays[B], options["axis"], options.get("where"))
    kept = tuple(1 if k in x.axes else n for k, n in enumerate(rows.shape))
    g, sums = rows.flush(rows.enter("grad_output", x.arrays[A], absent=0.0)), options.get("row_sums")
    log_s = rows.enter("log_p", x.arrays[B], absent=-np.inf) if sums is None else log_softmax(rows, x.arrays[B], sums)
    return minus_s_sum(rows, g, log_s, (G[..., 0].reshape(kept), G[..., 1].reshape(kept)))


def ignoring(define: Definition, left: float) -> Definition:
    """One number a row, and another in rows that are ignored."""
    return lambda x: np.where(x.left_out(), left, define(x))


def log_prob_backward(x: Given) -> Any:
    """That of ``log_prob``, and 0 in rows that are ignored."""
    row = x.row()
    return np.where(x.left_out(row), row.leave(np.zeros_like(row.x)), derivative(LogProb, "backward", ONE)(x))


def cross_entropy_forward(x: Given) -> Any:
    """``sum_c q_c (-log s_c)`` with ``q`` at the index and elsewhere."""
    row = x.row()
    chosen, (at, elsewhere) = x.chosen(row), x.numbers(row)
    known = np.any(chosen, axis=row.rows.axes, keepdims=True)
    target = Target(np.where(chosen, at, elsewhere), ~x.left_out(row), known)
    return row.leave_each(loss(row, target, Options()))


def cross_entropy_backward(x: Given) -> Any:
    """``g_c - s_c G`` with ``g`` at the index and elsewhere, and ``G`` in two words."""
    row = x.row()
    chosen, (at, elsewhere, *G) = x.chosen(row), x.numbers(row)
    known = np.any(chosen, axis=row.rows.axes, keepdims=True)
    dx = np.where(known, row.minus_s_sum(np.where(chosen, at, elsewhere), (G[0], G[1])), row.x.dtype.type(np.nan))
    return row.leave(np.where(x.left_out(row), row.x.dtype.type(0), dx))


def weighted_forward(x: Given) -> Any:
    """``sum_c q_c (-log s_c)`` with ``q`` of an index, weights and smoothing."""
    row, options = x.row(A), x.targets()
    target = of_index(row.rows, x.arrays[INDEX], options)._replace(chosen=None)  # as the pass adds up every class
    return row.leave_each(loss(row, target, options))


def weighted_backward(x: Given) -> Any:
    """Its gradient."""
    row = x.row()
    return from_factors(x, row, of_index(row.rows, x.arrays[INDEX], x.targets()))


def of_forward(x: Given) -> Any:
    """``sum_c q_c (-log s_c)`` with ``q`` of probabilities, weights and smoothing."""
    row, options = x.row(), x.targets()
    return row.leave_each(loss(row, of_probabilities(row, x.arrays[A], options), options))


def of_backward_z(x: Given) -> Any:
    """Its gradient by the logits."""
    row = x.row()
    return from_factors(x, row, of_probabilities(row, x.arrays[A], x.targets()))


def of_backward_target(x: Given) -> Any:
    """Its gradient by the probabilities, which does not depend on them."""
    z, options = x.arrays[B], {**x.options(), **x.targets().changed()}
    return CrossEntropyOf.backward(Context(z, z, **options, needs_input_grad=(False, True)), x.arrays[ONE])[1]


def from_factors(x: Given, row: Row, target: Target) -> Any:
    """``g_c - s_c G`` with ``g = -u q`` and ``G = sum(g)`` less a number."""
    rows, ops, (u, less) = row.rows, row.rows.ops, x.numbers(row)
    g = -rows.product(np.where(target.counted, u, u.dtype.type(0)), target.q)
    high, low = rows.sum(g)
    high, error = two_sum(high, -less)
    dx = row.minus_s_sum(g, fast_two_sum(high, error + low))
    return row.leave(ops.where(target.counted, ops.where(target.known, dx, np.nan), 0.0))
