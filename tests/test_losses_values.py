"""What losses are at special rows, with every option, and what they are to each other: bits where the same numbers are meant."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import differing, quantise
from lsmx.testing.inputs import nasty, normal, uniform

INF, NAN = np.inf, np.nan
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
ABOVE = np.asarray([0.5, 3.0, -1.0, 0.25])


def same(got: Any, want: Any) -> None:
    """The same bits, of NaN too."""
    assert differing(np.asarray(got), np.asarray(want)) is None


def row(dtype: str, *values: float) -> np.ndarray:
    return np.asarray([values], dtype=dtype)


def one(dtype: str) -> np.ndarray:
    """A cotangent that is not 1."""
    return np.asarray([-0.75], dtype=dtype)


def at(i: int) -> np.ndarray:
    return np.asarray([i])


def ce(z: np.ndarray, target: np.ndarray, **options: Any) -> np.ndarray:
    return np.asarray(lsmx.cross_entropy(z, target, reduction="none", **options))


def all_gradients(z: np.ndarray, w: np.ndarray, i: int = 0, where: Any = None) -> dict[str, np.ndarray]:
    """Of every loss of one row, by the logits ``z``."""
    g, p = one(z.dtype.name), np.full(z.shape, 0.25, z.dtype)
    options: dict[str, Any] = {"where": where}
    return {
        "log_prob": lsmx.log_prob_backward(g, z, at(i), **options),
        "entropy": lsmx.entropy_backward(g, z, **options),
        "cross_entropy": lsmx.cross_entropy_backward(g, z, at(i), reduction="none", **options),
        "smoothed": lsmx.cross_entropy_backward(g, z, at(i), reduction="none", label_smoothing=0.1, z_loss=0.1, **options),
        "of probabilities": lsmx.cross_entropy_backward(g, z, p, reduction="none", **options),
        "KL": lsmx.kl_divergence_backward(g, z, w, **options)[0],
        "KL by w": lsmx.kl_divergence_backward(g, w, z, **options)[1],
        "JS": lsmx.js_divergence_backward(g, z, w, **options)[0],
        "JS by w": lsmx.js_divergence_backward(g, w, z, **options)[1],
    }


@DTYPES
@pytest.mark.parametrize("bad", [(1.0, NAN, -INF, INF), (NAN, 0.0, 1.0, 2.0), (INF, 0.0, 1.0, -INF), (INF, INF, 0.0, 0.0)])
def test_rows_with_nan_or_inf(bad: tuple[float, ...], dtype: str) -> None:
    z, w = row(dtype, *bad), ABOVE.astype(dtype)[None]
    for i in range(4):
        assert np.isnan([lsmx.log_prob(z, at(i)), ce(z, at(i)), ce(z, at(i), label_smoothing=0.1, z_loss=0.1)]).all()
    assert np.isnan([lsmx.entropy(z), ce(z, np.full_like(z, 0.25)), ce(z, np.zeros_like(z))]).all()
    assert np.isnan([f(*x) for f in (lsmx.kl_divergence, lsmx.js_divergence) for x in ((z, w), (w, z), (z, z))]).all()
    stats = lsmx.token_stats(z, at(1))
    if np.isnan(z).any():
        assert np.isnan(stats.lse).all()
        assert stats.rank == -1
    else:
        assert stats.lse == INF
        assert stats.rank == (z > z[:, 1:2]).sum()
    for name, dz in all_gradients(z, w).items():
        assert np.isnan(dz).all(), name
    # what a mask leaves out has the gradient 0 there too, and does no harm to the others
    where = np.asarray([[True, True, True, False]])
    for name, dz in all_gradients(z, w, where=where).items():
        assert np.isnan(dz[:, :3]).all(), name
        assert dz[0, 3] == 0, name
    finite = np.isfinite(z)
    for name, dz in all_gradients(z, w, where=finite).items():
        assert np.isnan(dz).any() == (not finite.any()), name
        assert not dz[~finite].any(), name


@DTYPES
@pytest.mark.parametrize("masked", [False, True])
def test_rows_of_nothing(masked: bool, dtype: str) -> None:
    z, w = row(dtype, *(ABOVE if masked else [-INF] * 4)), row(dtype, 0.0, 1.0, 2.0, -1.0)
    where = np.zeros((1, 4), bool) if masked else None
    stats = lsmx.token_stats(z, at(2), where=where)
    assert np.isnan([stats.log_prob, stats.entropy, ce(z, at(2), where=where)]).all()
    assert np.isnan([f(*x, where=where) for f in (lsmx.kl_divergence, lsmx.js_divergence) for x in ((z, w), (w, z))]).all()
    assert stats.lse == -INF
    assert stats.rank == 0
    for name, dz in all_gradients(z, w, where=where).items():
        assert (dz == 0 if masked else np.isnan(dz)).all(), name


@DTYPES
def test_one_finite_class(dtype: str) -> None:
    z, w = row(dtype, -INF, 7.25, -INF, -INF), ABOVE.astype(dtype)[None]
    assert [float(lsmx.log_prob(z, at(i))[0]) for i in range(4)] == [-INF, 0, -INF, -INF]
    assert [float(ce(z, at(i))[0]) for i in range(4)] == [INF, 0, INF, INF]
    assert lsmx.entropy(z) == 0
    assert lsmx.token_stats(z, at(0)).lse == 7.25
    assert [int(lsmx.token_stats(z, at(i)).rank[0]) for i in range(4)] == [1, 0, 1, 1]
    gradients = all_gradients(z, w, i=1)
    for name, dz in gradients.items():
        assert np.isfinite(dz).all() or name in ("smoothed", "of probabilities", "KL by w"), name
    assert not gradients["log_prob"].any()
    assert not gradients["entropy"].any()
    same(lsmx.log_prob_backward(one(dtype), z, at(0)), row(dtype, -0.75, 0.75, 0, 0))  # g - s g
    same(lsmx.cross_entropy_backward(one(dtype), z, at(0), reduction="none"), row(dtype, 0.75, -0.75, 0, 0))


@DTYPES
def test_a_target_without_probability(dtype: str) -> None:
    z = row(dtype, 0.0, 0.0, -INF)
    weight = np.asarray([1.0, 2.0, 0.0], dtype)
    assert lsmx.log_prob(z, at(2)) == -INF
    assert ce(z, at(2)) == INF
    assert ce(z, at(2), weight=weight) == 0
    same(lsmx.log_prob_backward(one(dtype), z, at(2)), row(dtype, 0.375, 0.375, -0.75))
    assert ce(z, at(0), label_smoothing=0.5) == INF
    assert np.isfinite(lsmx.cross_entropy_backward(one(dtype), z, at(0), reduction="none", label_smoothing=0.5)).all()
    # 0 times infinity is 0 here
    p = row(dtype, 0.5, 0.5, 0.0)
    same(ce(z, p), -lsmx.log_prob(z, at(0)))
    same(lsmx.cross_entropy_backward(one(dtype), z, p, reduction="none"), row(dtype, 0, 0, 0))
    # masked out, the same: but a class that is left out takes no share of the smoothing
    where = np.asarray([[True, True, False]])
    x = row(dtype, 0.0, 0.0, 5.0)
    assert lsmx.log_prob(x, at(2), where=where) == -INF
    assert ce(x, at(2), where=where) == INF
    assert ce(x, at(2), where=where, weight=weight) == 0
    same(lsmx.log_prob_backward(one(dtype), x, at(2), where=where), row(dtype, 0.375, 0.375, 0))
    same(ce(x, at(0), where=where, label_smoothing=0.5), -lsmx.log_prob(z, at(0)))
    assert lsmx.token_stats(x, at(2), where=where).rank == 2
    assert lsmx.token_stats(x, at(1), where=where).rank == 0  # ties do not count, nor does what is left out


@DTYPES
def test_supports_that_differ(dtype: str) -> None:
    few, all_ = row(dtype, 0.0, 1.0, -INF), row(dtype, 0.0, 1.0, 2.0)
    g, q = one(dtype), lsmx.softmax(all_)
    assert 0 < lsmx.kl_divergence(few, all_) < INF
    assert 0 < lsmx.js_divergence(few, all_) < np.log(2)
    assert all(np.isfinite(x).all() for x in lsmx.kl_divergence_backward(g, few, all_))
    same(lsmx.kl_divergence(all_, few), row(dtype, INF)[0])
    same(lsmx.js_divergence(all_, few), lsmx.js_divergence(few, all_))
    by_z, by_w = lsmx.kl_divergence_backward(g, all_, few)
    assert np.isnan(by_z).all()
    # q - p: that of the class which only p has is -p to the bit
    assert by_w[0, 2] == g[0] * -q[0, 2]
    assert np.allclose(by_w, g[0] * (lsmx.softmax(few) - q), rtol=1e-6, atol=0)
    for x in lsmx.js_divergence_backward(g, all_, few):
        assert np.isfinite(x).all()
    # nothing in common
    a, b = row(dtype, 0.0, -INF), row(dtype, -INF, 0.0)
    same(lsmx.js_divergence(a, b), np.asarray([np.log(2)], dtype))
    assert lsmx.kl_divergence(a, b) == INF
    same(lsmx.kl_divergence(few, few), np.zeros(1, dtype))


@pytest.mark.slow
def test_indices_outside_of_a_row() -> None:
    """Where they cannot be looked at: NaN, and never a number; the rank is -1."""
    z = jnp.asarray(normal(61, 6, 5).astype(np.float32))
    index = jnp.asarray([0, 5, -1, 4, -100, 2**30], jnp.int32)  # whatever another test has JAX take for integers
    bad = np.asarray([False, True, True, False, True, True])
    weight = jnp.asarray([1.0, 0.0, 1.0, 1.0, 2.0], jnp.float32)
    for options in ({}, {"weight": weight}, {"label_smoothing": 0.1}, {"z_loss": 0.1}):
        got = jax.jit(lambda z, i, o=options: lsmx.cross_entropy(z, i, reduction="none", ignore_index=None, **o))(z, index)
        assert (np.isnan(got) == bad).all()
        ignoring = jax.jit(lambda z, i, o=options: lsmx.cross_entropy(z, i, reduction="none", **o))(z, index)
        assert (np.isnan(ignoring) == (bad & (np.asarray(index) != -100))).all()
        assert ignoring[4] == 0
        assert np.isnan(jax.jit(lambda z, i, o=options: lsmx.cross_entropy(z, i, **o))(z, index))
    stats = jax.jit(lsmx.token_stats)(z, index)
    assert (np.isnan(stats.log_prob) == bad).all()
    assert ((np.asarray(stats.rank) == -1) == bad).all()
    dz = jax.jit(jax.grad(lambda z, i: lsmx.log_prob(z, i).sum()))(z, index)
    assert (np.isnan(dz) == bad[:, None]).all()
    dz = jax.jit(jax.grad(lambda z, i: lsmx.cross_entropy(z, i, reduction="none").sum()))(z, index)
    assert (np.isnan(dz) == (bad & (np.asarray(index) != -100))[:, None]).all()
    assert not np.asarray(dz)[4].any()

    @torch.compile(fullgraph=True, backend="eager")
    def compiled(z: Any, i: Any) -> Any:
        return lsmx.cross_entropy(z, i, reduction="none"), lsmx.token_stats(z, i)

    loss, stats = compiled(torch.from_numpy(np.array(z)), torch.from_numpy(np.array(index)))
    assert (torch.isnan(loss).numpy() == (bad & (np.asarray(index) != -100))).all()
    assert (torch.isnan(stats.log_prob).numpy() == bad).all()
    assert ((stats.rank.numpy() == -1) == bad).all()


@DTYPES
def test_ignored_rows(dtype: str) -> None:
    """Whatever they hold: 0, and so is their gradient; a mean over nothing is NaN, or 0 on request."""
    z = nasty_rows(dtype)[20:]
    target = np.full(len(z), -100)
    options: list[dict[str, Any]] = [{}, {"label_smoothing": 0.1, "z_loss": 0.1, "weight": 1 + ABOVE.astype(dtype) ** 2}]
    for o in options:
        same(ce(z, target, **o), np.zeros(len(z), dtype))
        assert np.isnan(lsmx.cross_entropy(z, target, **o))
        assert lsmx.cross_entropy(z, target, empty="zero", **o) == 0
        assert lsmx.cross_entropy(z, target, reduction="sum", **o) == 0
        for reduction in ("mean", "sum"):
            same(lsmx.cross_entropy_backward(np.asarray(2.0, dtype), z, target, reduction=reduction, **o), np.zeros_like(z))
            assert lsmx.cross_entropy_jvp(np.ones_like(z), z, target, reduction=reduction, **o) == 0
        # among others they change nothing
        mixed = np.where(np.arange(len(z)) == 15, 2, -100)
        same(lsmx.cross_entropy(z, mixed, **o), lsmx.cross_entropy(z[15:16], at(2), **o))
        g = np.asarray(0.7, dtype)
        same(lsmx.cross_entropy_backward(g, z, mixed, **o)[15:16], lsmx.cross_entropy_backward(g, z[15:16], at(2), **o))
    empty = np.zeros((0, 4), dtype)
    assert np.isnan(lsmx.kl_divergence(empty, empty, reduction="mean"))
    assert lsmx.kl_divergence(empty, empty, reduction="mean", empty="zero") == 0
    assert lsmx.kl_divergence(empty, empty, reduction="sum") == 0
    assert np.isnan(lsmx.cross_entropy(empty, np.zeros((0, 4), dtype)))


@DTYPES
def test_sums_over_rows_that_are_not_finite(dtype: str) -> None:
    mean, n = lsmx.registered()["mean_of_rows"], np.asarray(4.0, dtype)
    for values, want in (((1, NAN, 2), NAN), ((1, INF, 2), INF), ((1, -INF, 2), -INF), ((INF, -INF, 1), NAN), ((INF, NAN, 1), NAN)):
        same(mean(np.asarray(values, dtype), n, axis=None), np.asarray(want, dtype))
    z = row(dtype, 0.0, -INF)
    both = np.concatenate([z, z])
    assert lsmx.cross_entropy(both, np.asarray([0, 1]), reduction="sum") == INF
    assert lsmx.cross_entropy(both, np.asarray([0, 1])) == INF
    assert np.isnan(lsmx.cross_entropy(np.concatenate([both, both + NAN]), np.asarray([0, 1, 0, 0]), reduction="sum"))
    # a sum whose parts leave the format, and which does not; its largest terms cancel to the last bit
    top = np.finfo(dtype).max
    same(mean(np.asarray([top, top, -top, 1.0], dtype), np.asarray(1.0, dtype), axis=None), np.asarray(top, dtype))
    same(mean(np.asarray([top, 1.0, -top, 2.0**-30], dtype), np.asarray(1.0, dtype), axis=None), np.asarray(1 + 2.0**-30, dtype))


@pytest.mark.one_in(2)
@DTYPES
@pytest.mark.parametrize("by", ["numpy", "reference"])
def test_sums_over_rows_are_rounded_once(by: str, dtype: str) -> None:
    """Against Python's exact sum, for float32 of numbers whose sum float64 holds; and ties, which go to the even one."""
    rng, u = np.random.default_rng(62), 2.0 ** np.finfo(dtype).nmant
    exponents = (-10, 10) if dtype == "float32" else (-300, 300)
    drawn = [np.ldexp(rng.standard_normal(n), rng.integers(*exponents, n)).astype(dtype) for n in rng.integers(1, 40, 300)]
    drawn += [np.concatenate([x, -x[::2]]) for x in drawn[:50]]  # much of it cancels
    ties = ([2 * u, 1], [2 * u + 2, 1], [-2 * u, -1], [2 * u, 1, 2.0**-60], [2 * u, 1, -(2.0**-60)], [2 * u + 2, 1, -(2.0**-60)])
    tied = (2 * u, 2 * u + 4, -2 * u, 2 * u + 2, 2 * u, 2 * u + 2)
    with lsmx.using(by):
        for v in drawn:
            same(lsmx.registered()["mean_of_rows"](v, np.asarray(1.0, dtype), axis=None), np.asarray(math.fsum(v.tolist()), dtype))
        for values, want in zip(ties, tied, strict=True):
            got = lsmx.registered()["mean_of_rows"](np.asarray(values, dtype), np.asarray(1.0, dtype), axis=None)
            same(got, np.asarray(want, dtype))


