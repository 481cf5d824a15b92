"""What ``scale_bits.py`` compares: functions, arrays with all that is hard, NumPy's whole results, and a count of what is equal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import lsmx
from lsmx.testing import differing

ROWS, N = 16, 96  # by which 2, 4 and 8 devices divide evenly; JAX has no arrays that are divided otherwise
UNEVEN = 13, 97
Arrays = tuple[np.ndarray, ...]
Case = tuple[str, Arrays, dict[str, Any], tuple[str, ...]]
Found = dict[str, dict[str, list[int]]]  # by split and function: how many arrays are equal, of how many
found: Found = {}


def logits(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """With all that is hard: NaN, infinities, parts of nothing but -inf, ties, and rows that one logit leads by far."""
    z = (4 * rng.standard_normal((rows, n))).astype(np.float32)
    z[1, 3], z[2, 5], z[3], z[4, 10:], z[5] = np.nan, np.inf, -np.inf, -np.inf, 7.0
    z[6, [3, n - 6]], z[7, 30], z[8, :60] = 40.0, 60.0, -np.inf
    return z


def cases(rows: int, n: int) -> list[Case]:
    """A function, its arrays, its options; and which of the arrays have gradients."""
    rng = np.random.default_rng(5)
    z, w = logits(rng, rows, n), logits(rng, rows, n)[::-1].copy()
    index = rng.integers(0, n, rows)
    several, target = rng.integers(0, n, (rows, 3)), np.where(np.arange(rows) == 7, -100, index)
    q, each = np.abs(rng.standard_normal((rows, n))).astype(np.float32), {"reduction": "none"}
    return [
        ("log_softmax", (z,), {}, ("z",)),
        ("softmax", (z,), {}, ("z",)),
        ("logsumexp", (z,), {}, ("z",)),
        ("row_sums", (z,), {"temperature": 0.7}, ()),
        ("log_prob", (z, index), {"temperature": 0.7, "softcap": 20.0}, ("z",)),
        ("log_prob", (z, several), {}, ("z",)),
        ("entropy", (z,), {}, ("z",)),
        ("token_stats", (z, index), {}, ()),
        ("cross_entropy", (z, target), each, ("z",)),
        ("cross_entropy", (z, target), {"label_smoothing": 0.1, "z_loss": 1e-3, **each}, ("z",)),
        ("cross_entropy", (z, q), each, ("z",)),
        ("cross_entropy", (z[9:], target[9:]), {}, ("z",)),
        ("kl_divergence", (z, w), {}, ("z", "w")),
        ("js_divergence", (z, w), {}, ("z", "w")),
    ]


def cotangent(value: np.ndarray) -> np.ndarray:
    """Of a result."""
    return np.random.default_rng(8).standard_normal(value.shape).astype(np.float32)


def backward_call(name: str, arrays: Arrays, options: dict[str, Any]) -> tuple[str, Arrays, dict[str, Any]]:
    """The backward function of a call, and its arrays."""
    value = getattr(lsmx, name)(*arrays, **options)
    kept = {"log_softmax": (value,), "softmax": (value,), "logsumexp": (*arrays, value)}.get(name, arrays)
    return f"{name}_backward", (cotangent(value), *kept), {} if "divergence" in name else options


def whole(name: str, arrays: Arrays, options: dict[str, Any], by: tuple[str, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """NumPy's values and gradients."""
    values = several_of(getattr(lsmx, name)(*arrays, **options))
    if not by:
        return values, []
    backward, given, more = backward_call(name, arrays, options)
    return values, several_of(getattr(lsmx, backward)(*given, **more))


def several_of(x: Any) -> list[Any]:
    """One or several."""
    return list(x) if isinstance(x, tuple) else [x]


def count(split: str, name: str, got: Iterable[Any], want: Iterable[Any]) -> None:
    """Whether arrays have the same bits."""
    for a, b in zip(map(np.asarray, got), map(np.asarray, want), strict=True):
        same = a.shape == b.shape and (differing(a, b) is None if b.dtype.kind == "f" else np.array_equal(a, b))
        tally = found.setdefault(split, {}).setdefault(name, [0, 0])
        tally[0], tally[1] = tally[0] + same, tally[1] + 1
