"""Losses in every library: the bits of the definition on NumPy, and what autograds, compilers and ``vmap`` make of them.

XLA compiles most of these in seconds, the divergences in half a minute, and float64 in minutes: JAX has few cases here, and the
others by night.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from autograd.test_util import check_grads as check_hips

import lsmx
from lsmx.testing import Case, Target, differing, evaluate, losses, wanted
from lsmx.testing.inputs import normal, uniform
from lsmx.testing.libraries import library

EXTRA = {"float32": "cross_entropy_of", "float16": "log_prob", "bfloat16": "entropy", "float64": "log_prob"}
"""What XLA compiles in seconds beside what the kit looks at: one loss for each dtype."""


def in_jax() -> list[Any]:
    """What the kit leaves out for the time that it takes: all but a few for the night."""
    found = []
    for name, dtype in itertools.product(losses.LOSSES, EXTRA):
        looked_at = {case.name for case in losses.looked_at("jax", name, dtype)}
        for case in losses.cases_of(name):
            if case.name in {"nasty", "masked"} - looked_at:
                quick = name == EXTRA[dtype] and case.name == "nasty"
                found.append(
                    pytest.param(name, dtype, case, marks=[] if quick else pytest.mark.nightly, id=f"{name}-{dtype}-{case.name}")
                )
    return found


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("name", "dtype", "case"), in_jax())
def test_equal_bits_in_jax(name: str, dtype: str, case: Case) -> None:
    where = library("jax")
    assert isinstance(where, Target)
    got, want = evaluate(where, name, dtype, case), wanted(name, dtype, case)
    assert {d: differing(got[d], want[d]) for d in want} == dict.fromkeys(want)


# ---------------------------------------------------------------- a batch in every library

Z = 3 * normal(1, 8, 5)
Z[2] += 30.0 * (np.arange(5) == 1)
W = Z + normal(2, 8, 5)
INDEX = np.floor(5 * uniform(3, 8)).astype(np.int64)
SEVERAL = np.floor(5 * uniform(4, 8, 3)).astype(np.int64)
SEVERAL[0] = 2
TARGET = np.where(np.arange(8) == 3, -100, INDEX)
P = uniform(5, 8, 5)
WEIGHT, T, G, V = 0.2 + uniform(6, 5), 0.5 + uniform(7, 8), normal(8, 8), normal(9, 8, 5)


def single(*arrays: np.ndarray) -> list[np.ndarray]:
    return [x.astype(np.float32) if x.dtype == np.float64 else x for x in arrays]


def to_torch(*arrays: np.ndarray) -> list[Any]:
    return [torch.from_numpy(np.array(x)) for x in arrays]


def to_jax(*arrays: np.ndarray) -> list[Any]:
    return [jnp.asarray(x) for x in arrays]


Loss = Callable[..., Any]
LOSSES: dict[str, Loss] = {
    "log_prob": lambda z, w, i, k, t, weight, T: lsmx.log_prob(z, i, temperature=T),
    "several": lambda z, w, i, k, t, weight, T: lsmx.log_prob(z, k),
    "entropy": lambda z, w, i, k, t, weight, T: lsmx.entropy(z, temperature=T),
    "cross_entropy": lambda z, w, i, k, t, weight, T: lsmx.cross_entropy(
        z, t, weight=weight, label_smoothing=0.1, temperature=T, reduction="none"
    ),
}
MEANS: dict[str, Loss] = {
    "mean": lambda z, w, i, k, t, weight, T: lsmx.cross_entropy(z, t, weight=weight, label_smoothing=0.1, temperature=T),
    "sum": lambda z, w, i, k, t, weight, T: lsmx.cross_entropy(z, t, reduction="sum", z_loss=0.01),
}
DIVERGENCES: dict[str, Loss] = {
    "kl": lambda z, w, i, k, t, weight, T: lsmx.kl_divergence(z, w, temperature=T),
    "js": lambda z, w, i, k, t, weight, T: lsmx.js_divergence(z, w, temperature=T),
}
DIVERGED: dict[str, Loss] = {
    "mean of kl": lambda z, w, i, k, t, weight, T: lsmx.kl_divergence(z, w, temperature=T, reduction="mean"),
    "sum of js": lambda z, w, i, k, t, weight, T: lsmx.js_divergence(z, w, reduction="sum"),
}
EVERY = LOSSES | MEANS | DIVERGENCES | DIVERGED
BY_HAND: dict[str, Loss] = {
    "log_prob": lambda g, z, w, i, k, t, weight, T: lsmx.log_prob_backward(g, z, i, temperature=T),
    "several": lambda g, z, w, i, k, t, weight, T: lsmx.log_prob_backward(g, z, k),
    "entropy": lambda g, z, w, i, k, t, weight, T: lsmx.entropy_backward(g, z, temperature=T),
    "cross_entropy": lambda g, z, w, i, k, t, weight, T: lsmx.cross_entropy_backward(
        g, z, t, weight=weight, label_smoothing=0.1, temperature=T, reduction="none"
    ),
    "mean": lambda g, z, w, i, k, t, weight, T: lsmx.cross_entropy_backward(
        g, z, t, weight=weight, label_smoothing=0.1, temperature=T
    ),
    "sum": lambda g, z, w, i, k, t, weight, T: lsmx.cross_entropy_backward(g, z, t, reduction="sum", z_loss=0.01),
    "kl": lambda g, z, w, i, k, t, weight, T: lsmx.kl_divergence_backward(g, z, w, temperature=T)[0],
    "js": lambda g, z, w, i, k, t, weight, T: lsmx.js_divergence_backward(g, z, w, temperature=T)[0],
}
GIVEN = (Z, W, INDEX, SEVERAL, TARGET, WEIGHT, T)


def cotangent(shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(normal(11, *shape))


def of_numpy(name: str, arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The value, a cotangent, and the gradient by hand."""
    out = np.asarray(EVERY[name](*arrays))
    g = cotangent(out.shape).astype(out.dtype)
    return out, g, BY_HAND[name](g, *arrays)


