"""What the law may use of an array library: its namespace, and three things that a backend may do in its own way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lsmx._arithmetic.formats import Format

Array = Any  # an array of any library: the standard has no type for it
Namespace = Any


def identity(product: Array) -> Array:
    """``rounded`` for a library that computes one operation at a time."""
    return product


def power_from_table(ops: Ops, k: Array) -> Array:
    """``2**k`` by look-up: exact, and in standard operations."""
    table = [2.0**e for e in range(ops.format.tiny, ops.format.huge + 1)]
    index = ops.integer(k) - ops.format.tiny
    return ops.look_up(table, index)


def power_from_bits(ops: Ops, k: Array) -> Array:
    """``2**k``, written into the exponent bits: for libraries whose arrays have a bit-casting ``view``."""
    fmt = ops.format
    bits = ops.xp.int32 if fmt.dtype == "float32" else ops.xp.int64
    return ((ops.xp.astype(k, bits) + fmt.huge) << (fmt.precision - 1)).view(ops.dtype)


@dataclass(frozen=True)
class Ops:
    """An array namespace on one device, computing in one format.

    Attributes
    ----------
    xp, device
        The array namespace, and the device where constants are made.
    format
        The format computed in.
    integers
        The widest integer dtype of the device, and its bits.
    rounded
        Marks a rounded product that feeds an addition: whatever keeps a compiler from contracting the two.
    power
        ``2**k`` for integer-valued ``k`` with ``tiny <= k <= huge``; exact by any means.
    """

    xp: Namespace
    device: Any
    format: Format
    integers: tuple[Any, int]
    rounded: Callable[[Array], Array] = identity
    power: Callable[[Ops, Array], Array] = power_from_table

    @property
    def dtype(self) -> Any:
        """The float dtype computed in."""
        return getattr(self.xp, self.format.dtype)

    def constant(self, value: float) -> Array:
        """A 0-d array in the format."""
        return self.xp.asarray(value, dtype=self.dtype, device=self.device)

    def floating(self, x: Array) -> Array:
        """``x`` in the format; exact for what it is used on."""
        return self.xp.astype(x, self.dtype)

    def integer(self, x: Array) -> Array:
        """An integer-valued ``x`` in the widest integer dtype."""
        return self.xp.astype(x, self.integers[0])

    def where(self, condition: Array, a: Array | float, b: Array | float) -> Array:
        """``where`` that takes Python floats too."""
        a, b = (self.constant(v) if isinstance(v, float) else v for v in (a, b))
        return self.xp.where(condition, a, b)

    def look_up(self, table: Sequence[float], index: Array) -> Array:
        """``table[index]``, elementwise."""
        values = self.xp.asarray(table, dtype=self.dtype, device=self.device)
        return self.xp.reshape(self.xp.take(values, self.xp.reshape(index, (-1,)), axis=0), index.shape)

    def horner(self, coefficients: Sequence[float], x: Array) -> Array:
        """A polynomial, highest power first: each product and each sum rounded once."""
        p = self.constant(coefficients[0])
        for c in coefficients[1:]:
            p = self.rounded(p * x) + c
        return p
