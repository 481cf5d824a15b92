"""The functions of ``scipy.special``: over all elements by default, of arrays of any library, of lists, tables and integers."""

from __future__ import annotations

from typing import Any

import lsmx
from lsmx.adapters._arrays import floats

__all__ = ["log_softmax", "logsumexp", "softmax"]


def log_softmax(x: Any, axis: Any = None) -> Any:
    """Logarithm of the softmax, as ``scipy.special.log_softmax`` [1]_.

    Parameters
    ----------
    x : array or list
        Array of any library, or what ``np.asarray`` makes one of: a list, a number, a column of a table. Integers are computed in
        float64.
    axis : int, tuple of int or None, default None
        The axis or axes over which the probabilities sum to 1; None for all. As in SciPy, 0 and -1 are None where ``x`` has no
        axes.

    Returns
    -------
    array
        Of the shape of ``x``; 0-d where ``x`` is a number, where SciPy gives a scalar.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError
        As `lsmx.log_softmax`.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.special.log_softmax.html

    Examples
    --------
    >>> from lsmx.adapters.scipy import log_softmax
    >>> log_softmax([0, 0])
    array([-0.69314718, -0.69314718])
    """
    x, dtype = floats(x)
    return lsmx.log_softmax(x, axis=along(x, axis), dtype=dtype)


def softmax(x: Any, axis: Any = None) -> Any:
    """Softmax, as ``scipy.special.softmax`` [1]_.

    Parameters
    ----------
    x : array or list
        Array of any library, or what ``np.asarray`` makes one of: a list, a number, a column of a table. Integers are computed in
        float64.
    axis : int, tuple of int or None, default None
        The axis or axes over which the result sums to 1; None for all. As in SciPy, 0 and -1 are None where ``x`` has no axes.

    Returns
    -------
    array
        Of the shape of ``x``; 0-d where ``x`` is a number, where SciPy gives a scalar.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError
        As `lsmx.softmax`.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.special.softmax.html

    Examples
    --------
    >>> from lsmx.adapters.scipy import softmax
    >>> softmax([[0, 0], [0, 0]])
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    x, dtype = floats(x)
    return lsmx.softmax(x, axis=along(x, axis), dtype=dtype)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Logarithm of the sum of exponentials, as ``scipy.special.logsumexp`` [1]_.

    Parameters
    ----------
    a : array or list
        Array of any library, or what ``np.asarray`` makes one of: a list, a number, a column of a table. Integers are computed in
        float64.
    axis : int, tuple of int or None, default None
        The axis or axes summed over; None for all. As in SciPy, 0 and -1 are None where ``a`` has no axes.
    b : None
        Weights are no part of lsmx: add their logarithms to ``a``.
    keepdims : bool, default False
        Whether the axes are left in the result, with size 1. Where ``a`` has none, the result has none; in SciPy it has one.
    return_sign : bool, default False
        False only. A sum of exponentials has no other sign than +.

    Returns
    -------
    array
        Of the shape of ``a`` without ``axis``; 0-d for all axes, where SciPy gives a scalar.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError
        As `lsmx.logsumexp`.
    ArgumentError
        ``b`` or ``return_sign`` is given.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.special.logsumexp.html

    Examples
    --------
    >>> from lsmx.adapters.scipy import logsumexp
    >>> logsumexp([[0, 0]], axis=1, keepdims=True)
    array([[0.69314718]])
    """
    if b is not None:
        raise lsmx.ArgumentError(f"b: {type(b).__name__}, but only None is accepted; for weights b > 0 pass a + log(b) as a")
    if return_sign:
        raise lsmx.ArgumentError(
            "return_sign: True, but only False is accepted, as a sum of exponentials is positive; leave it out"
        )
    x, dtype = floats(a)
    return lsmx.logsumexp(x, axis=along(x, axis), keepdims=bool(keepdims), dtype=dtype)


def along(x: Any, axis: Any) -> Any:
    """The axis or axes, of which a 0-d array has none."""
    return None if x.ndim == 0 and axis in (0, -1) else axis
