"""The record that `diagnose` gives, and how it is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lsmx.testing import probes
from lsmx.testing.answers import EPS_AND_TINY, ULPS, Answer
from lsmx.testing.candidate import Candidate
from lsmx.testing.differences import description
from lsmx.testing.explaining import explanation
from lsmx.testing.gradients import evaluate_lines
from lsmx.testing.mistakes import FORWARD, HINTS, LEAKS, MISTAKES, OPTIONS, UNSAFE, Mistake
from lsmx.testing.probes import Probe
from lsmx.testing.state import between_calls

LET_THROUGH = "NaN in a row that is ignored gets through: choose with where(), as 0 times NaN is NaN"


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found. Print it, or read its fields; it is true if the gradient is right.

    Attributes
    ----------
    function : str
        What it is the gradient of.
    right : bool
        Whether it is.
    correct : str
        The right lines, in NumPy.
    inputs : int
        On how many inputs it was called.
    mistake : str or None
        The name of the mistake; several are joined by "and", or by "or" where they cannot be told apart. None if it is right, or
        wrong in a way that is not known.
    why : str
        The mistake in a sentence; of one that is not known, in which entries the gradient is off, and by how much.
    as_if : str
        The lines that give what the candidate gave, if they are known.
    probe : str
        The input on which it first differs.
    index : tuple of int or None
        The first entry that differs.
    got : float or None
        The candidate's value there.
    want : float or None
        The right one.
    notes : tuple of str
        What else there is to say.
    worst : float
        If it is right, the largest error in ulp of the terms that are added up.
    equal_bits : bool
        Whether all results have the very bits of lsmx's own.
    part : str
        ``"gradient"`` or ``"forward pass"``: what this is about.

    See Also
    --------
    diagnose : which returns it.
    """

    function: str
    right: bool
    correct: str
    inputs: int
    mistake: str | None = None
    why: str = ""
    as_if: str = ""
    probe: str = ""
    index: tuple[int, ...] | None = None
    got: float | None = None
    want: float | None = None
    notes: tuple[str, ...] = ()
    worst: float = 0.0
    equal_bits: bool = False
    part: str = "gradient"

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        head = f"{self.part} of {self.function}: "
        if self.right:
            bits = "with the bits of lsmx" if self.equal_bits else f"at most {self.worst:.1f} ulp off, not with the bits of lsmx"
            lines = [f"{head}right on {self.inputs} inputs, {bits}"]
        else:
            lines = [f"{head}wrong: {self.mistake or 'none of the known mistakes'}"]
            lines += [f"  {text}" for text in (self.why, self.probe and f"first seen on {self.probe}") if text]
            if self.index is not None:
                lines.append(f"  first difference at {self.index}: yours is {self.got:.8g}, right is {self.want:.8g}")
            shown = ("as if  ", self.as_if), ("correct", self.correct)
            lines += [f"  {name}  {'; '.join(text.splitlines())}" for name, text in shown if text]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def examine(candidate: Candidate, shapes: Sequence[tuple[int, ...]]) -> Diagnosis:
    """What comes of all probes."""
    function, reduces = candidate.function, candidate.reduces
    known = MISTAKES[function] if candidate.part == "gradient" else FORWARD
    ordinary = probes.ordinary(shapes, candidate.axis is not None, reduces)

    def answers_of(several: Sequence[Probe], more: Mapping[str, Any]) -> list[Answer]:
        options = {**candidate.built_in, **more}
        return [candidate.answer(probes.dressed(p, options) if options else p) for p in several]

    plain = answers_of(ordinary, {})
    masked = [candidate.answer(p) for p in probes.masked(reduces)] if candidate.masks else []
    hard = answers_of(probes.hard(reduces), {})
    with_options = [answers_of(ordinary, more) for more in candidate.trials()]
    ignoring = [p for group in (plain, *with_options) if (p := group[0].probe).options.get("ignore_index") is not None]
    answers = [*plain, *masked, *hard, *(answer for group in with_options for answer in group)]
    found = Diagnosis(function, True, plain[0].lines, len(answers), part=candidate.part)
    optional = known if candidate.part != "gradient" else (*OPTIONS, *known)
    groups = [(plain, optional if candidate.built_in else known), (masked, LEAKS)]
    groups += [(group, optional) for group in with_options]
    groups.append((hard, UNSAFE if candidate.part == "gradient" else known))
    if candidate.always_masks and explanation(masked[0].lines, masked, LEAKS)[0]:
        groups[:2] = groups[1::-1]  # what it makes of a mask may be wrong everywhere
    for group, mistakes in groups:
        if found.right and not all(answer.right for answer in group):
            found = wrong(found, candidate, plain, group, mistakes)
    faults = {why: name for answer in answers for name, why in answer.faults}
    if found.right and faults:
        why, name = next(iter(faults.items()))
        found = replace(found, right=False, mistake=name, why=why)
    if found.right:
        found = replace(found, worst=max(a.apart(a.lines) for a in answers), equal_bits=all(a.equal_bits for a in answers))
    let_through = found.right and not all(candidate.answer(probes.unknown_where_ignored(p)).right for p in ignoring)
    notes = (*found.notes, *(why for why in faults if why != found.why), *([LET_THROUGH] if let_through else []))
    return replace(found, notes=notes)


