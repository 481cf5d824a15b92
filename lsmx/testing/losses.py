"""The losses as they are verified: each as it is, and with its options, on one case of each kind.

A name is that of a registered function, and after a plus one of its sets of options.
"""

from __future__ import annotations

from typing import Any

from lsmx import registered
from lsmx.extend import PER_CLASS, Function, normal_axes
from lsmx.testing.inputs import Case, uniform

OPTIONS: dict[str, dict[str, Any]] = {
    "log_prob": {},
    "log_prob+scaled": {"temperature": "array", "softcap": 5.0},
    "entropy": {},
    "entropy+scaled": {"temperature": 0.7},
    "rank": {},
    "row_sums": {},
    "scaled_logsumexp": {"temperature": "array"},
    "cross_entropy": {},
    "cross_entropy+full": {"label_smoothing": 0.1, "weight": "array", "z_loss": 0.01, "ignore_index": 0},
    "cross_entropy_of": {"label_smoothing": 0.2},
    "kl_divergence": {},
    "js_divergence": {"temperature": "array"},
}
"""By name. An array has a number for each row or class, drawn for the case."""
CASES = ("far", "nasty", "masked", "axes-0-2")
"""Those of the generated cases that losses are computed on."""
SLOW = (
    "XLA compiles the definition of their derivatives for minutes: log_prob, entropy, rank, row_sums, cross_entropy in float32 only"
)
SMALL = "the cases of the losses are no larger than a block"
QUICK = ("log_prob", "entropy", "rank", "row_sums", "cross_entropy")
"""What XLA compiles soon, in float32."""


def function_of(name: str) -> type[Function]:
    """The rules of a task."""
    return registered()[name.partition("+")[0]].function


def drawn_options(name: str, case: Case) -> dict[str, Any]:
    """The options of a task for a case: arrays in float64."""
    shape, axes = case.z.shape, normal_axes(case.axis, case.z.ndim)
    options = dict(OPTIONS.get(name, {}))
    for i, (option, value) in enumerate(options.items()):
        if isinstance(value, str):
            kind = function_of(name).optional[option]
            numbers = uniform(case.seed + 3000 + i, *kind.shape(shape, axes))
            options[option] = numbers if kind is PER_CLASS else 0.5 + 1.5 * numbers
    return options


def left_out(way: str, name: str, dtype: str) -> str | None:
    """Why a way is not gone for a task, or None."""
    if name not in OPTIONS or (way == "jax" and name in QUICK and dtype == "float32"):
        return None
    return {"jax": SLOW, "numpy/row-blocks": SMALL}.get(way)
