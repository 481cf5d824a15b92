"""``lsmx bench``: the order of measurements, the arithmetic of the tables, and what the contestants compute."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx._bench import measure, report
from lsmx._bench.works import Work, contestants, works
from lsmx._cli import main
from lsmx.testing import differing


def seconds(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.3 * median}


def results() -> dict[str, Any]:
    large = {
        "lsmx": seconds(2e-3),
        "lsmx, reused output": seconds(1e-3),
        "torch, reused output": seconds(3e-3),
        "SciPy": seconds(8e-3),
    }
    small = {"lsmx": seconds(3e-6), "lsmx, reused output": seconds(6e-6), "torch": seconds(1.5e-6)}
    entries = [
        {"work": "large", "elements": 2_000_000, "seconds": large},
        {"work": "small", "elements": 3, "seconds": small},
    ]
    host = {"processor": "a processor", "processors": 2, "Python": "3", "versions": {"lsmx": "0"}}
    return {"machine": host, "turns": 1, "quick": True, "threads": {"1": entries, "2": entries}}


def cells(text: str, row: str) -> list[str]:
    return [c.strip() for line in text.splitlines() if line.startswith(f"| {row} ") for c in line.split("|")[2:-1]]


def test_table() -> None:
    text = report.table(results())
    assert text.count("| large") == 2
    assert cells(text, "large")[:5] == ["ns an element", "1 ±0.200", "0.500 ±0.100", "1.5 ±0.300", "4 ±0.800"]
    assert cells(text, "small")[:3] == ["us a call", "3 ±0.600", "6 ±1.2"]


def test_ratios() -> None:
    text = report.ratios(results())
    assert cells(text, "large")[:6] == ["3.00", "", "4.00", "", "", ""]
    assert cells(text, "small")[:2] == ["", "0.50"]


def test_json_and_picture(tmp_path: pathlib.Path) -> None:
    report.save(results(), tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == results()
    report.plot(results(), tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_calls_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LEAST", 0.0)
    order: list[str] = []
    times = measure.interleaved({name: (lambda name=name: order.append(name)) for name in "ab"}, turns=3)  # type: ignore[misc]
    assert "".join(order) == "aabb" + "aaabbb" * 3
    assert {name: len(t) for name, t in times.items()} == {"a": 6, "b": 6}


def test_summary() -> None:
    assert measure.summary([4.0, 1.0, 2.0, 3.0, 5.0]) == {"median": 3.0, "low": 1.5, "high": 4.5}


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(("shape", "axis"), [((30, 300), -1), ((40, 10), -1), ((50, 40), 0)])
def test_contestants_of_this_library_give_its_bits(shape: tuple[int, int], axis: int, direction: str) -> None:
    calls = contestants(Work(shape, "float32", direction, axis))
    want = calls["lsmx"]()
    ours = [name for name in calls if name.startswith("lsmx")]
    assert len(ours) >= 3
    for name in ours:
        assert differing(np.asarray(calls[name]()), np.asarray(want)) is None, name
    others = [np.asarray(call()) for name, call in calls.items() if name not in (*ours, "copy")]
    assert others
    spacing = (
        np.abs(np.asarray(want)).max() * 2.0**-18
    )  # that it is the same function: they add up to 300 terms in orders of their own
    assert all(np.abs(x - want).max() <= spacing for x in others)


def test_all_works_have_names_of_their_own() -> None:
    for quick in (False, True):
        names = [work.name for work in works(quick)]
        assert len(set(names)) == len(names) >= 12


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["bench", "--plot", "x.png"]) == 2
    assert 'tabulate, matplotlib not installed: pip install "lsmx[bench]"' in capsys.readouterr().err


def test_a_bad_number_of_threads() -> None:
    with pytest.raises(lsmx.ThreadsError):
        measure.child(0, 1, quick=True)
