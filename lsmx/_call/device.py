"""The compiled kernels for arrays in a device's memory: those of the library's own functions, and those of the losses.

What each operand of a loss is to a kernel, and what is refused.
"""

from __future__ import annotations

import functools
import struct
from enum import Enum, auto
from typing import Any

from lsmx._call.backend import Kernel
from lsmx._call.cross_entropy_kernels import cross_entropy_plans
from lsmx._call.kernels import function_kernels, kernel, offered
from lsmx._call.loss_kernels import LOSSES, Operands, Runner, loss_plans
from lsmx._definition.checks import reduced_shape
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.kinds import ROW_SUMS
from lsmx._definition.ops import Array
from lsmx._native.engine import Engine, Has
from lsmx._native.geometry import Axis, Geometry, Strides, contiguous, geometry
from lsmx._native.memory import Memory, expanded

FLOATS = {"float16": 1, "bfloat16": 2, "float32": 3, "float64": 4}
INTEGERS = {4: 5, 8: 6}
NUMBER = 7
"""The code in beside.cuh for one number that all rows have in common; those of arrays follow from their dtypes."""
SAME = {"logsumexp": "scaled_logsumexp", "log_probs_forward": "log_prob_forward", "ranks_forward": "rank_forward"}
"""Passes that share a kernel with another one, as those for one index do with those for several."""
OF_SUMS = {f"{name}_forward" for name, function in LOSSES.items() if function.gives is ROW_SUMS}
"""Passes that give several numbers a row along its last axis."""
OF_VALUES = {"row_magnitude_forward", "row_integer_forward"}
"""Passes of any values, of which those that a mask leaves out are 0."""
INF = float("inf")
known_geometry = functools.lru_cache(maxsize=1024)(geometry)


def fused(memory: Memory, engine: Engine) -> tuple[Kernel, ...]:
    """The compiled kernels for arrays in a memory, run by an engine.

    Parameters
    ----------
    memory : Memory
        How the library's arrays lie in memory.
    engine : object
        What runs passes, such as `cuda_engine` gives.

    Returns
    -------
    tuple of Kernel
        For a `Backend`.
    """
    passes = runner(memory, engine)
    plans = loss_plans(passes) | cross_entropy_plans(passes)
    losses = (kernel(engine, name, direction, plan) for (name, direction), plan in plans.items())
    return (*function_kernels(memory, engine), *losses)


def runner(memory: Memory, engine: Engine) -> Runner:
    """The passes of the losses, for arrays in a memory."""

    def refuse(given: Operands) -> str | None:
        floats = [x for x in (given.z, given.w, *beside(given)) if x is not None]
        reasons = [memory.refuse(x) for x in floats]
        if given.index is not None:
            reasons.append(memory.refuse_index(given.index))
        if given.where is not None and reads_mask(given):
            reasons.append(memory.refuse_mask(given.where))
        for reason in reasons:
            if reason is not None:
                return reason
        if len({FORMAT_OF[memory.dtype(x)] for x in floats}) > 1:
            return "dtypes that are computed in different formats"
        # a result whose place is not known yet is one number a row
        shape = tuple(given.z.shape)
        to = shape if given.one is not None else one_each(given)
        way = way_of(memory, given, to, contiguous(to), Result.ROWS if given.one is not None else Result.NUMBERS)
        return way if isinstance(way, str) else engine.unavailable() or engine.limit(memory.dtype(given.z), way.length.size, way)

    def run(passname: str, given: Operands, shape: tuple[int, ...], out: Array | None) -> Array:
        for name, same in SAME.items():
            passname = passname.replace(name, same)
        reduces, dtype = "_backward" not in passname, memory.dtype(given.z)
        to = None if reduces else offered(memory, out, shape, given.z, read(given))
        way = None if to is None else way_of(memory, given, shape, memory.strides(to), Result.ROWS)
        if to is None or not isinstance(way, Geometry):
            to = memory.empty(shape, given.z, True) if reduces else memory.empty(shape, given.z)
            kind = Result.SUMS if passname in OF_SUMS else Result.NUMBERS if reduces else Result.ROWS
            way = way_of(memory, given, shape, contiguous(shape), kind)
        assert isinstance(way, Geometry)
        absent = 0.0 if passname in OF_VALUES else -INF
        z, w = (x if x is None or given.where is None else memory.masked(x, given.where, absent) for x in (given.z, given.w))
        one, temperature, sums, weight, probabilities = beside(given)
        numbers: list[Any] = [one, given.index, temperature, sums, weight, probabilities]
        types = [code(memory, x) for x in numbers]
        if numbers[2] is None and given.temperature != 1.0:
            numbers[2], types[2] = bits_of(dtype, given.temperature), NUMBER
        mask = given.where if reads_mask(given) else None
        *numbers, probabilities = numbers
        *ones, last = [Has.ONE if t else Has.NOTHING for t in types]
        has = (
            Has.ALL,
            last if w is None else Has.ALL,
            *ones,
            Has.NOTHING if mask is None else Has.ONE,
            Has.ONE if reduces else Has.ALL,
        )
        packed = sum(t << (4 * k) for k, t in enumerate(types))
        count = given.index.shape[given.axes[0]] if given.index is not None and given.several else 1
        ignored = int(given.ignored is not None), given.ignored or 0
        more = (packed, *ignored, count, bits_of(dtype, given.softcap), bits_of(dtype, given.smoothing))
        operands = (z, probabilities if w is None else w, *numbers, mask, to)
        engine.run(passname, memory, dtype, tuple(given.z.shape), operands, has, way, more)
        if given.where is not None and not reduces:
            memory.fill(to, given.where, 0.0)
        return to

    return Runner(refuse, run)


