"""How a case is run: what it raises, what it says, and where."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import pathlib
import re
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

import lsmx
from lsmx import extend
from lsmx._cli import main
from tests.errors import names
from tests.errors.case import Case
from tests.errors.files import make_files
from tests.errors.helpers import undo

HOME = pathlib.Path(lsmx.__file__).parents[1]
Site = tuple[str, int]
"""A file of ours, seen from ``HOME``, and a line of it."""


@dataclass
class Said:
    """What came of a case."""

    error: str
    message: str
    sites: set[Site] = field(default_factory=set)
    harmed: list[str] = field(default_factory=list)  # arrays that the refused call has changed


class Watch:
    """Notes where in our files exceptions are raised, with what they say, while it is the context."""

    def __init__(self) -> None:
        self.raised: list[tuple[Site, str]] = []

    def __enter__(self) -> Watch:
        self.before = sys.gettrace()
        sys.settrace(self.call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)

    def call(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Look into the package and the backends only, and there at exceptions only."""
        if not frame.f_code.co_filename.startswith((f"{HOME / 'lsmx'}{os.sep}", f"{HOME / 'backends'}{os.sep}")):
            return None
        frame.f_trace_lines = False
        return self.look

    def look(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Note an exception that this very frame has raised, and not one that it calls."""
        if event == "exception" and arg[2] is not None and arg[2].tb_next is None:
            path = pathlib.Path(frame.f_code.co_filename).relative_to(HOME).as_posix()
            self.raised.append(((path, frame.f_lineno), " ".join(str(arg[1]).split())))
        return self.look

    def sites_of(self, message: str) -> set[Site]:
        """The places whose exception the message is, or is made from."""
        return {site for site, text in self.raised if text in " ".join(message.split())}


def missing(case: Case) -> str | None:
    """A library that the case needs and that is not installed."""
    words = set(re.findall(r"\w+", case.code))
    found = (module for module, known in names.LIBRARIES.items() if words & set(known))
    return next((module for module in found if importlib.util.find_spec(module) is None), None)


def run(case: Case) -> Said:
    """Run a case in a folder of its own."""
    before = set(lsmx.registered())
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            said = command(case.code) if case.code.startswith("lsmx ") else python(case.code)
        finally:
            undo.close()
            for name in set(lsmx.registered()) - before:
                extend.unregister(name)
        said.message = " ".join(said.message.replace(os.path.realpath(folder), "…").replace(folder, "…").split())
    for pattern, words in case.quotes:
        said.message = re.sub(pattern, words, said.message)
    return said


def python(code: str) -> Said:
    """Python code, whose last line raises."""
    found, watch = names.made_for(code), Watch()
    try:
        with watch:
            exec(compile(code, "<case>", "exec"), found)
    except Exception as error:
        said = Said(type(error).__name__, str(error), watch.sites_of(str(error)))
    else:
        said = Said("nothing", "")
    said.harmed = [
        name for name, x in names.plain().items() if name in found and not np.array_equal(np.asarray(found[name].tolist()), x)
    ]
    return said


def command(line: str) -> Said:
    """A command line."""
    make_files(line)
    watch, heard = Watch(), io.StringIO()
    with watch, contextlib.redirect_stderr(heard), contextlib.redirect_stdout(io.StringIO()):
        code = main(line.split()[1:])
    return Said(f"exit code {code}", heard.getvalue(), watch.sites_of(heard.getvalue()))
