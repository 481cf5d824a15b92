"""Second derivatives: their values, and the same bits in PyTorch, JAX and HIPS autograd, in 16 bits from what was not rounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import differing, quantise
from tests.rows import DTYPES, FUNCTIONS

RNG = np.random.default_rng(41)
Z, W = 3 * RNG.standard_normal((12, 7)), RNG.standard_normal((12, 7))
Z[3] += 40.0 * (np.arange(7) == 2)
Z[4, 5] = -np.inf
G = {False: RNG.standard_normal((12, 7)), True: RNG.standard_normal(12)}
MASK = RNG.random((12, 7)) < 0.8
MASK[:, 2] = True
ROUNDINGS = {False: 12, True: 64}
"""Of the size of what a result is added up from; more where ``s`` is ``exp`` of a rounded output, as log-softmax has it."""
UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


JAX_TRANSPOSES = slice(1, None)  # the forward mode in place of reverse over reverse: its products go in another order


def drawn(function: str, dtype: str) -> tuple[np.ndarray, ...]:
    return tuple(quantise(x, dtype) for x in (Z, G[function == "logsumexp"], W))


def of_torch(f: Callable[[Any], Any], arrays: tuple[np.ndarray, ...], dtype: str) -> list[np.ndarray]:
    """``H w`` of ``g . f``: in reverse over reverse mode, and in forward over reverse mode."""
    z, g, w = (torch.from_numpy(np.array(x)).to(getattr(torch, dtype)) for x in arrays)
    leaf = z.clone().requires_grad_()
    (dz,) = torch.autograd.grad(f(leaf), leaf, g, create_graph=True)
    reverse = torch.autograd.grad(dz, leaf, w)[0]
    _, forward = torch.func.jvp(lambda z: torch.func.vjp(f, z)[1](g)[0], (z,), (w,))
    return [(x.float() if dtype == "bfloat16" else x).detach().numpy() for x in (reverse, forward)]


def of_jax(f: Callable[[Any], Any], arrays: tuple[np.ndarray, ...], dtype: str) -> list[np.ndarray]:
    with jax.enable_x64(dtype == "float64"):
        z, g, w = (jnp.asarray(x).astype(dtype) for x in arrays)

        def gradient(z: Any) -> Any:
            return jax.vjp(f, z)[1](g)[0]

        results = jax.vjp(gradient, z)[1](w)[0], jax.jvp(gradient, (z,), (w,))[1]
        return [np.asarray(x.astype("float32") if dtype == "bfloat16" else x) for x in results]


def of_autograd(f: Callable[[Any], Any], arrays: tuple[np.ndarray, ...], dtype: str) -> list[np.ndarray]:
    z, g, w = (x.astype(dtype) for x in arrays)

    def gradient(z: Any) -> Any:
        return autograd.make_vjp(f)(z)[0](g)

    return [autograd.make_vjp(gradient)(z)[0](w), autograd.differential_operators.make_jvp(gradient)(z)(w)[1]]


def exact(function: str, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """``H w``, and the size of what it is added up from."""
    z, g, w = (x.astype(np.longdouble) for x in arrays)
    s = np.exp(z - z.max(-1, keepdims=True))
    s /= s.sum(-1, keepdims=True)

    def total(x: np.ndarray) -> np.ndarray:
        return x.sum(-1, keepdims=True)

    size = (np.abs(w) + total(s * np.abs(w))) * s
    if function == "logsumexp":
        return g[:, None] * s * (w - total(s * w)), np.abs(g[:, None]) * size
    if function == "log_softmax":
        return -total(g) * s * (w - total(s * w)), total(np.abs(g)) * size
    ds, gs = s * (w - total(s * w)), g - total(s * g)
    return ds * gs - s * total(ds * g), (np.abs(g) + total(s * np.abs(g))) * (size + s * total(size))


def room(function: str, dtype: str, size: np.ndarray) -> np.ndarray:
    """How far a result may be off; float16 has no numbers below 2^-24."""
    of_an_output = function == "log_softmax" and dtype in ("float32", "float64")
    return ROUNDINGS[of_an_output] * UNIT[dtype] * size + 2.0**-24 * (dtype == "float16")


@pytest.mark.one_in(4)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_and_bits(function: str, dtype: str) -> None:
    arrays, f = drawn(function, dtype), getattr(lsmx, function)
    found = {"torch": of_torch(f, arrays, dtype), "jax": of_jax(f, arrays, dtype)}
    if dtype != "bfloat16":
        found["autograd"] = of_autograd(f, arrays, dtype)
    want, size = exact(function, arrays)
    bound = room(function, dtype, size)
    for library, results in found.items():
        unequal = [differing(a, b) for a, b in zip(results, found["torch"], strict=True)]
        assert unequal[JAX_TRANSPOSES if library == "jax" else slice(None)] in ([None], [None, None]), library
        for result in results:
            assert (np.abs(result - want) <= bound).all(), library


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_masked(function: str, dtype: str) -> None:
    arrays = drawn(function, dtype)
    by_torch = of_torch(lambda z: getattr(lsmx, function)(z, where=torch.from_numpy(MASK)), arrays, dtype)
    by_jax = of_jax(lambda z: getattr(lsmx, function)(z, where=jnp.asarray(MASK)), arrays, dtype)
    assert [differing(a, b) for a, b in zip(by_torch, by_jax, strict=True)][JAX_TRANSPOSES] == [None]
    z, g, w = arrays
    kept = (np.where(MASK, z, -np.inf), g if function == "logsumexp" else np.where(MASK, g, 0), np.where(MASK, w, 0))
    want, size = exact(function, kept)
    for result in by_torch:
        assert (result[~MASK] == 0).all()
        assert (np.abs(result - want) <= room(function, dtype, size)).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nan_is_the_one_nan(function: str) -> None:
    """Whatever its sign and payload are in the logits, the cotangent or the direction."""
    marked = np.asarray([0xFFC12345], dtype=np.uint32).view(np.float32)[0]
    for k in range(3):
        arrays = tuple(np.array(x) for x in drawn(function, "float32"))
        arrays[k][(0,) * arrays[k].ndim] = marked
        f = getattr(lsmx, function)
        for results in (of_torch(f, arrays, "float32"), of_jax(f, arrays, "float32"), of_autograd(f, arrays, "float32")):
            for result in results:
                assert np.isnan(result[0]).any()
                assert set(result.view(np.uint32)[np.isnan(result)].tolist()) == {0x7FC00000}
