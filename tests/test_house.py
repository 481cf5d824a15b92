"""The house as docs/design.md has it: imports point one way and in no circle, and a call passes few rooms."""

from __future__ import annotations

import ast
import graphlib
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend

HOME = pathlib.Path(lsmx.__file__).parents[1]
FLOORS = ["lsmx._definition", "lsmx._native", "lsmx._call", "public", "outside"]
PUBLIC = {"lsmx", "lsmx.extend", "lsmx._api", "lsmx._losses", "lsmx._loss_gradients", "lsmx._linear", "lsmx._parts"}
LEAVES = ("lsmx._errors", "lsmx._typing")  # exceptions and types, which every floor names
OUTSIDE = ("lsmx.adapters", "lsmx.testing", "lsmx._cli", "lsmx._bench", "lsmx.__main__", "lsmx_")


def modules() -> dict[str, pathlib.Path]:
    """Every module of the package and of the backends by its name."""
    found = {}
    for root in (HOME, HOME / "backends"):
        for path in sorted(root.glob("lsmx*/**/*.py")) + sorted(root.glob("lsmx*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name: str, tree: ast.AST) -> Iterator[str]:
    """The modules of ours that a module imports anywhere, other than for a type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES:
                    yield inner
                elif node.module in MODULES:
                    yield node.module
        else:
            yield from imported(name, node)


def graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Who imports whom."""
    return {name: {other for other in imported(name, ast.parse(text)) if other != name} for name, text in sources.items()}


SOURCES = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}


def floor(name: str) -> int:
    """The floor that a module is on, counted from below."""
    if name in PUBLIC:
        return FLOORS.index("public")
    if name.startswith(OUTSIDE):
        return FLOORS.index("outside")
    return next(i for i, prefix in enumerate(FLOORS) if name == prefix or name.startswith(f"{prefix}."))


def upward(arrows: dict[str, set[str]]) -> list[str]:
    """The imports that point to a floor above."""
    return [
        f"{a} -> {b}" for a, others in arrows.items() for b in others if a not in LEAVES and b not in LEAVES and floor(a) < floor(b)
    ]


def private(arrows: dict[str, set[str]]) -> list[str]:
    """What backends and the testing kit import that is not public."""
    outside = FLOORS.index("outside")
    return [
        f"{a} -> {b}"
        for a, others in arrows.items()
        if a not in LEAVES and floor(a) == outside
        for b in others
        if b in LEAVES or (floor(b) != outside and b not in ("lsmx", "lsmx.extend"))
    ]


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, if there are any."""
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_imports_point_one_way() -> None:
    arrows = graph(SOURCES)
    assert {name.split(".")[1] for name in arrows if name.count(".")} >= {"_definition", "_native", "_call", "testing"}
    assert upward(arrows) == []
    assert private(arrows) == []
    assert circle(arrows) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("lsmx._definition.rows", "from lsmx._call.registry import find", upward),
        ("lsmx._native.memory", "def f():\n    from lsmx._call import plan", upward),
        ("lsmx._call.plan", "import lsmx.extend", upward),
        ("lsmx_torch.cuda", "from lsmx._native import memory", private),
        ("lsmx.testing.tasks", "from lsmx._errors import LsmxError", private),
        ("lsmx._call.operation", "from lsmx._call.calculus import Calculus", circle),
    ],
)
def test_a_wrong_import_is_seen(module: str, line: str, fault: Callable[..., list[str]]) -> None:
    arrows = graph({**SOURCES, module: f"{SOURCES[module]}\n{line}\n"})
    assert fault(arrows)


ROOMS = ("lsmx", "lsmx._definition", "lsmx._native", "lsmx._call")  # those that docs/design.md lists module by module


def listed(page: str) -> dict[str, set[str]]:
    """The modules of each room that the tree of docs/design.md has."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    room = ""
    for line in page.partition("## The house")[2].partition("```\n")[2].partition("```")[0].splitlines():
        if entered := re.match(r"(?:  )?(\w+)/", line):
            room = "lsmx" if line.startswith("lsmx/") else f"lsmx.{entered[1]}" if line.startswith("  ") else ""
        elif names := re.match(r" {2}((?:\w+\.py *)+)", line):
            found["lsmx"] |= {name.removesuffix(".py") for name in names[1].split()}
        elif room in found and (names := re.match(r" {4}(\w+(?:  \w+)*)(?:$|  )", line)):
            found[room] |= set(names[1].split())
    return found


def unlisted(page: str) -> set[str]:
    """Modules that are not in it, and names in it of no module."""
    here = {room: set[str]() for room in ROOMS}
    for name, path in MODULES.items():
        inside = "lsmx" if name == "lsmx" else name.rpartition(".")[0]
        if inside in here and (name == "lsmx" or path.stem != "__init__"):
            here[inside].add(path.stem)
    there = listed(page)
    return {f"{room}.{name}" for room in ROOMS for name in here[room] ^ there[room]}


def test_the_list_of_the_house_has_every_module() -> None:
    page = (HOME / "docs" / "design.md").read_text(encoding="utf-8")
    assert unlisted(page) == set()
    for change, fault in (
        (("  targets  ", "  "), {"lsmx._definition.targets"}),
        (("  part_sums  ", "  "), {"lsmx._call.part_sums"}),
        (("    threads ", "    fibres "), {"lsmx._native.threads", "lsmx._native.fibres"}),
        (("  _parts.py ", "  "), {"lsmx._parts"}),
    ):
        assert unlisted(page.replace(*change, 1)) == fault


def test_the_facade_shows_what_users_call() -> None:
    assert len([name for name in lsmx.__all__ if not name.endswith(("Error", "Warning"))]) <= 45
    assert [name for name in lsmx.__all__ if not hasattr(lsmx, name)] == []
    assert not {"Backend", "Kernel", "Function", "register", "Ops"} & set(dir(lsmx))


# --- the rooms that a call passes ------------------------------------------------------------------------------------------------


def called(run: Callable[[], object]) -> list[str]:
    """The file of every Python function that is called."""
    files: list[str] = []

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            files.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(before)
    return files[1:]


def rooms(files: list[str]) -> set[str]:
    """Those that are modules of ours."""
    ours = [str(path) for path in MODULES.values()]
    return {file for file in files if file in ours}


@pytest.mark.parametrize("shape", [(8, 10), (3, 400)])
def test_a_call_that_goes_the_short_way_passes_two_rooms(shape: tuple[int, ...]) -> None:
    z = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    numpy = lsmx.backend_for(z)
    fields = {f: getattr(numpy, f) for f in numpy.__dataclass_fields__ if f not in ("by_task", "kernels")}
    short = extend.Kernel(
        "short", "log_softmax", "forward", lambda *given, **options: "the long way", direct=lambda: lambda z, *options: 2 * z
    )
    record = extend.register_backend(extend.Backend(**fields, kernels=(short,)))
    try:
        lsmx.log_softmax(z)
        found: list[np.ndarray] = []
        passed = rooms(called(lambda: found.append(lsmx.log_softmax(z))))
    finally:
        extend.unregister_backend(record)
    assert (found[0] == 2 * z).all()
    assert passed == {str(MODULES[name]) for name in ("lsmx._api", "lsmx._call.operator")}


def beside_the_definition(files: list[str]) -> list[str]:
    """Calls of what brings an operation to the definition and back: not those that compute it."""
    computing = [str(path) for name, path in MODULES.items() if name.startswith("lsmx._definition.")]
    return [file for file in files if file not in computing and "array_api_compat" not in file and "torch/_tensor" not in file]


def test_a_double_backward_makes_few_calls() -> None:
    """The second derivative of log-softmax in PyTorch; it was 853, of which 544 were ours."""
    z, g, w = (torch.randn(8, 10, requires_grad=i < 1) for i in range(3))

    def double() -> None:
        (dz,) = torch.autograd.grad(lsmx.log_softmax(z), z, g, create_graph=True)
        torch.autograd.grad(dz, z, w)

    double()
    assert len(beside_the_definition(called(double))) <= 325
