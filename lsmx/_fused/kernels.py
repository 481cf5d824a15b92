"""The fused kernels of a backend: whether they take a call, what they save, where the result goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lsmx._arithmetic.ops import Array
from lsmx._backend import Kernel
from lsmx._errors import LsmxError
from lsmx._function import keep, recall
from lsmx._fused.engine import Engine, too_long
from lsmx._fused.geometry import Geometry, contiguous
from lsmx._fused.launch import (
    SHORT,
    Memory,
    compiled,
    in_rows,
    overlap,
    overlaps_itself,
    plan,
    run_contiguous,
    run_strided,
    unavailable,
)
from lsmx._operator import registered
from lsmx._threads import WORTH
from lsmx._validate import check_mask, normal_axes, reduced_shape, same_shape

ABSENT = {"log_softmax": -float("inf"), "softmax": 0.0, "logsumexp": None}  # the result where a mask leaves an entry out


def fused(memory: Memory, engine: Engine | None = None) -> tuple[Kernel, ...]:
    """The fused kernels for arrays in a memory, run by an engine or the host's: forward and backward of the three functions.

    Softmax's Jacobian is symmetric, so that its JVP is its backward pass.
    """
    kernels = []
    chosen = HOST if engine is None else engine
    common: dict[str, Any] = {"warns": False, "unavailable": chosen.unavailable}
    for name in ABSENT:
        shortcut = direct(memory, name) if chosen is HOST and name != "logsumexp" else None
        kernels.append(Kernel(chosen.name, name, "forward", *forward(memory, chosen, name), direct=shortcut, **common))
        kernels.append(Kernel(chosen.name, name, "backward", *backward(memory, chosen, name), **common))
    return (*kernels, Kernel(chosen.name, "softmax", "jvp", *backward(memory, chosen, "softmax"), **common))


def unsuitable(memory: Memory, engine: Engine, *arrays: Array) -> str | None:
    """Why arrays cannot be walked together, or None."""
    for x in arrays:
        if (reason := memory.refuse(x)) is not None:
            return reason
    names = {memory.dtype(x) for x in arrays}
    return engine.unavailable() if len(names) == 1 else f"dtypes that differ: {', '.join(sorted(names))}"


def walk(
    name: str, memory: Memory, shape: tuple[int, ...], axis: Any, operands: Sequence[Array | None], kinds: tuple[int, ...]
) -> None:
    """Run a pass. Of each row, an operand has all elements (kind 2), one (1), or none (0)."""
    if (dtype := in_rows(memory, shape, axis, *operands)) is not None:
        n = shape[-1]
        a, b, c, out = (0 if x is None else memory.address(x) for x in operands)
        na, nb, nc, nout = ((0, 1, n)[k] for k in kinds)
        run_contiguous(name, memory, dtype, a, b, c, out, na, nb, nc, nout, n, math.prod(shape[:-1]))
        return
    way = plan(memory, shape, axis, operands)
    assert not isinstance(way, str), way
    run_strided(name, memory, operands, [(0, 1, way.length.size)[k] for k in kinds], way)


def limit(dtype: str, n: int, way: Geometry | None) -> str | None:
    """Only the length of the rows has one."""
    return too_long(dtype, n)


HOST = Engine("fused", lambda: unavailable(), limit, walk)  # looked up when asked: tests take the compiler away


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
        and not any(overlap(memory, out, x) for x in read)
        and (
            in_rows(memory, tuple(read[0].shape), axis, out, *read) is not None
            or not (overlaps_itself(memory, out) or isinstance(plan(memory, tuple(read[0].shape), axis, (*read, out)), str))
        )
    )


def forward(memory: Memory, engine: Engine, name: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    reduces = name == "logsumexp"
    kinds = (2, 0, 0, 1 if reduces else 2)
    passname = f"{name}_forward"

    def refuse(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, **_: Any) -> str | None:
        shape = tuple(z.shape)
        if where is None and (dtype := in_rows(memory, shape, axis, z)) and engine.unavailable() is None:
            return engine.limit(dtype, shape[-1], None)
        if (reason := unsuitable(memory, engine, z)) is not None:
            return reason
        if 0 in shape:
            return "no elements"
        try:
            way = plan(memory, shape, axis, (z, contiguous(shape)))
            if where is not None:
                check_mask(where, shape)
        except LsmxError as error:
            return str(error)
        return way if isinstance(way, str) else engine.limit(memory.dtype(z), way.length.size, way)

    def run(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, keepdims: bool = False) -> Array:
        shape = tuple(z.shape)
        x = z if where is None else memory.masked(z, where, -float("inf"))
        to = reduced_shape(shape, normal_axes(axis, len(shape)), keepdims) if reduces else shape
        out = destination(memory, ctx, to, axis, (x,), z)
        engine.run(passname, memory, shape, axis, (x, None, None, out), kinds)
        absent = ABSENT[name]
        if where is not None and absent is not None:
            memory.fill(out, where, absent)
        keep(ctx, registered()[name].function, z, out, axis, where)
        return out

    return refuse, run


def direct(memory: Memory, name: str) -> Any:
    """``Kernel.direct``: small arrays feel every step that is taken in Python."""
    simple, address, empty, short = memory.simple, memory.address, memory.empty, SHORT["forward"]
    tiles: dict[str, Any] = {}

    def run(z: Array) -> Array | None:
        dtype = simple(z)
        if dtype is None:
            return None
        if dtype not in tiles:
            if unavailable() is not None:
                return None
            tiles[dtype] = compiled(f"{name}_forward", dtype)[1]
        shape = z.shape
        n = shape[-1]
        if too_long(dtype, n) is not None:
            return None
        rows = z.size // n
        out = empty(shape, z)
        if n < short and z.size < WORTH:
            tiles[dtype](address(z), 0, 0, address(out), n, 0, rows, 0)
        else:
            run_contiguous(f"{name}_forward", memory, dtype, address(z), 0, 0, address(out), n, 0, 0, n, n, rows)
        return out

    return run


def backward(memory: Memory, engine: Engine, name: str) -> tuple[Any, Any]:
    """``refuse`` and ``run``."""
    reduces = name == "logsumexp"
    kinds = (1, 2, 1, 2) if reduces else (2, 2, 0, 2)

    def refuse(ctx: Any, g: Array, /) -> str | None:
        y, lse = ctx.saved_tensors[0], ctx.saved_tensors[-1]
        shape = tuple(y.shape)
        axis, where = recall(ctx)
        in_line = where is None and not reduces and g.shape == y.shape
        if in_line and (dtype := in_rows(memory, shape, axis, g, y)) and engine.unavailable() is None:
            return engine.limit(dtype, shape[-1], None)
        if (reason := unsuitable(memory, engine, g, y, lse)) is not None:
            return reason
        if 0 in shape:
            return "no elements"
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
        return way if isinstance(way, str) else engine.limit(memory.dtype(g), way.length.size, way)

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
        engine.run(f"{name}_backward", memory, shape, axis, (a, b, lse if reduces else None, out), kinds)
        if where is not None:
            memory.fill(out, where, 0.0)
        return out

    return refuse, run
