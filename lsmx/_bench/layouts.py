"""Rows of arrays that do not lie in one piece, against the contiguous call of lsmx itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import lsmx
from lsmx._bench.works import DIRECTIONS, Call, Row, Target, Work, drawn, fewer

Layout = Callable[[np.ndarray], np.ndarray]  # the same numbers, laid out otherwise
SHAPE, PARTS = (1024, 8192), 64


def strided(x: np.ndarray) -> np.ndarray:
    """Every second element of rows that are twice as long."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    return wide[:, ::2]


def reversed_(x: np.ndarray) -> np.ndarray:
    """From the last element to the first."""
    return x[:, ::-1].copy()[:, ::-1]


def separated(x: np.ndarray) -> np.ndarray:
    """Rows cut in parts: with the axes (part, row, element), of which the outer ones are reduced."""
    return x.reshape(x.shape[0], PARTS, -1).transpose(1, 0, 2).copy()


def mapped(x: np.ndarray) -> np.ndarray:
    """In a file that is mapped into memory."""
    with tempfile.TemporaryFile() as file:
        lies: np.memmap[Any, Any] = np.memmap(file, x.dtype, "w+", shape=x.shape)
    lies[:] = x
    return lies


LAYOUTS: dict[str, tuple[Layout, Any]] = {
    "strided": (strided, -1),
    "reversed": (reversed_, -1),
    "separated axes": (separated, (0, 2)),
    "memmap": (mapped, -1),
}


def layout_rows(share: int) -> list[Row]:
    """Each layout, in both directions."""
    rows = []
    for name, (layout, axis) in LAYOUTS.items():
        for direction in DIRECTIONS:
            work = Work((fewer(SHAPE[0], share), SHAPE[1]), "float32", direction)
            target = Target(f"{name}, against the contiguous call", f"lsmx, {name}", "lsmx, contiguous", 1 / 1.5)
            rows.append(Row(f"{name} {work.name}", work.size, partial(contestants, work, name, layout, axis), (target,)))
    return rows


def contestants(work: Work, name: str, layout: Layout, axis: Any) -> dict[str, Call]:
    """The layout beside the contiguous array, both with the output reused."""
    z, g = drawn(work.shape, work.dtype)
    y = lsmx.log_softmax(z)
    out, lz, lg, ly = np.zeros_like(z), layout(z), layout(g), layout(y)
    lout = np.zeros(lz.shape, z.dtype)
    if work.direction == "forward":
        return {
            f"lsmx, {name}": lambda: lsmx.log_softmax(lz, axis=axis, out=lout),
            "lsmx, contiguous": lambda: lsmx.log_softmax(z, out=out),
        }
    return {
        f"lsmx, {name}": lambda: lsmx.log_softmax_backward(lg, ly, axis=axis, out=lout),
        "lsmx, contiguous": lambda: lsmx.log_softmax_backward(g, y, out=out),
    }
