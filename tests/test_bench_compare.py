"""``lsmx bench --compare``: on planted times, what is told from noise and what is not."""

from __future__ import annotations

import itertools
import json
import math
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from lsmx._bench import changes, measure
from lsmx._bench.changes import Change, Drift, Shift
from lsmx._cli import main

TURNS = 7
MACHINE = {
    "processor": "a processor",
    "processors": 2,
    "Python": "3.11",
    "versions": {"lsmx": "1", "numpy": "2", "torch": "3"},
    "target": "avx2",
    "torch": "AVX2",
    "arithmetic": 3,
}


def spread(noise: float) -> np.ndarray:
    """Factors of the turns, evenly over +-noise."""
    return 1 + noise * np.linspace(-1, 1, TURNS)


def seconds(median: float, factors: Any) -> dict[str, Any]:
    return {"median": median, "low": median, "high": median, "turns": [median * f for f in factors]}


def entry(work: str, ours: float, noise: float, threads: int = 1, machine: Any = 1.0, **others: float) -> dict[str, Any]:
    """Times of lsmx with a noise, of torch that always takes twice 1, and of others; the machine's speed in each turn."""
    both = np.ones(TURNS) * machine
    taken = {"lsmx": seconds(ours, spread(noise) * both), "torch": seconds(2.0, both)}
    taken |= {name: seconds(value, both) for name, value in others.items()}
    target = {"group": f"group of {work}", "ours": "lsmx", "other": "torch", "ratio": None, "gain": None}
    return {"work": work, "threads": threads, "elements": 10, "seconds": taken, "targets": [target]}


def run(*rows: dict[str, Any], **machine: Any) -> dict[str, Any]:
    return {"machine": {**MACHINE, **machine}, "turns": TURNS, "quick": False, "rows": list(rows)}


