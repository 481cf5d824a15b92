"""Calls with objects that are no arrays but take calls over, as what stands for a tensor while PyTorch traces a program.

They say so by PyTorch's protocol ``__torch_function__``: a class method that is given the function, the types, and the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lsmx._call.registry import backend_for
from lsmx._definition.checks import dtype_name
from lsmx._errors import ArrayTypeError

public: dict[str, Callable[..., Any]] = {}
"""The functions that users call, by name."""


def publish(*functions: Callable[..., Any]) -> None:
    """Give functions to users, as functions of the package itself: saved programs name them by their module."""
    for function in functions:
        function.__module__ = __name__.partition(".")[0]
        public[function.__name__] = function


DEFAULTS: Mapping[str, Any] = {"axis": -1, "where": None, "dtype": None, "out": None}


def is_array(x: Any) -> bool:
    """Whether a backend serves it."""
    try:
        backend_for(x)
    except ArrayTypeError:
        return False
    return True


def taken_over(error: ArrayTypeError, called: Any, arrays: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The result of an argument's ``__torch_function__``, if one has it; else raises ``error``."""
    kinds = [type(x) for x in (*arrays, *options.values()) if hasattr(type(x), "__torch_function__") and not is_array(x)]
    if not kinds or called is None:
        raise error
    given = {name: value for name, value in options.items() if name not in DEFAULTS or value is not DEFAULTS[name]}
    if "dtype" in given:
        given["dtype"] = dtype_name(given["dtype"])
    return kinds[0].__torch_function__(called, tuple(dict.fromkeys(kinds)), arrays, given)
