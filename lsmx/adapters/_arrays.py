"""What is no array of any library is made one of NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

import lsmx


def floats(x: Any) -> tuple[Any, str | None]:
    """``x`` or, where no library computes on it, ``np.asarray(x)``; and the dtype it is cast to: float64 if it holds no floats."""
    try:
        lsmx.backend_for(x)
    except lsmx.ArrayTypeError:
        x = x if isinstance(x, np.ndarray) else np.asarray(x)  # a masked array stays one, and is refused for its mask
    return x, None if "float" in getattr(x.dtype, "name", str(x.dtype)) else "float64"
