"""The gradients as lines of NumPy, in float64: what `diagnose` prints is what it runs."""

from __future__ import annotations

import functools
from types import CodeType
from typing import Any

import numpy as np

from lsmx.testing.inputs import Values

SUM_G = "np.sum(g, axis=axis, keepdims=True)"
SUM_GS = "np.sum(g * s, axis=axis, keepdims=True)"
LSE, G = "np.expand_dims(out, axis)", "np.expand_dims(g, axis)"

RULES = {
    "log_softmax": f"g - s * {SUM_G}",
    "softmax": f"s * (g - {SUM_GS})",
    "logsumexp": f"{G} * s",
}
PROBABILITIES = {"log_softmax": "np.exp(out)", "softmax": "out", "logsumexp": f"np.exp(z - {LSE})"}
OF_LOGITS = "softmax(z, axis)"
RESIDUALS = {  # what a gradient can be made from, the usual first
    "log_softmax": (("output",), ("z",), ("z", "output")),
    "softmax": (("output",), ("z",), ("z", "output")),
    "logsumexp": (("z", "output"), ("z",)),
}
KEPT_G, KEPT_Z, MASK_DZ = "np.where(where, g, 0)", "np.where(where, z, -np.inf)", "\ndz = np.where(where, dz, 0)"


def correct(function: str, saves: tuple[str, ...], masked: bool = False) -> str:
    """The lines that give ``dz`` from ``g`` and what was saved: ``out``, ``z`` or both."""
    s = PROBABILITIES[function] if "output" in saves else OF_LOGITS
    lines = f"s = {s}\ndz = {RULES[function]}"
    if masked:
        lines = lines.replace(OF_LOGITS, f"softmax({KEPT_Z}, axis)")
        lines = lines.replace("np.sum(g", f"np.sum({KEPT_G}") + MASK_DZ
    return lines


def softmax(z: Values, axis: int | None) -> Values:
    """For the lines: from logits, ``exp(z - max) / sum``."""
    e: Values = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return np.asarray(e / np.sum(e, axis=axis, keepdims=True))


@functools.cache
def _compiled(line: str) -> CodeType:
    return compile(line, "<gradient>", "exec")


def evaluate_lines(lines: str, given: dict[str, Any]) -> tuple[Values, Values] | Exception:
    """``dz`` and the magnitude of what was added up to it, which its roundings are relative to; or what was raised.

    The magnitude is the same lines with ``|g|`` and ``|s|``, and ``+`` for ``-`` in ``dz``; ``|s|`` is larger by ``slack`` where
    the error of its logarithm comes in.
    """
    value = {"np": np, "softmax": softmax, **given}
    size = dict(value, g=np.abs(given["g"]))
    try:
        with np.errstate(all="ignore"):
            for line in lines.splitlines():
                exec(_compiled(line), value)
                exec(_compiled(line.replace(" - ", " + ").replace("-(", "(") if line.startswith("dz") else line), size)
                if line.startswith("s ="):
                    size["s"] = np.abs(size["s"]) * given["slack"]
    except Exception as error:  # as the candidate's own would be
        return error
    return np.asarray(value["dz"]), np.asarray(np.abs(size["dz"]))
