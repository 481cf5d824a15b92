"""``lsmx bench --device cuda``: what is measured and how it is shown, without a device; and what is said where there is none."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx._bench import device, device_report, report
from lsmx._bench.works import Work
from lsmx._cli import main
from lsmx.testing import differing


def seconds(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.3 * median}


def results() -> dict[str, Any]:
    forward = {
        "copy": seconds(1e-3),
        "lsmx on PyTorch": seconds(1.25e-3),
        "PyTorch": seconds(2.5e-3),
        "lsmx on CuPy": seconds(2e-3),
    }
    forward["cupyx.scipy.special"] = seconds(9e-3)
    backward = {"copy": seconds(1e-3), "lsmx on PyTorch": seconds(1.5e-3), "torch.compile": seconds(3e-3)}
    small = {"copy": seconds(5e-6), "lsmx on PyTorch": seconds(14e-6)}
    entries = [
        {"work": "forward", "elements": 2**20, "bytes": 2**23, "copied": 2**23, "seconds": forward},
        {"work": "backward", "elements": 2**20, "bytes": 3 * 2**22, "copied": 2**23, "seconds": backward},
        {"work": "small", "elements": 80, "bytes": 640, "copied": 640, "seconds": small},
    ]
    return {"machine": {"device": "a device", "versions": {"lsmx": "0"}}, "turns": 1, "quick": True, "device": entries}


def cells(text: str, row: str) -> list[str]:
    return [c.strip() for line in text.splitlines() if line.startswith(f"| {row} ") for c in line.split("|")[2:-1]]


def test_table() -> None:
    text = device_report.device_table(results())
    assert cells(text, "forward")[:3] == ["1000 ±200 (100 %)", "1250 ±250 (80 %)", "2500 ±500 (40 %)"]
    assert cells(text, "backward")[1] == "1500 ±300 (100 %)"  # three arrays in the time that a copy takes for three
    assert cells(text, "small")[:3] == ["5 ±1", "14 ±2.8", ""]


def test_ratios() -> None:
    text = device_report.device_ratios(results())
    assert cells(text, "forward") == ["2.00", "", "4.50"]
    assert cells(text, "backward") == ["", "2.00", ""]


def test_json_and_picture(tmp_path: pathlib.Path) -> None:
    report.save(results(), tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == results()
    device_report.device_plot(results(), tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_works() -> None:
    for quick in (False, True):
        names = [work.name for work in device.device_works(quick)]
        assert len(set(names)) == len(names) >= 10
    long = device.device_works(quick=False)
    assert {w.shape[1] for w in long if w.shape[0] >= 4096} == {1024, 8192, 32768, 131072}
    assert device.moved(Work((10, 20), "bfloat16", "backward")) == 3 * 2 * 200


def test_inputs_in_turn_are_larger_than_the_cache() -> None:
    cache = 50 * 2**20
    for work in device.device_works(quick=False):
        copies = device.copies_for(work, cache)
        assert copies >= 2
        if work.size >= 2**16:
            assert (copies - 1) * device.moved(work) >= 2 * cache


def test_order_of_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """First a warm-up on every input; then in every turn each contestant, on one input after the other."""
    monkeypatch.setattr(device, "LEAST", 0.0)
    order: list[str] = []

    def clock(run: Callable[[], None]) -> float:
        order.append("(")
        run()
        order.append(")")
        return 6.0

    calls: dict[str, device.Call] = {name: (lambda z, g, y, name=name: order.append(f"{name}{z}")) for name in "ab"}  # type: ignore[misc]
    turns = list(device.timed(calls, [(0, 0, 0), (1, 0, 0)], clock, turns=2))
    assert turns == [{"a": 3.0, "b": 3.0}] * 2
    assert "".join(order) == "a0a1(a0a1)b0b1(b0b1)" + "a0a1(a0a1)b0b1(b0b1)" * 2


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_contestants_compute_the_same(dtype: str, direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "compiled", lambda call: call)
    work = Work((30, 300), dtype, direction)
    (z, g, y), other = device.torch_inputs(work, "cpu", 2)
    assert not torch.equal(z, other[0])
    want = lsmx.log_softmax(z) if direction == "forward" else lsmx.log_softmax_backward(g, y)
    got: dict[str, Any] = {name: call(z, g, y) for name, call in device.torch_calls(work).items()}
    assert differing(got.pop("lsmx on PyTorch").float().numpy(), want.float().numpy()) is None
    assert torch.equal(got.pop("copy"), z)
    assert set(got) == {"PyTorch", "torch.compile"}
    near = float(want.float().abs().max()) * (2.0**-18 if dtype == "float32" else 2.0**-6)  # sums in orders of their own
    for x in got.values():
        assert np.abs((x - want).float().numpy()).max() <= near


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "cuda"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("lsmx bench: no CUDA device can be used (torch: no cuda device; there is cpu; cupy: ")
    assert "\n" not in said
