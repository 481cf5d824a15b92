"""The output of a command at work: lines on stdout, and on a terminal a progress line on stderr that a thread redraws."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from types import TracebackType
from typing import Any

from lsmx._cli.ending import at_work_on, complain

EVERY = 0.3  # seconds between two looks at what is to be drawn
SOON = 5.0  # after so many seconds the time that is left is estimated


class Progress:
    """A context in which a command speaks.

    Parameters
    ----------
    name
        Of the command.
    silent
        Whether stdout is for something else.
    """

    def __init__(self, name: str, silent: bool = False) -> None:
        self.name, self.silent = name, silent
        self.doing, self.done = "starting", 0.0
        self.start = time.monotonic()
        self.drawn = ""
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self.terminal: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr may be closed, or no file
            self.terminal = sys.stderr.fileno() if sys.stderr.isatty() else None
        self.thread = threading.Thread(target=self.redraw, name="lsmx progress", daemon=True)

    def __enter__(self) -> Progress:
        self.shown, warnings.showwarning = warnings.showwarning, self.warn
        if self.terminal is not None:
            self.draw(self.line())
            self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.rest()
        warnings.showwarning = self.shown

    def rest(self) -> None:
        """From now on draw no line: somebody else writes to the terminal."""
        self.ended.set()
        if self.thread.ident is not None:
            self.thread.join()
        self.draw("")

    def warn(self, message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        """A warning, in one line."""
        self.note(f"{category.__name__}: {' '.join(str(message).split())}")

    def note(self, text: str) -> None:
        """A line on stderr, above the one that is redrawn."""
        with self.lock:
            self.draw("")
            complain(f"{self.name}: {text}")

    def at(self, doing: str, done: float = 0.0) -> None:
        """What is worked on, and how much of the whole is done."""
        self.doing, self.done = doing, done

    def say(self, text: str, always: bool = False) -> None:
        """A line on stdout, above the one that is redrawn."""
        if self.silent and not always:
            return
        with self.lock:
            self.draw("")
            with at_work_on("standard output"):
                print(text, flush=True)

    def line(self) -> str:
        """What is to be seen now."""
        passed = time.monotonic() - self.start
        parts = [f"{self.name}: {self.doing}"]
        if self.done:
            parts.append(f"{100 * self.done:.0f} %")
        parts.append(clock(passed))
        if self.done and passed > SOON:
            parts.append(f"some {clock(passed / self.done - passed)} left")
        return ", ".join(parts)

    def draw(self, text: str) -> None:
        """Put ``text`` in the place of what was drawn before."""
        if self.terminal is None or text == self.drawn:
            return
        with contextlib.suppress(OSError):
            text = text[: width(self.terminal) - 1]
            blank = " " * (len(self.drawn) - len(text))
            os.write(self.terminal, f"\r{text}{blank}{'' if text else chr(13)}".encode(errors="replace"))
        self.drawn = text

    def redraw(self) -> None:
        """What the thread does."""
        while not self.ended.wait(EVERY):
            with self.lock:
                if not self.ended.is_set():
                    self.draw(self.line())

    def abandon(self) -> None:
        """Clear the line in a handler of signals, which may have interrupted the holder of the lock."""
        self.ended.set()
        self.lock.acquire(timeout=2 * EVERY)
        self.draw("")


def width(terminal: int) -> int:
    """Columns of a terminal, 80 where it does not say."""
    return os.get_terminal_size(terminal).columns or 80


def clock(seconds: float) -> str:
    """As on a clock: 0:42, 12:05, 3:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
