"""What runs a pass: compiled for the host, or for a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lsmx._fused.geometry import Geometry

LIMBS = 2**22  # elements of a float64 row from which on its limbs, added up, may not fit into 64 bits


def too_long(dtype: str, n: int) -> str | None:
    """Why a row is, or None. Its limbs are of 40 bits in float64; in float32 there is room for more than memory holds."""
    if dtype == "float64" and n >= LIMBS:
        return f"rows of {n} elements: float64 limbs are added up in 64 bits, which is safe for fewer than {LIMBS}"
    return None


@dataclass(frozen=True)
class Engine:
    """What runs the passes of the fused kernels.

    Attributes
    ----------
    name
        The name of its kernels.
    unavailable
        Why nothing can be compiled, or None.
    limit
        Called with a dtype, the length of the rows, and how they lie or None if one after the other: why that is too much, or None.
    run
        Called with the pass, the memory, the shape, the axis, the three operands and the result, and how many elements each of
        them has of a row: all (2), one (1), or none (0).
    """

    name: str
    unavailable: Callable[[], str | None]
    limit: Callable[[str, int, Geometry | None], str | None]
    run: Callable[..., Any]
