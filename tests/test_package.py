"""What is public, what is documented, and what the README says."""

from __future__ import annotations

import inspect
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import lsmx
from lsmx._call.registry import EXTRAS, IN_TREE, backend_of

HOME = pathlib.Path(lsmx.__file__).parents[1]
README = (HOME / "README.md").read_text()
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
PUBLIC = [name for name in lsmx.__all__ if inspect.isfunction(getattr(lsmx, name))]
DERIVED = [n for n in PUBLIC if n.startswith(("log_softmax", "softmax", "logsumexp"))]


def test_all_is_what_is_there() -> None:
    assert len(lsmx.__all__) == len(set(lsmx.__all__))
    modules = {n for n, v in vars(lsmx).items() if inspect.ismodule(v) and v.__name__ == f"lsmx.{n}"}
    assert {n for n in dir(lsmx) if not n.startswith("_")} - modules == set(lsmx.__all__) - {"__version__"}


@pytest.mark.parametrize("name", lsmx.__all__)
def test_everything_public_is_documented(name: str) -> None:
    assert name.isupper() or name == "__version__" or inspect.getdoc(getattr(lsmx, name))


@pytest.mark.parametrize("name", DERIVED)
def test_functions_follow_the_conventions(name: str) -> None:
    """Arrays by position, options by keyword; numpydoc with an example."""
    function = getattr(lsmx, name)
    parameters = inspect.signature(function).parameters.values()
    assert {p.kind for p in parameters} == {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY}
    assert all((p.default is inspect.Parameter.empty) == (p.kind is inspect.Parameter.POSITIONAL_ONLY) for p in parameters)
    text = inspect.getdoc(function) or ""
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    assert ">>> lsmx." in text


def test_the_table_of_functions_is_whole() -> None:
    assert set(DERIVED) == {
        "log_softmax", "log_softmax_backward", "log_softmax_jacobian", "log_softmax_jvp",
        "softmax", "softmax_backward", "softmax_jacobian", "softmax_jvp",
        "logsumexp", "logsumexp_backward", "logsumexp_jvp",
    }  # fmt: skip


def test_the_readme_shows_both_commands() -> None:
    for command in ("pip install -e . && lsmx verify", 'pip install -e ".[test]" && pytest'):
        assert f"```\n{command}\n```" in README
        assert f"\n{command}\n" in (HOME / ".ci" / "run").read_text()


def test_the_readme_fits_two_screens_and_each_promise_names_what_holds_it() -> None:
    assert len(README.splitlines()) <= 100
    promises = README.partition("## What is promised")[2].partition("\n\n")[2].partition("\n\n")[0]
    sentences = re.findall(r"^- .*(?:\n  .*)*", promises, re.MULTILINE)
    assert [s for s in sentences if not re.search(r"\]\((tests|lsmx/testing|docs)/", s)] == []
    assert len(sentences) >= 5


def test_links_lead_somewhere() -> None:
    pages = [HOME / "README.md", HOME / "CONTRIBUTING.md", HOME / "backends" / "README.md", *(HOME / "docs").glob("*.md")]
    for page in pages:
        text = re.sub(r"`[^`\n]*`", "", page.read_text())  # code is no link: names["f"](z)
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_core_depends_on_two_libraries() -> None:
    assert [re.match(r"[\w-]+", d)[0] for d in PROJECT["dependencies"]] == ["numpy", "array-api-compat"]  # type: ignore[index]
    assert {*IN_TREE.values(), "lsmx_pytest"} == {p.stem for p in (HOME / "backends").glob("lsmx_*")}


def test_extras_leave_versions_open() -> None:
    """What is pinned here stops going with the newest of something else one day."""
    extras = PROJECT["optional-dependencies"]
    assert [d for wanted in extras.values() for d in wanted if re.search(r"==|~=|<|\[cu1", d.partition(";")[0])] == []
    page = (HOME / "docs" / "libraries.md").read_text()
    rows = re.findall(r"^\| (`.*`) \|", page.partition("| extra |")[2].partition("\n\n")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(extras)


HINT = re.compile(r"(?:lsmx|\.)\[([a-z][\w, -]*)\](?=['\"`)])")


def test_hints_name_extras_that_there_are() -> None:
    folders = ("lsmx", "backends", "docs", "benchmarks", "tests")
    pages = [page for folder in folders for kind in ("*.py", "*.md") for page in (HOME / folder).rglob(kind)]
    hints = {
        (page.name, name)
        for page in [*pages, *HOME.glob("*.md"), HOME / "pyproject.toml", HOME / ".ci" / "run"]
        for names in HINT.findall(page.read_text(encoding="utf-8"))
        for name in re.split(r",\s*", names)
    }
    assert {("cuda.py", "cuda"), ("bench.py", "bench"), ("libraries.md", "cupy-cuda12")} <= hints
    assert {(page, name) for page, name in hints if name not in PROJECT["optional-dependencies"]} == set()


WITHOUT_LIBRARIES = """
import sys

class Absent:
    def find_spec(name, *rest):
        if name in {libraries}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent)
from {module} import backend_of
for name in {libraries}:
    print(backend_of(name))
"""


def test_of_libraries_that_are_not_installed_the_extra_is_named() -> None:
    libraries = sorted(EXTRAS)
    assert {*EXTRAS, "numpy", "jaxlib"} == set(IN_TREE)  # NumPy is always there, and jaxlib comes with JAX
    code = WITHOUT_LIBRARIES.format(libraries=libraries, module=backend_of.__module__)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == [f'not installed: pip install "lsmx[{name}]"' for name in libraries]
    assert set(libraries) <= set(PROJECT["optional-dependencies"])


def test_a_library_without_an_extra_is_told_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IN_TREE, "a_library_that_is_not_there", "a_library_that_is_not_there")
    assert backend_of("a_library_that_is_not_there") == "not installed"


def test_errors_derive_from_the_standard_ones() -> None:
    standard = {
        "ArgumentError": (TypeError,), "ArgumentValueError": (TypeError, ValueError),
        "ArrayTypeError": (TypeError,), "DTypeError": (TypeError,), "ShapeError": (ValueError,), "OutputError": (ValueError,),
        "DeviceError": (ValueError,), "TargetError": (ValueError,), "ThreadsError": (ValueError,),
        "AxisError": (ValueError, IndexError), "BackendError": (ValueError,),
    }  # fmt: skip
    for name, bases in standard.items():
        assert issubclass(getattr(lsmx, name), (lsmx.LsmxError,))
        assert all(issubclass(getattr(lsmx, name), base) for base in bases)
