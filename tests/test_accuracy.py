"""Against mpmath, in ulp: the only place with tolerances. They are the promise of ``docs/arithmetic.md``.

A forward result is measured at the exact value, a gradient at the larger of the two terms that it is the difference of.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterator

import mpmath as mp
import numpy as np
import pytest

import lsmx
from lsmx.testing import ulp_error
from lsmx.testing.inputs import dominated, normal, uniform
from tests import oracle

LIMIT = 2.0  # ulp
LEAST = {"float32": 2.0**-90, "float64": 2.0**-950}  # below it the second word of the sum may count as 0
LEAST_LOG = {"float32": -87.0, "float64": -708.0}  # a probability whose logarithm is below counts as 0
WORST: dict[str, float] = {}


def offsets(z: np.ndarray) -> np.ndarray:
    """Rows moved to where ``z - max`` cannot be represented."""
    return z + np.asarray([0.0, 0.1, -3.3, 20.7, 90.3, -70.9, 400.1])[np.arange(len(z)) % 7, None]


def tails(n: int) -> np.ndarray:
    """One logit leads a long tail of equal ones: every term of the sum has the same error, so none cancels."""
    leads = [0.0, 0.3, 1.1, 3.3, 5.0, 8.1, 9.7, 11.1, 12.3, 15.0, 18.0, 20.0, 25.0, 30.0]
    z = np.zeros((len(leads), n)) + np.asarray([0.0, 0.1])[np.arange(len(leads)) % 2, None]
    z[:, n // 3] += leads
    return z


def equal_tails() -> np.ndarray:
    """Maxima near 0 over equal tails that ``z - max`` cannot represent."""
    z = np.repeat(-6 * uniform(28, 200, 1), 7, axis=1) - 2.0**-9 * uniform(29, 200, 7)
    z[:, 0] = 0.35 * uniform(30, 200)
    z[::2, 1:] = z[::2, 1:2]
    return z


def far() -> np.ndarray:
    """One logit leads by so much that its own result is tiny, by more in every row, over few, many, equal and unequal ones."""
    leads = np.concatenate([np.arange(17.0, 62.5, 0.7), np.arange(62.5, 658.0, 17.3)])
    z = np.concatenate([np.zeros((len(leads), 40)), 3 * normal(31, len(leads), 40), np.full((len(leads), 40), -np.inf)])
    z[2 * len(leads) :, :2] = normal(32, len(leads), 2)
    z -= np.tile(leads, 3)[:, None]
    z[:, 7] = 0.0
    return z


INPUTS: dict[str, Callable[[], np.ndarray]] = {
    "normal": lambda: offsets(4 * normal(21, 21, 90)),
    "pairs": lambda: offsets(np.stack([uniform(22, 140), 24 * uniform(23, 140)], axis=-1)),
    "equal tails": equal_tails,
    "wide": lambda: 160 * uniform(24, 20, 60) - 80,
    "dominated": lambda: offsets(dominated(25, 78, 40)),
    "far": lambda: np.concatenate([far(), offsets(far()[::3])]),
    "near-equal": lambda: offsets(2.0**-12 * uniform(26, 21, 60)),
    "tails": lambda: tails(700),
    "long": lambda: np.concatenate([3 * normal(27, 1, 50257), tails(50257)[[7, 10]]]),
}


def rows(name: str, dtype: str) -> Iterator[np.ndarray]:
    yield from INPUTS[name]().astype(dtype)


def note(what: str, error: float) -> None:
    """Keep the worst error of each kind, and hold it to the limit."""
    WORST[what] = max(error, WORST.get(what, 0.0))
    assert error <= LIMIT, what


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    """Add the worst errors to the file that LSMX_WORST names, for the table in the docs."""
    yield
    if name := os.environ.get("LSMX_WORST"):
        path = pathlib.Path(name)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({k: max(v, before.get(k, 0.0)) for k, v in {**before, **WORST}.items()}, indent=1))


@pytest.mark.one_in(9, slow=2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", INPUTS)
def test_forward(name: str, dtype: str) -> None:
    for z in rows(name, dtype):
        exact, lse = oracle.log_softmax(z)
        out = lsmx.log_softmax(z)
        counts = [i for i, v in enumerate(exact) if abs(v) >= LEAST[dtype]]
        note(f"log_softmax forward {dtype}", ulp_error(out[counts], [exact[i] for i in counts]))
        s, counted = lsmx.softmax(z), np.asarray([v > LEAST_LOG[dtype] for v in exact])
        note(f"softmax forward {dtype}", ulp_error(s[counted], [mp.exp(exact[i]) for i in np.flatnonzero(counted)]))
        assert (s[~counted] == 0).all()
        # where the maximum and the logarithm cancel, an ulp of the larger one is what there is to be had
        m = oracle.number(z.max())
        if max(abs(m), lse - m) >= LEAST[dtype]:
            note(f"logsumexp forward {dtype}", ulp_error(np.asarray([lsmx.logsumexp(z)]), [lse], [max(abs(m), lse - m)]))


@pytest.mark.one_in(12, slow=2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", INPUTS)
def test_gradient(name: str, dtype: str) -> None:
    for i, z in enumerate(rows(name, dtype)):
        drawn = normal(30 + i, len(z)).astype(dtype)
        one_hot = -(np.arange(len(z)) == i % len(z)).astype(dtype)
        certain = -(np.arange(len(z)) == z.argmax()).astype(dtype)
        out, s = lsmx.log_softmax(z), lsmx.softmax(z)
        at = np.unique(np.r_[: len(z) : 1 + len(z) // 200, z.argmax()])
        smallest = 4 * np.finfo(dtype).smallest_normal
        for g in (drawn, one_hot, certain):
            got = lsmx.log_softmax_backward(g, out)[at]
            exact, scale = oracle.log_softmax_backward(g, out, at)
            used = np.flatnonzero([v > smallest for v in scale])
            note(f"log_softmax backward {dtype}", ulp_error(got[used], [exact[k] for k in used], [scale[k] for k in used]))
            assert (np.abs(np.delete(got, used)) <= smallest).all()
            got = lsmx.softmax_backward(g, s)[at]
            exact, scale = oracle.softmax_backward(g, s, at)
            used = np.flatnonzero([abs(v) > smallest for v in exact])
            note(f"softmax backward {dtype}", ulp_error(got[used], [exact[k] for k in used], [scale[k] for k in used]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_near_certain_class_keeps_its_gradient(dtype: str) -> None:
    """Cross-entropy of a class that is almost certain: ``s - 1`` cancels in the plain formula, and to 0 in float32 from 17 on."""
    for lead in range(5, 31):
        z = np.asarray([0.0, lead, 0.3, -0.7], dtype=dtype)
        out = lsmx.log_softmax(z)
        g = np.asarray([0.0, -1.0, 0.0, 0.0], dtype=dtype)
        got = lsmx.log_softmax_backward(g, out)
        assert got[1] < 0
        note(f"log_softmax backward {dtype}", ulp_error(got[1:2], [mp.expm1(oracle.number(out[1]))]))


def test_the_measure_sees_an_ulp() -> None:
    exact = [mp.mpf(1) / 3]
    value = np.asarray([1 / 3], dtype=np.float32)
    assert ulp_error(value, exact) <= 0.5
    assert 2 < ulp_error(value + 3 * np.spacing(value), exact) < 4
