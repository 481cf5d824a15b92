"""A ``.npy`` file that is written a part at a time."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx._cli.boxes import Box, Shape
from lsmx._cli.ending import InputError
from lsmx._cli.npy import layout


def create(path: pathlib.Path, shape: Shape, dtype: np.dtype[Any]) -> None:
    """A file of zeros whose space on the disk is allocated: a full disk is noticed now, not by a crash in a write to a map."""
    with path.open("wb") as file:
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        size = file.tell() + dtype.itemsize * int(np.prod(shape, dtype=object))
        file.flush()
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise InputError(f"{path.name}: needs {size} bytes: {error.strerror}") from None
        file.truncate(size)


def write(path: pathlib.Path, place: Box, values: npt.NDArray[Any]) -> None:
    """A part of it, by a map of the file that is made for it."""
    stored, shape, order, offset = layout(path)
    np.memmap(path, stored, "r+", offset, shape, order)[place] = values


def sync(path: pathlib.Path) -> None:
    """Have all that was written reach the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
