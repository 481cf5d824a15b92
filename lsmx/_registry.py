"""Joins functions and backends: which backend serves an array, which functions there are.

A backend is looked for once per array type: registered by hand, then in-tree, then entry points of the group
``lsmx.backends`` (the entry's name is the root module of the array type), then the array's own ``__array_namespace__``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from lsmx._arithmetic.formats import Format
from lsmx._arithmetic.ops import Array, Ops, power_from_table
from lsmx._backend import Backend
from lsmx._errors import ArrayTypeError, BackendError, BackendWarning
from lsmx._standard import STANDARD
from lsmx._typing import AnyArray

GROUP = "lsmx.backends"
IN_TREE = {
    "numpy": "lsmx_numpy",
    "torch": "lsmx_torch",
    "jax": "lsmx_jax",
    "jaxlib": "lsmx_jax",  # arrays are of jaxlib, what stands for them in a trace is of jax
    "autograd": "lsmx_autograd",
    "cupy": "lsmx_cupy",
}

_registered: dict[str, Backend] = {}  # by root module
_by_type: dict[type, Backend] = {}
shortcuts: dict[tuple[str, type], Callable[[Array], Array | None]] = {}
"""``Kernel.direct`` by function and array type, of the types that ``_by_type`` knows."""
_forced: ContextVar[str | None] = ContextVar("lsmx_using", default=None)


def constant_when_compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """Have ``torch.compile`` call ``f`` while it compiles, in place of tracing it: what it finds out depends on types only.

    This is ``torch.compiler.assume_constant_result`` without importing PyTorch, which may not have been imported yet, or never is.
    """
    f._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return f


def register_backend(backend: Backend) -> Backend:
    """Serve the array types of ``backend.roots`` by ``backend`` from now on, before all others.

    Parameters
    ----------
    backend
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
        raise BackendError(f"register_backend: {backend!r} is not a lsmx.Backend record")
    if not backend.roots:
        raise BackendError(f"register_backend: backend {backend.name!r} has no roots, so no array type would lead to it")
    _registered.update(dict.fromkeys(backend.roots, backend))
    forget()
    return backend


def unregister_backend(backend: Backend) -> None:
    """Take back ``register_backend``."""
    for root in [r for r, b in _registered.items() if b is backend]:
        del _registered[root]
    forget()


def forget() -> None:
    """Look for the backend of every type anew."""
    _by_type.clear()
    shortcuts.clear()


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """The installed plugins, by the root module that they serve."""
    return {e.name: e for e in importlib.metadata.entry_points(group=GROUP)}


def load_plugin(entry: importlib.metadata.EntryPoint) -> Backend | None:
    """The plugin's record; a broken one is named in a warning."""
    try:
        backend = entry.load()
        if not isinstance(backend, Backend):
            raise BackendError(f"{entry.value} is {backend!r}, not a lsmx.Backend record")
    except Exception as error:
        source = f" of {entry.dist.name}" if entry.dist else ""
        warnings.warn(
            f"backend plugin {entry.name!r} ({entry.value}){source} is left out: {type(error).__name__}: {error}",
            BackendWarning,
            stacklevel=2,
        )
        return None
    return backend


def _find(root: str) -> Backend | None:
    if root in _registered:
        return _registered[root]
    if root in IN_TREE:
        backend = importlib.import_module(IN_TREE[root]).backend
        assert isinstance(backend, Backend)
        return backend
    entry = entry_points().get(root)
    return load_plugin(entry) if entry else None


def backend_for(x: AnyArray, /) -> Backend:
    """The backend that serves ``x``.

    Parameters
    ----------
    x
        An array of any library.

    Returns
    -------
    Backend
        Its record.

    Raises
    ------
    ArrayTypeError
        A ``TypeError``: ``x`` is not an array.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.backend_for(np.ones(3)).name
    'numpy'
    """
    kind = type(x)
    _get_to_know(kind)
    return _by_type[kind]


@constant_when_compiled
def _get_to_know(kind: type) -> None:
    if kind in _by_type:
        return
    for root in dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__ if base is not object):
        backend = _find(root) if root != "builtins" else None
        if backend is not None:
            break
    else:
        backend = STANDARD
    if not backend.owns(kind):
        raise ArrayTypeError(
            f"{kind.__module__}.{kind.__qualname__} is not an array; accepted are arrays of NumPy, PyTorch, JAX, CuPy, or any "
            "other library with __array_namespace__: convert it first, as in numpy.asarray(...)"
        )
    _by_type[kind] = backend
    shortcuts.update({(function, kind): short for function, short in backend.direct.items() if short is not None})


def ops_for(x: Array, fmt: Format) -> Ops:
    """The operations that the definition uses on ``x``; inside ``using("reference")`` the portable ones only."""
    ops = backend_for(x).ops(x, fmt)
    return replace(ops, power=power_from_table) if forced() == "reference" else ops


@constant_when_compiled
def forced() -> str | None:
    """The name given to ``using``, if inside one."""
    return _forced.get()


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Compute with a chosen backend only.

    Parameters
    ----------
    name
        ``"reference"``: the definition itself in standard operations, without kernels, for arrays of any library. Or the name of a
        backend: arrays of others are refused.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([1.0, 2.0, 3.0])
    >>> with lsmx.using("reference"):
    ...     reference = lsmx.log_softmax(z)
    >>> bool((reference == lsmx.log_softmax(z)).all())
    True
    """
    if not isinstance(name, str):
        raise BackendError(f"using: {name!r} is not a name; pass 'reference' or a backend's name, as in lsmx.backend_for(x).name")
    loaded = [b.name for b in (*_registered.values(), *_by_type.values())]
    names = list(dict.fromkeys(["reference", *IN_TREE, *entry_points(), *loaded]))
    if name not in names:
        raise BackendError(f"using: there is no backend {name!r}; there are {', '.join(names)}")
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def roots() -> list[str]:
    """The root modules that there is a backend for: in-tree, of plugins, registered by hand."""
    return [root for root in dict.fromkeys([*IN_TREE, *entry_points(), *_registered]) if root != "jaxlib"]  # which goes with jax


def backend_of(root: str) -> Backend | str:
    """The backend of a root module, or the reason why it cannot be used."""
    try:
        backend = _find(root)
    except ModuleNotFoundError as error:
        return f'not installed: pip install "lsmx[{root}]"' if error.name == root else f"ModuleNotFoundError: {error}"
    except Exception as error:  # whatever a library raises while it is imported
        return f"{type(error).__name__}: {error}"
    return "its plugin could not be loaded: see the warning" if backend is None else backend


def known_backends() -> dict[str, Backend | str]:
    """Every backend by name, or under its root module the reason why it cannot be used."""
    found = {root: backend_of(root) for root in roots()}
    return {root if isinstance(backend, str) else backend.name: backend for root, backend in found.items()}