def same(got: Any, want: np.ndarray) -> None:
    assert differing(got.detach().numpy() if isinstance(got, torch.Tensor) else np.asarray(got), want) is None


def moved(name: str, arrays: list[np.ndarray], v: np.ndarray) -> np.ndarray:
    """The derivative along a direction in the logits, by PyTorch's forward mode."""
    z, *others = to_torch(*arrays)
    _, along = torch.func.jvp(lambda z: EVERY[name](z, *others), (z,), (torch.from_numpy(v),))  # type: ignore[misc]
    return np.asarray(along.numpy())


@pytest.mark.parametrize("name", BY_HAND)
def test_torch(name: str) -> None:
    """The value and its gradient, with options that are arrays; the derivative along a direction is what the gradient says."""
    for arrays in (list(GIVEN), single(*GIVEN)):
        out, g, dz = of_numpy(name, arrays)
        z, *others = to_torch(*arrays)
        leaf = z.clone().requires_grad_()
        loss = EVERY[name](leaf, *others)
        same(loss, out)
        same(torch.autograd.grad(loss, leaf, torch.from_numpy(g))[0], dz)
        along = moved(name, arrays, V.astype(z.numpy().dtype))
        size = np.abs(dz.astype(np.float64) * V).sum()
        room = 200 * np.finfo(dz.dtype).eps * (size + np.abs(g).sum() * np.abs(V).sum())  # a rounding or two of each term, and of g
        assert abs((g.astype(np.float64) * along).sum() - (dz.astype(np.float64) * V).sum()) <= room


@pytest.mark.parametrize("name", BY_HAND)
def test_hips_autograd(name: str) -> None:
    for arrays in (list(GIVEN), single(*GIVEN)):
        z, *others = arrays
        out, g, dz = of_numpy(name, arrays)

        def f(z: Any, others: Any = others) -> Any:
            return EVERY[name](z, *others)

        pulled, value = autograd.make_vjp(f)(z)
        same(value, out)
        same(pulled(g), dz)
        v = V.astype(z.dtype)
        same(autograd.differential_operators.make_jvp(f)(z)(v)[1], moved(name, arrays, v))


@pytest.mark.parametrize("name", DIVERGED)
def test_divergences_reduced_in_torch(name: str) -> None:
    arrays = single(*GIVEN)
    out = np.asarray(EVERY[name](*arrays))
    z, w, *others = to_torch(*arrays)
    leaves = z.clone().requires_grad_(), w.clone().requires_grad_()
    loss = EVERY[name](*leaves, *others)
    same(loss, out)
    backward = lsmx.kl_divergence_backward if "kl" in name else lsmx.js_divergence_backward
    g = np.full(8, 1 / 8 if "mean" in name else 1.0, np.float32)
    options: dict[str, Any] = {"temperature": arrays[-1]} if "kl" in name else {}
    for got, want in zip(torch.autograd.grad(loss, leaves), backward(g, arrays[0], arrays[1], **options), strict=True):
        same(got, want)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["several", "entropy", "cross_entropy", "mean", "sum"])
