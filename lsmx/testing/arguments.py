"""Checks of the arguments of `diagnose`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lsmx.extend import Array
from lsmx.testing.gradients import OF_CLASSES, RESIDUALS
from lsmx.testing.options import ACCEPTED, DEFAULTS, ONE_NUMBER
from lsmx.testing.signatures import parameters

Shapes = Sequence[tuple[int, ...]]

CALLED = {  # what the second argument of a cross-entropy rule is, by its name
    "output": ("out", "output", "logp", "log_p", "log_probs", "logprobs", "log_softmax"),
    "softmax": ("s", "p", "q", "prob", "probs", "probabilities", "softmax"),
}


def checked(backward: Any, forward: object, function: str, saves: str | Sequence[str] | None, shapes: Shapes) -> tuple[str, ...]:
    """Raise for bad arguments; return what the gradient is called with beside the cotangent."""
    if not callable(backward) and (backward is not None or forward is None):
        raise TypeError(f"backward: {backward!r} is not callable; pass the function that computes your gradient")
    if forward is not None and not callable(forward):
        raise TypeError(f"forward: {forward!r} is not callable; pass the function that computes your loss")
    if function not in RESIDUALS:
        raise ValueError(f"function: {function!r} is not one of {', '.join(RESIDUALS)}")
    if forward is not None and function not in OF_CLASSES:
        raise ValueError(f"forward: given for {function}, but it is checked for {', '.join(OF_CLASSES)} only; leave it out")
    if not shapes or not all(len(shape) >= 2 and min(shape) >= 2 for shape in shapes):
        raise ValueError(f"shapes: {shapes!r} are not shapes of two axes or more, each of two entries or more")
    accepted = RESIDUALS[function]
    if saves is None:
        return by_name(backward) if function in OF_CLASSES else accepted[0]
    saved = (saves,) if isinstance(saves, str) else tuple(saves)
    if saved not in accepted:
        raise ValueError(f"saves: {saves!r}, but the gradient of {function} is made from one of {', '.join(map(str, accepted))}")
    return saved


def checked_options(options: Mapping[str, Any] | None, function: str) -> dict[str, Any]:
    """The options that are not at their defaults; raises for options that lsmx has not."""
    accepted = [name for name in ACCEPTED.get(function, ()) if name != "weight"]
    valid: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "reduction": ("'none', 'mean' or 'sum'", lambda x: isinstance(x, str) and x in ("none", *ONE_NUMBER)),
        "ignore_index": ("an integer or None", lambda x: x is None or (isinstance(x, int) and not isinstance(x, bool))),
        "label_smoothing": ("a number from 0 to 1", lambda x: isinstance(x, int | float) and 0 <= x <= 1),
        "temperature": ("a positive number", lambda x: isinstance(x, int | float) and 0 < x < np.inf),
    }
    given = dict(options or {})
    for name, value in given.items():
        if name == "weight":
            raise ValueError("options: weight; let your function take it as a keyword, and it is called with one number a class")
        if name not in accepted:
            raise ValueError(f"options: {name!r} is not one of those of {function}: {', '.join(accepted) or 'none'}")
        words, accepts = valid[name]
        if not accepts(value):
            raise ValueError(f"options: {name}={value!r}, but lsmx.{function} takes {words}")
    return {name: value for name, value in given.items() if value != DEFAULTS[name]}


def by_name(backward: Callable[..., Array]) -> tuple[str, ...]:
    """What a cross-entropy rule calls its second argument; the logits, if that does not tell."""
    names = [p.name for p in parameters(backward)[1:2]]
    return next(((what,) for what, called in CALLED.items() if not set(called).isdisjoint(names)), ("z",))
