"""What ``explain`` shows of Dask: the functions of lsmx run on blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lsmx import registered
from lsmx.extend import Function, Kernel, keep, recall
from lsmx_dask.blocks import on_blocks

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")


def kernels() -> tuple[Kernel, ...]:
    """One for each direction of each function."""
    return tuple(
        Kernel("whole rows by blocks", f, d, forward(f) if d == "forward" else derivative(f, d))
        for f in FUNCTIONS
        for d in registered()[f].operations
        if registered()[f].rule(d) is not getattr(Function, d, None)
    )


def forward(name: str) -> Callable[..., Callable[[], Any]]:
    """The plan of a forward pass."""
    operator = registered()[name]

    def plan(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, **options: Any) -> Callable[[], Any]:
        def run() -> Any:
            out = on_blocks(operator.operations["forward"], (z,), axis, where, options)
            keep(ctx, operator.function, (z,), out, axis, where, **options)
            return out

        return run

    return plan


def derivative(name: str, direction: str) -> Callable[..., Callable[[], Any]]:
    """The plan of a derivative."""
    operation = registered()[name].operations[direction]

    def plan(ctx: Any, /, *vectors: Any) -> Callable[[], Any]:
        options = {name: getattr(ctx, name, default) for name, default in operation.options.items()}
        return partial(on_blocks, operation, (*vectors, *ctx.saved_tensors), *recall(ctx), options)

    return plan
