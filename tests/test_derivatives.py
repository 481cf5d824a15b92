"""VJP, JVP and Jacobian against each other, against differences, and against what autograd libraries say. Random cotangents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import Case, Target
from lsmx.testing.drawn import arguments, held_in

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
RNG = np.random.default_rng(11)
Z = RNG.standard_normal((6, 9)) * 3
MASK = RNG.random((6, 9)) < 0.8


def residual(function: str, z: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, ...]:
    return (z, out) if function == "logsumexp" else (out,)


def vjp(function: str, z: np.ndarray, g: np.ndarray, **options: object) -> np.ndarray:
    out = getattr(lsmx, function)(z, **options)
    return getattr(lsmx, f"{function}_backward")(g, *residual(function, z, out), **options)


def jvp(function: str, z: np.ndarray, v: np.ndarray, **options: object) -> np.ndarray:
    out = getattr(lsmx, function)(z, **options)
    return getattr(lsmx, f"{function}_jvp")(v, *residual(function, z, out), **options)


def close(got: np.ndarray, want: np.ndarray, bound: float) -> None:
    assert np.shape(got) == np.shape(want)
    assert (np.abs(got - want) <= bound).all(), np.abs(got - want).max()


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": (0, 1)}, {"axis": None}, {"where": MASK}], ids=str)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_adjoint_identity(function: str, options: dict[str, object]) -> None:
    """``g . (J v) = (J^T g) . v``. Some 100 roundings of numbers near 1: 1e-13."""
    v = RNG.standard_normal(Z.shape)
    out = getattr(lsmx, function)(Z, **options)
    g = RNG.standard_normal(out.shape)
    if "where" in options and function != "logsumexp":
        g, v = np.where(MASK, g, 0.0), np.where(MASK, v, 0.0)
    left, right = np.sum(g * jvp(function, Z, v, **options)), np.sum(vjp(function, Z, g, **options) * v)
    close(left, right, 1e-13)


@pytest.mark.parametrize("where", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_central_differences(function: str, where: np.ndarray | None) -> None:
    """Error of the difference: h^2 |f'''| / 6 and 1e-16 / h, so 1e-9 at h = 1e-5 with room for the size of g."""
    forward: Callable[..., np.ndarray] = getattr(lsmx, function)
    out = forward(Z, where=where)
    g = RNG.standard_normal(out.shape)
    got = vjp(function, Z, g, where=where)
    h, want = 1e-5, np.zeros_like(Z)
    for at in np.ndindex(Z.shape):
        step = np.zeros_like(Z)
        step[at] = h
        with np.errstate(invalid="ignore"):  # -inf - -inf, where masked
            difference = forward(Z + step, where=where) - forward(Z - step, where=where)
        want[at] = np.sum(g * np.where(np.isfinite(difference), difference, 0.0)) / (2 * h)
    if where is not None and function == "log_softmax":
        want = np.where(where, want, 0.0)
    if where is not None and function != "logsumexp":  # a cotangent of an absent entry is absent
        got_again = vjp(function, Z, np.where(where, g, 0.0), where=where)
        assert np.array_equal(got, got_again)
    close(got, want, 2e-9)


@pytest.mark.parametrize("function", FUNCTIONS[:2])
def test_jacobian_is_vjp_and_jvp_of_unit_vectors(function: str) -> None:
    """Row i is the VJP of unit vector i, column j the JVP; each entry a few roundings of numbers up to 1."""
    out = getattr(lsmx, function)(Z)
    J = getattr(lsmx, f"{function}_jacobian")(out)
    assert J.shape == (6, 9, 9)
    for i in range(9):
        unit = np.zeros_like(Z)
        unit[:, i] = 1.0
        close(vjp(function, Z, unit), J[:, i, :], 1e-15)
        close(jvp(function, Z, unit), J[:, :, i], 1e-15)


def test_jacobians_are_the_textbook_ones() -> None:
    s = lsmx.softmax(Z)
    eye = np.eye(9)
    close(lsmx.log_softmax_jacobian(lsmx.log_softmax(Z)), eye - s[:, None, :], 4e-16)  # two roundings below 1
    close(lsmx.softmax_jacobian(s), eye * s[:, None, :] - s[:, :, None] * s[:, None, :], 4e-16)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_against_torch(function: str) -> None:
    """PyTorch's own gradients in float64: within 1e-14 of numbers up to 10."""
    import torch

    own = {"log_softmax": torch.log_softmax, "softmax": torch.softmax, "logsumexp": torch.logsumexp}[function]
    t = torch.from_numpy(Z).requires_grad_()
    want = own(t, -1)
    g = torch.from_numpy(RNG.standard_normal(want.shape))
    want.backward(g)
    assert t.grad is not None
    close(vjp(function, Z, g.numpy()), t.grad.numpy(), 1e-14)


def test_gradients_of_softmax_sum_to_zero_and_those_of_a_uniform_cotangent_vanish() -> None:
    g = RNG.standard_normal(Z.shape)
    close(vjp("log_softmax", Z, g).sum(-1), np.zeros(6), 1e-14)
    close(vjp("softmax", Z, np.ones_like(Z)), np.zeros_like(Z), 1e-15)


@pytest.mark.one_in(10)
def test_the_residual_is_what_the_contract_says(backend: Target, dtype: str) -> None:
    if (backend.name, dtype) == ("jax", "float64"):
        pytest.skip("outside of lsmx's primitives JAX computes in float64 with x64 only")
    if backend.name == "dask" and dtype != "float32":
        pytest.skip("dask: plans each step anew, for seconds a dtype")
    for name, operator in lsmx.registered().items():
        if name == "mean_of_rows" and backend.name in ("jax", "strict-no_x64"):
            continue  # which has no 64-bit integers here
        axis = None if name == "mean_of_rows" else -1  # that of all rows
        case = Case("residual", Z.astype("float32"), axis)
        ctx, takes = extend.Context(), operator.function.takes
        drawn = arguments(name, case).items()
        given = {n: backend.from_numpy(np.asarray(x, np.float32), held_in(takes[n], dtype)) for n, x in drawn}
        out = operator.function.forward(ctx, *given.values(), axis=axis)
        expected = given | {"output": out}
        assert [id(t) for t in ctx.saved_tensors] == [id(expected[r]) for r in operator.function.residual], name
    assert lsmx.registered()["log_softmax"].function.residual == ("output",)
    assert lsmx.registered()["softmax"].function.residual == ("output",)
    assert lsmx.registered()["logsumexp"].function.residual == ("z",)
    assert lsmx.registered()["log_softmax"].function.narrow.residual == ("z",)
