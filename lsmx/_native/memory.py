"""How arrays lie in memory, and how kernels walk them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lsmx._definition.ops import Array
from lsmx._native.geometry import OPERANDS, Geometry, contiguous, geometry

WIDTH = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


@dataclass(frozen=True)
class Memory:
    """How a library's arrays lie in memory.

    Attributes
    ----------
    refuse : callable
        Why an array's memory cannot be read or written as it is, or None.
    dtype : callable
        The name of its dtype.
    address : callable
        Of its first element.
    strides : callable
        In elements.
    width : callable
        The bytes of an element, of any dtype.
    simple : callable
        The name of its dtype if it can be read as it is and lies in C order without gaps; else None.
    is_writable : callable
        Whether it may be written to.
    empty : callable
        A new array of a shape, on the device of another; with its dtype, or in the format that is computed in, if it ``widens``.
    masked : callable
        A new array in C order: another where a mask is true, else a number.
    fill : callable
        Put a number into an array where a mask is false.
    threads : callable
        How many to use.
    refuse_index : callable
        Why the memory of an array of int32 or int64 cannot be read as it is, or why it is none; None if it can be read.
    refuse_mask : callable
        The same of an array of bools, a byte each.
    """

    refuse: Callable[[Array], str | None]
    dtype: Callable[[Array], str]
    address: Callable[[Array], int]
    strides: Callable[[Array], tuple[int, ...]]
    width: Callable[[Array], int]
    simple: Callable[[Array], str | None]
    is_writable: Callable[[Array], bool]
    empty: Callable[..., Array]
    masked: Callable[[Array, Array, float], Array]
    fill: Callable[[Array, Array, float], None]
    threads: Callable[[], int]
    refuse_index: Callable[[Array], str | None] = lambda x: "an index, whose memory is not read"
    refuse_mask: Callable[[Array], str | None] = lambda x: "a mask, whose memory is not read"


def in_rows(memory: Memory, shape: tuple[int, ...], axis: Any, arrays: Sequence[Array]) -> str | None:
    """The dtype of arrays whose rows lie one after the other, so that nothing needs planning; else None."""
    if type(axis) is not int or axis not in (-1, len(shape) - 1):
        return None
    found = None
    for x in arrays:
        dtype = memory.simple(x)
        if dtype is None or (found is not None and dtype != found):
            return None
        found = dtype
    return found


def walk_of(
    memory: Memory, shape: tuple[int, ...], axes: tuple[int, ...], operands: Sequence[Array | tuple[int, ...] | None]
) -> Geometry | str:
    """How to walk the operands, or why the walks cannot.

    An operand may be None, or the shape of an array that is still to be made, in C order.
    """
    strides = [(0,) * len(shape)] * OPERANDS
    for i, x in enumerate(operands):
        if isinstance(x, tuple):
            strides[i] = expanded(contiguous(x), len(shape), axes, x)
        elif x is not None:
            strides[i] = expanded(memory.strides(x), len(shape), axes, x.shape)
    return geometry(shape, axes, strides)


def expanded(strides: tuple[int, ...], ndim: int, axes: tuple[int, ...], shape: Sequence[int]) -> tuple[int, ...]:
    """Strides along all axes: 0 along those that an array lacks, or has with length 1."""
    if len(strides) < ndim:
        rest = iter(zip(strides, shape, strict=True))
        strides, shape = zip(*((0, 1) if i in axes else next(rest) for i in range(ndim)), strict=True)
    return tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))


def overlap(memory: Memory, a: Array, b: Array) -> bool:
    """Whether two arrays overlap, other than with every element in its own place."""
    if a is b:
        return False
    here, there = span(memory, a), span(memory, b)
    if here[1] <= there[0] or there[1] <= here[0]:
        return False
    same = memory.address(a) == memory.address(b) and memory.width(a) == memory.width(b) and memory.strides(a) == memory.strides(b)
    return not same or a.shape != b.shape


def span(memory: Memory, x: Array) -> tuple[int, int]:
    """The first address of an array, and the one after its last."""
    base, width = memory.address(x), memory.width(x)
    steps = [s * max(n - 1, 0) for s, n in zip(memory.strides(x), x.shape, strict=True)]
    low, high = sum(min(s, 0) for s in steps), sum(max(s, 0) for s in steps)
    return base + width * low, base + width * (high + 1)


def overlaps_itself(memory: Memory, x: Array) -> bool:
    """Whether two elements of an array may share memory."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(memory.strides(x), x.shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False
