"""Two threads against one, and what a copy gains by them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

import lsmx
from lsmx._bench.works import DIRECTIONS, Call, Row, Target, Work, drawn, fewer

THREADS = 2


def scaling_rows(share: int) -> list[Row]:
    """Long rows, in both directions."""
    rows = []
    for n, length in ((4096, 1000), (1024, 32000)):
        for direction in DIRECTIONS:
            work = Work((fewer(n, share), length), "float32", direction)
            gain = ("copy, one thread", "copy, two threads")
            target = Target("two threads against one", "lsmx, two threads", "lsmx, one thread", 1.7, gain)
            rows.append(Row(f"two threads {work.name}", work.size, partial(contestants, work), (target,)))
    return rows


def contestants(work: Work) -> dict[str, Call]:
    """The number of threads changes in the call before the ones that are measured."""
    z, g = drawn(work.shape, work.dtype)
    y, out, copied = lsmx.log_softmax(z), np.zeros_like(z), np.zeros_like(z)
    pool, half = ThreadPoolExecutor(1), z.shape[0] // 2

    def ours(threads: int) -> object:
        lsmx.set_num_threads(threads)
        if work.direction == "forward":
            return lsmx.log_softmax(z, out=out)
        return lsmx.log_softmax_backward(g, y, out=out)

    def copy_by_two() -> None:
        other = pool.submit(np.copyto, copied[:half], z[:half])
        np.copyto(copied[half:], z[half:])
        other.result()

    return {
        "lsmx, one thread": partial(ours, 1),
        "lsmx, two threads": partial(ours, THREADS),
        "copy, one thread": lambda: np.copyto(copied, z),
        "copy, two threads": copy_by_two,
    }
