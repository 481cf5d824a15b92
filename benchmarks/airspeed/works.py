"""The works of ``lsmx bench`` as benchmarks of asv (https://asv.readthedocs.io); docs/benchmarks.md says how to run them.

Nothing is listed here. A parameter is the name of a row of ``lsmx bench`` and one of our contestants in it; whether a row is
forward, backward, a loss or a small call is told by the row.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

import lsmx
from lsmx._bench import first, groups
from lsmx._bench.instructions import made
from lsmx._bench.report import SMALL
from lsmx._bench.works import Row, optional

QUICK = bool(os.environ.get("LSMX_ASV_QUICK"))  # a sixteenth of the rows of each array, to see whether it works
BACKWARD = ("backward", "VJP")


def kind(subject: str, row: Row) -> str:
    """The class below that a row belongs to."""
    if subject == groups.LOSSES:
        return "Losses"
    if row.elements < SMALL:
        return "SmallCalls"
    return "Backward" if row.name.endswith(BACKWARD) else "Forward"


def calls() -> dict[str, tuple[str, Row, str]]:
    """Every row with each of our contestants that its targets name: its kind, the row and the contestant, by their name."""
    found = {}
    for subject in groups.SUBJECTS:
        for row in groups.rows_of(subject, QUICK):
            for ours in dict.fromkeys(target.ours for target in row.targets):
                found[f"{row.name}: {ours}"] = kind(subject, row), row, ours
    return found


CALLS = calls()


def of(*kinds: str) -> list[str]:
    """The names of these kinds."""
    return [name for name, (of_kind, _, _) in CALLS.items() if of_kind in kinds]


class _Works:
    """A call on one thread, or on as many as the row sets itself. A row of a library that is not installed is left out."""

    param_names: ClassVar = ["work"]
    params: ClassVar[list[str]]

    def setup(self, name: str) -> None:
        """Make the arrays."""
        lsmx.set_num_threads(1)
        if torch := optional("torch"):
            torch.set_num_threads(1)
        _, row, ours = CALLS[name]
        try:
            self.call: Any = made(row, ours)
        except KeyError:
            raise NotImplementedError(f"{name}: its library is not installed") from None


class _Timed(_Works):
    def time_call(self, _: str) -> None:
        """One call."""
        self.call()


class Forward(_Timed):
    """Log-softmax on large arrays."""

    params = of("Forward")


class Backward(_Timed):
    """Its gradient."""

    params = of("Backward")


class Losses(_Timed):
    """On PyTorch's tensors, forward, and forward and backward."""

    params = of("Losses")


class SmallCalls(_Timed):
    """On 8 x 10 numbers."""

    params = of("SmallCalls")


class PeakMemory(_Works):
    """Of a process that makes the arrays and then one call: compare it with that of other commits, not with the arrays."""

    params = of("Forward", "Backward", "Losses")

    def peakmem_call(self, _: str) -> None:
        """One call."""
        self.call()


class Import:
    """Of a fresh process; beside it NumPy's, which is a part of it."""

    def timeraw_lsmx(self) -> str:
        """Ours."""
        return "import lsmx"

    def timeraw_numpy(self) -> str:
        """NumPy's."""
        return "import numpy"


FIRST = {f"{library}: {call.name}": call for library in first.DTYPES for call in first.firsts(library)}


class FirstCall:
    """The first call of a process, beyond the imports."""

    param_names: ClassVar = ["call"]
    params: ClassVar = list(FIRST)
    unit = "seconds"

    def setup(self, name: str) -> None:
        """Leave out what is of a library that is not there."""
        if optional(FIRST[name].library) is None:
            raise NotImplementedError(f"{FIRST[name].library} is not installed")

    def track_first_call(self, name: str) -> float:
        """The median of some processes."""
        return sorted(first.seconds(FIRST[name])[0] for _ in range(first.REPEATS))[first.REPEATS // 2]
