"""How messages show what was given: arrays and long values by their type, never by their content."""

from __future__ import annotations

import re


def is_array(value: object) -> bool:
    """Whether a value has a dtype and at least one axis."""
    shape = getattr(value, "shape", None)
    return hasattr(value, "dtype") and isinstance(shape, tuple) and bool(shape)


def type_name(kind: type) -> str:
    """``list``, ``numpy.ndarray``: the name of a type with its module, but for Python's own."""
    return "None" if kind is type(None) else f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def shown(value: object) -> str:
    """A value in a message: types by their name, and arrays and whatever is long by that of their type."""
    if isinstance(value, type):
        return type_name(value)
    if is_array(value):
        return f"<{type(value).__qualname__}>"
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # 0.5 for numpy.float32(0.5)
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))  # of a function or an object: where it lies tells nobody anything
    return f"<{type(value).__qualname__}>" if len(text) > 40 else text
