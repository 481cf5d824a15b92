"""What `pytest` leaves out for the sake of time, and that it says so."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

HOME = pathlib.Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.one_in(6, slow=2)
@pytest.mark.parametrize("i", range(12))
def test_many(i): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.nightly
def test_nightly(): pass

@pytest.mark.parametrize("i", range(3))
def test_needs(i): pytest.skip("not installed: pip install a_library")
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of its own with these tests and this project's rules."""
    (tmp_path / "conftest.py").write_text((HOME / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_some.py").write_text(TESTS)
    rules = (
        (HOME / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.pytest.ini_options]\n")[2].partition("\n[tool.")[0]
    )
    rules = re.sub(r"^(testpaths|pythonpath) = .*\n", "", rules, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{rules}\n", encoding="utf-8")
    return tmp_path


SLOW, NIGHTLY, NEEDS = (
    '5 slow: pytest -m "slow and not nightly"',
    "7 nightly: pytest -m nightly",
    "3 not installed: pip install a_library",
)


@pytest.mark.parametrize(
    ("words", "passed", "left"),
    [
        (["-n", "1"], 2, {SLOW, NIGHTLY, NEEDS}),
        (["-n", "0", "-m", "slow and not nightly"], 5, {NIGHTLY, "5 not asked for"}),
        (["-n", "0", "-m", ""], 14, {NEEDS}),
    ],
)
def test_the_summary_says_what_was_left_out(folder: pathlib.Path, words: list[str], passed: int, left: set[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    section = run.stdout.partition(" left out ")[2].splitlines()[1:-1]
    assert {line.strip() for line in section if line} == left
    assert f" {passed} passed" in run.stdout.splitlines()[-1]
