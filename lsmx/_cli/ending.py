"""How a command ends other than by itself: bad input, a full disk, Ctrl-C, a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsmx._cli.progress import Progress

BAD_INPUT, INTERRUPTED, READER_GONE = 2, 130, 141
"""Exit codes. The last two are 128 and the number of the signal that ends other programs there, SIGINT and SIGPIPE."""


class InputError(Exception):
    """What was given cannot be used: said in one line, without a traceback."""


def complain(text: str) -> None:
    """A line on stderr, if anybody reads it."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def at_work_on(file: object) -> Iterator[None]:
    """A context whose errors of the system name a file: reads and writes of an open one name none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(file)
        raise


def escape_output() -> None:
    """From now on escape the characters of stdout that its encoding lacks, as Python does on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def refused(name: str, reason: object, own: bool) -> int:
    """Say in one line what is wrong."""
    if isinstance(reason, OSError) and reason.filename is not None:
        reason = f"{reason.filename}: {reason.strerror}"
    complain(f"{name}: {' '.join(str(reason).split())}")
    if own:
        drop_output()  # writing to it may be what has failed
    return BAD_INPUT


def interrupted(name: str, own: bool) -> int:
    """Say so. A process of its own ends here: other libraries' threads might keep Python from ending."""
    complain(f"{name}: interrupted")
    if own:
        os._exit(INTERRUPTED)
    return INTERRUPTED


def reader_gone(own: bool) -> int:
    """``| head`` has seen enough: say nothing."""
    if own:
        drop_output()
    return READER_GONE


def drop_output() -> None:
    """Redirect stdout to nowhere: else Python would try to write the rest when it exits, and complain."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def end_at_ctrl_c(name: str, progress: Progress) -> None:
    """End the process at once on Ctrl-C: an exception might be caught by the library that happens to run."""

    def handler(number: int, frame: object) -> None:
        progress.abandon()
        with contextlib.suppress(OSError):
            os.write(2, f"{name}: interrupted\n".encode())
        os._exit(INTERRUPTED)

    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody wants it ignored
        signal.signal(signal.SIGINT, handler)
