"""Install a wheel for Linux where there is no compiler, and run `lsmx verify` and the conformance kit on it.

python tools/try_wheel.py dist/lsmx-*x86_64.whl
python tools/try_wheel.py dist/lsmx-*aarch64.whl --quick       stored digests only, without `lsmx verify`

A wheel for this machine goes into a fresh environment, and PATH has nothing but that. One for aarch64 on another machine is run by
QEMU, in Debian's Python for arm64 (`tools/foreign_python.py`), where all takes minutes.
If that cannot be had, it is said, and is no fault.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import venv

import foreign_python

COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++", "cmake", "ninja", "make", "zig")
CORE = """
from lsmx._native import compiled
import lsmx, platform
print("lsmx", lsmx.__version__, "on", platform.machine(), "Python", platform.python_version(), "the core:", compiled.core_status())
assert lsmx.__file__.startswith({folder!r}), lsmx.__file__
assert not compiled.missing(), compiled.missing()
"""
KIT = ["-p", "no:cacheprovider", "-q", "--pyargs", "lsmx.testing", "--backends", "numpy"]
GLIBC = (17, 26, 27, 28)  # of the wheels that NumPy has had for aarch64; pip takes the platforms that it is told, and no older ones


def here(wheel: pathlib.Path, folder: pathlib.Path) -> tuple[list[str], dict[str, str]]:
    """A fresh environment with the wheel: its Python, and variables."""
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    subprocess.run([str(programs / "pip"), "install", "-q", str(wheel), "pytest"], check=True)
    return [str(programs / "python")], {"PATH": str(programs)}


def foreign(wheel: pathlib.Path, folder: pathlib.Path) -> tuple[list[str], dict[str, str]]:
    """Debian's Python for aarch64 with the wheel: the command that runs it, and variables."""
    command = foreign_python.unpacked(folder)
    version = subprocess.run(
        [*command, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    site = folder / "site"
    platforms = [word for n in GLIBC for word in ("--platform", f"manylinux_2_{n}_aarch64")]
    only = ["--only-binary", ":all:", "--python-version", version, *platforms, "--platform", "manylinux2014_aarch64"]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *only, "--target", str(site), str(wheel), "pytest"], check=True)
    command[0] = str(shutil.which(command[0]))
    return command, {"PATH": str(folder / "nothing"), "PYTHONPATH": str(site)}


def tried(wheel: pathlib.Path, quick: bool, folder: pathlib.Path) -> None:
    """Install the wheel in ``folder`` and run it there; what fails raises."""
    machine = next((name for name in ("x86_64", "aarch64") if wheel.stem.endswith(f"_{name}")), "")
    if machine == platform.machine():
        python, changed = here(wheel, folder)
    elif machine == "aarch64":
        python, changed = foreign(wheel, folder)
    else:
        raise SystemExit(f"{wheel.name}: a wheel for Linux on {platform.machine()} or aarch64 is expected")
    found = [name for name in COMPILERS if shutil.which(name, path=changed["PATH"])]
    if found:
        raise SystemExit(f"not without a compiler: {found}")
    environment = {
        key: value for key, value in os.environ.items() if key not in {"CC", "CXX", "PYTHONPATH", "VIRTUAL_ENV"}
    } | changed
    programs = [["-W", "error", "-c", CORE.format(folder=str(folder))]]
    programs += [] if quick else [["-m", "lsmx", "verify"]]
    programs += [["-m", "pytest", *KIT, *(["-k", "golden"] if quick else [])]]
    for program in programs:
        subprocess.run([*python, *program], cwd=folder, env=environment, check=True)


def main() -> int:
    """Try each wheel; 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", nargs="+", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="stored digests only, without `lsmx verify`")
    given = parser.parse_args()
    for wheel in given.wheels:
        with tempfile.TemporaryDirectory() as name:
            try:
                tried(wheel.resolve(strict=True), given.quick, pathlib.Path(name))
            except foreign_python.UnavailableError as error:
                print(f"{wheel.name}: not run: {error}")
            except subprocess.CalledProcessError as error:
                print(f"{wheel.name}: {error}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