def wrong(
    found: Diagnosis, candidate: Candidate, plain: list[Answer], answers: list[Answer], known: Sequence[Mistake]
) -> Diagnosis:
    """Complete what was found by the first difference, and by the mistakes that explain all answers."""
    bad = [a for a in answers if not a.right]
    first = next((a for a in bad if a.got is not None), bad[0])
    seen = [a for a in answers if a.got is not None]
    raised = next((f"It raises {a.raised} on {a.probe}." for a in bad if a.raised), "")
    name, why, as_if = explanation(first.lines, answers, known) if seen else ("", "", "")
    left = None if name or first.faults else between_calls(candidate, plain[0])
    if not name and not left and first.got is not None and raised:  # what is raised may be another matter
        name, why, as_if = explanation(first.lines, seen, known)
    if left:
        (name, why, as_if), first = left
        raised = ""
    elif known is UNSAFE or (not name and first.probe.safe):
        name, why = f"not safe with {first.probe.safe}", f"It is right on ordinary logits. {why or unsafe(first, candidate)}"
    elif not name and raised and first.got is None:
        name, why, raised = "an exception", raised, ""
    elif not name and first.faults and first.errors(first.lines) is None:
        name, why = first.faults[0]
    elif not name:
        alike = answers if answers is plain or first.probe.options else [*plain, *answers]
        name, why = nearly(answers) or ("", described(alike, candidate))
    found = replace(found, right=False, correct=first.lines, mistake=name or None, why=why, as_if=as_if, probe=str(first.probe))
    return replace(found, notes=(raised,) if raised else (), **first_difference(first))


def unsafe(answer: Answer, candidate: Candidate) -> str:
    """What is wrong on a hard input, where no known mistake explains it."""
    finite = answer.got is not None and np.isfinite(answer.got).all()
    return described([answer], candidate) if finite else HINTS.get(answer.probe.safe, "")


def described(answers: list[Answer], candidate: Candidate) -> str:
    """Where it is off, and by how much, if that is not known by a name: of a forward pass in how many of the rows."""
    if candidate.part == "gradient":
        return description(answers, candidate.function)
    errors = [e for a in answers if (e := a.errors(a.lines)) is not None]
    wrong = sum(int((e > ULPS).sum()) for e in errors)
    return f"It is off in {wrong} of {sum(e.size for e in errors)} results, by up to {max(float(e.max()) for e in errors):.3g} ulp."


def nearly(answers: list[Answer]) -> tuple[str, str] | None:
    """Name and sentence if all of it is right to the digits of a narrower format."""
    for dtype in ("float32", "float16"):
        if all(replace(a, dtype=dtype).right for a in answers) and all(
            EPS_AND_TINY[a.dtype] < EPS_AND_TINY[dtype] for a in answers
        ):
            return (
                "less precision",
                f"It is right to the digits of {dtype} only: computed in less precision, or with an epsilon that is added.",
            )
    return None


def first_difference(answer: Answer) -> dict[str, Any]:
    """The first entry that is not right, if there are entries to compare."""
    errors, want = answer.errors(answer.lines), evaluate_lines(answer.lines, answer.given)
    if errors is None or answer.got is None or isinstance(want, Exception):
        return {}
    index = tuple(int(i) for i in np.argwhere(errors > ULPS)[0])
    return {"index": index, "got": float(answer.got[index]), "want": float(want[index])}
