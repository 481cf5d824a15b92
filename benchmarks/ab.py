"""Two installed builds of lsmx, timed by processes that take turns: what slows the machine for a minute slows both.

    python benchmarks/ab.py OLD/bin/python NEW/bin/python --only "8 x 10 NumPy" --fail-above 5

Each round is one process of either build, in an order that changes, and counts as one turn: so the noise is that between processes.
Both need ``lsmx[bench]`` with the same versions. Output and exit code are those of ``lsmx bench --compare``: 2, with
one line on stderr, where nothing can be measured or compared.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from lsmx._cli import ending
from lsmx._cli import main as lsmx_main
from lsmx._cli.arguments import Parser, percent, positive
from lsmx._cli.bench_compare import unlike
from lsmx._cli.ending import InputError

BUILDS = ("before", "after")
Run = dict[str, Any]


def order(number: int) -> tuple[str, ...]:
    """Of the builds in a round."""
    return BUILDS if number % 2 == 0 else BUILDS[::-1]


def existing(text: str) -> str:
    """A folder that is there and can be written to."""
    if not text or not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    if not os.access(text, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: permission to write in it is denied")
    return text


def ran(command: list[str], folder: str) -> str:
    """What a process prints that has to end well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2] or "it said nothing"
        raise InputError(f"{command[0]} has ended with {done.returncode}: {last}")
    return done.stdout


def where(python: str, folder: str) -> str:
    """The file of the lsmx that an interpreter imports."""
    return ran([python, "-c", "import lsmx; print(lsmx.__file__)"], folder).strip()


def measured(python: str, words: list[str], folder: str) -> Run:
    """One process's run; not in a source tree, which ``-m`` would take in place of what is installed."""
    path = pathlib.Path(folder) / "run.json"
    ran([python, "-m", "lsmx", "bench", *words, "--json", str(path)], folder)
    run: Run = json.loads(path.read_text())
    return run


def merged(runs: list[Run]) -> Run:
    """One run, whose turns are the medians of these."""
    rows = []
    for number, entry in enumerate(runs[0]["rows"]):
        of_all = [run["rows"][number]["seconds"] for run in runs]
        seconds = {who: {**taken, "turns": [s[who]["median"] for s in of_all]} for who, taken in entry["seconds"].items()}
        rows.append({**entry, "seconds": seconds})
    return {**runs[0], "turns": len(runs), "rows": rows}


def rounds(count: int, measure: Callable[[str], Run]) -> dict[str, Run]:
    """Both builds in so many rounds."""
    runs: dict[str, list[Run]] = {build: [] for build in BUILDS}
    for number in range(count):
        for build in order(number):
            print(f"round {number + 1} of {count}: {build}", file=sys.stderr, flush=True)
            runs[build].append(measure(build))
        if reasons := unlike(runs["before"][0], runs["after"][0]):
            raise InputError(f"not the same machine and libraries: {'; '.join(reasons)}")
    return {build: merged(found) for build, found in runs.items()}


def parsed(argv: list[str] | None) -> argparse.Namespace:
    """The words of the command line."""
    parser = Parser(prog="ab.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", metavar="OLD_PYTHON", help="the interpreter of an environment with the one build")
    parser.add_argument("after", metavar="NEW_PYTHON", help="that of the other")
    parser.add_argument("--subject", choices=["log-softmax", "losses"], default="log-softmax")
    parser.add_argument("--only", default="", metavar="NAME", help="as of lsmx bench")
    parser.add_argument("--quick", action="store_true", help="as of lsmx bench")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="a number of threads (1)")
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="processes of either build (7, fewer tell nothing)")
    parser.add_argument("--turns", type=positive, default=3, metavar="N", help="turns of each process (3)")
    parser.add_argument("--keep", type=existing, metavar="FOLDER", help="where before.json and after.json are left")
    parser.add_argument("--fail-above", type=percent, metavar="PERCENT", help="as of lsmx bench --compare")
    return parser.parse_args(argv)


def compared(given: argparse.Namespace) -> int:
    """Measure and compare."""
    words = [given.subject, "--only", given.only, "--threads", str(given.threads), "--turns", str(given.turns)]
    words += ["--quick"] if given.quick else []
    with tempfile.TemporaryDirectory() as folder:
        # absolute, as they are started elsewhere; not resolved, as an environment's interpreter is a link
        pythons = {build: str(pathlib.Path(getattr(given, build)).absolute()) for build in BUILDS}
        places = [where(python, folder) for python in pythons.values()]
        if places[0] == places[1]:
            raise InputError(f"OLD_PYTHON, NEW_PYTHON: both import {places[0]}; name the interpreters of two environments")
        runs = rounds(given.rounds, lambda build: measured(pythons[build], words, folder))
        kept = pathlib.Path(given.keep or folder)
        for build, run in runs.items():
            (kept / f"{build}.json").write_text(json.dumps(run, indent=1) + "\n")
        paths = [str(kept / f"{build}.json") for build in BUILDS]
        limit = [] if given.fail_above is None else ["--fail-above", str(given.fail_above)]
        return lsmx_main(["bench", "--compare", *paths, *limit])


def main(argv: list[str] | None = None) -> int:
    """Measure and compare, or say in one line why not."""
    given = parsed(argv)
    try:
        return compared(given)
    except (InputError, OSError) as error:
        return ending.refused("ab.py", error, own=False)


if __name__ == "__main__":
    sys.exit(main())
