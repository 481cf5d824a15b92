"""What type checkers are told of the public functions: the calls in ``typed/``, as checkers see them and as they run."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing
from typing import Any, get_args, get_origin

import numpy as np
import pytest

import lsmx

HOME = pathlib.Path(lsmx.__file__).parents[1]
FILES = {
    "numpy": ("numpy_arrays.py", "numpy_losses.py"),
    "torch": ("torch_tensors.py", "torch_losses.py"),
    "jax": ("jax_arrays.py", "jax_losses.py"),
    "array_api_strict": ("strict_arrays.py",),
}
CALLS = [(library, pathlib.Path(__file__).with_name("typed") / name) for library, names in FILES.items() for name in names]


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def reported_by(checker: str, paths: list[pathlib.Path], cache: pathlib.Path) -> set[tuple[str, int]]:
    """The file and line of every error. The core is found as an installed package is: errors inside of it are not the user's."""
    command = {
        "mypy": ["-m", "mypy", "--config-file=", "--strict", "--output=json", f"--cache-dir={cache}"],
        "pyright": ["-m", "pyright", "--outputjson", f"--pythonpath={sys.executable}"],
    }[checker]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HOME), *sys.path])}
    run = subprocess.run([sys.executable, *command, *map(str, paths)], capture_output=True, text=True, env=env, cwd=cache)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    if checker == "mypy":
        found = [(e["file"], e["line"]) for e in map(json.loads, run.stdout.splitlines()) if e["severity"] == "error"]
    else:
        errors = [e for e in json.loads(run.stdout)["generalDiagnostics"] if e["severity"] == "error"]
        found = [(e["file"], e["range"]["start"]["line"] + 1) for e in errors]
    return {(pathlib.Path(file).name, line) for file, line in found}


