"""Numbers of threads: what is one, and what is not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import lsmx
from lsmx._native import threads as _threads


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    lsmx.set_num_threads(None)
    yield
    lsmx.set_num_threads(None)


@pytest.mark.parametrize("n", [1.5, 2.0, "2", True, False, np.True_, 0, -1, np.int8(-3), np.float64(2), [2], np.ones(1, int), b"2"])
def test_no_numbers_of_threads(n: object) -> None:
    before = lsmx.get_num_threads()
    with pytest.raises(lsmx.ThreadsError) as error:
        lsmx.set_num_threads(n)  # type: ignore[arg-type]
    assert repr(n) in str(error.value)
    assert lsmx.get_num_threads() == before


@pytest.mark.parametrize("n", [1, 2, np.int64(2), np.uint8(1), 64])
def test_numbers_of_threads(n: int) -> None:
    lsmx.set_num_threads(n)
    assert lsmx.get_num_threads() == n
    assert type(lsmx.get_num_threads()) is int


def test_the_environment_is_text() -> None:
    assert _threads.parsed("3", "X") == 3
    for text in ("", "0", "-2", "1.5", "two"):
        with pytest.raises(lsmx.ThreadsError, match=f"^X: '{text}' is not a number of threads"):
            _threads.parsed(text, "X")
