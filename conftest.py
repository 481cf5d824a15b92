"""``--backends`` for all tests here; elsewhere the plugin adds it for those of ``lsmx.testing`` only."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's threads, several for each of pytest's workers, wait for each other

import pytest
from lsmx_pytest import add_option


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backends``."""
    add_option(parser)
