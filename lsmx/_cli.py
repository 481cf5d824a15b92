"""The command ``lsmx``: ``info``, ``verify`` and ``bench``."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import sys
import textwrap
import time
from typing import Any

import numpy as np

import lsmx
from lsmx.extend import FORMAT_OF, Backend, known_backends
from lsmx.testing.bits import combined, differing
from lsmx.testing.golden import digest_of, golden, key
from lsmx.testing.inputs import Case, cases, logits_cases
from lsmx.testing.tasks import evaluate, target, wanted

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
ROW = "{:<9} {:<12} {:<9} {:<13} {:>9}  {}"


def unusable(backend: Backend | str) -> str | None:
    """Why a backend cannot be used here, or None."""
    if isinstance(backend, str):
        return backend
    try:
        backend.devices()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def wrapped(text: str, indent: int, width: int = 79) -> str:
    """``text`` in lines of at most ``width``, the first one started at ``indent`` already."""
    lines = textwrap.wrap(" ".join(text.split()), width - indent, break_long_words=True)
    return f"\n{' ' * indent}".join(lines)


def info() -> int:
    """List the backends: versions, devices, kernels."""
    print(f"lsmx {lsmx.__version__}, arithmetic version {lsmx.ARITHMETIC_VERSION}, Python {sys.version.split()[0]}")
    for name, backend in known_backends().items():
        reason = unusable(backend)
        if reason is not None or isinstance(backend, str):
            print(f"{name:<9} unavailable: {wrapped(str(reason), 23)}")
            continue
        print(f"{name:<9} {backend.version()}")
        print(f"{'':<9} devices  {wrapped(', '.join(backend.devices()), 18)}")
        print(f"{'':<9} dtypes   {', '.join(backend.dtypes)}")
        kernels = ", ".join(f"{k.name} ({k.function} {k.direction})" for k in backend.kernels)
        print(f"{'':<9} kernels  {wrapped(kernels or 'none: the definition in standard operations', 18)}")
    return 0


def compare(backend: Backend, function: str, dtype: str, inputs: list[Case], stored: bool) -> tuple[str, float, str | None]:
    """The digest of all cases, the seconds that the backend took, and the first difference from the definition or a stored one."""
    marks, seconds, wrong = [], 0.0, None
    for case in inputs:
        want = wanted(function, dtype, case)
        start = time.perf_counter()
        got = evaluate(target(backend), function, dtype, case)
        seconds += time.perf_counter() - start
        marks.append(digest_of(got, dtype))
        wrong = wrong or next((f"{case.name} {d}: {text}" for d in want if (text := differing(got[d], want[d]))), None)
        if wrong is None and stored and marks[-1] != golden()[key(function, dtype, case.name)]:
            wrong = f"{case.name}: digest {marks[-1]}, stored {golden()[key(function, dtype, case.name)]}"
    return combined(marks), seconds, wrong


def progress(text: str) -> None:
    """A line that the next one replaces, where somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r{text:<70}", end="\r", file=sys.stderr, flush=True)


