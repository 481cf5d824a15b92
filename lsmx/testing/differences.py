"""Where a gradient differs from the right one, and by how much, when no known mistake explains it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx.testing.answers import EPS_AND_TINY, ULPS, Answer, size_of
from lsmx.testing.gradients import RULES, SUM_G, SUM_GS, G, evaluate_lines, softmax
from lsmx.testing.inputs import Values
from lsmx.testing.probes import Probe

TERMS = {  # that are added up
    "log_softmax": ("g", f"s * {SUM_G}"),
    "softmax": ("s * g", f"s * {SUM_GS}"),
    "cross_entropy": (f"{G} * s", f"{G} * y"),
}


@dataclass(frozen=True)
class Difference:
    """A candidate's entries, the right ones, what their roundings are relative to, and which of them are ``off``."""

    answer: Answer
    got: Values
    want: Values
    size: Values
    off: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, answer: Answer) -> Difference | None:
        """Of an answer that has entries to compare and is not right."""
        errors, want = answer.errors(answer.lines), evaluate_lines(answer.lines, answer.given)
        if answer.right or errors is None or answer.got is None or isinstance(want, Exception):
            return None
        return cls(answer, answer.got.astype(np.float64), want, size_of(answer.lines, answer.given), errors > ULPS)

    @property
    def axis(self) -> int:
        """Along which a row runs."""
        return self.answer.probe.axis

    @property
    def s(self) -> Values:
        """The probabilities."""
        z, where = self.answer.given["z"], self.answer.probe.where
        return softmax(z if where is None else np.where(where, z, -np.inf), self.axis)

    def multiple(self, of: Values, basis: Values, each: bool) -> Values | None:
        """The factor by which ``basis`` gives ``of`` where it is off: one, or one in each row; None if there is none."""
        axis = self.axis if each else None
        with np.errstate(all="ignore"):
            weight = np.where(self.off, np.abs(basis), -1.0)
            at = weight == np.max(weight, axis=axis, keepdims=True)
            factor = np.max(np.where(at, of / basis, -np.inf), axis=axis, keepdims=True)
            slack = ULPS * EPS_AND_TINY[self.answer.dtype][0] * self.size * (2 + np.abs(factor))
            near = np.abs(of - factor * basis) <= slack
        return np.broadcast_to(factor, self.off.shape)[self.off] if near[self.off].all() else None


def description(answers: list[Answer], function: str) -> str:
    """Where, by how much, and what it is if that can be said; empty if no answer has entries to compare."""
    bad = [found for found in map(Difference.of, answers) if found]
    if not bad:
        return ""
    return f"It is off {inputs(answers)}{entries(bad)}, {amount(bad)}.{combination(bad, function)}"


def inputs(answers: list[Answer]) -> str:
    """What the inputs have in common on which it is off, if it is right on others."""
    bad, good = [a.probe for a in answers if not a.right], [a.probe for a in answers if a.right]
    if not good:
        return ""
    shared: dict[str, Callable[[Probe], bool]] = {
        "with masks": lambda p: p.where is not None,
        "along the last axis": lambda p: p.axis % p.z.ndim == p.z.ndim - 1,
        "along other axes than the last": lambda p: p.axis % p.z.ndim < p.z.ndim - 1,
        "with three axes or more": lambda p: p.z.ndim > 2,
        "with two axes": lambda p: p.z.ndim == 2,
        "where axis is negative": lambda p: p.axis < 0,
        "where axis is counted from the front": lambda p: p.axis >= 0,
        "in square arrays": lambda p: len(set(p.z.shape)) == 1,
        "in arrays that are not square": lambda p: len(set(p.z.shape)) > 1,
        f"along axis={bad[0].axis}": lambda p: p.axis == bad[0].axis,
    }
    for text, has in shared.items():
        if all(map(has, bad)) and not any(map(has, good)):
            return f"only {text}, "
    return f"on {len(bad)} of {len(answers)} inputs, "


def places(found: Difference) -> Iterator[tuple[str, Any]]:
    """Sets of entries that have a name."""
    probe, z, index = found.answer.probe, np.nan_to_num(found.answer.given["z"], nan=-np.inf), np.indices(found.want.shape)
    yield "what is masked out", np.broadcast_to(False if probe.where is None else ~probe.where, found.want.shape)
    if "target" in found.answer.given:
        yield "the target of each row", index[found.axis] == np.expand_dims(probe.target, found.axis)
    yield "the largest logit of each row", z == np.max(z, axis=found.axis, keepdims=True)
    yield "the smallest logit of each row", z == np.min(z, axis=found.axis, keepdims=True)
    for axis, name in ((found.axis, "class"), (0, "row")):
        yield f"the first {name}", index[axis] == 0
        yield f"the last {name}", index[axis] == found.want.shape[axis] - 1
    yield "positive entries of the right gradient", found.want > 0
    g = found.answer.given["g"]
    g = g if g.shape in ((), found.want.shape) else np.expand_dims(g, found.axis)
    yield "positive entries of g", g > np.zeros_like(found.want)


