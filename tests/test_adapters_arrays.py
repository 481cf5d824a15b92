"""``lsmx.adapters.array_api_extra`` and ``.scipy``: the three functions in their shapes, of any library's arrays."""

from __future__ import annotations

import inspect
from typing import Any

import array_api_strict
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lsmx
from lsmx.adapters import array_api_extra, scipy
from lsmx.testing import differing
from tests.adapting import Table, array, needs, parameters, ulps

NAMES = ("log_softmax", "softmax", "logsumexp")
by_name = pytest.mark.parametrize("name", NAMES)
Z = (3 * np.random.default_rng(0).standard_normal((4, 3, 10))).astype(np.float32)
NAMESPACES = {"numpy": np, "torch": torch, "jax": jnp, "strict": array_api_strict}


@by_name
@pytest.mark.parametrize("library", NAMESPACES)
@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None])
def test_a_namespace_has_lsmxs_bits(name: str, library: str, axis: Any) -> None:
    xp, function = NAMESPACES[library], getattr(array_api_extra, name)
    x, want = xp.asarray(Z), getattr(lsmx, name)(Z, axis=axis)
    for got in (function(x, axis=axis), function(x, axis=axis, xp=xp), function(Z.tolist(), axis=axis, xp=xp)):
        assert type(got) is type(x)
        got = array(got) if library != "strict" else np.asarray(got)
        if got.dtype == np.float64:  # a list is what the namespace makes of it
            assert library in ("numpy", "strict")
            assert np.allclose(got, want, atol=1e-5)
        else:
            assert differing(got, want) is None


@by_name
def test_without_a_namespace_a_list_is_no_array(name: str) -> None:
    with pytest.raises(lsmx.ArrayTypeError, match="list"):
        getattr(array_api_extra, name)([1.0, 2.0])
    assert np.array_equal(getattr(array_api_extra, name)(Z), getattr(lsmx, name)(Z))


@needs("array_api_extra", "test")
@by_name
def test_options_are_as_in_array_api_extra(name: str) -> None:
    """What they take beside arrays, by keyword; and ``xp`` last, None by default."""
    import array_api_extra as xpx

    for function in (xpx.atleast_nd, xpx.expand_dims, getattr(array_api_extra, name)):
        first, *_, last = inspect.signature(function).parameters.values()
        assert first.kind is first.POSITIONAL_ONLY
        assert (last.name, last.kind, last.default) == ("xp", last.KEYWORD_ONLY, None)
    ours = inspect.signature(getattr(array_api_extra, name)).parameters
    assert ours["axis"].kind is inspect.signature(xpx.expand_dims).parameters["axis"].kind


# --- scipy.special --------------------------------------------------------------------------------------------------------------


def stock(name: str) -> Any:
    special = pytest.importorskip("scipy.special", reason='scipy is not installed: pip install -e ".[test]"')
    return getattr(special, name)


@by_name
def test_signatures_are_scipys(name: str) -> None:
    assert [(n, default) for n, _, default in parameters(getattr(scipy, name))] == [
        (n, default) for n, _, default in parameters(stock(name))
    ]


@by_name
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_scipys(name: str, dtype: Any) -> None:
    """Of up to 120 terms, in units of the largest term of a difference: some logits are 10."""
    z = Z.astype(dtype)
    function = getattr(scipy, name)
    for axis in (None, -1, 0, (0, 2)):
        got, want = function(z, axis), np.asarray(stock(name)(z, axis))
        assert got.dtype == want.dtype
        assert differing(got, getattr(lsmx, name)(z, axis=axis)) is None
        assert ulps(got, want, 1 if name == "softmax" else 16) <= 1
        if name == "logsumexp":
            kept = function(z, axis=axis, keepdims=True)
            assert kept.shape == stock(name)(z, axis=axis, keepdims=True).shape
            assert differing(kept.reshape(got.shape), got) is None


