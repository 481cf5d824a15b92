"""Inputs on which the known mistakes show: not only squares, cotangents whose sum is not 0 or n, every axis, every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx.testing.inputs import Values, normal, uniform
from lsmx.testing.options import ONE_NUMBER

SHAPES = ((5, 7), (6, 6), (3, 4, 5), (4, 4, 4))
MATRICES = ((5, 7), (6, 6), (7, 5))  # what rules with targets are written for


@dataclass(frozen=True)
class Probe:
    """Logits, cotangent, axis, a target for each row, a mask and options perhaps.

    ``safe`` names the numerical trouble that a rule with the right formula may still have here.
    """

    z: Values
    g: Values
    axis: int = -1
    where: npt.NDArray[np.bool_] | None = None
    safe: str = ""
    target: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        masked = "" if self.where is None else ", masked"
        given = "".join(f", {name}={'...' if name == 'weight' else repr(value)}" for name, value in self.options.items())
        return f"logits of shape {self.z.shape}, axis={self.axis}{masked}{given}{self.safe and f', with {self.safe}'}"


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape of one number a row."""
    reduced = list(shape)
    del reduced[axis]
    return tuple(reduced)


def cotangent(seed: int, shape: tuple[int, ...], axis: int, reduces: bool) -> Values:
    """Drawn around 1/2, so that no sum is near 0; of the output's shape."""
    return normal(seed, *(without(shape, axis) if reduces else shape)) + 0.5


def classes(seed: int, shape: tuple[int, ...], axis: int) -> npt.NDArray[np.int64]:
    """One for each row: in squares the first and the last are among them; elsewhere they are inner ones, that have neighbours."""
    n = shape[axis]
    inner = n > 2 and len(set(shape)) > 1
    target = np.floor(uniform(seed, *without(shape, axis)) * (n - 2 * inner)).astype(np.int64) + inner
    if not inner:
        target.flat[:2] = 0, n - 1
    return target


def drawn(seed: int, shape: tuple[int, ...], axis: int, reduces: bool) -> Probe:
    """Logits of ordinary size, cotangent and targets."""
    z, g = 1.5 * normal(seed, *shape), cotangent(seed + 1, shape, axis, reduces)
    return Probe(z, g, axis, target=classes(seed + 2, shape, axis))


def ordinary(shapes: Sequence[tuple[int, ...]], every_axis: bool, reduces: bool) -> list[Probe]:
    """Along the last axis, or along every one, counted from both ends."""
    probes: list[Probe] = []
    for shape in shapes:
        axes = [-1, *range(len(shape) - 1), *range(-len(shape), -1)] if every_axis else [-1]
        for axis in axes:
            probes.append(drawn(100 * len(probes) + 7, shape, axis, reduces))
    return probes


def dressed(probe: Probe, options: Mapping[str, Any]) -> Probe:
    """The probe with options: every other row ignored, a weight for each class, one cotangent for all rows."""
    n, target, given = probe.z.shape[probe.axis], probe.target.copy(), dict(options)
    if "ignore_index" in options:
        target[target == options["ignore_index"]] = (options["ignore_index"] + 1) % n
        target.flat[1::2] = options["ignore_index"]
    if "weight" in options:
        given["weight"] = uniform(7001, n) + 0.5
    g = np.asarray(1.5 + probe.g.flat[0] / 4) if options.get("reduction") in ONE_NUMBER else probe.g
    return replace(probe, g=g, target=target, options=given)


def unknown_where_ignored(probe: Probe) -> Probe:
    """The probe with NaN in the rows that are ignored."""
    ignored = np.expand_dims(probe.target == probe.options["ignore_index"], probe.axis)
    return replace(probe, z=np.where(ignored, np.nan, probe.z))


def again(first: Probe, reduces: bool) -> list[Probe]:
    """The first input again, then others of its shape and axis: a rule that keeps something of the first is wrong on them."""
    return [first, dressed(drawn(9001, first.z.shape, first.axis, reduces), first.options), first]


def masked(reduces: bool) -> list[Probe]:
    """A mask that leaves at least two entries in every row, the target among them; what is left out is a number, then NaN."""
    shape = SHAPES[0]
    mask = uniform(5001, *shape) < 0.6
    mask[..., :2] = True
    mask[..., 2] = False
    z, g = 1.5 * normal(5002, *shape), cotangent(5003, shape, -1, reduces)
    target = np.arange(shape[0]) % 2
    unknown = np.where(mask, z, np.nan), g if reduces else np.where(mask, g, np.nan)
    return [Probe(z, g, where=mask, target=target), Probe(*unknown, where=mask, safe="NaN where masked", target=target)]


def hard(reduces: bool) -> list[Probe]:
    """Rows on which mathematically correct rules compute NaN."""
    rows: dict[str, Any] = {  # with the targets
        "logits of -inf": ([[0.5, -np.inf, 1.25, -0.75], [-np.inf, -np.inf, 2.0, 1.0]], [0, 3]),
        "one logit that leads by far": ([[0.5, 30.0, 1.25, -0.75], [-20.0, 1.0, -40.0, -20.0]], [1, 2]),
        "large logits": ([[1000.0, -1000.0, 0.0, 10.0], [-1000.0, -1000.0, -24.0, -1000.0]], [3, 0]),
    }
    return [
        Probe(np.asarray(z), cotangent(6000 + i, (2, 4), -1, reduces), safe=name, target=np.asarray(target))
        for i, (name, (z, target)) in enumerate(rows.items())
    ]
