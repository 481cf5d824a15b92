"""Which subclasses of ``numpy.ndarray`` are plain numbers, and which have a meaning that would be lost."""

from __future__ import annotations

import functools

import numpy as np

from lsmx import ArrayTypeError

PLAIN = (np.ndarray, np.memmap)
HARMLESS = {
    *("__new__", "__doc__", "__array_finalize__", "__array_priority__", "__class_getitem__", "__hash__", "__sizeof__"),
    *("__repr__", "__str__", "__format__", "__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__setstate__"),
    *("base", "ctypes", "dump", "dumps", "tobytes", "tofile", "tolist"),
}
"""Attributes that a subclass may redefine without changing what computations mean: how it is made, shown and stored."""


@functools.cache
def refused() -> dict[type, str]:
    """NumPy's own subclasses with a meaning; made when it is asked for, as NumPy loads them late."""
    return {
        np.matrix: "a numpy.matrix, which has two axes whatever is reduced; pass numpy.asarray(z)",
        np.ma.MaskedArray: "a numpy.ma.MaskedArray: its mask would be lost; pass z.data with where=~numpy.ma.getmaskarray(z)",
        np.recarray: 'a numpy.recarray, which holds records; pass one field, as in z["field"], or numpy.asarray(z) if it has none',
    }


def serves(kind: type) -> bool:
    """Whether a type is one of NumPy's arrays; raises for those whose operations mean something of their own."""
    if not issubclass(kind, np.ndarray):
        return False
    if kind in PLAIN:
        return True
    for other, reason in refused().items():
        if issubclass(kind, other):
            raise ArrayTypeError(reason)
    own = meanings(kind)
    if "__array_namespace__" in own:
        return False  # the functions of its own namespace serve it
    if own:
        what = ", ".join(own[:3]) + (", ..." if len(own) > 3 else "")
        mask = ", with where=~z.mask" if hasattr(kind, "mask") else ""
        raise ArrayTypeError(
            f"{kind.__module__}.{kind.__qualname__} gives operations a meaning of its own ({what}), as units and masks do, which "
            f"would be lost; pass its plain numbers, as numpy.asarray(z){mask}"
        )
    return True


def meanings(kind: type) -> list[str]:
    """The attributes of ``numpy.ndarray`` that a subclass redefines, NumPy's protocols first."""
    own = [name for name in vars(np.ndarray) if name not in HARMLESS and owner(kind, name) not in PLAIN]
    return sorted(own, key=lambda name: not name.startswith("__array_"))


def owner(kind: type, name: str) -> type:
    """The class that a type has an attribute from."""
    return next(c for c in kind.__mro__ if name in vars(c))
