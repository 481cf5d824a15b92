"""Probabilities in the shape of scikit-learn's helpers."""

from __future__ import annotations

from typing import Any

import numpy as np

import lsmx

__all__ = ["predict_log_proba", "softmax"]


def softmax(X: Any, copy: bool = True) -> Any:
    """Softmax of each row, as ``sklearn.utils.extmath.softmax`` [1]_.

    Parameters
    ----------
    X : array or list
        Of shape ``(M, N)``, in float16, float32 or float64; a list is made an array.
    copy : bool, default True
        Whether the result is a new array; otherwise ``X`` itself is written to.

    Returns
    -------
    array
        Of the shape and dtype of ``X``; ``X`` itself without ``copy``.

    Raises
    ------
    ArrayTypeError
        ``copy=False`` with what is no array.
    DTypeError, AxisError, OutputError
        As `lsmx.softmax`.

    References
    ----------
    .. [1] https://scikit-learn.org/stable/modules/generated/sklearn.utils.extmath.softmax.html

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.adapters.sklearn import softmax
    >>> X = np.asarray([[0.0, 0.0], [0.0, -50.0]])
    >>> softmax(X, copy=False) is X
    True
    >>> X
    array([[5.00000000e-01, 5.00000000e-01],
           [1.00000000e+00, 1.92874985e-22]])
    """
    if hasattr(X, "shape"):
        return lsmx.softmax(X, axis=1, out=None if copy else X)
    if not copy:
        raise lsmx.ArrayTypeError(f"X: {type(X).__name__} with copy=False, which writes to an array; pass one, or leave copy out")
    return lsmx.softmax(np.asarray(X, dtype=np.float64), axis=1)


def predict_log_proba(estimator: Any, X: Any) -> Any:
    """Log-probabilities of a classifier's classes, from its ``decision_function``.

    Parameters
    ----------
    estimator : object
        A fitted classifier whose probabilities are the softmax of its decisions: ``LogisticRegression``, ``LogisticRegressionCV``,
        ``LinearDiscriminantAnalysis``, gradient boosting with the log loss, or a pipeline that ends in one.
    X : array or list
        What it predicts from, of shape ``(M, features)``.

    Returns
    -------
    array
        Of shape ``(M, classes)``, in the order of ``estimator.classes_``. Finite for finite decisions, also where the probability
        is 0 in floating point, and its logarithm ``-inf``.

    Raises
    ------
    ArgumentValueError
        ``estimator.predict_proba`` says something else of the first row: the softmax of the decisions is not its model.

    Notes
    -----
    ``log_softmax(d)``, or ``log_softmax([0, d])`` for two classes, which have one decision ``d``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from lsmx.adapters.sklearn import predict_log_proba
    >>> model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    >>> found = predict_log_proba(model, [[5000.0]])
    >>> found.shape, np.isfinite(found).all()
    ((1, 2), np.True_)
    """
    d = estimator.decision_function(X)
    d = np.stack([np.zeros_like(d), d], axis=1) if d.ndim == 1 else d
    found = lsmx.log_softmax(d, axis=1)
    said = estimator.predict_proba(X[:1])
    want, name = np.exp(found[:1]), type(estimator).__name__
    if want.shape != said.shape or not np.allclose(want, said, rtol=1e-3, atol=1e-6):
        k = int(np.argmax(np.abs(want - said))) if want.shape == said.shape else None
        theirs, ours = (f"{len(p[0])} numbers" if k is None else f"{p[0, k]:.3g} in column {k}" for p in (said, want))
        raise lsmx.ArgumentValueError(
            f"estimator: {name}.predict_proba gives {theirs} of the first row, the softmax of its decision_function {ours}; "
            "pass a classifier whose probabilities are that softmax, such as LogisticRegression"
        )
    return found
