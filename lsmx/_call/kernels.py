"""Plans of compiled kernels: whether they take a call, how they walk its arrays, what they save, and where the result goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lsmx._call.backend import Kernel
from lsmx._call.family import suffix_of
from lsmx._definition.checks import check_mask, normal_axes, reduced_shape, same_shape
from lsmx._definition.function import Function, keep, recall
from lsmx._definition.kinds import Axes
from lsmx._definition.log_softmax import LogSoftmax
from lsmx._definition.logsumexp import LogSumExp
from lsmx._definition.ops import Array
from lsmx._definition.softmax import Softmax
from lsmx._errors import LsmxError
from lsmx._native.engine import Engine, Has
from lsmx._native.geometry import Geometry
from lsmx._native.memory import Memory, in_rows, overlap, overlaps_itself, walk_of

FUNCTIONS: dict[str, type[Function]] = {"log_softmax": LogSoftmax, "softmax": Softmax, "logsumexp": LogSumExp}
Found = str | Callable[[], Array]


def function_kernels(memory: Memory, engine: Engine) -> tuple[Kernel, ...]:
    """The kernels of the library's own functions, run by an engine: every direction of the three but Jacobians.

    Softmax's Jacobian is symmetric, so that its JVP is its backward pass.
    """
    kernels = []
    for name, function in FUNCTIONS.items():
        kernels.append(kernel(engine, name, "forward", forward(memory, engine, name)))
        for at in (function, function.narrow):
            if at is not None:
                suffix = "" if at is function else suffix_of(at)
                for direction in (f"backward{suffix}", f"jvp{suffix}"):
                    kernels.append(kernel(engine, name, direction, derivative(memory, engine, name, at, direction)))
    return tuple(kernels)


def kernel(engine: Engine, name: str, direction: str, plan: Callable[..., Found]) -> Kernel:
    """A pass of an engine, for a backend."""
    return Kernel(engine.name, name, direction, plan, warns=False, unavailable=engine.unavailable)


def unsuitable(memory: Memory, engine: Engine, *arrays: Array) -> str | None:
    """Why arrays cannot be walked together, or None."""
    for x in arrays:
        if (reason := memory.refuse(x)) is not None:
            return reason
    names = {memory.dtype(x) for x in arrays}
    return engine.unavailable() if len(names) == 1 else f"dtypes that differ: {', '.join(sorted(names))}"


def offered(memory: Memory, out: Array | None, shape: tuple[int, ...], like: Array, read: Sequence[Array]) -> Array | None:
    """The caller's ``out``, if the result can be written there while the others are read."""
    fits = (
        out is not None
        and type(out) is type(like)
        and tuple(out.shape) == shape
        and out.dtype == like.dtype
        and memory.refuse(out) is None
        and memory.is_writable(out)
        and (memory.simple(out) is not None or not overlaps_itself(memory, out))
        and not any(overlap(memory, out, x) for x in read)
    )
    return out if fits else None


def walked(
    memory: Memory, engine: Engine, like: Array, axis: Any, axes: Axes, operands: list[Any], out: Array | None
) -> tuple[str, Geometry | None, Array | None] | str:
    """The dtype of the rows ``like``, how to walk the operands, and where the result goes; or the reason why they cannot be walked.

    How to walk is None where rows lie one after the other. The last operand is the shape of the result, which is put into ``out``
    if that can be walked with the others, else into a new array. Other shapes stand for arrays that are yet to be made.
    """
    shape = tuple(like.shape)
    arrays = [x for x in operands if x is not None and not isinstance(x, tuple)]
    made = len(arrays) < sum(x is not None for x in operands[:-1])  # whether some are new: those are in C order
    lies = in_rows(memory, shape, axis, arrays if out is None else [*arrays, out])
    if lies is not None and not made:
        return (lies, None, out) if (reason := engine.limit(lies, shape[-1], None)) is None else reason
    way = walk_of(memory, shape, axes, [*operands[:-1], operands[-1] if out is None else out])
    if isinstance(way, str):
        return way if out is None else walked(memory, engine, like, axis, axes, operands, None)
    dtype = memory.dtype(like)
    return (dtype, way, out) if (reason := engine.limit(dtype, way.length.size, way)) is None else reason


