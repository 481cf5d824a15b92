"""The losses: the inputs and options on which their bits are checked, and what takes too long to check each time."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from lsmx import registered
from lsmx.extend import PER_CLASS, PER_ROW, ROW_SUMS
from lsmx.testing.drawn import SUMS
from lsmx.testing.inputs import Case, cases, normal, uniform

LOSSES = (
    "log_prob",
    "entropy",
    "rank",
    "row_sums",
    "row_top",
    "row_digits",
    "row_magnitude",
    "row_integer",
    "row_gradient",
    "scaled_logsumexp",
    "cross_entropy",
    "cross_entropy_of",
    "target_weight",
    "target_total",
    "kl_divergence",
    "js_divergence",
    "probabilities_total",
    "capped_logits",
    "divided_logits",
    "mean_of_rows",
)
"""By their names in the registry: ``cross_entropy`` is that with classes, ``cross_entropy_of`` that with probabilities."""
PLAIN = ("far", "single", "nasty", "masked", "axes-0-2", "axes-all", "scalar", "no-entries", "no-rows")
"""Generated cases that have no options, by name."""
QUICK = {
    "float16": ("rank", "row_sums", "row_top", "row_magnitude", "target_weight", "capped_logits", "divided_logits"),
    "bfloat16": ("rank", "row_sums", "row_top", "row_magnitude", "target_weight", "capped_logits", "divided_logits"),
    "float32": (
        "log_prob",
        "entropy",
        "rank",
        "row_sums",
        "row_top",
        "row_digits",
        "row_magnitude",
        "row_integer",
        "cross_entropy",
        "target_weight",
        "target_total",
        "capped_logits",
        "divided_logits",
    ),
    "float64": ("rank", "row_sums", "row_top", "row_magnitude", "target_weight", "capped_logits", "divided_logits"),
}
"""Functions that XLA compiles quickly, by dtype."""
OF_PARTS = {
    "row_top": ("nasty", "masked", "axes-0-2", "scaled-nasty", "temperatures", "no-entries"),
    "row_digits": ("nasty", "masked", "axes-0-2", "blocks", "no-entries"),
    "row_magnitude": ("nasty", "masked", "axes-0-2", "no-entries"),
    "row_integer": ("nasty", "masked", "axes-0-2", "blocks", "no-entries"),
    "row_gradient": ("nasty", "masked", "axes-0-2", "blocks", "known"),
}
"""What those are held on that are for parts of rows."""
QUICK_CASES = ("far", "nasty", "masked", "axes-0-2", "temperatures", "z-loss", "mean")


@functools.cache
def loss_cases() -> tuple[Case, ...]:
    """Some of the generated inputs, and others with options."""
    z = 4 * normal(30, 9, 33)
    spread = np.array(z)
    spread[::2] *= 16.0
    mask = uniform(32, 9, 33) < 0.7
    mask[4] = False
    generated = {case.name: case for case in cases()}
    every = {"temperature": PER_ROW, "softcap": 5.0, "label_smoothing": 0.1, "weight": PER_CLASS, "z_loss": 0.01, "ignore_index": 0}
    return (
        *(generated[name] for name in PLAIN),
        Case("blocks", 5 * normal(33, 2, 5000), seed=33),
        Case("scaled", spread, where=mask, seed=34, options={"temperature": 0.7, "softcap": 20.0}),
        replace(generated["nasty"], name="scaled-nasty", options={"temperature": 3.0, "softcap": 30.0}),
        Case("temperatures", z, seed=35, options={"temperature": PER_ROW, "weight": PER_CLASS}),
        Case("smoothed", spread, where=mask, seed=36, options={"label_smoothing": 0.1, "weight": PER_CLASS, "ignore_index": 3}),
        Case("z-loss", z, seed=37, options={"z_loss": 0.01, "label_smoothing": 0.25, "ignore_index": -100}),
        Case("several", 3 * normal(31, 2, 4, 7), seed=38, options={"index": 4}),
        Case("known", z, where=mask, seed=39, options={SUMS: True, "temperature": PER_ROW, "softcap": 10.0}),
        *(replace(generated[name], name=f"full-{name}", options=every) for name in ("nasty", "masked", "axes-0-2", "no-entries")),
        Case("along-1", 3 * normal(41, 2, 7, 3), axis=1, seed=41, options={"index": 2, SUMS: True, "temperature": PER_ROW}),
        Case("mean", 1000 * normal(40, 6, 50), axis=None, seed=46, options={"zero_if_empty": True}),
        Case("means", 1000 * normal(42, 3, 8, 2), axis=(0, 2), seed=42, options={"zero_if_empty": True}),
        Case("mean-of-none", np.zeros(0), axis=None, seed=43, options={"zero_if_empty": True}),
    )


def fits(function: str, case: Case) -> bool:
    """Whether a case is one for a function: it has some of the options that the case is for."""
    rules, numbers = registered()[function].function, registered()[function].operations["forward"].options
    if function == "mean_of_rows":
        return case.axis is None or "zero_if_empty" in case.options
    if rules.gives is ROW_SUMS and not case.z.ndim:  # there is no axis for the numbers to lie along
        return False
    if function in OF_PARTS:
        return case.name in OF_PARTS[function]
    if SUMS in case.options:
        return SUMS in rules.optional
    return not case.options or any(name in (*numbers, *rules.optional, *rules.takes) for name in case.options)


def cases_of(function: str) -> list[Case]:
    """The inputs on which the bits of a function are checked."""
    return [case for case in loss_cases() if fits(function, case)] if function in LOSSES else cases()


def looked_at(library: str, function: str, dtype: str) -> list[Case]:
    """The inputs on which a library is checked each time.

    XLA compiles some losses for seconds, and others for minutes; array-api-strict, which checks every step, has all in float32.
    """
    name, _, device = library.partition("-")
    if function not in LOSSES or name not in ("jax", "strict") or (name == "strict" and not device and dtype == "float32"):
        return cases_of(function)
    few = name == "strict" or function in QUICK[dtype]
    return [case for case in cases_of(function) if few and case.name in QUICK_CASES]
