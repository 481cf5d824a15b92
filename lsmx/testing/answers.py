"""The result that somebody's own gradient gave for a probe, and its distance from the results of lines of NumPy code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx.testing.gradients import evaluate_lines
from lsmx.testing.inputs import Values
from lsmx.testing.probes import Probe

ULPS = 8  # the reason for this number is in the notes of ``diagnose``
EPS_AND_TINY = {  # one ulp of 1, and the smallest normal number, below which libraries may flush
    "float16": (2.0**-10, 2.0**-14),
    "bfloat16": (2.0**-7, 2.0**-126),
    "float32": (2.0**-23, 2.0**-126),
    "float64": (2.0**-52, 2.0**-1022),
}


@dataclass(frozen=True)
class Answer:
    """What a candidate gave for a probe: an array, or why there is none. ``lines`` are those that are right."""

    probe: Probe
    lines: str
    given: dict[str, Any]
    dtype: str
    got: npt.NDArray[Any] | None = None
    raised: str = ""
    faults: tuple[tuple[str, str], ...] = ()  # the name of a mistake, and a sentence
    equal_bits: bool = False

    @property
    def right(self) -> bool:
        """Whether it is."""
        return self.apart(self.lines) <= ULPS

    def errors(self, lines: str) -> Values | None:
        """The distance of each entry from the result of ``lines``, in ulp; None if one of the two is no array of that shape."""
        want = evaluate_lines(lines, self.given)
        if self.got is None or isinstance(want, Exception) or self.got.shape != want.shape:
            return None
        return distance(self.got.astype(np.float64), want, size_of(lines, self.given), self.dtype)

    def apart(self, lines: str) -> float:
        """The largest of them; 0 if ``lines`` raise as the candidate did."""
        errors = self.errors(lines)
        if errors is None:
            return 0.0 if self.raised and isinstance(evaluate_lines(lines, self.given), Exception) else np.inf
        return float(errors.max())

    def far(self, lines: str) -> bool:
        """Whether some entry is so far from what ``lines`` give that it need not be measured in ulp."""
        want = evaluate_lines(lines, self.given)
        if self.got is None or isinstance(want, Exception) or self.got.shape != want.shape:
            return not self.raised or not isinstance(want, Exception)
        got, eps = self.got.astype(np.float64), EPS_AND_TINY[self.dtype][0]
        with np.errstate(all="ignore"):
            least = 4 * ULPS * eps * (1 + np.abs(got).max() + np.abs(want).max())
            return bool((np.abs(got - want) > least).any())


def size_of(lines: str, given: dict[str, Any]) -> Values:
    """The magnitude that roundings of ``dz`` are relative to: that of the numbers that the lines add up."""
    size = evaluate_lines(lines, given, size=True)
    assert not isinstance(size, Exception)
    return size


def distance(got: Values, want: Values, size: Values, dtype: str) -> Values:
    """``|got - want|`` in ulp of ``size``; 0 for two NaN or equal infinities."""
    eps, tiny = EPS_AND_TINY[dtype]
    with np.errstate(all="ignore"):
        apart = np.abs(got - want) / (eps * size + tiny)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def slack(z: Values, axis: int) -> Values:
    """By how much the error of ``exp(z - lse)`` may exceed that of ``exp`` itself, as a factor.

    The argument has errors of half an ulp of ``z - lse`` and of ``lse``; the exponential makes relative errors of these.
    """
    z = np.where(np.isfinite(z), z, 0.0)
    relative: Values = 1.0 + (4.0 + np.abs(z - np.max(z, axis=axis, keepdims=True))) / (2 * ULPS)
    return relative
