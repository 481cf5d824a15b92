"""All rows that are measured in a process with a number of threads."""

from __future__ import annotations

from collections.abc import Callable

from lsmx._bench.formats import mask_rows, narrow_rows
from lsmx._bench.large import large_rows
from lsmx._bench.layouts import layout_rows
from lsmx._bench.losses import loss_rows
from lsmx._bench.scaling import scaling_rows
from lsmx._bench.small import small_rows
from lsmx._bench.works import Row

QUICK = 16  # of how many rows of an array a trial takes one

GROUPS: tuple[Callable[[int], list[Row]], ...] = (large_rows, layout_rows, mask_rows, narrow_rows, small_rows)
"""For each number of threads."""


LOG_SOFTMAX, TWO_THREADS, LOSSES = "log-softmax", "two threads", "losses"
PARTS = {LOG_SOFTMAX: GROUPS, TWO_THREADS: (scaling_rows,), LOSSES: (loss_rows,)}
"""What a process measures."""

SUBJECTS = {LOG_SOFTMAX: (LOG_SOFTMAX, TWO_THREADS), LOSSES: (LOSSES,)}
"""The parts of what is asked for on the command line."""


def rows(quick: bool, only: str = "", part: str = LOG_SOFTMAX) -> list[Row]:
    """Those of a part whose name has ``only`` in it."""
    share = QUICK if quick else 1
    return [row for group in PARTS[part] for row in group(share) if row.chosen(only)]


def rows_of(subject: str, quick: bool, only: str = "") -> list[Row]:
    """Those of all its parts."""
    return [row for part in SUBJECTS[subject] for row in rows(quick, only, part)]
