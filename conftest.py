"""``--backends`` for all tests here; elsewhere the plugin adds it for those of ``lsmx.testing`` only."""

from __future__ import annotations

import pytest
from lsmx_pytest import add_option


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backends``."""
    add_option(parser)
