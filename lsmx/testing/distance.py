"""How far two arrays of numbers are from each other, added up over as many pairs as there are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx.testing.bits import bits, quantise


def total(values: npt.NDArray[Any] | Iterable[float]) -> float:
    """Their sum, rounded once: in any order the same."""
    try:
        return math.fsum(values.tolist() if isinstance(values, np.ndarray) else values)
    except OverflowError:  # of finite numbers
        return math.inf


@dataclass
class Distance:
    """How far results are from each other; of two dtypes, bits are compared in the narrower one.

    Attributes
    ----------
    elements, different
        How many were looked at, and how many of them differ in a bit.
    finite
        How many are finite on both sides: those that the distance is of.
    largest, at
        The largest ``|a - b|``, and the number of the first element that has it; None if none is finite.
    """

    elements: int = 0
    different: int = 0
    finite: int = 0
    largest: float = 0.0
    at: int | None = None
    summed: float = 0.0

    def add(self, narrow: npt.NDArray[Any], wide: npt.NDArray[Any], dtype: str) -> None:
        """More results, the first ones in ``dtype``."""
        self.different += int((bits(narrow) != bits(quantise(wide, dtype))).sum())
        both = np.flatnonzero(np.isfinite(narrow) & np.isfinite(wide))
        distance = np.abs(narrow.ravel()[both].astype(np.float64) - wide.ravel()[both].astype(np.float64))
        if distance.size and (self.at is None or distance.max() > self.largest):
            first = int(distance.argmax())
            self.largest, self.at = float(distance[first]), self.elements + int(both[first])
        self.elements += narrow.size
        self.finite += distance.size
        self.summed = total([self.summed, total(distance)])

    @property
    def mean(self) -> float:
        """Over the elements that are finite on both sides."""
        return self.summed / max(1, self.finite)
