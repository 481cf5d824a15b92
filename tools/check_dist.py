"""Check what an sdist and a wheel contain, and what an index shows of them.

python tools/check_dist.py dist/*
python tools/check_dist.py --all dist/*         the files of a release: for every system, also without the compiled core or the GIL
python tools/check_dist.py --release dist/*     these before an upload: the addresses have to be real ones
"""

from __future__ import annotations

import argparse
import configparser
import email
import pathlib
import re
import sys
import tarfile
import tomllib
import zipfile
import zlib

HOME = pathlib.Path(__file__).parents[1]
PACKAGES = {"lsmx", "lsmx_autograd", "lsmx_cupy", "lsmx_dask", "lsmx_jax", "lsmx_numpy", "lsmx_pytest", "lsmx_torch"}
KIT = {f"lsmx/testing/{name}" for name in ("golden.json", "conftest.py", "test_bits.py", "test_losses.py", "test_layouts.py")}
KERNELS = {path.relative_to(HOME).as_posix() for path in (HOME / "lsmx" / "_native" / "cuda").glob("*.cuh")}
CORE = "lsmx/_native/core.abi3.so"
LARGEST = 1_000_000  # bytes of a wheel
PURE = "-py3-none-any.whl"  # Python alone, for systems without a wheel of their own
WITHOUT_GIL = re.compile(r"-cp(3\d+)-cp\1t-")
EACH = [f"{libc}_{machine}" for libc in ("manylinux2014", "musllinux_1_2") for machine in ("x86_64", "aarch64")]
EACH += ["macosx_11_0_x86_64", "macosx_11_0_arm64"]
"""The platforms that a release has wheels for."""
COMPILED_FROM = {path.relative_to(HOME).as_posix() for path in (HOME / "lsmx" / "_native" / "cpu").iterdir()}
HEADERS = {path.relative_to(HOME).as_posix() for path in (HOME / "lsmx" / "_native" / "include").rglob("*.h")}
NEEDED = {"lsmx/_api.pyi", *HEADERS, *KIT, *KERNELS, *(f"{name}/py.typed" for name in PACKAGES)}
SOURCE = {
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "RELEASING.md",
    "SECURITY.md",
    "pyproject.toml",
    "conftest.py",
    "CMakeLists.txt",
    "tools/build_backend.py",
    "tools/package_page.py",
    "tests/test_contract.py",
    "tests/cuda_emulator.h",
    "docs/design.md",
}


PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESSES = {"Source", "Documentation", "Changelog", "Issues"}
FENCES = re.compile(r"```.*?```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)")
ELSEWHERE = re.compile(r"https?://|#|mailto:")
STRAY = re.compile(r"(^|/)(\.git|\.venv|__pycache__|dist|build)(/|$)|\.(so|pyd|o)$")
RESERVED = re.compile(r"https?://[^/]*\.(example|invalid|test)(/|$)")  # RFC 2606: names that nobody owns


def page_faults(metadata: str, release: bool = False) -> list[str]:
    """What is wrong with the metadata that an index shows."""
    fields = email.message_from_string(metadata)
    addresses = dict(line.split(", ", 1) for line in fields.get_all("Project-URL", []))
    found = [f"no address of the {label.lower()}" for label in sorted(ADDRESSES - set(addresses))]
    if release:
        found += [f"the address is a placeholder: {label} {url}" for label, url in addresses.items() if RESERVED.match(url)]
    if set(fields.get_all("Provides-Extra", [])) != set(PROJECT["optional-dependencies"]):
        found.append("the extras are not those of pyproject.toml")
    text = str(fields.get_payload())
    links = LINK.findall(FENCES.sub("", text))
    if not links or fields["Description-Content-Type"] != "text/markdown":
        found.append("the README is not the description")
    return found + [f"a link that leads nowhere from an index: {link}" for link in links if not ELSEWHERE.match(link)]


def entry_faults(text: str, names: set[str]) -> list[str]:
    """Which entry points lead to no module in the wheel, or are not there."""
    entries = configparser.ConfigParser(delimiters=["="])
    entries.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    entries.read_string(text)
    found = {(group, name): value for group in entries.sections() for name, value in entries[group].items()}
    groups = {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}
    wanted = {(group, name): value for group, members in groups.items() for name, value in members.items()}
    lost = [f"the entry points are not those of pyproject.toml: {found}"] if found != wanted else []
    for value in found.values():
        path = value.partition(":")[0].replace(".", "/")
        if not {f"{path}.py", f"{path}/__init__.py"} & names:
            lost.append(f"an entry point to no module: {value}")
    return lost


