"""How many threads the compiled core uses."""

from __future__ import annotations

import functools
import numbers
import os
from collections.abc import Callable
from typing import SupportsIndex

from lsmx._errors import ThreadsError

VARIABLE = "LSMX_NUM_THREADS"
_chosen: int | None = None
on_change: list[Callable[[int], object]] = []
"""Called with the number whenever it is set."""


def checked(n: object, source: str) -> int:
    """``n`` as a number of threads: an integer, NumPy's too, but no ``bool``."""
    count = int(n) if isinstance(n, numbers.Integral) and not isinstance(n, bool) else 0
    if count < 1:
        raise ThreadsError(f"{source}: {n!r} is not a number of threads; pass an integer of at least 1")
    return count


def parsed(text: str, source: str) -> int:
    """``text`` as a number of threads."""
    try:
        return checked(int(text), source)
    except ValueError:
        raise ThreadsError(f"{source}: {text!r} is not a number of threads; set an integer of at least 1") from None


@functools.cache
def default() -> int:
    """What the environment says, or a thread for every processor that this process may use."""
    if VARIABLE in os.environ:
        return parsed(os.environ[VARIABLE], VARIABLE)
    affinity = getattr(os, "sched_getaffinity", None)
    processors: int = len(affinity(0)) if affinity else os.cpu_count() or 1
    return processors


def chosen_threads() -> int | None:
    """What was given to ``set_num_threads``, if anything.

    Returns
    -------
    int or None
        The number; None where the environment or the machine decides.
    """
    return _chosen


def get_num_threads() -> int:
    """The number of threads that kernels use on NumPy arrays of half a million elements or more.

    Returns
    -------
    int
        What was given to `set_num_threads`, or the environment's ``LSMX_NUM_THREADS``, or one for every processor that this process
        may use. PyTorch tensors go by ``torch.get_num_threads`` until `set_num_threads` is called.

    See Also
    --------
    set_num_threads : which sets it.

    Examples
    --------
    >>> import lsmx
    >>> lsmx.get_num_threads() >= 1
    True
    """
    return _chosen or default()


def set_num_threads(n: SupportsIndex | None) -> None:
    """Set the number of threads that kernels use. The bits do not depend on it.

    Parameters
    ----------
    n : int or None
        At least 1; None to take it back.

    Raises
    ------
    ThreadsError
        ``n`` is no such number.

    See Also
    --------
    get_num_threads : how many there are now.

    Examples
    --------
    >>> import lsmx
    >>> lsmx.set_num_threads(2)
    >>> lsmx.get_num_threads()
    2
    >>> lsmx.set_num_threads(None)
    """
    global _chosen
    _chosen = None if n is None else checked(n, "set_num_threads")
    for tell in on_change:
        tell(get_num_threads())
