"""The fused kernels of a backend: whether they take a call, what they save, where the result goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsmx._arithmetic.ops import Array
from lsmx._backend import Kernel
from lsmx._errors import LsmxError
from lsmx._function import recall, remember
from lsmx._fused.geometry import contiguous
from lsmx._fused.launch import (
    Memory,
    elements,
    overlap,
    overlaps_itself,
    plan,
    run_contiguous,
    run_strided,
    unavailable,
)
from lsmx._validate import check_mask, normal_axes, reduced_shape, same_shape

ABSENT = {"log_softmax": -float("inf"), "softmax": 0.0}


def fused(memory: Memory) -> tuple[Kernel, ...]:
    """The fused kernels for arrays in a memory: forward and backward of the three functions.

    Softmax's Jacobian is symmetric, so that its JVP is its backward pass.
    """
    passes = []
    for name in ("log_softmax", "softmax", "logsumexp"):
        passes.append(Kernel("fused", name, "forward", *forward(memory, name)))
        passes.append(Kernel("fused", name, "backward", *backward(memory, name)))
    return (*passes, Kernel("fused", "softmax", "jvp", *backward(memory, "softmax")))


def unsuitable(memory: Memory, *arrays: Array) -> str | None:
    """Why arrays cannot be walked together, or None."""
    if (reason := unavailable()) is not None:
        return reason
    for x in arrays:
        if (reason := memory.refuse(x)) is not None:
            return reason
    names = {memory.dtype(x) for x in arrays}
    return None if len(names) == 1 else f"dtypes that differ: {', '.join(sorted(names))}"


def in_rows(memory: Memory, shape: tuple[int, ...], axis: Any, *arrays: Array | None) -> bool:
    """Whether the rows lie one after the other."""
    last = len(shape) - 1
    return last >= 0 and (axis == -1 or axis == last) and all(x is None or memory.is_contiguous(x) for x in arrays)


def walk(
    name: str, memory: Memory, shape: tuple[int, ...], axis: Any, operands: Sequence[Array | None], kinds: tuple[int, ...]
) -> None:
    """Run a pass. Of each row, an operand has all elements (kind 2), one (1), or none (0)."""
    if type(axis) is int and in_rows(memory, shape, axis, *operands):
        n = shape[-1]
        run_contiguous(name, memory, operands, [(0, 1, n)[k] for k in kinds], elements(shape[:-1]))
        return
    way = plan(memory, shape, axis, operands)
    assert not isinstance(way, str), way
    run_strided(name, memory, operands, [(0, 1, way.length.size)[k] for k in kinds], way)


def destination(memory: Memory, ctx: Any, shape: tuple[int, ...], axis: Any, read: Sequence[Array], like: Array) -> Array:
    """The caller's ``out``, if the result can be written there at once; else a new array."""
    out = getattr(ctx, "out", None)
    if out is None or not suitable(memory, out, shape, axis, read, like):
        return memory.empty(shape, like)
    return out


def suitable(memory: Memory, out: Array, shape: tuple[int, ...], axis: Any, read: Sequence[Array], like: Array) -> bool:
    """Whether a walk can write to ``out`` while it reads the others."""
    return (
        type(out) is type(like)
        and tuple(out.shape) == shape
        and out.dtype == like.dtype
        and memory.refuse(out) is None
        and memory.is_writable(out)
        and not overlaps_itself(memory, out)
        and not any(overlap(memory, out, x) for x in read)
        and not isinstance(plan(memory, tuple(read[0].shape), axis, (*read, out)), str)
    )


def forward(memory: Memory, name: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    reduces = name == "logsumexp"
    kinds = (2, 0, 0, 1 if reduces else 2)

    def refuse(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, **_: Any) -> str | None:
        if (reason := unsuitable(memory, z)) is not None:
            return reason
        shape = tuple(z.shape)
        if elements(shape) == 0:
            return "no elements"
        if where is None and type(axis) is int and in_rows(memory, shape, axis, z):
            return None
        try:
            way = plan(memory, shape, axis, (z, contiguous(shape)))
            if where is not None:
                check_mask(where, shape)
        except LsmxError as error:
            return str(error)
        return way if isinstance(way, str) else None

    def run(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, keepdims: bool = False) -> Array:
        shape = tuple(z.shape)
        x = z if where is None else memory.masked(z, where, -float("inf"))
        to = reduced_shape(shape, normal_axes(axis, len(shape)), keepdims) if reduces else shape
        out = destination(memory, ctx, to, axis, (x,), z)
        walk(f"{name}_forward", memory, shape, axis, (x, None, None, out), kinds)
        if where is not None and not reduces:
            memory.fill(out, where, ABSENT[name])
        remember(ctx, axis, where)
        if reduces:
            ctx.save_for_backward(z, out)
        else:
            ctx.save_for_backward(out)
        return out

    return refuse, run


def backward(memory: Memory, name: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    reduces = name == "logsumexp"
    kinds = (1, 2, 1, 2) if reduces else (2, 2, 0, 2)

    def refuse(ctx: Any, g: Array, /) -> str | None:
        y, lse = ctx.saved_tensors[0], ctx.saved_tensors[-1]
        if (reason := unsuitable(memory, g, y, lse)) is not None:
            return reason
        shape = tuple(y.shape)
        if elements(shape) == 0:
            return "no elements"
        axis, where = recall(ctx)
        try:
            axes = normal_axes(axis, len(shape))
            shapes = [reduced_shape(shape, axes, keepdims) for keepdims in (False, True)] if reduces else [shape]
            same_shape("grad_output", tuple(g.shape), *shapes, of="")
            same_shape("output", tuple(lse.shape), *shapes, of="")
            if where is not None:
                check_mask(where, shape)
        except LsmxError as error:
            return str(error)
        way = plan(memory, shape, axis, (g, y, lse, contiguous(shape)))
        return way if isinstance(way, str) else None

    def run(ctx: Any, g: Array, /) -> Array:
        y, lse = ctx.saved_tensors[0], ctx.saved_tensors[-1]
        axis, where = recall(ctx)
        shape = tuple(y.shape)
        a, b = g, y
        if where is not None:
            b = memory.masked(y, where, 0.0 if name == "softmax" else -float("inf"))
            if not reduces:
                a = memory.masked(g, where, 0.0)
        out = destination(memory, ctx, shape, axis, (b, a, lse), y)
        walk(f"{name}_backward", memory, shape, axis, (a, b, lse if reduces else None, out), kinds)
        if where is not None:
            memory.fill(out, where, 0.0)
        return out

    return refuse, run
