"""Finds rules that keep something from one call to the next: right at first, and wrong afterwards."""

from __future__ import annotations

from dataclasses import replace

from lsmx.testing.answers import Answer
from lsmx.testing.candidate import Candidate
from lsmx.testing.explaining import Explanation, exact
from lsmx.testing.gradients import RULES
from lsmx.testing.mistakes.edits import Mistake, edited, instead
from lsmx.testing.probes import again

KEPT = "It is that of an earlier call, not the one that is handed over: save it for each call anew."
ADDED = "It adds to the result of an earlier call: a rule returns the gradient of this call, and the engine adds up."
TWICE = "It gave two results for the same arguments: something is kept between calls, or drawn at random."


def kept(function: str) -> tuple[Mistake, ...]:
    """What may be left from an earlier call."""
    rule = RULES[function]
    residuals = ("out", "z", "p", "z, out")
    return (
        *instead("s = ", "stale output", KEPT, *(f"{x} = {earlier(x)}\ns = " for x in residuals)),
        *instead("s = ", "stale cotangent", KEPT, f"g = {earlier('g')}\ns = "),
        *instead("s = ", "stale target", KEPT, f"target = {earlier('target')}\ns = "),
        *instead(rule, "stale gradient", KEPT, "earlier_dz"),
        *instead(rule, "gradient accumulated", ADDED, f"{rule} + earlier_dz"),
    )


def earlier(names: str) -> str:
    """The names of the same things of the call before."""
    return ", ".join(f"earlier_{name}" for name in names.split(", "))


def between_calls(candidate: Candidate, first: Answer) -> tuple[Explanation, Answer] | None:
    """Calls it again as at first, then with other values, then as at first, and says what it kept, if anything."""
    before, other, after = (candidate.answer(probe) for probe in again(first.probe, candidate.reduces))
    left = {f"earlier_{name}": value for name, value in before.given.items()}
    left |= {} if before.got is None else {"earlier_dz": before.got}
    other = replace(other, given=other.given | left)
    if other.got is not None and not other.right:
        found = exact([other], edited(other.lines, kept(candidate.function), 1))
        if found:
            return found, other
    if len({(bool(answer.raised), None if answer.got is None else answer.got.tobytes()) for answer in (first, before, after)}) > 1:
        return ("not the same twice", TWICE, ""), after
    return None
