"""``lsmx.adapters.optax``: the losses of optax with lsmx's bits, under ``jit``, ``grad`` and ``vmap``."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lsmx
from lsmx.adapters import optax
from lsmx.testing import differing
from tests.adapting import array, needs, parameters, ulps

installed = needs("optax", "test")
DTYPES = ["float16", "bfloat16", "float32"]
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24}
FUNCTIONS = [optax.softmax_cross_entropy, optax.softmax_cross_entropy_with_integer_labels]
by_name = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)


def stock(function: Any) -> Any:
    import optax

    return getattr(optax, function.__name__)


def drawn(function: Any, dtype: str = "float32", shape: tuple[int, ...] = (4, 3, 10), seed: int = 0) -> tuple[Any, Any]:
    """Logits, and what the function takes as labels along the last axis."""
    rng = np.random.default_rng(seed)
    z = jnp.asarray(3 * rng.standard_normal(shape), dtype)
    if function is optax.softmax_cross_entropy:
        return z, jnp.asarray(rng.dirichlet(np.ones(shape[-1]), shape[:-1]), dtype)
    return z, jnp.asarray(rng.integers(0, shape[-1], shape[:-1]))


def pulled(function: Any, z: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The value, and the gradient along a cotangent that is drawn."""
    value, back = jax.vjp(lambda z: function(z, labels, **options), z)
    g = jnp.asarray(np.random.default_rng(1).standard_normal(value.shape), value.dtype)
    return value, back(g)[0]


def same(got: Any, want: Any) -> None:
    assert got.dtype == want.dtype
    assert differing(array(got), array(want)) is None


@by_name
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bits_are_those_of_cross_entropy(function: Any, dtype: str) -> None:
    z, labels = drawn(function, dtype)
    got = pulled(function, z, labels)
    want = pulled(lambda z, q: lsmx.cross_entropy(z, q, reduction="none").astype(z.dtype), z, labels)
    for a, b in zip(got, want, strict=True):
        same(a, b)
    compiled = jax.jit(function)(z, labels)
    same(compiled, got[0])
    same(jax.vmap(function)(z, labels), got[0])
    same(jax.jit(jax.vmap(jax.vmap(function)))(z, labels), got[0])
    same(jax.jit(lambda z: pulled(function, z, labels)[1])(z), got[1])
    if dtype == "float32":
        same(array(got[0]), lsmx.cross_entropy(array(z), array(labels), reduction="none"))


@by_name
def test_axes_and_masks(function: Any) -> None:
    z, labels = drawn(function)
    rng = np.random.default_rng(2)
    rows, classes = jnp.asarray(rng.random((4, 3)) < 0.6), jnp.asarray(rng.random((4, 3, 10)) < 0.6)
    whole = function(z, labels)
    kept, dz = pulled(function, z, labels, where=rows)
    same(kept, jnp.where(rows, whole, 0))
    assert not dz[~rows].any()
    assert dz[rows].any(-1).all()
    same(function(z, labels, where=rows[..., None]), kept)
    some = lsmx.cross_entropy(z, labels, where=classes, reduction="none")
    same(function(z, labels, where=classes), jnp.where(classes.any(-1), some, 0))
    first = labels if labels.ndim == 2 else jnp.moveaxis(labels, -1, 0)
    same(function(jnp.moveaxis(z, -1, 0), first, axis=0), whole)
    with pytest.raises(lsmx.AxisError, match="axis"):
        function(z, labels, axis=3)


def test_what_optax_does_not_take_is_an_error() -> None:
    z, labels = drawn(FUNCTIONS[1])
    for outside in (10, -1, -100):
        with pytest.raises(IndexError, match=f"target.*{outside}"):
            FUNCTIONS[1](z, jnp.full_like(labels, outside))
        assert jnp.isnan(jax.jit(FUNCTIONS[1])(z, jnp.full_like(labels, outside))).all()
    for labels in (jnp.ones((2, 3), int), jnp.ones((2, 3))):
        with pytest.raises(lsmx.DTypeError, match="logits: dtype int32, but logits are floats"):
            FUNCTIONS[0](jnp.ones((2, 3), int), labels)
    with pytest.raises(lsmx.DTypeError, match="dtype int32"):
        FUNCTIONS[1](jnp.ones((2, 3), int), jnp.ones(2, int))
    for labels in (jax.nn.softmax(z), jnp.ones((4, 3)), jnp.ones((4, 3), bool)):
        with pytest.raises(lsmx.DTypeError, match=r"labels: dtype (float32|bool), but classes are integers"):
            FUNCTIONS[1](z, labels)
    for shape in ((2, 4, 3, 10), (5, 3, 10), (4, 3, 5)):
        with pytest.raises(lsmx.ShapeError, match=rf"labels: shape {re.escape(str(shape))}.* \(4, 3, 10\)"):
            FUNCTIONS[0](z, jnp.ones(shape))


@by_name
def test_a_mask_of_another_shape_or_dtype_is_named(function: Any) -> None:
    z, labels = drawn(function)
    for shape in ((4, 5), (5, 3, 10), (2, 4, 3, 10)):
        with pytest.raises(lsmx.ShapeError, match="where: shape"):
            function(z, labels, where=jnp.ones(shape, bool))
    with pytest.raises(lsmx.DTypeError, match="where: dtype int32"):
        function(z, labels, where=jnp.ones((4, 3), int))


