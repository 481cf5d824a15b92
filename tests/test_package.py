"""What is public, what is documented, and what the README says."""

from __future__ import annotations

import inspect
import pathlib
import re
import tomllib

import pytest

import lsmx
from lsmx._registry import IN_TREE

HOME = pathlib.Path(lsmx.__file__).parents[1]
README = (HOME / "README.md").read_text()
PUBLIC = [name for name in lsmx.__all__ if inspect.isfunction(getattr(lsmx, name))]
DERIVED = [n for n in PUBLIC if n.startswith(("log_softmax", "softmax", "logsumexp"))]


def test_all_is_what_is_there() -> None:
    assert len(lsmx.__all__) == len(set(lsmx.__all__))
    modules = {n for n, v in vars(lsmx).items() if inspect.ismodule(v)}
    assert {n for n in vars(lsmx) if not n.startswith("_")} - modules == set(lsmx.__all__) - {"__version__"}


@pytest.mark.parametrize("name", lsmx.__all__)
def test_everything_public_is_documented(name: str) -> None:
    assert name.isupper() or name == "__version__" or inspect.getdoc(getattr(lsmx, name))


@pytest.mark.parametrize("name", DERIVED)
def test_functions_follow_the_conventions(name: str) -> None:
    """Arrays by position, options by keyword; numpydoc with an example; every parameter named."""
    function = getattr(lsmx, name)
    parameters = inspect.signature(function).parameters.values()
    assert {p.kind for p in parameters} == {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY}
    assert all((p.default is inspect.Parameter.empty) == (p.kind is inspect.Parameter.POSITIONAL_ONLY) for p in parameters)
    text = inspect.getdoc(function) or ""
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    assert ">>> lsmx." in text
    described = text.partition("Parameters\n")[2].partition("Returns\n")[0]
    for p in parameters:
        assert re.search(rf"^(.*, )?{p.name}(, .*)?$", described, re.MULTILINE), p.name


def test_the_table_of_functions_is_whole() -> None:
    assert set(DERIVED) == {
        "log_softmax", "log_softmax_backward", "log_softmax_jacobian", "log_softmax_jvp",
        "softmax", "softmax_backward", "softmax_jacobian", "softmax_jvp",
        "logsumexp", "logsumexp_backward", "logsumexp_jvp",
    }  # fmt: skip


def test_the_readme_shows_both_commands() -> None:
    for command in ("pip install -e . && lsmx verify", 'pip install -e ".[test]" && pytest'):
        assert f"```\n{command}\n```" in README
    assert 'pip install -e ".[test]" && pytest' in (HOME / ".ci" / "run").read_text()


def test_links_lead_somewhere() -> None:
    pages = [HOME / "README.md", HOME / "CONTRIBUTING.md", HOME / "backends" / "README.md", *(HOME / "docs").glob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_core_depends_on_two_libraries() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    assert [re.match(r"[\w-]+", d)[0] for d in project["dependencies"]] == ["numpy", "array-api-compat"]  # type: ignore[index]
    assert "torch==2.13.0" in project["optional-dependencies"]["test"]
    assert {*IN_TREE.values(), "lsmx_pytest"} == {p.name for p in (HOME / "backends").glob("lsmx_*")}


def test_errors_derive_from_the_standard_ones() -> None:
    standard = {
        "ArgumentError": (TypeError,),
        "ArrayTypeError": (TypeError,), "DTypeError": (TypeError,), "ShapeError": (ValueError,), "OutputError": (ValueError,),
        "DeviceError": (ValueError,),
        "AxisError": (ValueError, IndexError), "BackendError": (ValueError,),
    }  # fmt: skip
    for name, bases in standard.items():
        assert issubclass(getattr(lsmx, name), (lsmx.LsmxError,))
        assert all(issubclass(getattr(lsmx, name), base) for base in bases)
