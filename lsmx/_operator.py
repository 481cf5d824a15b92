"""The way of a call: check the arrays, find the backend, choose a kernel or the definition, run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Never

from lsmx._arithmetic.formats import SINGLE
from lsmx._arithmetic.ops import Array
from lsmx._backend import Backend, Kernel
from lsmx._calculus import operations_of
from lsmx._errors import ArrayTypeError, BackendError, DeviceError, OutputError
from lsmx._function import Function
from lsmx._operation import Operation
from lsmx._registry import backend_for, forced, shortcuts
from lsmx._spelling import refused
from lsmx._typing import Axis, DTypeLike
from lsmx._validate import check_out, wanted_dtype

_operators: dict[str, Operator] = {}


@dataclass(frozen=True)
class Operator:
    """A registered function: call it, or its derivatives, on arrays of any library.

    Attributes
    ----------
    name
        Its name in the registry.
    function
        Its rules.
    operations
        Its directions, as autograds know them.
    """

    name: str
    function: type[Function]
    operations: dict[str, Operation] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", operations_of(self))

    def __call__(
        self,
        z: Array = None,
        /,
        *extra: Never,
        axis: Axis = -1,
        where: Array | None = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        **options: Any,
    ) -> Array:
        """The function's value, seen by the autograd of the library that ``z`` is from."""
        if where is dtype is out is None and not options and not extra and type(axis) is int and axis == -1:
            short = shortcuts.get((self.name, type(z)))
            if short is not None and forced() is None and (value := short(z)) is not None:
                return value
        known = self.operations["forward"].options
        if extra or not known.keys() >= options.keys():
            unknown = {name: value for name, value in options.items() if name not in known}
            raise refused(self.name, ("z",), ("axis", *known, "where", "dtype", "out"), extra, unknown)
        backend = serving("z", z)
        if dtype is not None:
            z = cast(backend, z, dtype)
        if where is not None:
            together("z", z, where=where)
        if out is not None:
            together("z", z, out=out)
        return self.apply("forward", backend, (z,), axis, where, options, out)

    def derivative(
        self,
        direction: str,
        vectors: dict[str, Array],
        residual: dict[str, Array],
        axis: Any,
        where: Array | None = None,
        out: Array | None = None,
    ) -> Array:
        """``backward``, ``jvp`` or ``jacobian`` at a residual, both given by the names of the arguments."""
        name, x = next(iter(residual.items()))
        serving(name, x)
        given = {"where": where, "out": out}
        backend = together(name, x, **vectors, **residual, **{k: v for k, v in given.items() if v is not None})
        return self.apply(direction, backend, (*vectors.values(), *residual.values()), axis, where, {}, out)

    def apply(
        self,
        direction: str,
        backend: Backend,
        arrays: tuple[Array, ...],
        axis: Any,
        where: Array | None,
        options: dict[str, Any],
        out: Array | None,
    ) -> Array:
        """A direction as an operation, seen by the library's autograd if there is one."""
        operation = self.operations[direction]
        bind = operation.compute if backend.bind is None else partial(backend.bind, operation)
        result = bind(arrays, axis, where, options, out)
        return result if out is None else write(result, out)

    def run(self, direction: str, backend: Backend, ctx: Any, arrays: tuple[Array, ...], options: dict[str, Any]) -> Array:
        """Run a direction by the first kernel that accepts it, or by the definition."""
        kernel, _ = self.choose(direction, backend, ctx, arrays, options)
        if kernel is not None and not kernel.warns:
            return kernel.run(ctx, *arrays, **options)
        run = getattr(self.function, direction) if kernel is None else kernel.run
        with backend.quiet():
            return run(ctx, *arrays, **options)

    def choose(
        self, direction: str, backend: Backend, ctx: Any, arrays: tuple[Array, ...], options: dict[str, Any]
    ) -> tuple[Kernel | None, list[tuple[str, str]]]:
        """The kernel that would run, None for the definition, and those before it with the reason why each was passed over."""
        passed: list[tuple[str, str]] = []
        kernels = backend.by_task.get((self.name, direction), ())
        if forced() == "reference":
            return None, [(kernel.name, 'inside using("reference")') for kernel in kernels]
        for kernel in kernels:
            reason = kernel.refuse(ctx, *arrays, **options)
            if reason is None:
                return kernel, passed
            passed.append((kernel.name, reason))
        return None, passed


