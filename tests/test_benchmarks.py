"""``benchmarks/``: what asv finds is what ``lsmx bench`` measures, and ``ab.py`` lets two builds take turns."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx._bench import groups, works
from lsmx._cli.ending import InputError
from lsmx.testing import differing

HOME = pathlib.Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not (HOME / "ab.py").is_file(), reason="benchmarks/ is in the source tree only")
NUMPY = "8 x 10 NumPy where=: lsmx"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(pathlib.Path(name).stem, HOME / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("LSMX_ASV_QUICK", "1")
    return loaded("airspeed/works.py")


def test_every_work_is_in_one_class(suite: ModuleType) -> None:
    """And nothing else is."""
    rows = [row for subject in groups.SUBJECTS for row in groups.rows_of(subject, quick=True)]
    want = [f"{row.name}: {target.ours}" for row in rows for target in row.targets]
    timed = [name for kind in (suite.Forward, suite.Backward, suite.Losses, suite.SmallCalls) for name in kind.params]
    assert sorted(timed) == sorted(set(want))
    assert set(suite.PeakMemory.params) == set(timed) - set(suite.SmallCalls.params)


def test_kinds(suite: ModuleType) -> None:
    assert NUMPY in suite.SmallCalls.params
    assert "8 x 10 NumPy backward: lsmx" in suite.SmallCalls.params
    assert "256 x 1000 float32 backward: lsmx, reused output" in suite.Backward.params
    assert "inside jax.jit 256 x 1000 float32 forward and VJP: lsmx, jit" in suite.Backward.params
    assert "256 x 1000 float32 forward: lsmx, reused output" in suite.Forward.params
    assert "8 x 10 float32 small cross_entropy, forward and backward: lsmx" in suite.Losses.params
    assert all("backward" not in name for name in suite.Forward.params)


def test_what_is_timed_is_the_work(suite: ModuleType) -> None:
    one = suite.SmallCalls()
    one.setup(NUMPY)
    z, g = works.drawn((8, 10), "float32")
    assert lsmx.get_num_threads() == 1
    lsmx.set_num_threads(None)
    assert differing(one.call(), lsmx.log_softmax(z, where=g > 0)) is None
    called: list[int] = []
    one.call = lambda: called.append(1)
    one.time_call(NUMPY)
    suite.PeakMemory.peakmem_call(one, NUMPY)
    assert called == [1, 1]


def test_a_library_that_is_missing_is_left_out(suite: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(NotImplementedError, match="its library is not installed"):
        suite.SmallCalls().setup("8 x 10 torch tensor forward: lsmx")
    with pytest.raises(NotImplementedError, match="torch is not installed"):
        suite.FirstCall().setup("torch: log_softmax forward bfloat16")
    lsmx.set_num_threads(None)


def test_first_calls_and_imports(suite: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([(5.0, 0), (1.0, 0), (3.0, 0), (2.0, 0), (9.0, 0)])
    asked: list[Any] = []
    monkeypatch.setattr(suite.first, "seconds", lambda first: (asked.append(first), next(taken))[1])
    assert suite.FirstCall().track_first_call("numpy: softmax jvp float32") == 3.0
    assert {(call.library, call.name) for call in asked} == {("numpy", "softmax jvp float32")}
    assert len(suite.FirstCall.params) == 52
    assert (suite.Import().timeraw_lsmx(), suite.Import().timeraw_numpy()) == ("import lsmx", "import numpy")


def test_the_configuration() -> None:
    """Its folders are there, and what it makes lies where git does not look."""
    text = "".join(line for line in (HOME / "asv.conf.json").read_text().splitlines() if not line.strip().startswith("//"))
    said = json.loads(text)
    assert (HOME / said["benchmark_dir"] / "works.py").is_file()
    assert (HOME / said["repo"] / "pyproject.toml").is_file()
    for name in ("env_dir", "results_dir", "html_dir"):
        assert (HOME / said[name]).resolve().is_relative_to(HOME.parent / "build")


# --- two builds -----------------------------------------------------------------------------------------------------------------


def run(ours: float) -> dict[str, Any]:
    seconds = {who: {"median": t, "low": t, "high": t, "turns": [7.0]} for who, t in (("lsmx", ours), ("torch", 2.0))}
    target = {"group": "g", "ours": "lsmx", "other": "torch", "ratio": None, "gain": None}
    machine = {"processor": "p", "versions": {"lsmx": "1"}}
    return {"machine": machine, "turns": 1, "rows": [{"work": "w", "threads": 1, "seconds": seconds, "targets": [target]}]}


@pytest.fixture
def ab(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return loaded("ab.py")


def test_builds_take_turns_in_changing_order(ab: ModuleType) -> None:
    asked: list[str] = []

    def measure(build: str) -> dict[str, Any]:
        asked.append(build)
        return run(len(asked))

    runs = ab.rounds(3, measure)
    assert asked == ["before", "after", "after", "before", "before", "after"]
    turns = {build: found["rows"][0]["seconds"]["lsmx"]["turns"] for build, found in runs.items()}
    assert turns == {"before": [1, 4, 5], "after": [2, 3, 6]}
    assert {found["turns"] for found in runs.values()} == {3}


@pytest.mark.parametrize(("factor", "code"), [(1.2, 1), (1.0, 0)])
def test_builds_are_compared(
    ab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: Any, factor: float, code: int
) -> None:
    noise = iter(np.repeat(1 + 0.02 * np.linspace(-1, 1, 7), 2))
    said: list[list[str]] = []

    def measured(python: str, words: list[str], folder: str) -> dict[str, Any]:
        assert pathlib.Path(folder) != pathlib.Path.cwd()
        said.append(words)
        return run(next(noise) * (factor if python.endswith("new") else 1.0))

    monkeypatch.setattr(ab, "where", lambda python, folder: python)
    monkeypatch.setattr(ab, "measured", measured)
    given = ["old", "new", "--only", "8 x 10", "--quick", "--fail-above", "10", "--keep", str(tmp_path)]
    assert ab.main(given) == code
    assert ("slower by 20 %" in capsys.readouterr().out) == bool(code)
    assert said[0] == ["log-softmax", "--only", "8 x 10", "--threads", "1", "--turns", "3", "--quick"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after.json", "before.json"]


def test_one_build_twice_is_refused(ab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ab, "measured", lambda *_: pytest.fail("it is measured"))
    assert ab.main([sys.executable, sys.executable]) == 2
    assert capsys.readouterr().err.startswith("ab.py: OLD_PYTHON, NEW_PYTHON: both import")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--keep", "/no/such"], "--keep: there is no folder '/no/such'"),
        (["--keep", ""], "--keep: there is no folder ''"),
        (["--fail-above", "x"], "--fail-above: 'x' is not a number"),
        (["--fail-above", "nan"], "--fail-above: 'nan' is not a finite number of at least 0"),
        (["--threads", "x"], "--threads: 'x' is not a whole number of at least 1"),
        (["--threads", "1 2"], "--threads: '1 2' is not a whole number of at least 1"),
        (["--rounds", "0"], "--rounds: '0' is not a whole number of at least 1"),
        (["--turns", "-1"], "--turns: '-1' is not a whole number of at least 1"),
    ],
)
def test_words_are_looked_at_first(
    ab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process is started"))
    with pytest.raises(SystemExit) as end:
        ab.main(["old", "new", *words])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"ab.py: argument {said}; see ab.py --help\n"


def test_what_is_no_interpreter_is_refused(ab: ModuleType, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ab.main([sys.executable, str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"ab.py: {tmp_path / 'none'}: No such file or directory\n"
    without = tmp_path / "python"
    without.write_text('#!/bin/sh\necho "one line" >&2\necho "No module named lsmx" >&2\nexit 1\n')
    without.chmod(0o755)
    assert ab.main([str(without), sys.executable]) == 2
    assert capsys.readouterr().err == f"ab.py: {without} has ended with 1: No module named lsmx\n"


def test_a_measurement_that_fails_says_why(ab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(ab, "where", lambda python, folder: python)
    assert ab.main([sys.executable, f"{sys.executable}-2", "--only", "nothing-called-so"]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"ab.py: {sys.executable} has ended with 2: lsmx bench: --only: 'nothing-called-so' is in no name")


def test_unlike_environments_are_refused_after_the_first_round(ab: ModuleType) -> None:
    asked: list[str] = []

    def measure(build: str) -> dict[str, Any]:
        asked.append(build)
        found = run(1.0)
        found["machine"]["versions"]["numpy"] = build
        return found

    with pytest.raises(InputError, match="not the same machine and libraries: numpy: before before, after after"):
        ab.rounds(3, measure)
    assert asked == ["before", "after"]


def test_a_process_of_ab(ab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """It is the interpreter's own command, started in another folder."""

    def ran(command: list[str], *, cwd: str, **_: Any) -> subprocess.CompletedProcess[str]:
        assert (command[:6], cwd) == (["python", "-m", "lsmx", "bench", "--only", "x"], str(tmp_path))
        pathlib.Path(command[-1]).write_text(json.dumps(run(1.0)))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", ran)
    assert ab.measured("python", ["--only", "x"], str(tmp_path)) == run(1.0)


def test_the_search_for_errors_finds_those_of_some_ulp(monkeypatch: pytest.MonkeyPatch) -> None:
    search = loaded("accuracy.py")
    monkeypatch.setattr(search, "ELEMENTS", 2**12)
    value = np.asarray([1 / 3], np.float32)
    assert 2.4 < search.worst(value + 3 * np.spacing(value), np.asarray([1 / 3])) < 3.6
    assert search.worst(value, np.asarray([1 / 3])) <= 0.5
    z = search.FAMILIES["short"]()
    found = dict(search.of_losses(z)) | dict(search.of_log_softmax(z)) | dict(search.of_divergences(search.apart(0.1)))
    theirs = {name: error for name, error in found.items() if "logits=z" in name or "F." in name or "gather" in name}
    assert min(theirs.values()) > 100
    ours = {name: error for name, error in found.items() if not name.startswith(("`F", "`logsumexp", "`-", "`Cat", "rows"))}
    assert len(ours) == 26
    assert 0.3 < min(ours.values()) < max(ours.values()) < 6
