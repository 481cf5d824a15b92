"""What two runs of ``lsmx verify --json`` found, perhaps on two machines, digest by digest."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from lsmx._cli.ending import InputError
from lsmx._cli.progress import Progress

ROW = "{:<16} {:<16} {:<9} {:<14} {:<14} {}"
Record = dict[str, Any]
Key = tuple[str, str, str]  # way, function, dtype


def read(path: str) -> Record:
    """The record in a file."""
    try:
        record = json.loads(pathlib.Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: neither a .npy file nor JSON; save arrays by numpy.save, one a file, with names that end in .npy"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not is_record(record):
        raise InputError(f"{path}: not what lsmx verify --json writes")
    return dict(record)


def is_record(record: Any) -> bool:
    """Whether it has what is compared and shown."""
    try:
        rows, inputs = record["rows"], record["inputs"]
        texts = [record["lsmx"], record["platform"], inputs["digest"], inputs["name"]]
        texts += [row[name] for row in rows for name in ("way", "function", "dtype")]
        texts += [row["digest"] for row in rows if row["digest"] is not None]
        texts += [text for table in (record["libraries"], record["definition"]) for text in table.values()]
        version = record["arithmetic_version"]
        return record["command"] == "verify" and isinstance(version, int) and all(isinstance(text, str) for text in texts)
    except (AttributeError, KeyError, TypeError):
        return False


def digests(record: Record) -> dict[Key, str]:
    """The digests of a record."""
    return {(row["way"], row["function"], row["dtype"]): row["digest"] for row in record["rows"] if row["digest"] is not None}


def check(first: str, a: Record, second: str, b: Record) -> None:
    """Raise unless the two must have the same digests."""
    versions = [record["arithmetic_version"] for record in (a, b)]
    if versions[0] != versions[1]:
        of = f"{first} is of arithmetic version {versions[0]}, {second} of {versions[1]}"
        raise InputError(f"{of}: their bits differ by design; install the same lsmx on both")
    if a["inputs"]["digest"] != b["inputs"]["digest"]:
        of = f"{first} is of {a['inputs']['name']}, {second} of {b['inputs']['name']}"
        raise InputError(f"the inputs are not the same ({of}); run lsmx verify --json on the same ones on both machines")


def compare_records(
    first: str, a: Record, second: str, b: Record, progress: Progress, only: str | None = None
) -> list[dict[str, Any]]:
    """Show every digest, or those of one way only, beside the other's: where one of them lacks the way, beside its definition."""
    check(first, a, second, b)
    of_a, of_b = digests(a), digests(b)
    partly = {(row["way"], row["function"], row["dtype"]) for record in (a, b) for row in record["rows"] if row.get("partly")}
    progress.say(f"A: {first}, {of(a)}\nB: {second}, {of(b)}")
    progress.say("Digests on the same inputs; (d): a way that is not there, in its place the definition.")
    progress.say(ROW.format("way", "function", "dtype", "A", "B", "result"))
    rows = []
    for way, function, dtype in dict.fromkeys([*of_a, *of_b]):
        if only not in (None, way):
            continue
        sides = []
        for mine, record in ((of_a, a), (of_b, b)):
            mark = mine.get((way, function, dtype))
            definition = None if (way, function, dtype) in partly else record["definition"].get(f"{function}/{dtype}")
            sides.append((mark, "") if mark is not None else (definition, " (d)"))
        if None in (sides[0][0], sides[1][0]):
            continue
        result = "equal" if sides[0][0] == sides[1][0] else "differs"
        progress.say(ROW.format(way, function, dtype, *(f"{mark}{sign}" for mark, sign in sides), result))
        rows.append({"way": way, "function": function, "dtype": dtype, "a": sides[0][0], "b": sides[1][0], "result": result})
    return rows


def of(record: Record) -> str:
    """Where a record comes from."""
    libraries = ", ".join(f"{name} {version}" for name, version in record["libraries"].items())
    return f"lsmx {record['lsmx']} on {record['platform']}: {libraries}"