def entries(bad: list[Difference]) -> str:
    """Where in the arrays."""
    if all(found.off.all() for found in bad):
        return "in every entry"
    sets = [dict(places(found)) for found in bad]
    for name in sets[0]:
        if all((found.off == named[name]).all() for found, named in zip(bad, sets, strict=True)):
            return f"only at {name}"
        if all((found.off != named[name]).all() for found, named in zip(bad, sets, strict=True)):
            return f"everywhere but at {name}"
    rows = [found.off.any(axis=found.axis, keepdims=True) for found in bad]
    if all((found.off == whole).all() for found, whole in zip(bad, rows, strict=True)):
        return f"in {sum(int(row.sum()) for row in rows)} of {sum(row.size for row in rows)} rows, in the whole row"
    return f"in {sum(int(found.off.sum()) for found in bad)} of {sum(found.off.size for found in bad)} entries"


def amount(bad: list[Difference]) -> str:
    """By one factor or one amount, in all entries or in each row, or by up to how much."""
    if not all(np.isfinite(found.got[found.off]).all() for found in bad):
        return "where it gives NaN or infinity"
    if not any(found.got[found.off].any() for found in bad):
        return "where it gives 0"
    cut = np.unique(np.concatenate([np.abs(found.got[found.off]) for found in bad]))
    if cut.size == 1 and all((np.abs(found.want[found.off]) > cut).all() for found in bad):
        return f"where it is cut off at {cut[0]:.6g}"
    relations = {
        "factor": [(found, found.got, found.want) for found in bad],
        "amount": [(found, found.got - found.want, np.ones_like(found.want)) for found in bad],
        "multiple of s": [(found, found.got - found.want, found.s) for found in bad],
    }
    alone = all((found.off.sum(axis=found.axis) <= 1).all() for found in bad)  # one entry in a row tells nothing about the row
    for each in (False,) if alone else (False, True):
        for name, triples in relations.items():
            multiples = [found.multiple(of, basis, each) for found, of, basis in triples]
            if all(m is not None for m in multiples):
                return f"by one {name}{' in each row' if each else ''}: {spread([m for m in multiples if m is not None])}"
    error = max(float(np.abs(found.got - found.want).max()) for found in bad)
    return f"by up to {error:.3g}, where the right values are up to {max(float(np.abs(found.want).max()) for found in bad):.3g}"


def spread(values: list[Values]) -> str:
    """One number, or from where to where."""
    least, most = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    return f"{least:.6g}" if f"{least:.6g}" == f"{most:.6g}" else f"{least:.6g} to {most:.6g}"


def combination(bad: list[Difference], function: str) -> str:
    """The multiples of the rule's two terms that give all of it, if any do."""
    terms = TERMS.get(function, ())
    lines = [[found.answer.lines.replace(RULES[function], term) for term in terms] for found in bad]
    if not terms or any(RULES[function] not in found.answer.lines for found in bad):
        return ""
    values = [
        [np.broadcast_to(value(text, found), found.want.shape) for text in both] for both, found in zip(lines, bad, strict=True)
    ]
    basis = np.stack([np.concatenate([v[i].ravel() for v in values]) for i in (0, 1)], axis=-1)
    got = np.concatenate([found.got.ravel() for found in bad])
    if not np.isfinite(basis).all() or not np.isfinite(got).all():
        return ""
    factors = np.linalg.lstsq(basis, got, rcond=None)[0]
    slack = ULPS * max(EPS_AND_TINY[found.answer.dtype][0] for found in bad) * (np.abs(basis) @ (1 + np.abs(factors)))
    if (np.abs(got - basis @ factors) > slack).any():
        return ""
    one, two = (f"{round(float(f), 12):.6g} times {term}" for f, term in zip(factors * (1, -1), terms, strict=True))
    return f" It is {one} less {two}."


def value(lines: str, found: Difference) -> Values:
    """What lines give that run on every input."""
    dz = evaluate_lines(lines, found.answer.given)
    assert not isinstance(dz, Exception)
    return dz
