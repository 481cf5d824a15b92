"""How much slower or faster one run of ``lsmx bench`` is than another, and how much of that may be noise.

The time of lsmx in a turn is divided by the time of another library in the same turn: what slows the whole machine slows both.
Let x be the logarithms of these ratios in the turns before, y in those after. The change is the median of all y - x (Hodges and
Lehmann, https://doi.org/10.1214/aoms/1177704172), and it lies between two of these differences, counted from either end as the test
of Mann and Whitney says, whatever the distribution (Bauer, https://doi.org/10.1080/01621459.1972.10481279).
"""

from __future__ import annotations

import functools
import math
import statistics
from dataclasses import dataclass
from typing import Any

LEVEL = 0.002  # of how many works that have not changed one is told to have, by the scatter of turns alone
CONTROLS = 0.95  # of the others' ratios among themselves, whose changes are no larger than the drift
Entry = dict[str, Any]


@functools.cache
def ways(n: int, m: int, u: int) -> int:
    """In how many orders of n and m numbers u pairs are the wrong way round."""
    if u < 0 or not n or not m:
        return int(u == 0)
    return ways(n - 1, m, u - m) + ways(n, m - 1, u)


def outside(n: int, m: int) -> int | None:
    """How many of the n m differences lie outside at either end of the interval; None if there are too few for any."""
    allowed, count = LEVEL / 2 * math.comb(n + m, n), -1
    while (allowed := allowed - ways(n, m, count + 1)) >= 0:
        count += 1
    return None if count < 0 else count


@dataclass(frozen=True)
class Shift:
    """The factor by which times have grown, and between which it lies."""

    factor: float
    low: float = 0.0
    high: float = math.inf

    @classmethod
    def of(cls, before: list[float], after: list[float]) -> Shift:
        """From the turns of both runs, as logarithms."""
        differences = sorted(y - x for x in before for y in after)
        factor, count = math.exp(statistics.median(differences)), outside(len(before), len(after))
        if count is None:
            return cls(factor)
        return cls(factor, math.exp(differences[count]), math.exp(differences[-1 - count]))

    @property
    def size(self) -> float:
        """How far it is from none, to either side: 0.25 of a factor of 1.25, and of one of 0.8."""
        return max(self.factor, 1 / self.factor) - 1

    def told(self, drift: float) -> bool:
        """Whether it is more than noise: than the scatter of the turns, and than runs drift apart."""
        return not self.low <= 1 <= self.high and self.size > drift

    def noise(self, drift: float) -> float:
        """Half the width of the interval, or the drift if that is more."""
        return max(math.inf if self.low == 0 else math.sqrt(self.high / self.low) - 1, drift)


@dataclass(frozen=True)
class Change:
    """Of a contestant in a work: the ratio other / ours before and after, our times relative to the other's, and as they are."""

    work: str
    threads: int | None
    who: str
    beside: str | None  # None: there is no other, and times are taken as they are
    ratios: tuple[float, float] | None
    shift: Shift
    clock: Shift

    def told(self, drift: Drift) -> bool:
        """Whether it is more than noise."""
        return self.shift.told(drift.of(self))

    def words(self, drift: Drift) -> str:
        """As a sentence."""
        noise = self.shift.noise(drift.of(self))
        if math.isinf(noise):
            return "too few turns to tell; 7 are enough"
        if not self.told(drift):
            return f"no difference that can be told from the noise ({percent(noise)})"
        by = self.shift.factor - 1
        return f"{'slower' if by > 0 else 'faster'} by {percent(abs(by))} (noise {percent(noise)})"


@dataclass(frozen=True)
class Drift:
    """How far two runs are apart where nothing has changed: beside another of the same turns, and by the clock."""

    relative: float
    clock: float

    @classmethod
    def of_controls(cls, controls: list[Change]) -> Drift:
        """The largest change of most controls, of either kind."""
        return cls(*(most([c.shift.size for c in controls if (c.beside is None) == clock]) for clock in (False, True)))

    def of(self, change: Change) -> float:
        """What counts for a change."""
        return self.clock if change.beside is None else self.relative


def most(sizes: list[float]) -> float:
    """The largest of most of them; 0 of none."""
    return sorted(sizes)[math.ceil(CONTROLS * len(sizes)) - 1] if sizes else 0.0


def percent(share: float) -> str:
    """Two digits, or as many as a whole number has."""
    return f"{100 * share:.{1 if share < 0.0995 else 0}f} %"


def turns(entry: Entry, who: str, beside: str | None = None) -> list[float]:
    """The logarithms of a contestant's times, relative to another's of the same turns."""
    own = [math.log(t) for t in entry["seconds"][who]["turns"]]
    return own if beside is None else [x - math.log(t) for x, t in zip(own, entry["seconds"][beside]["turns"], strict=True)]


def timed(before: Entry, after: Entry) -> list[str]:
    """Who was timed in both runs: first whom the targets name as others."""
    names = dict.fromkeys([*(target["other"] for target in before.get("targets", [])), *before["seconds"]])
    return [name for name in names if all("turns" in entry["seconds"].get(name, {}) for entry in (before, after))]


def change(before: Entry, after: Entry, who: str, beside: str | None) -> Change:
    """Of a contestant."""
    clock = Shift.of(turns(before, who), turns(after, who))
    work, threads = before["work"], before.get("threads")
    if beside is None:
        return Change(work, threads, who, None, None, clock, clock)
    a, b = (turns(entry, who, beside) for entry in (before, after))
    return Change(
        work, threads, who, beside, (math.exp(-statistics.median(a)), math.exp(-statistics.median(b))), Shift.of(a, b), clock
    )


def compared(pairs: list[tuple[Entry, Entry]]) -> tuple[list[Change], list[Change]]:
    """Our changes in the works of both runs; and as controls those of the others, which have not changed, in both kinds."""
    found: list[Change] = []
    controls: list[Change] = []
    for before, after in pairs:
        names = timed(before, after)
        others = [name for name in names if not name.startswith("lsmx")]
        beside = next(iter(others or [target["other"] for target in before.get("targets", []) if target["other"] in names]), None)
        found += [change(before, after, name, beside) for name in names if name not in (*others, beside)]
        controls += [change(before, after, name, beside) for name in others[1:]]
        controls += [change(before, after, name, None) for name in others]
    return found, controls


def by_badness(found: list[Change], drift: Drift) -> list[Change]:
    """What is told to be slower first, the worst of it first; what is told to be faster last."""
    return sorted(found, key=lambda c: (c.told(drift) * math.copysign(1, 1 - c.shift.factor), -c.shift.factor))
