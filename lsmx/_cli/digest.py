"""``lsmx digest``: one line about an array on disk, the same whatever machine, chunks or byte order it is in."""

from __future__ import annotations

import argparse
import pathlib

from lsmx._cli import stores
from lsmx._cli.boxes import Shape, boxes
from lsmx._cli.ending import InputError
from lsmx._cli.mixing import Sums, sums_of
from lsmx._cli.output import here, write
from lsmx._cli.progress import Progress
from lsmx.testing.bits import bits


def line(sums: Sums, dtype: str, shape: Shape) -> str:
    """The digest, dtype and shape in one line."""
    return f"{sums} {dtype} {shape}"


def digest(given: argparse.Namespace, progress: Progress) -> int:
    """Read an array and print its line."""
    file = stores.reader(pathlib.Path(given.file))
    if file.dtype.kind not in "biuf" or file.dtype.itemsize > 8:
        raise InputError(f"{file.path}: dtype {file.named}; a digest is of bools, integers and floats of at most 64 bits")
    parts, sums = boxes(file.shape, (), file.chunks), Sums()
    for i, box in enumerate(parts):
        progress.at(f"reading {file.path.name}", i / len(parts))
        values = bits(file[box], "bfloat16") if file.is_bfloat16 else file[box]
        sums += sums_of(values, [s.start for s in box], file.shape)
    progress.say(line(sums, file.named, file.shape))
    facts = {"name": file.path.name, "digest": str(sums), "dtype": file.named, "shape": list(file.shape)}
    write({"command": "digest", **here(), **facts}, given.json, progress)
    return 0
