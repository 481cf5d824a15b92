"""docs/install.md: its tables say what pyproject.toml and the code say."""

from __future__ import annotations

import pathlib
import re
import tomllib

from lsmx._native import compiled, threads

HOME = pathlib.Path(__file__).parents[1]
PAGE = (HOME / "docs" / "install.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = re.compile(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)")
SAID = re.compile(r"([\w-]+) (\d[\d.]*)(?=,|:|$)")
FOR_AUTHORS = {"test", "docs", "dev"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    table = PAGE.partition(f"\n{heading}\n")[2].partition("\n|---")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def differing(extras: dict[str, list[str]]) -> list[str]:
    """The extras of which the page says something else."""
    said = {name: set(SAID.findall(brings)) for extra, brings in rows("## Extras") for name in named(extra)}
    want = {name: {found for d in wanted for found in WANTED.findall(d)} for name, wanted in extras.items()}
    want["cupy"] = want["cupy-cuda13"]  # which it is short for
    return sorted(name for name in said.keys() | want.keys() - FOR_AUTHORS if said.get(name) != want.get(name))


def test_extras_bring_the_versions_that_are_named() -> None:
    assert EXTRAS["cupy"] == ["lsmx[cupy-cuda13]"]
    assert differing(EXTRAS) == []
    assert set(EXTRAS) >= FOR_AUTHORS


def test_another_version_is_seen() -> None:
    assert differing(EXTRAS | {"dask": ["dask[array]>=2026.1"]}) == ["dask"]
    assert differing(EXTRAS | {"new": ["new>=1"]}) == ["new"]


def test_the_first_sentences_name_what_is_always_needed() -> None:
    said = PAGE.partition("\n\nIn the clone")[0].replace("\n", " ")
    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} or later" in said
    for name, version in (found for d in PROJECT["dependencies"] for found in WANTED.findall(d)):
        assert f"{name} {version} or later".lower() in said.lower()


def test_every_variable_is_named() -> None:
    assert {name for cell, _ in rows("## Environment variables") for name in named(cell)} == {compiled.VARIABLE, threads.VARIABLE}


def test_systems_are_those_of_the_wheels() -> None:
    wheels = (HOME / "tools" / "check_dist.py").read_text(encoding="utf-8")
    linux, macos, *_ = rows("## Platforms")
    for said, tag in (("glibc 2.17", "manylinux2014"), ("musl 1.2", "musllinux_1_2"), ("x86-64", "x86_64"), ("aarch64", "aarch64")):
        assert said in " ".join(linux)
        assert f'"{tag}"' in wheels
    for machine in macos[1].split(", "):
        assert f'"macosx_11_0_{machine.replace("-", "_")}"' in wheels