def forward(memory: Memory, engine: Engine, name: str) -> Callable[..., Found]:
    """The plan of a forward pass."""
    function, passname = FUNCTIONS[name], f"{name}_forward"
    has = (Has.ALL, Has.NOTHING, Has.NOTHING, Has.ONE if function.reduces else Has.ALL)

    def plan(
        ctx: Any,
        z: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        keepdims: bool = False,
        row_sums: Array | None = None,
    ) -> Found:
        if row_sums is not None:
            return "sums that are given: these kernels find them"
        shape = tuple(z.shape)
        if where is None and ctx.out is None and (dtype := in_rows(memory, shape, axis, (z,))) is not None:
            reason = engine.unavailable() or engine.limit(dtype, shape[-1], None)
            to = reduced_shape(shape, (len(shape) - 1,), keepdims) if function.reduces else shape
            return reason or partial(run, ctx, z, axis, None, keepdims, to, dtype, None, None)
        if (reason := unsuitable(memory, engine, z)) is not None:
            return reason
        if 0 in shape:
            return "no elements"
        try:
            axes = normal_axes(axis, len(shape))
            to = reduced_shape(shape, axes, keepdims) if function.reduces else shape
            if where is not None:
                check_mask(where, shape)
        except LsmxError as error:
            return str(error)
        out = offered(memory, ctx.out, to, z, (z,) if where is None else (z, where))
        found = walked(memory, engine, z, axis, axes, [z if where is None else shape, None, None, to], out)
        if isinstance(found, str):
            return found
        dtype, way, out = found
        return partial(run, ctx, z, axis, where, keepdims, to, dtype, way, out)

    def run(
        ctx: Any,
        z: Array,
        axis: Any,
        where: Array | None,
        keepdims: bool,
        to: tuple[int, ...],
        dtype: str,
        way: Geometry | None,
        out: Array | None,
    ) -> Array:
        x = z if where is None else memory.masked(z, where, -float("inf"))
        result = memory.empty(to, z) if out is None else out
        engine.run(passname, memory, dtype, tuple(z.shape), (x, None, None, result), has, way)
        if where is not None and not function.reduces:
            memory.fill(result, where, function.absent)
        keep(ctx, function, (z,), result, axis, where, **({"keepdims": True} if keepdims else {}))
        return result

    return plan


def derivative(memory: Memory, engine: Engine, name: str, function: type[Function], direction: str) -> Callable[..., Found]:
    """The plan of a VJP or JVP, at the one array of a function's residual."""
    passname = f"{name}_{'backward' if name == 'softmax' else direction}"
    reverse, reduces = direction.startswith("backward"), FUNCTIONS[name].reduces
    # whether the vector, and whether the result, has one number a row
    one, gives_one = reduces and reverse, reduces and not reverse
    has = (Has.ONE if one else Has.ALL, Has.ALL, Has.NOTHING, Has.ONE if gives_one else Has.ALL)
    absent = -float("inf") if function.residual == ("z",) else function.absent

    def plan(ctx: Any, v: Array, /) -> Found:
        (y,) = ctx.saved_tensors
        shape = tuple(y.shape)
        axis, where = recall(ctx)
        plain = where is None and ctx.out is None and not reduces and tuple(v.shape) == shape
        if plain and (dtype := in_rows(memory, shape, axis, (v, y))) is not None:
            reason = engine.unavailable() or engine.limit(dtype, shape[-1], None)
            return reason or partial(run, v, y, None, shape, dtype, None, None)
        if (reason := unsuitable(memory, engine, v, y)) is not None:
            return reason
        if 0 in shape:
            return "no elements"
        try:
            axes = normal_axes(axis, len(shape))
            shapes = [reduced_shape(shape, axes, keepdims) for keepdims in (False, True)] if one else [shape]
            same_shape("grad_output" if reverse else "tangent", tuple(v.shape), *shapes, of="the rows")
            if where is not None:
                check_mask(where, shape)
        except LsmxError as error:
            return str(error)
        to = reduced_shape(shape, axes, getattr(ctx, "keepdims", False)) if gives_one else shape
        out = offered(memory, ctx.out, to, y, (v, y) if where is None else (v, y, where))
        a = v if where is None or one else shape
        found = walked(memory, engine, y, axis, axes, [a, y if where is None else shape, None, to], out)
        if isinstance(found, str):
            return found
        dtype, way, out = found
        return partial(run, v, y, where, to, dtype, way, out)

    def run(
        v: Array, y: Array, where: Array | None, to: tuple[int, ...], dtype: str, way: Geometry | None, out: Array | None
    ) -> Array:
        a = v if where is None or one else memory.masked(v, where, 0.0)
        b = y if where is None else memory.masked(y, where, absent)
        result = memory.empty(to, y) if out is None else out
        engine.run(passname, memory, dtype, tuple(y.shape), (a, b, None, result), has, way)
        if where is not None and not gives_one:
            memory.fill(result, where, 0.0)
        return result

    return plan
