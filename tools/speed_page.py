"""Write the figures of ``benchmarks/`` into ``docs/speed.md``, ``docs/losses.md`` and ``README.md``, between their markers.

``python tools/speed_page.py`` writes, ``--check`` says whether the pages are what the files say, and ``--measure`` measures this
machine first: on each of the core's targets named, or on the one that it chooses; the losses with ``--losses``, or log-softmax.
PyTorch and JAX are held to the same instructions. The files are ``speed-*.json`` for log-softmax, and ``losses-*.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from lsmx._bench import device_report, report
from lsmx._bench.report import Results
from lsmx.extend import core_status

HOME = pathlib.Path(__file__).parents[1]
FOLDER = HOME / "benchmarks"
PAGES = ("docs/speed.md", "docs/losses.md", "README.md")
TORCH = {"baseline": "default", "avx2": "avx2", "avx512": "avx512"}  # what PyTorch calls the instructions of our targets
XLA = {"baseline": "SSE4_2", "avx2": "AVX2", "avx512": "AVX512"}  # and XLA
LOSSES_IN_README = ("log_prob, float32", "cross_entropy, forward and backward, float32", "entropy, float32")
IN_README = ("rows of 1000 to 128256", "fresh output", "masks", *LOSSES_IN_README)
DASH = "\N{EN DASH}"
NONE = "No figures of this version yet: `python tools/speed_page.py --measure%s` measures this machine and fills the tables."

Machines = dict[str, Results]
Groups = dict[tuple[str, str], dict[str, list[tuple[Any, Any]]]]


def results_of(subject: str) -> Machines:
    """The results in all files of a subject, by the rest of their names."""
    return {
        path.stem.removeprefix(f"{subject}-"): json.loads(path.read_text()) for path in sorted(FOLDER.glob(f"{subject}-*.json"))
    }


def of_hosts(machines: Machines) -> Machines:
    """Those of hosts, without trials."""
    return {name: results for name, results in machines.items() if "rows" in results and not results["quick"]}


def read() -> tuple[Machines, Machines, Results | None]:
    """The results of each host, of log-softmax and of the losses, and those of a CUDA device."""
    machines, losses = results_of("speed"), results_of("losses")
    return of_hosts(machines), of_hosts(losses), next((results for results in machines.values() if "device" in results), None)


def spread(pairs: list[tuple[Any, Any]]) -> str:
    """The least and the largest ratio of a group on a machine."""
    return report.span([report.ratio(*pair) or 0.0 for pair in pairs]) if pairs else ""


def cell(pairs: list[tuple[Any, Any]]) -> str:
    """The ratios of a group on a machine, and how many reach their targets unless all do."""
    if not pairs:
        return ""
    met = [value for pair in pairs if (value := report.reached(*pair)) is not None]
    return spread(pairs) + ("" if all(met) else f" **({sum(met)} of {len(met)})**")


def grouped(hosts: Machines, only: tuple[str, ...]) -> Groups:
    """The ratios of each group beside each other contestant, by machine."""
    groups: Groups = {}
    for name, results in hosts.items():
        for entry, target in report.asked(results):
            if target["group"].startswith(only):
                groups.setdefault((target["group"], target["other"]), {}).setdefault(name, []).append((entry, target))
    return groups


def machine_table(hosts: Machines) -> str:
    """A line for each group and each other, a column for each machine; a dash where there is no target, or no figure."""
    lines = ["| work | beside | target | " + " | ".join(hosts) + " |", "|---" * (3 + len(hosts)) + "|"]
    for (group, other), found in grouped(hosts, ("",)).items():
        least = sorted({t["ratio"] for pairs in found.values() for _, t in pairs if t["ratio"] is not None})
        cells = [group, other, report.span(least) if least else DASH, *(cell(found.get(name, [])) or DASH for name in hosts)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def short_table(speed: Machines, losses: Machines) -> str:
    """Some groups of both, without targets."""
    names = list(dict.fromkeys([*speed, *losses]))
    lines = ["| work | beside | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for (group, other), found in (grouped(speed, IN_README) | grouped(losses, IN_README)).items():
        lines.append(f"| {' | '.join([group, other, *(spread(found.get(name, [])) for name in names)])} |")
    return "\n".join(lines)


def of_host(name: str, results: Results) -> str:
    """A machine: what it is, what it misses, and every row."""
    missed, of_each = report.missed(results), 2 * results["turns"]
    said = ["Targets missed:\n", *(f"- {line}" for line in missed)] if missed else ["Every target is reached."]
    parts = [
        f"### {name}",
        f"{report.of_machine(results)}. Arithmetic {results['machine']['arithmetic']}, medians of {of_each} measurements.",
        "\n".join(said),
        report.ratios(results, "pipe"),
    ]
    if results.get("callgrind"):
        parts.append(report.instruction_table(results, "pipe"))
    return "\n\n".join(parts)


def of_device(results: Results) -> str:
    """The CUDA device: medians, and how they compare."""
    host = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in host["versions"].items())
    return "\n\n".join(
        [
            f"{host['device']}; {versions}. Arithmetic {host['arithmetic']}, {results['turns']} turns.",
            device_report.device_table(results, "pipe"),
            f"How many times our time the others take:\n\n{device_report.device_ratios(results, 'pipe')}",
        ]
    )


def parts(speed: Machines, losses: Machines, device: Results | None) -> dict[str, Callable[[], str]]:
    """What stands between the markers of each name."""
    none, none_of_losses = NONE % "", NONE % " --losses"
    return {
        "machines": lambda: machine_table(speed) if speed else none,
        "rows": lambda: "\n\n".join(of_host(*host) for host in speed.items()) or none,
        "cuda": lambda: of_device(device) if device else none,
        "readme": lambda: short_table(speed, losses) if speed and losses else none,
        "losses": lambda: machine_table(losses) if losses else none_of_losses,
        "loss_rows": lambda: "\n\n".join(of_host(f"losses, {name}", r) for name, r in losses.items()) or none_of_losses,
    }


def filled(text: str, made: dict[str, Callable[[], str]]) -> str:
    """A page with the tables between its markers, without the spaces and dashes that align them."""

    def fill(found: re.Match[str]) -> str:
        table = re.sub(r"-{4,}", "---", re.sub(r" {2,}(?=\|)|(?<=\|) {2,}", " ", made[found[2]]()))
        return f"{found[1]}\n{table}\n{found[3]}"

    return re.sub(r"(<!-- figures: (\w+) -->).*?(<!-- end of figures -->)", fill, text, flags=re.DOTALL)


def measure(target: str, losses: bool) -> None:
    """Measure this machine, with the core on one of its targets."""
    limits = {"LSMX_CPU": target}
    if target in TORCH:
        limits |= {"ATEN_CPU_CAPABILITY": TORCH[target], "XLA_FLAGS": f"--xla_cpu_max_isa={XLA[target]}"}
    threads = [str(n) for n in (1, 2) if n <= (os.cpu_count() or 1)]
    words, subject = (["losses"], "losses") if losses else (["--threads", *threads], "speed")
    command = [sys.executable, "-m", "lsmx", "bench", *words, "--json", str(FOLDER / f"{subject}-{target}.json")]
    subprocess.run(command, env={**os.environ, **limits}, check=True)


def main(argv: list[str] | None = None) -> int:
    """Measure, write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the pages are current")
    parser.add_argument("--measure", nargs="*", metavar="TARGET", help="measure first, on these targets of the core")
    parser.add_argument("--losses", action="store_true", help="what is measured is the losses, in place of log-softmax")
    given = parser.parse_args(argv)
    if given.measure is not None:
        for target in given.measure or [core_status()["target"]]:
            measure(target, given.losses)
    made, code = parts(*read()), 0
    for page in (HOME / name for name in PAGES):
        before = page.read_text(encoding="utf-8")
        after = filled(before, made)
        if given.check:
            print(f"{page.name}: {'as measured' if after == before else 'DIFFERS from benchmarks/*.json'}")
            code |= after != before
        else:
            page.write_text(after, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
