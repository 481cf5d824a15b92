"""``lsmx verify``: every function in every direction, on every library and in every other way there is, bit for bit."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lsmx
from lsmx._cli.ending import BAD_INPUT
from lsmx._cli.inputs import Inputs, chosen
from lsmx._cli.output import here, wrapped, write
from lsmx._cli.progress import Progress
from lsmx._cli.scope import is_left_out, left_out, said
from lsmx._cli.sides import are_files
from lsmx._cli.ways import Results, Way, all_ways
from lsmx.extend import FORMAT_OF
from lsmx.testing.bits import combined, differing
from lsmx.testing.golden import FUNCTIONS, digest_of, golden, key
from lsmx.testing.inputs import Case
from lsmx.testing.losses import LOSSES
from lsmx.testing.tasks import wanted

ROW = "{:<16} {:<16} {:<8} {:<12} {:>8}  {}"
ALONE = (
    "NumPy is the only array library here. Its kernels, its own operations and the array-API standard's namespace, each with a row "
    "of its own, are compared with the definition in portable operations. To compare libraries, install another one."
)


@dataclass
class Row:
    """A row of the table: a way, on all cases, for one function and dtype."""

    way: str
    function: str
    dtype: str
    result: str = "equal"
    digest: str | None = None
    seconds: float | None = None
    why: str | None = None
    partly: bool = False  # not on all inputs

    def __str__(self) -> str:
        took = "-" if self.seconds is None else f"{1e3 * self.seconds:.0f} ms" if self.seconds < 100 else f"{self.seconds:.0f} s"
        line = ROW.format(self.way, self.function, self.dtype, self.digest or "-", took, self.result)
        return line if self.why is None else f"{line}\n{'':<10}{wrapped(self.why, 10)}"


class Running:
    """A way at work on one function and dtype."""

    def __init__(self, way: Way, function: str, dtype: str) -> None:
        self.way, self.function, self.dtype = way, function, dtype
        self.marks: list[str] = []
        self.seconds = 0.0
        self.wrong: str | None = None
        self.fell = False
        self.left_out = left_out(way, function, dtype)
        if way.tally is not None:
            way.tally.taken, way.tally.refused = 0, ""

    def take(self, parts: Sequence[Case], wants: Sequence[Results], stored: bool) -> None:
        """Compute some cases and compare them with the definition's results, and with the stored digests."""
        if self.fell or parts[0].name in self.left_out:
            return
        start = time.perf_counter()
        try:
            results = self.way.compute(self.function, self.dtype, parts)
        except Exception as error:  # whatever a library raises
            self.fell, self.wrong = True, f"{parts[0].name}: raised {type(error).__name__}: {error}"
            return
        self.seconds += time.perf_counter() - start
        for case, got, want in zip(parts, results, wants, strict=True):
            self.marks.append(digest_of(self.function, self.dtype, got))
            found = next((f"{d}: {text}" for d in want if (text := differing(got[d], want[d]))), None)
            if found is None and stored and self.marks[-1] != golden()[key(self.function, self.dtype, case.name)]:
                found = f"digest {self.marks[-1]}, stored {golden()[key(self.function, self.dtype, case.name)]}"
            if found is not None and self.wrong is None:
                self.wrong = f"{case.name} {found}"

    def row(self) -> Row:
        """The row of the table."""
        row = Row(self.way.name, self.function, self.dtype, partly=bool(self.left_out))
        if self.wrong is not None:
            row.result, row.why = "differs", self.wrong
        tally = self.way.tally
        if tally is not None and not tally.taken and self.wrong is None:
            row.result, row.why = "unavailable", f"took none of the inputs: {tally.refused or 'no such kernel for this function'}"
            return row
        if not self.fell:
            row.digest, row.seconds = combined(self.marks), self.seconds
        return row


def rows_of(
    function: str, dtype: str, ways: Iterable[Way], inputs: Inputs, progress: Progress, share: tuple[int, int]
) -> tuple[list[Row], str]:
    """The rows for one function and dtype, and the definition's digest. ``share``: the how-manieth of how many this is."""
    running = [Running(way, function, dtype) for way in ways]
    marks: list[str] = []
    for group in inputs.groups(function):
        done = (share[0] + len(marks) / len(inputs.of(function))) / share[1]
        at = f"{function} {dtype}, {group[0].name}"
        progress.at(at, done)
        wants = [wanted(function, dtype, case) for case in group]
        marks += [digest_of(function, dtype, want) for want in wants]
        for one in running:
            progress.at(f"{at}, {one.way.name}", done)
            one.take(group, wants, inputs.stored)
    return [one.row() for one in running], combined(marks)


