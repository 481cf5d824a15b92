"""Run a function in all directions on a case, on any library, and bring the results to NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx import backend_for, registered, using
from lsmx.extend import ROWS, SINGLE, STANDARD, Array, Backend, Context, Function, Kind
from lsmx.testing.bits import quantise
from lsmx.testing.drawn import SUMS, arguments, held_in, options_of, options_of_sums, takes_sums
from lsmx.testing.inputs import JACOBIAN_LIMIT, Case

Result = npt.NDArray[Any]


@dataclass(frozen=True)
class Target:
    """A library on a device: where a case is run.

    Attributes
    ----------
    name : str
        What it is called in the names of tests.
    dtypes : tuple of str
        The float dtypes that it has, by name.
    from_numpy : callable
        Makes an array of the library: called with a NumPy array and a dtype's name.
    to_numpy : callable
        The way back; bfloat16 becomes float32.

    See Also
    --------
    target : of a backend.
    host_target : of NumPy.
    """

    name: str
    dtypes: tuple[str, ...]
    from_numpy: Callable[[npt.NDArray[Any], str], Array]
    to_numpy: Callable[[Array], npt.NDArray[Any]]


def target(backend: Backend, device: Any = None, name: str = "") -> Target:
    """The target of a backend, on a device or its default one.

    Parameters
    ----------
    backend : lsmx.extend.Backend
        The library, as `lsmx.backend_for` gives it.
    device : object, optional
        One of its devices; by default the one that it takes itself.
    name : str, default ""
        What to call it; by default as the backend.

    Returns
    -------
    Target
        Where `evaluate` runs a case.

    See Also
    --------
    host_target : the target of NumPy.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> from lsmx.testing import target
    >>> target(lsmx.backend_for(np.ones(1))).dtypes
    ('float16', 'float32', 'float64')
    """
    return Target(
        name or backend.name, backend.dtypes, lambda values, dtype: backend.from_numpy(values, dtype, device), backend.to_numpy
    )


def target_like(x: Array) -> Target:
    """The library, dtype and device of an array."""
    backend = backend_for(x)
    ops = backend.ops(x, SINGLE)
    if backend is not STANDARD:
        return target(backend, ops.device)

    def from_numpy(values: npt.NDArray[Any], dtype: str) -> Array:
        return ops.xp.asarray(values, dtype=getattr(ops.xp, dtype), device=ops.device)

    return Target(backend.name, backend.dtypes, from_numpy, np.asarray)


def host_target() -> Target:
    """The target of NumPy.

    Returns
    -------
    Target
        Where `evaluate` runs a case.

    See Also
    --------
    target : of any backend.

    Examples
    --------
    >>> from lsmx.testing import host_target
    >>> host_target().name
    'numpy'
    """
    return target(backend_for(np.zeros(1)))


def has(function: str, direction: str) -> bool:
    """Whether a registered function has rules for a direction."""
    return registered()[function].rule(direction) is not getattr(Function, direction.partition("_")[0])


def directions(function: str) -> list[str]:
    """Those that a registered function has rules for, of 16-bit rows too; along one of several arguments, without its name."""
    every = dict.fromkeys(direction.partition(" ")[0] for direction in registered()[function].operations)
    return [direction for direction in every if has(function, direction)]


def forms_jacobian(function: str, case: Case) -> bool:
    """Whether the Jacobian of a case is to be formed: there is one, it takes no mask, and it is not too large."""
    return has(function, "jacobian") and case.where is None and case.z.shape[-1:] <= (JACOBIAN_LIMIT,)


def held(x: npt.NDArray[Any], kind: Kind, dtype: str) -> npt.NDArray[Any]:
    """An array of a kind in the dtype that it is made in; bfloat16 as float32."""
    name = held_in(kind, dtype)
    return quantise(x, name) if kind.floating else x.astype(name)


def evaluate(where: Target, function: str, dtype: str, case: Case) -> dict[str, Result]:
    """Every direction of a function on a case, as NumPy arrays.

    Parameters
    ----------
    where : Target
        The library and the device to run on.
    function : str
        A registered name, such as ``"log_softmax"``.
    dtype : str
        Of the logits; all else that is drawn is in it too, or what goes with it.
    case : Case
        The input.

    Returns
    -------
    dict of str to numpy.ndarray
        The results by direction: ``"forward"``, ``"backward"``, ``"jvp"``, and ``"jacobian"`` where the function has one and it is
        small. bfloat16 is float32 there.

    See Also
    --------
    wanted : what the results have to be, bit for bit.

    Examples
    --------
    >>> from lsmx.testing import cases, differing, evaluate, host_target, wanted
    >>> case = cases()[0]
    >>> found = evaluate(host_target(), "softmax", "float32", case)
    >>> right = wanted("softmax", "float32", case)
    >>> [name for name in found if differing(found[name], right[name])]
    []
    """
    operator = registered()[function]
    takes = operator.function.takes

    def made(values: npt.NDArray[Any], kind: Kind = ROWS) -> Array:
        return where.from_numpy(held(values, kind, dtype), held_in(kind, dtype))

    given = {name: made(values, takes[name]) for name, values in arguments(function, case).items()}
    mask = None if case.where is None else where.from_numpy(case.where, "bool")
    options = {name: made(x) if isinstance(x, np.ndarray) else x for name, x in options_of(function, case).items()}
    if takes_sums(function, case):
        rows, found_with = next(iter(given.values())), options_of_sums(options)
        options[SUMS] = registered()[SUMS](rows, axis=case.axis, where=mask, **found_with)
    out = operator(*given.values(), axis=case.axis, where=mask, **options)
    known = given | {"output": out}
    results = {"forward": where.to_numpy(out)}
    for direction, operation in operator.operations.items():
        rule, _, by = direction.partition(" ")
        if rule in ("forward", "jacobian") or not has(function, rule):
            continue
        vector, *names = operation.takes
        like = out if vector == "grad_output" else given[by or operator.function.gradients[0]]
        vectors, residual = {vector: made(case.vector(tuple(like.shape)))}, {name: known[name] for name in names}
        results[direction] = where.to_numpy(operator.derivative(direction, vectors, residual, case.axis, mask, None, options))
    if forms_jacobian(function, case):
        residual = {name: known[name] for name in operator.function.residual}
        results["jacobian"] = where.to_numpy(operator.derivative("jacobian", {}, residual, case.axis))
    return results


def wanted(function: str, dtype: str, case: Case) -> dict[str, Result]:
    """The results of the definition on NumPy; for bfloat16, which NumPy lacks, rounded to it from float32.

    Not those of a function that widens: they are in float32, and its gradients alone are in bfloat16.

    Parameters
    ----------
    function : str
        A registered name, such as ``"log_softmax"``.
    dtype : str
        Of the logits.
    case : Case
        The input.

    Returns
    -------
    dict of str to numpy.ndarray
        The results by direction, as `evaluate` gives them.

    See Also
    --------
    evaluate : the same on any library, by its kernels; with an example.
    """
    if dtype != "bfloat16":
        with using("reference"):
            return evaluate(host_target(), function, dtype, case)
    operator = registered()[function]
    takes, gradients = operator.function.takes, operator.function.gradients
    place: dict[str, Any] = {"axis": case.axis, "where": case.where}

    def narrow(x: Result) -> Result:
        return quantise(x, "bfloat16")

    def result(x: Result) -> Result:
        return x if operator.function.widens else narrow(x)

    drawn = arguments(function, case)
    given = {name: held(x, takes[name], dtype) for name, x in drawn.items()}
    options = {name: narrow(x) if isinstance(x, np.ndarray) else x for name, x in options_of(function, case).items()} | place
    with using("reference"), np.errstate(over="ignore", invalid="ignore"):
        if takes_sums(function, case):
            find, rows = registered()[SUMS].rule("forward"), next(iter(given.values()))
            options[SUMS] = find(Context(), rows, **options_of_sums(options), **place)
        out = result(operator.rule("forward")(Context(), *given.values(), **options))
        known = given | {"output": out}
        results = {"forward": out}
        for direction, operation in operator.operations.items():
            rule, _, by = direction.partition(" ")
            if rule in ("forward", "jacobian") or not has(function, rule):
                continue
            vector, *names = operation.takes
            ctx, z = Context(*(known[name] for name in names), **options), by or gradients[0]
            if vector == "grad_output":
                found = operator.rule(rule)(ctx, narrow(case.vector(out.shape)))
                results[direction] = narrow(found[gradients.index(z)] if by else found)
            else:
                tangents = [narrow(case.vector(given[name].shape)) if name == z else None for name in gradients]
                results[direction] = result(operator.rule(rule)(ctx, *tangents))
        if forms_jacobian(function, case):
            ctx = Context(*(known[name] for name in operator.function.residual), **options)
            results["jacobian"] = narrow(operator.rule("jacobian")(ctx))
    return results
