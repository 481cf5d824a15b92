"""``docs/shell.md``: what the commands print in it is what they print."""

from __future__ import annotations

import pathlib
import re

import pytest

from lsmx._cli import main
from lsmx.testing.golden import FUNCTIONS
from lsmx.testing.losses import LOSSES

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "shell.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is in the source tree only")
ELSEWHERE = ("cupy",)  # a row that depends on the machine, and its reason below it


def shown(command: str) -> list[str]:
    """The lines below a command on the page, without times, our version and what was left out."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"```console\n$ {command}\n")
    lines = timeless(rest.partition("```")[0]).splitlines()
    skipped = {at for i, line in enumerate(lines) if line.startswith(ELSEWHERE) for at in (i, i + 1)}
    return [line for i, line in enumerate(lines) if i not in skipped and line != "..."]


def timeless(text: str) -> str:
    """Without the times of a table, and without our version."""
    return re.sub(r" *\d+ (ms|s)(?=  )", " time", re.sub(r"^lsmx \S+:", "lsmx:", text, flags=re.MULTILINE))


def test_every_function_of_verify_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [
        name for name in (*FUNCTIONS, *LOSSES) if f"`{name}`" not in page and name not in {"log_softmax", "softmax", "logsumexp"}
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["lsmx verify", "lsmx verify --compare numpy torch:float32"])
def test_transcripts_are_what_is_printed(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ``lsmx verify`` the rows of NumPy."""
    if "torch" in command:
        pytest.importorskip("torch")
    else:
        monkeypatch.setattr("lsmx._cli.info.roots", lambda: ["numpy"])
        monkeypatch.setattr("lsmx._cli.ways.strict", lambda name: "not installed")
    assert main(command.split()[1:]) == 0
    printed = timeless(capsys.readouterr().out).splitlines()
    lines = shown(command)
    assert len(lines) > 5
    assert [line for line in lines if line not in printed] == []
    places = [printed.index(line) for line in lines if "equal" in line]
    assert places == sorted(places)
