"""The arguments that a function is called with on a case: its arrays and options, drawn according to their kinds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx import registered
from lsmx.extend import FORMAT_OF, INDEX, INDICES, MASK, PER_CLASS, ROW_SUMS, Kind, normal_axes
from lsmx.testing.inputs import Case, normal, uniform

SUMS = "row_sums"  # the name of the function, and of the option of others that takes its result


def arguments(function: str, case: Case) -> dict[str, npt.NDArray[Any]]:
    """The arrays that a function takes, drawn for a case by their kinds: the first has its logits."""
    shape, axes = case.z.shape, normal_axes(case.axis, case.z.ndim)
    given: dict[str, npt.NDArray[Any]] = {}
    for i, (name, kind) in enumerate(registered()[function].function.takes.items()):
        seed = case.seed + 2000 + i
        if i == 0:
            given[name] = case.z
        elif kind in (INDEX, INDICES):
            n = math.prod(shape[a] for a in axes)
            given[name] = np.floor(n * uniform(seed, *index_shape(case, name, kind, axes)))
            if name == "target" and "ignore_index" in case.options:
                given[name] = np.where(uniform(seed + 500, *given[name].shape) < 0.3, case.options["ignore_index"], given[name])
        elif kind is MASK:
            given[name] = uniform(seed, *shape) < 0.7
        elif kind is PER_CLASS:
            given[name] = uniform(seed, *kind.shape(shape, axes))
        elif kind is ROW_SUMS:
            given[name] = {"largest": magnitudes, "total": totals}.get(name, of_longer_rows)(case, axes)
        else:
            given[name] = 3 * normal(seed, *kind.shape(shape, axes))
    return given


def of_longer_rows(case: Case, axes: tuple[int, ...]) -> npt.NDArray[Any]:
    """The two largest logits of longer rows, of which a case has a part: clearly above all that the case has."""
    z = case.z if case.where is None else np.where(case.where, case.z, -np.inf)
    with np.errstate(invalid="ignore"):
        second = np.max(z, axis=axes, keepdims=True, initial=-np.inf)
        top = second + 1.0 + np.abs(second) / 64
    none = np.zeros_like(top)
    return np.concatenate([top, second, none, none], axis=max(axes))


def magnitudes(case: Case, axes: tuple[int, ...]) -> npt.NDArray[Any]:
    """The largest magnitudes of longer rows, of which a case has a part: above all that the case has, infinite where float16 is."""
    z = case.z if case.where is None else np.where(case.where, case.z, 0.0)
    most = 1.5 * np.max(np.abs(z), axis=axes, keepdims=True, initial=0.0)
    most = np.where(most < 2.0**16, most, np.where(np.isnan(most), np.nan, np.inf))
    none = np.zeros_like(most)
    return np.concatenate([most, none, none, none], axis=max(axes))


def totals(case: Case, axes: tuple[int, ...]) -> npt.NDArray[Any]:
    """Sums of rows in two words, of which the second is little beside the first."""
    high = 3 * normal(case.seed + 2500, *[1 if a in axes else n for a, n in enumerate(case.z.shape)])
    none = np.zeros_like(high)
    return np.concatenate([high, high * 2.0**-56, none, none], axis=max(axes))


def index_shape(case: Case, name: str, kind: Kind, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of indices: one for each row, or as many along its axis as the case says."""
    if name not in case.options:
        return kind.shape(case.z.shape, axes)
    return tuple(case.options[name] if i in axes else n for i, n in enumerate(case.z.shape))


def options_of(function: str, case: Case) -> dict[str, Any]:
    """The options of a case that a function knows: numbers, and arrays that are drawn by their kinds; not the sums of the rows."""
    operator, axes = registered()[function], normal_axes(case.axis, case.z.ndim)
    given: dict[str, Any] = {}
    for i, (name, value) in enumerate(case.options.items()):
        if isinstance(value, Kind) and name in operator.function.optional:
            given[name] = 0.25 + 2 * uniform(case.seed + 3000 + i, *value.shape(case.z.shape, axes))
        elif isinstance(value, float | int) and name in operator.operations["forward"].options and name != SUMS:
            given[name] = value
    return given


def takes_sums(function: str, case: Case) -> bool:
    """Whether a function is called with ``row_sums``."""
    return SUMS in case.options and SUMS in registered()[function].function.optional


def options_of_sums(options: dict[str, Any]) -> dict[str, Any]:
    """The options with which the sums of the rows are found."""
    return {name: value for name, value in options.items() if name in ("temperature", "softcap")}


def held_in(kind: Kind, dtype: str) -> str:
    """The dtype that an array of a kind is made in."""
    if kind is ROW_SUMS:
        return FORMAT_OF[dtype].dtype
    return dtype if kind.floating else "bool" if kind is MASK else "int32"
