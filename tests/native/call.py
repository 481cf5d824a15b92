"""One call of a pass: the bytes that it is given, and those that it is to leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.native.definitions import INDEX, OUT
from tests.native.layouts import Operand
from tests.native.values import Values


@dataclass(frozen=True)
class Case:
    """A call: ``want`` is what its result's buffer is to hold afterwards."""

    name: str
    passname: str
    double: bool
    axes: tuple[int, ...]
    operands: tuple[Operand | None, ...]
    buffers: tuple[Values, ...]
    want: Values
    ignored: int | None
    softcap: float

    @property
    def out(self) -> Operand:
        """The result."""
        found = self.operands[OUT]
        assert found is not None
        return found

    def run(self, core: Any, threads: int = 1) -> str | None:
        """None if a core, with so many threads, leaves in memory what it should; else what is wrong."""
        memory = [x.copy() for x in self.buffers]
        views = [o and (memory[o.buffer].ctypes.data + o.offset, o.type, o.shape, o.strides) for o in self.operands]
        more = (*views[INDEX:], self.ignored, self.softcap, 0.0)
        more = more if any(x is not None for x in more[:-2]) or self.softcap else ()
        core.run(core.passes[self.passname], self.double, self.axes, *views[: OUT + 1], threads, *more)
        for i, (before, after) in enumerate(zip(self.buffers, memory, strict=True)):
            want = self.want if i == self.out.buffer else before
            if not np.array_equal(after, want):
                wrong, right = self.out.seen(after), self.out.seen(want)
                where = np.argwhere(wrong != right)
                first = f": {wrong[tuple(where[0])]:#x} at {where[0]}, not {right[tuple(where[0])]:#x}" if where.size else ""
                return f"{self.name} on {core.target()}, {threads} threads: {len(where)} of {right.size} elements differ{first}"
        return None
