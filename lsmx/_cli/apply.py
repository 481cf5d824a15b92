"""``lsmx apply``: a function of an array on disk, box by box, to another."""

from __future__ import annotations

import argparse
import itertools
import pathlib
import time
from typing import Any

import lsmx
from lsmx._cli import stores
from lsmx._cli.asked import asked
from lsmx._cli.boxes import Boxes, boxes
from lsmx._cli.digest import line
from lsmx._cli.output import here, write
from lsmx._cli.progress import Progress
from lsmx._cli.scheduler import Run, workers
from lsmx._cli.unfinished import Unfinished, folder_of
from lsmx._cli.work import Work, cut


def apply(given: argparse.Namespace, progress: Progress) -> int:
    """Compute, write, and say what the digest of the result is."""
    lsmx.get_num_threads()  # raises now, if the environment asks for none
    start = time.monotonic()
    output = pathlib.Path(given.output)
    work, rows, axes = asked(given, folder_of(output).absolute() / output.name)
    stores.checked_output(output, work.dtype)
    parts = boxes(rows.shape, axes, rows.chunks)
    with (
        workers(given.scheduler, given.output) as (run, many),
        Unfinished(output, request_of(work, parts), given.overwrite) as unfinished,
    ):
        begin(work, parts, unfinished, progress)
        go_on(work, parts, unfinished, run, many, progress)
        unfinished.finish()
    said, seconds = line(unfinished.sums, work.dtype, work.shape), time.monotonic() - start
    progress.say(f"{said}  {output}")
    facts = {"function": work.function, "output": str(output), "digest": str(unfinished.sums), "dtype": work.dtype}
    write({"command": "apply", **here(), **facts, "shape": list(work.shape), "seconds": seconds}, given.json, progress)
    return 0


def request_of(work: Work, parts: Boxes) -> dict[str, Any]:
    """Everything that must be unchanged for an unfinished result to be continued."""
    options = {f"option {name}": repr(value) for name, value in work.options}
    files = {f"file {given.name}": stores.stamp(given.path) for given in work.arrays}
    kept = {"function": work.function, "rounded to bfloat16 first": work.narrows, "arithmetic version": work.arithmetic}
    return kept | options | files | {"dtype": work.dtype, "shape": list(work.shape), "size of a box": list(parts.box)}


def begin(work: Work, parts: Boxes, unfinished: Unfinished, progress: Progress) -> None:
    """Make the file to write to, or take the unfinished one."""
    if unfinished.done:
        progress.note(f"{unfinished.output}: goes on after an interruption, {unfinished.done} of {len(parts)} parts are done")
        return
    if unfinished.changed:
        progress.note(f"{unfinished.output}: begins anew: what was done before differs in {', '.join(unfinished.changed)}")
    first = cut(work.along, tuple(slice(0, n) for n in parts.box))
    chunks = tuple(max(1, n) if s.stop is None else s.stop for s, n in zip(first, work.shape, strict=True))
    stores.create(work.target, work.shape, work.dtype, chunks)


def go_on(work: Work, parts: Boxes, unfinished: Unfinished, run: Run, many: int, progress: Progress) -> None:
    """Do the boxes that are left, and record the progress after every few."""
    done, sums = unfinished.done, unfinished.sums
    left = itertools.islice(parts, done, None)
    while few := tuple(itertools.islice(left, many)):
        for found in run(work, few):
            done, sums = done + 1, sums + found
            progress.at(f"{work.function} to {unfinished.output}", done / len(parts))
        stores.sync(work.target, [work.place(box) for box in few])
        unfinished.record(done, sums)
