"""A mistake is an edit of the correct lines; two mistakes are two edits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WRONG_AXES = (-1, 0, 1, -2, None, (0, 1), (-2, -1))

PUT_BACK = (  # sentences that several tables have
    "The axis is put back in one fixed place, which is right for one axis only; keepdims=True, or expand_dims, is right for all."
)
EXCHANGED = "It is called as backward(grad_output, output): what it takes for one is the other."
EACH = "g is one number a row, and multiplies its own row."
ONE_ROW = "Every row has a sum of its own; that of one row does not serve another."


@dataclass(frozen=True)
class Mistake:
    """``wrong`` in place of ``right``, wherever that stands in the lines."""

    name: str
    right: str
    wrong: str
    why: str


def instead(right: str, name: str, why: str, *wrong: str) -> tuple[Mistake, ...]:
    """Several ways to write the same mistake in place of ``right``."""
    return tuple(Mistake(name, right, text, why) for text in wrong)


def edited(lines: str, mistakes: Sequence[Mistake], number: int) -> Iterator[tuple[str, tuple[Mistake, ...]]]:
    """The lines with so many mistakes in them; each different text once."""
    seen = {lines}
    for chosen in itertools.permutations(mistakes, number):
        text = lines
        for mistake in chosen:
            if mistake.right not in text:
                break
            text = text.replace(mistake.right, mistake.wrong)
        else:
            if text not in seen:
                seen.add(text)
                yield text, chosen
