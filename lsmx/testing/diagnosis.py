"""Says whether a gradient of one's own is right, and if not, which known mistake it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lsmx.extend import Array, float_name, serving
from lsmx.testing import probes
from lsmx.testing.candidate import ULPS, Answer, Candidate, parameters
from lsmx.testing.gradients import RESIDUALS, correct, evaluate_lines
from lsmx.testing.mistakes import LEAKS, MISTAKES, Mistake, edited

LOGITS = ("z", "x", "logits", "input", "inputs")  # what users call them


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found. Print it, or read its fields; it is true if the gradient is right.

    Attributes
    ----------
    function
        What it is the gradient of.
    right
        Whether it is.
    correct
        The right lines, in NumPy.
    inputs
        On how many inputs it was called.
    mistake
        The name of the mistake; several are joined by "and", or by "or" where they cannot be told apart. ``None`` if it is right,
        or wrong in a way that is not known.
    why
        The mistake in a sentence.
    as_if
        The lines that give what the candidate gave, if they are known.
    probe
        The input on which it first differs.
    index, got, want
        The first entry that differs, the candidate's value there, and the right one.
    notes
        What else there is to say.
    worst
        If it is right, the largest error in ulp of the terms that are added up.
    equal_bits
        Whether all results have the very bits of lsmx's own.
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

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        head = f"gradient of {self.function}: "
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


def diagnose(
    backward: Callable[..., Array],
    /,
    *,
    function: str = "log_softmax",
    like: Array | None = None,
    saves: str | Sequence[str] | None = None,
    shapes: Sequence[tuple[int, ...]] = probes.SHAPES,
) -> Diagnosis:
    """Say whether a gradient is right, and where it is not, which known mistake it makes.

    Parameters
    ----------
    backward
        Your gradient, called as ``backward(grad_output, output)`` for log-softmax and softmax, and as
        ``backward(grad_output, z, output)`` for logsumexp, whose ``grad_output`` and ``output`` lack the reduced axis. If it takes
        a keyword ``axis`` (or ``dim``), it is tried along every axis, otherwise along the last; if it takes ``where``, with masks.
        With a first argument called ``ctx`` it is called as ``backward(ctx, grad_output)``, along the last axis, and finds the rest
        in ``ctx.saved_tensors``. Put anything else into a lambda.
    function
        ``"log_softmax"``, ``"softmax"`` or ``"logsumexp"``.
    like
        An array of the library, dtype and device to try it on. By default NumPy, float64.
    saves
        What your forward pass saves for it, if that is something else: ``"z"``, ``"output"``, or ``("z", "output")`` for both.
    shapes
        Of the logits to try, with two axes or more: some square and some not, as mistakes hide in squares.

    Returns
    -------
    Diagnosis
        Print it.

    Raises
    ------
    TypeError
        ``backward`` is not callable; ``like`` is not an array of floats.
    ValueError
        ``function``, ``saves`` or ``shapes`` is none of those accepted.

    Notes
    -----
    Right is what is nowhere more than 8 ulp off, in ulp of the magnitudes that are added up: ``|g| + s * sum(|g|)`` for
    log-softmax. In the arithmetic of an array library the sum of a short row takes up to 3 ulp, ``exp`` 1 or 2, the product and
    the difference 1/2 each. Equal bits are asked of lsmx's own backends, not of yours.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import diagnose
    >>> print(diagnose(lambda g, out: g * (1 - np.exp(out))))
    gradient of log_softmax: wrong: row sum missing
      That is the diagonal of the Jacobian I - 1 s^T: every logit moves all outputs of its row.
      first seen on logits of shape (5, 7), axis=-1
      first difference at (0, 0): yours is 0.57709675, right is -3.8574686
      as if    s = np.exp(out); dz = g * (1 - s)
      correct  s = np.exp(out); dz = g - s * np.sum(g, axis=axis, keepdims=True)
    >>> bool(diagnose(lambda g, out: g - np.exp(out) * g.sum(axis=-1, keepdims=True)))
    True
    """
    saved = checked(backward, function, saves, shapes)
    like = np.zeros(()) if like is None else like
    serving("like", like)
    float_name("like", like)
    candidate = Candidate.of(backward, function, like, saved)
    reduces = function == "logsumexp"
    plain = [candidate.answer(p) for p in probes.ordinary(shapes, candidate.axis is not None, reduces)]
    masked = [candidate.answer(p) for p in probes.masked(reduces)] if candidate.masks else []
    hard = [candidate.answer(p) for p in probes.hard(reduces)]
    answers = [*plain, *masked, *hard]
    found = Diagnosis(function, True, correct(function, saved), len(answers))
    for group, known in ((plain, MISTAKES[function]), (masked, LEAKS), (hard, ())):
        if found.right and not all(answer.right for answer in group):
            found = wrong(found, group, known)
    faults = {why: name for answer in answers for name, why in answer.faults}
    if found.right and faults:
        why, name = next(iter(faults.items()))
        found = replace(found, right=False, mistake=name, why=why)
    notes = [*found.notes, *(why for why in faults if why != found.why)]
    if found.right:
        found = replace(found, worst=max(a.apart(a.lines) for a in answers), equal_bits=all(a.equal_bits for a in answers))
        notes += renamed(backward, saved)
    return replace(found, notes=tuple(notes))


def checked(
    backward: object, function: str, saves: str | Sequence[str] | None, shapes: Sequence[tuple[int, ...]]
) -> tuple[str, ...]:
    """What is handed over beside the cotangent; raises for arguments that are none."""
    if not callable(backward):
        raise TypeError(f"backward: {backward!r} is not callable; pass the function that computes your gradient")
    if function not in RESIDUALS:
        raise ValueError(f"function: {function!r} is not one of {', '.join(RESIDUALS)}")
    accepted = RESIDUALS[function]
    saved = accepted[0] if saves is None else (saves,) if isinstance(saves, str) else tuple(saves)
    if saved not in accepted:
        raise ValueError(f"saves: {saves!r}, but the gradient of {function} is made from one of {', '.join(map(str, accepted))}")
    if not shapes or not all(len(shape) >= 2 and min(shape) >= 2 for shape in shapes):
        raise ValueError(f"shapes: {shapes!r} are not shapes of two axes or more, each of two entries or more")
    return saved


def wrong(found: Diagnosis, answers: list[Answer], known: Sequence[Mistake]) -> Diagnosis:
    """Complete what was found by the first difference, and by the mistakes that explain all answers."""
    bad = [a for a in answers if not a.right]
    first = next((a for a in bad if a.got is not None), bad[0])
    seen = [a for a in answers if a.got is not None]
    raised = next((f"It raises {a.raised} on {a.probe}." for a in bad if a.raised), "")
    name, why, as_if = explanation(first.lines, answers, known) if seen else ("", "", "")
    if not name and first.got is not None:  # what is raised may be another matter
        name, why, as_if = explanation(first.lines, seen, known)
    if not name and raised and first.got is None:
        name, why, raised = "an exception", raised, ""
    elif not name and first.faults and first.errors(first.lines) is None:
        name, why = first.faults[0]
    elif not name and first.probe.safe:
        name, why = f"not safe with {first.probe.safe}", "It is right on ordinary logits."
    found = replace(found, right=False, correct=first.lines, mistake=name or None, why=why, as_if=as_if, probe=str(first.probe))
    return replace(found, notes=(raised,) if raised else (), **first_difference(first))


def first_difference(answer: Answer) -> dict[str, Any]:
    """The first entry that is not right, if there are entries to compare."""
    errors, want = answer.errors(answer.lines), evaluate_lines(answer.lines, answer.given)
    if errors is None or answer.got is None or isinstance(want, Exception):
        return {}
    index = tuple(int(i) for i in np.argwhere(errors > ULPS)[0])
    return {"index": index, "got": float(answer.got[index]), "want": float(want[0][index])}


def explanation(right: str, answers: list[Answer], known: Sequence[Mistake]) -> tuple[str, str, str]:
    """Name, sentence and lines of the mistake, or the two together, that give all these answers; empty if there is none."""
    for number in (1, 2):
        found = [(apart(answers, lines), lines, mistakes) for lines, mistakes in edited(right, known, number)]
        least, lines, mistakes = min(found, key=lambda one: one[0], default=(np.inf, "", ()))
        if least <= ULPS:
            alike = [" and ".join(dict.fromkeys(m.name for m in each)) for error, _, each in found if error <= least + 0.5]
            return " or ".join(dict.fromkeys(alike)), " ".join(dict.fromkeys(m.why for m in mistakes)), lines
    return "", "", ""


def apart(answers: list[Answer], lines: str) -> float:
    """The largest distance of answers from what ``lines`` give, in ulp."""
    worst = 0.0
    for answer in answers:
        worst = max(worst, answer.apart(lines))
        if worst > ULPS:
            return np.inf
    return worst


def renamed(backward: Callable[..., Array], saved: tuple[str, ...]) -> list[str]:
    """A word about an argument that is called as if it were the logits, but was given the output."""
    names = [p.name for p in parameters(backward)[1:2] if p.name in LOGITS and saved == ("output",)]
    return [
        f'its argument {name} was given the output; if your engine hands it the logits, ask again with saves="z"' for name in names
    ]
