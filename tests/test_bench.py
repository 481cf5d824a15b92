"""``lsmx bench``: the order of measurements, the arithmetic of the tables, and what the contestants compute."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx._bench import first, groups, host, instructions, large, layouts, measure, picture, report, works
from lsmx._bench.groups import LOG_SOFTMAX, rows, rows_of
from lsmx._bench.works import Row, Target
from lsmx._cli import main
from lsmx.testing import differing

pytest.importorskip("torch", reason="not installed: torch")  # the other contestant
TINY = 10**6  # of that many rows two are taken


def seconds(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.3 * median}


def planted(name: str, elements: int, taken: dict[str, float], *targets: Target, threads: int | None = 1) -> dict[str, Any]:
    row = Row(name, elements, dict, targets)
    return {**measure.entry(row, 1, {who: seconds(median) for who, median in taken.items()}), "threads": threads}


def results() -> dict[str, Any]:
    large_row = planted(
        "large",
        2_000_000,
        {"lsmx": 2e-3, "lsmx, reused output": 1e-3, "torch, reused output": 3e-3, "SciPy": 5e-3, "copy": 1e-3},
        Target("long", "lsmx, reused output", "torch, reused output", 1.6),
        Target("fresh", "lsmx", "SciPy", 3.0),
        Target("fresh", "lsmx", "JAX, jit", 1.0),  # which is not installed
    )
    other = planted("other", 2_000_000, {"lsmx, reused output": 2e-3, "torch, reused output": 3e-3}, large_row_target(), threads=2)
    small = planted("small", 80, {"lsmx": 3e-6, "torch": 1.5e-6}, Target("small", "lsmx", "torch", None))
    gain = ("copy, one thread", "copy, two threads")
    scaled = planted(
        "scaled",
        2_000_000,
        {"lsmx, one thread": 3e-3, "lsmx, two threads": 2e-3, gain[0]: 2.6e-3, gain[1]: 2e-3},
        Target("two threads", "lsmx, two threads", "lsmx, one thread", 1.7, gain),
        threads=2,
    )
    started = first.worst("first", {"a": [(0.1, 0.04), (0.01, 0.001), (0.02, 0.002)], "b": [(0.025, 0.015)] * 3})
    host = {
        "processor": "a processor",
        "processors": 2,
        "Python": "3",
        "versions": {"lsmx": "0"},
        "target": "avx2",
        "arithmetic": 3,
    }
    return {"machine": host, "turns": 1, "quick": False, "rows": [large_row, other, small, scaled, started]}


def large_row_target() -> Target:
    return Target("long", "lsmx, reused output", "torch, reused output", 1.6)


def cells(text: str, start: str) -> list[list[str]]:
    return [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith(f"| {start}")]


def test_medians() -> None:
    text = report.table(results())
    assert ["large", "1", "lsmx", "1 ±0.200", "ns an element"] in cells(text, "large")
    assert ["large", "1", "torch, reused output", "1.5 ±0.300", "ns an element"] in cells(text, "large")
    assert cells(text, "small") == [
        ["small", "1", "lsmx", "3 ±0.600", "us a call"],
        ["small", "1", "torch", "1.5 ±0.300", "us a call"],
    ]


def test_ratios() -> None:
    """The other's time by ours, beside the target; the contestants that are missing have no line."""
    text = report.ratios(results())
    assert [line[-4:] for line in cells(text, "large")] == [
        ["0.500 / 1.5 ns an element", "3.00", "1.60", "yes"],
        ["1 / 2.5 ns an element", "2.50", "3.00", "NO"],
    ]
    assert [line[-3:] for line in cells(text, "other")] == [["1.50", "1.60", "NO"]]
    assert [line[-3:] for line in cells(text, "small")] == [["0.50", "", ""]]
    assert [line[-3:] for line in cells(text, "scaled")] == [["1.50", "1.30 (the copy)", "yes"]]
    (started,) = cells(text, "first")
    assert started[0] == "first (the slowest of 2: b, 15.0 ms of it processors' time)"
    assert started[-4:] == ["25 / 20 ms", "0.80", "1.00", "NO"]


