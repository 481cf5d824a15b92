"""The correct gradients as lines of NumPy code in float64: `diagnose` runs these lines, and prints them."""

from __future__ import annotations

import functools
from types import CodeType
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx.testing.inputs import Values

SUM_G = "np.sum(g, axis=axis, keepdims=True)"
SUM_GS = "np.sum(g * s, axis=axis, keepdims=True)"
LSE, G = "np.expand_dims(out, axis)", "np.expand_dims(g, axis)"

RULES = {
    "log_softmax": f"g - s * {SUM_G}",
    "softmax": f"s * (g - {SUM_GS})",
    "logsumexp": f"{G} * s",
    "cross_entropy": f"{G} * (s - y)",
    "log_prob": f"{G} * (y - s)",
}
OF_CLASSES = ("cross_entropy", "log_prob")  # functions that take a class for each row
OF_LOGITS, OF_LOG, OF_LSE = "softmax(z, axis)", "np.exp(out)", f"np.exp(z - {LSE})"
PROBABILITIES: dict[
    str, dict[tuple[str, ...], str]
] = {  # of what a gradient can be made from, the usual first; where a class is taken, "output" is the log-probabilities
    "log_softmax": {("output",): OF_LOG, ("z",): OF_LOGITS, ("z", "output"): OF_LOG},
    "softmax": {("output",): "out", ("z",): OF_LOGITS, ("z", "output"): "out"},
    "logsumexp": {("z", "output"): OF_LSE, ("z",): OF_LOGITS},
    "cross_entropy": {("z",): OF_LOGITS, ("output",): OF_LOG, ("softmax",): "p"},
    "log_prob": {("z",): OF_LOGITS, ("output",): OF_LOG, ("softmax",): "p"},
}
RESIDUALS = {function: tuple(saved) for function, saved in PROBABILITIES.items()}
ONE_HOT = "onehot(target, s.shape[axis], axis)"
KEPT_G, KEPT_Z, MASK_DZ = "np.where(where, g, 0)", "np.where(where, z, -np.inf)", "\ndz = np.where(where, dz, 0)"


def correct(function: str, saves: tuple[str, ...], masked: bool = False, one_hot: bool = False) -> str:
    """The lines that give ``dz`` from ``g`` and what was saved: ``z``, ``out``, ``p``; and ``target``, class numbers or one-hot."""
    lines = f"s = {PROBABILITIES[function][saves]}\n"
    if function in OF_CLASSES:
        lines += f"y = {'target' if one_hot else ONE_HOT}\n"
    lines += f"dz = {RULES[function]}"
    if masked:
        lines = lines.replace(OF_LOGITS, OF_LOGITS.replace("z", KEPT_Z))
        lines = lines.replace("np.sum(g", f"np.sum({KEPT_G}") + MASK_DZ
    return lines


def result_of(lines: str) -> str:
    """The name that the last line gives a value: ``dz``, ``loss`` or ``out``."""
    return lines.rpartition("\n")[2].partition(" = ")[0]


def softmax(z: Values, axis: Any) -> Values:
    """For the lines: from logits, ``exp(z - max) / sum``."""
    e: Values = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return np.asarray(e / np.sum(e, axis=axis, keepdims=True))


def onehot(target: npt.NDArray[np.int64], n: int, axis: int) -> Values:
    """For the lines: 1 at the target's class, 0 at the others, and at all if it is -1 or n."""
    return np.moveaxis(np.eye(n + 1)[target][..., :n], -1, axis)


def logsumexp(z: Values, axis: Any) -> Values:
    """For the lines: without the axis."""
    m = np.max(z, axis=axis, keepdims=True)
    return np.asarray(np.squeeze(m + np.log(np.sum(np.exp(z - m), axis=axis, keepdims=True)), axis=axis))


def at(z: Values, target: npt.NDArray[np.int64], axis: int) -> Values:
    """For the lines: the entry of each row's class."""
    return np.squeeze(np.take_along_axis(z, np.expand_dims(target, axis), axis), axis=axis)


def along(weight: Values, z: Values, axis: int) -> Values:
    """For the lines: one number a class as an array of as many axes as ``z``."""
    return np.moveaxis(np.reshape(weight, (1,) * (z.ndim - 1) + weight.shape), -1, axis)


HELPERS = {"np": np, "softmax": softmax, "onehot": onehot, "logsumexp": logsumexp, "at": at, "along": along}


@functools.lru_cache(maxsize=4096)
def _compiled(line: str) -> CodeType:
    return compile(line, "<gradient>", "exec")


def evaluate_lines(lines: str, given: dict[str, Any], size: bool = False) -> Values | Exception:
    """The result; or with ``size`` the magnitude of what was added up to it, that roundings are relative to; or what was raised.

    The magnitude is the same lines after ``s`` or ``lse`` with absolute values, and ``+`` for ``-`` in the result. To ``|s|`` comes
    ``slack``, the error of its logarithm, and to ``|lse|`` ``log_length``, which cancels where the maximum is negative.
    """
    value, result = {**HELPERS, **given}, result_of(lines)
    try:
        with np.errstate(all="ignore"):
            for line in lines.splitlines():
                exec(_compiled(line.replace(" - ", " + ").replace("-(", "(") if size and line.startswith(result) else line), value)
                if size and line.startswith(("s =", "lse =")):
                    value |= {
                        name: np.abs(value[name]) for name in ("g", "z", "x", "out", "s", "lse", "earlier_dz") if name in value
                    }
                    value |= {"s": value["s"] * given["slack"]} if "s" in value else {"lse": value["lse"] + given["log_length"]}
    except Exception as error:  # as the candidate's own would be
        return error
    return np.abs(value[result]) if size else np.asarray(value[result])
