"""Compile the core for aarch64 by Zig, with the flags of CMakeLists.txt, and run it under QEMU on cases made by the definition.

python tools/check_aarch64.py [NUMBER OF CASES]

Nothing of Python runs there: tests/native/driver.cpp calls the passes and compares what they leave in memory. It is linked without
a library of C++, as the core is. QEMU is Debian's package qemu-user; where there is none, that is said, and all is compiled only.
"""

from __future__ import annotations

import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HOME = pathlib.Path(__file__).parents[1]
NATIVE = HOME / "lsmx" / "_native"
QEMU = "qemu-aarch64"
TARGET = ["-target", "aarch64-linux-musl"]
DEFINED = ["-DLSMX_TARGET=lsmx_neon", '-DLSMX_NAME="neon"', "-DLSMX_BYTES=16"]
SOURCES = [
    HOME / "tests" / "native" / "driver.cpp",
    *(NATIVE / "cpu" / f"{x}.cpp" for x in ("geometry", "targets", "threads", "totals", "kernels")),
]
CASES = "tests.native.cases"
INCLUDED = [f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'cpu'}"]


def common_flags() -> list[str]:
    """The flags of CMakeLists.txt for every compiler and target."""
    text = (HOME / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r"^set\((\w+) ([^#)\n]*)\)", text, re.MULTILINE))
    flags = values["COMMON"].replace("${ROUNDED_ONCE}", values["ROUNDED_ONCE"]).split()
    return [f"-std=c++{values['CMAKE_CXX_STANDARD']}", *flags]


def compiled(sources: list[pathlib.Path], folder: pathlib.Path) -> pathlib.Path:
    """The program, linked statically."""
    package = importlib.util.find_spec("ziglang")
    if package is None or package.origin is None:
        raise SystemExit("there is no Zig: pip install ziglang")
    zig = [str(pathlib.Path(package.origin).with_name("zig")), "c++", *TARGET]
    objects = [str(folder / f"{i}.o") for i in range(len(sources))]
    flags = [*common_flags(), *DEFINED, *INCLUDED]

    def compile_one(pair: tuple[pathlib.Path, str]) -> None:
        subprocess.run([*zig, *flags, "-c", str(pair[0]), "-o", pair[1]], check=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_one, zip(sources, objects, strict=True)))
    program = folder / "program"
    subprocess.run([*zig, "-O2", "-static", "-nostdlib++", "-pthread", *objects, "-o", str(program)], check=True)
    return program


def main(number: str = "1200") -> int:
    """Compile and run on so many cases: 0 if all are right."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            program = compiled(SOURCES, folder)
        except subprocess.CalledProcessError as error:
            print(f"not compiled for aarch64: {error}")
            return 1
        if not shutil.which(QEMU):
            print(f"compiled for aarch64, but not run: there is no {QEMU} here (apt-get install qemu-user)")
            return 0
        subprocess.run([sys.executable, "-m", CASES, str(folder / "cases"), number], cwd=HOME, check=True)
        status = subprocess.run([QEMU, str(program), str(folder / "cases")], check=False).returncode
    print(f"on aarch64, under {QEMU}: " + ("right" if status == 0 else f"WRONG, status {status}"))
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