# ---------------------------------------------------------------- options against PyTorch in float64

Z = 3 * normal(71, 12, 6)
Z[3] += 40.0 * (np.arange(6) == 2)
CLASSES = np.floor(6 * uniform(72, 12)).astype(np.int64)
CLASSES[[0, 5]] = 3
P = uniform(73, 12, 6) ** 3
P /= P.sum(-1, keepdims=True)
WEIGHT = 0.1 + uniform(74, 6)
WEIGHT[1] = 0.0
SUMMED = 2e-14  # a hundred roundings of what is added up, PyTorch's own, and as many of the weights' sum


def tangent_of(f: Callable[..., torch.Tensor], at: tuple[torch.Tensor, ...], along: tuple[torch.Tensor, ...]) -> tuple[Any, Any]:
    """PyTorch's value and its derivative along a direction."""
    value, moved = torch.func.jvp(f, at, along)  # type: ignore[misc]
    return value, moved


def compare(target: np.ndarray, ignore_index: int | None, options: dict[str, Any]) -> None:
    """Values and gradients by `torch.nn.functional.cross_entropy`, where they are finite; and where they are not, NaN as there."""
    z = torch.tensor(Z, requires_grad=True)
    theirs: dict[str, Any] = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    if ignore_index is not None:
        theirs["ignore_index"] = ignore_index

    def f(z: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(z, torch.tensor(target), **theirs)

    want = f(z)
    got = lsmx.cross_entropy(Z, target, ignore_index=ignore_index, **options)
    assert np.allclose(got, want.detach(), rtol=SUMMED, atol=SUMMED, equal_nan=True)
    g = np.asarray(normal(75, *want.shape))
    if not torch.isfinite(want).all():
        assert not lsmx.cross_entropy_backward(g, Z, target, ignore_index=ignore_index, **options).any()
        return
    (dz,) = torch.autograd.grad(want, z, torch.tensor(g))
    mine = lsmx.cross_entropy_backward(g, Z, target, ignore_index=ignore_index, **options)
    assert np.allclose(mine, dz, rtol=0, atol=SUMMED * max(1.0, float(np.abs(g).max())))
    v = normal(76, *Z.shape)
    _, moved = tangent_of(f, (z.detach(),), (torch.tensor(v),))
    along = lsmx.cross_entropy_jvp(v, Z, target, ignore_index=ignore_index, **options)
    assert np.allclose(along, moved, rtol=0, atol=10 * SUMMED)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("ignore_index", [-100, -7, 3, None])
def test_classes_as_in_torch(ignore_index: int | None, reduction: str) -> None:
    some = CLASSES if ignore_index is None else np.where(np.arange(12) % 3, CLASSES, ignore_index)
    every = CLASSES if ignore_index is None else np.full_like(CLASSES, ignore_index)
    none = np.where(CLASSES == 3, 4, CLASSES)
    for target, weight, eps in itertools.product((some, none, every), (None, WEIGHT), (0.0, 0.1, 1.0)):
        compare(target, ignore_index, {"reduction": reduction, "weight": weight, "label_smoothing": eps})


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_probabilities_as_in_torch(reduction: str) -> None:
    for weight, eps in itertools.product((None, WEIGHT), (0.0, 0.1, 1.0)):
        compare(P, None, {"reduction": reduction, "weight": weight, "label_smoothing": eps})


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_all_options_together(reduction: str, probabilities: bool) -> None:
    """Against the formula, written in PyTorch."""
    mask = uniform(77, 12, 6) < 0.7
    ignored = np.arange(12) % 4 == 1
    classes = CLASSES.copy()
    mask[np.arange(12), classes] = True
    classes[ignored] = 3
    ignored = classes == 3
    T, cap, eps, zl, n = 0.5 + uniform(78, 12), 7.0, 0.1, 0.3, 5.5
    z, m, w, t = (torch.tensor(x) for x in (Z, mask, WEIGHT, T))

    def formula(z: torch.Tensor) -> torch.Tensor:
        x = torch.where(m, cap * torch.tanh(z / cap) / t[:, None], -INF)
        y = torch.where(m, torch.log_softmax(x, -1), 0.0)
        p = torch.tensor(P) if probabilities else torch.nn.functional.one_hot(torch.tensor(classes), 6).double()
        q = w * (p * (1 - eps) + eps / m.double().sum(-1, keepdim=True)) * m
        rows = -(q * y).sum(-1) + zl * torch.logsumexp(x, -1) ** 2
        rows = rows if probabilities else torch.where(torch.tensor(ignored), 0.0, rows)
        return {"none": rows, "sum": rows.sum(), "mean": rows.sum() / n}[reduction]

    options: dict[str, Any] = {
        "weight": WEIGHT,
        "ignore_index": 3,
        "label_smoothing": eps,
        "z_loss": zl,
        "temperature": T,
        "softcap": cap,
        "where": mask,
        "reduction": reduction,
    }
    if reduction == "mean":
        options["normalizer"] = np.asarray(n)
    target, leaf = P if probabilities else classes, z.clone().requires_grad_()
    want = formula(leaf)
    got = lsmx.cross_entropy(Z, target, **options)
    assert np.allclose(got, want.detach(), rtol=SUMMED, atol=SUMMED)
    g, v = np.asarray(normal(79, *want.shape)), normal(80, 12, 6)
    (dz,) = torch.autograd.grad(want, leaf, torch.tensor(g))
    assert np.allclose(lsmx.cross_entropy_backward(g, Z, target, **options), dz, rtol=0, atol=10 * SUMMED)
    _, moved = tangent_of(formula, (z,), (torch.tensor(v),))
    assert np.allclose(lsmx.cross_entropy_jvp(v, Z, target, **options), moved, rtol=0, atol=50 * SUMMED)
    # the parts: what is not z_loss is the loss without it, and both together are the whole
    whole, part = lsmx.cross_entropy(Z, target, return_z_loss=True, **options)
    same(whole, got)
    rest = lsmx.cross_entropy(Z, target, **options | {"z_loss": 0.0})
    assert np.allclose(rest + part, whole, rtol=SUMMED, atol=0)


@pytest.mark.parametrize("name", ["kl", "js"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_divergences_by_their_formula(name: str, reduction: str) -> None:
    W = Z + normal(81, 12, 6)
    mask = uniform(82, 12, 6) < 0.8
    mask[:, 0] = True
    T = 0.5 + uniform(83, 12)
    m, t = torch.tensor(mask), torch.tensor(T)[:, None]

    def formula(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        p, q = (torch.softmax(torch.where(m, x / t, -INF), -1) for x in (z, w))
        logs = [torch.log(torch.where(m, x, 1.0)) for x in (p, q, (p + q) / 2)]
        to_mean = p * (logs[0] - logs[2]) + q * (logs[1] - logs[2])
        rows = (p * (logs[0] - logs[1]) if name == "kl" else to_mean / 2).sum(-1)
        return {"none": rows, "sum": rows.sum(), "mean": rows.mean()}[reduction]

    options: dict[str, Any] = {"where": mask, "temperature": T}
    a, b = torch.tensor(Z, requires_grad=True), torch.tensor(W, requires_grad=True)
    want = formula(a, b)
    f = getattr(lsmx, f"{name}_divergence")
    assert np.allclose(f(Z, W, reduction=reduction, **options), want.detach(), rtol=1e-13, atol=1e-14)
    if reduction == "mean":
        divided = f(Z, W, reduction="mean", normalizer=7.0, **options)
        same(divided, np.asarray(f(Z, W, reduction="sum", **options) / 7.0))
    if reduction != "none":
        return
    g, v = normal(84, 12), normal(85, 12, 6)
    gradients = getattr(lsmx, f"{name}_divergence_backward")(g, Z, W, **options)
    for mine, dz in zip(gradients, torch.autograd.grad(want, (a, b), torch.tensor(g)), strict=True):
        assert np.allclose(mine, dz, rtol=0, atol=1e-13)
    for k in range(2):
        tangents = (v, None) if k == 0 else (None, v)
        zeros = [torch.zeros_like(a.detach())] * 2
        zeros[k] = torch.tensor(v)
        _, moved = tangent_of(formula, (a.detach(), b.detach()), tuple(zeros))
        assert np.allclose(getattr(lsmx, f"{name}_divergence_jvp")(*tangents, Z, W, **options), moved, rtol=0, atol=1e-13)


def test_classes_along_other_axes() -> None:
    """As PyTorch has them, at axis 1; and several axes, along which an index counts flattened."""
    z = normal(86, 4, 6, 3)
    target = np.floor(6 * uniform(87, 4, 3)).astype(np.int64)
    want = torch.nn.functional.cross_entropy(torch.tensor(z), torch.tensor(target), torch.tensor(WEIGHT), label_smoothing=0.1)
    got = lsmx.cross_entropy(z, target, axis=1, weight=WEIGHT, label_smoothing=0.1)
    assert np.allclose(got, want, rtol=SUMMED)
    moved = np.moveaxis(z, 1, -1)
    same(got, lsmx.cross_entropy(moved, target, weight=WEIGHT, label_smoothing=0.1))
    many = np.floor(6 * uniform(88, 4, 2, 3)).astype(np.int64)
    same(lsmx.log_prob(z, many, axis=1), np.moveaxis(lsmx.log_prob(moved, np.moveaxis(many, 1, -1)), -1, 1))
    flat = np.floor(12 * uniform(89, 6)).astype(np.int64)
    rows = np.moveaxis(z, 1, 0).reshape(6, 12)
    for f in (lsmx.log_prob, ce, lambda z, i, **o: lsmx.token_stats(z, i, **o).rank.astype(np.float64)):
        same(f(z, flat, axis=(0, 2)), f(rows, flat))
    same(lsmx.log_prob(z, np.asarray(17), axis=None), lsmx.log_prob(z.reshape(1, -1), at(17))[0])


# ---------------------------------------------------------------- errors


def test_errors_name_the_argument() -> None:
    z = Z.astype(np.float32)
    bad = CLASSES.copy()
    bad[4], bad[7] = 6, -1
    for call in (
        lambda: lsmx.log_prob(z, bad),
        lambda: lsmx.token_stats(z, bad),
        lambda: lsmx.log_prob_backward(z[:, 0], z, bad),
        lambda: lsmx.log_prob_jvp(z, z, bad),
    ):
        with pytest.raises(lsmx.ClassError, match=r"^index: 6 at 4 is no class of a row of 6; accepted are 0 to 5$"):
            call()
    bad[4] = -100
    with pytest.raises(
        lsmx.ClassError, match=r"^index: -100 at 4 is .* are 0 to 5; where a row has none \(padding\), pass 0 and leave"
    ):
        lsmx.log_prob(z, bad)
    bad[4] = 6
    for call in (lambda: lsmx.cross_entropy(z, bad), lambda: lsmx.cross_entropy_backward(z[0, 0], z, bad)):
        with pytest.raises(lsmx.ClassError, match=r"^target: 6 at 4 is no class .* accepted are 0 to 5, or ignore_index=-100$"):
            call()
    with pytest.raises(IndexError, match=r"^target: -1 at 7 .* or ignore_index=6$"):
        lsmx.cross_entropy(z, bad, ignore_index=6)
    with pytest.raises(ValueError, match=r"^target: -100 at 0 .* accepted are 0 to 5$"):
        lsmx.cross_entropy(z, np.full(12, -100), ignore_index=None)
    with pytest.raises(lsmx.ClassError, match=r"^index: 9 at 0, 1 is no class"):
        lsmx.log_prob(z[:2], np.asarray([[0, 9], [9, 0]]))


CALLS: dict[str, Callable[..., Any]] = {
    "log_prob": lambda z, **o: lsmx.log_prob(z, CLASSES, **o),
    "token_stats": lambda z, **o: lsmx.token_stats(z, CLASSES, **o),
    "entropy": lsmx.entropy,
    "entropy_backward": lambda z, **o: lsmx.entropy_backward(z[:, 0], z, **o),
    "cross_entropy": lambda z, **o: lsmx.cross_entropy(z, CLASSES, **o),
    "cross_entropy_jvp": lambda z, **o: lsmx.cross_entropy_jvp(z, z, CLASSES, **o),
    "KL": lambda z, **o: lsmx.kl_divergence(z, z, **o),
    "JS": lambda z, **o: lsmx.js_divergence(z, z, **o),
}


@pytest.mark.parametrize("call", [name for name in CALLS if name not in ("KL", "JS")])  # those take no softcap
@pytest.mark.parametrize("option", ["temperature", "softcap"])
@pytest.mark.parametrize("value", [0, -1.5, NAN, INF, "1", True])
def test_scales_are_positive(value: Any, option: str, call: str) -> None:
    with pytest.raises(ValueError, match=rf"^{option}: {value!r} is not a positive finite number"):
        CALLS[call](Z.astype(np.float32), **{option: value})


def test_options_out_of_range() -> None:
    z = Z.astype(np.float32)
    with pytest.raises(
        ValueError, match=r"^temperature: \[1.0, 2.0\] is .*; pass one, or an array with one for each row, or leave"
    ):
        lsmx.entropy(z, temperature=[1.0, 2.0])
    T = np.ones(12, np.float32)
    T[3], T[5] = -2.0, 0.0
    for call in (CALLS["log_prob"], CALLS["entropy"], CALLS["KL"]):
        with pytest.raises(ValueError, match=r"^temperature: .*-2\.0.* at 3 is not a positive finite number"):
            call(z, temperature=T)
        with pytest.raises(ValueError, match=r"^temperature: .*nan"):
            call(z, temperature=np.float32(NAN))
        with pytest.raises(lsmx.ShapeError, match=r"^temperature: shape \(5,\), but an array of \(12, 6\) asks for \(12,\)"):
            call(z, temperature=np.ones(5, np.float32))
    every: tuple[Any, ...] = (-0.1, 1.1, NAN, "0.1")
    for eps in every:
        with pytest.raises(ValueError, match=rf"^label_smoothing: {eps!r} is not a "):
            lsmx.cross_entropy(z, CLASSES, label_smoothing=eps)
    for c in (-1e-4, NAN, INF):
        with pytest.raises(ValueError, match=rf"^z_loss: {c!r} is not a finite number"):
            lsmx.cross_entropy(z, CLASSES, z_loss=c)
    for call in (CALLS["cross_entropy"], CALLS["KL"], CALLS["JS"]):
        with pytest.raises(ValueError, match=r"^reduction: 'batchmean' is none of 'none', 'mean', 'sum'$"):
            call(z, reduction="batchmean")
        with pytest.raises(ValueError, match=r"^empty: 'inf' is none of 'nan', 'zero'$"):
            call(z, empty="inf")
    for how in ("sum", "none"):
        for call in (CALLS["cross_entropy"], CALLS["KL"]):
            with pytest.raises(TypeError, match=rf"^normalizer: given with reduction='{how}'"):
                call(z, reduction=how, normalizer=7.0)
    with pytest.raises(TypeError, match=r"^ignore_index: 1.5 is not an integer"):
        lsmx.cross_entropy(z, CLASSES, ignore_index=1.5)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit() -> None:
    """The message names the argument and both shapes."""
    z = Z.astype(np.float32)
    wrong: list[tuple[str, Callable[[], Any], tuple[int, ...], tuple[int, ...]]] = [
        ("index", lambda: lsmx.log_prob(z, CLASSES[:5]), (5,), (12,)),
        ("target", lambda: lsmx.cross_entropy(z, CLASSES[:5]), (5,), (12,)),
        ("target", lambda: lsmx.cross_entropy(z, z[:, :5]), (12, 5), (12, 6)),
        ("weight", lambda: lsmx.cross_entropy(z, CLASSES, weight=z[0, :5]), (5,), (6,)),
        ("w", lambda: lsmx.kl_divergence(z, z[:, :5]), (12, 5), (12, 6)),
        ("w", lambda: lsmx.js_divergence(z, z[:, :5]), (12, 5), (12, 6)),
        ("grad_output", lambda: lsmx.log_prob_backward(z[:5, 0], z, CLASSES), (5,), (12,)),
        ("grad_output", lambda: lsmx.entropy_backward(z[:5, 0], z), (5,), (12,)),
        ("tangent", lambda: lsmx.entropy_jvp(z[:, :5], z), (12, 5), (12, 6)),
    ]
    for name, call, shape, asked in wrong:
        match = "^" + re.escape(f"{name}: shape {shape}, but an ") + ".*" + re.escape(f"asks for {asked}")
        with pytest.raises(lsmx.ShapeError, match=match):
            call()
    with pytest.raises(lsmx.ShapeError, match=r"^where: shape \(2, 6\) does not broadcast to the array's \(12, 6\)"):
        lsmx.entropy(z, where=np.ones((2, 6), bool))
    with pytest.raises(lsmx.DTypeError, match=r"^w: dtype float64 among arrays of float32"):
        lsmx.kl_divergence(z, Z)
    with pytest.raises(lsmx.DTypeError, match=r"^index: dtype float32, but an index into a row is an integer"):
        lsmx.log_prob(z, z[:, 0])
    with pytest.raises(TypeError, match=r"^kl_divergence_jvp: one of the two tangents is None"):
        lsmx.kl_divergence_jvp(z, z, z, z)


# ---------------------------------------------------------------- the same numbers, the same bits


def nasty_rows(dtype: str) -> np.ndarray:
    """Ordinary rows, and those that go wrong elsewhere."""
    wide = np.concatenate([4 * normal(91, 20, 4), nasty()])
    with np.errstate(over="ignore"):
        return wide.astype(dtype)


@DTYPES
def test_parts_of_a_batch_add_up(dtype: str) -> None:
    z, target, weight = Z.astype(dtype), np.where(np.arange(12) % 5, CLASSES, -100), WEIGHT.astype(dtype)
    options: dict[str, Any] = {"weight": weight, "label_smoothing": 0.1}
    n = np.asarray(weight.astype(np.float64)[target[target != -100]].sum(), dtype)
    whole = lsmx.cross_entropy(z, target, normalizer=n, **options)
    same(whole, lsmx.cross_entropy(z, target, **options))  # which is what it divides by without
    g = np.asarray(0.3, dtype)
    dz = lsmx.cross_entropy_backward(g, z, target, **options)
    cuts = [(0, 5), (5, 6), (6, 12)]
    parts = [lsmx.cross_entropy(z[a:b], target[a:b], normalizer=n, **options) for a, b in cuts]
    assert abs(sum(map(float, parts)) - float(whole)) <= 4 * np.spacing(whole)  # a rounding each, and that of the sum
    same(np.concatenate([lsmx.cross_entropy_backward(g, z[a:b], target[a:b], normalizer=n, **options) for a, b in cuts]), dz)
    # a number does as well
    same(lsmx.cross_entropy(z, target, normalizer=float(n), **options), whole)
    w = z[::-1].copy()
    same(lsmx.kl_divergence(z, w, reduction="mean"), lsmx.kl_divergence(z, w, reduction="mean", normalizer=12))


@DTYPES
def test_order_of_rows_and_classes(dtype: str) -> None:
    z = nasty_rows(dtype)[:35]
    z = np.concatenate([z, z[:, ::-1]], axis=1)
    z[:, 1] += 0.5
    rng = np.random.default_rng(92)
    classes = rng.integers(0, 8, 35)
    drawn = rng.dirichlet(np.full(8, 0.4), 35), z + rng.standard_normal(z.shape), 0.1 + rng.random(8)
    p, w, weight = (x.astype(dtype) for x in drawn)
    g, u = rng.standard_normal(35).astype(dtype), np.asarray(1.7, dtype)
    many: dict[str, Any] = {"label_smoothing": 0.1, "z_loss": 0.01, "temperature": 0.7, "softcap": 30.0}
    order = rng.permutation(8)
    moved = np.argsort(order)[classes]
    for a, b in (
        (lsmx.log_prob(z, classes), lsmx.log_prob(z[:, order], moved)),
        (lsmx.log_prob_backward(g, z, classes)[:, order], lsmx.log_prob_backward(g, z[:, order], moved)),
        (lsmx.entropy(z), lsmx.entropy(z[:, order])),
        (lsmx.entropy_backward(g, z)[:, order], lsmx.entropy_backward(g, z[:, order])),
        (ce(z, classes, weight=weight, **many), ce(z[:, order], moved, weight=weight[order], **many)),
        (ce(z, p, weight=weight, **many), ce(z[:, order], p[:, order], weight=weight[order], **many)),
        (lsmx.kl_divergence(z, w), lsmx.kl_divergence(z[:, order], w[:, order])),
        (lsmx.js_divergence(z, w), lsmx.js_divergence(z[:, order], w[:, order])),
        (lsmx.token_stats(z, classes).rank.view(np.float32), lsmx.token_stats(z[:, order], moved).rank.view(np.float32)),
    ):
        same(a, b)
    for backward in (lsmx.kl_divergence_backward, lsmx.js_divergence_backward):
        for a, b in zip(backward(g, z, w), backward(g, z[:, order], w[:, order]), strict=True):
            same(a[:, order], b)
    good = np.isfinite(z).all(-1) & (np.abs(z) < 1e30).all(-1)
    z, classes, p, w = z[good], classes[good], p[good], w[good]
    by = rng.permutation(len(z))
    for how in ("mean", "sum"):
        options: dict[str, Any] = {"weight": weight, "reduction": how, **many}
        for target in (classes, p):
            assert np.isfinite(lsmx.cross_entropy(z, target, **options))
            same(lsmx.cross_entropy(z[by], target[by], **options), lsmx.cross_entropy(z, target, **options))
            dz = lsmx.cross_entropy_backward(u, z, target, **options)
            same(lsmx.cross_entropy_backward(u, z[by], target[by], **options), dz[by])
        same(lsmx.kl_divergence(z[by], w[by], reduction=how), lsmx.kl_divergence(z, w, reduction=how))


@DTYPES
def test_many_indices_are_as_many_calls(dtype: str) -> None:
    z = nasty_rows(dtype)
    index = np.floor(4 * uniform(93, len(z), 5)).astype(np.int64)
    index[7] = 2
    got, rank = lsmx.log_prob(z, index), lsmx.token_stats(z, index).rank
    v = normal(94, *z.shape).astype(dtype)
    along = lsmx.log_prob_jvp(v, z, index)
    for k in range(5):
        same(got[:, k], lsmx.log_prob(z, index[:, k]))
        assert (rank[:, k] == lsmx.token_stats(z, index[:, k]).rank).all()
        same(along[:, k], lsmx.log_prob_jvp(v, z, index[:, k]))
    g = normal(95, len(z), 5).astype(dtype)
    same(lsmx.log_prob_backward(g[:, :1], z, index[:, :1]), lsmx.log_prob_backward(g[:, 0], z, index[:, 0]))
    assert lsmx.log_prob(z, index[:, :0]).shape == (len(z), 0)
    same(lsmx.log_prob_backward(g[:20, :0], z[:20], index[:20, :0]), np.zeros((20, 4), dtype))


def test_repeated_indices_add_up() -> None:
    index = np.asarray([[0, 0, 3], [1, 2, 3], [5, 5, 5], [2, 2, 1]] * 3)
    g = normal(96, 12, 3)
    z = torch.tensor(Z, requires_grad=True)
    (want,) = torch.autograd.grad(torch.log_softmax(z, -1).gather(-1, torch.tensor(index)), z, torch.tensor(g))
    assert np.allclose(lsmx.log_prob_backward(g, Z, index), want, rtol=0, atol=2e-15 * np.abs(g).sum(-1).max())
    # cotangents that cancel are added without a rounding
    far = np.asarray([[1e8, 1.0, -1e8]], dtype=np.float32)
    same(
        lsmx.log_prob_backward(far, np.zeros((1, 2), np.float32), np.asarray([[0, 0, 0]])),
        np.asarray([[0.5, -0.5]], dtype=np.float32),
    )


@DTYPES
def test_log_prob_is_log_softmax_at_the_index(dtype: str) -> None:
    z = nasty_rows(dtype)
    y = lsmx.log_softmax(z)
    for i in range(4):
        same(lsmx.log_prob(z, np.full(len(z), i)), y[:, i])
    where = uniform(97, *z.shape) < 0.7
    where[2], where[3, 1:] = False, False
    masked = np.where(where, z, z.dtype.type(-INF))
    for i in range(4):
        same(lsmx.log_prob(z, np.full(len(z), i), where=where), lsmx.log_prob(masked, np.full(len(z), i)))
    same(ce(z, np.full(len(z), 1)), np.where(np.isnan(y[:, 1]), y[:, 1], 0 - y[:, 1]))
    stats = lsmx.token_stats(z, np.full(len(z), 2))
    same(stats.lse, lsmx.logsumexp(z))
    same(stats.entropy, lsmx.entropy(z))
    assert (stats.rank == np.where(np.isnan(z).any(-1), -1, (z > z[:, 2:3]).sum(-1))).all()


def test_a_temperature_divides_as_numpy_does() -> None:
    z = nasty_rows("float32")
    index = np.arange(len(z)) % 4
    T = np.asarray([0.7, 1.3, 3.0, 1e-3], np.float32)[np.arange(len(z)) % 4]
    with np.errstate(over="ignore"):
        x = z / T[:, None]
    g = normal(98, len(z)).astype(np.float32)
    calls: list[Callable[..., Any]] = [
        lambda z, **o: lsmx.log_prob(z, index, **o),
        lsmx.entropy,
        lambda z, **o: lsmx.token_stats(z, index, **o).lse,
        lambda z, **o: ce(z, index, label_smoothing=0.1, **o),
    ]
    for f in calls:
        same(f(z, temperature=T), f(x))
        same(f(z, temperature=T[:, None]), f(x))
        for k, t in enumerate((0.7, 1.3, 3.0, 1e-3)):
            with np.errstate(over="ignore"):
                same(f(z, temperature=t), f(z / np.float32(t)))
            same(f(z, temperature=t)[k::4], f(z, temperature=T)[k::4])
            same(f(z, temperature=np.asarray(t, np.float32)), f(z, temperature=t))
    w = z[::-1].copy()
    with np.errstate(over="ignore"):
        y = w / T[:, None]
    for divergence in (lsmx.kl_divergence, lsmx.js_divergence):
        same(divergence(z, w, temperature=T), divergence(x, y))
    # a gradient is divided once more
    both: list[Callable[..., Any]] = [
        lambda z, **o: lsmx.log_prob_backward(g, z, index, **o),
        lambda z, **o: lsmx.entropy_backward(g, z, **o),
    ]
    for backward in both:
        dx = backward(x) / T[:, None]
        same(backward(z, temperature=T), np.where(np.abs(dx) < 2.0**-125, np.float32(0), dx))
        for k, t in enumerate((0.7, 1.3, 3.0, 1e-3)):
            same(backward(z, temperature=t)[k::4], backward(z, temperature=T)[k::4])


@DTYPES
def test_one_hot_probabilities_are_an_index(dtype: str) -> None:
    z = nasty_rows(dtype)
    index = np.arange(len(z)) % 4
    hot = np.eye(4, dtype=dtype)[index]
    g = normal(99, len(z)).astype(dtype)
    where = uniform(100, *z.shape) < 0.7
    where[np.arange(len(z)), index] = True
    scale: dict[str, Any] = {"where": where, "temperature": 0.7, "softcap": 20.0}
    every: list[dict[str, Any]] = [
        {},
        {"label_smoothing": 0.3},
        {"weight": (0.1 + uniform(101, 4)).astype(dtype)},
        {"label_smoothing": 0.1, "weight": np.asarray([0.3, 0.0, 2.0, 1.1], dtype), "z_loss": 0.1, **scale},
    ]
    for options in every:
        same(ce(z, hot, **options), ce(z, index, **options))
        dz = [lsmx.cross_entropy_backward(g, z, target, reduction="none", **options) for target in (hot, index)]
        same(*dz)


@pytest.mark.parametrize("narrow", ["float16", "bfloat16"])
def test_16_bits_are_widened(narrow: str) -> None:
    """Results are in float32, those of the same numbers in float32; ``dtype=`` rounds them; gradients are in the logits' dtype."""
    values = quantise(nasty_rows("float64"), narrow).astype(np.float32)
    others = quantise(np.roll(values, 1, axis=-1) + normal(102, *values.shape), narrow).astype(np.float32)
    index = np.arange(len(values)) % 4
    to = getattr(torch, narrow)
    z, w, t = torch.from_numpy(values).to(to), torch.from_numpy(others).to(to), torch.from_numpy(index)
    p = torch.full(values.shape, 0.25, dtype=to)

    def rounded(x: torch.Tensor) -> np.ndarray:
        return quantise(x.numpy(), narrow).astype(np.float32)

    g = torch.from_numpy(quantise(normal(103, len(values)), narrow).astype(np.float32))
    calls: dict[str, Callable[..., Any]] = {
        "log_prob": lambda z, w, p, **o: lsmx.log_prob(z, t, **o),
        "entropy": lambda z, w, p, **o: lsmx.entropy(z, **o),
        "cross_entropy": lambda z, w, p, **o: lsmx.cross_entropy(z, t, reduction="none", label_smoothing=0.1, **o),
        "of probabilities": lambda z, w, p, **o: lsmx.cross_entropy(z, p, reduction="none", **o),
        "mean": lambda z, w, p, **o: lsmx.cross_entropy(z[:20], t[:20], **o),
        "KL": lambda z, w, p, **o: lsmx.kl_divergence(z, w, **o),
        "JS": lambda z, w, p, **o: lsmx.js_divergence(z, w, **o),
        "lse": lambda z, w, p, **o: lsmx.token_stats(z, t, temperature=0.7, **o).lse,
    }
    for name, f in calls.items():
        wide = f(z.float(), w.float(), p.float())
        got = f(z, w, p)
        assert got.dtype is torch.float32, name
        assert differing(got.numpy(), wide.numpy()) is None, name
        asked = f(z.float(), w.float(), p.float(), dtype=narrow)
        assert asked.dtype is to, name
        for x in (asked, f(z, w, p, dtype=narrow)):  # a cast of PyTorch's, which has NaN of its own
            assert differing(torch.where(torch.isnan(x), NAN, x.float()).numpy(), rounded(wide)) is None, name
    assert (lsmx.token_stats(z, t).rank == lsmx.token_stats(z.float(), t).rank).all()
    gradients: list[Callable[..., Any]] = [
        lambda z, w: lsmx.log_prob_backward(g, z, t),
        lambda z, w: lsmx.entropy_backward(g, z),
        lambda z, w: lsmx.cross_entropy_backward(g, z, t, reduction="none", z_loss=0.1),
        lambda z, w: lsmx.kl_divergence_backward(g, z, w)[1],
        lambda z, w: lsmx.js_divergence_backward(g, z, w)[0],
    ]
    for backward in gradients:
        got, wide = backward(z, w), backward(z.float(), w.float())
        assert got.dtype is to
        assert differing(got.float().numpy(), rounded(wide)) is None
    leaf = z.clone().requires_grad_()
    lsmx.cross_entropy(leaf[:20], t[:20]).backward()
    assert leaf.grad is not None
    assert leaf.grad.dtype is to
    if narrow == "float16":
        half = values.astype(np.float16)
        same(lsmx.entropy(half), lsmx.entropy(values))
        assert lsmx.log_prob_backward(g.numpy(), half, index).dtype == np.float16


def test_what_is_no_array_is_named() -> None:
    z, index = np.zeros((2, 3)), np.zeros(2, int)
    calls: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: lsmx.log_prob([[1.0, 2.0]], index), r"^z: list is not an array"),
        (lambda: lsmx.log_prob(z, [0, 1]), r"^index: list is not an array"),
        (lambda: lsmx.cross_entropy(z), r"^target: "),
        (lambda: lsmx.cross_entropy([[1.0, 2.0]], index), r"^z: list is not an array"),
        (lambda: lsmx.entropy([[1.0, 2.0]]), r"^z: list is not an array"),
    )
    for f, match in calls:
        with pytest.raises(lsmx.ArrayTypeError, match=match):
            f()


@pytest.mark.parametrize("kept", [False, True])
def test_out_in_the_memory_of_the_index(kept: bool) -> None:
    """What is written for one row is not read as the index of another."""
    rng = np.random.default_rng(8)
    z, memory = rng.standard_normal((2000, 9)), np.zeros(2001, np.int64)
    memory[:2000] = rng.integers(0, 9, 2000)
    index = memory[:2000, None] if kept else memory[:2000]
    out = memory.view(np.float64)[1:].reshape(index.shape)
    want = lsmx.log_prob(z, index.copy())
    assert differing(lsmx.log_prob(z, index, out=out), want) is None
