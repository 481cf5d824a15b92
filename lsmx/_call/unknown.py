"""Numbers of whole rows that are not known yet: what is computed from them is unknown too, and everything else is computed.

So one run of a rule over a part of the rows finds all the numbers that it needs from the other parts next. During such a run arrays
are wrapped in a ``Box``, whose operators know what to do with ``UNKNOWN``; libraries' own operators would each do something else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lsmx._definition.ops import Ops


class Unknown:
    """A placeholder: any expression that it takes part in is the placeholder again. There is one instance, ``UNKNOWN``."""

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **options: Any) -> Unknown:
        """The result of any of its methods."""
        return self

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True, eq=False)
class Box:
    """A known array."""

    array: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.array, name)


def is_unknown(x: Any) -> bool:
    """Whether something is ``UNKNOWN``, or a tuple or list that contains it."""
    return x is UNKNOWN or (isinstance(x, tuple | list) and any(map(is_unknown, x)))


def opened(x: Any) -> Any:
    """The same with arrays in place of their boxes."""
    if isinstance(x, Box):
        return x.array
    return type(x)(map(opened, x)) if type(x) in (tuple, list) else x


def patient(function: Callable[..., Any], boxes: bool = True) -> Callable[..., Any]:
    """A function that opens the boxes of its arguments; its result is unknown if one of them is, and in a box otherwise."""

    def run(*args: Any, **options: Any) -> Any:
        if is_unknown(args) or is_unknown(tuple(options.values())):
            return UNKNOWN
        value = function(*map(opened, args), **{name: opened(x) for name, x in options.items()})
        return Box(value) if boxes and hasattr(value, "shape") else value

    return run


def _infix(name: str) -> None:
    function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
    for kind in (Unknown, Box):
        setattr(kind, f"__{name}__", patient(function))
        setattr(kind, f"__r{name}__", patient(lambda x, y: function(y, x)))


for _name in ("add", "sub", "mul", "and", "or", "lshift", "rshift"):
    _infix(_name)
for _name in ("neg", "invert", "lt", "le", "gt", "ge", "eq", "ne", "getitem"):
    for _kind in (Unknown, Box):
        setattr(_kind, f"__{_name}__", patient(getattr(operator, _name)))


class Patient:
    """An array namespace whose functions are ``patient``."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.xp, name)
        is_dtype = isinstance(found, type) or "dtype" in type(found).__name__.lower()
        return patient(found) if callable(found) and not is_dtype else found


def patiently(ops: Ops) -> Ops:
    """The same operations, on boxes and on ``UNKNOWN``."""

    def power(own: Ops, k: Any) -> Any:
        return UNKNOWN if k is UNKNOWN else Box(ops.power(ops, opened(k)))

    return replace(ops, xp=Patient(ops.xp), rounded=patient(ops.rounded), power=power, eager=False)
