"""How many instructions a small call takes, counted by valgrind's callgrind.

A process that makes ``2 N`` calls is compared with one that makes ``N``, so that starting it drops out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import Any

from lsmx._bench.groups import LOG_SOFTMAX, SUBJECTS, rows_of
from lsmx._bench.works import Call, Row, left_out

CALLS, WARM = 1000, 50
SMALL = 1000  # elements: of longer rows the instructions say nothing about the call
HEAVY = ("torch", "jax")  # left out where a contestant does without
WANTED = "valgrind is not installed, which counts instructions (`apt-get install valgrind`); leave out --callgrind to time only"
COLLECTED = re.compile(r"Collected : (\d+)")


def made(row: Row, contestant: str) -> Call:
    """A contestant, without the libraries that it does not need."""
    left_out.update(HEAVY)
    calls = row.contestants()
    left_out.clear()
    return calls[contestant] if contestant in calls else row.contestants()[contestant]


def child(name: str, contestant: str, count: int) -> None:
    """Make so many calls: what runs under callgrind."""
    call = made(next(row for subject in SUBJECTS for row in rows_of(subject, quick=True) if row.name == name), contestant)
    for _ in range(WARM + count):
        call()


def instructions(name: str, contestant: str, count: int) -> int:
    """Of a process that makes so many calls, from its start to its end."""
    code = f"from lsmx._bench.instructions import child; child({name!r}, {contestant!r}, {count})"
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "LSMX_NUM_THREADS": "1"}
    command = [*tool, sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = COLLECTED.search(run.stderr)
    if run.returncode or not found:
        raise RuntimeError(f"valgrind has ended with {run.returncode}: {run.stderr[-500:]}")
    return int(found[1])


def of_a_call(name: str, contestant: str) -> float:
    """Instructions of one call."""
    return (instructions(name, contestant, 2 * CALLS) - instructions(name, contestant, CALLS)) / CALLS


def count_all(only: str, subject: str = LOG_SOFTMAX) -> list[dict[str, Any]]:
    """A record for each small row: instructions by contestant."""
    counted = []
    for row in rows_of(subject, quick=True, only=only):
        if row.elements < SMALL:
            print(f"callgrind: {row.name}", file=sys.stderr, flush=True)
            counted.append({"work": row.name, "instructions": {name: of_a_call(row.name, name) for name in row.contestants()}})
    return counted


def installed() -> bool:
    """Whether there is a valgrind."""
    return shutil.which("valgrind") is not None
