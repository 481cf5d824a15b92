"""``lsmx info``: the compiled core, and the backends with versions, devices and kernels; and of what cannot run why not."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from lsmx._cli.output import here, wrapped, write
from lsmx._cli.progress import Progress
from lsmx.extend import Backend, backend_of, core_status, roots


def usable(backend: Backend | str) -> tuple[Backend, list[str]] | str:
    """The backend and its devices, or the reason why it cannot be used here."""
    if isinstance(backend, str):
        return backend
    try:
        return backend, backend.devices()
    except Exception as error:  # whatever the library raises for want of a device
        return f"{type(error).__name__}: {error}"


def found(progress: Progress) -> dict[str, tuple[Backend, list[str]] | str]:
    """Every backend and its devices by its name, or by its root module the reason why it cannot be used here."""
    backends = {}
    for root in roots():
        progress.at(f"importing {root}")
        backend = backend_of(root)
        backends[root if isinstance(backend, str) else backend.name] = usable(backend)
    progress.at("libraries imported")
    return backends


def described(backend: Backend, devices: list[str]) -> dict[str, Any]:
    """A backend as a record."""
    kernels = [
        {"name": k.name, "function": k.function, "direction": k.direction, "unavailable": k.unavailable()} for k in backend.kernels
    ]
    version, dtypes = backend.version(), list(backend.dtypes)
    return {"name": backend.name, "version": version, "devices": devices, "dtypes": dtypes, "kernels": kernels}


def listed(kernels: list[dict[str, Any]]) -> list[str]:
    """The kernels of a backend in words: those of one name together, with the reason if they cannot run."""
    tasks: dict[tuple[str, str | None], dict[str, list[str]]] = {}
    for k in kernels:
        tasks.setdefault((k["name"], k["unavailable"]), {}).setdefault(k["function"], []).append(k["direction"])
    lines = []
    for (name, reason), by_function in tasks.items():
        what = ", ".join(f"{function} {'/'.join(directions)}" for function, directions in by_function.items())
        lines.append(f"{name} ({what})" if reason is None else f"{name}: cannot run here: {reason}")
    return lines or ["none: the definition in standard operations"]


def of_the_core(status: Mapping[str, Any]) -> str:
    """The compiled core in words."""
    if status["missing"]:
        return f"unavailable: {status['missing']}"
    others = [name for name in status["targets"] if name != status["target"]]
    return f"{status['target']}" + (f"; LSMX_CPU forces another: {', '.join(others)}" if others else "")


def info(given: argparse.Namespace, progress: Progress) -> int:
    """Tell of the core, and list the backends."""
    core = core_status()
    backends = found(progress)
    records: list[dict[str, Any]] = []
    said = here()
    progress.say(f"lsmx {said['lsmx']}, arithmetic version {said['arithmetic_version']}, Python {said['python']}")
    progress.say(f"{'core':<9} {wrapped(of_the_core(core), 23)}")
    for name, known in backends.items():
        if isinstance(known, str):
            records.append({"name": name, "unavailable": known})
            progress.say(f"{name:<9} unavailable: {wrapped(known, 23)}")
            continue
        backend, devices = known
        records.append(described(backend, devices))
        progress.say(f"{name:<9} {records[-1]['version']}")
        progress.say(f"{'':<9} devices  {wrapped(', '.join(devices), 19)}")
        progress.say(f"{'':<9} dtypes   {', '.join(backend.dtypes)}")
        for i, line in enumerate(listed(records[-1]["kernels"])):
            progress.say(f"{'':<9} {'' if i else 'kernels':<8} {wrapped(line, 19)}")
    write({"command": "info", **said, "core": core, "backends": records}, given.json, progress)
    return 0
