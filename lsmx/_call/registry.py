"""Joins functions and backends: which backend serves an array.

A backend is looked for once per array type: registered by hand, then in-tree, then entry points of the group
``lsmx.backends`` (the entry's name is the root module of the array type), then the array's own ``__array_namespace__``.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lsmx._call.backend import Backend
from lsmx._call.standard import STANDARD
from lsmx._definition.formats import Format
from lsmx._definition.ops import Array, Ops, find_ops_by, power_from_table
from lsmx._definition.shown import type_name
from lsmx._errors import ArrayTypeError, BackendError, BackendWarning
from lsmx._typing import AnyArray

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "lsmx.backends"
PARTS = "parts"
"""The name given to ``forcing`` while arrays are parts of larger ones, so that calls take no short way."""
IN_TREE = {
    "numpy": "lsmx_numpy",
    "torch": "lsmx_torch",
    "jax": "lsmx_jax",
    "jaxlib": "lsmx_jax",  # where array types are; those of tracers are in jax
    "autograd": "lsmx_autograd",
    "cupy": "lsmx_cupy",
    "dask": "lsmx_dask",
}
EXTRAS = frozenset({"torch", "jax", "autograd", "cupy", "dask"})
"""The libraries that are installed by an extra of the same name, for messages."""

_registered: dict[str, Backend] = {}  # by root module
_loaded: dict[str, Backend | str] = {}  # plugins by root module, or the reason why one is left out
_served = SimpleNamespace()
"""The backends in use, as attributes: ``torch.compile`` guards its code on the one that it reads, so others may be added."""
_by_type: WeakKeyDictionary[type, str] = WeakKeyDictionary()  # their names there; weak, as types may be made and go
_own: dict[type, Backend] = {}  # by types of the library itself, which exist as long as it does
computed: dict[tuple[str, str, type], Callable[..., Array | None]] = {}
"""The short ways that ``Kernel.direct`` gives, by function, direction and array type, for types of the library itself."""
shortcuts: dict[tuple[str, str, type], Callable[..., Array | None]] = {}
"""The same behind ``Backend.unfollowed``, for calls by users, whose arrays an autograd may follow."""
at_work = SimpleNamespace(compiling=lambda: False)
"""Whether a compiler traces what runs, as the backend that has one says (``Backend.compiling``)."""
_forced: ContextVar[str | None] = ContextVar("lsmx_using", default=None)


@contextlib.contextmanager
def forcing(name: str) -> Iterator[None]:
    """A context like ``using``, without checking the name."""
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


on_load: list[Callable[[Backend], None]] = []
"""Called with every backend that is found for the first time."""


def constant_when_compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """Have ``torch.compile`` call ``f`` while it compiles, in place of tracing it: what it finds out depends on types only.

    This is ``torch.compiler.assume_constant_result`` without importing PyTorch, which may not have been imported yet, or never is.

    Parameters
    ----------
    f : callable
        A function of types, names and other constants, not of arrays' values.

    Returns
    -------
    callable
        ``f`` itself, marked.
    """
    f._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return f


def register_backend(backend: Backend) -> Backend:
    """Serve the array types of ``backend.roots`` by ``backend`` from now on, before all others.

    Parameters
    ----------
    backend : Backend
        The record.

    Returns
    -------
    Backend
        The same record.

    Raises
    ------
    BackendError
        If it is not a ``Backend``, or names no root module.
    """
    if not isinstance(backend, Backend):
        raise BackendError(f"register_backend: {backend!r} is not a lsmx.extend.Backend record")
    if not backend.roots:
        raise BackendError(f"register_backend: backend {backend.name!r} has no roots, so no array type would lead to it")
    _registered.update(dict.fromkeys(backend.roots, backend))
    forget()
    return backend


def unregister_backend(backend: Backend) -> None:
    """Take back ``register_backend``.

    Parameters
    ----------
    backend : Backend
        The record that was registered. Nothing happens if it is not.
    """
    for root in [r for r, b in _registered.items() if b is backend]:
        del _registered[root]
    forget()


def forget() -> None:
    """Look for the backend of every type anew."""
    _by_type.clear()
    _own.clear()
    vars(_served).clear()
    _loaded.clear()
    shortcuts.clear()
    computed.clear()


def entry_points() -> dict[str, EntryPoint]:
    """The installed plugins, by the root module that they serve."""
    from importlib import metadata  # 60 ms, for which `import lsmx` need not wait

    return {e.name: e for e in metadata.entry_points(group=GROUP)}


def load_plugin(entry: EntryPoint) -> Backend | str:
    """The plugin's record, or why there is none: a broken one is named in a warning, and harms nobody else."""
    try:
        backend = entry.load()
        if isinstance(backend, Backend):
            return backend
        reason = f"it is {backend!r}, not a lsmx.extend.Backend record"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: a plugin that exits must not end the program
        reason = f"{type(error).__name__}: {error}"
    source = f" of {entry.dist.name}" if entry.dist else ""
    reason = f"backend plugin {entry.name!r} ({entry.value}){source} is left out: {reason}"
    warnings.warn(reason, BackendWarning, stacklevel=2)
    return reason