def test_what_is_reached_and_missed() -> None:
    text = report.summary_table(results())
    assert cells(text, "long") == [["long", "torch, reused output", "1.50 to 3.00", "1.60", "1 of 2"]]
    assert cells(text, "small") == [["small", "torch", "0.50", "", ""]]
    assert report.missed(results()) == [
        "large, 1 thread, beside SciPy: 2.50 in place of 3.00",
        "other, 2 threads, beside torch, reused output: 1.50 in place of 1.60",
        "first, beside 20 ms: 0.80 in place of 1.00",
    ]


def test_what_is_missed_by_little_has_a_third_digit() -> None:
    near = planted("near", 2_000_000, {"lsmx": 2e-3, "torch": 3.196e-3}, Target("long", "lsmx", "torch", 1.6))
    assert report.missed({**results(), "rows": [near]}) == ["near, 1 thread, beside torch: 1.598 in place of 1.600"]


def test_json_and_picture(tmp_path: pathlib.Path) -> None:
    report.save(results(), tmp_path / "r.json")
    read = json.loads((tmp_path / "r.json").read_text())
    assert report.ratios(read) == report.ratios(results())
    picture.plot(read, tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_calls_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LEAST", 0.0)
    order: list[str] = []
    times = measure.interleaved({name: (lambda name=name: order.append(name)) for name in "ab"}, turns=3)  # type: ignore[misc]
    assert "".join(order) == "aabb" + "aaabbb" * 3
    assert {name: len(t) for name, t in times.items()} == {"a": 6, "b": 6}


def test_summary() -> None:
    assert measure.summary([4.0, 1.0, 2.0, 3.0, 5.0]) == {"median": 3.0, "low": 1.5, "high": 4.5}


def test_where_it_was_measured(tmp_path: pathlib.Path) -> None:
    for number, facts in enumerate((("1", "Data", "48K"), ("1", "Instruction", "64K"), ("2", "Unified", "2048K"))):
        (folder := tmp_path / f"index{number}").mkdir()
        for name, fact in zip(("level", "type", "size"), facts, strict=True):
            (folder / name).write_text(f"{fact}\n")
    (tmp_path / "index3").mkdir()  # of which nothing is said
    assert host.caches(tmp_path) == ["L1d 48K", "L1i 64K", "L2 2048K"]
    assert host.caches(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("said", "want"), [(b"\x01GCC: (Debian 12.2.0-14) 12.2.0\x01", "GCC: (Debian 12.2.0-14) 12.2.0"), (b"\x01", None)]
)
def test_what_has_compiled_the_core(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, said: bytes, want: str | None) -> None:
    (tmp_path / "core").write_bytes(b"\x00" + said + b"\x00")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "core")))
    assert host.compiler() == want
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert host.compiler() is None


# --- the rows -------------------------------------------------------------------------------------------------------------------

EVERY = [row for part in groups.SUBJECTS[LOG_SOFTMAX] for group in groups.PARTS[part] for row in group(TINY)]


def by_rows(x: Any, parts: int) -> np.ndarray:
    """A result as float64, with the rows of the contiguous array."""
    x = x[0] if isinstance(x, tuple) else x
    if hasattr(x, "detach"):
        x = x.detach().double().numpy()
    x = np.asarray(x).astype(np.float64)
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1) if x.ndim == 3 and x.shape[0] == parts else x


