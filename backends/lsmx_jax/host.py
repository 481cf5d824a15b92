"""Kernels on the host: XLA calls those of NumPy's arrays on its own buffers, without a copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from lsmx import backend_for, registered
from lsmx.extend import Kernel, Operation, keep, recall
from lsmx_jax.call import target
from lsmx_jax.place import elsewhere

HOST = backend_for(np.empty(0))


def kernels() -> tuple[Kernel, ...]:
    """The kernels of NumPy's backend, for JAX."""
    tasks = sorted({(k.function, k.direction) for k in HOST.kernels})
    return tuple(Kernel("on the host", f, d, forward(f) if d == "forward" else derivative(f, d)) for f, d in tasks)


def forward(name: str) -> Callable[..., str | Callable[[], Any]]:
    """The plan of a forward pass."""
    operator = registered()[name]

    def plan(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, **options: Any) -> str | Callable[[], Any]:
        def run() -> Any:
            out = call(operator.operations["forward"], (z,), axis, where, options)
            keep(ctx, operator.function, (z,), out, axis, where, **options)
            return out

        return elsewhere(z) or run

    return plan


def derivative(name: str, direction: str) -> Callable[..., str | Callable[[], Any]]:
    """The plan of a derivative."""
    operation = registered()[name].operations[direction]

    def plan(ctx: Any, vector: Any, /) -> str | Callable[[], Any]:
        options = {name: getattr(ctx, name, default) for name, default in operation.options.items()}
        return elsewhere(vector) or partial(call, operation, (vector, *ctx.saved_tensors), *recall(ctx), options)

    return plan


def call(operation: Operation, arrays: tuple[Any, ...], axis: Any, where: Any, options: dict[str, Any]) -> Any:
    """A call of the host in XLA's program."""
    masked = where is not None

    def compute(views: list[Any], out: Any) -> None:
        mask = views.pop() if masked else None
        result = operation.compute(tuple(views), axis, mask, options, out)
        if result is not out:
            out[...] = result

    name = target(f"{operation.name} axis={axis} {options} masked={masked}", compute)
    shape = operation.shape([x.shape for x in arrays], operation.axes(arrays, axis), options)
    result = jax.ShapeDtypeStruct(shape, arrays[operation.at].dtype)
    return jax.ffi.ffi_call(name, result)(*arrays, *([where] if masked else []))
