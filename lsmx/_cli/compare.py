"""``lsmx verify --compare A B``: two libraries, two dtypes, what was found on two machines, or two arrays."""

from __future__ import annotations

import argparse
import pathlib
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import lsmx
from lsmx._cli.differences import compare_bits, compare_dtypes
from lsmx._cli.ending import BAD_INPUT, InputError
from lsmx._cli.inputs import Inputs, chosen
from lsmx._cli.output import here, write
from lsmx._cli.progress import Progress
from lsmx._cli.records import Record, check, compare_records, read
from lsmx._cli.sides import are_files, compare_files
from lsmx._cli.verify import measured, named, record_of
from lsmx._cli.ways import Way, on_numpy, reference
from lsmx.extend import FORMAT_OF, backend_of, roots
from lsmx.testing.golden import FUNCTIONS
from lsmx.testing.libraries import STRICT, library, split


@dataclass(frozen=True)
class Side:
    """A library, and the dtypes that were asked for: one, or all that it has."""

    way: Way
    dtypes: tuple[str, ...]
    name: str


def side_of(text: str, progress: Progress) -> Side | Record:
    """A or B."""
    if text.endswith(".json") or pathlib.Path(text).is_file():
        return read(text)
    name, colon, dtype = text.partition(":")
    progress.at(f"importing {name}")
    way = way_of(name)
    if not colon:
        return Side(way, way.where.dtypes, text)
    if dtype not in FORMAT_OF:
        raise InputError(f"--compare: {text}: {dtype!r} is not a dtype; there are {', '.join(FORMAT_OF)}")
    if dtype not in way.where.dtypes:
        raise InputError(f"--compare: {text}: {name} has no {dtype}; it has {', '.join(way.where.dtypes)}")
    return Side(way, (dtype,), text)


def way_of(name: str) -> Way:
    """A way by its name, as `lsmx verify` lists them."""
    if name == "definition":
        return reference()
    if name.startswith("numpy/"):
        numpy = backend_of("numpy")
        assert not isinstance(numpy, str), numpy
        ways = {key: way for key, way in on_numpy(numpy).items() if key.startswith("numpy/")}
        if name not in ways:
            raise InputError(f"--compare: there is no {name}; there are {', '.join(ways)}")
        way = ways[name]
    else:
        try:
            where = library(name)
        except ValueError as error:
            raise InputError(
                f"--compare: {error}; or definition, a file that verify --json has written, or two .npy files"
            ) from None
        way = where if isinstance(where, str) else Way(name, where, version_of(name))
    if isinstance(way, str):
        raise InputError(f"--compare: {name} cannot be used here: {way}")
    return way


def version_of(name: str) -> str:
    """The version of a library that may be on a device."""
    root = split(name, roots())
    backend = backend_of(root[0]) if root is not None else ""
    return metadata.version("array-api-strict") if name in STRICT else "" if isinstance(backend, str) else backend.version()


def compare(given: argparse.Namespace, progress: Progress) -> int:
    """Compare A with B: 0 if they are equal, 1 if they differ."""
    if are_files(given):
        return compare_files(given, progress)
    first, second = given.compare
    lsmx.get_num_threads()  # raises now, if the environment asks for none
    a, b = side_of(first, progress), side_of(second, progress)
    if isinstance(a, dict) and isinstance(b, dict):
        if given.logits is not None:
            raise InputError("--logits: the two files say what they are of; leave it out")
        rows = compare_records(first, a, second, b, progress)
    else:
        inputs = chosen(given.logits)
        if isinstance(a, Side) and isinstance(b, Side):
            rows = of_sides(a, b, inputs, progress)
        elif isinstance(a, Side):
            assert isinstance(b, dict)
            rows = compare_records(first, recorded(a, second, b, inputs, progress), second, b, progress, a.way.name)
        else:
            assert isinstance(b, Side)
            rows = compare_records(first, a, second, recorded(b, first, a, inputs, progress), progress, b.way.name)
    different = sum(row["result"] == "differs" for row in rows)
    word = "DIFFERENT" if different else "EQUAL" if rows else "NOTHING COMPARED"
    progress.say(f"{word}: {len(rows) - different} equal, {different} differs")
    write({"command": "compare", **here(), "a": first, "b": second, "rows": rows}, given.json, progress)
    return 1 if different else 0 if rows else BAD_INPUT


def recorded(side: Side, beside: str, record: Record, inputs: Inputs, progress: Progress) -> Record:
    """What a library gives here, on the inputs of a record."""
    facts = {**inputs.facts, "digest": inputs.digest(progress)}
    check(side.name, {**here(), "inputs": facts}, beside, record)
    rows, definition = measured({side.way.name: side.way}, side.dtypes, inputs, progress, say=lambda text: None)
    fell = [row.why for row in rows if row.digest is None and row.result != "omitted"]
    if fell:
        raise InputError(f"{side.name}: {fell[0]}")
    return record_of({side.way.name: side.way}, rows, definition, facts)


def of_sides(a: Side, b: Side, inputs: Inputs, progress: Progress) -> list[dict[str, Any]]:
    """Two libraries, bit for bit where they have a dtype in common, else in numbers."""
    title = f"lsmx {lsmx.__version__}: {a.name} (A) and {b.name} (B), {{}}, all directions, on {inputs.name}"
    if len(a.dtypes) == len(b.dtypes) == 1 and a.dtypes != b.dtypes:
        progress.say(title.format(", ".join(FUNCTIONS)))
        return compare_dtypes((a.way, a.dtypes[0]), (b.way, b.dtypes[0]), inputs, progress)
    common = [dtype for dtype in a.dtypes if dtype in b.dtypes]
    if not common:
        asked, other = (a, b) if len(a.dtypes) == 1 else (b, a)
        raise InputError(
            f"--compare: {other.name} has no {asked.dtypes[0]}; name another dtype, as in {other.name}:{other.dtypes[-1]}"
        )
    progress.say(title.format(named(inputs)))
    return compare_bits(a.way, b.way, common, inputs, progress)