def core_faults(path: pathlib.Path, names: set[str], every: bool = False) -> list[str]:
    """What is wrong with the compiled core of a wheel, and with the wheel for its sake.

    Of the files of a release, ``every``, one has no core, and some have one without the stable ABI.
    """
    core, found = {CORE}, []
    tag = WITHOUT_GIL.search(path.name)
    if every and path.name.endswith(PURE):
        core = set()
    elif every and tag:
        its_own = f"lsmx/_native/core.cpython-{tag[1]}t-"
        core = {name for name in names if name.startswith(its_own)} or {f"{its_own}*"}
    elif "-cp311-abi3-" not in path.name:
        found.append("not for every Python from 3.11 on: the tag is not cp311-abi3")
    found += [f"the compiled core is missing: {name}" for name in sorted(core - names)]
    found += [f"another compiled file: {name}" for name in sorted(names - core) if name.endswith((".so", ".pyd", ".o", ".a"))]
    found += [f"a source of the core, which an sdist has: {name}" for name in sorted(names & COMPILED_FROM)]
    size = path.stat().st_size
    return found + ([f"{size} bytes, more than {LARGEST}"] if size > LARGEST else [])


def lacking(names: list[str]) -> list[str]:
    """Which files of a release are not there, by their names."""
    compiled = [rf"-{tag}-(\S*\.)?{platform}[.\w]*\.whl" for tag in ("cp311-abi3", r"cp3\d+-cp3\d+t") for platform in EACH]
    patterns = [r"\.tar\.gz$", PURE, *compiled]
    return [f"a release lacks {pattern}" for pattern in patterns if not any(re.search(pattern, name) for name in names)]


def faults(path: pathlib.Path, release: bool = False, every: bool = False) -> list[str]:
    """What is wrong with a distribution."""
    try:
        return wheel_faults(path, release, every) if path.suffix == ".whl" else sdist_faults(path, release)
    except (OSError, EOFError, UnicodeDecodeError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        return [f"cannot be read: {' '.join(str(error).split())}"]


def wheel_faults(path: pathlib.Path, release: bool, every: bool) -> list[str]:
    """Those of a wheel."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        info = next((name.partition("/")[0] for name in names if ".dist-info/" in name), "*.dist-info")
        needed = [f"{info}/{name}" for name in ("METADATA", "entry_points.txt")]
        if absent := [name for name in needed if name not in names]:
            return [f"missing: {name}" for name in absent]
        metadata, entries = (archive.read(name).decode() for name in needed)
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    stray = [f"unexpected at the top: {top}" for top in sorted(tops - PACKAGES)]
    stray += page_faults(metadata, release) + entry_faults(entries, names) + core_faults(path, names, every or release)
    return stray + [f"missing: {name}" for name in sorted(NEEDED - names)]


def sdist_faults(path: pathlib.Path, release: bool) -> list[str]:
    """Those of an sdist."""
    with tarfile.open(path) as archive:
        members = archive.getnames()
        names = {name.partition("/")[2] for name in members}
        top = members[0].partition("/")[0] if members else "*"
        page = archive.extractfile(f"{top}/PKG-INFO") if f"{top}/PKG-INFO" in members else None
        if page is None:
            return [f"missing: {top}/PKG-INFO"]
        metadata = page.read().decode()
    needed = SOURCE | COMPILED_FROM | {name if name.startswith("lsmx/") else f"backends/{name}" for name in NEEDED}
    stray = [f"unexpected: {name}" for name in sorted(names) if STRAY.search(name)]
    return stray + page_faults(metadata, release) + [f"missing: {name}" for name in sorted(needed - names)]


def main(arguments: list[str]) -> int:
    """Print what is wrong with each; 1 if anything is."""
    parser = argparse.ArgumentParser(prog="check_dist.py", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    text = "the files of a release: for every system, also without the compiled core or the GIL"
    parser.add_argument("--all", action="store_true", help=text)
    parser.add_argument("--release", action="store_true", help="these before an upload: the addresses have to be real ones")
    parser.add_argument("paths", metavar="FILE", nargs="+", type=pathlib.Path, help="an sdist and wheels")
    given = parser.parse_args(arguments)
    release, paths, every = given.release, given.paths, given.release or given.all
    kinds = {path.suffix for path in paths}
    found = [] if kinds == {".whl", ".gz"} else [f"a wheel and an sdist are expected, not {[str(path) for path in paths]}"]
    found += lacking([path.name for path in paths]) if every else []
    for path in paths:
        found += [f"{path.name}: {fault}" for fault in faults(path, release, every)]
    print("\n".join(found) or "sdist and wheel hold what they should")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
