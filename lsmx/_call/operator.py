"""The way of a call: check the arrays, find the backend, plan, run."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from lsmx._call.backend import Backend
from lsmx._call.deferred import public, taken_over
from lsmx._call.division import division_of
from lsmx._call.family import operations_of, suffix_of
from lsmx._call.functions import every, operators
from lsmx._call.operation import NARROW, Operation
from lsmx._call.registry import PARTS, _forced, at_work, backend_for, forced, loaded, on_load, shortcuts
from lsmx._call.spelling import refused
from lsmx._call.steps import STEPS
from lsmx._call.validate import cast_to, check_flags, described, write
from lsmx._definition.checks import float_name, normal_axes
from lsmx._definition.formats import SINGLE
from lsmx._definition.function import Function
from lsmx._definition.kinds import PER_ROW, ROW_SUMS, ROWS, Kind
from lsmx._definition.ops import Array
from lsmx._errors import ArrayTypeError, BackendError, DeviceError
from lsmx._typing import Axis, DTypeLike

NOTHING: Mapping[str, Array] = {}


@dataclass(frozen=True)
class Operator:
    """A registered function: call it, or its derivatives, on arrays of any library.

    Attributes
    ----------
    name : str
        Its name in the registry.
    function : type of Function
        Its rules.
    given : tuple of str
        Names of the options that this variant takes as arrays: see ``Function.optional``.
    operations : mapping of str to Operation
        Its directions, as autograds know them.
    variants : mapping of tuple of str to Operator
        The operators of the same function for options that are arrays, by their names; itself for no such option.
    unknown : tuple of str
        Those of ``axis`` and ``where`` that its forward pass does not take.
    """

    name: str
    function: type[Function]
    given: tuple[str, ...] = ()
    variants: Mapping[tuple[str, ...], Operator] = field(init=False, repr=False, compare=False)
    operations: Mapping[str, Operation] = field(init=False, repr=False, compare=False)
    unknown: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "__name__", self.full_name)  # saved programs name it so, in the module of its class
        object.__setattr__(self, "__module__", self.function.__module__)
        object.__setattr__(self, "operations", operations_of(self))
        known = inspect.signature(self.function.forward).parameters
        object.__setattr__(self, "unknown", tuple(name for name in ("axis", "where") if name not in known))
        if not self.given:
            optional = tuple(self.function.optional)
            given = [names for n in range(1, len(optional) + 1) for names in combinations(optional, n)]
            variants = {names: Operator(self.name, self.function, names) for names in given}
            object.__setattr__(self, "variants", {(): self, **variants})

    @property
    def full_name(self) -> str:
        """The name of its operations, such as ``log_prob_with_temperature`` for options that are arrays."""
        return "_with_".join((self.name, *self.given))

    def rule(self, direction: str) -> Callable[..., Any]:
        """What computes a direction: one of the function's own, or of those for 16-bit rows.

        Parameters
        ----------
        direction : str
            Such as ``"forward"``, ``"backward"`` or ``"backward_z"``.

        Returns
        -------
        callable
            A static method of the function.
        """
        rules, suffix = self.function, ""
        if self.function.narrow is not None and direction.endswith(suffix_of(self.function.narrow)):
            rules, suffix = self.function.narrow, suffix_of(self.function.narrow)
        found: Callable[..., Any] = getattr(rules, direction.removesuffix(suffix))
        return found

    def __call__(
        self,
        *arrays: Array,
        axis: Axis = -1,
        where: Array | None = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        **options: Any,
    ) -> Array:
        """The function's value, seen by the autograd of the library that the arrays are from."""
        takes, known = self.function.takes, self.operations["forward"].options
        if self.function.optional and not self.given:
            names = tuple(name for name in self.function.optional if name in options and hasattr(options[name], "shape"))
            if names:
                return self.variants[names](*arrays, axis=axis, where=where, dtype=dtype, out=out, **options)
        beside = tuple(options.pop(name) for name in self.given)
        if len(arrays) != len(takes) or not known.keys() >= options.keys():
            unknown = {name: value for name, value in options.items() if name not in known}
            raise refused(self.name, tuple(takes), ("axis", *known, "where", "dtype", "out"), arrays, unknown)
        if options:
            check_flags(options, known)
        first, x = next(iter(takes)), arrays[0]
        try:
            backend = serving(first, x)
            arrays = (*arrays, *beside)
            if dtype is not None:
                arrays = cast(backend, self, arrays, dtype)
            if len(arrays) > 1 or where is not None or out is not None:
                given = dict(zip((*takes, *self.given), arrays, strict=True)) | {"where": where, "out": out}
                absent = {name for name in ("where", "out") if given[name] is None}
                backend = together(first, arrays[0], **{k: y for k, y in given.items() if k != first and k not in absent})
        except ArrayTypeError as error:
            given = {
                "axis": axis,
                "where": where,
                "dtype": dtype,
                "out": out,
                **options,
                **dict(zip(self.given, beside, strict=True)),
            }
            return taken_over(error, public.get(self.name, self), arrays[: len(takes)], given)
        if dtype is None or not self.function.widens or float_name(first, arrays[0]) not in NARROW:
            return self.apply("forward", backend, arrays, axis, where, options, out)
        result = in_dtype(backend, self.apply("forward", backend, arrays, axis, where, options, None), dtype, "dtype")
        return result if out is None else write(result, out)

    def derivative(
        self,
        direction: str,
        vectors: dict[str, Array],
        residual: dict[str, Array],
        axis: Any,
        where: Array | None = None,
        out: Array | None = None,
        options: Mapping[str, Any] | None = None,
        beside: Mapping[str, Array] = NOTHING,
    ) -> Array:
        """``backward``, ``jvp`` or ``jacobian`` at a residual, both given by the names of the arguments.

        Where a function has several gradients, the direction is followed by the argument's name, as in ``"backward z"``. Arrays
        ``beside`` the residual are checked to go together with it, but not computed with.

        Parameters
        ----------
        direction : str
            ``"backward"``, ``"jvp"`` or ``"jacobian"``, followed by the argument's name where there are several gradients.
        vectors : dict of str to array
            ``grad_output`` or ``tangent``; none for a Jacobian.
        residual : dict of str to array
            What the function saves, by name.
        axis : int, tuple of int or None
            The axis or axes of the rows.
        where : array of bool, optional
            Mask.
        out : array, optional
            Array for the result.
        options : mapping, optional
            The further options of the function.
        beside : mapping of str to array, optional
            Arrays that are checked, and not computed with.

        Returns
        -------
        array
            The derivative.

        Raises
        ------
        LsmxError
            Arrays or options that do not go together, as any call says.
        NotImplementedError
            The function has no such derivative.
        """
        options = options or {}
        if self.function.optional and not self.given:
            names = tuple(name for name in self.function.optional if hasattr(options.get(name), "shape"))
            if names:
                return self.variants[names].derivative(direction, vectors, residual, axis, where, out, options, beside)
        residual = {**residual, **{name: options[name] for name in self.given}}
        options = {name: value for name, value in options.items() if name not in self.given}
        name, x = next(iter(residual.items()))
        arrays = (*vectors.values(), *residual.values())
        given = {"where": where, "out": out}
        try:
            serving(name, x)
            backend = together(name, x, **vectors, **residual, **beside, **{k: v for k, v in given.items() if v is not None})
        except ArrayTypeError as error:
            called = public.get(f"{self.name}_{direction}")
            return taken_over(error, called, (*arrays, *beside.values()), {"axis": axis, **given, **(options or {})})
        for other, y in beside.items():
            options = {**options, **one_each(name, x, axis, other, y)}
        return self.apply(direction, backend, arrays, axis, where, options, out)

    def apply(
        self,
        direction: str,
        backend: Backend,
        arrays: tuple[Array, ...],
        axis: Any,
        where: Array | None,
        options: Mapping[str, Any],
        out: Array | None,
    ) -> Array:
        """A direction as an operation, seen by the library's autograd if there is one.

        Parameters
        ----------
        direction : str
            One of ``operations``.
        backend : Backend
            That of the arrays.
        arrays : tuple of array
            Those of the operation, in order.
        axis : int, tuple of int or None
            The axis or axes of the rows.
        where : array of bool or None
            Mask.
        options : mapping
            The further options.
        out : array or None
            Array for the result.

        Returns
        -------
        array
            The value.
        """
        operation = self.operations[direction]
        division = division_of(operation)
        if division is not None:
            given = arrays, axis, where, options
            result = division.bind(operation, *given) if division.bind else at_once(backend)(division.divided(operation), *given)
        elif backend.bind is None:
            result = operation.compute(arrays, axis, where, options, out)
        else:
            result = backend.bind(operation, arrays, axis, where, options, out)
        return result if out is None else write(result, out)