@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.name)
def test_contestants_compute_the_same(row: Row) -> None:
    calls = row.contestants()
    got = {name: by_rows(call(), layouts.PARTS) for name, call in calls.items() if "copy" not in name and "without" not in name}
    lsmx.set_num_threads(None)  # which the rows of two threads set
    for target in row.targets:
        assert {target.ours, target.other} <= calls.keys() or (target.other == large.SCIPY and "backward" in row.name)
    ours = [name for name in got if name.startswith("lsmx")]
    assert ours
    want = got[ours[0]]
    for name in ours:
        assert differing(got[name], want) is None, name
    finite = np.isfinite(want)
    spacing = np.abs(want[finite]).max() * 2.0 ** (-6 if "float16" in row.name else -17)  # sums in orders of their own
    for name, x in got.items():
        if row.name.startswith("8 x 10") and row.name.endswith("JVP") and name == "torch":
            continue  # its gradient stands for it
        assert np.array_equal(np.isfinite(x), finite), name
        assert np.abs(x[finite] - want[finite]).max() <= spacing, name


def test_layouts_are_what_they_are_called() -> None:
    x = np.arange(64 * 128, dtype=np.float32).reshape(64, 128)
    made = {name: layout(x) for name, (layout, _) in layouts.LAYOUTS.items()}
    assert made["strided"].strides == (8 * 128, 8)
    assert made["reversed"].strides == (4 * 128, -4)
    assert made["separated axes"].shape == (layouts.PARTS, 64, 128 // layouts.PARTS)
    assert isinstance(made["memmap"], np.memmap)
    for name, y in made.items():
        assert np.array_equal(by_rows(y, layouts.PARTS), x), name


ISSUED = {
    "rows of 1000 to 128256, float32, forward": {1.6, 1.3, None},
    "rows of 1000 to 128256, float32, backward": {1.05},
    "rows of 1000 to 32000, float64, forward": {1.4},
    "rows of 1000 to 32000, float64, backward": {1.0},
    "fresh output of 64 MB and more, forward": {2.0, 3.0},
    "rows of 10, float32, forward": {1.5, 8.0},
    "rows of 100, float32, backward": {1.0, 1.5, 8.0},
    "axis 0 of 2048 x 2048, float32, forward": {2.2},
    "axis 0 of 2048 x 2048, float32, backward": {3.0},
    "strided, against the contiguous call": {1 / 1.5},
    "reversed, against the contiguous call": {1 / 1.5},
    "separated axes, against the contiguous call": {1 / 1.5},
    "memmap, against the contiguous call": {1 / 1.5},
    "masks, half True": {1.5},
    "bfloat16, forward": {1.2},
    "bfloat16, backward": {1.2},
    "float16, forward": {1.2},
    "float16, backward": {1.2},
    "small calls on NumPy": {1 / 1.3},
    "small calls on a torch tensor that nothing follows": {1 / 1.3},
    "followed by autograd, forward": {1 / 2},
    "followed by autograd, forward and backward": {1 / 2},
    "inside jax.jit": {1 / 1.1},
    "two threads against one": {1.7},
}


def test_groups() -> None:
    assert set(ISSUED) < set(measure.groups())


@pytest.mark.parametrize("group", ISSUED)
def test_every_target_has_a_row(group: str) -> None:
    targets = [target for row in rows_of(LOG_SOFTMAX, quick=False) for target in row.targets if target.group == group]
    assert targets
    assert {target.ratio for target in targets} <= ISSUED[group]


def test_targets_of_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for target, ratio in (("avx2", 1.6), ("avx512", 1.3), ("baseline", None)):
        monkeypatch.setattr(works, "core_status", lambda target=target: {"target": target})
        long = next(
            t for row in large.large_rows(1) for t in row.targets if t.group.startswith("rows of 1000 to 128256, float32, f")
        )
        assert long.ratio == ratio


def test_fresh_outputs_are_large() -> None:
    for row in large.large_rows(1):
        has = any(target.group.startswith("fresh") for target in row.targets)
        assert has == (row.elements * (8 if "float64" in row.name else 4) >= 64e6), row.name


def test_all_works_have_names_of_their_own() -> None:
    for quick in (False, True):
        names = [row.name for subject in groups.SUBJECTS for row in rows_of(subject, quick)]
        assert len(set(names)) == len(names) >= 80


def test_only() -> None:
    assert {row.name for row in rows(False, "8 X 10 numpy")} == {
        f"8 x 10 NumPy {v}" for v in ("forward", "axis=0", "out=", "where=", "backward", "JVP")
    }
    assert {row.name.split()[0] for row in rows(False, "masks, half")} == {"half"}  # by its group
    assert measure.names(False, "first call") == [first.name_of("numpy"), first.name_of("torch")]
    assert measure.measure(1, 1, True, "nothing of the kind") == []


def test_only_names_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "nothing of the kind"]) == 2
    assert "--only: 'nothing of the kind' is in no name of a row or a group; the groups are: first call" in capsys.readouterr().err
    assert main(["bench", "--quick", "--only", "4096 x 1000 float32"]) == 2  # whose rows a trial has not


