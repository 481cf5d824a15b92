"""Softmax regression on the UCI digits, trained through ``log_softmax`` and ``log_softmax_backward`` alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lsmx
from lsmx.testing import Target, differing

STEPS, RATE = 300, 0.5


def data() -> list[Any]:
    x, labels = load_digits(return_X_y=True)
    x = np.concatenate([x / 16.0, np.ones((len(x), 1))], axis=1).astype(np.float32)
    return train_test_split(x, np.eye(10, dtype=np.float32)[labels], test_size=0.3, random_state=0, stratify=labels)


def train(where: Target) -> tuple[float, np.ndarray]:
    """Plain gradient descent in the library's own matrix products; test accuracy and weights."""
    x, x_test, y, y_test = (where.from_numpy(part, "float32") for part in data())
    w = where.from_numpy(np.zeros((65, 10)), "float32")
    for _ in range(STEPS):
        out = lsmx.log_softmax(x @ w)
        w = w - (x.T @ lsmx.log_softmax_backward(y * (-1.0 / x.shape[0]), out)) * RATE
    predicted, true = (where.to_numpy(p).argmax(axis=1) for p in (x_test @ w, y_test))
    return float((predicted == true).mean()), where.to_numpy(w)


@pytest.mark.one_in(0, slow=3)
def test_accuracy(backend: Target) -> None:
    accuracy, _ = train(backend)
    assert accuracy >= 0.95


def test_gradients_on_the_same_logits_are_equal(backend: Target) -> None:
    x, _, y, _ = data()
    w = np.random.default_rng(0).standard_normal((65, 10)).astype(np.float32)
    logits, g = x @ w, y * np.float32(-1 / len(x))
    z, dy = (backend.from_numpy(v, "float32") for v in (logits, g))
    out, want = lsmx.log_softmax(z), lsmx.log_softmax(logits)
    assert differing(backend.to_numpy(out), want) is None
    assert differing(backend.to_numpy(lsmx.log_softmax_backward(dy, out)), lsmx.log_softmax_backward(g, want)) is None
