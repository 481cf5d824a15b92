"""Interleaved timing, in a process of its own that is confined to as many processors as threads are asked for."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from lsmx._bench.first import GROUP, first_names, measure_first
from lsmx._bench.groups import LOG_SOFTMAX, SUBJECTS, TWO_THREADS, rows, rows_of
from lsmx._bench.scaling import THREADS as SCALING_THREADS
from lsmx._bench.works import Call, Row, optional

LEAST = 1e-3  # seconds that one measurement takes at least: small arrays are called as often as that takes
PER_TURN = 2  # measurements


def interleaved(calls: dict[str, Call], turns: int) -> dict[str, list[float]]:
    """The seconds of each call.

    In every turn each contestant is called once for nothing, so that the idle threads of the one before come to rest, and then
    twice for the record.
    """
    often: dict[str, int] = {}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        often[name] = max(1, int(LEAST / max(time.perf_counter() - start, 1e-7)))
    for _ in range(turns):
        for name, call in calls.items():
            for record in (False, *PER_TURN * (True,)):
                repeats = range(often[name])
                start = time.perf_counter()
                for _ in repeats:
                    call()
                seconds = (time.perf_counter() - start) / len(repeats)
                if record:
                    times[name].append(seconds)
    return times


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and quartiles, in seconds."""
    if len(seconds) == 1:
        seconds = 2 * seconds
    low, middle, high = statistics.quantiles(seconds, n=4)
    return {"median": middle, "low": low, "high": high}


def recorded(seconds: list[float], per_turn: int = PER_TURN) -> dict[str, Any]:
    """The same, and the mean of each turn to five digits: what ``lsmx bench --compare`` takes the noise from."""
    turns = [seconds[i : i + per_turn] for i in range(0, len(seconds), per_turn)]
    return {**summary(seconds), "turns": [float(f"{statistics.mean(turn):.5g}") for turn in turns]}


def child(threads: int, turns: int, quick: bool, only: str = "", part: str = LOG_SOFTMAX) -> None:
    """Measure every row and print them as JSON: what ``measure`` runs in a process of its own."""
    import lsmx

    lsmx.set_num_threads(threads)
    if torch := optional("torch"):
        torch.set_num_threads(threads)
    results = []
    for row in rows(quick, only, part):
        print(f"{threads} thread{'s' * (threads > 1)}: {row.name}", file=sys.stderr, flush=True)
        times = interleaved(row.contestants(), turns)
        results.append(entry(row, threads, {name: recorded(taken) for name, taken in times.items()}))
    json.dump(results, sys.stdout)


def entry(row: Row, threads: int, seconds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The record of a row."""
    targets = [asdict(target) for target in row.targets]
    return {"work": row.name, "threads": threads, "elements": row.elements, "seconds": seconds, "targets": targets}


def code(threads: int, turns: int, quick: bool, only: str = "", part: str = LOG_SOFTMAX) -> str:
    """What confines itself to so many processors, before any library makes threads, and runs ``child``.

    Ctrl-C on a terminal reaches that process, too, which then ends without a word.
    """
    quiet = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
    confined = f"hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{threads}])"
    return f"{quiet}; {confined}; from lsmx._bench.measure import child; child({threads}, {turns}, {quick}, {only!r}, {part!r})"


def measure(threads: int, turns: int, quick: bool, only: str = "", part: str = LOG_SOFTMAX) -> list[dict[str, Any]]:
    """The results of a process that may use so many processors; an empty list where nothing is chosen."""
    if not rows(quick, only, part):
        return []
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", code(threads, turns, quick, only, part)]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    results: list[dict[str, Any]] = json.loads(run.stdout)
    return results


def available() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure_all(threads: list[int], turns: int, quick: bool, only: str, subject: str = LOG_SOFTMAX) -> list[dict[str, Any]]:
    """Every row: first calls, each part for each number of threads, and two threads against one where there are two processors."""
    results = list(measure_first(only, quick)) if subject == LOG_SOFTMAX else []
    for part in SUBJECTS[subject]:
        for number in [SCALING_THREADS] if part == TWO_THREADS else threads:
            if part != TWO_THREADS or available() >= SCALING_THREADS:
                results += measure(number, turns, quick, only, part)
    return results


def names(quick: bool, only: str = "", subject: str = LOG_SOFTMAX) -> list[str]:
    """Of all rows that are chosen."""
    started = first_names(only) if subject == LOG_SOFTMAX else []
    return [*started, *(row.name for row in rows_of(subject, quick, only))]


def groups(subject: str = LOG_SOFTMAX) -> list[str]:
    """Of all rows."""
    started = [GROUP] if subject == LOG_SOFTMAX else []
    return list(dict.fromkeys([*started, *(target.group for row in rows_of(subject, quick=True) for target in row.targets)]))
