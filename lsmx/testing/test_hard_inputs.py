"""Hard inputs: the answer that the contract gives, from every library."""

from __future__ import annotations

import numpy as np
import pytest

import lsmx
from lsmx.extend import Array
from lsmx.testing import Target, bits, differing, quantise
from lsmx.testing.calls import FUNCTIONS, equal, gradient, run
from lsmx.testing.tasks import has

inf, nan = np.inf, np.nan


@pytest.mark.parametrize("row", [[nan, 1.0, 2.0], [1.0, nan, -inf], [nan, inf, 0.0], [nan, nan, nan]])
def test_nan_fills_its_row_and_no_other(backend: Target, dtype: str, row: list[float]) -> None:
    z = [row, [1.0, 1.0, 1.0]]
    for function in FUNCTIONS[:2]:
        out = run(backend, function, z, dtype)
        assert np.isnan(out[0]).all()
        assert np.isfinite(out[1]).all()
        dz = gradient(backend, function, z, [[1.0, 2.0, 3.0]] * 2, dtype)
        assert np.isnan(dz[0]).all()
        assert np.isfinite(dz[1]).all()
    assert np.isnan(run(backend, "logsumexp", z, dtype)[0])
    assert np.isnan(gradient(backend, "logsumexp", z, [1.0, 1.0], dtype)[0]).all()


NANS = {"float16": (0x7E00, 0xFE35), "bfloat16": (0x7FC0, 0xFFC1), "float32": (0x7FC00000, 0xFFC12345)}
NANS["float64"] = (0x7FF8000000000000, 0xFFF8000000012345)
"""The one NaN of a format, and another."""


def marked(backend: Target, values: np.ndarray, dtype: str, at: tuple[int, ...] | None) -> Array:
    """An array, with a NaN of another sign and payload at an index."""
    x = quantise(values, dtype)
    if at is not None:
        word = {2: np.uint16, 4: np.uint32, 8: np.uint64}[x.itemsize]
        x.view(word)[at] = NANS[dtype][1] << (16 if dtype == "bfloat16" else 0)
    return backend.from_numpy(x, dtype)


@pytest.mark.one_in(8)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_there_is_one_nan(backend: Target, dtype: str, function: str) -> None:
    """Whatever NaN comes in, and in every direction: in logits, cotangents, directions and outputs."""
    rng = np.random.default_rng(6)
    for n in (3, 700):
        drawn = rng.standard_normal((4, 2, n))
        mask = backend.from_numpy(np.arange(n) != 1, "bool")
        for name in ("z", "vector"):
            z = marked(backend, drawn[0], dtype, (0, 0) if name == "z" else None)
            for where in (None, mask):
                results = {}
                out = getattr(lsmx, function)(z, where=where)
                for direction, operation in lsmx.registered()[function].operations.items():
                    vector, *names = operation.takes
                    if direction == "jacobian" and (n > 3 or where is not None or not has(function, direction)):
                        continue
                    if direction == "forward":
                        results[direction] = out
                        continue
                    vectors = {}
                    if direction != "jacobian":
                        shape = tuple(out.shape) if vector == "grad_output" else (2, n)
                        values = drawn[1].ravel()[: np.prod(shape)].reshape(shape)
                        at = (0,) * len(shape) if name == "vector" else None
                        vectors = {vector: marked(backend, values, dtype, at)}
                    else:
                        names = [vector, *names]
                    at_z = {key: {"z": z, "output": out}[key] for key in names}
                    operator = lsmx.registered()[function]
                    results[direction] = operator.derivative(direction, vectors, at_z, -1, where)
                for direction, result in results.items():
                    got = backend.to_numpy(result)
                    patterns = bits(got, dtype)[np.isnan(got)]
                    assert patterns.size or (name, direction) in (("vector", "forward"), ("vector", "jacobian")), direction
                    assert set(patterns.tolist()) <= {NANS[dtype][0]}, direction


def test_plus_infinity(backend: Target, dtype: str) -> None:
    z = [[inf, 1.0, -inf], [inf, inf, 0.0]]
    for function in FUNCTIONS[:2]:
        assert np.isnan(run(backend, function, z, dtype)).all()
    equal(run(backend, "logsumexp", z, dtype), [inf, inf])
    assert np.isnan(gradient(backend, "logsumexp", z, [1.0, 1.0], dtype)).all()


def test_some_minus_infinity(backend: Target, dtype: str) -> None:
    z = [[-inf, 0.0, 0.0]]
    out = run(backend, "log_softmax", z, dtype)
    assert out[0, 0] == -inf
    equal(out[:, 1:], quantise(np.log(np.full((1, 2), 0.5)), dtype))
    equal(run(backend, "softmax", z, dtype), [[0.0, 0.5, 0.5]])
    dz = gradient(backend, "log_softmax", z, [[3.0, 1.0, 0.0]], dtype)
    equal(
        dz if dtype in ("float32", "float64") else np.round(dz), [[3.0, -1.0, -2.0]]
    )  # 16 bits of log(1/2) are not enough for 1/2
    equal(gradient(backend, "softmax", z, [[3.0, 1.0, 0.0]], dtype), [[0.0, 0.25, -0.25]])
    dz = gradient(backend, "logsumexp", z, [2.0], dtype)
    assert dz[0, 0] == 0
    equal(run(backend, "log_softmax", [[-inf, 5.0]], dtype), [[-inf, 0.0]])


