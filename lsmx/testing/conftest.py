"""The kit runs on the matrix."""

from lsmx.testing.matrix import backend, pytest_generate_tests

__all__ = ["backend", "pytest_generate_tests"]
