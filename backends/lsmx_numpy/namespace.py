"""NumPy's functions, which are the standard's from NumPy 2.1 on, with a cast that takes scalars too."""

from __future__ import annotations

from typing import Any

import numpy as np


def __getattr__(name: str) -> Any:
    return getattr(np, name)


def astype(x: Any, dtype: Any, /) -> Any:
    """A cast; NumPy makes scalars of 0-d arrays, which its own does not take."""
    return x.astype(dtype)
