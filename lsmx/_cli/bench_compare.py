"""``lsmx bench --compare``: what two stored runs say of each other, work by work."""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
from dataclasses import asdict
from typing import Any

from lsmx._bench import changes
from lsmx._bench.changes import Change, Drift, Entry, percent
from lsmx._bench.report import grid, threads_text
from lsmx._cli.ending import InputError
from lsmx._cli.output import write
from lsmx._cli.progress import Progress

Key = tuple[str, int | None]
SAME = {"processor": "processor", "processors": "number of processors", "device": "device", "Python": "Python"}
SAME |= {"target": "target of the core", "torch": "instructions of PyTorch"}
SHORTEST, LONGEST = 1e-12, 1e9  # seconds that a time can be
MOST = 100  # turns: already of so many it takes half a minute to find the noise


def read(path: str) -> dict[str, Any]:
    """The run in a file."""
    try:
        run = json.loads(pathlib.Path(path).read_text())
    except OSError as error:
        raise InputError(f"--compare: {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"--compare: {path}: not JSON: {error}") from None
    if (wrong := fault(run)) is not None:
        raise InputError(f"--compare: {path}: {wrong}")
    if not any("turns" in s for entry in entries(run, "").values() for s in entry["seconds"].values()):
        raise InputError(f"--compare: {path} has medians only, and no times of turns to tell the noise from; measure again")
    return dict(run)


def fault(run: Any) -> str | None:
    """What is wrong with a run; None if nothing is."""
    other = "not what lsmx bench --json writes"
    try:
        if not isinstance(run["machine"]["versions"], dict) or not all(map(is_entry, listed(run))):
            return other
        for entry in listed(run):
            work, turns = entry["work"], [taken["turns"] for taken in entry["seconds"].values() if "turns" in taken]
            if not all(t and all(map(is_time, t)) for t in turns):
                return f"{other}: {work}: the turns of a contestant are times in seconds, one at least"
            if len({len(t) for t in turns}) > 1:
                return f"{other}: {work}: not all contestants have as many turns"
            if max(map(len, turns), default=0) > MOST:
                return f"{work}: more than {MOST} turns, for which the noise takes too long to find; measure with fewer"
    except (AttributeError, KeyError, TypeError):
        return other
    return None


def is_entry(entry: Any) -> bool:
    """Whether something has the fields of a work, but for its times."""
    names = [name for target in entry.get("targets", []) for name in (target["group"], target["other"])]
    texts = all(isinstance(name, str) for name in (entry["work"], *names))
    return texts and isinstance(entry.get("threads"), int | None) and isinstance(entry["seconds"], dict)


def is_time(x: Any) -> bool:
    """Whether it can be a time in seconds."""
    return type(x) in (int, float) and SHORTEST <= x <= LONGEST


def listed(run: dict[str, Any]) -> list[Entry]:
    """The works of a run."""
    found: list[Entry] = run["device"] if "device" in run else run["rows"]
    return found


def entries(run: dict[str, Any], only: str) -> dict[Key, Entry]:
    """The works of a run whose name, or that of a group of theirs, has ``only`` in it."""
    found = {}
    for entry in listed(run):
        names = [entry["work"], *(target["group"] for target in entry.get("targets", []))]
        if any(only.lower() in name.lower() for name in names):
            found[entry["work"], entry.get("threads")] = entry
    return found


def unlike(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """In what two runs differ, other than in the build of lsmx."""
    a, b = before["machine"], after["machine"]
    facts = [(said, a.get(key), b.get(key)) for key, said in SAME.items()]
    names = dict.fromkeys([*a["versions"], *b["versions"]])
    facts += [(name, a["versions"].get(name), b["versions"].get(name)) for name in names if name != "lsmx"]
    return [f"{said}: {x or 'none'} before, {y or 'none'} after" for said, x, y in facts if x != y]


def name_of(key: Key) -> str:
    """Of a work with its threads."""
    work, threads = key
    return work if threads is None else f"{work}, {threads} thread{'s' * (threads > 1)}"


def some(works: dict[Key, Entry]) -> str:
    """The names of the first two."""
    return " and ".join(map(name_of, list(works)[:2])) + ", and more" * (len(works) > 2)


def line(change: Change, drift: Drift) -> list[str]:
    """A row of the table."""
    ratios = "" if change.ratios is None else "{:.2f} to {:.2f}".format(*change.ratios)
    who = change.who + (f" / {change.beside}" if change.beside else ", by the clock")
    threads = threads_text({"threads": change.threads})
    return [change.work, threads, who, ratios, f"{100 * (change.clock.factor - 1):+.0f} %", change.words(drift)]


def verdict(found: list[Change], controls: list[Change], drift: Drift) -> str:
    """How many are slower, and what the noise was taken from."""
    told = [change for change in found if change.told(drift)]
    slower = sum(change.shift.factor > 1 for change in told)
    mean = math.exp(statistics.mean(math.log(change.shift.factor) for change in found)) - 1
    counts = f"{slower} slower, {len(told) - slower} faster, {len(found) - len(told)} with no difference that can be told"
    counts += f"; all together {'slower' if mean > 0 else 'faster'} by {percent(abs(mean))}"
    relative = [change for change in controls if change.beside]
    if not relative:
        return f"{counts}\nDrift between the runs: unknown, as no work has two others to hold against each other."
    wrong = sum(change.shift.told(0.0) for change in relative)
    apart = f"{percent(drift.relative)}, by the clock {percent(drift.clock)}"
    return (
        f"{counts}\nDrift between the runs: {apart}: 19 of 20 ratios between the others, which have not changed,\n"
        f"are no further apart ({len(relative)} ratios; the scatter of turns alone would tell of {wrong} changes)."
    )


def row(change: Change, drift: Drift) -> dict[str, Any]:
    """For ``--json``."""
    noise = change.shift.noise(drift.of(change))
    return {
        "work": change.work,
        "threads": change.threads,
        "ours": change.who,
        "other": change.beside,
        "ratios": change.ratios,
        "factor": change.shift.factor,
        "noise": None if math.isinf(noise) else noise,
        "clock": change.clock.factor,
        "told": change.told(drift),
    }


def compare(given: argparse.Namespace, progress: Progress) -> int:
    """Print every work, the worst first; 1 where one is slower than ``--fail-above`` allows, or where one is gone."""
    (first, second), (before, after) = given.compare, map(read, given.compare)
    if (reasons := unlike(before, after)) and not given.anyway:
        raise InputError(f"--compare: not the same machine and libraries ({'; '.join(reasons)}); --anyway compares them")
    old, new = entries(before, given.only), entries(after, given.only)
    ours, controls = changes.compared([(old[key], new[key]) for key in old if key in new])
    if not ours:
        a, b = (some(works) or f"none with {given.only!r} in its name" for works in (old, new))
        raise InputError(
            f"--compare: no work is in both, with as many threads: {first} has {a}, {second} {b}; measure the same works"
        )
    drift, gone = Drift.of_controls(controls), [name_of(key) for key in old if key not in new]
    found = changes.by_badness(ours, drift)
    for reason in reasons:
        progress.say(f"NOT THE SAME {reason}")
    heads = ["work", "threads", "ours / other", "other / ours", "by the clock", "relative to the other"]
    progress.say(f"{grid([line(change, drift) for change in found], heads, 'github')}\n")
    for side, keys in (("before", gone), ("after", [name_of(key) for key in new if key not in old])):
        for key in keys:
            progress.say(f"only {side}: {key}")
    progress.say(verdict(found, controls, drift))
    record = {"before": first, "after": second, "unlike": reasons, "drift": asdict(drift), "gone": gone}
    write({**record, "rows": [row(change, drift) for change in found]}, given.json, progress)
    limit = math.inf if given.fail_above is None else 1 + given.fail_above / 100
    failed = any(change.told(drift) and change.shift.factor > limit for change in found)
    return int(failed or (bool(gone) and given.fail_above is not None))
