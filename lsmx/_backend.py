"""Where a function runs: records, checked when they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lsmx._arithmetic.formats import FORMAT_OF, Format
from lsmx._arithmetic.ops import Array, Ops
from lsmx._errors import BackendError
from lsmx._function import Context

DIRECTIONS = ("forward", "backward", "jvp", "jacobian")


@dataclass(frozen=True)
class Kernel:
    """A faster way to compute one direction of one function, equal to it bit for bit.

    Attributes
    ----------
    name
        Shown by ``explain`` and ``lsmx info``.
    function, direction
        What it computes: a registered name, and one of ``forward``, ``backward``, ``jvp``, ``jacobian``.
    refuse
        Called with the arguments of the function's static method: ``None`` to accept, else the reason.
    run
        Called like the function's static method, ``ctx`` first, and saves what that saves.
    """

    name: str
    function: str
    direction: str
    refuse: Callable[..., str | None]
    run: Callable[..., Array]

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise BackendError(f"kernel {self.name!r}: direction {self.direction!r} is not one of {', '.join(DIRECTIONS)}")
        for name in ("refuse", "run"):
            if not callable(getattr(self, name)):
                raise BackendError(f"kernel {self.name!r}: {name} is not callable")


def run_plainly(operator: Any, run: Callable[..., Array], *arrays: Array) -> Array:
    """``differentiate`` for a library without an autograd of its own."""
    return run(Context(), *arrays)


def follows_nothing(name: str, x: Array) -> None:
    """``untracked`` for a library without an autograd of its own."""


@dataclass(frozen=True)
class Backend:
    """An array library: which types, which operations, which kernels, which autograd.

    Attributes
    ----------
    name
        What ``backend_for``, ``using`` and the tables call it.
    roots
        Root modules of the array types that it serves, such as ``("torch",)``.
    owns
        Whether an object is one of its arrays.
    ops
        The array operations for an array, in a format.
    kernels
        In order of preference.
    differentiate
        Computes ``run(ctx, *arrays)`` so that the library's autograd knows of it; the rules are those of ``operator``. Called with
        the operator, ``run``, and the arrays.
    untracked
        Called with the name and the value of each array given to a derivative directly: raises if the library's autograd follows
        it, as it would see the rounding and not the rule.
    quiet
        A context manager around every computation, against warnings for what the contract defines.
    version, devices
        For ``lsmx info``; ``devices`` raises with the reason if none can be used.
    dtypes
        Names of the float dtypes that the library has.
    from_numpy
        Makes an array of the library: called with a NumPy array, a dtype name (a float's or ``"bool"``; the conversion is exact)
        and a device or None. For ``lsmx verify`` and the tests.
    to_numpy
        The way back; a dtype that NumPy lacks is widened, which is exact.
    """

    name: str
    roots: tuple[str, ...]
    owns: Callable[[object], bool]
    ops: Callable[[Array, Format], Ops]
    version: Callable[[], str]
    devices: Callable[[], list[str]]
    dtypes: tuple[str, ...]
    from_numpy: Callable[[Any, str, Any], Array]
    to_numpy: Callable[[Array], Any]
    kernels: tuple[Kernel, ...] = ()
    differentiate: Callable[..., Array] = run_plainly
    untracked: Callable[[str, Array], None] = follows_nothing
    quiet: Callable[[], AbstractContextManager[object]] = nullcontext
    by_task: Mapping[tuple[str, str], tuple[Kernel, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise BackendError(f"backend: name {self.name!r} is not a non-empty string")
        if not isinstance(self.roots, tuple) or not all(isinstance(r, str) and r and "." not in r for r in self.roots):
            raise BackendError(f"backend {self.name!r}: roots {self.roots!r} is not a tuple of root module names")
        for name in ("owns", "ops", "version", "devices", "from_numpy", "to_numpy", "differentiate", "untracked", "quiet"):
            if not callable(getattr(self, name)):
                raise BackendError(f"backend {self.name!r}: {name} is not callable")
        if not isinstance(self.dtypes, tuple) or not set(self.dtypes) <= FORMAT_OF.keys():
            raise BackendError(
                f"backend {self.name!r}: dtypes {self.dtypes!r} is not a tuple of names among {', '.join(FORMAT_OF)}"
            )
        tasks: dict[tuple[str, str], tuple[Kernel, ...]] = {}
        for kernel in self.kernels:
            if not isinstance(kernel, Kernel):
                raise BackendError(f"backend {self.name!r}: {kernel!r} in kernels is not a Kernel")
            task = kernel.function, kernel.direction
            tasks[task] = (*tasks.get(task, ()), kernel)
        object.__setattr__(self, "by_task", MappingProxyType(tasks))
