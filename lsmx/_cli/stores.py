"""Arrays on disk, by the suffix of their name: ``.npy`` or zarr."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx._cli import npy_output, zarr_store
from lsmx._cli.boxes import Box, Shape
from lsmx._cli.ending import InputError, at_work_on
from lsmx._cli.npy import NpyFile
from lsmx._cli.zarr_store import ZarrFile


def is_zarr(path: pathlib.Path) -> bool:
    """Whether it is named as a folder of zarr, or is a folder."""
    return path.suffix == ".zarr" or path.is_dir()


def reader(path: pathlib.Path) -> NpyFile | ZarrFile:
    """An array that is there, read in parts."""
    return ZarrFile(path) if is_zarr(path) else NpyFile(path)


def stamp(path: pathlib.Path) -> str:
    """What changes when an array on disk does: its place, its size, and when it was written last."""
    files = [path]
    if path.is_dir():
        files = [pathlib.Path(root, name) for root, _, names in os.walk(path) for name in names]
    found = [file.stat() for file in files]
    return f"{path.resolve()}: {len(found)} {sum(f.st_size for f in found)} {max((f.st_mtime_ns for f in found), default=0)}"


def checked_output(path: pathlib.Path, dtype: str) -> None:
    """Raise unless such an array can be written there."""
    if path.suffix not in (".npy", ".zarr"):
        raise InputError(f"{path}: what kind of file is to be written? A name that ends in .npy or .zarr says it")
    if path.suffix == ".zarr":
        zarr_store.library(path)
        if dtype == "bfloat16":
            raise InputError(f"{path}: zarr has no bfloat16; write a .npy file, or pass --dtype float32")


def create(path: pathlib.Path, shape: Shape, dtype: str, chunks: Shape) -> None:
    """An array of zeros; bfloat16 as ``V2``, as ml_dtypes saves it."""
    held = np.dtype("V2" if dtype == "bfloat16" else dtype)
    with at_work_on(path):
        if path.suffix == ".zarr":
            zarr_store.create(path, shape, held, chunks)
        else:
            npy_output.create(path, shape, held)


def write(path: pathlib.Path, place: Box, values: npt.NDArray[Any]) -> None:
    """A part of it."""
    with at_work_on(path):
        (zarr_store if path.suffix == ".zarr" else npy_output).write(path, place, values)


def sync(path: pathlib.Path, places: Sequence[Box]) -> None:
    """Have the parts at some places reach the disk."""
    with at_work_on(path):
        if path.suffix == ".zarr":
            zarr_store.sync(path, places)
        else:
            npy_output.sync(path)