@by_name
@pytest.mark.parametrize("z", [[[1, 2], [3, 4]], [True, False], np.arange(6, dtype=np.int8).reshape(2, 3), [0.5, 2.0]], ids=repr)
def test_lists_and_integers_are_scipys(name: str, z: Any) -> None:
    """In float64, whatever the integers: SciPy's softmax of int8 is float16, and of bools an error."""
    got, want = getattr(scipy, name)(z), np.asarray(stock(name)(np.asarray(z, np.float64)))
    assert got.dtype == np.float64
    assert ulps(got, want, 8, 53) <= 1


@by_name
@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", ">i4"])
def test_the_order_of_bytes_is_no_matter(name: str, dtype: str) -> None:
    z = Z.astype(dtype)
    got = getattr(scipy, name)(z, -1)
    assert got.dtype == stock(name)(z, -1).dtype
    assert differing(got, getattr(scipy, name)(z.astype(z.dtype.newbyteorder("=")), -1)) is None


@by_name
def test_what_numpy_makes_an_array_of_is_taken(name: str) -> None:
    """Numbers of NumPy, and what has a dtype and is no array of a library that computes, such as a column of pandas."""
    function = getattr(scipy, name)
    for x in (Z[0, 0], Z[0], np.asarray([1, 2])):
        assert differing(function(Table(x)), function(x)) is None
    for number in (np.float64(3), np.float32(3), np.int8(3), 3, 3.0):
        got, want = function(number), np.asarray(stock(name)(np.asarray(number, getattr(number, "dtype", float))))
        assert got.shape == () == want.shape
        assert got.dtype == (np.float32 if isinstance(number, np.float32) else np.float64)
        assert got == want
    with pytest.raises(lsmx.ArrayTypeError, match="its mask would be lost"):
        function(np.ma.array([1.0, 2.0], mask=[True, False]))


@by_name
def test_an_array_without_axes_has_the_axes_that_it_has_in_scipy(name: str) -> None:
    function = getattr(scipy, name)
    for axis in (None, -1, 0):
        assert function(np.asarray(3.0), axis) == stock(name)(np.asarray(3.0), axis) == function(np.asarray(3.0))
        assert function(torch.tensor(3.0), axis=axis).shape == ()
    for axis in (1, -2):
        with pytest.raises(lsmx.AxisError, match="0-d array"):
            function(3.0, axis)


def test_axes_are_kept_for_any_library_and_any_axes() -> None:
    for xp in NAMESPACES.values():
        for axis in (None, -1, (0, 2), [0, 2], [1]):
            kept = scipy.logsumexp(xp.asarray(Z), axis=axis, keepdims=True)
            assert kept.shape == Z.max(tuple(axis) if isinstance(axis, list) else axis, keepdims=True).shape
            assert type(kept) is type(xp.asarray(Z))
            assert differing(np.asarray(kept).reshape(-1), lsmx.logsumexp(Z, axis=axis).reshape(-1)) is None


@by_name
def test_tensors_stay_tensors(name: str) -> None:
    z, w = (torch.from_numpy(Z.copy()).requires_grad_() for _ in range(2))
    got, want = getattr(scipy, name)(z, axis=1), getattr(lsmx, name)(w, axis=1)
    g = torch.randn(got.shape, generator=torch.Generator().manual_seed(0))
    assert differing(array(got), array(want)) is None
    assert torch.equal(torch.autograd.grad(got, z, g)[0], torch.autograd.grad(want, w, g)[0])
    assert getattr(scipy, name)(torch.arange(3)).dtype == torch.float64
    narrow = torch.from_numpy(Z).bfloat16()
    assert getattr(scipy, name)(narrow, axis=1).dtype == torch.bfloat16


def test_what_logsumexp_does_not_take_is_told() -> None:
    with pytest.raises(lsmx.ArgumentError, match=r"b: list, but only None is accepted; for weights b > 0 pass a \+ log\(b\) as a"):
        scipy.logsumexp([1.0], b=[2.0])
    with pytest.raises(lsmx.ArgumentError, match="return_sign: True, but only False is accepted"):
        scipy.logsumexp([1.0], return_sign=True)
    b = np.random.default_rng(1).random(Z.shape).astype(np.float32)
    told = scipy.logsumexp(Z + np.log(b), axis=1)
    assert ulps(told, stock("logsumexp")(Z, axis=1, b=b), 16) <= 1
