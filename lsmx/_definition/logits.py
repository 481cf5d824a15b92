"""Logits as they enter a loss: ``x = cap tanh(z / cap) / T``, with a soft cap and a temperature; and back.

``[a / b]`` is a quotient that is rounded once, ``T`` a number or one for each row. -inf, +inf and NaN stay what they are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lsmx._definition.expm1 import tanh
from lsmx._definition.ops import NAN, Array
from lsmx._definition.products import quotient
from lsmx._definition.rows import Rows
from lsmx._errors import ArgumentError


class Scaling(NamedTuple):
    """The options of a call."""

    temperature: Any = 1.0  # a number, or an array with one number for each row
    softcap: float = 0.0  # none
    row_sums: Any = None  # None, or what the function of this name has found of the rows

    @classmethod
    def of(cls, ctx: Any) -> Scaling:
        """As ``changed`` left them on a context."""
        return cls._make(getattr(ctx, name, default) for name, default in cls._field_defaults.items())

    def changed(self) -> dict[str, Any]:
        """Those that differ from their defaults."""
        values = self._asdict().items()
        return {name: value for name, value in values if hasattr(value, "shape") or value != self._field_defaults[name]}


def number(rows: Rows, name: str, value: float) -> Array:
    """A positive number, in the format."""
    fmt = rows.ops.format
    if not fmt.least <= value < 2.0**fmt.huge:
        raise ArgumentError(
            f"{name}: {value!r} is out of the range of {fmt.dtype}; accepted are {fmt.least!r} to {2.0**fmt.huge!r}"
        )
    return rows.ops.constant(value)


def divided(rows: Rows, a: Array, temperature: Any) -> Array:
    """``[a / T]``."""
    ops = rows.ops
    if isinstance(temperature, float | int):
        return a if temperature == 1.0 else quotient(ops, a, number(rows, "temperature", temperature))
    T = rows.expand("temperature", temperature)
    valid = (ops.format.least <= T) & (2.0**ops.format.huge > T)
    return ops.where(valid, quotient(ops, a, ops.where(valid, T, 1.0)), NAN)


def bent(rows: Rows, z: Array, softcap: float) -> tuple[Array, Any]:
    """``a = [z / cap]``, 0 where z is not finite, and tanh of its magnitude."""
    ops = rows.ops
    a = quotient(ops, ops.where(ops.xp.isfinite(z), z, 0.0), number(rows, "softcap", softcap))
    return a, tanh(ops, (ops.xp.abs(a), ops.xp.zeros_like(a)))


def scaled(rows: Rows, z: Array, by: Scaling) -> Array:
    """``x = [round(cap tanh([z / cap])) / T]``."""
    ops = rows.ops
    if by.softcap:
        a, t = bent(rows, z, by.softcap)
        y = rows.product(t.value[0], number(rows, "softcap", by.softcap))
        z = ops.xp.where(ops.xp.isfinite(z), ops.where(a < 0.0, -y, y), z)
    return divided(rows, z, by.temperature)


def scaled_backward(rows: Rows, z: Array, g: Array, by: Scaling) -> Array:
    """The VJP: ``dz = round([g / T] sech^2(z / cap))``."""
    g = divided(rows, g, by.temperature)
    return rows.product(g, bent(rows, z, by.softcap)[1].sech2) if by.softcap else g


def scaled_jvp(rows: Rows, z: Array, v: Array, by: Scaling) -> Array:
    """The JVP: ``dx = [round(v sech^2(z / cap)) / T]``."""
    v = rows.product(v, bent(rows, z, by.softcap)[1].sech2) if by.softcap else v
    return divided(rows, v, by.temperature)
