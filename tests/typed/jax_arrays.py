"""What a type checker knows of calls with JAX's arrays, and which of them it reports."""

# pyright: strict

from typing import assert_type

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

import lsmx

EXAMPLES = (jnp.ones((2, 3)),)  # pyright: ignore[reportUnknownMemberType]


def right(z: jax.Array) -> None:
    """The result is one of the library."""
    assert_type(lsmx.log_softmax(z), jax.Array)
    assert_type(lsmx.softmax(z, axis=(0, 1), where=z > 0), jax.Array)
    assert_type(lsmx.softmax(z, dtype="float32"), jax.Array)
    assert_type(lsmx.log_softmax(z, dtype=jnp.float32), jax.Array)
    assert_type(lsmx.logsumexp(z, axis=0, keepdims=True), jax.Array)
    assert_type(lsmx.log_softmax_backward(z, lsmx.log_softmax(z), where=z > 0), jax.Array)
    assert_type(lsmx.softmax_backward(z, lsmx.softmax(z)), jax.Array)
    assert_type(lsmx.logsumexp_backward(z[:, 0], z, lsmx.logsumexp(z)), jax.Array)
    assert_type(lsmx.log_softmax_jvp(z, lsmx.log_softmax(z)), jax.Array)
    assert_type(lsmx.softmax_jvp(z, lsmx.softmax(z)), jax.Array)
    assert_type(lsmx.logsumexp_jvp(z, z, lsmx.logsumexp(z)), jax.Array)
    assert_type(lsmx.log_softmax_jacobian(z), jax.Array)
    assert_type(lsmx.softmax_jacobian(z), jax.Array)
    assert_type(lsmx.backend_for(z).name, str)
    assert_type(lsmx.explain(z).runs, str)


def wrong(z: jax.Array, other: NDArray[np.float32]) -> None:
    """Every line is reported."""
    lsmx.log_softmax(z, axis="last")
    lsmx.logsumexp(z, axis=1.0)
    lsmx.log_softmax(z, 1)
    lsmx.log_softmax(z, dim=1)
    lsmx.log_softmax(z, where=other > 0)
    lsmx.log_softmax(other, where=z > 0)
    lsmx.softmax(z, out=other)
    lsmx.softmax(other, out=z)
    lsmx.log_softmax_backward(z, other)
    lsmx.log_softmax_backward(other, z)
    lsmx.logsumexp_backward(z, other, z)
    lsmx.logsumexp_jvp(other, z, z)
    _: NDArray[np.float32] = lsmx.log_softmax(z)
