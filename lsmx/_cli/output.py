"""What all commands print alike."""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import platform
import textwrap
from typing import Any

import lsmx
from lsmx._cli.ending import InputError, at_work_on
from lsmx._cli.progress import Progress

WIDTH = 79


def wrapped(text: str, indent: int, width: int = WIDTH) -> str:
    """``text`` in lines of at most ``width``, the first one started at ``indent`` already."""
    lines = textwrap.wrap(" ".join(text.split()), width - indent, break_long_words=True)
    return f"\n{' ' * indent}".join(lines)


def here() -> dict[str, Any]:
    """What every record begins with: the versions, and the machine."""
    return {
        "lsmx": lsmx.__version__,
        "arithmetic_version": lsmx.ARITHMETIC_VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def number(x: float) -> float | None:
    """As JSON has it, which knows no infinity."""
    return x if math.isfinite(x) else None


def apart(given: argparse.Namespace) -> None:
    """Raise if ``--json`` names a file that is read or written anyway."""
    words = [getattr(given, name, None) for name in ("file", "input", "output", "logits", "tokens", "mask", "plot")]
    words += [*(getattr(given, "compare", None) or ()), *(path for _, path in getattr(given, "arrays", ()))]
    if given.json not in (None, "-"):
        there = os.path.realpath(given.json)
        if any(os.path.realpath(word) == there for word in words if word is not None):
            raise InputError(f"--json: {given.json} is given as another file, too; name one that is not")


def write(record: dict[str, Any], to: str | None, progress: Progress) -> None:
    """Write a record as JSON, to a file, to stdout (``-``) or nowhere."""
    text = json.dumps(record, indent=1, allow_nan=False)
    if to == "-":
        progress.say(text, always=True)
    elif to is not None:
        with at_work_on(to):
            pathlib.Path(to).write_text(text + "\n")
