"""Every loss, direction, dtype and library: the bits of the definition on NumPy, and of the stored digests."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lsmx
from lsmx.testing import Case, Target, differing, evaluate, wanted
from lsmx.testing.golden import DTYPES, digest_of, golden, key
from lsmx.testing.losses import LOSSES, QUICK_CASES, cases_of, looked_at

Result = npt.NDArray[Any]


@functools.cache
def expected(function: str, dtype: str) -> dict[str, dict[str, Result]]:
    """What the definition gives on each case."""
    return {case.name: wanted(function, dtype, case) for case in cases_of(function)}


def mismatches(where: Target, function: str, dtype: str, chosen: list[Case]) -> list[str]:
    """What differs from the definition on NumPy."""
    found = []
    for case in chosen:
        try:
            got = evaluate(where, function, dtype, case)
        except lsmx.DTypeError as error:  # of a device that lacks what a sum over rows is made of
            if function != "mean_of_rows" or "needs 64-bit integers" not in str(error):
                raise
            pytest.skip(f"{where.name}: {error}")
        want = expected(function, dtype)[case.name]
        found += [f"{case.name} {d}: {text}" for d in want if (text := differing(got[d], want[d])) is not None]
        assert got.keys() == want.keys()
    return found


@pytest.mark.one_in(84, slow=9)
@pytest.mark.parametrize("function", LOSSES)
def test_losses(backend: Target, dtype: str, function: str) -> None:
    chosen = looked_at(backend.name, function, dtype)
    if not chosen:
        pytest.skip(f"{backend.name}: takes too long to compile {function} in {dtype}")
    assert mismatches(backend, function, dtype, chosen) == []


@pytest.mark.one_in(24, slow=5)
@pytest.mark.parametrize("function", LOSSES)
def test_losses_inside_reference(backend: Target, dtype: str, function: str) -> None:
    """Without kernels."""
    if len(looked_at(backend.name, function, dtype)) < len(cases_of(function)):
        pytest.skip(f"{backend.name}: the definition of the losses takes too long")
    with lsmx.using("reference"):
        assert mismatches(backend, function, dtype, [case for case in cases_of(function) if case.name in QUICK_CASES]) == []


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", LOSSES)
def test_golden_losses(function: str, dtype: str) -> None:
    found = {key(function, dtype, name): digest_of(function, dtype, results) for name, results in expected(function, dtype).items()}
    assert found == {name: mark for name, mark in golden().items() if name.startswith(f"{function}/{dtype}/")}


@pytest.mark.parametrize(
    ("function", "case"),
    [("log_prob", "several"), ("entropy", "known"), ("cross_entropy", "smoothed"), ("kl_divergence", "temperatures")],
)
def test_a_digest_of_a_loss_sees_one_bit(function: str, case: str) -> None:
    for dtype in ("bfloat16", "float32"):
        results = expected(function, dtype)[case]
        before = digest_of(function, dtype, results)
        for direction, x in results.items():
            changed = np.array(x)
            changed.view(np.uint32).reshape(-1)[-1] ^= 1 << 16
            assert digest_of(function, dtype, results | {direction: changed}) != before, direction
