"""The first call in a fresh process: every function, direction and dtype, each in processes of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import lsmx
from lsmx._bench.works import Target, optional

LIMIT = 20e-3  # seconds beyond import
REPEATS = 5  # processes for each call
SHAPE = (64, 1000)
GROUP = "first call in a fresh process"
FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
DTYPES = {"numpy": ("float16", "float32", "float64"), "torch": ("bfloat16",)}  # by library; NumPy has no bfloat16


@dataclass(frozen=True)
class First:
    """A call that is the first one of its process."""

    library: str
    function: str
    direction: str
    dtype: str

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.function} {self.direction} {self.dtype}"


def firsts(library: str) -> list[First]:
    """All calls on a library's arrays."""
    without = {("logsumexp", "jacobian")}  # a matrix for each row: the gradient already
    return [
        First(library, function, direction, dtype)
        for function in FUNCTIONS
        for direction in lsmx.registered()[function].operations
        for dtype in DTYPES[library]
        if (function, direction) not in without
    ]


def arrays(first: First) -> Any:
    """Zeros of the library: logits, a vector of the result's shape, and the output."""
    rows, n = (2, 100) if first.direction == "jacobian" else SHAPE
    short = first.function == "logsumexp" and first.direction == "backward"
    shapes = [(rows, n), (rows,) if short else (rows, n), (rows,) if first.function == "logsumexp" else (rows, n)]
    if first.library == "numpy":
        return [np.zeros(shape, first.dtype) for shape in shapes]
    torch = optional("torch")
    return [torch.zeros(shape, dtype=getattr(torch, first.dtype)) for shape in shapes]


def child(library: str, function: str, direction: str, dtype: str) -> None:
    """Print the seconds of the first call, by the clock and of the processors: what runs in the fresh process."""
    z, v, y = arrays(First(library, function, direction, dtype))
    called = getattr(lsmx, function if direction == "forward" else f"{function}_{direction}", None)
    if direction == "forward":
        given = [z]
    elif direction == "jacobian":
        given = [y]
    elif function == "logsumexp":
        given = [v, z, y]
    else:
        given = [v, y]
    start, worked = time.perf_counter(), time.process_time()
    if called is not None:
        called(*given)
    else:
        vector = "grad_output" if direction.startswith("backward") else "tangent"
        lsmx.registered()[function].derivative(direction, {vector: v}, {"z": z}, -1)
    print(time.perf_counter() - start, time.process_time() - worked)


def seconds(first: First) -> tuple[float, float]:
    """Of one process, by the clock and of the processors."""
    words = ", ".join(repr(word) for word in asdict(first).values())
    code = f"from lsmx._bench.first import child; child({words})"
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    clock, worked = map(float, run.stdout.split())
    return clock, worked


def name_of(library: str) -> str:
    """Of the row."""
    return f"{GROUP}, {library} {', '.join(DTYPES[library])}"


def first_names(only: str) -> list[str]:
    """Of the rows that are chosen."""
    return [name for name in map(name_of, DTYPES) if only.lower() in name.lower()]


def measure_first(only: str, quick: bool) -> Iterator[dict[str, Any]]:
    """A row for NumPy and one for PyTorch: the slowest of all calls, and which it is."""
    for library in DTYPES:
        name = name_of(library)
        if name not in first_names(only) or optional(library) is None:
            continue
        print(name, file=sys.stderr, flush=True)
        yield worst(name, {first.name: [seconds(first) for _ in range(1 if quick else REPEATS)] for first in firsts(library)})


def worst(name: str, taken: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """The row of the call whose median is the largest."""
    medians = {call: statistics.median(clock for clock, _ in values) for call, values in taken.items()}
    slowest = max(medians, key=medians.__getitem__)
    values, busy = [clock for clock, _ in taken[slowest]], statistics.median(worked for _, worked in taken[slowest])
    slow = {"median": medians[slowest], "low": min(values), "high": max(values), "turns": values}
    return {
        "work": name,
        "threads": None,
        "elements": 1,
        "seconds": {"lsmx": slow, "20 ms": {"median": LIMIT, "low": LIMIT, "high": LIMIT}},
        "targets": [asdict(Target(GROUP, "lsmx", "20 ms", 1.0))],
        "note": f"the slowest of {len(medians)}: {slowest}, {1e3 * busy:.1f} ms of it processors' time",
        "each": medians,
    }
