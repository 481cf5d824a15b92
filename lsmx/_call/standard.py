"""The backend of any array library with ``__array_namespace__``: the definition, in its own operations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import array_api_compat
import numpy as np

from lsmx._call.backend import Backend
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array, lacks, standard_ops
from lsmx._errors import BackendError, LsmxError


def has_standard_namespace(kind: type) -> bool:
    """Whether it is a type of arrays by the standard's own sign."""
    return callable(getattr(kind, "__array_namespace__", None))


def raised_here(error: BaseException) -> bool:
    """Whether lsmx has raised an error, not the array's library."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and str(at.tb_frame.f_globals.get("__name__")).startswith("lsmx.")


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """No warning for what the contract defines: many libraries compute through NumPy. What a library lacks is said by name."""
    try:
        with np.errstate(all="ignore"):
            yield
    except LsmxError:
        raise
    except AttributeError as error:
        raise lacks(getattr(error.obj, "__name__", "the array's library"), str(error.name or "function"), error) from error
    except (TypeError, ValueError, IndexError, NotImplementedError) as error:
        if isinstance(error, NotImplementedError) and raised_here(error):
            raise  # a rule that a function does not give
        raise BackendError(
            f"the array's library does not compute what the array API standard asks for ({type(error).__name__}: {error}); convert "
            "the array first, by numpy.asarray(z) or by what its library has for it"
        ) from error


def _version() -> str:
    return f"array-api-compat {array_api_compat.__version__}"


def _devices() -> list[str]:
    return ["those of the array's library"]


def _to_numpy(x: Array) -> Array:
    """By DLPack, which the array API standard asks for."""
    return np.from_dlpack(x)


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
    to_numpy=_to_numpy,
    quiet=asking,
)
