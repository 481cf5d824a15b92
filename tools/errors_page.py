"""The page of errors, docs/errors.md: every message of the public surface, from code that is run and refused.

    python tools/errors_page.py           write the page
    python tools/errors_page.py --check   write nothing; say which rows differ from what is said now

The cases are in tests/errors, one module for a part of the surface; all libraries of ``pip install -e ".[test]"`` are needed.
"""

from __future__ import annotations

import argparse
import difflib
import pathlib
import sys
from typing import Any

HOME = pathlib.Path(__file__).resolve().parents[1]
PAGE = "docs/errors.md"
BEGIN, END = "<!-- errors: by python tools/errors_page.py -->\n", "<!-- end of errors -->\n"


def filled(page: str, tables: str) -> str:
    """A page with other tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def differing(page: str, tables: str) -> list[str]:
    """The lines of a page that its cases do not say, and what they say that it lacks."""
    lines = difflib.unified_diff(page.splitlines(), filled(page, tables).splitlines(), "the page", "what is said", lineterm="", n=0)
    return [line for line in lines if line.startswith(("+", "-"))]


def said_by_all() -> dict[Any, Any]:
    """What every case says."""
    from tests.errors.page import CASES
    from tests.errors.running import missing, run

    absent = {reason for case in CASES if (reason := missing(case)) is not None}
    if absent:
        raise SystemExit(f'errors_page: not installed: {", ".join(sorted(absent))}; pip install -e ".[test]"')
    said = {case: run(case) for case in CASES}
    wrong = [f"{case.code}: {found.error}, not {case.error}" for case, found in said.items() if found.error != case.error]
    if wrong:
        raise SystemExit("errors_page: " + "\n".join(wrong))
    return said


def main(argv: list[str] | None = None) -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say what differs")
    given = parser.parse_args(argv)
    sys.path[:0] = [str(HOME), str(HOME / "backends")]
    from tests.errors.page import tables

    path, made = HOME / PAGE, tables(said_by_all())
    before = path.read_text(encoding="utf-8")
    if given.check:
        wrong = differing(before, made)
        print("\n".join(wrong) or f"{path.name}: as it is said")
        return int(bool(wrong))
    path.write_text(filled(before, made), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
