"""``tools/machines_page.py``: the page of machines is what the stored runs say."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import re
from types import ModuleType
from typing import Any

import pytest

HOME = pathlib.Path(__file__).parents[1]
TOOL = HOME / "tools" / "machines_page.py"
pytestmark = pytest.mark.skipif(not TOOL.is_file(), reason="tools/ is in the source tree only")


@pytest.fixture
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("machines_page", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(group: str, other: str, ratio: float, threads: int | None = 1) -> dict[str, Any]:
    seconds = {name: {"median": m, "low": m, "high": m} for name, m in (("lsmx", 1.0), (other, ratio))}
    target = {"group": group, "ours": "lsmx", "other": other, "ratio": None, "gain": None}
    return {"work": group, "threads": threads, "elements": 10**6, "seconds": seconds, "targets": [target]}


def run(*rows: dict[str, Any], quick: bool = False, **machine: Any) -> dict[str, Any]:
    facts = {"processor": "a processor", "processors": 2, "Python": "3", "versions": {"numpy": "2"}, "arithmetic": 3}
    facts |= {"target": "neon", "targets": ["neon", "baseline"]}
    return {"machine": {**facts, **machine}, "turns": 7, "quick": quick, "rows": list(rows)}


LONG = ("rows of 1000 to 128256, float32, forward", "torch, reused output")
STORED = {
    "speed-old.json": run(
        entry(*LONG, 1.25), entry(*LONG, 1.5, 2), entry("two threads against one", "copy", 1.0, 8), target="baseline"
    ),
    "machines/speed-new.json": {
        **run(entry(*LONG, 2.0), date="2030-01-02", caches=["L1d 48K", "L2 2048K"], compiler="GCC"),
        "only": "rows",
    },
    "machines/losses-new.json": run(entry("cross_entropy, forward and backward, float32", "torch", 3.0), date="2030-01-03"),
    "machines/speed-trial.json": run(entry(*LONG, 9.0), quick=True),
}


@pytest.fixture
def house(page: ModuleType, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks" / "machines").mkdir(parents=True)
    for name, content in STORED.items():
        (tmp_path / "benchmarks" / name).write_text(json.dumps(content))
    (tmp_path / page.PAGE).write_text((HOME / page.PAGE).read_text())
    monkeypatch.setattr(page, "HOME", tmp_path)
    return tmp_path / page.PAGE


def test_the_page_is_current(page: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 0, capsys.readouterr().out


def test_what_is_written(page: ModuleType, house: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 1
    assert page.main([]) == 0
    text = house.read_text()
    assert "| old | 1.25 to 1.50 | | | | | | |" in re.sub(" +", " ", text)
    assert "| new | 2.00 | | | | | | 3.00 |" in re.sub(" +", " ", text)
    assert "trial |" not in text
    assert "| speed | `LSMX_CPU=baseline lsmx bench --threads 1 2 --turns 7`; date not recorded; arithmetic 3 |" in text
    assert '| speed | `lsmx bench --threads 1 --turns 7 --only "rows"`; date 2030-01-02; arithmetic 3 |' in text
    assert "| losses | `lsmx bench losses --threads 1 --turns 7`; date 2030-01-03; arithmetic 3 |" in text
    assert text.count("| caches | L1d 48K, L2 2048K |") == text.count("| caches | not recorded |") == 1
    capsys.readouterr()
    assert page.main(["--check"]) == 0
    house.write_text(text.replace("| 2.00 |", "| 2.10 |"))
    assert page.main(["--check"]) == 1
    assert "machines.md: DIFFERS from" in capsys.readouterr().out


def test_headlines_are_groups_that_are_measured(page: ModuleType) -> None:
    """Each of them has figures in the files of the source tree."""
    found = page.machines()
    for title, (group, other) in page.HEADLINES.items():
        assert any(page.headline(runs, group, other) for runs in found.values()), title


def test_stored_runs_name_no_path_and_no_user() -> None:
    for path in (HOME / "benchmarks").rglob("*.json"):
        assert not re.search(r"/(home|root|Users|tmp|work)/|\\\\Users", path.read_text()), path
