"""An array library, in short: arrays with operators of their own, and functions named as in the array API standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as xnp
import numpy as np

float32, float64 = np.dtype("float32"), np.dtype("float64")
int8, int32, int64, uint8 = (np.dtype(name) for name in ("int8", "int32", "int64", "uint8"))
bool = np.dtype("bool")  # noqa: A001


class Array:
    """An array that knows nothing of NumPy's protocols."""

    def __init__(self, inner: Any) -> None:
        self.inner = np.asarray(inner)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self.inner.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""
        return self.inner.dtype

    def __getitem__(self, key: Any) -> Array:
        return Array(self.inner[unwrapped(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.inner[unwrapped(key)] = unwrapped(value)

    def __repr__(self) -> str:
        return f"mylib.Array({self.inner.tolist()})"

    __hash__ = None  # type: ignore[assignment]


def unwrapped(x: Any) -> Any:
    """NumPy's array inside, and those inside a list or a tuple."""
    if isinstance(x, list | tuple):
        return type(x)(map(unwrapped, x))
    return x.inner if isinstance(x, Array) else x


def _operator(name: str) -> Callable[..., Any]:
    def method(self: Array, *others: Any) -> Any:
        result = getattr(self.inner, name)(*map(unwrapped, others))
        return result if result is NotImplemented else Array(result)

    return method


BINARY = ("add", "sub", "mul", "truediv", "and", "or", "xor", "lshift", "rshift")
NAMES = (*BINARY, *(f"r{name}" for name in BINARY), "lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "invert")
for _name in NAMES:
    setattr(Array, f"__{_name}__", _operator(f"__{_name}__"))


def _function(name: str) -> Callable[..., Any]:
    def function(*arguments: Any, **options: Any) -> Any:
        options.pop("device", None)
        result = getattr(xnp, name)(*map(unwrapped, arguments), **options)
        return Array(result) if isinstance(result, np.ndarray | np.generic) else result

    return function


FUNCTIONS = (
    "abs", "any", "arange", "asarray", "astype", "broadcast_to", "concat", "floor", "full", "isfinite", "max", "ones_like",
    "permute_dims", "reshape", "round", "stack", "sum", "take", "where", "zeros", "zeros_like",
)  # fmt: skip
for _name in FUNCTIONS:
    globals()[_name] = _function(_name)
