"""``lsmx.adapters`` as a package: what it imports, what it says of what is missing, and how it is documented."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

import lsmx
from lsmx.adapters._library import library

HOME = pathlib.Path(lsmx.__file__).parents[1]
NAMES = sorted(path.stem for path in (HOME / "lsmx" / "adapters").glob("[a-z]*.py"))
MODULES = {name: importlib.import_module(f"lsmx.adapters.{name}") for name in NAMES}
PAGE = (HOME / "docs" / "adapters.md").read_text(encoding="utf-8")
PUBLIC = [(name, f) for name, module in MODULES.items() for f in map(vars(module).get, module.__all__) if inspect.isfunction(f)]
LOOK = """
import sys
sys.path[:0] = {paths!r}
import lsmx
{line}
print(sorted(n for n in sys.modules if n.partition(".")[0] in {libraries!r} or n.startswith("lsmx.adapters")))
"""


def after(line: str) -> list[str]:
    """What of the libraries, and of the adapters, a new interpreter has imported after a line."""
    libraries = {*NAMES, "torch", "jax", "jaxlib"}
    code = LOOK.format(paths=[str(HOME), str(HOME / "backends")], line=line, libraries=libraries)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return list(ast_list(done.stdout))


def ast_list(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)


def test_lsmx_imports_no_adapter_and_no_adapter_a_library() -> None:
    assert after("") == []
    every = "\n".join(f"from lsmx.adapters import {name}" for name in NAMES)
    assert after(every) == sorted(["lsmx.adapters", *(f"lsmx.adapters.{name}" for name in ("_arrays", "_library", *NAMES))])
    assert "sklearn" in after("import sklearn")  # and the look can fail


@pytest.mark.parametrize(
    ("call", "root", "extra"),
    [
        ("transformers.register()", "transformers", "adapters"),
        ("trl.patched().__enter__()", "trl", "adapters"),
        ("torchtitan.CrossEntropyLoss", "torchtitan", "adapters"),
        ("optax.softmax_cross_entropy(1.0, 1.0)", "jax", "jax"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(call: str, root: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        @staticmethod
        def find_spec(name: str, *rest: Any) -> None:
            if name.partition(".")[0] == root:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == root]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent, *sys.meta_path])
    monkeypatch.delitem(vars(MODULES["torchtitan"]), "CrossEntropyLoss", raising=False)
    with pytest.raises(ImportError, match=rf'^{root} is not installed: pip install "lsmx\[{extra}\]"$'):
        eval(call, {**MODULES})


def test_a_library_that_lacks_something_itself_says_so(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_broken_library.py").write_text("import what_it_needs_and_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs_and_is_not_there"):
        library("a_broken_library")


def test_none_is_left_out() -> None:
    assert len(PUBLIC) == sum(len(module.__all__) for module in MODULES.values()) - 1 == 17  # and one class, of torchtitan's
    assert {name for name, _ in PUBLIC} == set(NAMES)


@pytest.mark.parametrize(("name", "function"), PUBLIC, ids=lambda x: getattr(x, "__name__", x))
def test_documentation_has_errors_an_example_and_a_place_on_the_page(name: str, function: Any) -> None:
    """Parameters and results are looked at in tests/test_docstrings.py."""
    text = inspect.getdoc(function) or ""
    for section in ("Raises", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    assert re.search(rf"\b{function.__name__}\b", PAGE), function.__name__
    assert f"lsmx.adapters.{name}" in PAGE or f"import {name}" in PAGE


def test_adapters_are_few_lines() -> None:
    """Each is for reading: without docstrings, no module has more than 60 lines."""
    import ast

    for name, module in MODULES.items():
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                body[0].value.value = ""
        assert len(ast.unparse(tree).splitlines()) <= 60, name


BLOCKS = re.findall(r"^```python\n(?!>>>)(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore")  # the libraries warn about themselves and about what they import
@pytest.mark.parametrize("library", ["transformers", "trl", "torchtitan"])
def test_what_the_page_shows_of_large_libraries_runs(library: str) -> None:
    """Blocks without prompts, which assert what they show; the others are doctested."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f'{library} is not installed: pip install -e ".[adapters]"')
    (block,) = (block for block in BLOCKS if f"import {library}\n" in block or f"lsmx.adapters.{library}" in block)
    assert "assert " in block
    exec(compile(block, f"docs/adapters.md: {library}", "exec"), {})


def test_the_page_says_what_it_was_tested_with() -> None:
    """Versions of what is installed here, where they are newer than the page's, are no fault; those it names are complete."""
    assert len(BLOCKS) == 3
    for name in ("torch", "transformers", "TRL", "torchtitan", "JAX", "optax", "array-api-extra", "SciPy", "scikit-learn"):
        assert re.search(rf"\b{name} \d+\.\d+(\.\d+)?", PAGE), name
