"""A library that contracts: a product that feeds an addition is not rounded, as under a compiler that makes FMAs of the two.

An array API namespace over NumPy in float32. ``a * b`` is kept as it is, and rounded when anything but an addition looks at it.
"""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xnp
import numpy as np


def fma(a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` in float32, rounded once: the product is exact in float64, and the sum is rounded to odd there."""
    product = np.asarray(a, dtype=np.float64) * np.asarray(b, dtype=np.float64)
    c = np.asarray(c, dtype=np.float64)
    total = product + c
    t = total - product
    error = (product - (total - t)) + (c - t)
    word = total.view(np.int64)
    up = (error > 0) == (total > 0)
    odd = np.where((error != 0) & (word % 2 == 0), np.where(up, word + 1, word - 1), word).view(np.float64)
    return odd.astype(np.float32)


class Array:
    """A float32, integer or bool array, or a float32 product that is not rounded yet."""

    def __init__(self, value: Any = None, factors: tuple[Any, Any] | None = None) -> None:
        self._value = None if value is None else np.asarray(value)
        self.factors = factors

    @property
    def value(self) -> Any:
        if self._value is None:
            assert self.factors is not None
            self._value = np.asarray(self.factors[0] * self.factors[1])
        return self._value

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    device = "cpu"

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return NAMESPACE

    def __mul__(self, other: Any) -> Array:
        a, b = self.value, unwrap(other)
        return Array(factors=(a, np.float32(b) if isinstance(b, float) else b)) if a.dtype == np.float32 else Array(a * b)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Array:
        for product, addend in ((self, other), (other, self)):
            if isinstance(product, Array) and product.factors is not None:
                return Array(fma(*product.factors, unwrap(addend)))
        return Array(self.value + unwrap(other))

    __radd__ = __add__

    def __neg__(self) -> Array:
        return Array(factors=(-self.factors[0], self.factors[1])) if self.factors is not None else Array(-self.value)

    def __sub__(self, other: Any) -> Array:
        return self + (-other)

    def __rsub__(self, other: Any) -> Array:
        return (-self) + other


def unwrap(x: Any) -> Any:
    return x.value if isinstance(x, Array) else x


def _plain(name: str) -> Any:
    def method(self: Array, *others: Any) -> Array:
        return Array(getattr(self.value, name)(*map(unwrap, others)))

    return method


for _name in ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "invert", "rshift", "lshift"):
    setattr(Array, f"__{_name}__", _plain(f"__{_name}__"))


class Namespace:
    """The functions of array-api-compat's NumPy, on ``Array``."""

    __name__ = "contracting"

    def __getattr__(self, name: str) -> Any:
        found = getattr(xnp, name)
        if not callable(found) or isinstance(found, type):
            return found

        def function(*arguments: Any, **options: Any) -> Any:
            result = found(*map(unwrap, arguments), **options)
            return Array(result) if isinstance(result, np.ndarray | np.generic) else result

        return function


NAMESPACE = Namespace()