def verify(logits: pathlib.Path | None) -> int:
    """Run everything everywhere and compare: 0 if all is equal."""
    inputs = cases() if logits is None else logits_cases(np.load(logits, mmap_mode="r", allow_pickle=False), logits.name)
    print(f"lsmx {lsmx.__version__}: all functions, all directions, on {'generated cases' if logits is None else logits.name};")
    print("equal: bit for bit that of the definition on NumPy" + (", and of the stored digest." if logits is None else "."))
    print(ROW.format("backend", "function", "dtype", "digest", "time", "result"))
    counts = {"equal": 0, "differs": 0, "unavailable": 0}

    def row(result: str, name: str, function: str, dtype: str, mark: str = "-", took: str = "-", why: str | None = None) -> None:
        counts[result] += 1
        progress("")
        print(ROW.format(name, function, dtype, mark, took, result), flush=True)
        if why is not None:
            print(f"{'':<10}{wrapped(why, 10)}", flush=True)

    known = known_backends()
    for name, backend in known.items():
        reason = unusable(backend)
        if reason is not None or isinstance(backend, str):
            row("unavailable", name, "all", "all", why=reason)
            continue
        for function in FUNCTIONS:
            for dtype in FORMAT_OF:
                if dtype not in backend.dtypes:
                    row("unavailable", name, function, dtype, why=f"{name} has no {dtype}")
                    continue
                progress(f"{name} {function} {dtype}: {len(inputs)} cases ...")
                mark, seconds, wrong = compare(backend, function, dtype, inputs, stored=logits is None)
                row("differs" if wrong else "equal", name, function, dtype, mark, f"{seconds * 1e3:.0f} ms", wrong)
    good = counts["differs"] == 0 and counts["equal"] > 0
    print(f"{'OK' if good else 'FAILED'}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    return 0 if good else 1


def bench(given: argparse.Namespace) -> int:
    """Time this library beside others and print the tables."""
    missing = [name for name in ("tabulate", *(["matplotlib"] if given.plot else [])) if importlib.util.find_spec(name) is None]
    if missing:
        print(f'lsmx bench: {", ".join(missing)} not installed: pip install "lsmx[bench]"', file=sys.stderr)
        return 2
    return bench_device(given) if given.device == "cuda" else bench_host(given)


def bench_device(given: argparse.Namespace) -> int:
    """On a CUDA device."""
    from lsmx._bench import device, device_report, report

    found, reasons = device.libraries()
    if not found:
        print(f"lsmx bench: no CUDA device can be used ({'; '.join(reasons)})", file=sys.stderr)
        return 2
    machine, entries = device.measure_device(found, given.turns, given.quick)
    results = {"machine": machine, "turns": given.turns, "quick": given.quick, "device": entries}
    print(f"{machine['device']}, {', '.join(f'{n} {v}' for n, v in machine['versions'].items())}\n")
    print(device_report.device_table(results), device_report.device_ratios(results), sep="\n\n")
    if given.json:
        report.save(results, given.json)
    if given.plot:
        device_report.device_plot(results, given.plot)
    return 0


def bench_host(given: argparse.Namespace) -> int:
    """On the host's processors."""
    from lsmx._bench import measure, report

    results: dict[str, Any] = {"machine": measure.machine(), "turns": given.turns, "quick": given.quick, "threads": {}}
    for threads in given.threads:
        results["threads"][str(threads)] = measure.measure(threads, given.turns, given.quick)
    host = results["machine"]
    print(f"{host['processor']}, Python {host['Python']}, {', '.join(f'{n} {v}' for n, v in host['versions'].items())}\n")
    print(report.table(results), report.ratios(results), sep="\n\n")
    if given.json:
        report.save(results, given.json)
    if given.plot:
        report.plot(results, given.plot)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="lsmx", description="Log-softmax on any array, with the same bits everywhere.")
    parser.add_argument("--version", action="version", version=f"lsmx {lsmx.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="list backends, versions, devices and kernels")
    check = commands.add_parser("verify", help="run everything on every installed backend and compare the bits")
    check.add_argument("--logits", type=pathlib.Path, metavar="FILE.npy", help="use these logits, rows along the last axis")
    speed = commands.add_parser("bench", help="time log-softmax beside SciPy, NumPy, PyTorch and JAX, in interleaved runs")
    speed.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where: on the host (cpu), or on a CUDA device")
    speed.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help="numbers of threads, one table each")
    speed.add_argument("--turns", type=int, default=7, metavar="N", help="turns of all contestants, two measurements each (7)")
    speed.add_argument("--quick", action="store_true", help="small arrays only, to see whether it works")
    speed.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write medians and quartiles")
    speed.add_argument("--plot", type=pathlib.Path, metavar="FILE.png", help="draw a picture")
    given = parser.parse_args(argv)
    if given.command == "info":
        return info()
    if given.command == "bench":
        return bench(given)
    try:
        return verify(given.logits)
    except (OSError, ValueError) as error:
        print(f"lsmx verify: {error}", file=sys.stderr)
        return 2
