"""What a pass of the compiled core is given, and the definition of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx._definition.cross_entropy import Options, Target, loss
from lsmx._definition.function import Context
from lsmx._definition.log_prob import LogProb
from lsmx._definition.row import Row
from tests.native.values import Values

PLACES = ("A", "B", "ONE", "MASK", "OUT", "INDEX", "TEMPERATURE", "SUMS", "WEIGHT")  # of a pass's arrays, as in core.h
A, B, ONE, MASK, OUT, INDEX, TEMPERATURE, SUMS, WEIGHT = range(len(PLACES))


@dataclass(frozen=True)
class Given:
    """What a pass is given: its arrays by their places, the axes of its rows, an index that is ignored, and a soft cap."""

    arrays: Mapping[int, Values]
    axes: tuple[int, ...]
    ignored: int | None = None
    softcap: float = 0.0

    def options(self) -> dict[str, Any]:
        """Those of the functions of the definition."""
        names = {"where": MASK, "temperature": TEMPERATURE, "row_sums": SUMS}
        found: dict[str, Any] = {name: self.arrays[at] for name, at in names.items() if at in self.arrays}
        return {"axis": self.axes or None, **found, **({"softcap": self.softcap} if self.softcap else {})}

    def row(self) -> Row:
        """The rows of the logits of a derivative."""
        return Row.at(Context(**self.options()), self.arrays[B])

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
