"""``--backends`` for all tests here; elsewhere the plugin adds it for those of ``lsmx.testing`` only."""

from __future__ import annotations

import getpass
import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's threads, several for each of pytest's workers, wait for each other

import pytest
from lsmx_pytest import add_option

from lsmx import ARITHMETIC_VERSION

# PyTorch keeps compiled programs by the names of their operators: those of another arithmetic call them otherwise
COMPILED = f"lsmx-{getpass.getuser()}-inductor-{ARITHMETIC_VERSION}"
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(tempfile.gettempdir(), COMPILED))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backends``."""
    add_option(parser)
