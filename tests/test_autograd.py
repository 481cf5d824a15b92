"""HIPS autograd: the operations through ``defvjp`` and ``defjvp``, to any order; mixed with arrays that it does not follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.differential_operators import make_hvp, make_jvp
from autograd.test_util import check_grads

import lsmx
from lsmx import extend
from lsmx.testing import differing
from tests.test_function import Cube

FUNCTIONS = {"log_softmax": lsmx.log_softmax, "softmax": lsmx.softmax, "logsumexp": lsmx.logsumexp}
RNG = np.random.default_rng(60)
Z, G, V = RNG.standard_normal((3, 5, 6))
MASK = RNG.random((5, 6)) < 0.7
MASK[:, 0] = True


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": None}, {"where": MASK}], ids=["last", "axis-0", "all", "masked"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_three_orders_of_both_modes(function: str, options: dict[str, Any]) -> None:
    """Autograd's own check: random directions and differences in float64, with its tolerances for them."""

    def f(z: Any) -> Any:
        out = FUNCTIONS[function](z, **options)
        return anp.where(MASK, out, 0.0) if function == "log_softmax" and "where" in options else out

    check_grads(f, modes=["rev", "fwd"], order=3)(Z)


@pytest.mark.parametrize("direction", ["backward", "jvp"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_public_derivatives(function: str, direction: str) -> None:
    out = FUNCTIONS[function](Z)
    vector = G[:, 0].copy() if out.ndim == 1 and direction == "backward" else G
    kept = (Z, out) if function == "logsumexp" else (out,)
    f = getattr(lsmx, f"{function}_{direction}")
    check_grads(f, modes=["rev", "fwd"], order=2)(vector, *kept)
    check_grads(lambda vector: f(vector, *kept), modes=["rev"], order=1)(vector)  # a box among arrays


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bits(function: str) -> None:
    out = FUNCTIONS[function](Z)
    g = G[:, 0].copy() if out.ndim == 1 else G
    kept = (Z, out) if function == "logsumexp" else (out,)
    got = autograd.grad(lambda z: anp.sum(g * FUNCTIONS[function](z)))(Z)
    assert differing(got, getattr(lsmx, f"{function}_backward")(g, *kept)) is None
    value, tangent = make_jvp(FUNCTIONS[function])(Z)(V)
    assert differing(value, out) is None
    assert differing(tangent, getattr(lsmx, f"{function}_jvp")(V, *kept)) is None


def test_dtypes_mix_as_in_autograd() -> None:
    """A float64 cotangent is rounded to the dtype of the result; a cast is followed back."""
    z = Z.astype(np.float32)
    got = autograd.grad(lambda z: anp.sum(G * lsmx.log_softmax(z)))(z)
    want = lsmx.log_softmax_backward(G.astype(np.float32), lsmx.log_softmax(z))
    assert differing(got, want) is None
    cast = autograd.grad(lambda z: anp.sum(G * lsmx.log_softmax(z, dtype="float32")))(Z)
    assert differing(cast, want.astype(np.float64)) is None


def test_hessian_vector_product_is_that_of_the_jacobian() -> None:
    """The Hessian of logsumexp is the Jacobian of softmax: sums of six products below 1, two ulp of 1 each."""
    row, v = Z[0], V[0]
    got = make_hvp(lsmx.logsumexp)(row)[0](v)
    assert np.abs(got - lsmx.softmax_jacobian(lsmx.softmax(row)) @ v).max() <= 12 * 2.0**-52


@pytest.fixture
def cube() -> Iterator[extend.Operator]:
    yield extend.register("cube", Cube)
    extend.unregister("cube")


def test_one_call_teaches_it_a_function(cube: extend.Operator) -> None:
    got = autograd.grad(lambda z: anp.sum(G * cube(z)))(Z)
    assert differing(got, G * 3 * Z**2) is None


def test_a_library_that_does_not_belong_is_named() -> None:
    import torch

    with pytest.raises(lsmx.ArrayTypeError, match=r"where: a torch\.Tensor, but z is a autograd"):
        autograd.grad(lambda z: anp.sum(lsmx.softmax(z, where=torch.from_numpy(MASK))))(Z)
