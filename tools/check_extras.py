"""Resolve every extra on the package index for Linux, from wheels alone, with each Python; PyTorch has to come as the newest.

python tools/check_extras.py
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor

HOME = pathlib.Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UV = (sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:")
UNREACHED = ("error sending request", "network was disabled", "dns error", "timed out")
AT_ONCE = 4
SECONDS = 120


class IndexNotReachedError(Exception):
    """The package index does not answer."""


def compiled(python: str, *arguments: str, given: str | None = None) -> tuple[dict[str, str], str]:
    """The versions by name, and what is wrong if there are none."""
    # the interpreter is named so that uv does not look for one of each version
    command = [*UV, "--python-platform", "linux", "--python-version", python, "--python", sys.executable, *arguments]
    try:
        run = subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, cwd=HOME)
    except subprocess.TimeoutExpired as error:
        raise IndexNotReachedError(f"no answer within {SECONDS} s") from error
    message = " ".join(run.stderr.split())
    if run.returncode and any(sign in message for sign in UNREACHED):
        raise IndexNotReachedError(message)
    pins = (line.partition(" ")[0].split("==") for line in run.stdout.splitlines() if "==" in line)
    return dict(pins), message if run.returncode else ""


def fault(python: str, extra: str | None, newest: str) -> str | None:
    """What is wrong with an extra, or with all of them together, on a Python."""
    versions, message = compiled(python, *(["--extra", extra] if extra else ["--all-extras"]), "pyproject.toml")
    name = f"[{extra}]" if extra else "all extras together"
    if message:
        return f"{name} on Python {python}: {message}"
    torch = versions.get("torch", newest)
    return None if torch == newest else f"{name} on Python {python}: brings torch {torch}, the newest is {newest}"


def faults(extras: list[str]) -> list[str]:
    """What is wrong with the extras on every Python."""
    newest = {python: compiled(python, "-", given="torch\n") for python in PYTHONS}
    found: list[str | None] = [f"torch on Python {python}: {message}" for python, (_, message) in newest.items() if message]
    if not found:
        jobs = [(python, extra, newest[python][0]["torch"]) for python in PYTHONS for extra in (*extras, None)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda job: fault(*job), jobs))
    return [one for one in found if one]


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    extras = list(tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])
    try:
        found = faults(extras)
    except IndexNotReachedError as error:
        print(f"skipped: the package index cannot be reached: {error}")
        return 0
    print("\n".join(found) or f"with Python {', '.join(PYTHONS)} resolve, alone and together: {', '.join(extras)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
