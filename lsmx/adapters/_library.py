"""Libraries that are imported when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any


def library(name: str, extra: str = "adapters") -> Any:
    """The module ``name``; where its library is not installed, the error says how it can be."""
    root = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != root:  # it is there, and something that it needs is not
            raise
        raise ImportError(f'{root} is not installed: pip install "lsmx[{extra}]"', name=root) from error