def test_a_row_that_is_left_out_may_have_any_label() -> None:
    """Padding, as in optax; a row that counts has a label that is a class."""
    f = FUNCTIONS[1]
    z, labels = drawn(f)
    rows = jnp.asarray(np.random.default_rng(2).random((4, 3)) < 0.6)
    for padding in (-1, -100, 10):
        padded = jnp.where(rows, labels, padding)
        for where in (rows, rows[..., None], jnp.broadcast_to(rows[..., None], z.shape)):
            got, want = pulled(f, z, padded, where=where), pulled(f, z, labels, where=where)
            compiled = jax.jit(lambda z, labels, where: pulled(f, z, labels, where=where))(z, padded, where)
            for a, b, c in zip(got, want, compiled, strict=True):
                same(a, b)
                same(c, b)
        with pytest.raises(lsmx.ClassError, match=f"target: {padding}"):
            f(z, padded, where=rows.at[~rows].set(True))
    flat = jnp.asarray([7, -1, 39])
    where = jnp.asarray([True, False, True])[:, None, None]
    pair = z.transpose(1, 2, 0)
    same(f(pair, flat, axis=(2, 1), where=where), f(pair, jnp.abs(flat), axis=(2, 1), where=where))
    with pytest.raises(lsmx.ShapeError, match="target: shape"):
        f(z, labels[0], where=rows)


def test_a_row_without_classes_has_no_loss() -> None:
    """Where optax's is -0.0, the sum of no terms."""
    for axis in (0, (0, 1), None):
        assert jnp.isnan(FUNCTIONS[0](jnp.zeros((0, 3)), jnp.zeros((0, 3)), axis=axis)).all()
    with pytest.raises(lsmx.ClassError, match="row of 0"):
        FUNCTIONS[1](jnp.zeros((0, 3)), jnp.zeros(3, int), axis=0)


@by_name
def test_an_empty_batch(function: Any) -> None:
    z, labels = drawn(function, shape=(0, 10))
    assert function(z, labels).shape == (0,)


def test_labels_are_taken_as_optax_takes_them() -> None:
    """One row of probabilities for all, integers of 0 and 1, and a probability of 0 at -inf."""
    f = optax.softmax_cross_entropy
    z, q = drawn(f)
    same(f(z, q[0, 0]), f(z, jnp.broadcast_to(q[0, 0], z.shape)))
    hot = jax.nn.one_hot(jnp.arange(12).reshape(4, 3) % 10, 10, dtype=int)
    same(f(z, hot), f(z, hot.astype(z.dtype)))
    assert f(z.astype("bfloat16"), q).dtype == jnp.float32
    masked = z.at[..., 3].set(-jnp.inf)
    assert jnp.isfinite(f(masked, q.at[..., 3].set(0))).all()


# --- beside optax ---------------------------------------------------------------------------------------------------------------


@installed
@by_name
def test_signatures_are_optaxs(function: Any) -> None:
    assert parameters(function) == parameters(stock(function))


@pytest.mark.one_in(3)
@installed
@by_name
@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_are_optaxs(function: Any, dtype: str) -> None:
    """Theirs takes two numbers from each other, of the size of the largest logit and in the logits' dtype."""
    for seed in range(5):
        z, labels = drawn(function, dtype, seed=seed)
        (got, dz), (want, theirs) = pulled(function, z, labels), pulled(stock(function), z, labels)
        assert got.dtype == want.dtype
        assert dz.dtype == theirs.dtype
        unit = 2 * float(jnp.abs(z).max())
        assert ulps(got, want, unit, DIGITS[dtype]) <= 1
        assert ulps(dz, theirs, 4, DIGITS[dtype]) <= 2  # of a cotangent of up to 4, with a softmax that is off by some units


@installed
@by_name
def test_axes_and_masks_are_optaxs(function: Any) -> None:
    z, labels = drawn(function, shape=(4, 3, 10))
    rng = np.random.default_rng(2)
    rows, classes = jnp.asarray(rng.random((4, 3)) < 0.6), jnp.asarray(rng.random((4, 3, 10)) < 0.6)
    if labels.ndim == 2:  # theirs takes the logit of a class that is left out; ours is inf there
        classes = jnp.put_along_axis(classes, labels[..., None], True, -1, inplace=False)
    for where in (rows, rows[..., None], classes):
        assert ulps(*(f(z, labels, where=where) for f in (function, stock(function))), 16) <= 1
    if labels.ndim == 2:
        padded = jnp.where(rows, labels, -1)
        assert ulps(*(f(z, padded, where=rows) for f in (function, stock(function))), 16) <= 1
    assert ulps(*(f(z, labels[0, 0] if labels.ndim == 3 else labels) for f in (function, stock(function))), 16) <= 1
    pair = z.transpose(1, 2, 0)
    if labels.ndim == 2:
        flat = jnp.asarray(rng.integers(0, 40, 3))
        for axis in ((1, 2), (2, 1), (-1, 1)):
            assert ulps(*(f(pair, flat, axis=axis) for f in (function, stock(function))), 16) <= 1
        where = jnp.asarray([True, False, True])[:, None, None]
        assert ulps(*(f(pair, flat, axis=(2, 1), where=where) for f in (function, stock(function))), 16) <= 1
    else:
        for axis in ((1, 2), (2, 1), None):  # theirs adds up to 120 terms
            assert ulps(*(f(pair, labels.transpose(1, 2, 0), axis=axis) for f in (function, stock(function))), 64) <= 8


@installed
def test_labels_have_gradients_too() -> None:
    f = optax.softmax_cross_entropy
    z, q = drawn(f)
    g = jnp.asarray(np.random.default_rng(3).standard_normal((4, 3)), jnp.float32)
    ours, theirs = (jax.vjp(lambda q, h=h: h(z, q), q)[1](g)[0] for h in (f, stock(f)))
    assert ulps(ours, theirs, 64) <= 1  # a cotangent of up to 4, times a log-prob of up to 16
