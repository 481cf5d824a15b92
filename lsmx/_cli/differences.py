"""Two ways beside each other: how many elements differ, and which is the first; between dtypes, by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx._cli.ending import InputError
from lsmx._cli.inputs import Inputs
from lsmx._cli.output import number, wrapped
from lsmx._cli.progress import Progress
from lsmx._cli.scope import is_left_out, left_out, said
from lsmx._cli.verify import functions_of
from lsmx._cli.ways import Way
from lsmx.extend import FORMAT_OF
from lsmx.testing.bits import bits, differing, quantise
from lsmx.testing.distance import Distance
from lsmx.testing.golden import FUNCTIONS
from lsmx.testing.inputs import Case, Values, normal

BITS_ROW = "{:<16} {:<9} {:>12} {:>12}  {}"
DTYPE_ROW = "{:<12} {:<10} {:>12} {:>11} {:>11} {:>11}"
PRECISION = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
assert PRECISION.keys() == FORMAT_OF.keys()


def compare_bits(a: Way, b: Way, dtypes: Sequence[str], inputs: Inputs, progress: Progress) -> list[dict[str, Any]]:
    """A row for each function and dtype: how many elements differ in their bits, over all directions."""
    progress.say(BITS_ROW.format("function", "dtype", "elements", "differ", "result"))
    rows = []
    tasks = [(function, dtype) for function in functions_of(inputs) for dtype in dtypes]
    for way, dtype in [(way, dtype) for way in (a, b) for dtype in dtypes if inputs.losses]:
        if (words := said(way, dtype)) is not None:
            progress.say(f"{way.name} {dtype}: omitted: {wrapped(words, 10)}")
    for i, (function, dtype) in enumerate(tasks):
        if is_left_out(a, function, dtype) or is_left_out(b, function, dtype):
            continue
        without = left_out(a, function, dtype) | left_out(b, function, dtype)
        elements, different, first = 0, 0, None
        for done, group in steps(inputs, function):
            if group[0].name in without:
                continue
            progress.at(f"{function} {dtype}, {group[0].name}", (i + done) / len(tasks))
            for where, x, y in pairs(function, (a, dtype), (b, dtype), group):
                elements += x.size
                text = differing(x, y)
                if text is not None:
                    different += int((bits(x) != bits(y)).sum()) if x.shape == y.shape and x.dtype == y.dtype else x.size
                    first = first or f"{where}: {text}"
        result = "differs" if different else "equal"
        progress.say(BITS_ROW.format(function, dtype, elements, different, result))
        if first is not None:
            progress.say(f"{'':<10}{wrapped(first, 10)}")
        row = {"function": function, "dtype": dtype, "elements": elements, "different": different, "first": first, "result": result}
        rows.append(row)
    return rows


def pairs(function: str, a: tuple[Way, str], b: tuple[Way, str], group: Sequence[Case]) -> Iterator[tuple[str, Any, Any]]:
    """The results of two ways, each with its dtype, in every direction on some cases."""
    results = []
    for way, dtype in (a, b):
        try:
            results.append(way.compute(function, dtype, group))
        except Exception as error:  # whatever a library raises
            raise InputError(f"{way.name} {function} {dtype}, {group[0].name}: raised {type(error).__name__}: {error}") from None
    for case, ours, theirs in zip(group, *results, strict=True):
        for direction, x in ours.items():
            yield f"{case.name} {direction}", x, theirs[direction]


@dataclass(frozen=True)
class Rounded(Case):
    """A case whose numbers are numbers of several dtypes; cotangents are nearly normal, so that distances have a scale."""

    dtypes: tuple[str, ...] = ()

    def draw(self, shape: tuple[int, ...]) -> Values:
        """All rows alike."""
        return rounded(normal(self.seed + 1000, *shape), self.dtypes)


def rounded(values: Values, dtypes: Sequence[str]) -> Values:
    """Numbers of all the dtypes, the narrowest one first."""
    for dtype in dtypes:
        values = quantise(values, dtype).astype(np.float64)
    return values


def compare_dtypes(a: tuple[Way, str], b: tuple[Way, str], inputs: Inputs, progress: Progress) -> list[dict[str, Any]]:
    """A row for each function and direction: how many elements differ once both are of the narrower dtype, and the distance."""
    (narrow, less), (wide, more) = sorted((a, b), key=lambda side: PRECISION[side[1]])
    progress.say(
        f"The same logits and cotangents for both, rounded to {less}; differ: once the results are rounded to {less}, too."
    )
    progress.say(DTYPE_ROW.format("function", "direction", "elements", "differ", "max |A-B|", "mean |A-B|"))
    rows = []
    for i, function in enumerate(FUNCTIONS):
        distances: dict[str, Distance] = {}
        for done, group in steps(inputs):
            progress.at(f"{function}, {group[0].name}", (i + done) / len(FUNCTIONS))
            group = [Rounded(c.name, rounded(c.z, (less, more)), c.axis, c.where, c.seed, (less, more)) for c in group]
            for at, x, y in pairs(function, (narrow, less), (wide, more), group):
                distances.setdefault(at.rpartition(" ")[2], Distance()).add(x, y, less)
        for direction, d in distances.items():
            share = "none" if not d.different else f"{100 * d.different / d.elements:.3g} %"
            progress.say(DTYPE_ROW.format(function, direction, d.elements, share, f"{d.largest:.3g}", f"{d.mean:.3g}"))
            row = {"function": function, "direction": direction, "elements": d.elements, "different": d.different}
            result = "differs" if d.different else "equal"
            rows.append(
                {
                    **row,
                    "share": d.different / max(1, d.elements),
                    "max": number(d.largest),
                    "mean": number(d.mean),
                    "result": result,
                }
            )
    return rows


def steps(inputs: Inputs, function: str = "") -> Iterator[tuple[float, Sequence[Case]]]:
    """The groups of cases, each with the share of all that came before."""
    done = 0
    for group in inputs.groups(function):
        yield done / len(inputs.of(function)), group
        done += len(group)
