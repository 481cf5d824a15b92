"""What runs a pass: compiled for the host, or for a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lsmx._native.geometry import Geometry

LIMBS = 2**22  # elements of a float64 row from which on the sum of its limbs may not fit into 64 bits


class Has(IntEnum):
    """What an operand of a pass has for each row."""

    NOTHING = 0
    ONE = 1
    ALL = 2


def too_many_limbs(dtype: str, n: int, way: Geometry | None = None) -> str | None:
    """Why rows of ``n`` elements cannot be added up in 64 bits, or None: only limbs of float64, of 40 bits each, may need more."""
    if dtype == "float64" and n >= LIMBS:
        return f"rows of {n} elements: float64 limbs are added up in 64 bits, which is safe for fewer than {LIMBS}"
    return None


@dataclass(frozen=True)
class Engine:
    """What runs the passes of the compiled kernels.

    Attributes
    ----------
    name
        The name of its kernels.
    unavailable
        Why nothing can be compiled, or None.
    limit
        Called with a dtype, the length of the rows, and how they lie or None if one after the other: why that is too much, or None.
    run
        Called with the pass, the memory, the dtype, the shape of the rows, the operands with the result as the last one, what each
        of them has for each row, how they lie (None: one row after the other), and perhaps further numbers for the pass. An operand
        may be a single number for all rows, given by its bits.
    """

    name: str
    unavailable: Callable[[], str | None]
    limit: Callable[[str, int, Geometry | None], str | None]
    run: Callable[..., Any]
