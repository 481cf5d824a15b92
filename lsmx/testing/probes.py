"""Inputs on which the known mistakes show: no square only, no cotangent of ones or of zero sum, every axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx.testing.inputs import Values, normal, uniform

SHAPES = ((5, 7), (6, 6), (3, 4, 5), (4, 4, 4))


@dataclass(frozen=True)
class Probe:
    """Logits, cotangent, axis, and a mask perhaps; ``safe`` names what a right rule may still stumble over."""

    z: Values
    g: Values
    axis: int = -1
    where: npt.NDArray[np.bool_] | None = None
    safe: str = ""

    def __str__(self) -> str:
        masked = "" if self.where is None else ", masked"
        return f"logits of shape {self.z.shape}, axis={self.axis}{masked}{self.safe and f', with {self.safe}'}"


def cotangent(seed: int, shape: tuple[int, ...], axis: int, reduces: bool) -> Values:
    """Drawn around 1/2, so that no sum is near 0; of the output's shape."""
    reduced = list(shape)
    if reduces:
        del reduced[axis]
    return normal(seed, *reduced) + 0.5


def ordinary(shapes: Sequence[tuple[int, ...]], every_axis: bool, reduces: bool) -> list[Probe]:
    """Logits of ordinary size; along the last axis, or along every one, counted from both ends."""
    probes: list[Probe] = []
    for shape in shapes:
        axes = [-1, *range(len(shape) - 1), *range(-len(shape), -1)] if every_axis else [-1]
        for axis in axes:
            seed = 100 * len(probes) + 7
            probes.append(Probe(1.5 * normal(seed, *shape), cotangent(seed + 1, shape, axis, reduces), axis))
    return probes


def masked(reduces: bool) -> list[Probe]:
    """A mask that leaves at least two entries in every row; what is left out is a number, then NaN."""
    shape = SHAPES[0]
    mask = uniform(5001, *shape) < 0.6
    mask[..., :2] = True
    mask[..., 2] = False
    z, g = 1.5 * normal(5002, *shape), cotangent(5003, shape, -1, reduces)
    unknown = np.where(mask, z, np.nan), g if reduces else np.where(mask, g, np.nan)
    return [Probe(z, g, where=mask), Probe(*unknown, where=mask, safe="NaN where masked")]


def hard(reduces: bool) -> list[Probe]:
    """Rows on which rules that are right on paper come out as NaN."""
    rows: dict[str, Any] = {
        "logits of -inf": [[0.5, -np.inf, 1.25, -0.75], [-np.inf, -np.inf, 2.0, 1.0]],
        "one logit that leads by far": [[0.5, 30.0, 1.25, -0.75], [-20.0, 1.0, -40.0, -20.0]],
        "large logits": [[1000.0, -1000.0, 0.0, 10.0], [-1000.0, -1000.0, -24.0, -1000.0]],
    }
    return [Probe(np.asarray(z), cotangent(6000 + i, (2, 4), -1, reduces), safe=name) for i, (name, z) in enumerate(rows.items())]
