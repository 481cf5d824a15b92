"""The forward passes in NumPy alone: the definition, written into a few arrays that stay in the cache.

A tile is some rows, or a piece of one. Short rows lie side by side in it, so that sums along them add long vectors. Where a step of
the definition is left out, it cannot change the result, and the reason stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lsmx import get_num_threads
from lsmx._call.kernels import FUNCTIONS
from lsmx._definition import log, sums
from lsmx._definition.constants import TABLE
from lsmx._definition.words import Words, fast_two_sum, two_sum
from lsmx._native.engine import too_many_limbs
from lsmx._native.threads import share
from lsmx.extend import DOUBLE, SINGLE, Context, Format, Kernel, LsmxError, Ops, Rows, keep, normal_axes, reduced_shape

Array = Any
FORMATS = {"float16": SINGLE, "float32": SINGLE, "float64": DOUBLE}
TILE = 2**17  # elements of a tile: each step takes some microseconds before it begins
GROUP = 2**20, 2**18  # elements whose rows' logarithms are computed at once: of long rows, of short ones
SHORT = 48  # shorter rows are laid side by side
WORTH = 2**12  # elements that are worth the preparation
LONGEST = 2**24, TILE // 8  # elements of a row along the last axes, along others
TERMS = 512  # multiples of 2^-44 up to 1 that are added up in float64 without error
ONES = np.ones(TERMS)


def view(room: Array, shape: tuple[int, ...]) -> Array:
    """The beginning of a flat array in another shape."""
    return room[: math.prod(shape)].reshape(shape)


def bits(x: Array) -> Array:
    """A float array as the integers of its bits."""
    return x.view(np.int32 if x.dtype == np.float32 else np.int64)


def total(v: Array, along: int, unit: int) -> Array:
    """``sum(v) 2^unit`` as integers: no sum of up to ``TERMS`` has an error, whatever the order."""
    n = v.shape[along]
    if along == 0:
        parts = [np.add.reduce(v[i : i + TERMS], axis=0) for i in range(0, n, TERMS)]
        return sum((p * 2.0**unit).astype(np.int64) for p in parts)
    whole = n // TERMS
    parts = []
    if n % TERMS:
        parts.append((np.vecdot(v[:, whole * TERMS :], ONES[: n % TERMS]) * 2.0**unit).astype(np.int64))
    if whole:
        pieces = np.vecdot(v[:, : whole * TERMS].reshape(v.shape[0], whole, TERMS), ONES)
        parts.append((pieces * 2.0**unit).astype(np.int64).sum(axis=1))
    return sum(parts)


class Room:
    """A tile's arrays. ``k`` and ``h`` share the memory of ``d``, ``mask`` that of ``b``, and are done with before those begin."""

    def __init__(self, arena: Array, fmt: Format, size: int, shape: tuple[int, ...]) -> None:
        one = size * np.dtype(fmt.dtype).itemsize + 256  # apart from one another, as the caches have it
        starts = [i * one for i in range(4)]
        starts += [starts[-1] + one, starts[-1] + one + size * 8 // (1 if fmt is DOUBLE else 2)]
        self.x, self.a, self.b, self.c, self.k, self.h = (np.ndarray(shape, fmt.dtype, arena, start) for start in starts)
        self.d = np.ndarray(shape, np.float64, arena, starts[4])
        self.a_bits, self.c_bits = bits(self.a), bits(self.c)
        self.mask = np.ndarray(shape, bool, arena, starts[2])


def cache_lines(count: int) -> Array:
    """Memory that begins with a cache line."""
    raw = np.empty(count + 64, np.uint8)
    return raw[-raw.ctypes.data % 64 :]


class Tiles:
    """The scratch memory of a pass, and the steps on one tile."""

    def __init__(self, fmt: Format, size: int) -> None:
        self.format = fmt
        self.size = size
        self.arena = cache_lines(size * (4 * np.dtype(fmt.dtype).itemsize + 16) + 2048)
        self.rooms: dict[tuple[int, ...], Room] = {}
        # 0-d arrays, which are quicker to take than Python's numbers; x + round - round is rounded to an integer
        numbers = (1.0, 1.5 * 2.0 ** (fmt.precision - 1), fmt.log2e, fmt.ln2_hi, fmt.ln2_lo)
        self.one, self.round, self.log2e, self.ln2_hi, self.ln2_lo = (np.array(v, fmt.dtype) for v in numbers)
        self.exp = [np.array(v, fmt.dtype) for v in fmt.exp]
        self.fraction = bits(np.array(0, fmt.dtype)) + (fmt.precision - 1)
        w0, w1, _ = fmt.limbs
        self.grid, self.fine_grid = (np.array(1.5 * 2.0 ** (52 - w)) for w in (w0, w0 + w1))
        # exp of more than this is a multiple of the coarse grid
        self.shallow = math.log(2.0) * (fmt.precision - sum(fmt.limbs[:2])) + 0.1
        self.limit = 2.0 ** (fmt.precision - 10)  # where m + underflow - 0.3 is rounded by less than 0.1

    def room(self, shape: tuple[int, ...]) -> Room:
        """The arrays for a tile."""
        if shape not in self.rooms:
            self.rooms[shape] = Room(self.arena, self.format, self.size, shape)
        return self.rooms[shape]

    def terms(self, x: Array, m: Array, h: Array, shift: Array | None) -> tuple[Array, float]:
        """``e^r - 1`` with ``exp(x - m) = 2^k e^r``, and the least ``x - m``.

        ``x - m`` is put into ``h``, and ``k`` into ``shift``, or else ``c``, as it is added to a float's bits.
        """
        fmt, room = self.format, self.room(x.shape)
        a, b, c, k = room.a, room.b, room.c, room.k
        np.copyto(a, m)  # adding rows to rows is faster than adding a column
        np.subtract(x, a, h)
        least = float(h.min())
        if not least > fmt.underflow:
            # every limb rounds these terms to 0, as it does somewhat smaller ones: m is below limit
            x = np.maximum(x, m + (fmt.underflow - 0.3), out=room.x)
            h = np.subtract(x, a, room.h)
        self.low(x, m, h, room)
        # r = (high - k ln2_hi) + (low - k ln2_lo)
        np.multiply(h, self.log2e, c)
        np.add(c, self.round, c)
        np.subtract(c, self.round, k)
        np.multiply(k, self.ln2_hi, a)
        np.subtract(h, a, a)
        np.multiply(k, self.ln2_lo, k)
        np.subtract(b, k, b)
        r = np.add(a, b, a)
        # e^r - 1 = r + r^2 q(r)
        p = np.multiply(r, self.exp[0], k)
        for coefficient in self.exp[1:-1]:
            np.add(p, coefficient, p)
            np.multiply(p, r, p)
        np.add(p, self.exp[-1], p)
        np.multiply(r, r, b)
        np.multiply(p, b, p)
        np.left_shift(room.c_bits, self.fraction, room.c_bits if shift is None else shift)
        return np.add(r, p, a), least

    @staticmethod
    def low(x: Array, m: Array, h: Array, room: Room) -> None:
        """What ``h = x - m`` rounds off, into ``b``; ``a`` is ``m``, and is written to."""
        a, out = room.a, room.b
        bottom, top = float(m.min()), float(m.max())
        if top <= 0.0:  # |x| >= |m|: (x - h) - m (Dekker)
            np.subtract(x, h, out)
            np.subtract(out, a, out)
            return
        if bottom >= 0.0:  # |m| has the larger exponent or the same: x - (h + m); elsewhere it is put right
            np.less_equal(x, -math.ldexp(1.0, math.frexp(bottom)[1]), room.mask)
            count = np.count_nonzero(room.mask)
            if count * 64 < x.size:
                wide: Array = np.flatnonzero(room.mask) if count else None
                np.add(h, a, out)
                np.subtract(x, out, out)
                if count:
                    _, error = two_sum(x.reshape(-1)[wide], -a.reshape(-1)[wide])
                    out.reshape(-1)[wide] = error
                return
        # (x - (h - t)) - (m + t),  t = h - x
        np.subtract(h, x, out)
        np.add(a, out, a)
        np.subtract(h, out, out)
        np.subtract(x, out, out)
        np.subtract(out, a, out)

    def digits(self, shape: tuple[int, ...], shift: Array | None, least: float, along: int, whole: bool) -> list[Array]:
        """The sums of the limbs of ``t = 2^k (1 + (e^r - 1))``, the fine one only where it may count."""
        fmt, room = self.format, self.room(shape)
        w0, w1, w2 = fmt.limbs
        t, d = room.a, room.d
        np.add(t, self.one, t)
        np.add(room.a_bits, room.c_bits if shift is None else shift, room.a_bits)
        shallow = least > self.shallow
        if fmt is SINGLE:  # both limbs at once, in float64
            np.copyto(d, t)
            if not shallow:
                np.add(d, self.fine_grid, d)
                np.subtract(d, self.fine_grid, d)
            second = total(d, along, w0 + w1)
            first = np.zeros_like(second)
        else:
            rest = room.b
            np.add(t, self.grid, d)
            np.subtract(d, self.grid, d)
            first = total(d, along, w0)
            t = np.subtract(t, d, t)
            np.add(t, self.fine_grid, rest)
            d = np.subtract(rest, self.fine_grid, rest)
            second = total(d, along, w0 + w1)
        first += second >> w1
        second &= 2**w1 - 1
        fine = np.zeros_like(first)
        if not shallow:
            at = np.flatnonzero(first < 2 << w0) if whole else np.arange(first.size)
            if 0 < at.size * 8 < first.size:
                pick = (at, slice(None)) if along else (slice(None), at)
                fine[at] = total(np.rint((t[pick] - d[pick]) * 2.0 ** (w0 + w1 + w2)), along, 0)
            elif at.size:
                np.subtract(t, d, d)
                np.multiply(d, 2.0 ** (w0 + w1 + w2), d)
                fine = total(np.rint(d, d), along, 0)
        return [first, second, fine]


def rest_words(ops: Ops, first: Array, second: Array, fine: Array) -> Words:
    """``sum - 1`` as a double word from the sums of the limbs."""
    w0, w1, w2 = ops.format.limbs
    counts = bool(fine.any())
    if counts:
        fine = np.where(first < 2 << w0, fine, 0)
        second = second + (fine >> w2)
        first, second, fine = first + (second >> w1), second & (2**w1 - 1), fine & (2**w2 - 1)
    first = first - (1 << w0)
    highest = int(first.max())
    if ops.format is SINGLE and not counts and highest < 2**31:
        return short_words(first.astype(np.int32), second.astype(np.int32))
    digits = [sums.Digit(first, w0, max(highest.bit_length(), 1)), sums.Digit(second, w0 + w1, w1)]
    return sums.words(ops, [*digits, sums.Digit(fine, w0 + w1 + w2, w2)] if counts else digits)


def short_words(first: Array, second: Array) -> Words:
    """``sums.words`` of ``first 2^-22 + second 2^-44``: ``first`` is one piece here, as its own two are added with one rounding."""
    high = first.astype(np.float32)
    rest = (first - high.astype(np.int64)).astype(np.float32) * np.float32(2.0**-22)
    high *= np.float32(2.0**-22)
    for piece, unit in ((second >> 20, 2.0**-24), (second & (2**20 - 1), 2.0**-44)):
        high, error = fast_two_sum(high, piece.astype(np.float32) * np.float32(unit))
        rest = rest + error
    return fast_two_sum(high, rest)


def normalise(ops: Ops, rest: Words) -> log.Normal:
    """``log.normalise`` with the exponent from the bits."""
    fmt, fraction = ops.format, ops.format.precision - 1
    high, error = two_sum(rest[0], ops.dtype(1.0))
    high, low = fast_two_sum(high, error + rest[1])
    exponent = (bits(high) >> fraction) - fmt.huge
    scale = ((fmt.huge - exponent) << fraction).view(ops.dtype)
    high, low = high * scale, low * scale
    index = (bits(high) >> (fraction - 6)) & 63
    c = np.asarray(TABLE, ops.dtype)[index]
    half = 2.0 ** (fraction // 2)
    upper = np.rint(high * half) * (1 / half)
    f, error = two_sum(upper * c - 1.0, (high - upper) * c)
    f, low = fast_two_sum(f, error + low * c)
    first = (exponent | index) == 0
    return log.Normal(exponent.astype(ops.dtype), index, c, (np.where(first, rest[0], f), np.where(first, rest[1], low)))


class Pass:
    """A forward pass over ``x`` of two axes, of which ``along`` is reduced, to ``out``, which has no such axis for logsumexp."""

    def __init__(self, name: str, ops: Ops, x: Array, out: Array, along: int) -> None:
        self.name, self.ops, self.x, self.out, self.along = name, ops, x, out, along
        n, rows = x.shape[along], x.shape[1 - along]
        self.rows, self.n = min(rows, max(1, GROUP[1 - along] // n)), n
        self.step = min(self.rows, max(1, TILE // n))
        self.piece = n if n < 2 * TILE or along == 0 else TILE
        self.tiles = Tiles(ops.format, self.step * self.piece)
        self.direct = along == 1 and out.dtype == ops.dtype and name != "logsumexp"
        size = self.rows * n
        self.o = None if self.direct else np.empty(self.step * self.piece if name == "logsumexp" else size, ops.dtype)
        self.shift = np.empty(size if name == "softmax" else 0, bits(np.empty(0, ops.dtype)).dtype)
        for start in range(0, rows, self.rows):
            self.group(start, min(rows, start + self.rows))

    def at(self, start: int, stop: int, first: int = 0, last: int | None = None) -> tuple[slice, slice]:
        """The index of some rows, or of a piece of them."""
        where = slice(start, stop), slice(first, last)
        return where if self.along else where[::-1]

    def group(self, start: int, stop: int) -> None:
        """Some rows: tile by tile to the sums, then their logarithms, then the results."""
        along, ops, count = self.along, self.ops, stop - start
        shape = (count, self.n) if along else (self.n, count)
        reduces, keeps = self.name == "logsumexp", self.name == "softmax"
        o: Array = None if reduces else self.out[start:stop] if self.direct else view(self.o, shape)
        shift = view(self.shift, shape) if keeps else None
        m = np.empty(count, ops.dtype)
        self.least = 0.0
        maximum, limbs = np.empty_like(m), np.zeros((3, count), np.int64)
        for i in range(0, count, self.step):
            part = slice(i, min(count, i + self.step))
            if self.piece < self.n:
                maximum[part] = self.x[start + i].max()
            for j in range(0, self.n, self.piece):
                here = self.at(part.start, part.stop, j, min(self.n, j + self.piece))
                x = self.load(self.x[self.at(start, stop)][here])
                if self.piece == self.n:
                    np.maximum.reduce(x, axis=along, out=maximum[part])
                # rows whose maximum is large or not finite are left to the definition
                m[part] = np.where(np.abs(maximum[part]) < self.tiles.limit, maximum[part], 0.0)
                h = view(self.o, x.shape) if o is None else o[here]
                into = None if shift is None else shift[here]
                column = m[part, None] if along else m[part]
                expm1, least = self.tiles.terms(x, column, h, into)
                self.least = min(self.least, least) if least == least else -math.inf
                if keeps:
                    np.copyto(h, expm1)
                limbs[:, part] += self.tiles.digits(x.shape, into, least, along, self.piece == self.n)
        if self.piece < self.n:
            limbs[0] += limbs[1] >> ops.format.limbs[1]
            limbs[1] &= 2 ** ops.format.limbs[1] - 1
        self.finish(start, stop, o, shift, m, rest_words(ops, *limbs))
        self.mend(start, np.flatnonzero(~(np.abs(maximum) < self.tiles.limit)), o)
        if not self.direct and not reduces:
            np.copyto(self.out[self.at(start, stop)], o, casting="same_kind")

    def load(self, x: Array) -> Array:
        """A tile in the format, its last axis contiguous."""
        if x.dtype == self.ops.dtype and x.flags.c_contiguous:
            return x
        tile = self.tiles.room(x.shape).x
        np.copyto(tile, x)
        return tile

    def finish(self, start: int, stop: int, o: Array, shift: Array, m: Array, rest: Words) -> None:
        """The results from the sums."""
        ops, total = self.ops, normalise(self.ops, rest)
        L, low = log.log(ops, total)
        if self.name == "logsumexp":
            # lse = max + L
            high, error = two_sum(m, L)
            lse = sums.flush(ops, high + (error + low))
            self.out[start:stop] = lse
            return
        column = (slice(None), None) if self.along else ()
        if self.name == "log_softmax":
            # out = (z - max) - L
            np.subtract(o, L[column], o)
            return
        # s = 2^k (1/sum + (e^r - 1)/sum),  zero where exp(log_softmax) would be
        w, low = (word[column] for word in log.reciprocal(ops, total))
        np.multiply(o, w, o)
        np.add(o, low, o)
        np.add(o, w, o)
        np.add(bits(o), shift, bits(o))
        if not self.least - float(L.max()) > ops.format.underflow + 1.0:
            log_s = (self.x[self.at(start, stop)] - m[column]) - L[column]
            np.copyto(o, 0.0, where=~(log_s > ops.format.underflow))

    def mend(self, start: int, rows: Array, o: Array) -> None:
        """Rows without a finite maximum, or with a large one, by the definition."""
        if rows.size:
            x = np.take(self.x, start + rows, axis=1 - self.along)
            result = FUNCTIONS[self.name].forward(Context(), x, axis=self.along)
            if self.name == "logsumexp":
                self.out[start + rows] = result
            elif self.along:
                o[rows] = result
            else:
                o[:, rows] = result


def sides(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, int, int] | None:
    """The reduced axes as one, between those before and those after; None if they are apart."""
    if axes != tuple(range(axes[0], axes[-1] + 1)):
        return None
    return math.prod(shape[: axes[0]]), math.prod(shape[axes[0] : axes[-1] + 1]), math.prod(shape[axes[-1] + 1 :])


def kernel(name: str) -> Kernel:
    """The kernel of a function."""
    function = FUNCTIONS[name]

    def plan(
        ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, keepdims: bool = False
    ) -> str | Callable[[], Array]:
        if type(z) is not np.ndarray or z.dtype.name not in FORMATS or not z.dtype.isnative:
            return "not a plain numpy.ndarray of native floats"
        if where is not None:
            return "a mask"
        if z.size < WORTH:
            return f"{z.size} elements: fewer than {WORTH}"
        try:
            axes = normal_axes(axis, z.ndim)
        except LsmxError as error:
            return str(error)
        split = sides(z.shape, axes)
        if split is None:
            return "axes that are not neighbours"
        outer, n, inner = split
        if outer > 1 and inner > 1 and n * inner < 4 * WORTH:
            return f"{outer} arrays of {n} x {inner}, each too small"
        longest = LONGEST[inner > 1]
        if n > longest:
            return f"rows of {n}: more than {longest}"
        return too_many_limbs(z.dtype.name, n) or partial(run, ctx, z, axis, axes, split, keepdims)

    def run(ctx: Any, z: Array, axis: Any, axes: tuple[int, ...], split: tuple[int, int, int], keepdims: bool) -> Array:
        ops = Rows.of("z", z, axis).ops
        outer, n, inner = split
        out = np.empty(reduced_shape(z.shape, axes, keepdims) if function.reduces else z.shape, z.dtype)
        x = z.reshape(outer, n, inner)
        y = out.reshape((outer, inner) if function.reduces else (outer, n, inner))

        def some(start: int, stop: int) -> None:
            """The pass over rows ``start`` to ``stop``, with scratch memory of its own."""
            part, to = x[start:stop, :, 0], y[start:stop, ..., 0]
            with np.errstate(all="ignore"):  # which holds for one thread only
                if n < SHORT:
                    Pass(name, ops, part.T, to.T, 0)
                else:
                    Pass(name, ops, part, to, 1)

        if inner > 1:
            for i in range(outer):
                Pass(name, ops, x[i], y[i], 0)
        else:
            share(some, outer, get_num_threads() if z.size >= 2 * TILE else 1, 1)
        keep(ctx, function, (z,), out, axis, where=None)
        return out

    return Kernel("numpy blocks", name, "forward", plan)


def numpy_blocks() -> tuple[Kernel, ...]:
    """The kernels."""
    return tuple(kernel(name) for name in ("log_softmax", "softmax", "logsumexp"))
