"""What the tests of lsmx.adapters share: libraries that may be absent, and distances from their results."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

NARROW = {torch.float16: np.float16, torch.float32: np.float32, torch.float64: np.float64}


def needs(library: str, extra: str) -> pytest.MarkDecorator:
    """Leaves a test out where a library is not installed."""
    absent = importlib.util.find_spec(library) is None
    return pytest.mark.skipif(absent, reason=f'{library} is not installed: pip install -e ".[{extra}]"')


class Table:
    """What NumPy makes an array of, and has a dtype and a shape without being one: a table or a column of pandas."""

    def __init__(self, values: np.ndarray[Any, np.dtype[Any]]) -> None:
        self.values, self.dtype, self.shape = values, values.dtype, values.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        return self.values.astype(dtype or self.dtype)


def array(x: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """An array of NumPy's with the same bits; bfloat16, which is not NumPy's, as float32."""
    if isinstance(x, torch.Tensor):
        x = x.detach()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype.name == "bfloat16" else x


def ulps(got: Any, want: Any, unit: Any, digits: int | None = None) -> float:
    """The largest difference, in units in the last place of ``unit`` in a float of so many digits: 24, or 53 of float64."""
    got, want = array(got), array(want)
    digits = digits or (53 if want.dtype == np.float64 else 24)
    assert got.shape == want.shape
    assert np.array_equal(np.isfinite(got), np.isfinite(want))
    finite = np.isfinite(want)
    step = 2.0 ** (np.floor(np.log2(np.broadcast_to(np.abs(array(unit).astype(np.float64)), want.shape)[finite])) + 1 - digits)
    return float((np.abs(got.astype(np.float64) - want)[finite] / step).max(initial=0))


def parameters(function: Callable[..., Any]) -> list[tuple[str, object, object]]:
    """Names, kinds and defaults."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
