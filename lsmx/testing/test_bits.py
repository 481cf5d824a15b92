"""Every function, direction, dtype and library: the bits of the definition on NumPy, and of the stored digests."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lsmx
from lsmx.testing import DIRECTIONS, Case, Target, cases, differing, evaluate, host_target, wanted
from lsmx.testing.golden import DTYPES, FUNCTIONS, digest_of, golden, key
from lsmx.testing.losses import LOSSES, cases_of
from lsmx.testing.tasks import directions

Result = npt.NDArray[Any]
CASES = {case.name: case for case in cases()}
KINDS = ("dominated", "far", "short", "nasty", "masked", "axes-0-2", "scalar")  # one of each, where kernels are passed over
COMPILED = {"float32": ("nasty", "masked"), "bfloat16": ("nasty",)}
"""Those of them that XLA compiles the definition for, which takes it seconds a case."""
TASKS = [(f, d) for f in FUNCTIONS for d in directions(f)]


@functools.cache
def expected(function: str, dtype: str, case: str) -> dict[str, Result]:
    return wanted(function, dtype, CASES[case])


@functools.lru_cache(maxsize=2 * len(CASES))
def computed(where: Target, function: str, dtype: str, case: str) -> dict[str, Result]:
    return evaluate(where, function, dtype, CASES[case])


def mismatches(where: Target, function: str, direction: str, dtype: str) -> list[str]:
    """What differs from the definition on NumPy, over all cases."""
    found = []
    for case in CASES:
        want = expected(function, dtype, case).get(direction)
        if want is None:
            continue
        text = differing(computed(where, function, dtype, case)[direction], want)
        if text is not None:
            found.append(f"{case}: {text}")
    return found


@pytest.mark.one_in(45, slow=6)
@pytest.mark.parametrize(("function", "direction"), TASKS)
def test_bits(backend: Target, dtype: str, function: str, direction: str) -> None:
    assert mismatches(backend, function, direction, dtype) == []


@pytest.mark.one_in(17, slow=3)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_inside_reference(backend: Target, dtype: str, function: str) -> None:
    kinds = COMPILED.get(dtype, ()) if backend.name == "jax" else KINDS
    if not kinds:
        pytest.skip(f"jax: compiles the definition in {dtype} as in bfloat16, for seconds")
    with lsmx.using("reference"):
        for name in kinds:
            got, want = evaluate(backend, function, dtype, CASES[name]), expected(function, dtype, name)
            assert {d: differing(got[d], want[d]) for d in want} == dict.fromkeys(want)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_golden(function: str, dtype: str, case: str) -> None:
    assert digest_of(function, dtype, expected(function, dtype, case)) == golden()[key(function, dtype, case)]


def test_golden_is_complete() -> None:
    of_16_bits = ["backward_z", "jvp_z"]
    assert [f for f, d in TASKS if d in of_16_bits] == ["log_softmax"] * 2
    assert {(f, d) for f, d in TASKS if d not in of_16_bits} == {(f, d) for f in FUNCTIONS for d in DIRECTIONS} - {
        ("logsumexp", "jacobian")  # which is softmax
    }
    every = dict.fromkeys(FUNCTIONS, CASES) | {f: {case.name: case for case in cases_of(f)} for f in LOSSES}
    assert set(golden()) == {key(f, d, c) for f, named in every.items() for d in DTYPES for c in named}


def test_a_digest_sees_one_bit() -> None:
    results = dict(expected("log_softmax", "float32", "normal"))
    before = digest_of("log_softmax", "float32", results)
    results["backward"] = results["backward"].copy()
    results["backward"].view(np.uint32)[3, 5] ^= 1
    assert digest_of("log_softmax", "float32", results) != before
    assert differing(results["backward"], expected("log_softmax", "float32", "normal")["backward"]) is not None


@pytest.mark.parametrize("case", ["normal", "nasty", "masked", "axes-0-2"])
@pytest.mark.parametrize("function", ["log_softmax", "softmax"])
def test_no_result_is_subnormal_or_minus_zero(function: str, case: str) -> None:
    for dtype in ("float32", "float64"):
        for direction, x in expected(function, dtype, case).items():
            info = np.finfo(dtype)
            assert not (np.signbit(x) & (x == 0)).any(), direction
            assert not ((np.abs(x) > 0) & (np.abs(x) < info.smallest_normal)).any(), direction


def test_cases_hold_every_kind_of_row() -> None:
    z = np.concatenate([case.z.ravel() for case in CASES.values()])
    assert np.isnan(z).any()
    assert np.isposinf(z).any()
    assert np.isneginf(z).any()
    assert ((z == 0) & np.signbit(z)).any()
    assert any(case.where is not None and not case.where.all(axis=-1).all() for case in CASES.values())
    assert isinstance(CASES["nasty"], Case)
    assert host_target().name == "numpy"