def find(root: str) -> Backend | str | None:
    """The backend of a root module, None if there is none, or why its plugin cannot be used."""
    if root in _registered:
        return _registered[root]
    if root not in _loaded:
        if root in IN_TREE:
            found = importlib.import_module(IN_TREE[root]).backend
        else:
            entry = entry_points().get(root)
            if entry is None:
                return None
            found = load_plugin(entry)
        _loaded[root] = found
        if isinstance(found, Backend):
            at_work.compiling = found.compiling or at_work.compiling
            for tell in on_load:
                tell(found)
    return _loaded[root]


def backend_for(x: AnyArray, /) -> Backend:
    """The backend that serves ``x``.

    Parameters
    ----------
    x : array
        An array of any library.

    Returns
    -------
    Backend
        Its record.

    Raises
    ------
    ArrayTypeError
        ``x`` is not an array.

    See Also
    --------
    lsmx.explain : what a call would run.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.backend_for(np.ones(3)).name
    'numpy'
    """
    backend: Backend = getattr(_served, name_for(type(x)))
    return backend


def backend_at_work(x: Array) -> Backend:
    """`backend_for`, which uses the quicker of two tables unless a compiler is tracing."""
    return _own.get(type(x)) or backend_for(x)


@constant_when_compiled
def name_for(kind: type) -> str:
    """What ``_served`` calls the backend of a type."""
    name = _by_type.get(kind)
    return _get_to_know(kind) if name is None else name


def _get_to_know(kind: type) -> str:
    """The first backend that owns the type, of those that its own module and its bases' modules lead to; or the standard's.

    If the type is of a library with a backend, that backend decides; a base class from another library does not make it an array.
    """
    reasons = []
    own, *others = dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__)
    for root in (own, *others):
        backend = find(root) if root != "builtins" else None
        if isinstance(backend, str):
            reasons.append(backend)
        elif backend is not None and backend.owns(kind):
            break
    else:
        backend = STANDARD
        if not STANDARD.owns(kind) or isinstance(find(own), Backend):
            raise ArrayTypeError(
                f"{type_name(kind)} is not an array; accepted are arrays of NumPy, PyTorch, JAX, CuPy, Dask, "
                "or any other library with __array_namespace__: convert it first, as in numpy.asarray(...)"
                + "".join(f"; {reason}" for reason in reasons)
            )
    assert isinstance(backend, Backend)
    _by_type[kind] = name = f"{backend.name}_{id(backend)}"
    setattr(_served, name, backend)
    if kind.__module__.partition(".")[0] in backend.roots:
        _own[kind] = backend
        for (function, direction), (kernel, *_) in backend.by_task.items():
            if kernel.direct is not None and (short := kernel.direct()) is not None:
                task = function, direction, kind
                computed[task] = short
                if backend.bind is None or backend.unfollowed is not None:
                    shortcuts[task] = short if backend.unfollowed is None else backend.unfollowed(short, function, direction)
    return name


def library_ops(x: Array, fmt: Format) -> Ops:
    """The operations that the definition uses on ``x``; inside ``using("reference")`` the portable ones only."""
    ops = backend_at_work(x).ops(x, fmt)
    return replace(ops, power=power_from_table) if _forced.get() == "reference" else ops


find_ops_by(library_ops)


@constant_when_compiled
def forced() -> str | None:
    """The name given to ``using``, if inside one.

    Returns
    -------
    str or None
        The name; ``"parts"`` where arrays are parts of larger ones; None elsewhere.
    """
    return _forced.get()


def loaded() -> list[Backend]:
    """The backends that have been found so far."""
    found = [*_registered.values(), *(b for b in _loaded.values() if isinstance(b, Backend)), *vars(_served).values()]
    return list({id(b): b for b in found}.values())


def roots() -> list[str]:
    """The root modules that there is a backend for: in-tree, of plugins, registered by hand.

    Returns
    -------
    list of str
        Such as ``"numpy"`` and ``"torch"``, each once.
    """
    return [root for root in dict.fromkeys([*IN_TREE, *entry_points(), *_registered]) if root != "jaxlib"]  # which goes with jax


def backend_of(root: str) -> Backend | str:
    """The backend of a root module, or the reason why it cannot be used.

    Parameters
    ----------
    root : str
        A root module, such as ``"torch"``.

    Returns
    -------
    Backend or str
        Its record; or why there is none, in words.
    """
    try:
        backend = find(root)
    except ModuleNotFoundError as error:
        if error.name != root:
            return f"ModuleNotFoundError: {error}"
        return f'not installed: pip install "lsmx[{root}]"' if root in EXTRAS else "not installed"
    except Exception as error:  # whatever a library raises while it is imported
        return f"{type(error).__name__}: {error}"
    return "there is no backend for it" if backend is None else backend


def known_backends() -> dict[str, Backend | str]:
    """Every backend by name, or under its root module the reason why it cannot be used.

    Returns
    -------
    dict of str to Backend or str
        Importing the libraries is part of the call.
    """
    found = {root: backend_of(root) for root in roots()}
    return {root if isinstance(backend, str) else backend.name: backend for root, backend in found.items()}
