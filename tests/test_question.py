"""The question this library began with, and the page that answers it."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

import lsmx
from lsmx.testing import Target

HOME = pathlib.Path(lsmx.__file__).parents[1]
PAGE = HOME / "docs" / "the-question.md"
Z = np.asarray([[1.0, 2.0, 3.0]])


def made(backend: Target, dtype: str) -> tuple[object, object]:
    z = backend.from_numpy(Z, dtype)
    return z, backend.from_numpy(np.ones((1, 3)), dtype)


def test_forward(backend: Target) -> None:
    """The values printed in the question are good to 5 ulp of float32: they are of a ``z - logsumexp(z)`` in float32."""
    z, _ = made(backend, "float32")
    out = backend.to_numpy(lsmx.log_softmax(z))
    printed = np.asarray([[-2.4076061, -1.4076061, -0.40760612]], dtype=np.float32)
    assert (np.abs(out - printed) <= 5 * np.spacing(np.abs(printed))).all()
    exact = (Z - np.log(np.exp(Z).sum())).astype(np.float32)
    assert (np.abs(out - exact) <= np.spacing(np.abs(exact))).all()


def test_backward(backend: Target) -> None:
    z, g = made(backend, "float32")
    out = lsmx.log_softmax(z)
    got = backend.to_numpy(lsmx.log_softmax_backward(g, out))
    assert got.round(4).tolist() == np.asarray([[0.7299, 0.2658, -0.9957]], dtype=np.float32).tolist()
    diagonal = backend.to_numpy(g) * (1 - np.exp(backend.to_numpy(out)))
    wrong = np.asarray([[0.90996945, 0.75527155, 0.33475912]], dtype=np.float32)  # as printed, from the output 5 ulp off
    assert (np.abs(diagonal - wrong) <= 5 * np.spacing(wrong)).all()
    assert (np.abs(got - diagonal) > 0.1).all()


def test_torch_agrees() -> None:
    import torch

    t = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    torch.log_softmax(t, -1).backward(torch.ones(1, 3))
    assert t.grad is not None
    got = lsmx.log_softmax_backward(np.ones((1, 3), np.float32), lsmx.log_softmax(Z.astype(np.float32)))
    assert (np.abs(got - t.grad.numpy()) <= 4 * np.spacing(np.float32(1))).all()  # three roundings of 3 * s by PyTorch


QUOTED = re.findall(r"From `([^`]+)`[^\n]*:\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize(("file", "code"), QUOTED)
def test_the_page_quotes_the_code_as_it_is(file: str, code: str) -> None:
    """But for where lines end and how far they are indented."""
    assert "".join(code.split()) in "".join((HOME / file).read_text().split())


def test_the_page_quotes_every_rule() -> None:
    assert [file.rpartition("/")[2] for file, _ in QUOTED] == [
        "exp.py",
        "softmax.py",
        "softmax.py",
        "log_softmax.py",
        "log_softmax.py",
    ]
