"""The losses fused with the last product of a model: the losses of the product, and its gradients, in every library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict
import dask.array
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import differing

ON: dict[str, Callable[[Any], Any]] = {
    "numpy": np.asarray,
    "torch": torch.from_numpy,
    "jax": jnp.asarray,
    "strict": array_api_strict.asarray,
    "dask": dask.array.from_array,
}
RNG = np.random.default_rng(21)
ROWS, WIDTH, CLASSES = (3, 5), 4, 11
# small integers: any library's product of them is exact, whatever its order, so that bits can be compared
H = RNG.integers(-4, 5, (*ROWS, WIDTH)).astype(np.float32)
WEIGHT = RNG.integers(-3, 4, (CLASSES, WIDTH)).astype(np.float32) / 4
BIAS = RNG.integers(-3, 4, CLASSES).astype(np.float32) / 4
Z = H @ WEIGHT.T + BIAS
INDEX = RNG.integers(0, CLASSES, ROWS)
TARGET = np.where(RNG.random(ROWS) < 0.3, -100, INDEX)
T, CLASS_WEIGHT = (0.5 + RNG.random(n, dtype=np.float32) for n in (ROWS, CLASSES))
G = RNG.standard_normal(ROWS).astype(np.float32)

OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.7},
    {"temperature": T, "softcap": 5.0},
    {"label_smoothing": 0.1, "z_loss": 1e-3},
    {"class_weight": CLASS_WEIGHT},
    {"normalizer": 7.0, "ignore_index": -100},
    {"reduction": "sum"},
    {"reduction": "none", "temperature": T},
]
OF_ROWS: list[dict[str, Any]] = [{}, {"temperature": T}, {"softcap": 5.0, "temperature": 0.7}]


def there(name: str, options: dict[str, Any]) -> dict[str, Any]:
    return {key: ON[name](x) if isinstance(x, np.ndarray) else x for key, x in options.items()}


def unfused(options: dict[str, Any]) -> dict[str, Any]:
    """The same options for `cross_entropy`."""
    return {"weight" if key == "class_weight" else key: x for key, x in options.items()}


def cotangent(options: dict[str, Any]) -> np.ndarray:
    return G if options.get("reduction") == "none" else np.asarray(0.75, np.float32)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("chunk", [None, 1, 4, 15, 100])
@pytest.mark.parametrize("name", ["numpy", "torch", "strict", "dask"])
def test_losses_are_those_of_the_product_in_any_chunks(name: str, chunk: int | None) -> None:
    on, size = ON[name], {} if chunk is None else {"chunk": chunk}
    h, w, b = map(on, (H, WEIGHT, BIAS))
    for options in OF_ROWS:
        got = lsmx.linear_log_prob(h, w, on(INDEX), bias=b, **size, **there(name, options))
        assert differing(np.asarray(got), lsmx.log_prob(Z, INDEX, **options)) is None
    for options in OPTIONS:
        got = lsmx.linear_cross_entropy(h, w, on(TARGET), bias=b, **size, **there(name, options))
        assert differing(np.asarray(got), lsmx.cross_entropy(Z, TARGET, **unfused(options))) is None


@pytest.mark.one_in(3)
@pytest.mark.parametrize("chunk", [None, 4])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("name", ["numpy", "torch", "strict", "dask"])
def test_gradients_are_those_of_the_product(name: str, options: dict[str, Any], chunk: int | None) -> None:
    on, size, g = ON[name], {} if chunk is None else {"chunk": chunk}, cotangent(options)
    arrays, bias = map(on, (g, H, WEIGHT, TARGET)), on(BIAS)
    got = [np.asarray(x) for x in lsmx.linear_cross_entropy_backward(*arrays, bias=bias, **size, **there(name, options))]
    dz = lsmx.cross_entropy_backward(g, Z, TARGET, **unfused(options)).astype(np.float64)
    by_hand = dz @ WEIGHT, dz.reshape(-1, CLASSES).T @ H.reshape(-1, WIDTH), dz.sum((0, 1))
    for x, want in zip(got, by_hand, strict=True):
        assert x.dtype == np.float32
        # sums of at most 15 products in float32, each rounded, of numbers that are at most 4 times the largest of dz
        assert np.abs(x - want).max() <= 15 * 2.0**-24 * 15 * 4 * np.abs(dz).max()
        assert np.abs(want).max() > 1e-3
    without = lsmx.linear_cross_entropy_backward(*map(on, (g, H, WEIGHT, TARGET)), **size, **there(name, options))
    assert without[2] is None


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_torch_follows(options: dict[str, Any]) -> None:
    """Gradients by autograd, of parts that are computed again, are those by hand."""
    h, w, b = (torch.from_numpy(x.copy()).requires_grad_() for x in (H, WEIGHT, BIAS))
    g, given = torch.from_numpy(cotangent(options)), there("torch", options)
    loss = lsmx.linear_cross_entropy(h, w, torch.from_numpy(TARGET), bias=b, chunk=4, **given)
    found = torch.autograd.grad(loss, (h, w, b), g)
    dz = lsmx.cross_entropy_backward(cotangent(options), Z, TARGET, **unfused(options)).astype(np.float64)
    by_hand = dz @ WEIGHT, dz.reshape(-1, CLASSES).T @ H.reshape(-1, WIDTH), dz.sum((0, 1))
    for x, want in zip(found, by_hand, strict=True):
        assert np.abs(x.numpy() - want).max() <= 15 * 2.0**-24 * 15 * 4 * np.abs(dz).max()


@pytest.mark.slow
def test_jax_follows() -> None:
    arrays = [jnp.asarray(x) for x in (H, WEIGHT, BIAS)]

    @jax.jit
    def loss(h: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
        return lsmx.linear_cross_entropy(h, w, jnp.asarray(TARGET), bias=b, chunk=4)

    value, found = jax.value_and_grad(loss, argnums=(0, 1, 2))(*arrays)
    assert differing(np.asarray(value), lsmx.cross_entropy(Z, TARGET)) is None
    dz = lsmx.cross_entropy_backward(np.ones((), np.float32), Z, TARGET).astype(np.float64)
    by_hand = dz @ WEIGHT, dz.reshape(-1, CLASSES).T @ H.reshape(-1, WIDTH), dz.sum((0, 1))
    for x, want in zip(found, by_hand, strict=True):
        assert np.abs(np.asarray(x) - want).max() <= 15 * 2.0**-24 * 15 * 4 * np.abs(dz).max()


def test_rows_that_are_hard_stay_alone() -> None:
    """A hidden state with a NaN gives its row alone NaN; rows that are ignored count nothing; no rows at all."""
    h = H.copy()
    h[0, 1] = np.nan
    got = lsmx.linear_log_prob(h, WEIGHT, INDEX, bias=BIAS, chunk=2)
    assert np.isnan(got[0, 1])
    keep = np.arange(15).reshape(ROWS) != 1
    assert differing(got[keep], lsmx.log_prob(Z, INDEX)[keep]) is None
    nothing = np.full(ROWS, -100)
    assert np.isnan(lsmx.linear_cross_entropy(H, WEIGHT, nothing))
    assert lsmx.linear_cross_entropy(H, WEIGHT, nothing, reduction="sum") == 0
    one = np.ones((), np.float32)
    for x in lsmx.linear_cross_entropy_backward(one, H, WEIGHT, nothing, bias=BIAS):
        assert not np.asarray(x).any()
    none = H[:0]
    assert lsmx.linear_log_prob(none, WEIGHT, INDEX[:0]).shape == (0, 5)
    dh, dw, _ = lsmx.linear_cross_entropy_backward(one, none, WEIGHT, INDEX[:0], reduction="sum")
    assert dh.shape == none.shape
    assert not dw.any()


@pytest.mark.parametrize("swapped", [0, 1, 2])
def test_another_byte_order(swapped: int) -> None:
    g, *arrays = np.asarray(0.3), H.astype(np.float64), WEIGHT.astype(np.float64), BIAS.astype(np.float64)
    rng = np.random.default_rng(9)
    arrays = [x + rng.standard_normal(x.shape) for x in arrays]
    h, w, b = arrays
    want = lsmx.linear_cross_entropy_backward(g, h, w, TARGET, bias=b, chunk=4)
    arrays[swapped] = arrays[swapped].astype(arrays[swapped].dtype.newbyteorder())
    h, w, b = arrays
    for x, y in zip(lsmx.linear_cross_entropy_backward(g, h, w, TARGET, bias=b, chunk=4), want, strict=True):
        # another order of the product's sums, of at most 15 terms
        assert np.abs(x - y).max() <= 60 * 2.0**-52 * np.abs(y).max()
