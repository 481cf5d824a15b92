"""The functions that ``lsmx apply`` knows, and what they take: by the names and signatures of the library's own."""

from __future__ import annotations

import inspect
from typing import Any

import lsmx

FUNCTIONS = (
    "log_softmax",
    "log_softmax_backward",
    "log_softmax_jvp",
    "softmax",
    "softmax_backward",
    "softmax_jvp",
    "logsumexp",
    "logsumexp_backward",
    "logsumexp_jvp",
    "log_prob",
    "log_prob_backward",
    "log_prob_jvp",
    "entropy",
    "entropy_backward",
    "entropy_jvp",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_jvp",
    "kl_divergence",
    "js_divergence",
    "row_sums",
)
"""Functions that make one array, each row of it from one row of the input."""

ONE_ARRAY = "makes two arrays, and a file holds one; call it from Python"
MANY = "makes n * n numbers of a row of n; call it from Python"
NOT_BY_ROWS = "is of hidden states and weights, and not of rows of logits; call it from Python"
REFUSED = {
    "token_stats": "makes four arrays, and a file holds one; apply log_prob, entropy or logsumexp",
    "kl_divergence_backward": ONE_ARRAY,
    "js_divergence_backward": ONE_ARRAY,
    "kl_divergence_jvp": "takes one tangent of two; call it from Python",
    "js_divergence_jvp": "takes one tangent of two; call it from Python",
    "log_softmax_jacobian": MANY,
    "softmax_jacobian": MANY,
    "linear_log_prob": NOT_BY_ROWS,
    "linear_cross_entropy": NOT_BY_ROWS,
    "linear_cross_entropy_backward": NOT_BY_ROWS,
}
"""The others, and why."""

OPTIONAL = ("where", "weight", "temperature", "row_sums", "support")
"""Arrays that may be left out."""


def function_named(text: str) -> str:
    """A function by its name.

    Raises
    ------
    ValueError
        It is none, or none of those; the message says why.
    """
    if text in REFUSED:
        raise ValueError(f"{text} {REFUSED[text]}")
    if text not in FUNCTIONS:
        raise ValueError(f"there is no function {text!r}; there are {', '.join(FUNCTIONS)}")
    return text


def parameters(function: str) -> tuple[list[str], list[str]]:
    """The names of the arrays that a function needs, in order, and those of its options."""
    given = inspect.signature(getattr(lsmx, function)).parameters.values()
    needed = [p.name for p in given if p.kind is p.POSITIONAL_ONLY]
    return needed, [p.name for p in given if p.kind is p.KEYWORD_ONLY]


def rows_of(function: str) -> str:
    """The name of the array whose rows are the input: the logits, or the output that was saved in place of them."""
    needed, _ = parameters(function)
    return "z" if "z" in needed else "output"


def call(function: str, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
    """The function of arrays by their names."""
    needed, optional = parameters(function)
    fixed = {"reduction": "none"} if "reduction" in optional else {}
    more = {name: x for name, x in arrays.items() if name not in needed}
    return getattr(lsmx, function)(*(arrays[name] for name in needed), **more, **options, **fixed)
