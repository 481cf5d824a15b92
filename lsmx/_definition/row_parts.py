"""Rows in parts, each with kernels: the two largest logits of a part, its sum as an integer, and `row_sums` of the whole row.

First each part gives its two largest logits; merged over all parts they set the grid of the row's sum of exponentials. Then each
part gives the sum of its exponentials on that grid, an integer in a few digits. The digits of all parts are added up, and
`row_sums_of` makes of them what `row_sums` gives of the whole row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsmx._definition import exp, sums
from lsmx._definition.checks import normal_axes, ops_of
from lsmx._definition.function import Function, keep
from lsmx._definition.kinds import PARTS, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling, scaled
from lsmx._definition.ops import NAN, Array, Ops
from lsmx._definition.row import INF
from lsmx._definition.row_sums import axis_of, unsigned
from lsmx._definition.rows import Rows, Second, parts_of, together


class RowTop(Function):
    """The two largest logits of each row, and two zeros. Equal ones count twice, NaN as the largest; -inf where there is none."""

    gradients = ()
    optional = {"temperature": PER_ROW}  # noqa: RUF012
    residual = ()
    gives = ROW_SUMS
    widens = True

    @staticmethod
    def forward(
        ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, temperature: Any = 1.0, softcap: float = 0.0
    ) -> Array:
        by = Scaling(temperature, softcap)
        rows = Rows.of("z", z, axis, where)
        ops, to = rows.ops, axis_of(rows)
        maximum, second = unsigned(ops, *rows.two_largest(scaled(rows, rows.enter("z", z, absent=-INF), by)))
        out = rows.widened().result(together(ops, [maximum, second], to, len(z.shape)))
        keep(ctx, RowTop, (z,), out, axis, where, **by.changed())
        return out


class RowDigits(Function):
    """``V = sum(t(min(x, z2)))`` of each row on the grid of ``t(z2)``, ``t(x) = exp(x - m)``: an integer, in four digits.

    ``top`` is what `RowTop` gives, merged over all parts of the row: the maximum ``m`` and ``z2`` of the whole row. The digits are
    integers as floats, coarse to fine, of ``precision - 4`` bits each; all are 0 where the maximum is not finite. Those of up to 16
    parts may be added up as they are, those of 2048 in integers of 32 bits, of 16384 in such of 64.
    """

    takes = {"z": ROWS, "top": ROW_SUMS}  # noqa: RUF012
    gradients = ()
    optional = {"temperature": PER_ROW}  # noqa: RUF012
    residual = ()
    gives = ROW_SUMS
    widens = True

    @staticmethod
    def forward(
        ctx: Any,
        z: Array,
        top: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        temperature: Any = 1.0,
        softcap: float = 0.0,
    ) -> Array:
        by = Scaling(temperature, softcap)
        rows = Rows.of("z", z, axis, where)
        ops, to = rows.ops, axis_of(rows)
        x, of = scaled(rows, rows.enter("z", z, absent=-INF), by), Second.of(ops, *rows.parts(top, "top")[:2])
        x = ops.where(of.defined, ops.xp.where(x < of.logit, x, of.logit), -INF)
        t = exp.exp(ops, exp.difference(ops, x, of.m)).value(ops)
        digits = sums.total_of(ops, t, of.term.exponent(ops), rows.axes)
        out = rows.widened().result(together(ops, in_digits(ops, digits), to, len(z.shape)))
        keep(ctx, RowDigits, (z, top), out, axis, where, **by.changed())
        return out


def are_packed(ops: Ops) -> bool:
    """Whether two digits go into one integer, as in float32. In float64 three digits are enough, and the first of the four is 0."""
    return 4 * (ops.format.precision - 4) < 96


def in_digits(ops: Ops, number: list[sums.Digit]) -> list[Array]:
    """A carried number in four digits, coarse to fine: none is negative but the first of those in use, which has the sign."""
    size, count = ops.format.precision - 4, PARTS if are_packed(ops) else PARTS - 1
    found = [value for value, _ in sums.pieces(ops, number)]
    while len(found) < count:
        found = [found[0] >> size, found[0] & (2**size - 1), *found[1:]]
    while len(found) > count:
        found = [(found[0] << size) + found[1], *found[2:]]
    digits = [ops.floating(value) for value in found]
    return [ops.xp.zeros_like(digits[0])] * (PARTS - count) + digits


def packed(ops: Ops, digits: Array, axis: int) -> list[Array]:
    """Digits as integers to be added up: in float32 two of them in one, which leaves room for 2^23 parts."""
    size, found = ops.format.precision - 4, [ops.integer(x) for x in parts_of(digits, axis)]
    if ops.integers[1] < 64:
        return found
    return [(found[0] << size) + found[1], (found[2] << size) + found[3]] if are_packed(ops) else found[1:]


def unpacked(ops: Ops, packed: Sequence[Array], axis: int, ndim: int) -> Array:
    """The reverse of ``packed``, after parts were added up: the lower digit has its bits, and the upper one all above them."""
    size, found = ops.format.precision - 4, list(packed)
    if len(found) == 2:
        found = [part for x in found for part in (x >> size, x & (2**size - 1))]
    return together(ops, [ops.xp.zeros_like(found[0])] * (PARTS - len(found)) + found, axis, ndim)


def places(ops: Ops, digits: Sequence[Array]) -> list[sums.Digit]:
    """Digits as an integer in units of its grid, carried."""
    size, last = ops.format.precision - 4, sum(ops.format.limbs)
    return sums.carry([sums.Digit(x, last - size * (PARTS - 1 - k), size - 1) for k, x in enumerate(digits)])


def row_sums_of(top: Array, digits: Array, *, axis: Any = -1) -> Array:
    """What `RowSums` gives of whole rows, from what is known of all their parts.

    Parameters
    ----------
    top : array
        What `RowTop` gave of the parts, merged by ``MERGE["two largest"]``.
    digits : array
        What `RowDigits` gave of them with that ``top``, added up: floats or integers.
    axis : int, tuple of int or None, default -1
        As given for the parts: the numbers of a row lie along the last of its axes.

    Returns
    -------
    array
        Four numbers a row along the last of the axes, in the format computed in.
    """
    ops = ops_of(top)
    to = max(normal_axes(axis, len(top.shape)))
    maximum, second = unsigned(ops, *parts_of(top, to)[:2])
    of = Second.of(ops, maximum, second)
    t2, e = of.term.value(ops), of.term.exponent(ops)

    # R = V - t(z2), digit by digit; carries go into the first digit, which has room for them
    number = [ops.integer(x) for x in parts_of(digits, to)]
    for k, (piece, _) in enumerate(sums.pieces(ops, sums.one_of(ops, t2, e))[::-1], 1):
        number[-k] = number[-k] - piece
    high, low = sums.unscaled(ops, places(ops, number), e)
    rest = ops.where(of.defined, high, 0.0), ops.where(of.defined, low, 0.0)
    found = together(ops, [maximum, second, *rest], to, len(top.shape))
    return ops.where(found == found, found, NAN)