def test_jax(name: str) -> None:
    """As it is called, and its gradient in one program."""
    arrays = single(*GIVEN)
    out, g, dz = of_numpy(name, arrays)
    z, *others = to_jax(*arrays)
    same(EVERY[name](z, *others), out)
    step = jax.jit(jax.grad(lambda z, g, *o: (g * EVERY[name](z, *o)).sum()))
    same(step(z, jnp.asarray(g), *others), dz)


@pytest.mark.nightly
@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergences_in_jax(name: str) -> None:
    arrays = single(*GIVEN)
    out, g, dz = of_numpy(name, arrays)
    z, *others = to_jax(*arrays)
    value, pull = jax.vjp(jax.jit(lambda z: EVERY[name](z, *others)), z)
    same(value, out)
    same(pull(jnp.asarray(g))[0], dz)


@pytest.mark.parametrize("name", [*LOSSES, "mean"])
def test_torch_compile(name: str) -> None:
    arrays = single(*GIVEN)
    z, *others = to_torch(*arrays)

    def step(z: torch.Tensor, *others: torch.Tensor) -> Any:
        return EVERY[name](z * 2, *others) * 0.75

    one, two = z.clone().requires_grad_(), z.clone().requires_grad_()
    out, want = torch.compile(step, fullgraph=True, backend="aot_eager")(one, *others), step(two, *others)
    same(out, want.detach().numpy())
    g = torch.from_numpy(cotangent(tuple(want.shape)).astype(np.float32))
    out.backward(g)
    want.backward(g)
    assert one.grad is not None
    assert two.grad is not None
    same(one.grad, two.grad.numpy())


def test_token_stats_compiled() -> None:
    arrays = single(Z, INDEX)
    want = lsmx.token_stats(arrays[0], arrays[1], temperature=0.7, softcap=20.0)
    found = [
        torch.compile(lambda z, i: lsmx.token_stats(z, i, temperature=0.7, softcap=20.0), fullgraph=True, backend="aot_eager")(
            *to_torch(*arrays)
        ),
        jax.jit(lambda z, i: lsmx.token_stats(z, i, temperature=0.7, softcap=20.0))(*to_jax(*arrays)),
    ]
    for stats in found:
        for got, right in zip(stats[:3], want[:3], strict=True):
            same(got, right)
        assert np.array_equal(np.asarray(stats.rank), want.rank)


# ---------------------------------------------------------------- gradients by differences, and of gradients


def checked(f: Callable[..., Any], *inputs: np.ndarray) -> None:
    """By differences in float64, in reverse and in forward mode."""
    given = tuple(torch.tensor(x, requires_grad=True) for x in inputs)
    assert torch.autograd.gradcheck(f, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, given, check_fwd_over_rev=True)


SMALL = Z[:2] / 3
MASK = uniform(12, 2, 5) < 0.7
MASK[:, 1] = True


