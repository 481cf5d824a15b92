"""``tools/speed_page.py``: the tables of the pages are what the files of figures say."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import re
import subprocess
from types import ModuleType
from typing import Any

import pytest

HOME = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (HOME / "tools" / "speed_page.py").is_file(), reason="tools/ is in the source tree only")


@pytest.fixture
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("speed_page", HOME / "tools" / "speed_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(work: str, group: str, ours: float, other: float, least: float | None) -> dict[str, Any]:
    seconds = {name: {"median": m, "low": m, "high": m} for name, m in (("lsmx", ours), ("torch", other))}
    target = {"group": group, "ours": "lsmx", "other": "torch", "ratio": least, "gain": None}
    return {"work": work, "threads": 1, "elements": 10**6, "seconds": seconds, "targets": [target]}


def results(target: str, quick: bool, *rows: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": f"of {target}", "Python": "3", "versions": {"torch": "2"}, "target": target, "torch": "AVX2"}
    return {"machine": {**machine, "arithmetic": 3}, "turns": 7, "quick": quick, "rows": list(rows)}


TWO = {
    "avx2": results("avx2", False, entry("a", "masks", 1.0, 2.0, 1.5), entry("b", "masks", 1.0, 1.25, 1.5)),
    "avx512": results("avx512", False, entry("a", "masks", 1.0, 3.0, 1.5), entry("c", "strided", 1.0, 0.5, None)),
}
LOSSES = {
    "avx512": results(
        "avx512", False, entry("d", "entropy, float32", 1.0, 2.5, 2.0), entry("e", "entropy, float32", 1.0, 1.9, 2.0)
    ),
    "trial": results("avx512", True, entry("trial", "entropy, float32", 1.0, 9.0, 2.0)),
}


@pytest.fixture
def house(page: ModuleType, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A house with two machines, and one whose figures are of a trial."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks").mkdir()
    for name, content in {**TWO, "trial": results("avx2", True, entry("trial", "masks", 1.0, 9.0, 1.5))}.items():
        (tmp_path / "benchmarks" / f"speed-{name}.json").write_text(json.dumps(content))
    for name, content in LOSSES.items():
        (tmp_path / "benchmarks" / f"losses-{name}.json").write_text(json.dumps(content))
    for path in page.PAGES:
        (tmp_path / path).write_text((HOME / path).read_text())
    monkeypatch.setattr(page, "HOME", tmp_path)
    monkeypatch.setattr(page, "FOLDER", tmp_path / "benchmarks")
    return tmp_path


def test_the_pages_are_current(page: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 0, capsys.readouterr().out


def test_every_marker_has_figures(page: ModuleType) -> None:
    names = [n for path in page.PAGES for n in re.findall(r"figures: (\w+)", (HOME / path).read_text())]
    assert sorted(names) == sorted(page.parts({}, {}, None))


def test_machines_stand_beside_each_other(page: ModuleType) -> None:
    assert page.machine_table(TWO).splitlines() == [
        "| work | beside | target | avx2 | avx512 |",
        "|---|---|---|---|---|",
        "| masks | torch | 1.50 | 1.25 to 2.00 **(1 of 2)** | 3.00 |",
        f"| strided | torch | {page.DASH} | {page.DASH} | 0.50 |",
    ]


def test_what_is_written(page: ModuleType, house: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 1
    assert page.main([]) == 0
    speed, readme = (house / "docs" / "speed.md").read_text(), (house / "README.md").read_text()
    assert "| masks | torch | 1.50 | 1.25 to 2.00 **(1 of 2)** | 3.00 |" in speed
    assert "| masks | torch | 1.25 to 2.00 | 3.00 |" in readme
    assert not any("trial |" in text for text in (speed, readme))
    assert f"| strided | torch | {page.DASH} | {page.DASH} | 0.50 |" in speed
    assert "| strided |" not in readme
    assert "### avx2\n\nof avx2; target avx2 (PyTorch: AVX2); Python 3, torch 2. Arithmetic 3, medians of 14 measurements." in speed
    assert "Targets missed:\n\n- b, 1 thread, beside torch: 1.25 in place of 1.50\n" in speed
    assert speed.count("Every target is reached.") == 1
    assert "| b | 1 | lsmx / torch | 1000 / 1250 ns an element | 1.25 | 1.50 | NO |" in speed
    capsys.readouterr()
    assert page.main(["--check"]) == 0
    (house / "README.md").write_text(readme.replace("1.25 to", "1.55 to"))
    assert page.main(["--check"]) == 1
    assert "README.md: DIFFERS from" in capsys.readouterr().out


def test_losses_have_a_table_and_rows(page: ModuleType, house: pathlib.Path) -> None:
    """The table in the page about losses, every row in the one about speed, and none among those of log-softmax."""
    assert page.main([]) == 0
    speed, losses, readme = ((house / name).read_text() for name in page.PAGES)
    line = "| entropy, float32 | torch | 2.00 | 1.90 to 2.50 **(1 of 2)** |"
    assert f"| work | beside | target | avx512 |\n|---|---|---|---|\n{line}\n<!-- end" in losses
    assert "entropy, float32 | torch" not in speed
    assert "| entropy, float32 | torch | | 1.90 to 2.50 |" in readme
    assert "### losses, avx512\n\nof avx512; target avx512 (PyTorch: AVX2); Python 3, torch 2. Arithmetic 3, medians of 14" in speed
    assert "Targets missed:\n\n- e, 1 thread, beside torch: 1.90 in place of 2.00\n" in speed
    assert "| d | 1 | lsmx / torch | 1000 / 2500 ns an element | 2.50 | 2.00 | yes |" in speed
    assert "| e | 1 | lsmx / torch | 1000 / 1900 ns an element | 1.90 | 2.00 | NO |" in speed
    assert not any("trial |" in text for text in (speed, losses, readme))
    for path in (house / "benchmarks").glob("losses-*.json"):
        path.unlink()
    assert page.main([]) == 0
    for name in page.PAGES[:2]:
        assert "`python tools/speed_page.py --measure --losses` measures this machine" in (house / name).read_text()


def test_measuring_holds_all_to_the_same_instructions(
    page: ModuleType, house: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, dict[str, str]]] = []
    words: list[list[str]] = []

    def run(command: list[str], *, env: dict[str, str], check: bool) -> None:
        assert check
        assert command[1:4] == ["-m", "lsmx", "bench"]
        words.append(command[4:-2])
        ran.append((command[-1], {k: env[k] for k in ("LSMX_CPU", "ATEN_CPU_CAPABILITY", "XLA_FLAGS")}))

    monkeypatch.setattr(subprocess, "run", run)
    assert page.main(["--measure", "avx2", "avx512"]) == 0
    assert [pathlib.Path(path).name for path, _ in ran] == ["speed-avx2.json", "speed-avx512.json"]
    assert ran[0][1] == {"LSMX_CPU": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}
    assert {command[0] for command in words} == {"--threads"}
    assert page.main(["--check"]) == 0
    ran.clear()
    words.clear()
    assert page.main(["--measure", "avx2", "--losses"]) == 0
    assert [(pathlib.Path(path).name, env["ATEN_CPU_CAPABILITY"]) for path, env in ran] == [("losses-avx2.json", "avx2")]
    assert words == [["losses"]]