def wrong_lines(checker: str, path: pathlib.Path) -> set[tuple[str, int]]:
    """The lines of the function ``wrong`` after its docstring; a comment names the checker, where it is the only one to see it."""
    text = path.read_text()
    (function,) = (f for f in ast.parse(text).body if isinstance(f, ast.FunctionDef) and f.name == "wrong")
    lines = [(n.lineno, text.splitlines()[n.lineno - 1]) for n in function.body[1:]]
    return {(path.name, n) for n, line in lines if re.search(r"  # (\w+)$|$", line)[1] in (None, checker)}  # type: ignore[index]


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_report_the_wrong_calls_and_no_others(checker: str, pytestconfig: pytest.Config) -> None:
    if not installed(checker):
        pytest.skip(f'{checker} is not installed: pip install -e ".[test]"')
    if np.lib.NumpyVersion(np.__version__) < "2.4.0":
        pytest.skip(f"the stubs of NumPy {np.__version__} let more pass than those of 2.4")
    paths = [path for library, path in CALLS if installed(library)]
    cache = pytestconfig.cache.mkdir(f"types-{checker}")  # mypy keeps what it has read of the libraries, which takes it longest
    assert reported_by(checker, paths, cache) == set().union(*(wrong_lines(checker, path) for path in paths))


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("library", "path"), CALLS, ids=lambda x: getattr(x, "stem", ""))
def test_types_are_what_comes_back(library: str, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``assert_type``, which checkers look at only, looks at the values."""
    pytest.importorskip(library)
    seen: list[Any] = []

    def looked_at(value: Any, kind: Any) -> Any:
        seen.append(value)
        assert is_of(value, kind), f"{type(value)} of {getattr(value, 'dtype', None)} for {kind}"
        return value

    monkeypatch.setattr(typing, "assert_type", looked_at)
    spec = importlib.util.spec_from_file_location("calls", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.right(*module.EXAMPLES)
    assert len(seen) > 10


def is_of(value: Any, kind: Any) -> bool:
    """``isinstance`` that looks at the shape and dtype in the type of an ndarray, and into tuples."""
    if get_origin(kind) is None:
        return isinstance(value, kind or type(None))
    if issubclass(get_origin(kind), tuple):
        kinds = get_args(kind)
        kinds = (
            *kinds[:1] * (len(value) - len(kinds)),
            *kinds,
        )  # a named tuple's first argument is of all fields but the last ones
        return isinstance(value, get_origin(kind)) and all(map(is_of, value, kinds))
    shape, dtype = get_args(kind)
    sizes, (element,) = get_args(shape), get_args(dtype)
    known = {"ndim": len(sizes) if sizes and Ellipsis not in sizes else None, "dtype": None if element is Any else element}
    return isinstance(value, get_origin(kind)) and all(getattr(value, name) == x for name, x in known.items() if x is not None)


STUBBED = ("_api", "_losses", "_loss_gradients", "_linear")
TOLD_APART = {"dtype", "bias", "return_z_loss"}  # required in the overloads that they tell apart


def overloads_of(stub: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef)]


def stub_of(module: str) -> str:
    return (HOME / "lsmx" / f"{module}.pyi").read_text()


def disagreements(stub: str) -> list[str]:
    """Where overloads and the functions as they run differ: in the names, order and defaults of what they take."""
    found = []
    for node in overloads_of(stub):
        parameters = inspect.signature(getattr(lsmx, node.name)).parameters.values()
        arrays = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
        options = {p.name: repr(p.default) for p in parameters if p.kind is p.KEYWORD_ONLY}
        defaults = [default and repr(ast.literal_eval(default)) for default in node.args.kw_defaults]
        told = {a.arg: default for a, default in zip(node.args.kwonlyargs, defaults, strict=True)}
        told |= {name: options.get(name) for name, default in told.items() if default is None and name in TOLD_APART}
        same = [a.arg for a in node.args.posonlyargs] == arrays and list(told.items()) == list(options.items())
        if not same or [node.args.args, node.args.vararg, node.args.kwarg] != [[], None, None]:
            found.append(f"{node.name} at line {node.lineno}")
    return found


@pytest.mark.parametrize("module", STUBBED)
def test_the_stub_says_what_the_functions_take(module: str) -> None:
    stub, tree = stub_of(module), ast.parse((HOME / "lsmx" / f"{module}.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in lsmx.__all__}
    assert {node.name for node in overloads_of(stub)} == defined
    assert disagreements(stub) == []


def test_the_code_beside_the_stubs_is_checked_too(tmp_path: pathlib.Path, pytestconfig: pytest.Config) -> None:
    """Checkers read a stub in place of the code: without the stubs they read the code."""
    pytest.importorskip("mypy")
    shutil.copytree(HOME / "lsmx", tmp_path / "lsmx", ignore=shutil.ignore_patterns(*(f"{module}.pyi" for module in STUBBED)))
    shutil.copy(HOME / "pyproject.toml", tmp_path)
    cache = pytestconfig.cache.mkdir("types-code")
    command = [sys.executable, "-m", "mypy", f"--cache-dir={cache}", *(f"lsmx/{module}.py" for module in STUBBED)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("softcap:", "soft_cap:"),
        ("index: _Classes,", "target: _Classes,"),
        ("axis: Axis = -1,", "axis: Axis = 0,"),
        ("    softcap: float | None = None,\n", ""),
        ("    z: Never,\n    index: object,\n    /,\n", "    z: Never,\n    /,\n    index: object,\n"),
        ("softcap: float | None = None,\n    where: object = None,", "where: object = None,\n    softcap: float | None = None,"),
        ('reduction: Reduction = "mean"', 'reduction: Reduction = "sum"'),
        ("return_z_loss: Literal[False] = False", "return_z_loss: Literal[False] = True"),
        ("ignore_index: int | None = -100,", "ignore_index: int | None,"),
    ],
)
def test_a_stub_that_says_something_else_is_seen(right: str, wrong: str) -> None:
    stub = stub_of("_losses")
    assert right in stub
    assert disagreements(stub.replace(right, wrong)) != []


@pytest.mark.parametrize("module", ["_losses", "_loss_gradients", "_linear"])
def test_every_function_can_be_called_with_its_defaults_in_every_library(module: str) -> None:
    """Of what is unknown, of NumPy's arrays and of others: an overload of each kind with a default for every option."""
    stub = stub_of(module)
    for name in {node.name for node in overloads_of(stub)}:
        free = [node for node in overloads_of(stub) if node.name == name and None not in node.args.kw_defaults]
        text = [", ".join(ast.unparse(a.annotation) for a in node.args.posonlyargs if a.annotation) for node in free]
        assert any("Never" in types for types in text), name
        assert any("_Numpy" in types for types in text), name
        assert any("Of[A]" in types for types in text), name


def test_log_softmax_and_softmax_have_the_same_types() -> None:
    overloads = [ast.unparse(node) for node in overloads_of(stub_of("_api"))]
    first = [overload for overload in overloads if "def log_softmax" in overload]
    assert [overload.replace("def log_softmax", "def softmax") for overload in first] == [
        o for o in overloads if "def softmax" in o
    ]
