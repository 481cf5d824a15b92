"""``lsmx bench losses``: what the contestants compute, what is asked for, and how it is shown."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest
import torch

from lsmx._bench import groups, host, losses, measure, picture, report
from lsmx._bench.works import Row
from lsmx._cli import main

TINY = 10**6  # of that many rows two are taken
ROWS = losses.loss_rows(TINY)
DTYPES = ("float32", "bfloat16")


def numbers(x: Any) -> list[np.ndarray]:
    """A result, or each of several, as float64 without axes of length 1."""
    return [y.detach().double().numpy().squeeze() for y in (x if isinstance(x, tuple) else (x,))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_contestants_compute_the_same(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions are far apart here, so that the formula of the divergence has digits left."""
    monkeypatch.setattr(losses, "NOISE", 3.0)
    calls = row.contestants()
    assert list(calls) == ["lsmx", *(target.other for target in row.targets)]
    got = {name: numbers(call()) for name, call in calls.items()}
    count = 4 if "token_stats" in row.name else 1
    for name, found in got.items():
        assert len(found) == count, name
        for k, (x, want) in enumerate(zip(found, got["lsmx"], strict=True)):
            assert x.shape == want.shape
            spacing = np.abs(want).max() * 2.0 ** (-6 if "bfloat16" in row.name else -17)
            assert np.abs(x - want).max() <= (0 if k == 3 else spacing), name  # ranks are equal


def formula(name: str, z: Any, w: Any, i: Any) -> list[np.ndarray]:
    """What a row is said to compute, in float64."""
    y, q = torch.log_softmax(z, -1), torch.log_softmax(w, -1)
    chosen = y[torch.arange(len(i)), i]
    if name.startswith("log_prob"):
        return numbers(chosen)
    if name.startswith("entropy"):
        return numbers(-(y.exp() * y).sum(-1))
    if name.startswith("token_stats"):
        rank = (y > chosen[:, None]).sum(-1)
        return numbers((chosen, -(y.exp() * y).sum(-1), z.logsumexp(-1), rank))
    if name.startswith("kl_divergence"):
        return numbers((y.exp() * (y - q)).sum(-1))
    eps = 0.1 if "label_smoothing=0.1" in name else 0.0
    if "backward" not in name:
        return numbers(-chosen.mean())
    target = (1 - eps) * torch.eye(z.shape[1], dtype=z.dtype)[i] + eps / z.shape[1]
    return numbers((y.exp() - target) / len(i))


@pytest.mark.parametrize("loss", [*losses.LOSSES, losses.CALL], ids=lambda loss: loss.name)
def test_each_computes_what_its_name_says(loss: losses.Loss) -> None:
    """Also with rows that are near, where the formula in float32 has few digits left."""
    rng = np.random.default_rng(5)
    z = 3 * rng.standard_normal((4, 50))
    z, w = (torch.from_numpy(x).float() for x in (z, z + 0.1 * rng.standard_normal(z.shape)))
    i = torch.from_numpy(rng.integers(0, 50, 4))
    want = formula(loss.name.removeprefix("small "), z.double(), w.double(), i)
    ours = numbers(loss.contestants(torch, losses.Given(z, w, i))["lsmx"]())
    assert len(ours) == len(want)
    for x, exact in zip(ours, want, strict=True):
        assert x.shape == exact.shape
        assert np.abs(x - exact).max() <= 2.0**-21 * np.abs(exact).max()


def test_steps_add_nothing_up() -> None:
    """A gradient is that of one step, however often it is made."""
    for step in losses.CALL.row((8, 10), "float32").contestants().values():
        once = step().clone()  # type: ignore[attr-defined]
        assert torch.equal(once, step())  # type: ignore[call-overload]


ISSUED = {
    "log_prob": {losses.LOG_SOFTMAX: 2.0, losses.LOGSUMEXP: 1.2},
    "cross_entropy, forward": {"torch": 1.3},
    "cross_entropy, forward and backward": {"torch": 1.3},
    "cross_entropy, label_smoothing=0.1, forward and backward": {"torch": None},
    "entropy": {losses.LOG_SOFTMAX: 2.0},
    "token_stats": {losses.LOG_SOFTMAX: 2.0},
    "kl_divergence": {losses.LOG_SOFTMAX: 0.8},
}


def test_every_target_has_its_rows() -> None:
    found = {row.name: {t.other: (t.group, t.ours, t.ratio) for t in row.targets} for row in losses.loss_rows(1)}
    small = {"small cross_entropy, forward and backward": {"torch": None}}
    asked = [(shape, name) for shape in ("1024 x 32000", "4096 x 1024") for name in ISSUED] + [("8 x 10", name) for name in small]
    assert found == {
        f"{shape} {dtype} {name}": {
            other: (f"{name}, {dtype}", "lsmx", least) for other, least in {**ISSUED, **small}[name].items()
        }
        for shape, name in asked
        for dtype in DTYPES
    }
    assert {row.elements for row in losses.loss_rows(1)} == {1024 * 32000, 4096 * 1024, 80}


