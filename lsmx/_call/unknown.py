"""Numbers of whole rows that are not known yet: whatever is computed of them is as unknown, and all the rest goes on.

So one run of a rule over a part of the rows finds all that it has to hear from the other parts next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from lsmx._definition.ops import Ops


class Unknown:
    """Takes part in any expression, which is unknown then. There is one of it."""

    __array_ufunc__ = None  # NumPy's arrays, and their like, leave operators to it
    __hash__ = object.__hash__  # beside an equality of its own

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **options: Any) -> Unknown:
        """What a method of it gives."""
        return self

    def __getitem__(self, index: Any) -> Unknown:
        return self

    def __repr__(self) -> str:
        return "UNKNOWN"

    @classmethod
    def __torch_function__(cls, *args: Any, **options: Any) -> Unknown:
        return UNKNOWN


def _absorb(self: Unknown, *others: Any) -> Unknown:
    return self


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
    setattr(Unknown, f"__{_name}__", _absorb)
    setattr(Unknown, f"__r{_name}__", _absorb)
for _name in ("neg", "pos", "abs", "invert", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Unknown, f"__{_name}__", _absorb)

UNKNOWN = Unknown()


def is_unknown(x: Any) -> bool:
    """Whether something is, or has in it, what is unknown."""
    return x is UNKNOWN or (isinstance(x, tuple | list) and any(map(is_unknown, x)))


def patient(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose result is unknown where an argument is."""

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        if is_unknown(args) or is_unknown(tuple(options.values())):
            return UNKNOWN
        return function(*args, **options)

    return run


class Patient:
    """An array namespace of such functions."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.xp, name)
        return patient(found) if callable(found) and not isinstance(found, type) and "dtype" not in type(found).__name__ else found


def patiently(ops: Ops) -> Ops:
    """The same operations on what is known and what is not."""
    return replace(ops, xp=Patient(ops.xp), rounded=patient(ops.rounded), power=patient(ops.power))
