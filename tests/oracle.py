"""The exact values, by mpmath: no formula of ours, and far more digits than any format has."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.prec = 160


def number(x: Any) -> Any:
    return mp.mpf(float(x))


def log_softmax(row: np.ndarray) -> tuple[list[Any], Any]:
    """The exact ``z - lse`` of a row, and its ``lse``."""
    z = [number(v) for v in row]
    top = max(z)
    first = z.index(top)
    rest = mp.fsum(mp.exp(v - top) for i, v in enumerate(z) if i != first)
    L = mp.log1p(rest)
    return [(v - top) - L for v in z], top + L


def softmax(row: np.ndarray) -> list[Any]:
    return [mp.exp(v) for v in log_softmax(row)[0]]


def log_softmax_backward(g: np.ndarray, out: np.ndarray, at: Iterable[int]) -> tuple[list[Any], list[Any]]:
    """``g - exp(out) sum(g)`` at some entries, and the magnitudes that their errors are measured at."""
    G = total(g)
    exact, scale = [], []
    for i in at:
        c, v = number(g[i]), number(out[i])
        near = v > -mp.log(2) / 2
        terms = (c - G, mp.expm1(v) * G) if near else (c, mp.exp(v) * G)
        exact.append(terms[0] - terms[1])
        scale.append(max(map(abs, terms)))
    return exact, scale


def softmax_backward(g: np.ndarray, s: np.ndarray, at: Iterable[int]) -> tuple[list[Any], list[Any]]:
    """``s (g - sum(g s))`` at some entries, and the magnitudes that their errors are measured at: the sum of those of its terms."""
    products = [Fraction(float(c)) * Fraction(float(p)) for c, p in zip(g, s, strict=True)]
    H, size = rational(sum(products)), rational(sum(map(abs, products)))
    exact = [number(s[i]) * (number(g[i]) - H) for i in at]
    return exact, [number(s[i]) * (abs(number(g[i])) + size) for i in at]


def total(v: np.ndarray) -> Any:
    """The exact sum."""
    return rational(sum(Fraction(float(c)) for c in v))


def rational(x: Fraction | int) -> Any:
    return mp.mpf(x.numerator) / x.denominator
