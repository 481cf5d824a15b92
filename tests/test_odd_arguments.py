"""``axis``, ``where``, ``keepdims`` and ``out`` of kinds that nobody expects: refused by name, in every direction."""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest

import lsmx
from lsmx.testing.calls import FUNCTIONS

Z, G = np.random.default_rng(5).standard_normal((2, 6, 9)).astype(np.float32)

# --- arguments of other kinds ---------------------------------------------------------------------------------------------------

ODD_AXES = ["0", 1.0, 0.5, object(), (0, 0.0), (None,), {0}, True, np.True_, [True], np.asarray([0.5]), np.asarray([[0, 1]]), b"0"]
ODD_AXES += [np.asarray([0, 1]), ((0,),), {}, "", 1j, float("nan"), range(2), slice(None), Ellipsis, np.asarray([True])]


@pytest.mark.parametrize("axis", ODD_AXES)
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_axes_in_every_direction(library: str, axis: Any) -> None:
    z, g = (on(library, x) for x in (Z, G))
    out, lse, one = lsmx.log_softmax(z), lsmx.logsumexp(z), on(library, Z[:, 0].copy())
    calls = [
        *(lambda f=f: getattr(lsmx, f)(z, axis=axis) for f in FUNCTIONS),
        *(lambda f=f: getattr(lsmx, f"{f}_backward")(g, out, axis=axis) for f in FUNCTIONS[:2]),
        *(lambda f=f: getattr(lsmx, f"{f}_jvp")(g, out, axis=axis) for f in FUNCTIONS[:2]),
        *(lambda f=f: getattr(lsmx, f"{f}_jacobian")(out, axis=axis) for f in FUNCTIONS[:2]),
        lambda: lsmx.logsumexp_backward(one, z, lse, axis=axis),
        lambda: lsmx.logsumexp_jvp(g, z, lse, axis=axis),
    ]
    for call in calls:
        with pytest.raises(lsmx.AxisError, match=r"^axis: "):
            call()


@pytest.mark.parametrize("axis", [2**31, 2**63, 2**64 - 1, -(2**63) - 1, (0, 2**64 - 1)])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_axes_beyond_an_integer_of_a_processor(library: str, axis: Any) -> None:
    z, i = on(library, Z), on(library, np.zeros(6, np.int64))
    calls = [lsmx.log_softmax, lsmx.softmax, lsmx.logsumexp, lsmx.entropy]
    calls += [lambda z, axis, f=f: f(z, i, axis=axis) for f in (lsmx.log_prob, lsmx.cross_entropy, lsmx.token_stats)]
    for call in calls:
        with pytest.raises(lsmx.AxisError, match=r"^axis: .* is out of range"):
            call(z, axis=axis)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_an_ignored_index_may_be_a_number_of_a_library(library: str) -> None:
    target = np.asarray([0, 1, 1, 2, 1, 5])
    want = lsmx.cross_entropy(Z, target, ignore_index=1)
    for one in (on(library, np.asarray(1)), np.int8(1)):
        assert lsmx.cross_entropy(on(library, Z), on(library, target), ignore_index=one) == on(library, want)
    with pytest.raises(lsmx.ArgumentValueError, match=r"^ignore_index: 10000.* is beyond 64 bits"):
        lsmx.cross_entropy(Z, target, ignore_index=10**20)


@pytest.mark.parametrize("strides", [(0, 4), (4, 4), (36, 0), (32, 4)])
def test_out_whose_elements_share_memory(strides: tuple[int, int]) -> None:
    out = np.lib.stride_tricks.as_strided(np.zeros(60, np.float32), Z.shape, strides)
    for f in (lsmx.log_softmax, lsmx.softmax):
        with pytest.raises(lsmx.OutputError, match=r"^out: several of its elements are at the same place"):
            f(Z, out=out)
    apart = np.zeros((9, 7), np.float32).T[:6]
    assert np.array_equal(lsmx.log_softmax(Z, out=apart), lsmx.log_softmax(Z))
    assert np.array_equal(lsmx.log_softmax(Z, out=apart[::-1, ::-1])[::-1], lsmx.log_softmax(Z)[::-1])


