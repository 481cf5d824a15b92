"""Write the tables of ``docs/scale.md``, between its markers: of the code, of a model of time, and of ``benchmarks/scale-*.json``.

``python tools/scale_page.py`` writes, and ``--check`` says whether the page is what code and files say. The files are made by
``python benchmarks/scale_bits.py``, ``torch_overhead.py`` and ``jax_overhead.py`` there.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

from scale_model import crossing, model_table
from scale_said import collectives_table, rounds_table

HOME = pathlib.Path(__file__).parents[1]
PAGE, FIGURES, OVERHEAD = "docs/scale.md", "benchmarks/scale-bits.json", "benchmarks/scale-overhead.json"
OF_JAX = "benchmarks/scale-jax.json"


def read(name: str) -> dict[str, Any]:
    """A file of figures."""
    found: dict[str, Any] = json.loads((HOME / name).read_text(encoding="utf-8"))
    return found


def bits_table() -> str:
    """How many arrays were compared, and which differ: a line for each engine, and one for each function."""
    results = read(FIGURES)
    engines: dict[str, list[tuple[int, int]]] = {}
    functions: dict[str, list[tuple[int, int]]] = {}
    for engine, splits in results["engines"].items():
        kept = {split: counts for split, counts in splits.items() if split != "by hand"}
        title = f"{engine} | {'; '.join(kept)}"
        for name, count in (pair for counts in kept.values() for pair in counts.items()):
            engines.setdefault(title, []).append(count)
            functions.setdefault(f"`{name}`", []).append(count)
    lines = ["| engine | splits | arrays compared |", "|---|---|---|", *counted(engines)]
    lines += ["", "| function | arrays compared |", "|---|---|", *counted(functions)]
    total, unequal = summed([count for counts in engines.values() for count in counts])
    said = "all equal" if not unequal else f"**{unequal} differ**"
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n".join(lines) + f"\n\n{total} arrays compared, {said}. Arithmetic {results['arithmetic']}; {versions}."


def summed(counts: list[tuple[int, int]]) -> tuple[int, int]:
    """How many arrays were compared, and how many of them differ."""
    return sum(of for _, of in counts), sum(of - equal for equal, of in counts)


def counted(found: dict[str, list[tuple[int, int]]]) -> list[str]:
    """The lines of a table of counts."""
    lines = []
    for title, counts in found.items():
        total, unequal = summed(counts)
        lines.append(f"| {title} | {f'**{unequal} of {total} differ**' if unequal else total} |")
    return lines


def by_hand_table() -> str:
    """What differs where rows are divided as commonly written, beside lsmx."""
    results = read(FIGURES)
    hand = {key.split()[-2]: splits["by hand"]["cross_entropy"] for key, splits in results["engines"].items() if "plain" in key}
    titles = ("processes", "losses of steps that differ, lsmx", "the same, by hand", "losses of tokens that differ, by hand")
    lines = [f"| {' | '.join(titles)} |", "|---" * 4 + "|"]
    for n, (equal, of) in hand.items():
        steps = [" of ".join(map(str, results["example"][kind][n])) for kind in ("lsmx", "by hand")]
        lines.append(f"| {n} | {steps[0]} | {steps[1]} | {100 * (of - equal) / of:.1f} % |")
    return "\n".join(lines)


def overhead_table() -> str:
    """What dividing costs on the machine that measured it."""
    results = read(OVERHEAD)
    titles = ("function", "rows", "logits a row", "plain call on a part, ms", "in a group of one, ms", "of two, ms", "two / plain")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in results["rows"]:
        times = [f"{1e3 * row[kind]:.4g}" for kind in ("alone", "own", "divided")]
        cells = [f"`{row['function']}`", row["rows"], row["classes"], *times, f"{row['divided'] / row['alone']:.2f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + f"\n\n{results['machine']}; torch {results['torch']}, gloo, {results['processes']} processes."


def jax_table() -> str:
    """What dividing costs on devices of the host."""
    results = read(OF_JAX)
    titles = ("function", "rows", "logits a row", "two devices, a half each, ms", "one device, a half, ms", "two / one")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in results["rows"]:
        times = [f"{1e3 * row[kind]:.3g}" for kind in ("divided", "share")]
        cells = [f"`{row['function']}`", row["rows"], row["classes"], *times, f"{row['divided'] / row['share']:.2f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + f"\n\n{results['machine']}; jax {results['jax']}."


TABLES: dict[str, Callable[[], str]] = {
    "rounds": rounds_table,
    "collectives": collectives_table,
    "bits": bits_table,
    "by_hand": by_hand_table,
    "model": model_table,
    "crossing": crossing,
    "overhead": overhead_table,
    "jax": jax_table,
}


def filled(text: str) -> str:
    """The page with its tables."""
    return re.sub(
        r"(<!-- table: (\w+) -->).*?(<!-- end of table -->)",
        lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


def main(argv: list[str] | None = None) -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the page is current")
    given = parser.parse_args(argv)
    page = HOME / PAGE
    before = page.read_text(encoding="utf-8")
    after = filled(before)
    if given.check:
        print(f"{page.name}: {'current' if after == before else 'DIFFERS from the code or from benchmarks/scale-*.json'}")
        return int(after != before)
    page.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
