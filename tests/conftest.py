"""These tests run on the same matrix as the kit in ``lsmx.testing``."""

from lsmx.testing.matrix import backend, pytest_generate_tests

__all__ = ["backend", "pytest_generate_tests"]
