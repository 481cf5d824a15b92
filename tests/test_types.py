"""What type checkers are told of the public functions: the calls in ``typed/``, as checkers see them and as they run."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import pathlib
import re
import subprocess
import sys
import typing
from typing import Any, get_args, get_origin

import pytest

import lsmx
from lsmx import _api

HOME = pathlib.Path(lsmx.__file__).parents[1]
FILES = {"numpy": "numpy_arrays.py", "torch": "torch_tensors.py", "jax": "jax_arrays.py", "array_api_strict": "strict_arrays.py"}
CALLS = {library: pathlib.Path(__file__).with_name("typed") / name for library, name in FILES.items()}


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
    paths = [path for library, path in CALLS.items() if installed(library)]
    cache = pytestconfig.cache.mkdir(f"types-{checker}")  # mypy keeps what it has read of the libraries, which takes it longest
    assert reported_by(checker, paths, cache) == set().union(*(wrong_lines(checker, path) for path in paths))


@pytest.mark.parametrize("library", CALLS)
def test_types_are_what_comes_back(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``assert_type``, which checkers look at only, looks at the values."""
    pytest.importorskip(library)
    seen: list[Any] = []

    def looked_at(value: Any, kind: Any) -> Any:
        seen.append(value)
        assert is_of(value, kind), f"{type(value)} of {getattr(value, 'dtype', None)} for {kind}"
        return value

    monkeypatch.setattr(typing, "assert_type", looked_at)
    spec = importlib.util.spec_from_file_location("calls", CALLS[library])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.right(*module.EXAMPLES)
    assert len(seen) > 10


def is_of(value: Any, kind: Any) -> bool:
    """``isinstance`` that looks at the shape and dtype in the type of an ndarray."""
    if get_origin(kind) is None:
        return isinstance(value, kind or type(None))
    shape, dtype = get_args(kind)
    sizes, (element,) = get_args(shape), get_args(dtype)
    known = {"ndim": len(sizes) if sizes and Ellipsis not in sizes else None, "dtype": None if element is Any else element}
    return isinstance(value, get_origin(kind)) and all(getattr(value, name) == x for name, x in known.items() if x is not None)


def test_the_stub_says_what_the_functions_take() -> None:
    tree = ast.parse(pathlib.Path(_api.__file__).with_suffix(".pyi").read_text())
    overloads = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    functions = {name: f for name, f in vars(_api).items() if name in lsmx.__all__}
    assert {node.name for node in overloads} == set(functions)
    for node in overloads:
        parameters = inspect.signature(functions[node.name]).parameters.values()
        assert [a.arg for a in node.args.posonlyargs] == [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
        assert [a.arg for a in node.args.kwonlyargs] == [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        assert [node.args.args, node.args.vararg, node.args.kwarg] == [[], None, None]
        for name, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if default is not None:  # dtype= is required where it tells overloads apart
                assert ast.literal_eval(default) == inspect.signature(functions[node.name]).parameters[name.arg].default


def test_log_softmax_and_softmax_have_the_same_types() -> None:
    text = pathlib.Path(_api.__file__).with_suffix(".pyi").read_text()
    overloads = [ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    first = [overload for overload in overloads if "def log_softmax" in overload]
    assert [overload.replace("def log_softmax", "def softmax") for overload in first] == [
        o for o in overloads if "def softmax" in o
    ]
