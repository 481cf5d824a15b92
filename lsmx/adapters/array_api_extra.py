"""Log-softmax, softmax and logsumexp as array-api-extra has its functions: for an array of any namespace."""

from __future__ import annotations

from typing import Any

import lsmx

__all__ = ["log_softmax", "logsumexp", "softmax"]


def log_softmax(x: Any, /, *, axis: Any = -1, xp: Any = None) -> Any:
    """Logarithm of the softmax.

    Parameters
    ----------
    x : array
        Floats, of any shape and library; with ``xp``, anything that ``xp.asarray`` takes.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all.
    xp : array namespace, optional
        The namespace of ``x``. Inferred by default.

    Returns
    -------
    array
        As `lsmx.log_softmax`, of which it has the bits.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError
        As `lsmx.log_softmax`.

    Examples
    --------
    >>> import array_api_strict as xp
    >>> from lsmx.adapters import array_api_extra as xpx
    >>> xpx.log_softmax([0.0, 0.0], xp=xp)
    Array([-0.69314718, -0.69314718], dtype=array_api_strict.float64)
    """
    return lsmx.log_softmax(of(x, xp), axis=axis)


def softmax(x: Any, /, *, axis: Any = -1, xp: Any = None) -> Any:
    """Softmax.

    Parameters
    ----------
    x : array
        Floats, of any shape and library; with ``xp``, anything that ``xp.asarray`` takes.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all.
    xp : array namespace, optional
        The namespace of ``x``. Inferred by default.

    Returns
    -------
    array
        As `lsmx.softmax`, of which it has the bits.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError
        As `lsmx.softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.adapters import array_api_extra as xpx
    >>> xpx.softmax(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """
    return lsmx.softmax(of(x, xp), axis=axis)


def logsumexp(x: Any, /, *, axis: Any = -1, xp: Any = None) -> Any:
    """Logarithm of the sum of exponentials.

    Parameters
    ----------
    x : array
        Floats, of any shape and library; with ``xp``, anything that ``xp.asarray`` takes.
    axis : int, tuple of int or None, default -1
        The axis or axes summed over; None for all.
    xp : array namespace, optional
        The namespace of ``x``. Inferred by default.

    Returns
    -------
    array
        As `lsmx.logsumexp`, of which it has the bits.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError
        As `lsmx.logsumexp`.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.adapters import array_api_extra as xpx
    >>> xpx.logsumexp(np.zeros((1, 2)))
    array([0.69314718])
    """
    return lsmx.logsumexp(of(x, xp), axis=axis)


def of(x: Any, xp: Any) -> Any:
    """An array of a namespace, or as it is."""
    return x if xp is None else xp.asarray(x)
