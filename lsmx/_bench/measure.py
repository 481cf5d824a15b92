"""Interleaved timing, in a process of its own that is confined to as many processors as threads are asked for."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

from lsmx._bench.works import Call, contestants, works

LEAST = 2e-4  # seconds that one measurement takes at least: small arrays are called as often as that takes
LIBRARIES = ("lsmx", "numpy", "scipy", "torch", "jax", "cupy-cuda12x", "cupy-cuda13x", "cuda-core")


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
            for record in (False, True, True):
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


def child(threads: int, turns: int, quick: bool) -> None:
    """Measure everything and print it as JSON: what ``measure`` runs in a process of its own."""
    import lsmx

    lsmx.set_num_threads(threads)
    try:
        import torch

        torch.set_num_threads(threads)
    except ImportError:
        pass
    results = []
    for work in works(quick):
        print(f"{threads} thread{'s' * (threads > 1)}: {work.name}", file=sys.stderr, flush=True)
        times = interleaved(contestants(work), turns)
        results.append({"work": work.name, "elements": work.size, "seconds": {n: summary(t) for n, t in times.items()}})
    json.dump(results, sys.stdout)


def code(threads: int, turns: int, quick: bool) -> str:
    """What runs ``child``. Ctrl-C on a terminal reaches that process, too, which then ends without a word."""
    quiet = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
    return f"{quiet}; from lsmx._bench.measure import child; child({threads}, {turns}, {quick})"


def measure(threads: int, turns: int, quick: bool) -> list[dict[str, Any]]:
    """The results of a process that may use so many processors."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}

    def confine() -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

    before = confine if hasattr(os, "sched_setaffinity") else None
    command = [sys.executable, "-c", code(threads, turns, quick)]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=before)
    results: list[dict[str, Any]] = json.loads(run.stdout)
    return results


def machine() -> dict[str, Any]:
    """Where it was measured."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"processor": processor(), "processors": os.cpu_count(), "Python": platform.python_version(), "versions": versions}


def processor() -> str:
    """Its name, and the family where the name says little."""
    try:
        with open("/proc/cpuinfo") as file:
            said = dict(line.strip().partition(":")[::2] for line in file if ":" in line)
        said = {key.strip(): value.strip() for key, value in said.items()}
        return f"{said['model name']}, family {said['cpu family']}"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
