"""``lsmx.adapters.sklearn``: the softmax of scikit-learn's helper, and log-probs that do not run out of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx.adapters import sklearn
from lsmx.testing import differing
from tests.adapting import Table, needs, parameters, ulps

installed = needs("sklearn", "test")
X = 3 * np.random.default_rng(0).standard_normal((20, 7))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_softmax_is_lsmxs(dtype: Any) -> None:
    x, want = X.astype(dtype), lsmx.softmax(X.astype(dtype))
    kept = x.copy()
    assert differing(sklearn.softmax(x), want) is None
    assert np.array_equal(x, kept)
    for layout in (x.copy(), np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        assert sklearn.softmax(layout, copy=False) is layout
        assert differing(layout, want) is None
    tensor = torch.from_numpy(x)
    assert sklearn.softmax(tensor, copy=False) is tensor
    assert differing(tensor.numpy(), want) is None
    assert sklearn.softmax(x[:0]).shape == (0, 7)


def test_softmax_of_lists_and_what_it_does_not_take() -> None:
    assert np.array_equal(sklearn.softmax([[0, 0], [1, 1]]), np.full((2, 2), 0.5))
    for x in (X, X.astype(np.float32)):
        assert differing(sklearn.softmax(Table(x)), lsmx.softmax(x)) is None
    with pytest.raises(lsmx.ArrayTypeError, match="X: Table with copy=False"):
        sklearn.softmax(Table(X), copy=False)
    with pytest.raises(lsmx.ArrayTypeError, match="X: list with copy=False"):
        sklearn.softmax([[0.0]], copy=False)
    with pytest.raises(TypeError, match="dtype"):
        sklearn.softmax(np.zeros((2, 2), int))
    with pytest.raises(lsmx.AxisError):
        sklearn.softmax(np.zeros(2))


@installed
def test_softmax_is_scikit_learns() -> None:
    """Each of theirs is a quotient of an exponential and a sum of 7."""
    from sklearn.utils.extmath import softmax

    assert parameters(sklearn.softmax) == parameters(softmax)
    for dtype in (np.float32, np.float64):
        x = X.astype(dtype)
        got, want = sklearn.softmax(x), softmax(x)
        assert got.dtype == want.dtype
        assert ulps(got, want, want) <= 8
        assert softmax(x, copy=False) is x


@installed
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_log_probs_are_those_of_the_model(classes: int) -> None:
    """Theirs is the logarithm of a probability that was rounded: off by its relative error, a few units of 1."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((200, 4)), rng.integers(0, classes, 200)
    models = (
        LogisticRegression(),
        LinearDiscriminantAnalysis(),
        GradientBoostingClassifier(n_estimators=5),
        make_pipeline(StandardScaler(), LogisticRegression()),
    )
    for model in models:
        model.fit(x, y)
        got, want = sklearn.predict_log_proba(model, x), model.predict_log_proba(x)
        assert ulps(got, want, 1) <= 8
        d = model.decision_function(x)
        logits = d if classes > 2 else np.stack([np.zeros_like(d), d], axis=1)
        assert differing(got, lsmx.log_softmax(logits)) is None
    model = LogisticRegression().fit(x, y)
    far = 1e5 * x
    with np.errstate(divide="ignore"):
        assert np.isinf(model.predict_log_proba(far)).any()
    assert np.isfinite(sklearn.predict_log_proba(model, far)).all()


@installed
def test_a_model_of_another_kind_is_refused() -> None:
    from sklearn.linear_model import SGDClassifier

    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((200, 4)), rng.integers(0, 3, 200)
    model = SGDClassifier(loss="log_loss", random_state=0).fit(x, y)  # one against the rest
    with pytest.raises(
        ValueError, match=r"estimator: SGDClassifier.predict_proba gives 0\.\d+ in row \d+, column \d, .* decision_function 0\.\d+;"
    ):
        sklearn.predict_log_proba(model, x)


@installed
def test_a_model_of_another_kind_is_refused_whatever_its_first_row() -> None:
    """Where one class is sure, one against the rest is a softmax too, within the rounding of a probability."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 200)
    x = rng.standard_normal((200, 2)) + 4 * np.stack([np.cos(2 * y), np.sin(2 * y)], axis=1)
    model = OneVsRestClassifier(LogisticRegression(C=100)).fit(x, y)
    x = np.concatenate([30 * x[:1], x])
    first = model.decision_function(x[:1])
    assert np.allclose(np.exp(lsmx.log_softmax(first)), model.predict_proba(x[:1]), rtol=1e-3, atol=1e-15)
    with pytest.raises(ValueError, match=r"OneVsRestClassifier.predict_proba gives \S+ in row [1-9]\d*, column \d, "):
        sklearn.predict_log_proba(model, x)
    nearly = x[np.abs(np.exp(lsmx.log_softmax(model.decision_function(x))) - model.predict_proba(x)).max(axis=1) < 1e-6]
    assert len(nearly) > 1
    with pytest.raises(ValueError, match=r"OneVsRestClassifier\.predict_proba gives"):
        sklearn.predict_log_proba(model, nearly)


@installed
@pytest.mark.parametrize("classes", [2, 3])
def test_what_a_model_predicts_from_may_be_sparse_or_a_list(classes: int) -> None:
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((50, 4)), rng.integers(0, classes, 50)
    model = LogisticRegression().fit(x, y)
    for kind in (sparse.coo_matrix, sparse.dia_matrix, sparse.bsr_matrix, sparse.csr_matrix, np.ndarray.tolist):
        assert np.allclose(sklearn.predict_log_proba(model, kind(x)), sklearn.predict_log_proba(model, x))


@installed
@pytest.mark.parametrize("classes", [2, 3])
def test_a_decision_that_is_no_number_is_no_other_model(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((50, 4)), rng.integers(0, classes, 50)
    model = LogisticRegression(C=1e3).fit(x, y)
    x[7] = 1e308
    model.coef_ *= 100
    with np.errstate(over="ignore", invalid="ignore"):
        got = sklearn.predict_log_proba(model, x)
    assert np.isnan(got[7]).all()
    assert np.isfinite(np.delete(got, 7, axis=0)).all()
