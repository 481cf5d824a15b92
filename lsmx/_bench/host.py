"""Where something was measured: the machine, its system, and the versions."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import pathlib
import platform
import re
from importlib import metadata
from typing import Any

from lsmx import ARITHMETIC_VERSION
from lsmx._bench.works import optional
from lsmx.extend import core_status

LIBRARIES = ("lsmx", "numpy", "scipy", "torch", "jax", "cupy-cuda12x", "cupy-cuda13x", "cuda-core")
CACHES = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")


def host() -> dict[str, Any]:
    """The machine, and the instructions that lsmx and PyTorch use of its processors."""
    torch, status = optional("torch"), core_status()
    capability = torch.backends.cpu.get_cpu_capability() if torch else None
    return {**machine(), "target": status["target"], "targets": status["targets"], "torch": capability}


def machine() -> dict[str, Any]:
    """Where it was measured."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "Python": platform.python_version(),
        "versions": versions,
        "arithmetic": ARITHMETIC_VERSION,
        "system": platform.platform(),
        "caches": caches(CACHES),
        "compiler": compiler(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def caches(folder: pathlib.Path) -> list[str] | None:
    """Those of the first processor, where Linux tells of them."""
    found = []
    for cache in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((cache / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found.append(f"L{level}{'' if kind == 'Unified' else kind[0].lower()} {size}")
    return found or None


def compiler() -> str | None:
    """What has compiled the core, where its file says so."""
    spec = importlib.util.find_spec("lsmx._native.core")
    if spec is None or not spec.origin:
        return None
    found = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", pathlib.Path(spec.origin).read_bytes())
    return found[0].decode() if found else None


def processor() -> str:
    """Its name, and the family where the name says little."""
    try:
        with open("/proc/cpuinfo") as file:
            said = dict(line.strip().partition(":")[::2] for line in file if ":" in line)
        said = {key.strip(): value.strip() for key, value in said.items()}
        return f"{said['model name']}, family {said['cpu family']}"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
