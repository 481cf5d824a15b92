"""docs/ten-minutes.md: its blocks run as a newcomer pastes them, one after the other, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re
from typing import Any

import pytest

import lsmx
from lsmx._cli import main

PAGE = pathlib.Path(lsmx.__file__).parents[1] / "docs" / "ten-minutes.md"
BLOCK = re.compile(r"^```(python|text|)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pasted(page: str) -> list[tuple[str, str]]:
    """What each block of Python prints, and what the page says of it; "" where it says nothing."""
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(page)]
    space: dict[str, Any] = {"exit": lambda: None}
    found: list[tuple[str, str]] = []
    for kind, text in blocks:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, "<pasted>", "exec"), space)
            found.append((out.getvalue(), ""))
        elif kind == "text":
            found[-1] = found[-1][0], text
    return found


def test_blocks_print_what_the_page_says(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    found = pasted(page)
    said = [(printed, text) for printed, text in found if text]
    assert len(found) >= 10
    assert len(said) >= 6
    for printed, text in said:
        assert text in printed, printed  # a report is longer than the line of it that is shown
    [of_ulp] = [printed for printed, _ in found if "ulp" in printed]
    assert of_ulp.startswith("lsmx within 2 ulp: True\nPyTorch within ")
    assert any("of the elements differ, by up to" in printed for printed, _ in found)
    [command] = re.findall(r"^lsmx (verify --compare .*)$", page, re.MULTILINE)
    [last] = re.findall(r"The last line is `([^`]+)`", page)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(command.split()) == 0
    assert out.getvalue().splitlines()[-1] == last


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b = lsmx.log_softmax(x)", "b = lsmx.log_softmax(x + 1e-3)"),
        ("equal: False", "equal: True"),
        ("(x, tokens.numpy())", "(x, tokens.numpy() - 1)"),
    ],
)
def test_a_page_that_is_wrong_is_seen(old: str, new: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    assert old in page
    assert not all(text in printed for printed, text in pasted(page.replace(old, new)))


def test_blocks_can_be_pasted_into_a_prompt() -> None:
    """The prompt of Python ends an indented block at an empty line: there is none."""
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        assert kind != "python" or not re.search(r"^[ \t]", text, re.MULTILINE)
