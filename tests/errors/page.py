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
ACCEPTED = "is not an array; accepted are arrays of NumPy, "
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


def rows(topic: Topic, said: Mapping[Case, Said]) -> list[str]:
    """A topic's rows, of those cases that have been run; of the messages that end with `ACCEPTED` the first."""
    found, listed = [], False
    for case in topic.cases:
        if not case.shown or case not in said or (listed and ACCEPTED in said[case].message):
            continue
        listed |= ACCEPTED in said[case].message
        found.append(row(case, said[case]))
    return found


def table(topic: Topic, said: Mapping[Case, Said]) -> str:
    """A topic's rows under their heads."""
    return "\n".join(["| given | said |", "|---|---|", *rows(topic, said)])


def tables(said: Mapping[Case, Said]) -> str:
    """The tables of all topics under their titles."""
    parts = [part for topic in TOPICS for part in (f"## Messages about {topic.title}", topic.before, table(topic, said)) if part]
    return "\n\n".join(parts) + "\n"
