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