def at_once(backend: Backend) -> Callable[..., Array]:
    """A ``bind`` for operations without derivatives: it refuses arrays that an autograd follows."""

    def bind(operation: Operation, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: Mapping[str, Any]) -> Array:
        apart = replace(operation, pull={}, push={}, narrow=None, beforehand=None)
        if backend.apart is not None:
            return backend.apart(apart, arrays, axis, where, options)
        return apart.compute(arrays, axis, where, options, None)

    return bind


def beside_output(short: Callable[..., Array | None], v: Array, z: Array, output: Array, *given: Any, along: bool) -> Array | None:
    """A derivative at ``z`` the short way, a JVP if ``along``, else a VJP; None if ``output`` does not go with the other arrays."""
    if type(output) is not type(z) or output.dtype != z.dtype:
        return None
    if not along:
        return short(v, z, *given) if output.shape == getattr(v, "shape", None) else None
    value = short(v, z, *given, output.ndim == z.ndim)
    return value if value is not None and value.shape == output.shape else None


def shape_of(x: Array) -> tuple[Any, ...] | None:
    """The shape; None of PyTorch's nested tensors, which have none and are refused later, by name."""
    try:
        return tuple(x.shape)
    except RuntimeError:
        return None


def one_each(name: str, x: Array, axis: Any, other: str, y: Array) -> dict[str, Any]:
    """Raise unless an array has one number for each row of ``x``, and say whether it has all the axes."""
    float_name(name, x)
    shape = shape_of(x)
    if shape is None:
        return {}
    axes = normal_axes(axis, len(shape))
    if all(type(n) is int for n in (*shape, *y.shape)):  # Dask knows some sizes only when it computes, and tracers stand for them
        PER_ROW.check(other, y, x.dtype, shape, axes)
    return {"keepdims": True} if len(y.shape) == len(shape) else {}


