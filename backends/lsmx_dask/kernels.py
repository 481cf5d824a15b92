"""What ``explain`` shows of Dask: the functions of lsmx run on blocks, whole rows or parts of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lsmx import registered
from lsmx.extend import Function, Kernel, Operation, keep, recall
from lsmx_dask.blocks import on_blocks, runs_by_rounds

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
WAYS = {"whole rows by blocks": False, "parts of rows, by rounds": True}
"""The ways by name, and whether each is for rows that are cut."""
REASON = {
    False: "the rows are cut into parts that tell each other numbers",
    True: "blocks have whole rows, or are given them first",
}

Found = str | Callable[[], Any]


def kernels() -> tuple[Kernel, ...]:
    """Two for each direction of each function."""
    return tuple(
        Kernel(name, f, d, forward(f, cut) if d == "forward" else derivative(f, d, cut))
        for name, cut in WAYS.items()
        for f in FUNCTIONS
        for d in registered()[f].operations
        if registered()[f].rule(d) is not getattr(Function, d, None)
    )


def planned(cut: bool, operation: Operation, arrays: tuple[Any, ...], axis: Any, where: Any, options: dict[str, Any]) -> Found:
    """What computes an operation, or why it goes the other way."""
    if runs_by_rounds(operation, arrays, axis) is not cut:
        return REASON[cut]
    return partial(on_blocks, operation, arrays, axis, where, options)


def forward(name: str, cut: bool) -> Callable[..., Found]:
    """The plan of a forward pass."""
    operator = registered()[name]

    def plan(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, **options: Any) -> Found:
        found = planned(cut, operator.operations["forward"], (z,), axis, where, options)
        if isinstance(found, str):
            return found

        def run() -> Any:
            out = found()
            keep(ctx, operator.function, (z,), out, axis, where, **options)
            return out

        return run

    return plan


def derivative(name: str, direction: str, cut: bool) -> Callable[..., Found]:
    """The plan of a derivative."""
    operation = registered()[name].operations[direction]

    def plan(ctx: Any, /, *vectors: Any) -> Found:
        options = {name: getattr(ctx, name, default) for name, default in operation.options.items()}
        return planned(cut, operation, (*vectors, *ctx.saved_tensors), *recall(ctx), options)

    return plan