def register(name: str, function: type[Function]) -> Operator:
    """Give a function its name: from then on arrays of every library can be given to it, and every autograd bridged knows it.

    Parameters
    ----------
    name
        Its name, an identifier.
    function
        A subclass of ``Function`` with ``forward`` and ``backward`` as static methods.

    Returns
    -------
    Operator
        The callable.

    Raises
    ------
    ValueError
        If the name is taken, or the class lacks one of the two.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> class Cube(lsmx.Function):
    ...     residual = ("z",)
    ...     @staticmethod
    ...     def forward(ctx, z, /, *, axis=-1, where=None):
    ...         ctx.save_for_backward(z)
    ...         return z**3
    ...     @staticmethod
    ...     def backward(ctx, grad_output, /):
    ...         (z,) = ctx.saved_tensors
    ...         return grad_output * 3 * z**2
    >>> cube = lsmx.register("cube", Cube)
    >>> cube(np.asarray([1.0, 2.0]))
    array([1., 8.])
    >>> lsmx.unregister("cube")
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise BackendError(f"register: name {name!r} is not an identifier")
    if name in _operators:
        raise BackendError(f"register: {name!r} is taken by {_operators[name].function.__qualname__}; unregister it first")
    for method in ("forward", "backward"):
        if not isinstance(function, type) or getattr(function, method, None) in (None, getattr(Function, method)):
            raise BackendError(f"register: {function!r} has no {method} of its own; a Function needs forward and backward")
    _operators[name] = Operator(name, function)
    return _operators[name]


def unregister(name: str) -> None:
    """Take back ``register``."""
    del _operators[name]


def registered() -> dict[str, Operator]:
    """Every registered function by its name."""
    return dict(_operators)


def serving(name: str, x: Array) -> Backend:
    """The backend of an argument, unless ``using`` forces another."""
    try:
        backend = backend_for(x)
    except ArrayTypeError as error:
        raise ArrayTypeError(f"{name}: {error}") from None
    wanted = forced()
    if wanted is not None and wanted not in ("reference", backend.name):
        raise BackendError(f'{name}: an array of backend {backend.name!r} inside using("{wanted}"); convert it or leave the block')
    return backend


def cast(backend: Backend, z: Array, dtype: Any) -> Array:
    """``z`` in the ``dtype=`` that was asked for."""
    xp = backend.ops(z, SINGLE).xp
    with backend.quiet():
        return xp.astype(z, wanted_dtype(xp, dtype, z))


def together(name: str, x: Array, **others: Array) -> Backend:
    """The backend that serves all the arrays; raises unless they are of one library and on one device."""
    backend = backend_for(x)
    if backend.one_place and all(type(y) is type(x) for y in others.values()):
        return backend
    ops = backend.ops(x, SINGLE)
    for other, y in others.items():
        serves = serving(other, y)
        theirs = serves.ops(y, SINGLE)
        if (serves.follows or serves.name) != (backend.follows or backend.name) or (serves is backend and theirs.xp != ops.xp):
            raise ArrayTypeError(
                f"{other}: a {described(y)}, but {name} is a {described(x)}; convert one, so that both are of one library"
            )
        if theirs.device != ops.device:
            raise DeviceError(f"{other}: on {theirs.device}, but {name} is on {ops.device}; move one of them")
        backend = backend if serves.bind is None else serves  # an autograd of the library that follows only some of the arrays
    return backend


def described(x: Array) -> str:
    """The type of an array, for messages."""
    return f"{type(x).__module__}.{type(x).__qualname__}"


def write(result: Array, out: Array) -> Array:
    """Put the result into ``out``, unless a kernel has."""
    if result is out:
        return out
    check_out(out, tuple(result.shape), result.dtype)
    try:
        out[...] = result
    except (TypeError, ValueError, RuntimeError) as error:
        raise OutputError(f"out: cannot be written to: {error}") from error
    return out
