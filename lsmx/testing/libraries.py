"""Libraries by the names that ``--backends`` takes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np

from lsmx.extend import Backend, backend_of, known_backends, roots
from lsmx.testing.tasks import Target, target

STRICT = {"strict": "CPU_DEVICE", "strict-no_float64": "no_float64", "strict-no_x64": "no_x64"}
"""array-api-strict, which has no backend of its own, on its devices."""


def all_names() -> list[str]:
    """In-tree backends, installed plugins, those registered by hand, and array-api-strict."""
    return [*(root for root in roots() if root != "autograd"), *STRICT]  # whose arrays are NumPy's


def library(name: str) -> Target | str:
    """The library called ``name``, perhaps on a device, as in ``torch-cuda``; or the reason why it cannot be used here.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if name in STRICT:
        return strict(name)
    found = split(name, roots())
    if found is not None:
        return on_device(backend_of(found[0]), found[1], name)
    known = known_backends()
    found = split(name, known)
    if found is None:
        names = list(dict.fromkeys([*all_names(), *known]))
        near = next((one for one in names if one in name.lower()), None) or next(iter(get_close_matches(name, names, 1)), None)
        meant = f" (did you mean {near}?)" if near else ""
        raise ValueError(f"{name!r} is unknown{meant}; there are {', '.join(names)}, and a device after any, as in torch-cuda")
    return on_device(known[found[0]], found[1], name)


def split(name: str, known: Iterable[str]) -> tuple[str, str | None] | None:
    """The backend and the device that a name is made of."""
    if name in known:
        return name, None
    return next(((one, name.removeprefix(f"{one}-")) for one in known if name.startswith(f"{one}-")), None)


def on_device(backend: Backend | str, device: str | None, name: str) -> Target | str:
    """A backend on one of its devices, by default its own choice."""
    if isinstance(backend, str):
        return backend
    try:
        devices = backend.devices()
    except Exception as error:  # whatever the library raises for want of a device
        return f"{type(error).__name__}: {error}"
    if device is not None and not any(device == d or d.startswith((f"{device}:", f"{device} ")) for d in devices):
        return f"no {device or repr(device)} device; there is {', '.join(devices)}"
    return target(backend, device, name)


def strict(name: str) -> Target | str:
    """array-api-strict on one of its devices; float64 is not on all of them."""
    if importlib.util.find_spec("array_api_strict") is None:
        return "not installed: pip install array-api-strict"
    import array_api_strict as xp

    try:
        place, host = xp.Device(STRICT[name]), xp.Device("CPU_DEVICE")
    except ValueError:
        return f"array-api-strict {xp.__version__} has no device {STRICT[name]}: pip install -U array-api-strict"
    return Target(
        name=name,
        dtypes=("float32", "float64") if name == "strict" else ("float32",),
        from_numpy=lambda values, dtype: xp.asarray(values, dtype=getattr(xp, dtype), device=place),
        to_numpy=lambda x: np.asarray(x.to_device(host)),
    )
