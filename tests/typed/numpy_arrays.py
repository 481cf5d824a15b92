"""What a type checker knows of calls with NumPy's arrays, and which of them it reports."""

# pyright: strict

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import lsmx
from lsmx import extend

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
EXAMPLES = (np.ones((2, 3), dtype=np.float32), np.ones((2, 3)), np.ones((2, 3), dtype=np.int32), np.ones((2, 3)), "float64")


def right(z: Matrix, x: NDArray[np.float64], integers: NDArray[np.int32], some: NDArray[Any], name: str) -> None:
    """The result has the shape and dtype of the array where its type says them."""
    assert_type(lsmx.log_softmax(z), Matrix)
    assert_type(lsmx.softmax(z, axis=0), Matrix)
    assert_type(lsmx.softmax(x, axis=(0, 1)), NDArray[np.float64])
    assert_type(lsmx.log_softmax(x, axis=None), NDArray[np.float64])
    assert_type(lsmx.log_softmax(z, axis=np.int64(0)), Matrix)
    assert_type(lsmx.log_softmax(z, where=z > 0, out=np.empty_like(z)), Matrix)
    assert_type(lsmx.log_softmax(some), NDArray[Any])

    # dtype= is another dtype, and not always one that a checker can know
    assert_type(lsmx.log_softmax(integers, dtype=np.float32), NDArray[np.float32])
    assert_type(lsmx.log_softmax(z, dtype=np.dtype(np.float64)), np.ndarray[tuple[int, int], np.dtype[np.float64]])
    assert_type(lsmx.softmax(integers, dtype="float32"), NDArray[Any])
    assert_type(lsmx.softmax(z, dtype=name), np.ndarray[tuple[int, int], np.dtype[Any]])
    assert_type(lsmx.softmax(x, dtype=None), NDArray[np.float64])

    # fewer axes, or more: the shape is left open
    assert_type(lsmx.logsumexp(z), NDArray[np.float32])
    assert_type(lsmx.logsumexp(z, axis=0, keepdims=True, where=z > 0), NDArray[np.float32])
    assert_type(lsmx.logsumexp(integers, dtype=np.float64), NDArray[np.float64])
    assert_type(lsmx.logsumexp(integers, dtype=name), NDArray[Any])
    assert_type(lsmx.log_softmax_jacobian(lsmx.log_softmax(z)), NDArray[np.float32])
    assert_type(lsmx.softmax_jacobian(lsmx.softmax(x)), NDArray[np.float64])

    # derivatives are of the dtype of what is not the vector
    g = z.astype(np.float16)
    assert_type(lsmx.log_softmax_backward(g, lsmx.log_softmax(z), out=np.empty_like(z)), Matrix)
    assert_type(lsmx.softmax_backward(x, lsmx.softmax(x), where=x > 0), NDArray[np.float64])
    assert_type(lsmx.logsumexp_backward(g[:, 0], z, lsmx.logsumexp(z)), Matrix)
    assert_type(lsmx.log_softmax_jvp(g, lsmx.log_softmax(z)), Matrix)
    assert_type(lsmx.softmax_jvp(x, lsmx.softmax(x)), NDArray[np.float64])
    assert_type(lsmx.logsumexp_jvp(g, z, lsmx.logsumexp(z)), NDArray[np.float32])

    assert_type(lsmx.backend_for(z), extend.Backend)
    assert_type(lsmx.explain(z, axis=0).runs, str)
    assert_type(lsmx.get_num_threads(), int)
    lsmx.set_num_threads(None)
    with lsmx.using("reference") as nothing:
        assert_type(nothing, None)


def untyped(x: Any, z: Matrix) -> None:
    """Nothing is made up for what a checker knows nothing of: arrays of a library without types, arguments without annotations."""
    lsmx.log_softmax(x).of_its_own()
    lsmx.softmax(x, dtype="float32").of_its_own()
    lsmx.logsumexp(x, dtype=np.float32, where=x > 0).of_its_own()
    lsmx.log_softmax_backward(z, x).of_its_own()
    lsmx.logsumexp_backward(z, x, z).of_its_own()
    lsmx.softmax_jvp(z, x).of_its_own()
    lsmx.logsumexp_jvp(x, x, x).of_its_own()
    lsmx.softmax_jacobian(x).of_its_own()
    _: NDArray[np.float64] = lsmx.softmax(z, dtype=x)  # pyright: ignore[reportUnknownVariableType]


def wrong(z: Matrix, x: NDArray[np.float64]) -> None:
    """Every line is reported."""
    lsmx.log_softmax(z, axis="last")
    lsmx.log_softmax(z, axis=1.0)
    lsmx.log_softmax(z, axis=[0, 1])
    lsmx.logsumexp(x, axis=(0, "last"))
    lsmx.softmax_jacobian(z, axis="last")
    lsmx.log_softmax_backward(z, z, axis="last")
    lsmx.log_softmax([1.0, 2.0])
    lsmx.log_softmax(1.0)
    lsmx.log_softmax(np.float32(1.0))
    lsmx.log_softmax("z")
    lsmx.log_softmax(None)
    lsmx.log_softmax(z.tolist(), dtype="float32")
    lsmx.log_softmax()
    lsmx.log_softmax(z, 1)
    lsmx.log_softmax(z, dim=1)
    lsmx.log_softmax(z=z)
    lsmx.softmax(z, keepdims=True)
    lsmx.logsumexp(z, keepdims="no")
    lsmx.log_softmax(z, where=[True, False, True])
    lsmx.log_softmax(z, where=z)  # pyright
    lsmx.log_softmax(z, out=[0.0])
    lsmx.log_softmax_backward(z)
    lsmx.log_softmax_backward(z, 0)
    lsmx.log_softmax_jvp(z, z, out=z)
    lsmx.backend_for([1.0])
    lsmx.explain([1.0])
    lsmx.explain(z, direction="backwards")
    lsmx.set_num_threads("2")
    lsmx.using(2)
    _: NDArray[np.float64] = lsmx.log_softmax(z)