def beside(given: Operands) -> tuple[Array | None, ...]:
    """Numbers beside the logits: those of each row, temperatures, sums of rows, weights and probabilities of each class."""
    temperature = given.temperature if hasattr(given.temperature, "shape") else None
    one = given.one if given.numbers is None else given.numbers
    return one, temperature, given.row_sums, given.weight, given.probabilities


def read(given: Operands) -> list[Array]:
    """All that is read."""
    return [x for x in (given.z, given.w, *beside(given), given.index, given.where) if x is not None]


def reads_mask(given: Operands) -> bool:
    """Whether a pass tells classes that are absent from those whose logit is -inf."""
    return bool(given.smoothing) or given.weight is not None or given.probabilities is not None


def one_each(given: Operands) -> tuple[int, ...]:
    """The shape of one number for each row, or for each of several indices."""
    if given.index is not None and given.several:
        return tuple(given.index.shape)
    return reduced_shape(tuple(given.z.shape), given.axes, False)


def bits_of(dtype: str, value: float) -> int:
    """A number in the format that a dtype is computed in, as its bits."""
    letter = "dq" if dtype == "float64" else "fi"
    (found,) = struct.unpack(letter[1], struct.pack(letter[0], value))
    return int(found)


def code(memory: Memory, x: Array | None) -> int:
    """The type of an operand of numbers a row."""
    if x is None:
        return 0
    return INTEGERS[memory.width(x)] if memory.refuse_index(x) is None else FLOATS[memory.dtype(x)]


class Result(Enum):
    """What a pass gives of a row."""

    ROWS = auto()
    NUMBERS = auto()
    SUMS = auto()


def way_of(memory: Memory, given: Operands, to: tuple[int, ...], strides: Strides, kind: Result) -> Geometry | str:
    """How to walk the operands and a result of a shape and strides; or why they cannot be walked together."""
    shape, axes = tuple(given.z.shape), given.axes
    rows = reduced_shape(shape, axes, False)
    several = given.index is not None and given.several

    def steps(of: Strides, has: tuple[int, ...]) -> Strides:
        return expanded(of, len(shape), axes, has)

    def along(x: Array | None) -> Strides:
        return (0,) * len(shape) if x is None else steps(memory.strides(x), tuple(x.shape))

    def logits(x: Array | None) -> Strides:
        return along(x) if x is None or given.where is None else contiguous(shape)

    def parts(of: Strides, has: tuple[int, ...]) -> tuple[Strides, int]:
        """Of several numbers of each row along its last axis: from row to row, and from one of them to the next."""
        return steps(of, tuple(1 if i in axes else n for i, n in enumerate(has))), of[max(axes)]

    def each(x: Array | None) -> tuple[Strides, int]:
        """Of one number of each row, or one for each index."""
        if x is None:
            return along(None), 0
        return parts(memory.strides(x), tuple(x.shape)) if several else (along(x), 0)

    def classes(x: Array | None) -> Strides:
        """Of what broadcasts to the rows."""
        if x is None:
            return along(None)
        lacking = len(shape) - len(x.shape)
        return steps((0,) * lacking + memory.strides(x), (1,) * lacking + tuple(x.shape))

    sums = (along(None), 0) if given.row_sums is None else parts(memory.strides(given.row_sums), tuple(given.row_sums.shape))
    if given.numbers is not None:
        *each_row, step = memory.strides(given.numbers)
        one = steps(tuple(each_row), tuple(given.numbers.shape[:-1])), step
    elif given.one is None and not several:  # where there is no cotangent yet
        one = steps(contiguous(rows), rows), 0
    else:
        one = each(given.one)
    index = each(given.index)
    out = parts(strides, to) if kind is Result.SUMS or (several and kind is Result.NUMBERS) else (steps(strides, to), None)
    temperature, weight = along(beside(given)[1]), classes(given.weight)
    mask = classes(given.where if reads_mask(given) else None)
    second = logits(given.w) if given.probabilities is None else along(given.probabilities)
    every = (logits(given.z), second, one[0], index[0], temperature, sums[0], weight, mask, out[0])
    way = known_geometry(shape, axes, every)
    if isinstance(way, str):
        return way
    a, b, _, _, T, _, w, m, last = way.length.strides
    return way._replace(
        length=Axis(way.length.size, (a, b, one[1], index[1], T, sums[1], w, m, last if out[1] is None else out[1]))
    )
