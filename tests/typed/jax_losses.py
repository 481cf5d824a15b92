"""What a type checker knows of losses of JAX's arrays, and which calls it reports."""

# pyright: strict

from typing import assert_type

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

import lsmx

EXAMPLES = (jnp.ones((2, 3)), jnp.asarray([0, 2]))  # pyright: ignore[reportUnknownMemberType]


def right(z: jax.Array, y: jax.Array) -> None:
    """The result is one of the library."""
    assert_type(lsmx.log_prob(z, y), jax.Array)
    assert_type(
        lsmx.log_prob(z, y, axis=1, temperature=2.0, where=z > 0, row_sums=lsmx.row_sums(z, temperature=2.0, where=z > 0)),
        jax.Array,
    )
    assert_type(lsmx.token_stats(z, y), lsmx.TokenStats[jax.Array, jax.Array])
    assert_type(lsmx.token_stats(z, y).rank, jax.Array)
    assert_type(lsmx.entropy(z, temperature=z[:, 0], softcap=3, dtype="float32"), jax.Array)
    assert_type(lsmx.cross_entropy(z, y, weight=z[0], normalizer=2), jax.Array)
    assert_type(lsmx.cross_entropy(z, y, reduction="none", z_loss=0.1, return_z_loss=True), lsmx.CrossEntropyParts[jax.Array])
    loss, part = lsmx.cross_entropy(z, z, return_z_loss=True)
    assert_type(loss, jax.Array)
    assert_type(part, jax.Array)
    assert_type(lsmx.log_prob_backward(z[:, 0], z, y), jax.Array)
    assert_type(lsmx.entropy_backward(z[:, 0], z, where=z > 0), jax.Array)
    assert_type(lsmx.cross_entropy_backward(loss, z, y, reduction="mean"), jax.Array)
    assert_type(lsmx.log_prob_jvp(z, z, y), jax.Array)
    assert_type(lsmx.cross_entropy_jvp(z, z, y), jax.Array)


def also_right(z: jax.Array, y: jax.Array) -> None:
    """What takes long to compile is not run."""
    assert_type(lsmx.log_prob(z, y, support=y[:, None]), jax.Array)
    assert_type(lsmx.log_prob(z, y, support=(y, y)), jax.Array)
    assert_type(lsmx.kl_divergence(z, z, temperature=z[:, 0], normalizer=z[0, 0], reduction="mean"), jax.Array)
    assert_type(lsmx.js_divergence(z, z), jax.Array)
    assert_type(lsmx.kl_divergence_backward(z, z, z), tuple[jax.Array, jax.Array])
    assert_type(lsmx.js_divergence_backward(z, z, z), tuple[jax.Array, jax.Array])
    assert_type(lsmx.kl_divergence_jvp(None, z, z, z), jax.Array)
    assert_type(lsmx.js_divergence_jvp(z, None, z, z), jax.Array)
    assert_type(lsmx.entropy_jvp(z, z), jax.Array)
    assert_type(lsmx.linear_log_prob(z, z, y), jax.Array)
    assert_type(lsmx.linear_cross_entropy(z, z, y, bias=z[0], class_weight=z[0]), jax.Array)
    assert_type(lsmx.linear_cross_entropy_backward(z, z, z, y), tuple[jax.Array, jax.Array, None])
    assert_type(lsmx.linear_cross_entropy_backward(z, z, z, y, bias=z[0]), tuple[jax.Array, jax.Array, jax.Array])


def wrong(z: jax.Array, y: jax.Array, other: NDArray[np.float32], classes: NDArray[np.int64]) -> None:
    """Every line is reported."""
    lsmx.log_prob(z)
    lsmx.log_prob(z, classes)  # mypy
    lsmx.log_prob(other, y)
    lsmx.log_prob(z, y, dim=1)
    lsmx.log_prob(z, y, where=1)
    lsmx.log_prob(z, y, where=other > 0)
    lsmx.log_prob(z, y, temperature=other)
    lsmx.log_prob(z, y, temperature="hot")
    lsmx.log_prob(z, y, support=classes)  # mypy
    lsmx.log_prob(z, y, support=(y, classes))
    lsmx.log_prob(z, y, row_sums=other)
    lsmx.token_stats(z, y).probability.max()
    lsmx.entropy(z, y)
    lsmx.cross_entropy(z)
    lsmx.cross_entropy(z, y, reduction="average")
    lsmx.cross_entropy(z, y, weight=other)
    lsmx.cross_entropy(z, y, normalizer=other)
    lsmx.cross_entropy(z, y).loss.max()
    lsmx.cross_entropy(z, y, return_z_loss=True).max()
    lsmx.kl_divergence(z, other)
    lsmx.log_prob_backward(other, z, y)
    lsmx.cross_entropy_backward(z, z, y, empty="nan")
    lsmx.kl_divergence_jvp(None, other, z, z)
    lsmx.linear_cross_entropy(z, other, y)
    lsmx.linear_cross_entropy_backward(z, z, z, y)[2].max()
    _: NDArray[np.float32] = lsmx.log_prob(z, y)
