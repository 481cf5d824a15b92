"""Build the wheels for Linux with Zig, on one machine for both processors, and check them.

python tools/build_wheels.py dist                                those for the GNU C library, 2.17 and later, x86-64 and aarch64
python tools/build_wheels.py dist x86_64-musl aarch64-musl       others of TARGETS

Each is one file for every CPython from 3.11 on. `auditwheel` finds which symbols of the C library are asked for and writes the
platform into the name, `smaller_wheel.py` compresses it anew, `abi3audit` finds what is not of Python's stable ABI,
`check_dist.py` what a wheel should hold. `tools/try_wheel.py` runs them. Those on the index come from
.github/workflows/wheels.yml, by the same compiler in containers.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import build_backend
import check_dist
import smaller_wheel
from scikit_build_core import build as scikit

TARGETS = {
    "x86_64-gnu": ("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    "aarch64-gnu": ("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    "x86_64-musl": ("x86_64-linux-musl", "musllinux_1_2_x86_64"),
    "aarch64-musl": ("aarch64-linux-musl", "musllinux_1_2_aarch64"),
}
"""For each target its name in Zig, and the platform that the wheel is for."""
USUAL = ("x86_64-gnu", "aarch64-gnu")


@contextmanager
def environment(**changed: str) -> Iterator[None]:
    """Set variables for as long as it lasts."""
    before = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def zig() -> pathlib.Path:
    """The compiler of the package ziglang."""
    package = find_spec("ziglang")
    if package is None or package.origin is None:
        raise SystemExit("there is no Zig: pip install ziglang")
    return pathlib.Path(package.origin).with_name("zig")


def compiled(target: str, folder: pathlib.Path) -> pathlib.Path:
    """A wheel for ``target``, named after the kind of machine only.

    The headers are this Python's: for the stable ABI those of all 64-bit Linux are the same.
    """
    name, _ = TARGETS[target]
    machine = name.partition("-")[0]
    wrapper = folder / "zig-c++"
    headers = pathlib.Path(sysconfig.get_path("include")).parent
    wrapper.write_text(build_backend.WRAPPER.format(zig=zig(), target=f"-target {name}", headers=headers))
    wrapper.chmod(0o755)
    cache = str(folder / "cache")
    settings: build_backend.Settings = {"cmake.args": ["-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={machine}"]}
    with environment(
        CXX=str(wrapper),
        ZIG_GLOBAL_CACHE_DIR=cache,
        ZIG_LOCAL_CACHE_DIR=cache,
        _PYTHON_HOST_PLATFORM=f"linux-{machine}",  # as in cross-compiling Python; the tag of the wheel follows
    ):
        return folder / str(scikit.build_wheel(str(folder), settings))


def tool(*words: str) -> None:
    """Run a module of this Python's, and stop if it finds fault."""
    if find_spec(words[0]) is None:
        raise SystemExit(f"there is no {words[0]} here: pip install -e '.[dev]'")
    subprocess.run([sys.executable, "-m", *words], check=True)


def built(target: str, out: pathlib.Path) -> pathlib.Path:
    """The wheel for ``target`` in ``out``, checked."""
    _, platform = TARGETS[target]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wheel = compiled(target, folder)
        # --plat takes this machine's platforms only; auto is the oldest that has all symbols
        tool(
            "auditwheel",
            "repair",
            "--plat",
            "auto",
            "--only-plat",
            "-w",
            str(folder / "named"),
            str(wheel),
        )
        (named,) = (folder / "named").iterdir()
        if platform not in named.name:
            raise SystemExit(f"{named.name}: symbols of a later platform than {platform} are asked for")
        smaller_wheel.smaller(named)
        tool("abi3audit", "--strict", "--summary", str(named))
        out.mkdir(parents=True, exist_ok=True)
        wheel = out / named.name
        wheel.write_bytes(named.read_bytes())
    faults = check_dist.faults(wheel)
    if faults:
        raise SystemExit("\n".join(f"{wheel.name}: {fault}" for fault in faults))
    return wheel


def target_named(text: str) -> str:
    """A target by its name."""
    if text not in TARGETS:
        raise argparse.ArgumentTypeError(f"there is no target {text!r}; there are {', '.join(TARGETS)}")
    return text


def main(arguments: list[str]) -> int:
    """Build the wheels that are asked for, and print their names and sizes."""
    parser = argparse.ArgumentParser(prog="build_wheels.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", help="where the wheels are put; made if it is not there")
    text = f"of {', '.join(TARGETS)}; by default {' and '.join(USUAL)}"
    parser.add_argument("targets", metavar="TARGET", nargs="*", type=target_named, default=USUAL, help=text)
    given = parser.parse_args(arguments)
    out = pathlib.Path(given.folder).resolve()
    if not given.folder or (out.exists() and not out.is_dir()):
        parser.error(f"{given.folder!r} is not a folder")
    os.chdir(build_backend.HOME)
    for target in given.targets:
        wheel = built(target, out)
        print(f"{wheel.name}: {wheel.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
