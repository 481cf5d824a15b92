"""NumPy's own kernels equal the definition bit for bit: lengths, tiles, axes, layouts, and rows of every kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx._call import kernels
from lsmx._call.registry import shortcuts
from lsmx.testing import differing

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
DTYPES = ("float16", "float32", "float64")


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where there is no Numba: neither compiled kernels nor the short way to them."""
    monkeypatch.setattr(kernels, "unavailable", lambda: "no compiler")
    before = dict(shortcuts)
    shortcuts.clear()
    yield
    shortcuts.update(before)
    lsmx.set_num_threads(None)


def logits(kind: str, rows: int, n: int) -> np.ndarray:
    """Rows of one kind, or of all."""
    rng = np.random.default_rng([rows, n])
    z = rng.standard_normal((rows, n))
    if kind == "mixed":
        z *= rng.choice([0.1, 1.0, 6.0, 40.0], (rows, 1))
        row = np.arange(rows) % 19
        z[row == 1, 0] = np.inf
        z[row == 2, -1] = np.nan
        z[row == 3] = -np.inf
        z[row == 4, ::2] = -np.inf
        z[row == 5] *= 1e30
        z[row == 6, n // 2] += 30
        z[row == 7] *= 1e-30
        z[row == 8] = 0.0
        z[row == 9] -= 1e8
        z[row == 10] *= 3e-39
        z[row == 11] *= 1e37
        z[row == 12, 0] = -80.0
        z[row == 13] = -3.0
        z[row == 14, 0] += 12
        z[row == 15] = -0.0
        z[row == 16] += 16383.5  # where the clamp ends
        z[row == 17] = np.where(np.arange(n) % 3, 0.0, -87.0 - rng.random(n))
        return z
    shifts = {"normal": 0.0, "negative": -100.0, "positive": 20.0, "deep": 0.0, "steep": 1000.0}
    return z * {"deep": 12.0, "steep": 100.0}.get(kind, 1.0) + shifts[kind]


KINDS = ("mixed", "normal", "negative", "positive", "deep", "steep")


def made(values: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def check(function: str, z: np.ndarray, axis: Any = -1, **options: Any) -> None:
    """By the kernel and by the definition; a warning is an error."""
    before = z.copy()
    assert lsmx.explain(z, function=function, axis=axis).runs == "numpy blocks"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = getattr(lsmx, function)(z, axis=axis, **options)
    with lsmx.using("reference"):
        want = getattr(lsmx, function)(z, axis=axis, **options)
    assert differing(got, want) is None
    assert differing(z, before) is None


@pytest.mark.parametrize("n", [1, 2, 3, 10, 47, 48, 49, 100, 511, 512, 513, 1000, 1025, 4099])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lengths(function: str, dtype: str, n: int) -> None:
    for kind in KINDS:
        check(function, made(logits(kind, max(38, 4200 // n), n), dtype))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_threads(function: str, threads: int) -> None:
    """Each has rows of its own, and none warns of what the contract defines."""
    lsmx.set_num_threads(threads)
    for rows, n in ((30_000, 10), (900, 301), (2, 140_000)):
        check(function, made(logits("mixed", rows, n), "float32"))


@pytest.mark.parametrize("n", [131_073, 262_143, 262_144, 400_001])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_long_rows(function: str, dtype: str, n: int) -> None:
    for kind in ("mixed", "normal", "deep"):
        check(function, made(logits(kind, 19, n)[[0, 1, 4, 6, 9, 12, 17]], dtype))


@pytest.mark.parametrize("shape", [(1_100_000,), (300_007, 5), (1500, 1000)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_many_tiles(function: str, shape: tuple[int, ...]) -> None:
    check(function, made(logits("mixed", int(np.prod(shape[:-1])), shape[-1]), "float32").reshape(shape))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, None, (0, 1), (1, 2)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes_and_layouts(function: str, axis: Any) -> None:
    z = made(logits("mixed", 19 * 40, 900), "float32").reshape(19, 40, 900)
    for x in (z, np.asfortranarray(z), z[:, ::-1, ::-1], z.transpose(1, 0, 2), z[..., ::2], z.astype("float64")):
        check(function, x, axis=axis)
    for keepdims in (False, True):
        if function == "logsumexp":
            check(function, z, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_residual_is_saved(function: str) -> None:
    z = made(logits("normal", 100, 50), "float32")
    kernel = next(k for k in lsmx.backend_for(z).by_task[function, "forward"] if k.name == "numpy blocks")
    ctx = extend.Context()
    out = kernel.plan(ctx, z.T, axis=0)()
    assert ctx.axis == 0  # type: ignore[attr-defined]
    assert [x.shape for x in ctx.saved_tensors] == ([(50, 100), (100,)] if function == "logsumexp" else [(50, 100)])
    assert ctx.saved_tensors[-1] is out


def test_what_is_refused_and_why() -> None:
    def why(z: Any, **options: Any) -> str | None:
        return dict(lsmx.explain(z, **options).passed).get("numpy blocks")

    big = np.zeros((100, 100))
    assert why(big) is None
    assert why(np.ones((20, 10))) == "200 elements: fewer than 4096"
    assert why(big, where=big == 0) == "a mask"
    assert why(big.astype(">f8")) == "not a plain numpy.ndarray of native floats"
    assert why(np.zeros((20, 20, 20)), axis=(0, 2)) == "axes that are not neighbours"
    assert why(np.zeros((20, 20, 20)), axis=1) == "20 arrays of 20 x 20, each too small"
    assert why(np.zeros((17000, 2)), axis=0) == "rows of 17000: more than 16384"
    assert str(why(big, axis=3)).startswith("axis: 3 is out of range")
