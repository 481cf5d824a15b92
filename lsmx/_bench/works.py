"""What one row of the results is: arrays, who computes on them, and what is to be reached."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx.extend import core_status

Call = Callable[[], object]
DIRECTIONS = ("forward", "backward")
MINUS_INFINITY = float("-inf")

left_out: set[str] = set()
"""Libraries that take no part though they are installed."""


@dataclass(frozen=True)
class Work:
    """A pass of log-softmax over an array."""

    shape: tuple[int, int]
    dtype: str
    direction: str
    axis: int = -1

    @property
    def name(self) -> str:
        """For the table."""
        rows, n = self.shape
        return f"{rows} x {n}" + (" axis 0" if self.axis == 0 else "") + f" {self.dtype} {self.direction}"

    @property
    def size(self) -> int:
        """Elements."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class Target:
    """The time of the other / ours that is to be reached.

    Attributes
    ----------
    group
        The line of the summary that it belongs to.
    ours, other
        Names of contestants.
    ratio
        The least; None where only the ratio is shown.
    gain
        Two contestants whose ratio is asked for instead where it is less.
    """

    group: str
    ours: str
    other: str
    ratio: float | None
    gain: tuple[str, str] | None = None


@dataclass(frozen=True)
class Row:
    """A row: its contestants by name, made when their turn comes, and its targets."""

    name: str
    elements: int
    contestants: Callable[[], dict[str, Call]]
    targets: tuple[Target, ...]

    def chosen(self, only: str) -> bool:
        """Whether ``only`` is a part of its name or of a group's."""
        return any(only.lower() in text.lower() for text in (self.name, *(target.group for target in self.targets)))


def optional(name: str) -> Any:
    """A library, or None if it is not installed or left out."""
    if name.partition(".")[0] in left_out:
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def jax_or_none() -> Any:
    """JAX with float64, if it is installed."""
    jax = optional("jax")
    if jax is not None:
        jax.config.update("jax_enable_x64", True)
    return jax


def fewer(rows: int, share: int) -> int:
    """A number of rows, or of that the part that a trial takes."""
    return max(2, rows // share)


def drawn(shape: tuple[int, ...], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits and cotangents."""
    rng = np.random.default_rng(0)
    z, g = (rng.standard_normal(shape, dtype=np.float32).astype(dtype) for _ in range(2))
    return z, g


def of_target(**ratios: float) -> float | None:
    """The ratio that is asked for on the core's target in use, if any is."""
    return ratios.get(core_status()["target"] or "")
