"""The registered functions by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsmx._call.operator import Operator

operators: dict[str, Operator] = {}
"""Those that there are already."""
later: list[Callable[[], object]] = []
"""What registers more of them, when it is called: some are loaded when they are first asked for."""


def every() -> dict[str, Operator]:
    """All of them."""
    while later:
        later.pop()()
    return operators


def registered() -> dict[str, Operator]:
    """Every registered function by its name.

    Returns
    -------
    dict
        From names to what can be called; the rules are its ``function``.

    Examples
    --------
    >>> import lsmx
    >>> {'log_softmax', 'logsumexp', 'softmax'} <= lsmx.registered().keys()
    True
    """
    return dict(every())


def by_full_name() -> dict[str, Operator]:
    """The same with those whose options are arrays, each by the name of its operations."""
    return {variant.full_name: variant for operator in every().values() for variant in operator.variants.values()}
