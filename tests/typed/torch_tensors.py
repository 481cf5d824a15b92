"""What a type checker knows of calls with PyTorch's tensors, and which of them it reports."""

# pyright: strict

from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray

import lsmx

EXAMPLES = (torch.ones(2, 3),)


def right(z: torch.Tensor) -> None:
    """The result is one of the library."""
    assert_type(lsmx.log_softmax(z), torch.Tensor)
    assert_type(lsmx.softmax(z, axis=(0, 1), where=z > 0, out=torch.empty(2, 3)), torch.Tensor)
    assert_type(lsmx.softmax(z, dtype="float32"), torch.Tensor)
    assert_type(lsmx.log_softmax(z, dtype=torch.float32), torch.Tensor)
    assert_type(lsmx.logsumexp(z, axis=0, keepdims=True), torch.Tensor)
    assert_type(lsmx.log_softmax_backward(z, lsmx.log_softmax(z), where=z > 0), torch.Tensor)
    assert_type(lsmx.softmax_backward(z, lsmx.softmax(z), out=torch.empty(2, 3)), torch.Tensor)
    assert_type(lsmx.logsumexp_backward(z[:, 0], z, lsmx.logsumexp(z)), torch.Tensor)
    assert_type(lsmx.log_softmax_jvp(z, lsmx.log_softmax(z)), torch.Tensor)
    assert_type(lsmx.softmax_jvp(z, lsmx.softmax(z)), torch.Tensor)
    assert_type(lsmx.logsumexp_jvp(z, z, lsmx.logsumexp(z)), torch.Tensor)
    assert_type(lsmx.log_softmax_jacobian(z), torch.Tensor)
    assert_type(lsmx.softmax_jacobian(z), torch.Tensor)

    # a parameter is a leaf of the graph; what is computed from it is not
    parameter = torch.nn.Parameter(z)
    assert_type(lsmx.log_softmax(parameter), torch.Tensor)
    assert_type(lsmx.log_softmax_backward(z, parameter), torch.Tensor)
    assert_type(lsmx.backend_for(z).name, str)
    assert_type(lsmx.explain(z).runs, str)


def wrong(z: torch.Tensor, other: NDArray[np.float32]) -> None:
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
