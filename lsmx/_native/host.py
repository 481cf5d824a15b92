"""How arrays in the host's memory are given to the compiled core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lsmx._definition.ops import Array

View = tuple[int, int, tuple[int, ...], tuple[int, ...]]
"""Address, type, shape, and strides in bytes."""

FLOAT16, BFLOAT16, FLOAT32, FLOAT64, BOOL, INT32, INT64 = range(7)
TYPES = {"float16": FLOAT16, "bfloat16": BFLOAT16, "float32": FLOAT32, "float64": FLOAT64, "bool": BOOL}
TYPES |= {"int32": INT32, "int64": INT64}
SWAPPED = 8
"""Added to the type of elements in the other byte order."""


@dataclass(frozen=True)
class HostMemory:
    """How a library's arrays lie in the host's memory.

    Attributes
    ----------
    view : callable
        An array as the core reads and writes it, or why it cannot.
    empty : callable
        A new array of a shape, with the dtype of another, in native byte order; or in the format that is computed in, if it
        ``widens``.
    is_writable : callable
        Whether it may be written to.
    threads : callable
        How many to use.
    direct : callable, optional
        Called with the core and the name of a pass: its short way for calls of this library, see ``Kernel.direct``.
    """

    view: Callable[[Array], View | str]
    empty: Callable[..., Array]
    is_writable: Callable[[Array], bool]
    threads: Callable[[], int]
    direct: Callable[[Any, str], Callable[..., Array | None] | None] = lambda core, passname: None
