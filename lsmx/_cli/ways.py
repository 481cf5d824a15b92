"""The ways in which a function is computed, each a row of the table: libraries, and on NumPy's arrays more than one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np

from lsmx import backend_for, using
from lsmx._cli.info import found
from lsmx._cli.inputs import joined
from lsmx._cli.progress import Progress
from lsmx.extend import STANDARD, Backend, Kernel, register_backend, unregister_backend
from lsmx.testing.inputs import Case
from lsmx.testing.libraries import strict
from lsmx.testing.tasks import Target, evaluate, host_target, target

Results = dict[str, Any]


@dataclass
class Tally:
    """Whether kernels were used, and else why not."""

    taken: int = 0
    refused: str = ""


@dataclass(frozen=True)
class Way:
    """A way to compute.

    Attributes
    ----------
    name
        A library, or NumPy and what it is confined to, as in ``numpy/row-blocks``.
    where
        The library.
    version
        Of the library.
    around
        A context in which only this way is used.
    joins
        Whether blocks of rows are given to it as one array.
    tally
        Of the kernel that it is to use, if it is confined to one.
    functions
        Those that this kernel is for.
    """

    name: str
    where: Target
    version: str = ""
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    joins: bool = True
    tally: Tally | None = field(default=None, compare=False)
    functions: tuple[str, ...] = ()

    @property
    def confined(self) -> bool:
        """Whether it is one of several ways of NumPy."""
        return "/" in self.name

    def compute(self, function: str, dtype: str, parts: Sequence[Case]) -> list[Results]:
        """Every direction of a function, on each of the parts."""
        with self.around():
            if not self.joins or len(parts) == 1:
                return [evaluate(self.where, function, dtype, part) for part in parts]
            whole = evaluate(self.where, function, dtype, joined(parts))
        stops = np.cumsum([len(part.z) for part in parts])
        return [
            {direction: x[stop - len(part.z) : stop] for direction, x in whole.items()}
            for part, stop in zip(parts, stops, strict=True)
        ]


@contextlib.contextmanager
def serving_numpy(backend: Backend) -> Iterator[None]:
    """Have another backend serve NumPy's arrays for a while."""
    before = backend_for(np.zeros(1))
    register_backend(backend)
    try:
        yield
    finally:
        unregister_backend(backend)
        if backend_for(np.zeros(1)) is not before:  # one that was registered by hand
            register_backend(before)


def counted(kernel: Kernel, tally: Tally) -> Kernel:
    """The kernel, with a record of whether it was used."""

    def plan(*arguments: Any, **options: Any) -> Any:
        found = kernel.plan(*arguments, **options)
        if isinstance(found, str):
            tally.refused = found
        else:
            tally.taken += 1
        return found

    return replace(kernel, plan=plan, direct=None)


def on_numpy(numpy: Backend) -> dict[str, Way | str]:
    """NumPy's kernels one at a time, its operations without any, and those that the standard names."""
    ways: dict[str, Way | str] = {}
    where = target(numpy)

    def confined(name: str, backend: Backend, **options: Any) -> None:
        ways[name] = Way(name, where, numpy.version(), lambda: serving_numpy(backend), **options)

    for kernel in dict.fromkeys(k.name for k in numpy.kernels):
        name = f"numpy/{kernel.replace(' ', '-')}"
        same = [k for k in numpy.kernels if k.name == kernel]
        reasons = [reason for k in same if (reason := k.unavailable()) is not None]
        tally = Tally()
        if len(reasons) == len(same):
            ways[name] = reasons[0]
        else:
            confined(
                name,
                replace(numpy, kernels=tuple(counted(k, tally) for k in same)),
                tally=tally,
                functions=tuple(k.function for k in same),
            )
    confined("numpy/definition", replace(numpy, kernels=()), joins=False)
    confined("numpy/standard", replace(STANDARD, roots=("numpy",), dtypes=numpy.dtypes), joins=False)
    other = strict("strict")
    ways["strict"] = other if isinstance(other, str) else Way("strict", other, metadata.version("array-api-strict"), joins=False)
    return ways


def reference() -> Way:
    """The definition in portable operations."""
    return Way("definition", host_target(), "", lambda: using("reference"), joins=False)


def all_ways(progress: Progress) -> tuple[dict[str, Way | str], bool]:
    """Every way by its name, or the reason why it cannot be gone; and whether NumPy is the only library of arrays."""
    ways: dict[str, Way | str] = {}
    alone = True
    for name, known in found(progress).items():
        if isinstance(known, str):
            ways[name] = known
            continue
        backend = known[0]
        ways[name] = Way(name, target(backend), backend.version())
        if name == "numpy":
            ways |= on_numpy(backend)
        else:
            alone = alone and backend.follows == "numpy"
    return ways, alone and isinstance(ways["strict"], str)
