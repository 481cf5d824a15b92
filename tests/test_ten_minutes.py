"""Pages that are pasted, block by block: docs/ten-minutes.md by a newcomer, docs/trainer-equals-server.md by who trains."""

from __future__ import annotations

import pathlib

import pytest

import lsmx
from tests.pasted import BLOCK, WIDTH, faults, says

DOCS = pathlib.Path(lsmx.__file__).parents[1] / "docs"
PAGES = {"ten-minutes": (12, 6), "trainer-equals-server": (25, 15)}
"""At least how many blocks each has to paste, and how many of what they print."""


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages write files into the current folder."""
    monkeypatch.chdir(tmp_path)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_blocks_print_what_the_page_says(name: str) -> None:
    pytest.importorskip("torch")
    text = page(name)
    kinds = [kind for kind, _ in BLOCK.findall(text)]
    to_paste, shown = PAGES[name]
    assert sum(kind in ("python", "sh") for kind in kinds) >= to_paste
    assert sum(kind.startswith("text") for kind in kinds) >= shown
    assert text.count("```python") == kinds.count("python")
    assert faults(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b = lsmx.log_softmax(x)", "b = lsmx.log_softmax(x + 1e-3)"),
        ("close: True", "close: False"),
        ("(x, tokens.numpy())\n", "(x, tokens.numpy() - 1)\n"),
        ("PyTorch: 2e-05", "torch: 2e-05"),
        ("EQUAL: 9", "EQUAL: 8"),
    ],
)
def test_a_page_that_is_wrong_is_seen(old: str, new: str) -> None:
    pytest.importorskip("torch")
    text = page("ten-minutes")
    assert old in text
    [fault] = faults(text.replace(old, new))
    assert fault.startswith("the page says\n")


def test_what_cannot_be_pasted_is_seen() -> None:
    block = "```python\nfor k in range(2):\n    print(k)\n\nprint(3)\n```\n\n```text\n0\n1\n3\n```\n"
    assert faults(block) == []
    for wrong in (block.replace("\n\nprint", "\nprint"), block.replace("(k)", "(k)\n\n    k")):
        with pytest.raises(SyntaxError):
            faults(wrong)
    with pytest.raises(ZeroDivisionError):
        faults("```python\n1 / 0\n```\n")
    wide = f"# {'-' * WIDTH}"
    assert faults(f"```python\n{wide}\n```\n") == [f"wider than {WIDTH}: {wide}"]


def test_text_here_holds_the_words() -> None:
    block = "```python\nprint('off by', 2.5e-7)\n```\n```text here\noff by -1\n```\n"
    assert faults(block) == []
    assert len(faults(block.replace("text here", "text"))) == 1
    assert len(faults(block.replace("off by -1", "off by nothing"))) == 1


@pytest.mark.parametrize(
    ("text", "is_said"), [("a\nb\nc\n", True), ("a\n...\nc\n", True), ("...\nc\n", True), ("a\n", False), ("...\nb\n", False)]
)
def test_dots_stand_for_lines(text: str, is_said: bool) -> None:
    assert says(text, "a\nb\nc\n") == is_said