def test_words_for_what_goes_wrong_inside() -> None:
    target = np.zeros(6, int)
    bad: list[tuple[Any, type[Exception], str]] = [
        (lambda: lsmx.logsumexp_backward(None, Z, lsmx.logsumexp(Z)), lsmx.ArrayTypeError, "grad_output: None is not an array"),
        (lambda: lsmx.logsumexp_backward(1.0, Z, lsmx.logsumexp(Z)), lsmx.ArrayTypeError, "grad_output: float is not an array"),
        (lambda: lsmx.log_prob(Z, target, temperature=np.asarray(["a"] * 6)), lsmx.DTypeError, "temperature: an array of text"),
        (lambda: lsmx.cross_entropy_backward(np.asarray(1), Z, target), lsmx.DTypeError, "grad_output: dtype int64"),
        (lambda: lsmx.cross_entropy(Z, target, return_z_loss="no"), lsmx.ArgumentError, "return_z_loss: 'no' is not a bool"),
        (lambda: lsmx.cross_entropy(Z, target, return_z_loss=Z), lsmx.ArgumentError, "return_z_loss: <ndarray> is not a bool"),
        (lambda: lsmx.cross_entropy(Z, target, normalizer=np.asarray(True)), lsmx.DTypeError, "normalizer: dtype bool"),
    ]
    for call, error, said in bad:
        with pytest.raises(error, match=f"^{said}"):
            call()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_refused_by_name() -> None:
    import torch

    z, target = torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]), torch.tensor([0, 1])
    for f in (lsmx.log_prob, lsmx.token_stats, lsmx.cross_entropy):
        with pytest.raises(lsmx.ArrayTypeError, match=r"^z: a nested tensor"):
            f(z, target)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_bool_of_a_library_is_no_integer(library: str) -> None:
    """Older NumPy and PyTorch count them as 0 and 1."""
    true, target = on(library, np.asarray(True)), np.zeros(6, int)
    with pytest.raises(lsmx.AxisError, match=r"^axis: .*True.* is not an int"):
        lsmx.log_softmax(Z, axis=true)
    with pytest.raises(lsmx.ArgumentError, match=r"^ignore_index: .*True.* is not an integer"):
        lsmx.cross_entropy(Z, target, ignore_index=true)


def on(library: str, x: Any) -> Any:
    """An array on a library."""
    if library == "torch":
        import torch

        return torch.from_numpy(x)
    if library == "jax":
        import jax.numpy as jnp

        return jnp.asarray(x)
    return array_api_strict.asarray(x) if library == "strict" else x


@pytest.mark.parametrize(
    "bad", ["yes", 1, 0, 1.0, True, np.True_, [True] * 9, (True,), {}, object(), Z, Z > 9, np.ones((6, 9), int)]
)
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_masks_in_every_direction(library: str, bad: Any) -> None:
    if isinstance(bad, np.ndarray):
        bad = on(library, bad[:4] if bad.dtype == bool else bad)
    z, g = (on(library, x) for x in (Z, G))
    out, lse, one = lsmx.log_softmax(z), lsmx.logsumexp(z), on(library, Z[:, 0].copy())
    calls = [
        *(lambda f=f: getattr(lsmx, f)(z, where=bad) for f in FUNCTIONS),
        *(lambda f=f: getattr(lsmx, f"{f}_backward")(g, out, where=bad) for f in FUNCTIONS[:2]),
        *(lambda f=f: getattr(lsmx, f"{f}_jvp")(g, out, where=bad) for f in FUNCTIONS[:2]),
        lambda: lsmx.logsumexp_backward(one, z, lse, where=bad),
        lambda: lsmx.logsumexp_jvp(g, z, lse, where=bad),
    ]
    for call in calls:
        with pytest.raises((TypeError, lsmx.ShapeError), match=r"^where: ") as caught:
            call()
        assert isinstance(caught.value, lsmx.LsmxError)


@pytest.mark.parametrize("bad", ["no", "False", 2, 0, 1, 1.0, None, [], [1], (), {}, np.asarray([True]), np.ones(3), object()])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_flags(library: str, bad: Any) -> None:
    z = on(library, Z)
    with pytest.raises(lsmx.ArgumentError, match=r"^keepdims: .*pass True or False"):
        lsmx.logsumexp(z, keepdims=bad)
    for good in (np.True_, True):
        assert tuple(lsmx.logsumexp(z, keepdims=good).shape) == (6, 1)
    assert tuple(lsmx.logsumexp(z, keepdims=np.False_).shape) == (6,)


@pytest.mark.parametrize("bad", ["x", 1, [[0.0] * 9] * 6, (), {}, True, np.float32(1), object()])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_outputs(library: str, bad: Any) -> None:
    z = on(library, Z)
    for call in (lambda: lsmx.log_softmax(z, out=bad), lambda: lsmx.log_softmax_backward(z, z, out=bad)):
        with pytest.raises(lsmx.ArrayTypeError, match=r"^out: .*is not an array"):
            call()
