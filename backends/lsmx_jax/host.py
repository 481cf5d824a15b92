"""Kernels on the host: XLA calls those of NumPy's arrays on its own buffers, without a copy."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from lsmx import Kernel, Operation, backend_for, registered
from lsmx._function import keep, recall
from lsmx_jax.call import target
from lsmx_jax.place import elsewhere

HOST = backend_for(np.empty(0))


def kernels() -> tuple[Kernel, ...]:
    """The kernels of NumPy's backend, for JAX."""
    tasks = sorted({(k.function, k.direction) for k in HOST.kernels})
    return tuple(Kernel("on the host", f, d, *(forward(f) if d == "forward" else derivative(f, d))) for f, d in tasks)


def forward(name: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    operator = registered()[name]

    def refuse(ctx: Any, z: Any, /, **_: Any) -> str | None:
        return elsewhere(z)

    def run(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, **options: Any) -> Any:
        out = call(operator.operations["forward"], (z,), axis, where, options)
        keep(ctx, operator.function, z, out, axis, where)
        return out

    return refuse, run


def derivative(name: str, direction: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    operation = registered()[name].operations[direction]

    def refuse(ctx: Any, vector: Any, /) -> str | None:
        return elsewhere(vector)

    def run(ctx: Any, vector: Any, /) -> Any:
        return call(operation, (vector, *ctx.saved_tensors), *recall(ctx), {})

    return refuse, run


def call(operation: Operation, arrays: tuple[Any, ...], axis: Any, where: Any, options: dict[str, Any]) -> Any:
    """A call of the host in XLA's program."""
    masked = where is not None

    def compute(views: list[Any], out: Any) -> None:
        mask = views.pop() if masked else None
        result = operation.compute(tuple(views), axis, mask, options, out)
        if result is not out:
            out[...] = result

    name = target(f"{operation.name} axis={axis} {options} masked={masked}", compute)
    shape = operation.shape(*(x.shape for x in arrays), axes=operation.axes(arrays, axis), **options)
    result = jax.ShapeDtypeStruct(shape, arrays[operation.rows].dtype)
    return jax.ffi.ffi_call(name, result)(*arrays, *([where] if masked else []))
