"""What the docstrings of public functions say of parameters, results and exceptions, section by section."""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import inspect
import re
from types import FunctionType
from typing import Any

import pytest

import lsmx
import lsmx.extend
import lsmx.testing

ADAPTERS = ("array_api_extra", "optax", "scipy", "sklearn", "torchtitan", "transformers", "trl")
MODULES = ("lsmx", "lsmx.extend", "lsmx.testing", *(f"lsmx.adapters.{name}" for name in ADAPTERS))
FOUND: dict[str, Any] = {
    f"{module}.{name}": getattr(importlib.import_module(module), name)
    for module in MODULES
    for name in importlib.import_module(module).__all__
    if name != "CrossEntropyLoss"  # which torchtitan has to be installed for
}
CLASSES: tuple[type, ...] = (
    lsmx.extend.Calculus, lsmx.extend.Context, lsmx.extend.Division, lsmx.extend.Function, lsmx.extend.Kind, lsmx.extend.Operation,
    lsmx.extend.Operator, lsmx.extend.Ops, lsmx.extend.Round, lsmx.extend.Rows, lsmx.testing.Case,
)  # fmt: skip
FUNCTIONS = {name: x for name, x in FOUND.items() if inspect.isfunction(x)} | {
    f"{x.__name__}.{name}": method
    for x in CLASSES
    for name, method in list(vars(x).items())
    if isinstance(method, FunctionType | classmethod | staticmethod) and not name.startswith("_") and name not in x.__annotations__
}
RECORDS = {name: x for name, x in FOUND.items() if inspect.isclass(x) and (dataclasses.is_dataclass(x) or hasattr(x, "_fields"))}
PARALLEL = ("data_parallel", "vocabulary_parallel")
UNEXPLAINED = re.compile(r"As in `\w+`\.")
WIDTH = 80
"""Columns of the site's blocks of code."""


def of(name: str) -> Any:
    """A public function by its full name."""
    if name in PARALLEL:
        pytest.importorskip("torch", reason="torch is not installed")
        return getattr(importlib.import_module("lsmx_torch.parallel"), name)
    function = FUNCTIONS[name]
    return function.__func__ if isinstance(function, classmethod | staticmethod) else function


def sections(x: object) -> dict[str, list[tuple[str, str, str]]]:
    """The entries of the sections of a docstring: name, type, and what is said of it."""
    parts = re.split(r"(?m)^([A-Z][A-Za-z ]+)\n-+$", inspect.getdoc(x) or "")
    found = {}
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        entries = re.split(r"(?m)^(?=\S)", text.strip("\n"))[1:]
        heads = [(entry.partition("\n")[0].partition(" : "), entry.partition("\n")[2]) for entry in entries]
        found[title] = [(name, kind, " ".join(said.split())) for (name, _, kind), said in heads]
    return found


def in_words(default: object) -> str:
    """A default as docstrings have it."""
    return f'"{default}"' if isinstance(default, str) else repr(default)


@pytest.mark.parametrize("name", [*FUNCTIONS, *PARALLEL])
def test_every_parameter_has_an_entry_with_its_type_and_default(name: str) -> None:
    signs = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = [p for p in inspect.signature(of(name)).parameters.values() if p.name not in ("self", "cls")]
    entries = sections(of(name)).get("Parameters", [])
    assert [entry[0] for entry in entries] == [signs.get(p.kind, "") + p.name for p in parameters]
    for p, (_, kind, said) in zip(parameters, entries, strict=True):
        assert kind, p.name
        assert said.endswith((".", ":")), p.name
        if p.default is p.empty:
            assert not kind.endswith("optional"), p.name
            assert ", default " not in kind, p.name
        elif isinstance(p.default, bool | int | float | str):
            assert kind.endswith(f", default {in_words(p.default)}"), p.name
        else:
            assert kind.endswith(("optional", "default None", "default ()", "default ROWS")) or kind == "None", p.name


@pytest.mark.parametrize("name", [*FUNCTIONS, *PARALLEL])
def test_what_is_returned_and_raised_has_entries(name: str) -> None:
    found, gives = sections(of(name)), str(inspect.signature(of(name)).return_annotation)
    if gives not in ("None", "Iterator[None]"):
        ((kind, _, said), *_) = found.get("Returns") or found["Yields"]
        assert kind
        assert said
    public = name.startswith("lsmx.") and name.count(".") == 1
    for names, _, said in found.get("Raises", []):
        assert said, names
        for error in names.split(", "):
            assert issubclass(getattr(lsmx, error, None) or getattr(builtins, error), Exception)
            assert not public or error not in ("TypeError", "ValueError", "IndexError"), "lsmx has classes of its own"


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n.startswith("lsmx.") and n.count(".") == 1])
def test_options_are_explained_where_they_are_used(name: str) -> None:
    """Only derivatives refer to the function that they are of, and say in a line what the option is."""
    for parameter, _, said in sections(of(name)).get("Parameters", []):
        assert not UNEXPLAINED.fullmatch(said), parameter
        assert name.endswith(("_backward", "_jvp", "_jacobian", "finish", "explain", "partial")) or "As given" not in said


@pytest.mark.parametrize("name", RECORDS)
def test_fields_of_records_have_entries_with_their_types(name: str) -> None:
    record = RECORDS[name]
    fields = [f.name for f in dataclasses.fields(record) if f.init] if dataclasses.is_dataclass(record) else record._fields
    entries = [(x, kind) for names, kind, _ in sections(record)["Attributes"] for x in names.split(", ")]
    assert set(fields) <= {x for x, _ in entries}
    assert [x for x, kind in entries if not kind] == []


@pytest.mark.parametrize("name", [*FOUND, *PARALLEL])
def test_examples_fit_into_the_columns_of_the_site(name: str) -> None:
    text = inspect.getdoc(FOUND[name] if name in FOUND else of(name)) or ""
    assert [line for line in text.splitlines() if line.lstrip().startswith((">>> ", "... ")) and len(line) > WIDTH] == []
