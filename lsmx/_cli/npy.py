"""A ``.npy`` file that is read a few rows at a time, mapped anew each time: pages once read do not pile up in memory."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx._cli.ending import InputError

MAGIC, ZIP = b"\x93NUMPY", b"PK\x03\x04"


class NpyFile:
    """A file on disk with ``shape`` and ``dtype`` that gives parts of its array.

    bfloat16, for which the format has no name, is saved as ``V2``: it is widened to float32, which is exact.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.chunks: tuple[int, ...] | None = None  # a part begins anywhere
        self.stored, self.shape, self.order, self.offset = layout(path)
        self.is_bfloat16 = self.stored.kind == "V" and self.stored.itemsize == 2 and self.stored.names is None
        self.dtype = np.dtype(np.float32) if self.is_bfloat16 else self.stored
        self.named = "bfloat16" if self.is_bfloat16 else self.stored.name

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """A copy of a part."""
        try:
            mapped = np.memmap(self.path, self.stored, "r", self.offset, self.shape, self.order)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: can no longer be read: {error}") from None
        part = np.array(mapped[index])
        return (part.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32) if self.is_bfloat16 else part


def layout(path: pathlib.Path) -> tuple[np.dtype[Any], tuple[int, ...], Any, int]:
    """Dtype, shape, order and offset of the array in a file."""
    begin = beginning(path)
    if begin.startswith(ZIP):
        raise InputError(f"{path}: an archive (.npz, or a file of torch.save); save the one array that is meant by numpy.save")
    if not begin.startswith(MAGIC):
        raise InputError(f"{path}: {'not a .npy file' if begin else 'an empty file'}; write one with numpy.save")
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = header(file)
            offset = file.tell()
    except Exception as error:  # of many types, as the header is read by a parser of Python's syntax
        hint = (
            "a dtype that NumPy lacks (if it is float8, save it as float32)"
            if "descr" in str(error)
            else "cut short or overwritten"
        )
        raise InputError(f"{path}: a header that NumPy cannot read: {hint}") from None
    if dtype.hasobject:
        raise InputError(
            f"{path}: an array of Python objects; make it one of numbers, as by x.astype(numpy.float32), and save that"
        )
    if dtype.kind == "V" and dtype.itemsize == 1:
        raise InputError(f"{path}: numbers of 8 bits or fewer, of which the file does not say the format; save them as float32")
    wanted, size = offset + dtype.itemsize * math.prod(shape), path.stat().st_size
    if min(shape, default=0) < 0 or wanted > size:
        raise InputError(
            f"{path}: {size} bytes, which is not what its header tells, shape {shape} of {dtype}: cut short or overwritten"
        )
    return dtype, shape, "F" if fortran else "C", offset


def header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype, as the header says."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]} of the format, which is for names of fields")


def beginning(path: pathlib.Path) -> bytes:
    """The first bytes of a file."""
    try:
        if path.exists() and not path.is_dir() and not path.is_file():
            raise InputError(f"{path}: not a regular file, which could be read in parts; write it to disk first")
        with path.open("rb") as file:
            return file.read(len(MAGIC))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a zero byte in its name
        raise InputError(f"{str(path)!r}: {error}") from None
