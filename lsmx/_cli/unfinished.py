"""A result that is being made, in a hidden folder beside the name that it gets when it is whole.

The folder has the result itself, and a journal: what was asked for, how many boxes are done, and the sums of their digest. A box is
on the disk before the journal has it. So after an interruption of any kind the same command goes on from there.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from types import TracebackType
from typing import Any

from lsmx._cli.ending import InputError, at_work_on
from lsmx._cli.mixing import Sums

OF_ZARR = ("zarr.json", ".zarray", ".zgroup")
"""The files by which a folder is a store of zarr's."""


class Unfinished:
    """A context in which a result is made.

    Attributes
    ----------
    done, sums
        How many boxes there are already, and their digest.
    changed
        Names of what differs between this request and that of the unfinished result that was found, which is then discarded.
    """

    def __init__(self, output: pathlib.Path, request: dict[str, Any], overwrite: bool) -> None:
        self.output, self.request, self.overwrite = output, request, overwrite
        self.folder = folder_of(output)
        self.target, self.journal = self.folder / output.name, self.folder / "journal.json"
        self.done, self.sums = 0, Sums()
        self.changed: list[str] = []

    def __enter__(self) -> Unfinished:
        self.refuse_existing("pass --overwrite to replace it, or name another file")
        self.folder.mkdir(exist_ok=True)
        self.lock = locked(self.folder / "lock", self.output)
        record = {}
        with contextlib.suppress(OSError, ValueError):  # there is none, or it is damaged: as good as none
            record = json.loads(self.journal.read_text())
        if record.get("request") == self.request and self.target.exists():
            self.done, self.sums = record["done"], Sums(*record["sums"])
        else:
            before = record.get("request", {})
            self.changed = [name for name in self.request if record and before.get(name) != self.request[name]]
            self.journal.unlink(missing_ok=True)
            remove(self.target)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.lock)
        if not self.done:
            remove(self.folder)

    def refuse_existing(self, hint: str) -> None:
        """Raise if the output exists, unless it may be overwritten."""
        if os.path.lexists(self.output) and not self.overwrite:
            raise InputError(f"{self.output}: exists; {hint}")
        if self.output.is_dir() and any(self.output.iterdir()) and not any((self.output / name).exists() for name in OF_ZARR):
            raise InputError(f"{self.output}: a folder that is no zarr array, and is not replaced; name a file in it, or another")

    def record(self, done: int, sums: Sums) -> None:
        """Write down how much is done, which is on the disk."""
        self.done, self.sums = done, sums
        following = self.journal.with_suffix(".new")
        with at_work_on(following), following.open("w") as file:
            json.dump({"request": self.request, "done": done, "sums": [sums.a, sums.b]}, file)
            file.flush()
            os.fsync(file.fileno())
        following.replace(self.journal)

    def finish(self) -> None:
        """Give the result its name."""
        self.refuse_existing(
            f"it was not there before, and the result stays in {self.folder}: the same command with --overwrite ends it"
        )
        if self.output.exists() and (self.output.is_dir() or self.target.is_dir()):
            self.output.rename(self.folder / "replaced")  # a folder does not take another's place at once
        self.target.replace(self.output)
        self.done = 0


def folder_of(output: pathlib.Path) -> pathlib.Path:
    """Where a result is made."""
    return output.with_name(f".{output.name}.partial")


def locked(path: pathlib.Path, output: pathlib.Path) -> int:
    """A file that one process at a time holds open; the system lets go of it however that process ends."""
    held = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise InputError(f"{output}: another lsmx apply is writing it; wait until it has ended, or name another file") from None
    except (ImportError, OSError):  # Windows, or a file system without locks
        pass
    return held


def remove(path: pathlib.Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