@pytest.fixture
def compare(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Write two runs and compare them: exit code, stdout, stderr, record."""

    def call(before: dict[str, Any], after: dict[str, Any], *words: str) -> tuple[int, str, str, dict[str, Any]]:
        paths = [str(tmp_path / name) for name in ("before.json", "after.json")]
        for path, content in zip(paths, (before, after), strict=True):
            pathlib.Path(path).write_text(json.dumps(content))
        record = tmp_path / "record.json"
        code = main(["bench", "--compare", *paths, "--json", str(record), *words])
        out, err = capsys.readouterr()
        return code, out, err, json.loads(record.read_text()) if code != 2 else {}

    return call


def said(out: str, work: str) -> list[str]:
    """The last three cells of the row of a work."""
    (found,) = [line for line in out.splitlines() if line.startswith(f"| {work} ")]
    return [cell.strip() for cell in found.split("|")[-4:-1]]


# --- the statistics -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(2, 3), (3, 3), (4, 2)])
def test_ways_are_those_of_all_orders(n: int, m: int) -> None:
    counted = [0] * (n * m + 1)
    for places in itertools.combinations(range(n + m), n):
        others = [i for i in range(n + m) if i not in places]
        counted[sum(b < a for a in places for b in others)] += 1
    assert [changes.ways(n, m, u) for u in range(n * m + 1)] == counted


def test_the_interval_holds_what_it_says() -> None:
    """The share of orders beyond an end is within half the level, and one more would not be: 1 + 1 and 1 + 1 + 2 of 3432."""
    assert changes.outside(7, 7) == 1
    assert changes.outside(6, 6) is None
    for n, m in ((7, 7), (14, 14), (7, 20)):
        count = changes.outside(n, m)
        assert count is not None
        shares = np.cumsum([changes.ways(n, m, u) for u in range(count + 2)]) / math.comb(n + m, n)
        assert shares[-2] <= changes.LEVEL / 2 < shares[-1]


def test_noise_alone_is_told_as_often_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4000 pairs of runs that differ by nothing, with the long tails that times have."""
    monkeypatch.setattr(changes, "LEVEL", 0.1)
    rng = np.random.default_rng(0)
    x, y = (0.1 * rng.standard_t(2, (4000, TURNS)) for _ in range(2))
    told = sum(Shift.of(list(a), list(b)).told(0.0) for a, b in zip(x, y, strict=True))
    count = changes.outside(TURNS, TURNS)
    assert count is not None
    want = 4000 * 2 * sum(changes.ways(TURNS, TURNS, u) for u in range(count + 1)) / 3432
    assert 300 < want <= 400
    assert abs(told - want) < 4 * math.sqrt(want)


def test_a_shift_is_found_with_its_interval() -> None:
    before, after = np.log(spread(0.02)), np.log(1.1 * spread(0.02))
    found = Shift.of(list(before), list(after))
    assert found.factor == pytest.approx(1.1, rel=1e-12)
    differences = np.sort((after[None] - before[:, None]).ravel())
    assert (found.low, found.high) == (math.exp(differences[1]), math.exp(differences[-2]))
    assert found.told(0.0)
    assert not found.told(0.11)  # runs drift apart by more


def test_what_is_stored_of_a_turn_is_its_mean() -> None:
    assert measure.recorded([1.0, 3.0, 2.0, 4.0, 1 / 3, 1 / 3])["turns"] == [2.0, 3.0, 0.33333]
    assert measure.recorded([1.0, 3.0], 1)["turns"] == [1.0, 3.0]


# --- what is told ---------------------------------------------------------------------------------------------------------------


def test_a_slow_down_beyond_the_noise_is_told(compare: Any) -> None:
    before = run(entry("slow", 1.0, 0.02), entry("quick", 1.0, 0.02), entry("same", 1.0, 0.05))
    after = run(entry("slow", 1.1, 0.02), entry("quick", 0.8, 0.02), entry("same", 1.01, 0.05))
    code, out, _, record = compare(before, after)
    assert code == 0
    assert said(out, "slow") == ["2.00 to 1.82", "+10 %", "slower by 10 % (noise 3.4 %)"]
    assert said(out, "quick") == ["2.00 to 2.50", "-20 %", "faster by 20 % (noise 3.4 %)"]
    assert said(out, "same") == ["2.00 to 1.98", "+1 %", "no difference that can be told from the noise (8.8 %)"]
    assert "\n1 slower, 1 faster, 1 with no difference that can be told; all together faster by 3.9 %\n" in out
    assert [row["work"] for row in record["rows"]] == ["slow", "same", "quick"]  # the worst first
    assert [row["told"] for row in record["rows"]] == [True, False, True]
    assert record["rows"][0]["factor"] == pytest.approx(1.1)


def test_the_worst_is_first(compare: Any) -> None:
    """What is told to be slower by more; what is told at all; of the rest what may be slower; what is told to be faster."""
    factors = {"faster": (0.5, 0.01), "same": (1.0, 0.01), "perhaps": (1.5, 0.8), "slow": (1.1, 0.01), "slower": (1.2, 0.01)}
    before = run(*(entry(name, 1.0, noise) for name, (_, noise) in factors.items()))
    *_, record = compare(before, run(*(entry(name, factor, noise) for name, (factor, noise) in factors.items())))
    assert [row["work"] for row in record["rows"]] == ["slower", "slow", "perhaps", "same", "faster"]


@pytest.mark.parametrize(("limit", "want"), [("9", 1), ("11", 0)])
def test_fail_above(compare: Any, limit: str, want: int) -> None:
    """A work that is slower by 10 %; and one by 50 %, which its noise of 80 % hides."""
    before = run(entry("slow", 1.0, 0.02), entry("wild", 1.0, 0.8))
    after = run(entry("slow", 1.1, 0.02), entry("wild", 1.5, 0.8))
    assert compare(before, after, "--fail-above", limit)[0] == want


def test_what_slows_the_whole_machine_is_no_slow_down(compare: Any) -> None:
    """Half as fast, and in each turn differently: the ratio to the other of the same turn is what it was."""
    wild = [1.0, 3.0, 1.2, 2.0, 5.0, 1.1, 2.5]
    code, out, *_ = compare(run(entry("a", 1.0, 0.01)), run(entry("a", 1.0, 0.01, machine=wild)), "--fail-above", "5")
    assert code == 0
    assert said(out, "a")[0] == "2.00 to 2.00"
    assert said(out, "a")[1] == "+100 %"  # by the clock
    assert said(out, "a")[2] == "no difference that can be told from the noise (1.7 %)"


def test_drift_is_that_of_others_among_themselves(compare: Any) -> None:
    """SciPy has become 20 % slower beside torch, though neither has changed: so 15 % of ours is no news, and 30 % is."""
    before = run(entry("a", 1.0, 0.01, SciPy=1.0), entry("b", 1.0, 0.01, SciPy=1.0))
    after = run(entry("a", 1.15, 0.01, SciPy=1.2), entry("b", 1.3, 0.01, SciPy=1.0))
    _, out, _, record = compare(before, after)
    assert said(out, "a")[2] == "no difference that can be told from the noise (20 %)"
    assert said(out, "b")[2] == "slower by 30 % (noise 20 %)"
    assert record["drift"] == pytest.approx({"relative": 0.2, "clock": 0.2})
    assert "Drift between the runs: 20 %, by the clock 20 %" in out
    assert "(2 ratios; the scatter of turns alone would tell of 1 changes)" in out


def test_drift_is_the_largest_of_most() -> None:
    def control(factor: float, beside: str | None = "torch") -> Change:
        return Change("work", 1, "SciPy", beside, None, Shift(factor), Shift(1.0))

    controls = [control(1 + i / 1000) for i in range(19)] + [control(1 / 3), control(1.7, None)]
    drift = Drift.of_controls(controls)
    assert drift == Drift(pytest.approx(0.018), pytest.approx(0.7))
    assert Drift.of_controls([control(1 / 3)]).relative == pytest.approx(2.0)
    assert Drift.of_controls([]) == Drift(0.0, 0.0)
    assert (drift.of(control(1.0)), drift.of(control(1.0, None))) == (drift.relative, drift.clock)


def test_beside_whom(compare: Any) -> None:
    """What the target names; else the contiguous call of our own; and where nobody is, the clock, with its drift."""
    layout = entry("layout", 1.0, 0.0)
    layout["seconds"] = {"lsmx, strided": seconds(2.0, spread(0.01)), "lsmx, contiguous": seconds(1.0, spread(0.0))}
    layout["targets"][0] |= {"ours": "lsmx, strided", "other": "lsmx, contiguous"}
    first = entry("first", 1.0, 0.01)
    first["seconds"]["20 ms"] = {"median": 0.02, "low": 0.02, "high": 0.02}
    del first["seconds"]["torch"]
    third = entry("third", 1.0, 0.01, copy=1.0)
    _, out, _, record = compare(run(layout, first, third), run(layout, first, third))
    pairs = {(row["ours"], row["other"]) for row in record["rows"]}
    assert pairs == {("lsmx, strided", "lsmx, contiguous"), ("lsmx", None), ("lsmx", "torch")}
    assert "lsmx, by the clock" in out


def test_too_few_turns(compare: Any) -> None:
    few = run(entry("a", 1.0, 0.01))
    for taken in few["rows"][0]["seconds"].values():
        taken["turns"] = taken["turns"][:6]
    slow = json.loads(json.dumps(few))
    slow["rows"][0]["seconds"]["lsmx"]["turns"] = [9 * t for t in few["rows"][0]["seconds"]["lsmx"]["turns"]]
    code, out, _, record = compare(few, slow, "--fail-above", "10")
    assert (code, said(out, "a")[2]) == (0, "too few turns to tell; 7 are enough")
    assert record["rows"][0]["noise"] is None


def test_missing_works_are_named(compare: Any) -> None:
    before, after = run(entry("a", 1.0, 0.01), entry("b", 1.0, 0.01)), run(entry("a", 1.0, 0.01), entry("c", 1.0, 0.01, threads=2))
    code, out, _, record = compare(before, after)
    assert code == 0
    assert "only before: b, 1 thread\nonly after: c, 2 threads\n" in out
    assert record["gone"] == ["b, 1 thread"]
    assert compare(before, after, "--fail-above", "10")[0] == 1
    assert compare(before, after, "--fail-above", "10", "--only", "group of A")[0] == 0


# --- what is refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"processor": "another"}, "processor: a processor before, another after"),
        ({"target": "avx512"}, "target of the core: avx2 before, avx512 after"),
        ({"torch": None}, "instructions of PyTorch: AVX2 before, none after"),
        ({"versions": {"lsmx": "2", "numpy": "2", "torch": "4"}}, "torch: 3 before, 4 after"),
        ({"versions": {"numpy": "2", "torch": "3", "jax": "1"}}, "jax: none before, 1 after"),
    ],
)
def test_other_machines_are_refused(compare: Any, other: dict[str, Any], reason: str) -> None:
    before, after = run(entry("a", 1.0, 0.02)), run(entry("a", 1.1, 0.02), **other)
    code, out, err, _ = compare(before, after)
    assert (code, out) == (2, "")
    assert err == f"lsmx bench: --compare: not the same machine and libraries ({reason}); --anyway compares them\n"
    code, out, _, record = compare(before, after, "--anyway")
    assert code == 0
    assert out.startswith(f"NOT THE SAME {reason}\n")
    assert record["unlike"] == [reason]