@pytest.mark.nightly
def test_gradients_by_differences() -> None:
    index, several, target, weight, t = to_torch(INDEX[:2], SEVERAL[:2], TARGET[:2], WEIGHT, T[:2])
    mask = torch.from_numpy(MASK)
    for where in (None, mask):
        at = index if where is None else torch.ones(2, dtype=torch.int64)
        checked(lambda z, i=at, m=where: lsmx.log_prob(z, i, where=m), SMALL)
        checked(lambda z, m=where: lsmx.entropy(z, where=m), SMALL)
        for kind in ("none", "mean"):
            checked(
                lambda z, i=at, m=where, r=kind: lsmx.cross_entropy(z, i, weight=weight, label_smoothing=0.1, where=m, reduction=r),
                SMALL,
            )
    checked(lambda z: lsmx.log_prob(z, several), SMALL)
    checked(lambda z: lsmx.cross_entropy(z, target, reduction="none"), SMALL)
    checked(lambda z: lsmx.cross_entropy(z, target, z_loss=0.1, temperature=t), SMALL)
    checked(lambda z: lsmx.cross_entropy(z, target, z_loss=0.1, weight=weight, label_smoothing=0.1, reduction="none"), SMALL)
    checked(lambda z: lsmx.cross_entropy(z, target, z_loss=0.1, softcap=3.0, temperature=t), SMALL)
    checked(lambda z: lsmx.log_prob(z, several, temperature=t), SMALL)
    checked(lambda z: lsmx.log_prob(z, several, temperature=0.7, where=torch.ones(2, 5, dtype=torch.bool)), SMALL)
    checked(lambda z: lsmx.entropy(z, temperature=0.7, where=mask), SMALL)
    checked(lambda z: lsmx.entropy(z, softcap=2.0, temperature=0.7), SMALL)
    checked(lambda z, p: lsmx.cross_entropy(z, p, weight=weight, label_smoothing=0.1), SMALL, P[:2])
    checked(lambda z, p: lsmx.cross_entropy(z, p, weight=weight, temperature=t), SMALL, P[:2])
    checked(lambda z, p: lsmx.cross_entropy(z, p, reduction="none", where=mask), SMALL, P[:2])
    checked(lambda z, w: lsmx.kl_divergence(z, w), SMALL, W[:2] / 3)
    checked(lambda z, w: lsmx.kl_divergence(z, w, temperature=t, where=mask), SMALL, W[:2] / 3)
    checked(
        lambda z, p: lsmx.cross_entropy(
            z, p, weight=weight, label_smoothing=0.1, z_loss=0.1, softcap=2.0, temperature=t, where=mask, reduction="none"
        ),
        SMALL,
        P[:2],
    )
    checked(lambda z, w: lsmx.js_divergence(z, w, where=mask), SMALL, W[:2] / 3)
    checked(lambda z, w: lsmx.js_divergence(z, w, temperature=t), SMALL, W[:2] / 3)
    checked(lambda z: lsmx.log_prob(z, several, softcap=2.0, temperature=t), SMALL)
    checked(lambda z: lsmx.token_stats(z, index, where=mask).lse, SMALL)
    checked(lambda z: lsmx.token_stats(z, index, temperature=t).lse, SMALL)
    checked(lambda z: lsmx.token_stats(z, index, temperature=t, softcap=2.0).lse, SMALL)
    stats = lsmx.token_stats(torch.tensor(SMALL, requires_grad=True), index)
    assert [x.requires_grad for x in stats] == [True, True, True, False]


def test_gradients_by_differences_in_hips_autograd() -> None:
    def total(z: Any) -> Any:
        return anp.sum(G[:2] * lsmx.log_prob(z, INDEX[:2])) + lsmx.cross_entropy(
            z, TARGET[:2], weight=WEIGHT, label_smoothing=0.1, reduction="sum"
        )

    check_hips(total, modes=["fwd", "rev"], order=2)(SMALL)
    check_hips(lambda z: anp.sum(G[:2] * lsmx.entropy(z)), modes=["fwd", "rev"], order=2)(SMALL)
    check_hips(lambda z: anp.sum(G[:2] * lsmx.kl_divergence(z, W[:2] / 3, temperature=T[:2])), modes=["fwd", "rev"], order=2)(SMALL)
    check_hips(lambda w: anp.sum(G[:2] * lsmx.js_divergence(W[:2] / 3, w)), modes=["fwd", "rev"], order=2)(SMALL)
    check_hips(lambda z: anp.sum(G[:2] * lsmx.entropy(z, softcap=2.0, temperature=T[:2])), modes=["fwd", "rev"], order=2)(SMALL)


def test_second_derivatives_of_logits_that_are_not_finite() -> None:
    """0 at -inf, also under a soft cap, and the others as if that were not there."""
    z, g, v, index = normal(3, 4, 5), normal(4, 4), normal(5, 4, 5), np.zeros(4, np.int64)
    z[:, 2] = -float("inf")
    keep = [0, 1, 3, 4]
    for f in (
        lambda z, i: lsmx.log_prob(z, i, softcap=2.0),
        lambda z, i: lsmx.entropy(z, softcap=2.0, temperature=0.7),
        lambda z, i: lsmx.cross_entropy(z, i, softcap=2.0, z_loss=0.1, reduction="none"),
        lambda z, _: lsmx.js_divergence(z, z.detach().flip(0)),
    ):
        got, want = (second_of(f, *(x[:, k] if x.ndim == 2 else x for x in (z, g, v)), index) for k in (slice(None), keep))
        assert np.array_equal(got[:, keep], want)
        assert not got[:, 2].any()


