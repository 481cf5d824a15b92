"""``lsmx verify --compare SERVER.npy TRAINER.npy``: what a server and a trainer have saved of the same tokens."""

from __future__ import annotations

import argparse
import pathlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx import LsmxError
from lsmx._cli.ending import InputError
from lsmx._cli.npy import NpyFile
from lsmx._cli.output import here, number, write
from lsmx._cli.progress import Progress
from lsmx.testing import compare_distributions

ARRAY, NAMES = ".npy", ("server", "trainer")
OPTIONS = {"tokens": None, "mask": None, "temperature": 1.0, "rows": "logits"}
ASKED_BY = {"where": "--mask", "tokens": "--tokens", "temperature": "--temperature"}


def are_files(given: argparse.Namespace) -> bool:
    """Whether A and B are saved arrays; raises where one alone is, or options are given that are for arrays alone."""
    sides = given.compare or ()
    arrays = [text for text in sides if text.lower().endswith(ARRAY)]
    if 0 < len(arrays) < len(sides):
        [other] = [text for text in sides if text not in arrays]
        raise InputError(
            f"--compare: {arrays[0]} is an array, and {other} is {what_it_is(other)}; give two .npy files, that of the server first"
        )
    asked = [f"--{name}" for name, default in OPTIONS.items() if getattr(given, name) != default]
    if asked and not arrays:
        raise InputError(f"{asked[0]}: goes with two arrays, as in --compare server.npy trainer.npy; leave it out")
    if arrays and given.logits is not None:
        raise InputError("--logits: goes with libraries; two arrays are compared as they are: leave it out")
    return bool(arrays)


def what_it_is(text: str) -> str:
    """What stands where a ``.npy`` file is wanted."""
    path = pathlib.Path(text)
    if path.is_dir():
        return "a folder"
    return "a file of another kind" if path.is_file() else "no file"


def file(path: str | None) -> NpyFile | None:
    """A saved array, or None without a path."""
    return None if path is None else NpyFile(pathlib.Path(path))


def ones(mask: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """A mask of 1 and 0 as bools."""
    others = mask[(mask != 0) & (mask != 1)]
    if others.size:
        raise InputError(f"--mask: holds {others[0]}; a mask holds bools, or 1 and 0")
    return mask.astype(np.bool_)


def compare_files(given: argparse.Namespace, progress: Progress) -> int:
    """Print how far they are from each other: 0 if no bit differs, 1 if some do, 2 if nothing could be compared."""
    paths = *given.compare, given.tokens, given.mask
    progress.at(f"reading {', '.join(filter(None, paths))}")
    files = [file(path) for path in paths]
    server, trainer, tokens, mask = (None if x is None else x[...] for x in files)
    progress.at("comparing")
    where = None if mask is None else mask if mask.dtype.kind not in "iu" else ones(mask)
    try:
        found = compare_distributions(server, trainer, tokens, rows=given.rows, temperature=given.temperature, where=where)
    except LsmxError as error:
        name, _, reason = str(error).partition(": ")
        for argument, option in ASKED_BY.items():
            reason = reason.replace(f"{argument}=", option)
        raise InputError(f"{ASKED_BY.get(name, f'--compare: {name}')}: {reason}") from None
    said = {
        x: getattr(found, x).replace("float32", "bfloat16", 1) for x, f in zip(NAMES, files, strict=False) if f and f.is_bfloat16
    }
    found = replace(found, **said)  # read as float32, which is exact
    progress.say(str(found))
    a, b = given.compare
    facts = {name: number(x) if isinstance(x, float) else x for name, x in asdict(found).items()}
    write({"command": "compare", **here(), "a": a, "b": b, "rows": [], "distributions": facts}, given.json, progress)
    if reason := found.nothing():
        raise InputError(f"--compare: {reason}, so nothing was compared")
    return 0 if found else 1