def test_another_build_of_lsmx_is_what_it_is_for(compare: Any) -> None:
    built = {"versions": {**MACHINE["versions"], "lsmx": "2"}, "arithmetic": 4, "compiler": "another", "date": "later"}  # type: ignore[dict-item]
    assert compare(run(entry("a", 1.0, 0.02)), run(entry("a", 1.0, 0.02), **built))[0] == 0


def test_other_threads_are_refused(compare: Any) -> None:
    code, _, err, _ = compare(run(entry("a", 1.0, 0.02)), run(entry("a", 1.0, 0.02, threads=2)))
    assert code == 2
    assert re.search(
        r"no work is in both, with as many threads: .*before.json has a, 1 thread, .*after.json a, 2 threads; measure the same",
        err,
    )


def test_what_is_no_run_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(run(entry("a", 1.0, 0.02))))
    old = run(entry("a", 1.0, 0.02))
    for taken in old["rows"][0]["seconds"].values():
        del taken["turns"]
    for content, reason in (
        ("{", "not JSON"),
        ("[]", "not what lsmx bench --json writes"),
        ('{"machine": {"versions": {}}}', "not what lsmx bench --json writes"),
        (json.dumps(old), "has medians only"),
    ):
        bad.write_text(content)
        assert main(["bench", "--compare", str(good), str(bad)]) == 2
        assert re.search(rf"--compare: .*bad\.json:? {reason}", capsys.readouterr().err)
    assert main(["bench", "--compare", str(good), str(tmp_path / "none.json")]) == 2
    assert "none.json: No such file" in capsys.readouterr().err
    for word in (["--fail-above", "10"], ["--anyway"]):
        assert main(["bench", *word]) == 2
        assert "give --compare BEFORE.json AFTER.json, too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        *((turns, "the turns of a contestant are times in seconds, one at least") for turns in (["1"] * 7, [0] * 7, [-1.0] * 7)),
        *((turns, "the turns of a contestant are times in seconds, one at least") for turns in ([math.nan] * 7, [], "abc", None)),
        *((turns, "the turns of a contestant are times in seconds, one at least") for turns in ([10**400] * 7, [True] * 7)),
        ([1.0] * 6, "not all contestants have as many turns"),
    ],
)
def test_turns_that_are_no_times_are_refused(compare: Any, turns: Any, reason: str) -> None:
    good, bad = run(entry("a", 1.0, 0.02)), run(entry("a", 1.0, 0.02))
    bad["rows"][0]["seconds"]["torch"]["turns"] = turns
    for runs, name in (((bad, good), "before"), ((good, bad), "after")):
        code, out, err, _ = compare(*runs)
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"lsmx bench: --compare: \S*{name}.json: not what lsmx bench --json writes: a: {reason}\n", err)