@pytest.mark.slow
def test_a_process_measures_what_is_chosen(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.json"
    assert main(["bench", "--quick", "--turns", "1", "--only", "8 x 10 NumPy out=", "--json", str(path)]) == 0
    record = json.loads(path.read_text())
    (row,) = record["rows"]
    assert (row["work"], row["threads"], set(row["seconds"])) == ("8 x 10 NumPy out=", 1, {"lsmx", "torch"})
    assert row["targets"][0]["ratio"] == 1 / 1.3
    assert record["machine"]["target"] in record["machine"]["targets"]
    assert report.ratios(record) in capsys.readouterr().out


# --- first calls ----------------------------------------------------------------------------------------------------------------


def test_first_calls_are_all_there() -> None:
    directions = {"log_softmax": 6, "softmax": 4, "logsumexp": 3}
    for library, dtypes in first.DTYPES.items():
        calls = first.firsts(library)
        assert len(set(calls)) == len(calls) == 13 * len(dtypes)
        for function, count in directions.items():
            assert sum(call.function == function for call in calls) == count * len(dtypes)


@pytest.mark.parametrize("call", [*first.firsts("numpy"), *first.firsts("torch")], ids=lambda c: f"{c.library} {c.name}")
def test_each_first_call_runs(call: first.First, capsys: pytest.CaptureFixture[str]) -> None:
    first.child(call.library, call.function, call.direction, call.dtype)
    clock, worked = map(float, capsys.readouterr().out.split())
    assert clock > 0
    assert worked >= 0


def test_a_first_call_has_a_process_of_its_own() -> None:
    clock, _ = first.seconds(first.First("numpy", "softmax", "jvp", "float32"))
    assert clock > 0


# --- instructions ---------------------------------------------------------------------------------------------------------------


def test_instructions_are_those_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million to start, 700 a call."""

    def run(command: list[str], **_: Any) -> Any:
        count = int(re.findall(r", (\d+)\)$", command[-1])[0])
        return SimpleNamespace(returncode=0, stderr=f"==1== Collected : {10**6 + 700 * count}\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert instructions.of_a_call("8 x 10 NumPy forward", "lsmx") == 700
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1, stderr="why"))
    with pytest.raises(RuntimeError, match="valgrind has ended with 1: why"):
        instructions.of_a_call("8 x 10 NumPy forward", "lsmx")


def test_what_is_counted_leaves_out_what_it_does_not_need() -> None:
    numpy, tensor = (next(row for row in rows(True) if row.name == f"8 x 10 {way} forward") for way in ("NumPy", "torch tensor"))
    assert isinstance(instructions.made(numpy, "lsmx")(), np.ndarray)
    assert type(instructions.made(tensor, "lsmx")()).__module__ == "torch"
    assert works.left_out == set()


def test_without_valgrind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main(["bench", "--callgrind"]) == 2
    assert "--callgrind: valgrind is not installed" in capsys.readouterr().err


# --- the command ----------------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["bench", "--plot", "x.png"]) == 2
    assert 'tabulate, matplotlib not installed: pip install "lsmx[bench]"' in capsys.readouterr().err


def test_a_bad_number_of_threads() -> None:
    with pytest.raises(lsmx.ThreadsError):
        measure.child(0, 1, quick=True)
