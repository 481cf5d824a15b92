"""What ``lsmx apply`` does with one box of rows: read it, compute, write what comes out. It can be sent to another process."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import lsmx
from lsmx import LsmxError
from lsmx._cli import stores
from lsmx._cli.applicable import call
from lsmx._cli.boxes import Box, Shape
from lsmx._cli.ending import InputError
from lsmx._cli.mixing import Sums, sums_of
from lsmx.testing.bits import bits, quantise

Along = tuple[int | None, ...]
LOGITS = ("z", "w")  # which may be integers that are cast


def cut(along: Along, box: Box) -> Box:
    """The part of an array that goes with a box of rows: ``along`` are the axes of the rows that its own are, or None."""
    return tuple(slice(None) if a is None else box[a] for a in along)


@dataclass(frozen=True)
class Given:
    """An array on disk, and along which axes it is cut with the rows."""

    name: str
    path: pathlib.Path
    along: Along


@dataclass(frozen=True)
class Work:
    """A function, what it is given, and where its result goes.

    Attributes
    ----------
    function, arrays, options
        What is called.
    narrows
        Whether the arrays are rounded to bfloat16 first.
    shape, dtype, along
        Of the result; ``along`` are the axes of the rows that its own are.
    target
        The file that is written, or the folder.
    arithmetic
        The version of the arithmetic, which has to be that of all processes.
    """

    function: str
    arrays: tuple[Given, ...]
    options: tuple[tuple[str, Any], ...]
    narrows: bool
    shape: Shape
    dtype: str
    along: Along
    target: pathlib.Path
    arithmetic: int = lsmx.ARITHMETIC_VERSION

    def part(self, given: Given, box: Box) -> npt.NDArray[Any]:
        """What of an array goes with a box."""
        values = stores.reader(given.path)[cut(given.along, box)]
        narrows = self.narrows and (values.dtype.kind == "f" or given.name in LOGITS)
        return quantise(values, "bfloat16") if narrows else values

    def compute(self, box: Box) -> npt.NDArray[Any]:
        """The result of a box, as it is to be written."""
        arrays = {given.name: self.part(given, box) for given in self.arrays}
        try:
            found = np.asarray(call(self.function, arrays, dict(self.options)))
        except LsmxError as error:
            at = ", ".join(f"{s.start}:{s.stop}" for s in box)
            raise InputError(f"{self.arrays[0].path}[{at}]: {error}") from None
        return bits(quantise(found, "bfloat16"), "bfloat16").view("V2") if self.dtype == "bfloat16" else found

    def do(self, box: Box) -> Sums:
        """Compute a box and write it; its part of the digest."""
        if self.arithmetic != lsmx.ARITHMETIC_VERSION:
            raise InputError(
                f"a worker has arithmetic version {lsmx.ARITHMETIC_VERSION}, and this command {self.arithmetic}: "
                "install the same lsmx on both"
            )
        values, place = self.compute(box), self.place(box)
        stores.write(self.target, place, values)
        return sums_of(values, [s.start or 0 for s in place], self.shape)

    def place(self, box: Box) -> Box:
        """Where in the result that of a box is."""
        return cut(self.along, box)
