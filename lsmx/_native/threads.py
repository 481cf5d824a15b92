"""How many threads the host's kernels use, and how rows are shared out among them."""

from __future__ import annotations

import functools
import itertools
import numbers
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, SupportsIndex

from lsmx._errors import ThreadsError

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

VARIABLE = "LSMX_NUM_THREADS"
WORTH = 2**19
"""Elements from which on the work is shared: waking a thread takes as long as some 2^17 of them."""

_chosen: int | None = None


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
    """What was given to ``set_num_threads``, if anything."""
    return _chosen


def get_num_threads() -> int:
    """The number of threads that kernels use on NumPy arrays of half a million elements or more.

    Returns
    -------
    int
        What was given to `set_num_threads`, or the environment's ``LSMX_NUM_THREADS``, or one for every processor that this process
        may use. PyTorch tensors go by ``torch.get_num_threads`` until `set_num_threads` is called.

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
    n
        At least 1; None to take it back.

    Raises
    ------
    ValueError
        ``n`` is no such number.

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


@functools.cache
def pool(helpers: int) -> ThreadPoolExecutor:
    """The threads beside the caller's own."""
    from concurrent.futures import ThreadPoolExecutor  # which most programs that import lsmx never need

    return ThreadPoolExecutor(helpers, thread_name_prefix="lsmx")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # a child has none of its parent's threads


def share(job: Callable[[int, int], None], count: int, threads: int, multiple: int) -> None:
    """``job(start, stop)`` over ``range(count)``, in as many equal parts as there are threads, cut at multiples."""
    steps = -(-count // multiple)
    threads = min(threads, steps)
    cuts = [min(count, steps * i // threads * multiple) for i in range(threads + 1)]
    futures = []
    for part in itertools.pairwise(cuts[1:]):
        try:
            futures.append(pool(threads - 1).submit(job, *part))
        except RuntimeError:  # Python is ending, and starts no more threads
            job(*part)
    try:
        job(cuts[0], cuts[1])
    finally:
        for future in futures:
            future.result()
