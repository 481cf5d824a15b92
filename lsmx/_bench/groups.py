"""All rows that are measured in a process with a number of threads."""

from __future__ import annotations

from collections.abc import Callable

from lsmx._bench.formats import mask_rows, narrow_rows
from lsmx._bench.large import large_rows
from lsmx._bench.layouts import layout_rows
from lsmx._bench.scaling import scaling_rows
from lsmx._bench.small import small_rows
from lsmx._bench.works import Row

QUICK = 16  # of how many rows of an array a trial takes one

GROUPS: tuple[Callable[[int], list[Row]], ...] = (large_rows, layout_rows, mask_rows, narrow_rows, small_rows)
"""For each number of threads."""


def rows(quick: bool, only: str = "", scaling: bool = False) -> list[Row]:
    """Those whose name has ``only`` in it, of `GROUPS`, or of two threads against one."""
    share = QUICK if quick else 1
    return [row for group in ((scaling_rows,) if scaling else GROUPS) for row in group(share) if row.chosen(only)]