def test_more_turns_than_can_be_told_apart_are_refused(compare: Any) -> None:
    many = run(entry("a", 1.0, 0.02))
    for taken in many["rows"][0]["seconds"].values():
        taken["turns"] = [1.0] * 101
    code, out, err, _ = compare(many, many)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"lsmx bench: --compare: \S*before.json: a: more than 100 turns, [^\n]*\n", err)


@pytest.mark.parametrize(
    "change",
    [
        *({"rows": rows} for rows in (3, [3], [{}], {"a": 1})),
        *({"rows": [entry("a", 1.0, 0.02) | change]} for change in ({"work": 3}, {"threads": "two"}, {"seconds": []})),
        *({"rows": [entry("a", 1.0, 0.02) | change]} for change in ({"targets": [3]}, {"targets": [{"group": "g"}]})),
        {"machine": MACHINE | {"versions": []}},
        {"machine": []},
    ],
)
def test_fields_of_another_kind_are_refused(compare: Any, change: dict[str, Any]) -> None:
    good = run(entry("a", 1.0, 0.02))
    code, out, err, _ = compare(good, good | change)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"lsmx bench: --compare: \S*after.json: not what lsmx bench --json writes\n", err)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--plot", "p.png"], "--plot"),
        (["--callgrind"], "--callgrind"),
        (["--threads", "1"], "--threads"),
        (["--device", "cpu"], "--device"),
        (["losses"], "losses"),
        (["log-softmax", "--quick", "--turns", "7"], "log-softmax, --turns, --quick"),
    ],
)
def test_options_of_a_measurement_are_refused(compare: Any, words: list[str], named: str) -> None:
    same = run(entry("a", 1.0, 0.02))
    code, out, err, _ = compare(same, same, *words)
    assert (code, out, err) == (2, "", f"lsmx bench: {named}: with --compare nothing is measured; leave it out\n")


def test_through_the_process(tmp_path: pathlib.Path) -> None:
    """What the command itself has stored, against itself."""
    path = tmp_path / "r.json"
    words = ["bench", "--quick", "--only", "8 x 10 NumPy out="]
    assert main([*words, "--json", str(path)]) == 0
    command = [sys.executable, "-m", "lsmx", "bench", "--compare", str(path), str(path), "--fail-above", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert said(done.stdout, "8 x 10 NumPy out=")[1] == "+0 %"
    assert "0 slower, 0 faster, 1 with no difference that can be told" in done.stdout
