"""All topics, and the tables of docs/errors.md that are made of what their cases say."""

from __future__ import annotations

from collections.abc import Mapping

from tests.errors import of_adapters, of_arguments, of_authors, of_commands, of_comparisons, of_libraries, of_losses
from tests.errors.case import Case, Topic
from tests.errors.running import Said

TOPICS: tuple[Topic, ...] = (
    *of_arguments.TOPICS,
    *of_losses.TOPICS,
    *of_libraries.TOPICS,
    *of_adapters.TOPICS,
    *of_authors.TOPICS,
    *of_commands.TOPICS,
    *of_comparisons.TOPICS,
)
CASES = tuple(case for topic in TOPICS for case in topic.cases)


def code(text: str) -> str:
    """Text as a cell of a table has it, letter for letter."""
    fence = "``" if "`" in text else "`"
    return "<br>".join(f"{fence}{line}{fence}" for line in text.replace("|", "\\|").splitlines())


def row(case: Case, said: Said) -> str:
    """What was given, and what is said."""
    commands = case.code.startswith("lsmx ")
    kind = "" if commands else f"`{said.error}`<br>"
    return f"| {code(case.code)} | {kind}{code(said.message)} |"


def table(topic: Topic, said: Mapping[Case, Said]) -> str:
    """A topic's rows."""
    rows = [row(case, said[case]) for case in topic.cases if case.shown]
    return "\n".join(["| given | said |", "|---|---|", *rows])


def tables(said: Mapping[Case, Said]) -> str:
    """The tables of all topics under their titles."""
    parts = [part for topic in TOPICS for part in (f"## {topic.title}", topic.before, table(topic, said)) if part]
    return "\n\n".join(parts) + "\n"
