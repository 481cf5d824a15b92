"""Exact sums of any values over rows that lie in parts, in steps that kernels can compute: and from them ``g - s sum(g)``.

First each part gives its largest magnitude; the largest of all parts sets the grid of the sum. Then each part gives the sum of its
values on that grid, an integer in a few digits. The digits of all parts are added up, and `row_sum_of` makes of them what
``Rows.sum`` gives of the whole row.
"""

from __future__ import annotations

from typing import Any

from lsmx._definition import sums
from lsmx._definition.checks import normal_axes, ops_of
from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import ROW_SUMS, ROWS
from lsmx._definition.log_softmax import log_softmax, minus_s_sum
from lsmx._definition.ops import NAN, Array
from lsmx._definition.row import INF
from lsmx._definition.row_parts import in_digits, places
from lsmx._definition.row_sums import axis_of
from lsmx._definition.rows import Rows, parts_of, together
from lsmx._definition.words import Words


class RowMagnitude(Function):
    """The largest magnitude of each row, NaN counting as the largest; in the first of four numbers, of which the others are 0."""

    takes = {"v": ROWS}  # noqa: RUF012
    gradients = ()
    residual = ()
    gives = ROW_SUMS
    widens = True

    @staticmethod
    def forward(ctx: Any, v: Array, /, *, axis: Any = -1, where: Array | None = None) -> Array:
        rows = Rows.of("v", v, axis, where)
        ops, to = rows.ops, axis_of(rows, "v")
        largest = rows.max(ops.xp.abs(rows.flush(rows.enter("v", v, absent=0.0))), empty=0.0)
        out = rows.widened().result(together(ops, [largest], to, len(v.shape)))
        keep(ctx, RowMagnitude, (v,), out, axis, where)
        return out


class RowInteger(Function):
    """``sum(v)`` of each row on the grid of the largest ``|v|``: an integer, in four digits, of which the first has the sign.

    ``largest`` is what `RowMagnitude` gives, merged over all parts of the row. The digits are as in `RowDigits`, but that the first
    of those in use may be negative (the second of the four in float64); all are 0 where the largest is not finite.
    """

    takes = {"v": ROWS, "largest": ROW_SUMS}  # noqa: RUF012
    gradients = ()
    residual = ()
    gives = ROW_SUMS
    widens = True

    @staticmethod
    def forward(ctx: Any, v: Array, largest: Array, /, *, axis: Any = -1, where: Array | None = None) -> Array:
        rows = Rows.of("v", v, axis, where)
        ops, to = rows.ops, axis_of(rows, "v")
        x, most = rows.flush(rows.enter("v", v, absent=0.0)), rows.parts(largest, "largest")[0]
        finite = ops.xp.isfinite(most)
        digits = sums.total_of(ops, ops.where(finite, x, 0.0), sums.grid_of(ops, ops.where(finite, most, 0.0)), rows.axes)
        out = rows.widened().result(together(ops, in_digits(ops, digits), to, len(v.shape)))
        keep(ctx, RowInteger, (v, largest), out, axis, where)
        return out


def row_sum_of(largest: Array, digits: Array, *, axis: Any = -1) -> Words:
    """What ``Rows.sum`` gives of whole rows, from what is known of all their parts.

    Parameters
    ----------
    largest : array
        What `RowMagnitude` gave of the parts, merged by ``MERGE["max"]``.
    digits : array
        What `RowInteger` gave of them with that ``largest``, added up: floats or integers.
    axis : int, tuple of int or None, default -1
        As given for the parts: the numbers of a row lie along the last of its axes.

    Returns
    -------
    tuple of array
        The sum in two words, high and low, each of one number a row.
    """
    ops = ops_of(largest)
    to = max(normal_axes(axis, len(largest.shape)))
    most = parts_of(largest, to)[0]
    finite = ops.xp.isfinite(most)
    number = [ops.integer(x) for x in parts_of(digits, to)]
    high, low = sums.unscaled(ops, places(ops, number), sums.grid_of(ops, ops.where(finite, most, 0.0)))
    return ops.where(finite & ops.xp.isfinite(high), high, NAN), low


class RowGradient(Function):
    """``g - s sum(g)`` of a part of each row, where the sum over the whole row is known: the first two numbers of ``total``.

    ``s`` is ``exp(log_p)``; where ``row_sums`` are given, ``log_p`` are logits, and ``s`` is their softmax.
    """

    takes = {"log_p": ROWS, "grad_output": ROWS, "total": ROW_SUMS}  # noqa: RUF012
    gradients = ()
    optional = {"row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ()

    @staticmethod
    def forward(
        ctx: Any,
        log_p: Array,
        grad_output: Array,
        total: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        row_sums: Array | None = None,
    ) -> Array:
        rows = Rows.of("log_p", log_p, axis, where)
        axis_of(rows, "log_p")
        g = rows.flush(rows.enter("grad_output", grad_output, absent=0.0))
        log_s = rows.enter("log_p", log_p, absent=-INF) if row_sums is None else log_softmax(rows, log_p, row_sums)
        G, low, *_ = rows.parts(total, "total")
        out = minus_s_sum(rows, g, log_s, (G, low))
        keep(ctx, RowGradient, (log_p, grad_output, total), out, axis, where)
        return out