def test_logits_are_what_is_said() -> None:
    """Of scale 3, and others that are 0.1 away."""
    seen: list[losses.Given] = []
    loss = losses.Loss("looks", lambda _, x: seen.append(x) or {}, {})
    for dtype in DTYPES:
        loss.row((400, 100), dtype).contestants()
    for x, dtype in zip(seen, DTYPES, strict=True):
        assert x.z.dtype == x.w.dtype == getattr(torch, dtype)
        assert float(x.z.float().std()) == pytest.approx(3, rel=0.02)
        assert float((x.w.float() - x.z.float()).std()) == pytest.approx(0.1, rel=0.02)
        assert (x.index.shape, x.column.shape) == ((400,), (400, 1))
        assert len(set(x.index.tolist())) > 80


def planted() -> dict[str, Any]:
    """A row whose one target is reached and whose other one is missed, and a small one without."""
    taken = [{"lsmx": 1e-3, losses.LOG_SOFTMAX: 2.5e-3, losses.LOGSUMEXP: 1.1e-3}, {"lsmx": 3e-6, "torch": 1.5e-6}]
    rows = (ROWS[0], losses.CALL.row((8, 10), "float32"))
    entries = [
        measure.entry(row, 1, {who: {"median": m, "low": m, "high": m} for who, m in seconds.items()})
        for row, seconds in zip(rows, taken, strict=True)
    ]
    entries[0]["elements"] = 10**6
    return {"machine": host.host(), "turns": 1, "quick": False, "rows": entries}


def test_a_missed_target_is_marked() -> None:
    results, name = planted(), "2 x 32000 float32 log_prob"
    assert report.missed(results) == [f"{name}, 1 thread, beside torch, by logsumexp: 1.10 in place of 1.20"]
    lines = report.ratios(results, "pipe").splitlines()[2:]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        [name, "1", "lsmx / torch, by log_softmax", "1 / 2.5 ns an element", "2.50", "2.00", "yes"],
        [name, "1", "lsmx / torch, by logsumexp", "1 / 1.1 ns an element", "1.10", "1.20", "NO"],
        ["8 x 10 float32 small cross_entropy, forward and backward", "1", "lsmx / torch", "3 / 1.5 us a call", "0.50", "", ""],
    ]


def test_the_picture_shows_long_rows(tmp_path: pathlib.Path) -> None:
    results, look = planted(), picture.LOOKS["losses"]
    assert [look.has(entry) for entry in results["rows"]] == [True, False]
    assert {target.other for row in ROWS for target in row.targets} | {"lsmx"} == look.shown.keys()
    picture.plot(results, tmp_path / "r.png", look)
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


# --- the command ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_process_measures_what_is_chosen(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, drawn = tmp_path / "r.json", tmp_path / "r.png"
    words = ["bench", "losses", "--quick", "--turns", "1", "--only", "8 x 10", "--json", str(path), "--plot", str(drawn)]
    assert main(words) == 0
    record, out = json.loads(path.read_text()), capsys.readouterr().out
    assert [(row["work"], row["threads"], set(row["seconds"])) for row in record["rows"]] == [
        (f"8 x 10 {dtype} small cross_entropy, forward and backward", 1, {"lsmx", "torch"}) for dtype in DTYPES
    ]
    assert record["machine"]["target"] in record["machine"]["targets"]
    assert report.of_machine(record) in out
    assert report.ratios(record) in out
    assert drawn.read_bytes()[:4] == b"\x89PNG"


def test_the_two_subjects_share_no_row() -> None:
    ours = measure.names(True, subject="losses")
    assert ours == [row.name for row in groups.rows_of("losses", quick=True)]
    assert len(ours) == 30
    assert not set(ours) & set(measure.names(True))
    assert measure.groups("losses")[:2] == ["log_prob, float32", "log_prob, bfloat16"]
    assert "entropy, float32" not in measure.groups()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "strided"], "--only: 'strided' is in no name of a row or a group; the groups are: log_prob, float32; "),
        (["--device", "cuda"], "--device: losses are timed on the host; leave out --device cuda, "),
        (["--plot", "r.nothing"], "--plot: r.nothing: there is no picture of the kind 'nothing'"),
    ],
)
def test_what_cannot_be_done(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "losses", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lsmx bench: {said}")
    assert error.count("\n") == 1


def test_without_pytorch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else name)
    assert main(["bench", "losses"]) == 2
    assert capsys.readouterr().err == 'lsmx bench: torch not installed: pip install "lsmx[bench]"\n'
