"""What a type checker knows of calls with the arrays of array-api-strict, and which of them it reports."""

# pyright: strict

from typing import assert_type

import array_api_strict as xp
import numpy as np
from array_api_strict._array_object import Array  # under no public name
from numpy.typing import NDArray

import lsmx

EXAMPLES = (xp.ones((2, 3)),)


def right(z: Array) -> None:
    """The result is one of the library."""
    assert_type(lsmx.log_softmax(z), Array)
    assert_type(lsmx.softmax(z, axis=(0, 1), where=z > 0, out=xp.zeros((2, 3))), Array)
    assert_type(lsmx.softmax(z, dtype="float32"), Array)
    assert_type(lsmx.log_softmax(z, dtype=xp.float32), Array)
    assert_type(lsmx.logsumexp(z, axis=0, keepdims=True), Array)
    assert_type(lsmx.log_softmax_backward(z, lsmx.log_softmax(z), where=z > 0), Array)
    assert_type(lsmx.softmax_backward(z, lsmx.softmax(z), out=xp.zeros((2, 3))), Array)
    assert_type(lsmx.logsumexp_backward(z[:, 0], z, lsmx.logsumexp(z)), Array)
    assert_type(lsmx.log_softmax_jvp(z, lsmx.log_softmax(z)), Array)
    assert_type(lsmx.softmax_jvp(z, lsmx.softmax(z)), Array)
    assert_type(lsmx.logsumexp_jvp(z, z, lsmx.logsumexp(z)), Array)
    assert_type(lsmx.log_softmax_jacobian(z), Array)
    assert_type(lsmx.softmax_jacobian(z), Array)
    assert_type(lsmx.backend_for(z).name, str)
    assert_type(lsmx.explain(z).runs, str)


def wrong(z: Array, other: NDArray[np.float32]) -> None:
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
