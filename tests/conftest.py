"""These tests run on the same matrix as the kit in ``lsmx.testing``; those that ask for ``device``, on its CUDA devices."""

from __future__ import annotations

import pytest

from lsmx.testing import Target, matrix
from lsmx.testing.matrix import backend

__all__ = ["backend"]
collect_ignore = ["typed", "programs"]  # calls for type checkers, and what processes of their own run
CUDA = ("torch-cuda", "cupy")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise ``backend`` or ``device``, with ``dtype`` together."""
    matrix.pytest_generate_tests(metafunc)
    if "device" in metafunc.fixturenames:
        matrix.parametrise(metafunc, "device", {k: x for k, x in matrix.chosen(metafunc.config).items() if k in CUDA})


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Target:
    """A library on a CUDA device."""
    return matrix.usable(request)
