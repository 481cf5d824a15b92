"""What Dask costs beside the kernel: `lsmx.log_softmax` of an array of blocks against `map_blocks` of the same kernel by hand.

    python benchmarks/dask_overhead.py [--rows 16384] [--columns 8192] [--times 7] [--cluster]

Medians of runs that take turns. The result is consumed block by block, by its maximum, so that nobody has to hold it. Rows that are
cut go by rounds, of the definition, where whole rows have the compiled core.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np

import lsmx

BLOCK = 512  # rows


def arrays(rows: int, columns: int) -> dict[str, Any]:
    """The same numbers in blocks of whole rows, and in blocks of a quarter of a row; held where they are computed on."""
    values = da.random.default_rng(0).standard_normal((rows, columns), chunks=(BLOCK, columns), dtype=np.float32)
    whole = values.persist()
    return {"whole": whole, "cut": whole.rechunk((BLOCK, columns // 4)).persist()}


def calls(x: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """What is timed, by its name."""
    by_hand: Callable[..., Any] = lsmx.log_softmax
    return {
        "map_blocks, whole rows": lambda: da.map_blocks(by_hand, x["whole"], dtype=np.float32),
        "lsmx, whole rows": lambda: lsmx.log_softmax(x["whole"]),
        "lsmx, rows cut in four": lambda: lsmx.log_softmax(x["cut"]),
        "rechunk, map_blocks, rechunk": lambda: da.map_blocks(by_hand, x["cut"].rechunk({1: -1}), dtype=np.float32).rechunk(
            x["cut"].chunks
        ),
    }


def timed(made: dict[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """The median of each, in seconds: built, computed and consumed."""
    found: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(times + 1):
        for name, call in made.items():
            start = time.perf_counter()
            call().max().compute()
            if turn:  # the first warms up
                found[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in found.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--columns", type=int, default=8192)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--cluster", action="store_true", help="two worker processes of one thread, in place of two threads")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if given.cluster:
            from distributed import Client, LocalCluster

            cluster = LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50)
            stack.enter_context(cluster)
            stack.enter_context(Client(cluster))
        else:
            stack.enter_context(dask.config.set(scheduler="threads", num_workers=2))
        found = timed(calls(arrays(given.rows, given.columns)), given.times)
    first = next(iter(found.values()))
    sys.stdout.write(f"{given.rows} x {given.columns} float32, {'two processes' if given.cluster else 'two threads'}\n")
    for name, seconds in found.items():
        sys.stdout.write(f"{name:32} {seconds:8.3f} s {seconds / first:6.2f}\n")


if __name__ == "__main__":
    main()
