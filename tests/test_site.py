"""The site: links of the pages, that the reference has every public name, and that every example is a tutorial."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

import lsmx

HOME = pathlib.Path(lsmx.__file__).parents[1]
DOCS, SOURCE = HOME / "docs", "https://example.org/lsmx"
pytestmark = pytest.mark.skipif(not (HOME / "tools" / "site_links.py").is_file(), reason="tools/ is in the source tree only")


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HOME / "tools")


def changed(text: str, here: str = "docs/losses.md") -> tuple[str, list[str]]:
    from site_links import site_text

    pages = {"docs/scale.md": "scale.md", "backends/README.md": "backends.md"}
    return site_text(text, here, HOME, SOURCE, pages)


@pytest.mark.parametrize(
    ("here", "link", "leads"),
    [
        ("docs/losses.md", "scale.md", "scale.md"),
        ("docs/losses.md", "scale.md#jax", "scale.md#jax"),
        ("docs/losses.md", "../backends/README.md#kernels", "backends.md#kernels"),
        ("CONTRIBUTING.md", "docs/scale.md", "scale.md"),
        ("backends/README.md", "example/mylib.py", f"{SOURCE}/blob/main/backends/example/mylib.py"),
        ("backends/README.md", "example", f"{SOURCE}/tree/main/backends/example"),
        ("docs/losses.md", "../README.md#speed", f"{SOURCE}/blob/main/README.md#speed"),
        ("docs/losses.md", "#formulas", "#formulas"),
        ("docs/losses.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_a_link_leads_to_the_site_or_to_the_repository(here: str, link: str, leads: str) -> None:
    assert changed(f"See [it]({link}), [`it`]({link}).", here) == (f"See [it]({leads}), [`it`]({leads}).", [])


@pytest.mark.parametrize("link", ["nowhere.md", "../tests/nowhere.py#L1", "../../outside.md"])
def test_a_link_to_nowhere_is_told(link: str) -> None:
    text, faults = changed(f"[it]({link})")
    assert text == f"[it]({link})"
    assert len(faults) == 1
    assert faults[0].startswith("docs/losses.md: a link that leads nowhere: ")


@pytest.mark.parametrize(
    "text", ["`a[0](nowhere.md)`", "```python\nf[0](nowhere.md)\n```", "<!-- [it](nowhere.md) -->", "``a `b` [c](d.md)``"]
)
def test_code_and_comments_have_no_links(text: str) -> None:
    assert changed(text) == (text, [])


def test_the_empty_line_at_the_end_of_a_block_goes() -> None:
    assert changed("```python\n>>> 1\n\n1\n\n```\n[it](scale.md)\n```\na\n```\n```\n```\n") == (
        "```python\n>>> 1\n\n1\n```\n[it](scale.md)\n```\na\n```\n```\n```\n",
        [],
    )


def test_a_public_name_that_the_reference_has_not_is_told() -> None:
    from site_names import faults, public_names

    names = public_names()
    assert {"lsmx.log_softmax", "lsmx.extend.Function", "lsmx.testing.diagnose", "lsmx_torch.parallel.data_parallel"} <= names
    assert faults(names | {"lsmx.extend.Function.forward"}) == []
    assert faults(names - {"lsmx.entropy"}) == ["the reference has no entry for lsmx.entropy"]
    assert faults(names | {"lsmx.secret"}) == ["the reference has an entry for lsmx.secret, which is not public"]


LISTED = re.compile(r"^\.\. currentmodule:: (\S+)|^   (\w+)$|^\.\. py:\w+:: (\w+)$", re.MULTILINE)


def test_the_reference_has_every_public_name() -> None:
    from site_names import faults

    names, module = set(), ""
    for page in DOCS.glob("api*.md"):
        for block in re.findall(r"```\{eval-rst\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for entered, listed, described in LISTED.findall(block):
                module = entered or module
                names |= {f"{module}.{name}" for name in (listed, described) if name}
    assert faults(names) == []


def test_every_page_is_in_a_list_of_the_site() -> None:
    listed = set()
    for page in (DOCS / "index.md", DOCS / "tutorials.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            listed |= {line for line in block.splitlines() if line and not line.startswith(":")}
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    examples = {path.stem for path in (HOME / "examples").glob("*.py")}
    assert listed == pages | {f"tutorials/{name}" for name in examples}
    shown = (HOME / "examples" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+)\.py\)", shown)) == examples


def test_pages_that_the_search_places_exist() -> None:
    """In docs/scorer.js; those of the reference are made by the build."""
    scorer = (DOCS / "scorer.js").read_text(encoding="utf-8")
    names = [name for group in re.findall(r"/\^\((.+?)\)\$/", scorer) for name in group.split("|") if "\\" not in name]
    assert len(names) > 10
    assert [name for name in names if not (DOCS / f"{name}.md").is_file()] == []


CONF = f"""
import sys
sys.path[:0] = [{str(HOME / "tools")!r}, {str(HOME)!r}]
extensions = ["myst_parser", "site_extension"]
site_home, site_source, site_pages = {{home!r}}, "https://example.org/lsmx", {{{{"more/other.md": "other.md"}}}}
site_modules = ["lsmx.testing"]
"""


def test_sphinx_is_told_of_both(tmp_path: pathlib.Path) -> None:
    """A small site, with links in a page and in one that it includes, and a reference of one name."""
    for library in ("sphinx", "myst_parser"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    docs = tmp_path / "docs"
    for folder in (docs, tmp_path / "more"):
        folder.mkdir()
    (docs / "conf.py").write_text(CONF.format(home=str(tmp_path)))
    reference = "```{eval-rst}\n.. py:function:: lsmx.testing.bits(x)\n```\n"
    (docs / "index.md").write_text(
        f"# A\n\n[b](../more/other.md) [c](conf.py) [d](gone.md)\n\n{reference}\n```{{toctree}}\nother\n```\n"
    )
    (docs / "other.md").write_text("```{include} ../more/other.md\n```\n")
    (tmp_path / "more" / "other.md").write_text("# B\n\n[a](../docs/index.md) [e](../docs/conf.py) [f](lost.md)\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(docs), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    for said in ("docs/index.md: a link that leads nowhere: gone.md", "more/other.md: a link that leads nowhere: lost.md"):
        assert said in done.stderr
    assert "the reference has no entry for lsmx.testing.differing" in done.stderr
    assert "lsmx.testing.bits" not in done.stderr
    index, other = ((tmp_path / "out" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "other"))
    assert 'href="other.html">' in index
    assert 'href="https://example.org/lsmx/blob/main/docs/conf.py"' in index
    assert 'href="index.html">' in other
    assert 'href="https://example.org/lsmx/blob/main/docs/conf.py"' in other


def test_the_source_of_a_function_is_where_it_is_written() -> None:
    pytest.importorskip("sphinx", reason="sphinx is not installed")
    from site_extension import on_imported

    assert lsmx.log_softmax.__module__ == "lsmx"
    found = [on_imported(None, "lsmx", name) for name in ("log_softmax", "using", "TokenStats", "nothing")]  # type: ignore[arg-type]
    assert found == ["lsmx._api", "lsmx._call.using", None, None]


def test_fields_of_named_tuples_are_not_described_by_their_number() -> None:
    pytest.importorskip("sphinx", reason="sphinx is not installed")
    from site_extension import on_member

    assert "Alias for field number" in str(lsmx.TokenStats.rank.__doc__)  # type: ignore[attr-defined]
    assert on_member(None, "attribute", "rank", lsmx.TokenStats.rank, False, None) is True  # type: ignore[arg-type]
    assert on_member(None, "function", "entropy", lsmx.entropy, False, None) is None  # type: ignore[arg-type]