def register(name: str, function: type[Function]) -> Operator:
    """Give a function its name: from then on arrays of every library can be given to it, and every autograd bridged knows it.

    Parameters
    ----------
    name : str
        Its name, an identifier.
    function : type of Function
        A subclass of ``Function`` with ``forward`` and, if it has gradients, ``backward`` as static methods.

    Returns
    -------
    Operator
        The callable.

    Raises
    ------
    BackendError
        The name is taken or no identifier, the class lacks one of the two, or its traits do not hold together.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.extend import Function, register, unregister
    >>> class Cube(Function):
    ...     residual = ("z",)
    ...     @staticmethod
    ...     def forward(ctx, z, /, *, axis=-1, where=None):
    ...         ctx.save_for_backward(z)
    ...         return z**3
    ...     @staticmethod
    ...     def backward(ctx, grad_output, /):
    ...         (z,) = ctx.saved_tensors
    ...         return grad_output * 3 * z**2
    >>> cube = register("cube", Cube)
    >>> cube(np.asarray([1.0, 2.0]))
    array([1., 8.])
    >>> unregister("cube")
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise BackendError(f"register: name {name!r} is not an identifier")
    if name in every():
        raise BackendError(f"register: {name!r} is taken by {operators[name].function.__qualname__}; unregister it first")
    for method in ("forward", "backward") if getattr(function, "gradients", True) else ("forward",):
        if not isinstance(function, type) or getattr(function, method, None) in (None, getattr(Function, method)):
            raise BackendError(f"register: {function!r} has no {method} of its own; a Function needs forward and backward")
    check_traits(function)
    return enroll(name, function)


def enroll(name: str, function: type[Function]) -> Operator:
    """``register`` for the library's own functions."""
    operator = Operator(name, function)
    operators[name] = operator
    for backend in loaded():
        tell(backend, operator)
    return operator


def check_traits(function: type[Function]) -> None:
    """Raise unless the traits of a function are consistent."""
    takes, what = function.takes, f"register: {function.__qualname__}"
    if not isinstance(takes, Mapping) or not takes or not all(isinstance(kind, Kind) for kind in takes.values()):
        raise BackendError(f"{what}: takes = {takes!r} is not a mapping from names to kinds, as in {{'z': ROWS}}")
    if next(iter(takes.values())) is not ROWS:
        raise BackendError(f"{what}: the first of its arrays, {next(iter(takes))}, is not of the kind ROWS, which axis= refers to")
    for name in function.gradients:
        if name not in takes or not takes[name].floating:
            raise BackendError(f"{what}: gradients = {function.gradients!r}, but {name!r} is none of its arrays of numbers")
    for name in function.residual:
        if name not in takes and name != "output":
            raise BackendError(f"{what}: residual = {function.residual!r}, but {name!r} is neither one of its arrays nor 'output'")


