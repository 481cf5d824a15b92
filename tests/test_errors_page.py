"""docs/errors.md says what is said, and of every place that raises."""

from __future__ import annotations

import importlib
import pathlib
import re
from types import ModuleType

import pytest

import lsmx
from tests.errors import sites
from tests.errors.case import Case, Topic
from tests.errors.page import CASES, TOPICS, row, rows, tables
from tests.errors.running import Said, missing, run

HOME = pathlib.Path(lsmx.__file__).parents[1]
PAGE = HOME / "docs" / "errors.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is in the source tree only")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HOME / "tools")
    return importlib.import_module("errors_page")


def test_the_page_says_what_is_said_of_every_place_that_raises(tool: ModuleType) -> None:
    """In one test, as all cases are run once for both."""
    page = PAGE.read_text(encoding="utf-8")
    reached, absent = set(), {reason for case in CASES if (reason := missing(case)) is not None}
    wrong, said = [], {}
    for case in CASES:
        if missing(case) is None:
            found = said[case] = run(case)
            reached |= found.sites
            if found.error != case.error:
                wrong.append(f"{case.code}: {found.error}, not {case.error}: {found.message}")
            if found.harmed:
                wrong.append(f"{case.code}: has changed {', '.join(found.harmed)}")
    wrong += [f"not on the page: {line}" for topic in TOPICS for line in rows(topic, said) if line not in page]
    if not absent:
        wrong += tool.differing(page, tables(said)) + sites.not_accounted_for(sites.all_places(HOME), reached)
    assert not wrong, "\n".join(wrong)


def test_no_message_shows_where_something_lies() -> None:
    """Neither addresses nor folders of the machine that has written the page."""
    assert re.findall(r"0x[0-9a-f]{4,}|/(?:tmp|home|root|work|usr)\b", PAGE.read_text(encoding="utf-8")) == []


# --- each check can fail ---------------------------------------------------------------------------------------------------------


def test_another_message_is_seen(tool: ModuleType) -> None:
    topic = Topic("axis", (Case("lsmx.log_softmax(z, axis=2)", "AxisError"),))
    said = {case: run(case) for case in topic.cases}
    page = tool.filled(PAGE.read_text(encoding="utf-8"), row(topic.cases[0], said[topic.cases[0]]))
    assert tool.differing(page, row(topic.cases[0], said[topic.cases[0]])) == []
    other = {case: Said(found.error, found.message.replace("2", "3")) for case, found in said.items()}
    assert len(tool.differing(page, row(topic.cases[0], other[topic.cases[0]]))) == 4  # two lines and the names of both


@pytest.mark.parametrize(
    ("source", "reached", "wrong"),
    [
        ("raise ValueError('no')", set(), 1),
        ("raise ValueError('no')", {("lsmx/new.py", 1)}, 0),
        ("raise ValueError(\n    'no'\n)", {("lsmx/new.py", 2)}, 0),
        ("raise ValueError('no')\nraise refused(name)", {("lsmx/new.py", 1)}, 1),
        ("try:\n    f()\nexcept OSError as error:\n    raise\n", set(), 0),
        ("try:\n    f()\nexcept OSError as error:\n    raise error\n", set(), 0),
    ],
)
def test_a_place_that_no_case_reaches_is_seen(source: str, reached: set[tuple[str, int]], wrong: int) -> None:
    found = sites.unreached(sites.places("lsmx/new.py", source), reached)
    assert len(found) == wrong


def test_what_is_left_out_for_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "LEFT_OUT", {("lsmx/new.py", "no"): "why", ("lsmx/new.py", "yes"): "why"})
    found = sites.not_accounted_for(sites.places("lsmx/new.py", "raise ValueError('no')"), set())
    assert found == ["lsmx/new.py: nothing is left out there that says 'yes'"]


def test_a_case_knows_where_it_was_raised() -> None:
    """Not where something was caught on the way: of both only the place whose words the message has."""
    found = run(Case("lsmx.log_softmax([1.0])", "ArrayTypeError"))
    assert sorted({path for path, _ in found.sites}) == ["lsmx/_call/operator.py", "lsmx/_call/registry.py"]
    assert run(Case("1 + 1", "TypeError")).error == "nothing"


def test_an_array_that_a_refused_call_has_changed_is_seen() -> None:
    assert run(Case("z[0, 0] = 7; lsmx.log_softmax(z, axis=2)", "AxisError")).harmed == ["z"]
    assert run(Case("lsmx.log_softmax(z, axis=2)", "AxisError")).harmed == []


def test_topics_have_titles_of_their_own() -> None:
    assert len({topic.title for topic in TOPICS}) == len(TOPICS)
    assert len(CASES) == len({case.code for case in CASES})
