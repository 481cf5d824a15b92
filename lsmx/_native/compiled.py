"""The compiled core: the module, or why there is none, and the target of the processor that it runs on."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from types import ModuleType
from typing import TypedDict

import numpy as np

from lsmx._errors import CoreWarning, TargetError
from lsmx._native.threads import get_num_threads, on_change

NAME = "lsmx._native.core"
VARIABLE = "LSMX_CPU"
NOT_BUILT = (
    "the compiled core is not built; `pip install -v -e .` in the source tree, or "
    "`pip install -v --force-reinstall --no-cache-dir lsmx`, builds it or shows what it lacks"
)

_warned = False


class Status(TypedDict):
    """The state of the core: the target in use and those that this machine has, or a sentence on why there is no core."""

    target: str | None
    targets: list[str]
    missing: str | None


@functools.cache
def _loaded() -> ModuleType | str:
    """The extension module, or why there is none."""
    try:
        return importlib.import_module(NAME)
    except ModuleNotFoundError as error:
        return NOT_BUILT if error.name == NAME else f"the compiled core cannot be loaded: {error}"
    except Exception as error:  # a file for another platform, or cut short: whatever it is, the definition computes everything
        return f"the compiled core cannot be loaded: {type(error).__name__}: {error}"


@functools.cache
def _ready() -> ModuleType | str:
    """The same, on the target that the environment names."""
    loaded, wanted = _loaded(), os.environ.get(VARIABLE)
    if wanted and isinstance(loaded, ModuleType):
        available = loaded.targets()
        if wanted not in available:
            names = " or ".join(available)
            raise TargetError(
                f"{VARIABLE}: {wanted!r} is not a target of this machine; set {names}, or unset it for {available[0]}"
            )
        loaded.use(wanted)
    if isinstance(loaded, ModuleType):
        loaded.set_up(np.ndarray, np.memmap, np.empty)
        loaded.set_threads(get_num_threads())
        on_change.append(loaded.set_threads)
    return loaded


def core() -> ModuleType | None:
    """The compiled core for a call that would use it; None if it is missing, with a warning the first time.

    Returns
    -------
    module or None
        The extension module, ready for the target in use.

    Raises
    ------
    TargetError
        The environment's ``LSMX_CPU`` names a target that this machine lacks.
    """
    global _warned
    ready = _ready()
    if isinstance(ready, ModuleType):
        return ready
    if not _warned:
        _warned = True  # set first, as a filter may turn the warning into an exception
        warnings.warn(f"lsmx runs without its compiled core, with the same bits, but slowly: {ready}", CoreWarning, stacklevel=2)
    return None


def missing() -> str | None:
    """Why there is no compiled core, if there is none."""
    loaded = _loaded()
    return None if isinstance(loaded, ModuleType) else loaded


def core_status() -> Status:
    """What ``lsmx info`` tells of the core, without a warning.

    Returns
    -------
    dict
        ``target``: the one in use, or None; ``targets``: those that this machine has; ``missing``: why there is no core, or None.
    """
    ready = _ready()
    if isinstance(ready, ModuleType):
        return {"target": ready.target(), "targets": ready.targets(), "missing": None}
    return {"target": None, "targets": [], "missing": ready}
