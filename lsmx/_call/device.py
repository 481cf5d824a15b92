"""The compiled kernels for arrays in a device's memory: those of the library's own functions, and those of the losses.

What each operand of a loss is to a kernel, and what is refused.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

from lsmx._call.backend import Kernel
from lsmx._call.cross_entropy_kernels import cross_entropy_plans
from lsmx._call.kernels import function_kernels, kernel, offered
from lsmx._call.loss_kernels import Operands, Runner, loss_plans
from lsmx._definition.checks import reduced_shape
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Array
from lsmx._native.engine import Engine, Has
from lsmx._native.geometry import Axis, Geometry, Strides, contiguous, geometry
from lsmx._native.memory import Memory, expanded

FLOATS = {"float16": 1, "bfloat16": 2, "float32": 3, "float64": 4}
INTEGERS = {4: 5, 8: 6}
NUMBER = 7
"""What loss_kernels.cuh calls the types of numbers a row: floats by name, integers by width, and a number for all rows."""
WITHOUT = ("js_divergence", "cross_entropy_of")
"""Losses that there are no kernels for."""
INF = float("inf")
known_geometry = functools.lru_cache(maxsize=1024)(geometry)


def fused(memory: Memory, engine: Engine) -> tuple[Kernel, ...]:
    """The compiled kernels for arrays in a memory, run by an engine."""
    passes = runner(memory, engine)
    plans = {task: plan for task, plan in (loss_plans(passes) | cross_entropy_plans(passes)).items() if task[0] not in WITHOUT}
    losses = (kernel(engine, name, direction, plan) for (name, direction), plan in plans.items())
    return (*function_kernels(memory, engine), *losses)


def runner(memory: Memory, engine: Engine) -> Runner:
    """The passes of the losses, for arrays in a memory."""

    def refuse(given: Operands) -> str | None:
        if given.softcap:
            return "a soft cap"
        if given.several:
            return "several indices for each row"
        if given.smoothing or given.weight is not None:
            return "label smoothing with class weights or a mask"
        floats = [x for x in (given.z, given.w, given.one, given.numbers, given.row_sums, each(given)) if x is not None]
        reasons = [memory.refuse(x) for x in floats]
        if given.index is not None:
            reasons.append(memory.refuse_index(given.index))
        for reason in reasons:
            if reason is not None:
                return reason
        if len({FORMAT_OF[memory.dtype(x)] for x in floats}) > 1:
            return "dtypes that are computed in different formats"
        # a pass whose place for the result is not known yet is one that reduces
        shape = tuple(given.z.shape)
        to = shape if given.one is not None else reduced_shape(shape, given.axes, False)
        way = way_of(memory, given, to, contiguous(to), False)
        return way if isinstance(way, str) else engine.unavailable() or engine.limit(memory.dtype(given.z), way.length.size, way)

    def run(passname: str, given: Operands, shape: tuple[int, ...], out: Array | None) -> Array:
        passname = passname.replace("logsumexp", "scaled_logsumexp")
        reduces, fmt = "_backward" not in passname, FORMAT_OF[memory.dtype(given.z)]
        to = None if reduces else offered(memory, out, shape, given.z, read(given))
        way = None if to is None else way_of(memory, given, shape, memory.strides(to), False)
        if to is None or not isinstance(way, Geometry):
            to = memory.empty(shape, given.z, True) if reduces else memory.empty(shape, given.z)
            way = way_of(memory, given, shape, contiguous(shape), passname == "row_sums_forward")
        assert isinstance(way, Geometry)
        z, w = (x if x is None or given.where is None else memory.masked(x, given.where, -INF) for x in (given.z, given.w))
        numbers: list[Any] = [given.one if given.numbers is None else given.numbers, given.index, each(given), given.row_sums]
        types = [code(memory, x) for x in numbers]
        if numbers[2] is None and given.temperature != 1.0:
            letter, types[2] = ("dq" if fmt.dtype == "float64" else "fi"), NUMBER
            (numbers[2],) = struct.unpack(letter[1], struct.pack(letter[0], given.temperature))
        has = (Has.ALL, Has.NOTHING if w is None else Has.ALL, *(Has.ONE if t else Has.NOTHING for t in types))
        packed = sum(t << (4 * k) for k, t in enumerate(types))
        more = (packed, int(given.ignored is not None), given.ignored or 0)
        has = (*has, Has.ONE if reduces else Has.ALL)
        engine.run(passname, memory, memory.dtype(given.z), tuple(given.z.shape), (z, w, *numbers, to), has, way, more)
        if given.where is not None and not reduces:
            memory.fill(to, given.where, 0.0)
        return to

    return Runner(refuse, run)


def each(given: Operands) -> Array | None:
    """The temperature, if there is one for each row."""
    return given.temperature if hasattr(given.temperature, "shape") else None


def read(given: Operands) -> list[Array]:
    """All that is read."""
    arrays = (given.z, given.w, given.one, given.numbers, given.index, given.row_sums, each(given), given.where)
    return [x for x in arrays if x is not None]


def code(memory: Memory, x: Array | None) -> int:
    """The type of an operand of numbers a row."""
    if x is None:
        return 0
    return INTEGERS[memory.width(x)] if memory.refuse_index(x) is None else FLOATS[memory.dtype(x)]


def way_of(memory: Memory, given: Operands, to: tuple[int, ...], strides: Strides, sums: bool) -> Geometry | str:
    """How to walk the operands and a result of a shape and strides, perhaps sums of rows; or why they cannot be walked together."""
    shape, axes = tuple(given.z.shape), given.axes
    rows = reduced_shape(shape, axes, False)

    def steps(of: Strides, has: tuple[int, ...]) -> Strides:
        return expanded(of, len(shape), axes, has)

    def along(x: Array | None) -> Strides:
        return (0,) * len(shape) if x is None else steps(memory.strides(x), tuple(x.shape))

    def logits(x: Array | None) -> Strides:
        return along(x) if x is None or given.where is None else contiguous(shape)

    def parts(of: Strides, has: tuple[int, ...]) -> tuple[Strides, int]:
        """Of sums of rows: from row to row, and from one of the four to the next."""
        return steps(of, tuple(1 if i in axes else n for i, n in enumerate(has))), of[max(axes)]

    numbers, found, result = 0, 0, None
    if given.numbers is not None:
        *each_row, numbers = memory.strides(given.numbers)
        one = steps(tuple(each_row), tuple(given.numbers.shape[:-1]))
    else:  # where there is none, it may be made later
        one = steps(contiguous(rows), rows) if given.one is None else along(given.one)
    known = along(None)
    if given.row_sums is not None:
        known, found = parts(memory.strides(given.row_sums), tuple(given.row_sums.shape))
    if sums:
        out, result = parts(strides, to)
    else:
        out = steps(strides, to)
    every = (logits(given.z), logits(given.w), one, along(given.index), along(each(given)), known, out)
    way = known_geometry(shape, axes, every)
    if isinstance(way, str):
        return way
    a, b, _, index, temperature, _, last = way.length.strides
    length = Axis(way.length.size, (a, b, numbers, index, temperature, found, last if result is None else result))
    return way._replace(length=length)
