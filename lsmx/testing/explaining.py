"""Finds the known mistakes whose results are those of a candidate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from lsmx.testing.answers import EPS_AND_TINY, ULPS, Answer, size_of
from lsmx.testing.gradients import evaluate_lines, result_of
from lsmx.testing.mistakes import Mistake, edited

ONCE = "A mean over the batch is the loss's own, and is in g already."
SIGN = "The whole gradient has the other sign."
LENGTH = "The length of the row is nowhere in the rule."
BASE = "ln 2 and ln 10 are for other bases: the derivative of exp is exp."
FACTORS = {  # with the names and the sentences of the mistakes
    "-1": (("sign",), SIGN),
    **{f"1 / {n}": (("divided by the batch",), ONCE) for n in ("s.shape[0]", "s.size")},
    **{f"-1 / {n}": (("divided by the batch", "sign"), f"{SIGN} {ONCE}") for n in ("s.shape[0]", "s.size")},
    **{f"1 / {n}": (("scaled by the row's length",), LENGTH) for n in ("s.shape[axis]", "np.sqrt(s.shape[axis])")},
    **{f"{form}np.log({base})": (("another base",), BASE) for base in (2, 10) for form in ("", "1 / ")},
}

Edit = tuple[str, tuple[Mistake, ...]]
Explanation = tuple[str, str, str]  # name, sentence, lines; all empty if there is none


def explanation(right: str, answers: list[Answer], known: Sequence[Mistake]) -> Explanation:
    """Name, sentence and lines of the mistake, or the two together, that give all these answers.

    A factor of the whole gradient counts as a mistake, and may come on top of two. One mistake is preferred to two.
    """
    answers = sorted(answers, key=lambda answer: answer.right)  # the wrong ones first: most edits fail on them
    single = list(edited(right, known, 1))
    found = exact(answers, single) or scaled(answers, [(right, ())])
    if not found:
        pairs = list(edited(right, known, 2))
        found = exact(answers, pairs) or scaled(answers, single) or scaled(answers, pairs)
    return found or ("", "", "")


def exact(answers: list[Answer], candidates: Iterable[Edit]) -> Explanation | None:
    """The edit whose results are nearest, and those with the same results."""
    found = [(apart(answers, lines), lines, mistakes) for lines, mistakes in candidates]
    least, lines, mistakes = min(found, key=lambda one: one[0], default=(np.inf, "", ()))
    if least > ULPS:
        return None
    alike = dict.fromkeys(tuple(sorted({m.name for m in each})) for error, _, each in found if error <= least + 0.5)
    return " or ".join(map(" and ".join, alike)), " ".join(dict.fromkeys(m.why for m in mistakes)), lines


def apart(answers: list[Answer], lines: str) -> float:
    """The largest distance of answers from what ``lines`` give, in ulp."""
    worst = 0.0
    if answers[0].far(lines):
        return np.inf
    for answer in answers:
        worst = max(worst, answer.apart(lines))
        if worst > ULPS:
            return np.inf
    return worst


def scaled(answers: list[Answer], candidates: Iterable[Edit]) -> Explanation | None:
    """The edit that all answers are a multiple of: by one factor, or by one that depends on the shape only."""
    first = next(answer for answer in answers if answer.got is not None)
    for lines, mistakes in candidates:
        measured = ratio(first, lines)
        if not measured:
            continue
        scale = (("scale",), f"The whole gradient is {measured} times the right one.")
        for factor, (names, why) in [*FACTORS.items(), (measured, scale)]:
            multiple = f"{lines}\n{result_of(lines)} = {factor} * {result_of(lines)}"
            if apart(answers, multiple) <= ULPS:
                together = sorted({*names, *(m.name for m in mistakes)})
                return " and ".join(together), " ".join(dict.fromkeys([*(m.why for m in mistakes), why])), multiple
    return None


def ratio(answer: Answer, lines: str) -> str:
    """What all entries that ``lines`` give are multiplied by, as simply as may be; nothing if there is no such number."""
    want = evaluate_lines(lines, answer.given)
    if answer.got is None or isinstance(want, Exception) or want.shape != answer.got.shape:
        return ""
    got, eps = answer.got.astype(np.float64), EPS_AND_TINY[answer.dtype][0]
    at = np.unravel_index(np.argmax(np.abs(want)), got.shape)
    with np.errstate(all="ignore"):
        factor = float(got[at] / want[at])
        same = bool((np.abs(got - factor * want) <= 2 * ULPS * eps * np.abs(factor) * size_of(lines, answer.given)).all())
    if not same or factor == 0.0:
        return ""
    fractions = (Fraction(factor).limit_denominator(n) for n in (1, 2, 10, 100, 1000))
    near = (str(f).replace("/", " / ") for f in fractions if abs(float(f) - factor) <= ULPS * eps * abs(factor))
    return next(near, repr(factor))
