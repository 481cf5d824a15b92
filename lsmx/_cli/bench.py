"""``lsmx bench``: time this library beside others and print the tables."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import subprocess
from collections.abc import Iterable
from typing import Any

from lsmx._cli.ending import InputError, at_work_on, complain
from lsmx._cli.output import write
from lsmx._cli.progress import Progress

DEFAULTS = {"subject": "log-softmax", "device": "cpu", "threads": [1], "turns": 7, "quick": False, "callgrind": False, "plot": None}
"""Of what a measurement takes."""
ON_HOST = ("threads", "only", "callgrind")


def asked_for(given: argparse.Namespace, names: Iterable[str]) -> str:
    """Those that are given, as they are written."""
    found = {name: value for name in names if (value := getattr(given, name)) not in (None, False, "")}
    return ", ".join(str(value) if name == "subject" else f"--{name}" for name, value in found.items())


def bench(given: argparse.Namespace, progress: Progress) -> int:
    """On the host or on a device."""
    if given.compare and (asked := asked_for(given, DEFAULTS)):
        raise InputError(f"{asked}: with --compare nothing is measured; leave it out")
    if given.device == "cuda" and (asked := asked_for(given, ON_HOST)):
        raise InputError(f"{asked}: only what is timed on the host takes it; leave it out, or --device cuda")
    for name, default in DEFAULTS.items():
        if getattr(given, name) is None:
            setattr(given, name, default)
    losses = given.subject == "losses"
    if not given.compare and (given.anyway or given.fail_above is not None):
        raise InputError("--fail-above, --anyway: these are about two stored runs; give --compare BEFORE.json AFTER.json, too")
    needed = ("tabulate", *(["matplotlib"] if given.plot else []), *(["torch"] if losses and not given.compare else []))
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f'{", ".join(missing)} not installed: pip install "lsmx[bench]"')
    if given.compare:
        from lsmx._cli.bench_compare import compare

        return compare(given, progress)
    if losses and given.device == "cuda":
        raise InputError("--device: losses are timed on the host; leave out --device cuda, or losses to time log-softmax there")
    if given.plot:
        check_picture(given.plot)
    return bench_device(given, progress) if given.device == "cuda" else bench_host(given, progress)


def check_picture(path: str) -> None:
    """Raise unless there is such a kind of picture."""
    from matplotlib.backend_bases import FigureCanvasBase

    kind, known = pathlib.Path(path).suffix.removeprefix("."), FigureCanvasBase.get_supported_filetypes()
    if kind not in known:
        raise InputError(f"--plot: {path}: there is no picture of the kind {kind!r}; there are {', '.join(sorted(known))}")


def bench_device(given: argparse.Namespace, progress: Progress) -> int:
    """On a CUDA device."""
    from lsmx._bench import device, device_report

    found, reasons = device.libraries()
    if not found:
        raise InputError(f"no CUDA device can be used ({'; '.join(reasons)})")
    progress.rest()  # what measures says itself what it is at
    machine, entries = device.measure_device(found, given.turns, given.quick)
    results = {"machine": machine, "turns": given.turns, "quick": given.quick, "device": entries}
    progress.say(f"{machine['device']}, {', '.join(f'{n} {v}' for n, v in machine['versions'].items())}\n")
    progress.say(f"{device_report.device_table(results)}\n\n{device_report.device_ratios(results)}")
    write(results, given.json, progress)
    if given.plot:
        with at_work_on(given.plot):
            device_report.device_plot(results, given.plot)
    return 0


def bench_host(given: argparse.Namespace, progress: Progress) -> int:
    """On the host's processors."""
    from lsmx._bench import host, instructions, measure, picture, report

    if given.callgrind and not instructions.installed():
        raise InputError(f"--callgrind: {instructions.WANTED}")
    if not measure.names(given.quick, given.only, given.subject):
        known = "; ".join(measure.groups(given.subject))
        raise InputError(f"--only: {given.only!r} is in no name of a row or a group; the groups are: {known}")
    progress.rest()  # what measures says itself what it is at
    asked = {"subject": given.subject, "turns": given.turns, "quick": given.quick, "only": given.only}
    results: dict[str, Any] = {"machine": host.host(), **asked}
    try:
        results["rows"] = measure.measure_all(given.threads, given.turns, given.quick, given.only, given.subject)
        if given.callgrind:
            results["callgrind"] = instructions.count_all(given.only, given.subject)
    except subprocess.CalledProcessError as error:
        complain(f"lsmx bench: the process that measures has ended with {error.returncode}; what it said is above")
        return 1
    except RuntimeError as error:
        complain(f"lsmx bench: {error}")
        return 1
    tables = (report.of_machine(results), report.table(results), report.ratios(results), report.summary_table(results))
    progress.say("\n\n".join(tables))
    if given.callgrind:
        progress.say(f"\n{report.instruction_table(results)}")
    write(results, given.json, progress)
    if given.plot:
        with at_work_on(given.plot):
            picture.plot(results, given.plot, picture.LOOKS[given.subject])
    return 0
