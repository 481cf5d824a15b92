"""``lsmx verify --compare SERVER.npy TRAINER.npy``: what a server and a trainer have saved of the same tokens."""

from __future__ import annotations

import argparse
import pathlib
from dataclasses import asdict
from typing import Any

from lsmx import LsmxError
from lsmx._cli.ending import BAD_INPUT, InputError
from lsmx._cli.npy import NpyFile
from lsmx._cli.output import here, number, write
from lsmx._cli.progress import Progress
from lsmx.testing import compare_distributions

OPTIONS = {"tokens": None, "mask": None, "temperature": 1.0, "rows": "logits"}
ASKED_BY = {"where": "--mask", "tokens": "--tokens", "temperature": "--temperature"}


def are_files(given: argparse.Namespace) -> bool:
    """Whether A and B are saved arrays; raises where one alone is, or options are given that are for arrays alone."""
    arrays = [text.endswith(".npy") for text in given.compare or ()]
    if any(arrays) and not all(arrays):
        raise InputError("--compare: an array beside something else; give two .npy files, that of the server first")
    asked = [f"--{name}" for name, default in OPTIONS.items() if getattr(given, name) != default]
    if asked and not any(arrays):
        raise InputError(f"{asked[0]}: goes with two arrays, as in --compare server.npy trainer.npy; leave it out")
    if any(arrays) and given.logits is not None:
        raise InputError("--logits: goes with libraries; two arrays are compared as they are: leave it out")
    return any(arrays)


def array(path: str | None, progress: Progress) -> Any:
    """What is in a file, or None without one."""
    if path is None:
        return None
    progress.at(f"reading {path}")
    return NpyFile(pathlib.Path(path))[...]


def compare_files(given: argparse.Namespace, progress: Progress) -> int:
    """Print how far they are from each other: 0 if no bit differs, 1 if some do, 2 if nothing could be compared."""
    mask = array(given.mask, progress)
    server, trainer, tokens = (array(path, progress) for path in (*given.compare, given.tokens))
    progress.at("comparing")
    where = None if mask is None else mask if mask.dtype.kind not in "iu" else mask == 1
    try:
        found = compare_distributions(server, trainer, tokens, rows=given.rows, temperature=given.temperature, where=where)
    except LsmxError as error:
        name, _, reason = str(error).partition(": ")
        for argument, option in ASKED_BY.items():
            reason = reason.replace(f"{argument}=", option)
        raise InputError(f"{ASKED_BY.get(name, f'--compare: {name}')}: {reason}") from None
    progress.say(str(found))
    a, b = given.compare
    facts = {name: number(x) if isinstance(x, float) else x for name, x in asdict(found).items()}
    write({"command": "compare", **here(), "a": a, "b": b, "rows": [], "distributions": facts}, given.json, progress)
    return 0 if found else 1 if found.tokens else BAD_INPUT