def tell(backend: Backend, operator: Operator) -> None:
    """Have a library know the operations of a function before they are called."""
    if backend.define is not None:
        with contextlib.suppress(BackendError):  # of options that the library cannot take: raised again when the function is called
            for variant in operator.variants.values():
                for operation in variant.operations.values():
                    backend.define(operation)


def tell_all(backend: Backend) -> None:
    """Have a library know all that there is."""
    if backend.define is not None:
        for operator in every().values():
            tell(backend, operator)
        for step in STEPS:
            backend.define(step)


on_load.append(tell_all)


def unregister(name: str) -> None:
    """Take back ``register``.

    Parameters
    ----------
    name : str
        The name that was given.
    """
    del every()[name]


def shortcut(function: str, direction: str, kind: type) -> Callable[..., Array | None] | None:
    """The short way of a direction for arrays of a type, if there is one; none inside ``using``, nor in what is compiled."""
    if at_work.compiling():
        return None
    return shortcuts.get((function, direction, kind)) if _forced.get() is None else None


def serving(name: str, x: Array) -> Backend:
    """The backend of an argument, unless ``using`` forces another.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    x : array
        The argument.

    Returns
    -------
    Backend
        Its record.

    Raises
    ------
    ArrayTypeError
        ``x`` is not an array, or not one that is taken.
    BackendError
        Inside `lsmx.using`, an array of another backend.
    """
    try:
        backend = backend_for(x)
    except ArrayTypeError as error:
        raise ArrayTypeError(f"{name}: {error}") from None
    wanted = forced()
    if wanted is not None and wanted not in ("reference", PARTS, backend.name):
        raise BackendError(f'{name}: an array of backend {backend.name!r} inside using("{wanted}"); convert it or leave the block')
    return backend


def cast(backend: Backend, operator: Operator, arrays: tuple[Array, ...], dtype: Any) -> tuple[Array, ...]:
    """The arrays of numbers in the ``dtype=`` that was asked for; sums stay in the format that is computed in."""
    takes = operator.operations["forward"].takes
    return tuple(
        in_dtype(backend, x, dtype, name) if kind.floating and kind is not ROW_SUMS else x
        for (name, kind), x in zip(takes.items(), arrays, strict=True)
    )


def namespace_of(backend: Backend, x: Array) -> Any:
    """The array namespace of an array.

    Parameters
    ----------
    backend : Backend
        The array's backend.
    x : array
        The array.

    Returns
    -------
    array namespace
        That of the backend if its arrays share one.
    """
    return backend.ops(x, SINGLE).xp if backend.xp is None else backend.xp


def in_dtype(backend: Backend, x: Array, dtype: Any, name: str) -> Array:
    """An array in the dtype that was asked for, rounded once; the library's autograd follows."""
    with backend.quiet():
        return cast_to(namespace_of(backend, x), dtype, x, name)


def place_of(backend: Backend, x: Array) -> tuple[Any, Any]:
    """The namespace and the place of an array: arrays go together if both are equal."""
    if backend.place is not None:
        return backend.xp, backend.place(x)
    ops = backend.ops(x, SINGLE)
    return ops.xp, ops.device


def together(name: str, x: Array, **others: Array) -> Backend:
    """The backend that serves all the arrays; raises unless they are of one library and on one device."""
    backend = backend_for(x)
    if backend.one_place and all(type(y) is type(x) for y in others.values()):
        return backend
    place = place_of(backend, x)
    for other, y in others.items():
        serves = serving(other, y)
        theirs = place_of(serves, y)
        if (serves.follows or serves.name) != (backend.follows or backend.name) or (serves is backend and theirs[0] != place[0]):
            raise ArrayTypeError(
                f"{other}: a {described(y)}, but {name} is a {described(x)}; convert one, so that both are of one library"
            )
        if theirs[1] != place[1]:
            raise DeviceError(f"{other}: on {theirs[1]}, but {name} is on {place[1]}; move one of them")
        backend = backend if serves.bind is None else serves  # wrapped arrays of an autograd among plain ones
    return backend
