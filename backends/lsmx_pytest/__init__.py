"""The pytest plugin of lsmx: the option ``--backends``, for runs that ask for the conformance kit, and nothing for all others.

    pytest --pyargs lsmx.testing --backends mylib

Every pytest where lsmx is installed loads this module, so it imports pytest only. The tests themselves are in ``lsmx.testing``.

PYTEST_DONT_REWRITE: there is no assertion in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence

import pytest

KIT = "lsmx.testing"
HELP = "libraries to run lsmx's tests on, comma-separated: backends, as in `lsmx info`, or backend-device (default: all)"


def asks_for_kit(args: Sequence[str]) -> bool:
    """Whether a command line names the kit or a part of it."""
    return any(arg == KIT or arg.startswith((f"{KIT}.", f"{KIT}::")) for arg in args)


def add_option(parser: pytest.Parser) -> None:
    """Add ``--backends``, unless somebody has an option of this name: then its value is used."""
    with contextlib.suppress(ValueError):
        parser.addoption("--backends", help=HELP)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Generator[None]:
    """Add the option after the conftests have added theirs."""
    yield
    if asks_for_kit(early_config.invocation_params.args):
        add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse names that are unknown before anything is collected, and register the marker of the kit's tests."""
    if asks_for_kit(config.invocation_params.args):
        from lsmx.testing.matrix import chosen

        config.addinivalue_line("markers", "one_in(quick, slow=1): which cases lsmx's own repository runs by default")
        chosen(config)
