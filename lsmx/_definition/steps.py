"""The steps that rules of second derivatives are made of, beside the functions' own rules, on the rows of their first argument.

They are computed in the portable arithmetic like everything else, so second derivatives have the same bits everywhere too.
"""

from __future__ import annotations

from lsmx._definition.kinds import PER_ROW
from lsmx._definition.logits import bent
from lsmx._definition.ops import Array
from lsmx._definition.products import quotient
from lsmx._definition.rows import Rows


def exp(rows: Rows, log_p: Array) -> Array:
    """``exp(log_p)`` for the logarithm of a probability."""
    return rows.leave(rows.probability(rows.enter("log_p", log_p, absent=-float("inf"))).value(rows.ops), absent=0.0)


def product(rows: Rows, a: Array, b: Array) -> Array:
    """``a * b``, rounded on its own."""
    return rows.leave(rows.product(rows.enter("a", a, absent=0.0), rows.enter("b", b, absent=0.0)), absent=0.0)


def ratio(rows: Rows, a: Array, b: Array) -> Array:
    """``[a / b]`` for ``b > 0``, 0 where ``b`` is 0."""
    ops, a, b = rows.ops, rows.flush(rows.enter("a", a, absent=0.0)), rows.enter("b", b, absent=1.0)
    return rows.leave(ops.where(b == 0.0, 0.0, quotient(ops, a, ops.where(b == 0.0, 1.0, b))), absent=0.0)


def minus(rows: Rows, a: Array, b: Array) -> Array:
    """``a - b``."""
    return rows.leave(rows.flush(rows.enter("a", a, absent=0.0) - rows.enter("b", b, absent=0.0)), absent=0.0)


def negative(rows: Rows, x: Array) -> Array:
    """``-x``."""
    return rows.leave(rows.flush(-rows.enter("x", x, absent=0.0)), absent=0.0)


def times_exp(rows: Rows, a: Array, log_p: Array) -> Array:
    """``a * exp(log_p)``: as `exp` and `product`, one after the other."""
    return product(rows, exp(rows, log_p), a)


def times_sum(rows: Rows, a: Array, x: Array) -> Array:
    """``a * sum(x)`` of each row: as `row_sum` and `product`, one after the other."""
    return product(rows, a, row_sum(rows, x))


def times_number(rows: Rows, x: Array, factor: float) -> Array:
    """``factor * x``."""
    return rows.leave(rows.product(rows.ops.constant(factor), rows.enter("x", x, absent=0.0)), absent=0.0)


def tanh(rows: Rows, z: Array, softcap: float) -> Array:
    """``tanh([z / cap])``, 0 where ``z`` is not finite."""
    a, t = bent(rows, rows.enter("z", z, absent=0.0), softcap)
    return rows.widened().leave(rows.flush(rows.ops.where(a < 0.0, -t.value[0], t.value[0])), absent=0.0)


def row_sum(rows: Rows, x: Array) -> Array:
    """``sum(x)`` of each row, exact before it is rounded, in each entry of the row."""
    total, _ = rows.sum(rows.flush(rows.enter("x", x, absent=0.0)))
    return rows.leave(rows.ops.xp.broadcast_to(total, rows.shape), absent=0.0)


def total(rows: Rows, x: Array) -> Array:
    """``sum(x)`` of each row, as one number a row."""
    high, _ = rows.sum(rows.flush(rows.enter("x", x, absent=0.0)))
    return rows.leave_each(high)


def spread(rows: Rows, like: Array, a: Array) -> Array:
    """One number a row, in each entry of the row."""
    return rows.leave(rows.ops.xp.broadcast_to(rows.expand("a", a), rows.shape), absent=0.0)


def across(rows: Rows, like: Array, a: Array) -> Array:
    """One number a class, in each of the rows."""
    return rows.leave(rows.ops.xp.broadcast_to(rows.classes("a", a), rows.shape), absent=0.0)


def pick(rows: Rows, x: Array, index: Array) -> Array:
    """What each row has at its index, as one number a row."""
    return rows.leave_each(rows.pick(rows.chosen("index", index), rows.enter("x", x, absent=0.0)))


def place(rows: Rows, like: Array, a: Array, index: Array) -> Array:
    """One number a row, at the row's index, and 0 elsewhere."""
    value = rows.flush(rows.expand("a", rows.check("a", a, PER_ROW)))
    return rows.leave(rows.ops.where(rows.chosen("index", index), value, 0.0), absent=0.0)
