"""Kernels on the host: XLA calls those of NumPy's arrays on its own buffers, without a copy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lsmx import Context, Kernel, Operator, backend_for, registered
from lsmx._function import keep, recall, remember
from lsmx_jax.call import target
from lsmx_jax.place import elsewhere

HOST = backend_for(np.empty(0))
TASKS = [("log_softmax", "forward"), ("softmax", "forward"), ("logsumexp", "forward"), ("log_softmax", "backward")]
TASKS += [("softmax", "backward"), ("logsumexp", "backward"), ("softmax", "jvp")]


def kernels() -> tuple[Kernel, ...]:
    """The kernels of NumPy's backend, for JAX."""
    names = {(k.function, k.direction) for k in HOST.kernels}
    return tuple(Kernel("on the host", f, d, *(forward(f) if d == "forward" else derivative(f, d))) for f, d in sorted(names))


def forward(name: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    operator = registered()[name]

    def refuse(ctx: Any, z: Any, /, **_: Any) -> str | None:
        return elsewhere(z)

    def run(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, **options: Any) -> Any:
        shape = operator.function.shape(z.shape, operator.operations["forward"].axes((z,), axis), **options)
        out = call(operator, "forward", (z,), axis, where, options, shape)
        keep(ctx, operator.function, z, out, axis, where)
        return out

    return refuse, run


def derivative(name: str, direction: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    operator = registered()[name]

    def refuse(ctx: Any, vector: Any, /) -> str | None:
        return elsewhere(vector)

    def run(ctx: Any, vector: Any, /) -> Any:
        axis, where = recall(ctx)
        arrays = (vector, *ctx.saved_tensors)
        operation = operator.operations[direction]
        shape = operation.shape(*(x.shape for x in arrays), axes=operation.axes(arrays, axis))
        return call(operator, direction, arrays, axis, where, {}, shape)

    return refuse, run


def call(
    operator: Operator, direction: str, arrays: tuple[Any, ...], axis: Any, where: Any, options: dict[str, Any], shape: tuple[int, ...]
) -> Any:
    """A call of the host, in XLA's program."""
    operation = operator.operations[direction]
    dtype = arrays[operation.rows].dtype
    masked = where is not None

    def compute(views: list[Any], out: Any) -> None:
        mask = views.pop() if masked else None
        result = operation.compute(tuple(views), axis, mask, options, out)
        if result is not out:
            out[...] = result

    mask = (where,) if masked else ()
    name = target(f"{operation.name} axis={axis} {options} {masked}", compute)
    return jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(shape, dtype))(*arrays, *mask)
