"""The backend of any array library with ``__array_namespace__``: the definition, in its own operations."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from lsmx._arithmetic.formats import FORMAT_OF, Format
from lsmx._arithmetic.ops import Array, Ops
from lsmx._backend import Backend


def has_standard_namespace(kind: type) -> bool:
    """Whether it is a type of arrays by the standard's own sign."""
    return callable(getattr(kind, "__array_namespace__", None))


def widest_integers(xp: Any, device: Any) -> tuple[Any, int]:
    """The widest signed integer dtype of a device, and its bits."""
    found = xp.__array_namespace_info__().dtypes(device=device, kind="signed integer")
    return max(((dtype, int(xp.iinfo(dtype).bits)) for dtype in found.values()), key=lambda pair: pair[1])


def standard_ops(x: Array, fmt: Format) -> Ops:
    """The operations of the namespace that ``x`` names."""
    xp = array_api_compat.array_namespace(x)
    device = array_api_compat.device(x)
    return Ops(xp=xp, device=device, format=fmt, integers=widest_integers(xp, device))


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
