"""Pages that a reader follows by pasting: their blocks run one after the other, and print what the page says."""

from __future__ import annotations

import code
import contextlib
import io
import re
import shlex
from typing import Any

from lsmx._cli import main

BLOCK = re.compile(r"^```(python|sh|text here|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
WIDTH = 80  # columns of a block on the site that need no scrolling


class Prompt(code.InteractiveConsole):
    """Python's prompt, at which an empty line ends an indented block, and nothing else does. Errors are raised."""

    def showtraceback(self) -> None:
        raise  # within the handler that calls this

    def showsyntaxerror(self, *args: Any, **more: Any) -> None:
        raise


def printed_by(kind: str, text: str, prompt: Prompt) -> str:
    """What a block prints when it is pasted; of a shell's lines those run that begin with ``lsmx``."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for line in text.splitlines():
            if kind == "python":
                prompt.push(line)
            elif line.startswith("lsmx "):
                main(shlex.split(line)[1:])
        prompt.push("")
    return out.getvalue()


def says(text: str, printed: str) -> bool:
    """Whether a block of text is what was printed, but for what stands at a line ``...``."""
    return bool(re.fullmatch("(?:.*\n)*".join(map(re.escape, re.split(r"^\.\.\.\n", text, flags=re.MULTILINE))), printed))


def faults(page: str) -> list[str]:
    """What is wrong with a page: ```` ```text ```` is what the block above it prints, and ``text here`` is so but for numbers."""
    prompt = Prompt({"exit": lambda: None})
    found, printed = [], ""
    for kind, text in BLOCK.findall(page):
        if kind in ("python", "sh"):
            found += [f"wider than {WIDTH}: {line}" for line in text.splitlines() if len(line) > WIDTH]
            printed = printed_by(kind, text, prompt)
        elif not (says(text, printed) if kind == "text" else says(NUMBER.sub("0", text), NUMBER.sub("0", printed))):
            found.append(f"the page says\n{text}and this is printed\n{printed}")
    return found
