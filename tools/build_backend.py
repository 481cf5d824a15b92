"""The build: scikit-build-core, made to work without a compiler too, and with the compiled core in the tree of an editable install.

- No C++ compiler: Clang comes as ``ziglang`` from the package index, as cmake and ninja do.
- The core cannot be compiled: a wheel of Python alone, in which the definition computes everything. ``lsmx info`` says so.
- Editable: the core is put beside its sources, and site-packages gets the paths of the tree only, which type checkers read too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from scikit_build_core import build as scikit
from scikit_build_core.build import build_sdist, get_requires_for_build_sdist

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, str | list[str]]

HOME = pathlib.Path(__file__).parents[1]
CORE = re.compile(r"lsmx/_native/core\.[^/]*(so|pyd)")
PURE: Settings = {"wheel.cmake": "false", "wheel.py-api": "py3"}
KEPT: Settings = {"build-dir": "build/editable", "cmake.fresh": "true"}  # ninja compiles anew what has changed
ZIG = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")}
"""Where there are wheels of ziglang, cmake and ninja, and a shell for `zig_wrapper`."""

# Without -c something is linked. The core uses no library of C++, which Zig would first build; the flag takes its headers, too.
# Debian's Python.h includes <x86_64-linux-gnu/python3.11/pyconfig.h>, from the folder above its own, where Zig does not look.
WRAPPER = """#!/bin/sh
case " $* " in *" -c "*) ;; *) set -- -nostdlib++ "$@" ;; esac
exec "{zig}" c++ {target} -idirafter "{headers}" "$@"
"""


def compiler() -> str | None:
    """The C++ compiler that CMake is going to find."""
    named = os.environ.get("CXX", "").split()
    return next(filter(None, map(shutil.which, named[:1] or ["c++", "g++", "clang++"])), None)


def fetched() -> list[str]:
    """What is needed in place of a compiler."""
    return [] if compiler() else ["ziglang>=0.13"]


def can_compile() -> bool:
    """Whether there is a compiler, or one to fetch."""
    return bool(compiler()) or (sys.platform, platform.machine()) in ZIG


def target() -> str:
    """Zig's name for this machine, with a C library old enough for all; Zig knows other systems by itself."""
    libc = "musl" if "musl" in (sysconfig.get_config_var("SOABI") or "") else "gnu.2.17"
    return f"-target {platform.machine()}-linux-{libc}" if sys.platform == "linux" else ""


@contextmanager
def zig_wrapper() -> Iterator[None]:
    """Set ``CXX`` to Zig's compiler, if there is no other."""
    package = None if compiler() else find_spec("ziglang")
    if package is None or package.origin is None:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        wrapper = pathlib.Path(folder, "zig-c++")
        headers = pathlib.Path(sysconfig.get_path("include")).parent
        wrapper.write_text(WRAPPER.format(zig=pathlib.Path(package.origin).with_name("zig"), target=target(), headers=headers))
        wrapper.chmod(0o755)
        changed = {"CXX": str(wrapper), "ZIG_GLOBAL_CACHE_DIR": f"{folder}/cache", "ZIG_LOCAL_CACHE_DIR": f"{folder}/cache"}
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def built(folder: str, settings: Settings) -> str:
    """The name of the wheel in ``folder``: with the core, or if that fails without it."""
    if can_compile():
        try:
            with zig_wrapper():
                wheel: str = scikit.build_wheel(folder, settings)
                return wheel
        except (Exception, SystemExit) as error:  # whatever a compiler, cmake, ninja or a missing header comes up with
            print(f"lsmx is built WITHOUT its compiled core, which could not be built: {type(error).__name__}: {error}")
    else:
        print("lsmx is built WITHOUT its compiled core: there is no C++ compiler, and none to fetch for this system")
    pure: str = scikit.build_wheel(folder, settings | PURE)
    return pure


def put_beside_its_sources(wheel: zipfile.ZipFile) -> None:
    """The core out of a wheel into the source tree; none of an earlier build stays."""
    native = HOME / "lsmx" / "_native"
    new = [name for name in wheel.namelist() if CORE.fullmatch(name)]
    for name in new:
        with tempfile.NamedTemporaryFile(dir=native, prefix=".core-", delete=False) as file:
            file.write(wheel.read(name))
        pathlib.Path(file.name).chmod(0o755)
        os.replace(file.name, HOME / name)  # a process that uses the old one keeps it
    for path in native.glob("core.*"):
        name = path.relative_to(HOME).as_posix()
        if CORE.fullmatch(name) and name not in new:
            path.unlink()


def pointing_here(wheel: zipfile.ZipFile, path: pathlib.Path) -> None:
    """The same distribution, with the paths of the source tree in place of modules."""
    info = next(name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    files = {name: wheel.read(name) for name in wheel.namelist() if name.startswith(f"{info}/") and name != f"{info}/RECORD"}
    files["_lsmx.pth"] = f"{HOME}\n{HOME / 'backends'}\n".encode()
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as editable:
        for name, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record.append(f"{name},sha256={digest},{len(content)}\n")
            editable.writestr(name, content)
        editable.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))


def get_requires_for_build_wheel(config_settings: Settings | None = None) -> list[str]:
    """Cmake, ninja and a compiler, of each what is missing."""
    if not can_compile():
        return [*scikit.get_requires_for_build_wheel((config_settings or {}) | PURE)]
    return [*scikit.get_requires_for_build_wheel(config_settings), *fetched()]


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings | None = None) -> str:
    """The metadata, which do not depend on what can be compiled."""
    info: str = scikit.prepare_metadata_for_build_wheel(metadata_directory, (config_settings or {}) | PURE)
    return info


def build_wheel(wheel_directory: str, config_settings: Settings | None = None, metadata_directory: str | None = None) -> str:
    """A wheel, with the compiled core if at all possible."""
    return built(wheel_directory, config_settings or {})


def build_editable(wheel_directory: str, config_settings: Settings | None = None, metadata_directory: str | None = None) -> str:
    """A wheel that points to the source tree, and the core in there."""
    with tempfile.TemporaryDirectory() as folder:
        name = built(folder, KEPT | (config_settings or {}))
        with zipfile.ZipFile(pathlib.Path(folder, name)) as wheel:
            put_beside_its_sources(wheel)
            pointing_here(wheel, pathlib.Path(wheel_directory, name))
    return name


get_requires_for_build_editable = get_requires_for_build_wheel
prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
