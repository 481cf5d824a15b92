"""The backend of any array library with ``__array_namespace__``: the definition, in its own operations."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from lsmx._call.backend import Backend
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array, standard_ops


def has_standard_namespace(kind: type) -> bool:
    """Whether it is a type of arrays by the standard's own sign."""
    return callable(getattr(kind, "__array_namespace__", None))


def quiet_numpy() -> Any:
    """No warning, and no error, for what the contract defines; many libraries compute through NumPy."""
    return np.errstate(all="ignore")


def _version() -> str:
    return f"array-api-compat {array_api_compat.__version__}"


def _devices() -> list[str]:
    return ["those of the array's library"]


def _convert(*_: Any) -> Array:
    raise TypeError("the standard backend serves arrays of any library: convert with the library itself")


STANDARD = Backend(
    name="standard",
    roots=(),
    owns=has_standard_namespace,
    ops=standard_ops,
    version=_version,
    devices=_devices,
    dtypes=tuple(FORMAT_OF),
    from_numpy=_convert,
    to_numpy=_convert,
    quiet=quiet_numpy,
)
