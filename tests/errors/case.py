"""What a case of an error is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Code that is refused.

    Attributes
    ----------
    code
        Python, whose last line raises, or a command line that begins with ``lsmx``. What it may name is in ``names.py``.
    error
        The name of the exception's type.
    quotes
        What of the message is somebody else's, which may change with their version: pairs of a pattern, and what stands for it.
    shown
        Whether it is on the page. The others say the same of another function.
    """

    code: str
    error: str
    quotes: tuple[tuple[str, str], ...] = ()
    shown: bool = True


VARYING = (
    (r"JitTracer\(\S*\)|Traced<\S*>\S*", "⟨a tracer⟩"),
    (r"(?<=placed as ).*(?=, whose order)", "⟨what PyTorch says⟩"),
    (r"(?<=target of this machine; ).*", "⟨what to set it to⟩"),
    (r"(?<=there are reference, numpy, torch, jax, ).*", "..."),
)
"""What changes with the machine, with what is installed beside, and with the versions of libraries."""


@dataclass(frozen=True)
class Topic:
    """Cases that belong together."""

    title: str
    cases: tuple[Case, ...]
    before: str = ""


def cases(text: str) -> tuple[Case, ...]:
    """Cases of one line each: the type of the error, and the code."""
    pairs = (line.strip().split(maxsplit=1) for line in text.strip().splitlines() if line.strip())
    return tuple(Case(code, error, VARYING) for error, code in pairs)


def theirs(error: str, code: str, pattern: str, library: str) -> Case:
    """A case whose message quotes a library: what the pattern's first group finds."""
    return Case(code, error, ((pattern, f"⟨what {library} says⟩"),))
