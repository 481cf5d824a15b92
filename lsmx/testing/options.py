"""Lines for the options of cross-entropy and log-probs, mean, ignored rows, smoothing, class weights, temperature; and forward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsmx.testing.gradients import KEPT_Z, OF_LOGITS, ONE_HOT, PROBABILITIES, RULES, G

ACCEPTED = {
    "cross_entropy": ("reduction", "ignore_index", "label_smoothing", "weight", "temperature"),
    "log_prob": ("temperature",),
}
DEFAULTS = {"reduction": "none", "ignore_index": None, "label_smoothing": 0, "temperature": 1}
TRIED = {"reduction": "mean", "ignore_index": 1, "label_smoothing": 0.1875, "weight": True, "temperature": 1.75}
"""What those that are keywords are tried with; weights are drawn."""
OF_NUMBERS = {"ignore_index", "weight"}  # for classes that are numbers, not one-hot
ONE_NUMBER = ("mean", "sum")  # reductions

IGNORED, REPLACED = "kept = target != ignore_index\n", "target = np.where(kept, target, 0)\n"
SMOOTHED = "(1 - eps) * y + eps / s.shape[axis]"
ZEROED = "\ndz = np.where(np.expand_dims(kept, axis), dz, 0)"
ZERO_LOSS = "\nloss = np.where(kept, loss, 0)"
WEIGHED, ALL_WEIGHED = "np.expand_dims(weight[target], axis)", "along(weight, s, axis)"
ROWS, KEPT, WEIGHTS, KEPT_WEIGHTS = "target.size", "np.sum(kept)", "np.sum(weight[target])", "np.sum(weight[target] * kept)"
COUNTS = (ROWS, KEPT, WEIGHTS, KEPT_WEIGHTS)
SCALED, BY_T = "softmax(z / temperature, axis)", " / temperature"
LSE, AT = "logsumexp(x, axis)", "at(x, target, axis)"
SMOOTH_LOSS = f"lse - (1 - eps) * {AT} - eps * np.mean(x, axis=axis)"
BOTH_LOSS = "np.sum(y * (np.expand_dims(lse, axis) - x), axis=axis)"


def count(active: Mapping[str, Any]) -> str:
    """What a mean divides by."""
    return COUNTS[("ignore_index" in active) + 2 * ("weight" in active)]


def ignoring(active: Mapping[str, Any], n: int) -> str:
    """Which rows count; one that is ignored with a target that is none of the ``n`` classes gets another."""
    if "ignore_index" not in active:
        return ""
    return IGNORED if 0 <= active["ignore_index"] < n else IGNORED + REPLACED


def with_options(function: str, saves: tuple[str, ...], active: Mapping[str, Any], n: int, one_hot: bool = False) -> str:
    """The lines of the gradient where these options are not at their defaults, of rows of ``n``."""
    rule, both = RULES[function].removeprefix(f"{G} * "), {"label_smoothing", "weight"} <= set(active)
    s = PROBABILITIES[function][saves].replace(OF_LOGITS, SCALED if "temperature" in active else OF_LOGITS)
    lines = f"{ignoring(active, n)}s = {s}\ny = {'target' if one_hot else ONE_HOT}\n"
    if both:
        lines += f"y = {ALL_WEIGHED} * ({SMOOTHED})\n"
        rule = "(s * np.sum(y, axis=axis, keepdims=True) - y)"
    elif "label_smoothing" in active:
        lines += f"y = {SMOOTHED}\n"
    elif "weight" in active:
        rule = f"{WEIGHED} * {rule}"
    g, reduction = G, active.get("reduction", "none")
    if reduction == "mean":
        lines += f"n = {count(active).replace(ROWS, '(s.size // s.shape[axis])' if one_hot else ROWS)}\n"
        g = "g / n"
    lines += f"dz = {'g' if reduction == 'sum' else g} * {rule}{BY_T if 'temperature' in active else ''}"
    return lines + (ZEROED if "ignore_index" in active else "")


def forward(function: str, active: Mapping[str, Any], n: int, masked: bool = False) -> str:
    """The lines of the function itself, of rows of ``n``."""
    lines = f"{ignoring(active, n)}x = {KEPT_Z if masked else 'z'}{BY_T if 'temperature' in active else ''}\nlse = {LSE}\n"
    if function == "log_prob":
        return f"{lines}out = {AT} - lse"
    loss = f"lse - {AT}"
    if {"label_smoothing", "weight"} <= set(active):
        lines += f"y = {ONE_HOT}\ny = {ALL_WEIGHED} * ({SMOOTHED})\n".replace("s.shape", "x.shape").replace("s, axis", "x, axis")
        loss = BOTH_LOSS
    elif "label_smoothing" in active:
        loss = SMOOTH_LOSS
    elif "weight" in active:
        loss = f"weight[target] * ({loss})"
    lines += f"loss = {loss}{ZERO_LOSS if 'ignore_index' in active else ''}"
    if active.get("reduction") == "mean":
        return f"{lines}\nn = {count(active)}\nloss = np.sum(loss) / n"
    return f"{lines}\nloss = np.sum(loss, axis=None)" if active.get("reduction") == "sum" else lines