def second_of(f: Callable[..., Any], z: np.ndarray, g: np.ndarray, v: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The derivative of ``sum(v dz)``, ``dz`` the gradient at the cotangent ``g``."""
    logits = torch.tensor(z, requires_grad=True)
    (dz,) = torch.autograd.grad(f(logits, torch.from_numpy(index)), logits, torch.from_numpy(g), create_graph=True)
    (found,) = torch.autograd.grad(dz, logits, torch.from_numpy(np.ascontiguousarray(v)))
    return found.numpy()


def test_third_derivatives() -> None:
    """Of what second derivatives are made of: against PyTorch's own, in ulp of the largest, since those cancel."""
    z, w = torch.from_numpy(normal(6, 4)), torch.from_numpy(normal(7, 4))

    def capped(z: torch.Tensor) -> torch.Tensor:
        return -torch.log_softmax(2.0 * torch.tanh(z / 2.0) / 0.7, -1)[1]

    def js(z: torch.Tensor) -> torch.Tensor:
        p, q = torch.softmax(z, -1), torch.softmax(w, -1)
        return (p * torch.log(2 * p / (p + q)) + q * torch.log(2 * q / (p + q))).sum() / 2

    for ours, theirs in (
        (lambda z: lsmx.cross_entropy(z[None], torch.tensor([1]), softcap=2.0, temperature=0.7), capped),
        (lambda z: lsmx.js_divergence(z, w), js),
    ):
        got, want = (torch.func.jacrev(torch.func.jacrev(torch.func.grad(f)))(z) for f in (ours, theirs))
        assert (got - want).abs().max() < 64 * torch.finfo(z.dtype).eps * want.abs().max()


# ---------------------------------------------------------------- vmap


@pytest.mark.parametrize("dims", [(0, 0, None, None), (0, None, 0, 0), (None, 0, None, 0), (0, 0, 0, 0)])
@pytest.mark.parametrize("name", ["log_prob", "entropy", "cross_entropy"])
def test_vmap(name: str, dims: tuple[Any, ...]) -> None:
    """Each array batched or not: the bits of one call after the other."""

    def f(z: Any, i: Any, weight: Any, T: Any) -> Any:
        if name == "cross_entropy":
            return lsmx.cross_entropy(z, i, weight=weight, temperature=T, label_smoothing=0.1, reduction="none")
        return lsmx.log_prob(z, i, temperature=T) if name == "log_prob" else lsmx.entropy(z, temperature=T)

    draw = np.random.default_rng(1)
    arrays = single(Z, INDEX, WEIGHT, T)
    given = [
        x if d is None else np.stack([draw.permutation(x.reshape(-1)).reshape(x.shape) for _ in range(3)])
        for x, d in zip(arrays, dims, strict=True)
    ]
    want = np.stack([f(*(x if d is None else x[i] for x, d in zip(given, dims, strict=True))) for i in range(3)])
    same(torch.func.vmap(f, in_dims=dims)(*to_torch(*given)), want)
    if name == "log_prob" or dims == (0, 0, 0, 0):
        same(jax.vmap(f, in_axes=dims)(*to_jax(*given)), want)


def test_vmap_of_gradients_and_of_divergences() -> None:
    z, w, t, T_ = to_torch(*single(np.stack([Z, W, -Z]), np.stack([W, -W, Z]), TARGET, T))

    def gradient(z: torch.Tensor) -> Any:
        return torch.func.grad(lambda z: lsmx.cross_entropy(z, t, z_loss=0.1, reduction="sum"))(z)

    same(torch.func.vmap(gradient)(z), np.stack([gradient(x) for x in z]))

    def mean(z: torch.Tensor) -> Any:
        return lsmx.cross_entropy(z, t, label_smoothing=0.1)

    same(torch.func.vmap(mean)(z), np.stack([mean(x) for x in z]))
    same(torch.func.vmap(torch.func.grad(mean))(z), np.stack([torch.func.grad(mean)(x) for x in z]))
    many = jax.vmap(lambda z: lsmx.cross_entropy(z, jnp.asarray(TARGET), label_smoothing=0.1))(jnp.asarray(z.numpy()))
    same(many, np.stack([mean(x) for x in z]))
    # the Hessian of a mean, against PyTorch's own
    x = torch.tensor(Z[:4] / 3)
    ours, theirs = (
        torch.func.hessian(lambda z, f=f: f(z, t[:4], label_smoothing=0.1))(x)
        for f in (lsmx.cross_entropy, torch.nn.functional.cross_entropy)
    )
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-15)
    for f in (lsmx.kl_divergence, lsmx.js_divergence):
        got = torch.func.vmap(lambda z, w, f=f: f(z, w, temperature=T_))(z, w)
        same(got, np.stack([f(a, b, temperature=T_) for a, b in zip(z, w, strict=True)]))


