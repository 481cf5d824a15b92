"""Zarr: an array in a folder, in chunks that are files of their own, through the library ``zarr``."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx._cli.boxes import Box, Shape
from lsmx._cli.ending import InputError


def library(path: pathlib.Path) -> Any:
    """The module ``zarr``."""
    if importlib.util.find_spec("zarr") is None:
        raise InputError(f'{path}: zarr not installed: pip install "lsmx[zarr]"; or use a .npy file')
    import zarr

    return zarr


def opened(path: pathlib.Path, mode: str) -> Any:
    """The array in a folder."""
    zarr = library(path)
    try:
        return zarr.open_array(str(path), mode=mode)
    except FileNotFoundError:
        raise InputError(f"{path}: no zarr array is there; name the folder of one array, also of several in a group") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not an array that zarr can read ({error}); of a group name one array in it") from None


class ZarrFile:
    """An array on disk with ``shape``, ``dtype`` and ``chunks`` that gives parts of itself."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.array = opened(path, "r")
        self.shape, self.dtype = tuple(self.array.shape), np.dtype(self.array.dtype)
        self.named, self.is_bfloat16 = self.dtype.name, False
        self.chunks: Shape | None = tuple(self.array.shards or self.array.chunks)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """A part."""
        return np.asarray(self.array[index])


def create(path: pathlib.Path, shape: Shape, dtype: np.dtype[Any], chunks: Shape) -> None:
    """An array of zeros."""
    library(path).create_array(store=str(path), shape=shape, chunks=chunks, dtype=dtype)


def write(path: pathlib.Path, place: Box, values: npt.NDArray[Any]) -> None:
    """A part of it: whole chunks, so that no two writers meet in one."""
    opened(path, "r+")[place] = values


def sync(path: pathlib.Path, places: Iterable[Box]) -> None:
    """Have the chunks that begin at some places reach the disk."""
    array = opened(path, "r")
    for place in places:
        key = array.metadata.encode_chunk_key(tuple((s.start or 0) // n for s, n in zip(place, array.chunks, strict=True)))
        if (chunk := path / key).is_file():  # one of zeros is not written
            with chunk.open("rb") as file:
                os.fsync(file.fileno())
