"""The inputs that a way is compared on: all, but for losses that it has no kernel for or that take too long to compile."""

from __future__ import annotations

from lsmx._cli.ways import Way
from lsmx.testing.losses import LOSSES, QUICK_CASES, cases_of, looked_at

SLOW = ("strict", "dask")  # they check or plan every step


def left_out(way: Way, function: str, dtype: str) -> set[str]:
    """The inputs of a function on which a way is not looked at, by name."""
    if function not in LOSSES:
        return set()
    every = {case.name for case in cases_of(function)}
    if way.tally is not None and function not in way.functions:
        return every
    return every - {case.name for case in looked_at(way.name, function, dtype) if way.name not in SLOW or case.name in QUICK_CASES}


def is_left_out(way: Way, function: str, dtype: str) -> bool:
    """Whether a way is not looked at in a function at all."""
    return function in LOSSES and len(left_out(way, function, dtype)) == len(cases_of(function))


def said(way: Way, dtype: str) -> str | None:
    """What is left out of a way in a dtype, in words, and why; None if it is nothing."""
    none = [function for function in LOSSES if is_left_out(way, function, dtype)]
    some = [function for function in LOSSES if function not in none and left_out(way, function, dtype)]
    parts = [f"{', '.join(some)}: on {', '.join(QUICK_CASES)} alone"] if some else []
    parts += [f"{', '.join(none)}: not at all"] if none else []
    why = "there is no such kernel" if way.tally is not None else "they take too long"
    return f"{'; '.join(parts)}; {why}" if parts else None
