"""The registered functions by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsmx._call.operator import Operator

operators: dict[str, Operator] = {}
"""Those that are registered so far."""
later: list[Callable[[], object]] = []
"""Called when all functions are asked for: each imports a module that registers more."""


def every() -> dict[str, Operator]:
    """All of them."""
    while later:
        later.pop()()
    return operators


def registered() -> dict[str, Operator]:
    """Every registered function by its name.

    Returns
    -------
    dict of str to Operator
        From names to what can be called; the rules are its ``function``.

    Examples
    --------
    >>> import lsmx
    >>> {'log_softmax', 'logsumexp', 'softmax'} <= lsmx.registered().keys()
    True
    """
    return dict(every())


def by_full_name() -> dict[str, Operator]:
    """Every registered function, and a variant of each for options that are arrays, by names such as ``log_prob_with_temperature``.

    Returns
    -------
    dict of str to Operator
        By the name, and what is given as an array.
    """
    return {variant.full_name: variant for operator in every().values() for variant in operator.variants.values()}