def functions_of(inputs: Inputs) -> tuple[str, ...]:
    """Those that are computed on the inputs."""
    return (*FUNCTIONS, *LOSSES) if inputs.losses else FUNCTIONS


def named(inputs: Inputs) -> str:
    """The same in words."""
    return "all functions" if inputs.losses else ", ".join(FUNCTIONS)


def measured(
    ways: dict[str, Way | str], dtypes: Sequence[str], inputs: Inputs, progress: Progress, say: Callable[[str], None]
) -> tuple[list[Row], dict[str, str]]:
    """All rows, each said as soon as it is there, and the definition's digests."""
    rows: list[Row] = []
    definition: dict[str, str] = {}
    idle: dict[tuple[str, str], list[Row]] = {}  # rows of kernels that took none of a loss's inputs, by way and dtype

    def show(row: Row) -> None:
        rows.append(row)
        say(str(row))

    for name, way in ways.items():
        if isinstance(way, str):
            show(Row(name, "all", "all", "unavailable", why=way))
    usable = [way for way in ways.values() if isinstance(way, Way)]
    for way in usable:
        for dtype in dtypes:
            if dtype not in way.where.dtypes and not way.confined:
                show(Row(way.name, "all", dtype, "unavailable", why=f"{way.name} has no {dtype}"))
            elif dtype in way.where.dtypes and inputs.losses and (words := said(way, dtype)) is not None:
                show(Row(way.name, "losses", dtype, "omitted", why=words))
    tasks = [(function, dtype) for function in functions_of(inputs) for dtype in dtypes]
    for i, (function, dtype) in enumerate(tasks):
        able = [way for way in usable if dtype in way.where.dtypes and not is_left_out(way, function, dtype)]
        found, definition[f"{function}/{dtype}"] = rows_of(function, dtype, able, inputs, progress, (i, len(tasks)))
        for row in found:
            if function in LOSSES and row.result == "unavailable":
                idle.setdefault((row.way, dtype), []).append(row)
            else:
                show(row)
    for (name, dtype), same in idle.items():
        names = ", ".join(row.function for row in same)
        show(Row(name, "losses", dtype, "unavailable", why=f"{names}: {same[0].why}"))
    return rows, definition


def record_of(ways: dict[str, Way | str], rows: list[Row], definition: dict[str, str], facts: dict[str, Any]) -> dict[str, Any]:
    """What a run found, for other programs."""
    libraries = {name: way.version for name, way in ways.items() if isinstance(way, Way) and not way.confined}
    counts = {result: sum(row.result == result for row in rows) for result in ("equal", "differs", "unavailable", "omitted")}
    return {
        "command": "verify",
        **here(),
        "libraries": libraries,
        "inputs": facts,
        "definition": definition,
        "rows": [asdict(row) for row in rows],
        "counts": counts,
    }


def verify(given: argparse.Namespace, progress: Progress) -> int:
    """Run everything everywhere and compare: 0 if all is equal, 1 if something differs, 2 if nothing could be compared."""
    are_files(given)  # raises for options that go with them
    inputs = chosen(given.logits)
    lsmx.get_num_threads()  # raises now, if the environment asks for none
    progress.say(f"lsmx {lsmx.__version__}: {named(inputs)}, all directions,")
    progress.say(f"on {inputs.name};")
    progress.say("equal: bit for bit that of the definition on NumPy" + (", and of the stored digest." if inputs.stored else "."))
    ways, alone = all_ways(progress)
    if alone:
        progress.say(wrapped(ALONE, 0))
    progress.say(ROW.format("way", "function", "dtype", "digest", "time", "result"))
    facts = {**inputs.facts, "digest": inputs.digest(progress)}
    rows, definition = measured(ways, tuple(FORMAT_OF), inputs, progress, progress.say)
    record = record_of(ways, rows, definition, facts)
    counts = record["counts"]
    word = "FAILED" if counts["differs"] else "OK" if counts["equal"] else "NOTHING COMPARED"
    progress.say(f"{word}: " + ", ".join(f"{n} {result}" for result, n in counts.items()))
    write({**record, "only_numpy": alone}, given.json, progress)
    return 1 if counts["differs"] else 0 if counts["equal"] else BAD_INPUT
