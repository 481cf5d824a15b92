"""Where the package and its backends raise, and which of these places no case reaches."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NOT_PUBLIC = ("lsmx/testing/test_", "lsmx/_bench/", "lsmx/testing/matrix.py", "lsmx/testing/conftest.py")
"""Tests, what ``lsmx bench`` runs in processes of its own, and pytest's option ``--backends`` (tests/test_kit.py)."""

LEFT_OUT = {
    ("lsmx/_cli/arguments.py", "permission"): "of files that nobody but their owner may write; tests may run as root",
    ("lsmx/_cli/bench.py", "not installed"): "needs a library to be missing: tests/test_bench.py",
    ("lsmx/_cli/bench.py", "no CUDA device"): "needs a machine without a GPU: tests/test_bench_device.py",
    ("lsmx/_cli/bench.py", "--callgrind"): "needs valgrind to be missing: tests/test_bench.py",
    ("lsmx/_cli/compare.py", "fell[0]"): "needs a backend that fails: tests/test_cli.py",
    ("lsmx/_cli/differences.py", "raised"): "needs a backend that fails: tests/test_cli.py",
    ("lsmx/_cli/npy.py", "can no longer be read"): "needs a file that goes while it is read: tests/test_cli.py",
    ("lsmx/_cli/npy.py", "of the format"): "internal: what is said of it is a header that NumPy cannot read",
    ("lsmx/_cli/npy.py", "!r}: {error}"): "needs a zero byte in a name: tests/test_cli.py",
    ("lsmx/_cli/npy_output.py", "needs"): "needs a full disk: tests/test_cli_apply.py",
    ("lsmx/_cli/scheduler.py", "--scheduler"): "needs a cluster, or ten seconds to find none: tests/test_cli_apply.py",
    ("lsmx/_cli/scheduler.py", "several machines"): "needs several machines",
    ("lsmx/_cli/work.py", "a worker has"): "needs a worker with another version: tests/test_cli_apply.py",
    ("lsmx/_cli/zarr_store.py", "not installed"): "needs a library to be missing: tests/test_cli_digest.py",
    ("lsmx/_call/steps.py", "row_across"): "internal: behind weight, along which cross-entropy refuses itself",
    ("lsmx/_call/unknown.py", "AttributeError(name)"): "internal: what stands for numbers that are not known has no attributes",
    ("lsmx/_definition/of_scaled.py", "gives no"): "internal: for the losses, which give both",
    ("lsmx/testing/golden.py", "arithmetic version"): "internal: a file of the package",
    ("backends/lsmx_dask/parts.py", "please report this"): "internal: should never be said",
    ("backends/lsmx_torch/agreement.py", "differences"): "needs several processes: tests/test_torch_distributed.py",
    ("backends/lsmx_torch/autograd.py", "forward mode inside"): "needs PyTorch's compiler: tests/test_compiled.py",
    ("backends/lsmx_torch/cuda.py", "shared memory"): "needs a GPU",
}
"""Places that no case reaches, by file and a piece of what is raised, and why."""


class Place(NamedTuple):
    """A statement that raises."""

    path: str
    first: int
    last: int
    text: str


def places(path: str, source: str) -> Iterator[Place]:
    """The statements of a module that make an exception; those that raise one on that they have caught make none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None and not (isinstance(node.exc, ast.Name) and node.exc.id.islower()):
            yield Place(path, node.lineno, node.end_lineno or node.lineno, ast.unparse(node.exc))


def all_places(home: pathlib.Path) -> list[Place]:
    """Those of the public surface."""
    found = []
    for root in ("lsmx", *(f"backends/{folder.name}" for folder in sorted((home / "backends").glob("lsmx_*")))):
        for file in sorted((home / root).rglob("*.py")):
            path = file.relative_to(home).as_posix()
            if not path.startswith(NOT_PUBLIC):
                found += places(path, file.read_text(encoding="utf-8"))
    return found


def unreached(found: Iterable[Place], reached: set[tuple[str, int]]) -> list[Place]:
    """The places where no case has raised."""
    return [place for place in found if not any((place.path, line) in reached for line in range(place.first, place.last + 1))]


def not_accounted_for(found: Iterable[Place], reached: set[tuple[str, int]]) -> list[str]:
    """What is wrong: places that neither a case reaches nor the list names, and entries of the list that stand for none."""
    left, used, wrong = unreached(found, reached), set(), []
    for place in left:
        keys = [key for key in LEFT_OUT if key[0] == place.path and key[1] in place.text]
        used.update(keys)
        if not keys:
            wrong.append(f"{place.path}:{place.first}: no case reaches it: {place.text}")
    return wrong + [
        f"{path}: nothing is left out there that says {piece!r}" for path, piece in LEFT_OUT if (path, piece) not in used
    ]
