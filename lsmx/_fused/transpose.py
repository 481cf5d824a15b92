"""Blocks of as many rows as there are lanes, turned so that a vector holds one element of each row, and back.

In ``log2(lanes)`` rounds, each of which swaps blocks of twice the size (K. S. Eklundh, "A fast computer method for matrix
transposing", 1972): some 4 shuffles for 16 elements, where moving them one by one takes 16 loads and 16 stores.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from lsmx._fused.vectors import BYTES, I64, Pointer, _address, first_lanes, masked, narrow, widen

I32 = ir.IntType(32)


def turned(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of a square block given as its rows."""
    lanes = len(rows)
    size = 1
    while size < lanes:
        for i in range(lanes):
            if i & size == 0:
                a, b = rows[i], rows[i | size]
                upper = [lane if lane & size == 0 else lanes + (lane ^ size) for lane in range(lanes)]
                lower = [lane | size if lane & size == 0 else lanes + lane for lane in range(lanes)]
                rows[i], rows[i | size] = (
                    builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, lanes), pattern)) for pattern in (upper, lower)
                )
        size *= 2
    return rows


def integer(value: int) -> Any:
    """A 64-bit constant."""
    return ir.Constant(I64, value)


def align(p: Pointer) -> Any:
    """The alignment of an element, for LLVM."""
    return ir.Constant(I32, BYTES[p.dtype])


@intrinsic
def turn_in(typing: Any, x: Any, tile: Any, start: Any, last: Any, stride: Any, at: Any, count: Any) -> Any:
    """Columns ``at`` to ``at + count`` of the rows from ``start`` on, past the last one that one again, into a tile.

    The tile is written as if ``count`` were the number of lanes.
    """
    lanes = x.vector.lanes

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        base, target, start, last, stride, at, count = args
        memory, load = masked(builder.module, "load", x)
        mask = first_lanes(builder, count, lanes)
        rows = []
        for i in range(lanes):
            row = builder.add(start, integer(i))
            row = builder.select(builder.icmp_signed("<", row, last), row, last)
            address = _address(builder, x, base, builder.add(builder.mul(row, stride), at), memory)
            value = builder.call(load, [address, align(x), mask, ir.Constant(memory, None)])
            rows.append(widen(builder, x, builder.bitcast(value, x.stored), x.vector.ir))
        for i, column in enumerate(turned(builder, rows)):
            index = builder.mul(builder.add(at, integer(i)), integer(lanes))
            builder.store(column, _address(builder, tile, target, index, tile.stored), align=BYTES[tile.dtype])
        return context.get_dummy_value()

    return types.void(x, tile, *(types.int64,) * 5), generate


@intrinsic
def turn_out(typing: Any, tile: Any, x: Any, start: Any, last: Any, stride: Any, at: Any, count: Any) -> Any:
    """The way back, for the rows up to the last."""
    lanes = x.vector.lanes

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, base, start, last, stride, at, count = args
        columns = []
        for i in range(lanes):
            index = builder.mul(builder.add(at, integer(i)), integer(lanes))
            columns.append(builder.load(_address(builder, tile, source, index, tile.stored), align=BYTES[tile.dtype]))
        memory, store = masked(builder.module, "store", x)
        for i, value in enumerate(turned(builder, columns)):
            row = builder.add(start, integer(i))
            some = builder.select(builder.icmp_signed("<=", row, last), count, integer(0))
            address = _address(builder, x, base, builder.add(builder.mul(row, stride), at), memory)
            value = builder.bitcast(narrow(builder, x, value, x.stored), memory)
            builder.call(store, [value, address, align(x), first_lanes(builder, some, lanes)])
        return context.get_dummy_value()

    return types.void(tile, x, *(types.int64,) * 5), generate