def test_autograds_save_what_is_known_of_rows() -> None:
    """Four numbers a row beside the logits, so that a gradient walks them once; and not where nothing is followed."""
    z, index = normal(140, 50, 400).astype("float32"), np.arange(50)
    x = torch.from_numpy(z).requires_grad_()
    saved: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(tuple(t.shape)) or t, lambda t: t):  # type: ignore[func-returns-value]
        lsmx.log_prob(x, torch.from_numpy(index), temperature=torch.ones(50))
    assert sorted(saved) == [(50,), (50,), (50, 4), (50, 400)]

    def names(f: Callable[..., Any]) -> list[str]:
        return [equation.primitive.name for equation in jax.make_jaxpr(f)(z).eqns]

    def f(z: Any) -> Any:
        return lsmx.entropy(z).sum()

    assert [name for name in names(f) if "lsmx" in name] == ["lsmx_entropy"]
    with_sums = ["lsmx_row_sums", "lsmx_entropy_with_row_sums", "lsmx_entropy_with_row_sums_backward"]
    assert [name for name in names(jax.grad(f)) if "lsmx" in name] == with_sums


def test_sums_that_are_none_of_these_rows() -> None:
    z = normal(141, 5, 9)
    sums = lsmx.row_sums(z)
    with pytest.raises(TypeError, match=r"row_sums: float is not an array; pass what lsmx\.row_sums returns"):
        lsmx.entropy(z, row_sums=1.0)
    with pytest.raises(TypeError, match=r"row_sums: dtype float64, but the sums of these rows are in float32"):
        lsmx.entropy(z.astype("float32"), row_sums=sums)
    with pytest.raises(TypeError, match=r"row_sums: dtype float32, but the sums of these rows are in float64"):
        lsmx.entropy(z.astype("float32"), row_sums=sums.astype("float32"), dtype="float64")
    with pytest.raises(ValueError, match=r"row_sums.*\(4, 4\).*\(5, 4\)"):
        lsmx.entropy(z, row_sums=sums[1:])
    with pytest.raises(ValueError, match=r"z: shape \(\)"):
        lsmx.row_sums(np.asarray(1.0), axis=None)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("options", [{"label_smoothing": 0.1}, {"z_loss": 0.01}, {"label_smoothing": 0.2, "z_loss": 0.1}])
def test_smoothing_and_z_loss_inside_jit(options: dict[str, Any]) -> None:
    z, target = normal(142, 7, 50).astype("float32"), np.asarray([1, 2, -100, 4, 5, 6, 7])
    assert lsmx.explain(jnp.asarray(z), jnp.asarray(target), function="cross_entropy").runs == "core"

    def f(z: Any) -> Any:
        return lsmx.cross_entropy(z, jnp.asarray(target), **options)

    value, gradient = jax.jit(jax.value_and_grad(f))(z)
    assert differing(np.asarray(value), lsmx.cross_entropy(z, target, **options)) is None
    want = lsmx.cross_entropy_backward(np.asarray(1.0, "float32"), z, target, **options)
    assert differing(np.asarray(gradient), want) is None


def test_large_logits_of_16_bits_are_saved_with_their_sums() -> None:
    """The gradient starts from the logits, and walks them for nothing that is known; of few logits, it is as quick without."""
    z, g = torch.from_numpy(normal(150, 100, 300)).bfloat16(), torch.from_numpy(normal(151, 100, 300)).bfloat16()
    function = lsmx.registered()["log_softmax"]
    for rows, shapes in ((100, [(100, 4), (100, 300)]), (20, [(20, 300)])):
        x = z[:rows].clone().requires_grad_()
        saved: list[tuple[int, ...]] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=saved: s.append(tuple(t.shape)) or t, lambda t: t):
            out = lsmx.log_softmax(x)
        assert sorted(saved) == shapes
        assert torch.equal(out.detach(), lsmx.log_softmax(z[:rows]))
        (dz,) = torch.autograd.grad(out, x, g[:rows])
        assert torch.equal(dz, function.derivative("backward_z", {"grad_output": g[:rows]}, {"z": z[:rows]}, -1))
    compiled = torch.compile(lsmx.log_softmax, backend="aot_eager", fullgraph=True)
    x = z.clone().requires_grad_()
    (dz,) = torch.autograd.grad(compiled(x), x, g)
    assert torch.equal(dz, function.derivative("backward_z", {"grad_output": g}, {"z": z}, -1))
