"""Probabilities in the shape of scikit-learn's helpers."""

from __future__ import annotations

from typing import Any

import numpy as np

import lsmx
from lsmx.adapters._arrays import floats

__all__ = ["predict_log_proba", "softmax"]


def softmax(X: Any, copy: bool = True) -> Any:
    """Softmax of each row, as ``sklearn.utils.extmath.softmax`` [1]_.

    Parameters
    ----------
    X : array or list
        Of shape ``(M, N)``, in float16, float32 or float64; a list or a table is made an array.
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
    x, dtype = floats(X)
    if x is X:
        return lsmx.softmax(X, axis=1, out=None if copy else X)
    if not copy:
        raise lsmx.ArrayTypeError(f"X: {type(X).__name__} with copy=False, which writes to an array; pass one, or leave copy out")
    return lsmx.softmax(x, axis=1, dtype=dtype)


def predict_log_proba(estimator: Any, X: Any) -> Any:
    """Log-probabilities of a classifier's classes, from its ``decision_function``.

    Parameters
    ----------
    estimator : object
        A fitted classifier whose probabilities are the softmax of its decisions: ``LogisticRegression``, ``LogisticRegressionCV``,
        ``LinearDiscriminantAnalysis``, gradient boosting with the log loss, or a pipeline that ends in one.
    X : array, list or sparse matrix
        What it predicts from, of shape ``(M, features)``.

    Returns
    -------
    array
        Of shape ``(M, classes)``, in the order of ``estimator.classes_``. Finite for finite decisions, also where the probability
        is 0 in floating point, and its logarithm ``-inf``.

    Raises
    ------
    ArgumentValueError
        ``estimator.predict_proba(X)`` is not the softmax of the decisions, in any row: a probability differs by more than 1e-3 of
        itself plus 8 eps of its dtype.

    Notes
    -----
    ``log_softmax(d)``, or ``log_softmax([0, d])`` for two classes, which have one decision ``d``. A classifier of another kind
    raises no error if each row of ``X`` has one class with a probability of 1 up to rounding, as there both agree.

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
    ours, theirs = np.exp(found), estimator.predict_proba(X)
    if ours.shape != theirs.shape:
        what = f"shape {theirs.shape}", f"{ours.shape}"
    elif (off := np.abs(ours - theirs) > 1e-3 * theirs + 8 * np.finfo(theirs.dtype).eps).any():  # not where both are NaN
        row, k = np.unravel_index(np.argmax(off * np.abs(ours - theirs)), off.shape)
        what = f"{theirs[row, k]:.3g} in row {row}, column {k}", f"{ours[row, k]:.3g}"
    else:
        return found
    raise lsmx.ArgumentValueError(
        f"estimator: {type(estimator).__name__}.predict_proba gives {what[0]}, the softmax of its decision_function {what[1]}; "
        "pass a classifier whose probabilities are that softmax, such as LogisticRegression"
    )
