"""Run a function in all directions on a case, on any library, and bring the results to NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx._arithmetic.formats import SINGLE
from lsmx._arithmetic.ops import Array
from lsmx._backend import Backend
from lsmx._function import Context, Function
from lsmx._operator import registered
from lsmx._registry import backend_for, using
from lsmx._standard import STANDARD
from lsmx.testing.bits import quantise
from lsmx.testing.inputs import JACOBIAN_LIMIT, Case

Result = npt.NDArray[Any]


@dataclass(frozen=True)
class Target:
    """A library on a device: where a case is run."""

    name: str
    dtypes: tuple[str, ...]
    from_numpy: Callable[[npt.NDArray[Any], str], Array]
    to_numpy: Callable[[Array], npt.NDArray[Any]]


def target(backend: Backend, device: Any = None, name: str = "") -> Target:
    """The target of a backend, on a device or its default one."""
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
    """NumPy."""
    return target(backend_for(np.zeros(1)))


def has(function: str, direction: str) -> bool:
    """Whether a registered function has rules for a direction."""
    rules = registered()[function].function
    return getattr(rules, direction) is not getattr(Function, direction)


def forms_jacobian(function: str, case: Case) -> bool:
    """Whether the Jacobian of a case is to be formed: there is one, it takes no mask, and it is not too large."""
    return has(function, "jacobian") and case.where is None and case.z.shape[-1:] <= (JACOBIAN_LIMIT,)


def evaluate(where: Target, function: str, dtype: str, case: Case) -> dict[str, Result]:
    """Every direction of a function on a case, as NumPy arrays (bfloat16 as float32)."""
    operator = registered()[function]

    def made(values: npt.NDArray[Any]) -> Array:
        return where.from_numpy(quantise(values, dtype), dtype)

    z = made(case.z)
    mask = None if case.where is None else where.from_numpy(case.where, "bool")
    out = operator(z, axis=case.axis, where=mask)
    residual = {name: {"z": z, "output": out}[name] for name in operator.function.residual}
    results = {"forward": where.to_numpy(out)}
    if has(function, "backward"):
        g = made(case.vector(tuple(out.shape)))
        results["backward"] = where.to_numpy(operator.derivative("backward", {"grad_output": g}, residual, case.axis, mask))
    if has(function, "jvp"):
        v = made(case.vector(tuple(z.shape)))
        results["jvp"] = where.to_numpy(operator.derivative("jvp", {"tangent": v}, residual, case.axis, mask))
    if forms_jacobian(function, case):
        results["jacobian"] = where.to_numpy(operator.derivative("jacobian", {}, residual, case.axis))
    return results


def wanted(function: str, dtype: str, case: Case) -> dict[str, Result]:
    """The same by the definition on NumPy; in bfloat16, which NumPy lacks, every result is rounded to it from float32."""
    if dtype != "bfloat16":
        with using("reference"):
            return evaluate(host_target(), function, dtype, case)
    rules = registered()[function].function
    given: dict[str, Any] = {"axis": case.axis, "where": case.where}

    def narrow(x: Result) -> Result:
        return quantise(x, "bfloat16")

    z = narrow(case.z)
    with using("reference"), np.errstate(over="ignore", invalid="ignore"):
        out = narrow(rules.forward(Context(), z, **given))
        values = {"z": z, "output": out}
        ctx = Context(*(values[name] for name in rules.residual), **given)
        results = {"forward": out}
        if has(function, "backward"):
            results["backward"] = narrow(rules.backward(ctx, narrow(case.vector(out.shape))))
        if has(function, "jvp"):
            results["jvp"] = narrow(rules.jvp(ctx, narrow(case.vector(z.shape))))
        if forms_jacobian(function, case):
            results["jacobian"] = narrow(rules.jacobian(ctx))
    return results
