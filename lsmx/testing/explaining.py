"""Which known mistakes give what a candidate gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from lsmx.testing.answers import EPS_AND_TINY, ULPS, Answer
from lsmx.testing.gradients import evaluate_lines
from lsmx.testing.mistakes import Mistake, edited

LOGARITHMS = {f"{form}np.log({base})": np.log(base) ** power for base in (2, 10) for form, power in (("", 1), ("1 / ", -1))}

Explanation = tuple[str, str, str]  # name, sentence, lines; all empty if there is none


def explanation(right: str, answers: list[Answer], known: Sequence[Mistake]) -> Explanation:
    """Name, sentence and lines of the mistake, or the two together, that give all these answers.

    One factor for all entries of all answers counts as a mistake. One mistake is preferred to two.
    """
    answers = sorted(answers, key=lambda answer: answer.right)  # the wrong ones first: most edits fail on them
    single = list(edited(right, known, 1))
    return (
        exact(answers, single)
        or scaled(answers, [(right, ())])
        or exact(answers, edited(right, known, 2))
        or scaled(answers, single)
        or ("", "", "")
    )


def exact(answers: list[Answer], candidates: Iterable[tuple[str, tuple[Mistake, ...]]]) -> Explanation | None:
    """The edit that is nearest, and those that cannot be told from it."""
    found = [(apart(answers, lines), lines, mistakes) for lines, mistakes in candidates]
    least, lines, mistakes = min(found, key=lambda one: one[0], default=(np.inf, "", ()))
    if least > ULPS:
        return None
    alike = dict.fromkeys(tuple(sorted({m.name for m in each})) for error, _, each in found if error <= least + 0.5)
    return " or ".join(map(" and ".join, alike)), " ".join(dict.fromkeys(m.why for m in mistakes)), lines


def apart(answers: list[Answer], lines: str) -> float:
    """The largest distance of answers from what ``lines`` give, in ulp."""
    worst = 0.0
    for answer in answers:
        worst = max(worst, answer.apart(lines))
        if worst > ULPS:
            return np.inf
    return worst


def scaled(answers: list[Answer], candidates: Iterable[tuple[str, tuple[Mistake, ...]]]) -> Explanation | None:
    """The edit that all answers are one multiple of."""
    for lines, mistakes in candidates:
        factor = next((factor_of(answer, lines) for answer in answers if answer.got is not None), "")
        multiple = f"{lines}\ndz = {factor} * dz"
        if factor and apart(answers, multiple) <= ULPS:
            name = "another base" if "log" in factor else "scale"
            why = f"The whole gradient is {factor} times the right one."
            if mistakes:
                why = f"And all of it is multiplied by {factor}."
            return " and ".join([*(m.name for m in mistakes), name]), " ".join([*(m.why for m in mistakes), why]), multiple
    return None


def factor_of(answer: Answer, lines: str) -> str:
    """What the largest entry that ``lines`` give is multiplied by, as simply as may be; nothing if by 1, 0 or no number."""
    want = evaluate_lines(lines, answer.given)
    if answer.got is None or isinstance(want, Exception) or want[0].shape != answer.got.shape:
        return ""
    at = np.unravel_index(np.argmax(np.abs(want[0])), want[0].shape)
    with np.errstate(all="ignore"):
        factor = float(answer.got[at] / want[0][at])
    if not np.isfinite(factor) or factor == 0.0:
        return ""
    fractions = (Fraction(factor).limit_denominator(n) for n in (1, 2, 10, 100, 1000))
    simple = {str(f).replace("/", " / "): float(f) for f in fractions} | LOGARITHMS
    near = ULPS * EPS_AND_TINY[answer.dtype][0] * abs(factor)
    text = next((text for text, value in simple.items() if abs(value - factor) <= near), repr(factor))
    return "" if text == "1" else text
