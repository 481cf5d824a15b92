"""Bit patterns, by which any two of lsmx's own results are compared: there is no tolerance."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

_UINT = {"float16": np.uint16, "float32": np.uint32, "float64": np.uint64}


def quantise(values: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """``values`` rounded to ``dtype``, to nearest-even. bfloat16, which NumPy lacks, is held as float32.

    Parameters
    ----------
    values : numpy.ndarray
        Numbers in float64, or in float32.
    dtype : str
        ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Returns
    -------
    numpy.ndarray
        Of the shape of ``values``, in ``dtype``; in float32 for bfloat16. What is too large becomes infinite.

    See Also
    --------
    bits : the bit patterns of the result.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import quantise
    >>> quantise(np.asarray([1 / 3]), "bfloat16")
    array([0.33398438], dtype=float32)
    """
    with np.errstate(over="ignore"):
        if dtype != "bfloat16":
            return values.astype(dtype)
        single = to_odd_single(values)
    word = single.view(np.uint32)
    rounded = (word + np.uint32(0x7FFF) + ((word >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(single), np.float32(np.nan), rounded.view(np.float32))


def to_odd_single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """float64 to float32 by rounding to odd, so that rounding the result again gives what rounding once would."""
    single = values.astype(np.float32)
    if values.dtype == np.float32:
        return single
    toward_zero = np.where(np.abs(single.astype(np.float64)) > np.abs(values), np.nextafter(single, np.float32(0)), single)
    inexact = (toward_zero.astype(np.float64) != values) & np.isfinite(values)
    return np.where(inexact, (toward_zero.view(np.uint32) | np.uint32(1)).view(np.float32), toward_zero)


def bits(x: npt.NDArray[Any], dtype: str | None = None) -> npt.NDArray[Any]:
    """The bit pattern of every element, of NaN too; float32 that holds bfloat16 as its upper half.

    Parameters
    ----------
    x : numpy.ndarray
        Numbers in float16, float32 or float64.
    dtype : str, optional
        ``"bfloat16"`` for float32 that holds bfloat16, as `quantise` gives it. Otherwise it is not looked at.

    Returns
    -------
    numpy.ndarray
        Unsigned integers of the same size, and of the shape of ``x``; 0-d becomes one axis of 1. Of bfloat16 uint16.

    Raises
    ------
    AssertionError
        float32 values that are no bfloat16, with ``dtype="bfloat16"``.

    See Also
    --------
    differing : the first difference of two arrays, in words.
    digest : a hash of bit patterns.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import bits
    >>> zeros = np.asarray([0.0, -0.0], dtype=np.float32)
    >>> [f"{pattern:08x}" for pattern in bits(zeros)]
    ['00000000', '80000000']
    """
    x = np.ascontiguousarray(x)
    pattern: npt.NDArray[Any] = x.view(_UINT[x.dtype.name])
    if dtype == "bfloat16":
        assert not (pattern & np.uint32(0xFFFF)).any(), "float32 values that are no bfloat16"
        return (pattern >> np.uint32(16)).astype(np.uint16)
    return pattern


def differing(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> str | None:
    """None if two results are equal in shape, dtype and every bit, else the first difference in words.

    Parameters
    ----------
    a : numpy.ndarray
        A result.
    b : numpy.ndarray
        Another. NaN equals a NaN of the same bits only, and 0 is not -0.

    Returns
    -------
    str or None
        None if they are equal; else the shapes and dtypes, or how many elements differ and the first of them.

    See Also
    --------
    bits : the bit patterns themselves.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> from lsmx.testing import differing
    >>> z = np.asarray([[1.0, 2.0, 3.0]], dtype=np.float32)
    >>> print(differing(lsmx.log_softmax(z), lsmx.log_softmax(z.copy())))
    None
    >>> differing(np.asarray([1.0, 0.0]), np.asarray([1.0, -0.0]))
    '1 of 2 differ, first at (1,): np.float64(0.0) against np.float64(-0.0)'
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype} {a.shape} against {b.dtype} {b.shape}"
    unequal = (bits(a) != bits(b)).reshape(a.shape)
    if not unequal.any():
        return None
    at = tuple(int(i) for i in np.argwhere(unequal)[0])
    return f"{int(unequal.sum())} of {a.size} differ, first at {at}: {a[at]!r} against {b[at]!r}"


def digest(*results: tuple[npt.NDArray[Any], str]) -> str:
    """A short hash of the shapes and bit patterns of results, each given with its dtype's name.

    Parameters
    ----------
    *results : tuple of numpy.ndarray and str
        A result and its dtype's name; for ``"bfloat16"`` the array is float32.

    Returns
    -------
    str
        12 hexadecimal digits of a SHA-256, the same on machines of either byte order.

    See Also
    --------
    combined : several of them as one.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> from lsmx.testing import digest
    >>> digest((lsmx.softmax(np.zeros(4, np.float32)), "float32"))
    '6be26f2fcdc3'
    """
    sha = hashlib.sha256()
    for x, dtype in results:
        pattern = bits(x, dtype)
        sha.update(f"{dtype}{x.shape}".encode())
        sha.update(pattern.astype(pattern.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:12]


def combined(marks: list[str]) -> str:
    """Several hashes as one.

    Parameters
    ----------
    marks : list of str
        What `digest` gave, in an order that is kept.

    Returns
    -------
    str
        12 hexadecimal digits.

    See Also
    --------
    digest : of arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import combined, digest
    >>> marks = [digest((np.full(3, x), "float64")) for x in (0.0, 1.0)]
    >>> combined(marks) == combined(marks[::-1])
    False
    """
    return hashlib.sha256("".join(marks).encode()).hexdigest()[:12]


def ulp_error(got: npt.NDArray[Any], exact: list[Any], unit: list[Any] | None = None) -> float:
    """The largest error of ``got`` in ulp of its dtype at ``unit``: by default at the exact values, which are mpmath numbers.

    Parameters
    ----------
    got : numpy.ndarray
        Results, in float16, float32 or float64.
    exact : list of numbers
        Their exact values, in C order: numbers of mpmath, or others that a float can be taken from.
    unit : list of numbers, optional
        Where the ulp is taken of, for each element; by default at ``exact``.

    Returns
    -------
    float
        The largest ``abs(exact - got)``, in ulp: 0.5 is the most for what is rounded correctly.

    Examples
    --------
    >>> from fractions import Fraction
    >>> import numpy as np
    >>> from lsmx.testing import ulp_error
    >>> third = np.asarray([1 / 3], dtype=np.float32)
    >>> round(ulp_error(third, [Fraction(1, 3)]), 3)
    0.333
    """
    worst = 0.0
    for i, (value, true) in enumerate(zip(got.ravel().tolist(), exact, strict=True)):
        at = abs(true if unit is None else unit[i])
        worst = max(worst, float(abs(true - value) / float(np.spacing(got.dtype.type(float(at))))))
    return worst