def test_nothing_but_minus_infinity(backend: Target, dtype: str) -> None:
    z = [[-inf, -inf]]
    assert np.isnan(run(backend, "log_softmax", z, dtype)).all()
    assert np.isnan(run(backend, "softmax", z, dtype)).all()
    equal(run(backend, "logsumexp", z, dtype), [-inf])
    equal(gradient(backend, "logsumexp", z, [1.0], dtype), [[0.0, 0.0]])


def test_a_row_masked_as_a_whole(backend: Target, dtype: str) -> None:
    z, mask = [[nan, inf, 1.0]], [[False, False, False]]
    equal(run(backend, "log_softmax", z, dtype, mask), [[-inf] * 3])
    equal(run(backend, "softmax", z, dtype, mask), [[0.0] * 3])
    equal(run(backend, "logsumexp", z, dtype, mask), [-inf])
    for function in FUNCTIONS[:2]:
        equal(gradient(backend, function, z, [[nan, 1.0, 2.0]], dtype, mask), [[0.0] * 3])
    equal(gradient(backend, "logsumexp", z, [1.0], dtype, mask), [[0.0] * 3])


def test_masked_entries(backend: Target, dtype: str) -> None:
    z, mask = [[5.0, 0.0, 0.0, nan]], [[False, True, True, False]]
    equal(run(backend, "softmax", z, dtype, mask), [[0.0, 0.5, 0.5, 0.0]])
    out = run(backend, "log_softmax", z, dtype, mask)
    equal(out[:, [0, 3]], [[-inf, -inf]])
    equal(gradient(backend, "log_softmax", z, [[7.0, 1.0, 0.0, nan]], dtype, mask), [[0.0, 0.5, -0.5, 0.0]])
    # a mask broadcasts
    equal(run(backend, "softmax", [[1.0, 2.0], [3.0, 3.0]], dtype, [True, False]), [[1.0, 0.0]] * 2)
    equal(run(backend, "softmax", [[1.0, 2.0], [3.0, 3.0]], dtype, [[True], [False]])[1], [0.0, 0.0])
    # what is left is nothing but -inf: the row is undefined, what is masked is not
    equal(run(backend, "log_softmax", [[-inf, 1.0]], dtype, [[True, False]]), [[nan, -inf]])


@pytest.mark.one_in(11, slow=3)
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0), (0,)])
def test_empty(backend: Target, dtype: str, shape: tuple[int, ...]) -> None:
    z = np.zeros(shape)
    for function in FUNCTIONS[:2]:
        assert run(backend, function, z, dtype).shape == shape
        assert gradient(backend, function, z, z, dtype).shape == shape
    equal(run(backend, "logsumexp", z, dtype), np.full(shape[:-1], -inf))
    equal(run(backend, "logsumexp", z, dtype, keepdims=True), np.full((*shape[:-1], 1), -inf))
    equal(run(backend, "logsumexp", z, dtype, axis=None), -inf)


@pytest.mark.one_in(2)
def test_zero_dimensions(backend: Target, dtype: str) -> None:
    for function, want in zip(FUNCTIONS, (0.0, 1.0, 2.5), strict=True):
        equal(run(backend, function, 2.5, dtype, axis=None), want)
        assert run(backend, function, 2.5, dtype, axis=None).shape == ()
        with pytest.raises(lsmx.AxisError, match="0-d"):
            run(backend, function, 2.5, dtype)


def test_large_equal_logits(backend: Target, dtype: str) -> None:
    if dtype in ("float32", "float64"):
        equal(run(backend, "log_softmax", [1e8, 1e8], dtype), [-np.log(2.0)] * 2)
        equal(run(backend, "softmax", [1e8, 1e8, -1e8], dtype), [0.5, 0.5, 0.0])
        equal(run(backend, "log_softmax", [3e38, -3e38], dtype), quantise(np.asarray([0.0, -6e38]), dtype))


def test_a_cotangent_that_is_not_finite_fills_its_row(backend: Target, dtype: str) -> None:
    g = [[1.0, inf, 0.0], [nan, 0.0, 0.0], [1.0, 2.0, 3.0]]
    for function in FUNCTIONS[:2]:
        dz = gradient(backend, function, [[0.0, -1.0, -200.0]] * 3, g, dtype)
        assert np.isnan(dz[:2]).all()
        assert np.isfinite(dz[2]).all()


@pytest.mark.one_in(2)
def test_jacobians_flatten_several_axes(backend: Target, dtype: str) -> None:
    z = backend.from_numpy(quantise(np.random.default_rng(2).standard_normal((3, 2, 4)), dtype), dtype)
    for function in FUNCTIONS[:2]:
        forward, jacobian = getattr(lsmx, function), getattr(lsmx, f"{function}_jacobian")
        moved = backend.to_numpy(jacobian(forward(z, axis=(0, 2)), axis=(2, 0)))
        flat = backend.to_numpy(z).transpose(1, 0, 2).reshape(2, 12)
        want = backend.to_numpy(jacobian(forward(backend.from_numpy(flat, dtype))))
        assert moved.shape == (2, 12, 12)
        assert differing(moved, want) is None


def test_a_sum_that_overflows_fills_its_row(backend: Target) -> None:
    for z in ([[0.0, 0.0]], [[0.0, -1.0, -50.0]]):
        assert np.isnan(gradient(backend, "log_softmax", z, np.full(np.shape(z), 3e38))).all()
