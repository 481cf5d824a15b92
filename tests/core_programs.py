"""The compiled core's sources, changed or not, compiled for tests: with the program ``native/driver.cpp``, or piece by piece."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence

from tests.native.passes import PASSES
from tools.check_aarch64 import common_flags

HOME = pathlib.Path(__file__).parents[1]
NATIVE = HOME / "lsmx" / "_native"
HERE = HOME / "tests" / "native"
COMPILER = next((found for name in (os.environ.get("CXX", ""), "g++", "clang++") if name and (found := shutil.which(name))), None)
WITHOUT = "there is no C++ compiler here"
BUILDS = pathlib.Path(tempfile.gettempdir()) / f"lsmx-core-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
FLAGS = [flag for flag in common_flags() if not flag.startswith(("-O", "-W"))]
BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}
MACHINE = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma"],
}
Edit = Callable[[str, str], str]
"""From a file's name and text to the text that is compiled."""


def unchanged(name: str, text: str) -> str:
    return text


def one_target(name: str, text: str) -> str:
    """Only the least target, so that the others need not be compiled."""
    return text.replace("__x86_64__", "LSMX_EVERY_TARGET") if name == "targets.cpp" else text


def passes(*kept: str) -> Edit:
    """Few passes in float32, which are compiled sooner. The others crash."""

    def edit(name: str, text: str) -> str:
        if name == "kernels.cpp":
            ways = r"\{(\w+)::lines, (?:\1::tile|nullptr)\}"
            text, found = re.subn(ways, lambda m: m[0] if m[1] in kept else "{nullptr, nullptr}", text)
            assert found == len(PASSES), "the table of passes is not where it was"
            text, found = re.subn(r"run_format<double>\(\w+, \w+, \w+\)", "false", text)
            assert found == 1, "what runs a pass in a format is not where it was"
        return text

    return edit


def sources(edit: Edit, folder: pathlib.Path) -> None:
    """The core's headers and sources, edited, in a folder."""
    for path in [*(NATIVE / "cpu").iterdir(), *(NATIVE / "include" / "lsmx").iterdir()]:
        to = folder / path.relative_to(NATIVE)
        to.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        to.write_text(edit(path.name, one_target(path.name, text)), encoding="utf-8")


def built(file: str, commands: Callable[[pathlib.Path], Sequence[Sequence[str]]], edit: Edit = unchanged) -> pathlib.Path:
    """What commands make of the core's sources, by the name of a file; made once for all the processes of a test run."""
    assert COMPILER is not None
    BUILDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILDS) as name:
        folder = pathlib.Path(name)
        sources(edit, folder)
        texts = [path.read_bytes() for path in sorted([*folder.glob("*/**/*.*"), *HERE.glob("*.cpp")])]
        words = [word for command in commands(pathlib.Path("/")) for word in command]
        mark = hashlib.sha256(b"\0".join([*texts, *map(str.encode, words)])).hexdigest()[:16]
        with open(BUILDS / f"{mark}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (BUILDS / mark / file).exists():
                for command in commands(folder):
                    subprocess.run(
                        [COMPILER, *command], cwd=folder / "cpu", check=True, timeout=500, capture_output=True, text=True
                    )
                folder.rename(BUILDS / mark)
                folder.mkdir()
    return BUILDS / mark / file


def kernels(folder: pathlib.Path, flags: Sequence[str], target: str = "baseline") -> list[str]:
    """Compile the passes of a target."""
    defined = [f"-DLSMX_TARGET=lsmx_{target}", f'-DLSMX_NAME="{target}"', f"-DLSMX_BYTES={BYTES[target]}"]
    return [
        *FLAGS,
        "-w",
        *MACHINE[target],
        *flags,
        *defined,
        f"-I{folder}/include",
        "-c",
        "kernels.cpp",
        "-o",
        f"{folder}/{target}.o",
    ]


def driver(*flags: str, edit: Edit = unchanged) -> pathlib.Path:
    """The driver, with the least target's passes."""

    def commands(folder: pathlib.Path) -> list[list[str]]:
        others = [str(HERE / "driver.cpp"), "geometry.cpp", "targets.cpp", "threads.cpp", f"{folder}/baseline.o"]
        link = [*FLAGS, *flags, f"-I{folder}/cpu", *others, "-o", f"{folder}/driver", "-pthread"]
        return [kernels(folder, flags), link]

    return built("driver", commands, edit)


def library(target: str | None) -> pathlib.Path:
    """The law as functions of arrays: in vectors of a target, or one number at a time."""

    def commands(folder: pathlib.Path) -> list[list[str]]:
        vectors = [*MACHINE[target], f"-DLSMX_BYTES={BYTES[target]}"] if target else []
        included = [f"-I{folder}/include", f"-I{folder}/cpu"]
        return [[*FLAGS, "-w", "-O2", "-shared", "-fPIC", *vectors, *included, str(HERE / "law.cpp"), "-o", f"{folder}/law.so"]]

    return built("law.so", commands)


def run(program: pathlib.Path, file: pathlib.Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The driver on a file of cases."""
    env = {**os.environ, **environment}
    return subprocess.run([program, file, *words], capture_output=True, text=True, timeout=500, env=env, check=False)
