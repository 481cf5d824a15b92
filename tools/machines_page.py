"""Write the tables of ``docs/machines.md``, between its markers, from the stored runs of ``lsmx bench``.

``python tools/machines_page.py`` writes, and ``--check`` says whether the page is what the files say. Files are ``speed-NAME.json``
and ``losses-NAME.json`` (``lsmx bench losses``), in ``benchmarks/`` and in ``benchmarks/machines/``.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

from lsmx._bench import report
from lsmx._bench.report import Results

HOME = pathlib.Path(__file__).parents[1]
PAGE = "docs/machines.md"
SUBJECTS = ("speed", "losses")
HEADLINES = {
    "long rows, forward": ("rows of 1000 to 128256, float32, forward", "torch, reused output"),
    "long rows, backward": ("rows of 1000 to 128256, float32, backward", "torch, reused output"),
    "long rows, fresh output": ("fresh output of 64 MB and more, forward", "torch"),
    "mask": ("masks, half True", "torch, masked_fill and log_softmax"),
    "small calls": ("small calls on NumPy", "torch"),
    "bfloat16, forward": ("bfloat16, forward", "torch, reused output"),
    "cross-entropy, a step": ("cross_entropy, forward and backward, float32", "torch"),
}
ON_DEVICE = {"float32 forward": "forward", "float32 backward": "backward"}
UNKNOWN = "not recorded"
Runs = dict[str, Results]  # by subject


def machines() -> dict[str, Runs]:
    """The runs of each machine by its name; trials are left out."""
    found: dict[str, Runs] = {}
    for folder in (HOME / "benchmarks", HOME / "benchmarks" / "machines"):
        for subject in SUBJECTS:
            for path in sorted(folder.glob(f"{subject}-*.json")):
                run = json.loads(path.read_text(encoding="utf-8"))
                if not run["quick"]:
                    found.setdefault(path.stem.removeprefix(f"{subject}-"), {})[subject] = run
    return found


def said(machine: dict[str, Any], key: str) -> str:
    """A fact in words."""
    fact = machine.get(key)
    return UNKNOWN if not fact else ", ".join(fact) if isinstance(fact, list) else str(fact)


def command(subject: str, run: Results) -> str:
    """What was run."""
    words = ["lsmx bench", *(["losses"] if subject == "losses" else [])]
    if "device" in run:
        return f"{words[0]} --device cuda --turns {run['turns']}"
    machine = run["machine"]
    if machine["target"] != (machine.get("targets") or [machine["target"]])[0]:
        words.insert(0, f"LSMX_CPU={machine['target']}")
    rows = [entry for entry in run["rows"] if not any(t["group"] == "two threads against one" for t in entry["targets"])]
    threads = sorted({entry["threads"] for entry in rows if entry["threads"] is not None})
    words += ["--threads", *map(str, threads), f"--turns {run['turns']}"]
    return " ".join(words + ([f'--only "{run["only"]}"'] if run.get("only") else []))


def line(cells: list[str]) -> str:
    """Of a table."""
    return f"| {' | '.join(cells)} |"


def facts(found: dict[str, Runs]) -> str:
    """A section for each machine."""
    parts = []
    for name, runs in found.items():
        machine = next(iter(runs.values()))["machine"]
        where = machine.get("device")
        lines = [f"### {name}", ""]
        lines += [line(["what", "value"]), "|---|---|"]
        lines += [line(["device", where])] if where else []
        lines += [line([words, said(machine, key)]) for key, words in (("processor", "processor"), ("processors", "processors"))]
        lines += [line([words, said(machine, key)]) for key, words in (("caches", "caches"), ("target", "target of the core"))]
        lines += [line([words, said(machine, key)]) for key, words in (("system", "system"), ("compiler", "compiler of the core"))]
        lines += [line(["Python", machine["Python"]])]
        lines += [line(["versions", ", ".join(f"{n} {v}" for n, v in machine["versions"].items())])]
        for subject, run in runs.items():
            of = said(run["machine"], "date"), run["machine"]["arithmetic"]
            lines += [line([subject, f"`{command(subject, run)}`; date {of[0]}; arithmetic {of[1]}"])]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def headline(runs: Runs, group: str, other: str) -> str:
    """The ratios of a group, from the least to the largest."""
    values = [
        report.ratio(entry, target) or 0.0
        for run in runs.values()
        if "rows" in run
        for entry, target in report.asked(run)
        if (target["group"], target["other"]) == (group, other)
    ]
    return report.span(values) if values else ""


def hosts(found: dict[str, Runs]) -> str:
    """A line for each machine, a column for each headline."""
    heads = ["machine", *HEADLINES]
    lines = [line(heads), "|---" * len(heads) + "|"]
    for name, runs in found.items():
        cells = [headline(runs, *of) for of in HEADLINES.values()]
        lines += [line([name, *cells])] if any(cells) else []
    return "\n".join(lines)


def devices(found: dict[str, Runs]) -> str:
    """The same of CUDA devices: PyTorch's time / ours on its tensors."""
    heads = ["machine", "device", *ON_DEVICE]
    lines = [line(heads), "|---" * len(heads) + "|"]
    for name, runs in found.items():
        for run in runs.values():
            cells = []
            for work in ON_DEVICE if "device" in run else ():
                entries = [entry for entry in run["device"] if entry["work"].endswith(work) and entry["elements"] >= report.SMALL]
                values = [report.quotient(entry, "PyTorch", "lsmx on PyTorch") for entry in entries]
                cells.append(report.span([value for value in values if value is not None]))
            lines += [line([name, run["machine"]["device"], *cells])] if cells else []
    return "\n".join(lines)


def filled(text: str, made: dict[str, Callable[[dict[str, Runs]], str]], found: dict[str, Runs]) -> str:
    """The page with what belongs between its markers."""

    def fill(marker: re.Match[str]) -> str:
        return f"{marker[1]}\n{made[marker[2]](found)}\n{marker[3]}"

    return re.sub(r"(<!-- figures: (\w+) -->).*?(<!-- end of figures -->)", fill, text, flags=re.DOTALL)


def main(argv: list[str] | None = None) -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the page is current")
    given = parser.parse_args(argv)
    page = HOME / PAGE
    before = page.read_text(encoding="utf-8")
    after = filled(before, {"hosts": hosts, "devices": devices, "facts": facts}, machines())
    if given.check:
        print(f"{page.name}: {'as stored' if after == before else 'DIFFERS from benchmarks/**/*.json'}")
        return int(after != before)
    page.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
