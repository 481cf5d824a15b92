"""The files that command lines name."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import numpy as np

import lsmx
from tests.errors.helpers import undo


def make_files(line: str) -> None:
    """The files that command lines name, in the present folder."""
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    for name, x in {"z": z, "i": np.asarray([0, 2]), "k": np.ones((2, 2, 3), int), "far": np.asarray([0, 9])}.items():
        np.save(f"{name}.npy", x)
    np.save("objects.npy", z.astype(object))
    np.save("bytes.npy", np.zeros(3, "V1"))
    np.save("scalar.npy", np.float32(1))
    np.save("empty_rows.npy", np.zeros((0, 3), np.float32))
    np.save("complex.npy", z.astype(complex))
    np.savez("z.npz", z)
    pathlib.Path("text.npy").write_text("1, 2, 3")
    pathlib.Path("nothing.npy").write_bytes(b"")
    whole = pathlib.Path("z.npy").read_bytes()
    pathlib.Path("cut.npy").write_bytes(whole[:-4])
    pathlib.Path("header.npy").write_bytes(whole[:20])
    pathlib.Path("taken.npy").write_bytes(whole)
    np.save("dates.npy", np.zeros(3, "M8[D]"))
    pathlib.Path("folder").mkdir()
    pathlib.Path("full.zarr").mkdir()
    pathlib.Path("full.zarr/note.txt").write_text("")
    if "pipe" in line:
        os.mkfifo("pipe.npy")
    if "group" in line:
        import zarr

        zarr.create_group("group.zarr")
    if "busy" in line:
        import fcntl

        pathlib.Path(".busy.npy.partial").mkdir()
        held = undo.enter_context(open(".busy.npy.partial/lock", "w"))  # noqa: SIM115 # as long as the case runs
        fcntl.flock(held, fcntl.LOCK_EX)
    pathlib.Path("text.json").write_text("{")
    pathlib.Path("other.json").write_text("{}")
    inputs = {"digest": "0", "name": "generated cases"}
    facts: dict[str, Any] = {"command": "verify", "rows": [], "inputs": inputs, "definition": {}}
    facts |= {"arithmetic_version": lsmx.ARITHMETIC_VERSION, "libraries": {}, "lsmx": "0", "platform": "here"}
    records = {
        "a": facts,
        "old": facts | {"arithmetic_version": 1},
        "b": facts | {"inputs": {"digest": "1", "name": "z.npy"}},
    }
    for name, content in records.items():
        pathlib.Path(f"{name}.json").write_text(json.dumps(content))
    make_runs()


def make_runs() -> None:
    """What ``lsmx bench --json`` writes."""

    def run(work: str, taken: dict[str, Any], processor: str = "here") -> dict[str, Any]:
        seconds = {name: {"median": 1.0, **taken} for name in ("lsmx", "torch")}
        row = {"work": work, "threads": 1, "seconds": seconds, "targets": [{"group": "all", "ours": "lsmx", "other": "torch"}]}
        return {"machine": {"processor": processor, "versions": {"lsmx": "1"}}, "rows": [row]}

    turns = {"turns": [1.0, 1.0, 1.0]}
    runs = {
        "before": run("8 x 10", turns),
        "works": run("8 x 1000", turns),
        "elsewhere": run("8 x 10", turns, "there"),
        "medians": run("8 x 10", {}),
    }
    for name, content in runs.items():
        pathlib.Path(f"{name}.json").write_text(json.dumps(content))
