"""Kernels on the host: XLA's programs call the compiled core, by one handler for all its passes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lsmx import backend_for, registered
from lsmx.extend import Kernel, Operands, Operation, Runner, core, cross_entropy_plans, keep, loss_plans, recall
from lsmx_jax.place import elsewhere
from lsmx_jax.short import direct

TARGET = "lsmx"
MOST_AXES = 64
Found = str | Callable[[], Any]


def kernels() -> tuple[Kernel, ...]:
    """The compiled core's passes, for JAX."""
    others = {k.function for k in loss_kernels()} | {
        "mean_of_rows"
    }  # functions with other arrays, which have plans of their own or none
    cores = [k for k in backend_for(np.empty(0)).kernels if k.name == "core" and k.direct is not None]
    offered = [k for k in cores if k.function not in others]
    return tuple(
        Kernel(
            k.name,
            k.function,
            k.direction,
            plan_of(k.function, k.direction),
            warns=False,
            direct=functools.partial(direct, registered()[k.function].operations[k.direction]),
            unavailable=k.unavailable,
        )
        for k in offered
    )


def plan_of(name: str, direction: str) -> Callable[..., Found]:
    """The plan of a direction of a function: softmax's Jacobian is symmetric, so that its JVP is its backward pass."""
    operator = registered()[name]
    operation = operator.operations[direction]
    pass_name = "softmax_backward" if (name, direction) == ("softmax", "jvp") else f"{name}_{direction}"

    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, **options: Any) -> Found:
        found = plan(pass_name, operation, (z,), axis, where, options, options.get("row_sums"))
        if isinstance(found, str):
            return found

        def run() -> Any:
            out = found()
            keep(ctx, operator.function, (z,), out, axis, where, **options)
            return out

        return run

    def derivative(ctx: Any, vector: Any, /) -> Found:
        options = {name: getattr(ctx, name, default) for name, default in operation.options.items()}
        return plan(pass_name, operation, (vector, *ctx.saved_tensors), *recall(ctx), options)

    return forward if direction == "forward" else derivative


def plan(
    pass_name: str,
    operation: Operation,
    arrays: tuple[Any, ...],
    axis: Any,
    where: Any,
    options: dict[str, Any],
    row_sums: Any = None,
) -> Found:
    """What calls the core's pass in the program that is traced, or why it is not called."""
    axes, rows = operation.axes(arrays, axis), arrays[operation.at]
    if (reason := elsewhere(rows, axes)) is not None:
        return reason
    if 0 in rows.shape or not rows.shape:
        return "no elements" if rows.shape else "no axes"
    if len(rows.shape) > MOST_AXES:
        return f"{len(rows.shape)} axes: more than {MOST_AXES}"
    number = pass_number(pass_name)
    if isinstance(number, str):
        return number
    return lambda: call(number, operation, arrays, axes, where, options, row_sums)


@functools.cache
def pass_number(pass_name: str) -> int | str:
    """The number of a pass of the core, which XLA's programs can call from now on; or why there is none."""
    module = core()
    if module is None:
        return "no compiled core"
    if not hasattr(module, "xla_handler"):
        return "a compiled core of another version of lsmx"
    jax.ffi.register_ffi_target(TARGET, module.xla_handler(), platform="cpu")
    return int(module.passes[pass_name])


def call(
    number: int,
    operation: Operation,
    arrays: tuple[Any, ...],
    axes: tuple[int, ...],
    where: Any,
    options: dict[str, Any],
    row_sums: Any,
) -> Any:
    """The call of a pass."""
    shape = operation.shape([x.shape for x in arrays], axes, options)
    result = jax.ShapeDtypeStruct(shape, operation.dtype(arrays[operation.at]))
    attributes = {
        "pass": number,
        "reduced": sum(1 << a for a in axes),
        "mask": where is not None,
        "sums": row_sums is not None,
    }
    beside = (x for x in (where, row_sums) if x is not None)
    given = {name: np.uint64(value) for name, value in attributes.items()}
    # XLA may put a derivative into the memory of the array it is taken at, if that is not read again
    at = len(arrays) - 1
    place = {at: 0} if at and arrays[at].shape == shape and arrays[at].dtype == result.dtype else None
    return jax.ffi.ffi_call(TARGET, result, input_output_aliases=place)(*arrays, *beside, **given)


def loss_kernels() -> tuple[Kernel, ...]:
    """Those of the losses."""
    plans = loss_plans(RUNNER) | cross_entropy_plans(RUNNER)
    return tuple(Kernel("core", name, direction, plan, warns=False) for (name, direction), plan in plans.items())


def refuse(given: Operands) -> str | None:
    """Why a pass cannot take operands."""
    if (reason := elsewhere(given.z, given.axes)) is not None:
        return reason
    number = pass_number("log_prob_forward")
    if isinstance(number, str):
        return number
    if not given.z.shape or len(given.z.shape) > MOST_AXES:
        return "no axes, or too many"
    if given.index is not None and given.index.dtype.name not in ("int32", "int64"):
        return "an index of neither int32 nor int64"
    return None


def run(pass_name: str, given: Operands, shape: tuple[int, ...], out: Any) -> Any:
    """A pass, in the program that is traced."""
    fmt = "float64" if given.z.dtype == "float64" else "float32"
    dtype = given.z.dtype if "_backward" in pass_name else fmt
    temperature = given.temperature
    if not hasattr(temperature, "shape"):
        rows = tuple(n for a, n in enumerate(given.z.shape) if a not in given.axes)
        temperature = None if temperature == 1.0 else jax.numpy.full(rows, temperature, fmt)
    attributes = {
        "pass": pass_number(pass_name),
        "reduced": sum(1 << a for a in given.axes),
        "mask": given.where is not None,
        "temperature": temperature is not None,
        "sums": given.row_sums is not None,
        "weight": given.weight is not None,
    }
    numbers: dict[str, Any] = {name: np.uint64(value) for name, value in attributes.items()}
    for name in ("softcap", "smoothing"):
        if value := getattr(given, name):
            numbers[name] = np.float64(value).view(np.uint64)
    if given.ignored is not None:
        numbers["ignored"] = np.int64(given.ignored)
    one = given.one if given.numbers is None else given.numbers
    rows = one, given.probabilities, given.z, given.w
    arrays = [x for x in (*rows, given.index, given.where, temperature, given.row_sums, given.weight) if x is not None]
    return jax.ffi.ffi_call(TARGET, jax.ShapeDtypeStruct(shape, dtype))(*arrays, **numbers)


RUNNER = Runner(refuse, run)
