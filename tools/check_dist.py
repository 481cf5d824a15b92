"""Check what an sdist and a wheel contain.

python tools/check_dist.py dist/*
"""

from __future__ import annotations

import pathlib
import re
import sys
import tarfile
import zipfile

PACKAGES = {"lsmx", "lsmx_autograd", "lsmx_cupy", "lsmx_jax", "lsmx_numpy", "lsmx_pytest", "lsmx_torch"}
KIT = {f"lsmx/testing/{name}" for name in ("golden.json", "conftest.py", "test_bits.py", "test_layouts.py")}
KERNELS = {f"lsmx/_cuda/{name}.cuh" for name in ("device", "numbers", "law", "team", "rows", "passes", "kernels")}
NEEDED = {*KIT, *KERNELS, "lsmx/_api.pyi", *(f"{name}/py.typed" for name in PACKAGES)}
SOURCE = {
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "conftest.py",
    "tests/test_contract.py",
    "tests/cuda_emulator.h",
    "docs/design.md",
}


def faults(path: pathlib.Path) -> list[str]:
    """What is wrong with a distribution."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
        stray = [f"unexpected at the top: {top}" for top in sorted(tops - PACKAGES)]
        return stray + [f"missing: {name}" for name in sorted(NEEDED - names)]
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = SOURCE | {name if name.startswith("lsmx/") else f"backends/{name}" for name in NEEDED}
    stray = [f"unexpected: {name}" for name in sorted(names) if re.search(r"(^|/)(\.git|\.venv|__pycache__|dist|build)(/|$)", name)]
    return stray + [f"missing: {name}" for name in sorted(needed - names)]


def main(paths: list[str]) -> int:
    """Print what is wrong with each; 1 if anything is."""
    kinds = {pathlib.Path(p).suffix for p in paths}
    found = [] if kinds == {".whl", ".gz"} else [f"a wheel and an sdist are expected, not {paths}"]
    for name in paths:
        found += [f"{pathlib.Path(name).name}: {fault}" for fault in faults(pathlib.Path(name))]
    print("\n".join(found) or "sdist and wheel hold what they should")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
