"""Calls of the compiled core's passes, and every byte that each is to leave in memory, by the definition.

    python tests/native/cases.py FILE [NUMBER]

writes them for ``driver.cpp``. The tests in Python run the same ones.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from lsmx._definition.function import Context
from lsmx._definition.log_softmax import LogSoftmax, OfLogits
from lsmx._definition.logsumexp import LogSumExp
from lsmx._definition.softmax import Softmax

Values = npt.NDArray[Any]
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
TYPES = {**{name: i for i, name in enumerate(DTYPES)}, "bool": len(DTYPES)}
SWAPPED = 8
CANARY = 0xA5
A, B, ONE, MASK, OUT = range(5)


@dataclass(frozen=True)
class Pass:
    """One pass: its function, and what it takes and gives.

    Attributes
    ----------
    function, method
        The definition.
    vector
        ``"rows"`` if it takes a cotangent or tangent of all of a row, ``"one"`` for one number a row, else ``""``.
    saved
        What the other operand is: ``"z"`` or ``"output"``.
    """

    function: Any
    method: str
    vector: str = "rows"
    saved: str = "z"

    @property
    def reduces(self) -> bool:
        """Whether the result has one number a row."""
        return self.function is LogSumExp and self.method != "backward"

    def operands(self) -> tuple[int, ...]:
        """The places of its arrays, without mask and result."""
        return {"": (A,), "rows": (A, B), "one": (B, ONE)}[self.vector]


PASSES = {  # in the order of core.h
    "log_softmax_forward": Pass(LogSoftmax, "forward", ""),
    "log_softmax_backward": Pass(LogSoftmax, "backward", saved="output"),
    "log_softmax_backward_z": Pass(OfLogits, "backward"),
    "log_softmax_jvp": Pass(LogSoftmax, "jvp", saved="output"),
    "log_softmax_jvp_z": Pass(OfLogits, "jvp"),
    "softmax_forward": Pass(Softmax, "forward", ""),
    "softmax_backward": Pass(Softmax, "backward", saved="output"),
    "logsumexp_forward": Pass(LogSumExp, "forward", ""),
    "logsumexp_backward": Pass(LogSumExp, "backward", "one"),
    "logsumexp_jvp": Pass(LogSumExp, "jvp"),
}


def define(
    passname: str, operands: dict[int, Values], mask: Values | None, axes: tuple[int, ...], keepdims: bool = False
) -> Values:
    """The result of a pass on arrays of one dtype."""
    p = PASSES[passname]
    options: dict[str, Any] = {"axis": axes or None, **({} if mask is None else {"where": mask})}
    if keepdims and p.reduces:
        options["keepdims"] = True
    with np.errstate(all="ignore"):
        if not p.vector:
            return np.asarray(p.function.forward(Context(), operands[A], **options))
        vector = operands[ONE if p.vector == "one" else A]
        return np.asarray(getattr(p.function, p.method)(Context(operands[B], **options), vector))


# ---- values


def limit(dtype: str) -> float:
    """Where the exponential becomes 0."""
    return 708.0 if dtype == "float64" else 87.0


def largest(dtype: str) -> float:
    """The largest finite number."""
    return float(ml_dtypes.finfo(DTYPES[dtype]).max)


def least(dtype: str) -> float:
    """The least normal number of the format that is computed in."""
    return 2.0**-1022 if dtype == "float64" else 2.0**-126


Rows = Callable[[np.random.Generator, int, str], Values]
SPECIAL = np.asarray([np.inf, -np.inf, np.nan, -0.0, 0.0])
LOGITS: list[Rows] = [
    lambda r, n, d: r.standard_normal(n),
    lambda r, n, d: r.standard_normal(n) * 20,
    lambda r, n, d: r.standard_normal(n) * 100,
    lambda r, n, d: r.standard_normal(n) - np.where(r.random(n) < 0.3, np.inf, 0),
    lambda r, n, d: np.where(r.random(n) < 0.1, r.choice(SPECIAL, n), r.standard_normal(n)),
    lambda r, n, d: np.round(r.standard_normal(n)),  # ties
    lambda r, n, d: np.where(np.arange(n) == r.integers(n), 0.0, -30 * np.abs(r.standard_normal(n))),
    # one logit outweighs the others, by so much that their terms are hardly there or not at all
    lambda r, n, d: np.where(np.arange(n) == r.integers(n), r.choice([0.0, 1.5, 1e-40]), -r.uniform(30, limit(d) + 3, n)),
    lambda r, n, d: np.where(np.arange(n) == r.integers(n), 0.0, -limit(d) + r.uniform(-1, 1, n)),
    lambda r, n, d: np.full(n, -np.inf),
    lambda r, n, d: np.where(np.arange(n) == n // 2, 5.0, -np.inf),
    lambda r, n, d: r.standard_normal(n) * 1e-3 + r.choice([0, 1e4, -1e4]),
    lambda r, n, d: r.standard_normal(n) * least(d) * r.choice([0.1, 1.0, 2.0]),
    lambda r, n, d: r.standard_normal(n) * (largest(d) / 8),
    lambda r, n, d: np.where(r.random(n) < 0.5, largest(d), -largest(d)),
    lambda r, n, d: r.choice([0.0, -0.0], n),
    lambda r, n, d: np.full(n, r.choice([-3.0, 0.1, 1e30])),
    lambda r, n, d: np.where(np.arange(n) == n // 2, np.inf, np.arange(n) % 2),
    lambda r, n, d: np.where(np.arange(n) == n - 1, np.nan, np.arange(n) % 2),
    lambda r, n, d: np.where(np.arange(n) < 2, 1.5, -20.0 - 60.0 * r.random(n)),  # two maxima
    lambda r, n, d: np.where(np.arange(n) == 0, 0.0, -50.0 - 10.0 * r.random(n)),  # a grid that is scaled
    lambda r, n, d: np.where(np.arange(n) % 3 == 0, r.standard_normal(n), r.uniform(-2 * limit(d), 0, n)),
]
VECTORS: list[Rows] = [
    lambda r, n, d: r.standard_normal(n),
    lambda r, n, d: r.standard_normal(n) * 10.0 ** r.integers(-40, 38, n),
    lambda r, n, d: np.where(r.random(n) < 0.5, 0, r.standard_normal(n)),
    lambda r, n, d: r.standard_normal(n) * least(d) * r.choice([0.25, 1.0, 4.0, 2.0**24]),
    lambda r, n, d: np.where(r.random(n) < 0.1, r.choice(SPECIAL, n), r.standard_normal(n)),
    lambda r, n, d: np.sign(r.standard_normal(n)) * largest(d),
    lambda r, n, d: np.full(n, largest(d)),
    lambda r, n, d: np.where(np.arange(n) % 2, 1.0, -1.0),  # a sum of 0
    lambda r, n, d: np.where(np.arange(n) == n // 2, -1.0, 0.0),
    lambda r, n, d: np.full(n, r.choice([0.0, -0.0, 1.0, -1e-30])),
    lambda r, n, d: np.where(np.arange(n) % 3, 2.0**-60, -1.0),
    lambda r, n, d: r.standard_normal(n) * 2.0 ** r.integers(-70, -20),
    lambda r, n, d: np.where(np.arange(n) == n - 1, np.nan, 1.0),
    lambda r, n, d: np.where(np.arange(n) == 0, np.inf, 1.0),
    lambda r, n, d: np.where(np.arange(n) == 0, largest(d), 1.0),
]


def drawn(rng: np.random.Generator, kinds: list[Rows], shape: tuple[int, ...], axes: Sequence[int], dtype: str) -> Values:
    """Values of one kind, or of a kind for each row, in a dtype."""
    kept = [k for k in range(len(shape)) if k not in axes]
    order = [*kept, *axes]
    n, rows = math.prod(shape[k] for k in axes), math.prod(shape[k] for k in kept)
    chosen = np.full(rows, rng.integers(len(kinds))) if rng.random() < 0.6 else rng.integers(len(kinds), size=rows)
    flat = np.empty((rows, n))
    for j in range(rows):
        flat[j] = kinds[chosen[j]](rng, n, dtype)
    return np.array(cast(flat.reshape([shape[k] for k in order]).transpose(np.argsort(order)), dtype), order="C")


def cast(x: Values, dtype: str) -> Values:
    """``x`` in a dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(x.astype(DTYPES[dtype]))


# ---- memory


@dataclass(frozen=True)
class Layout:
    """How an array lies in memory.

    Attributes
    ----------
    order
        The axes, from the outermost to the innermost.
    gaps
        For each axis, how many steps of the next inner one a step takes, in lengths of that axis: 1 leaves no gap.
    flipped
        Whether its stride is negative.
    repeated
        Whether its stride is 0.
    offset, after
        Bytes before and after, which are not to be touched.
    swapped
        Whether elements are of the other byte order.
    """

    order: tuple[int, ...]
    gaps: tuple[int, ...]
    flipped: tuple[bool, ...]
    repeated: tuple[bool, ...]
    offset: int = 0
    after: int = 0
    swapped: bool = False


def plain(ndim: int, offset: int = 0, after: int = 0) -> Layout:
    """C order."""
    none = (False,) * ndim
    return Layout(tuple(range(ndim)), (1,) * ndim, none, none, offset, after)


def random_layout(rng: np.random.Generator, ndim: int, *, may_repeat: bool) -> Layout:
    """Some layout."""
    return Layout(
        order=tuple(int(k) for k in (rng.permutation(ndim) if rng.random() < 0.5 else np.arange(ndim))),
        gaps=tuple(int(k) for k in (rng.choice([1, 1, 1, 2, 3], ndim) if rng.random() < 0.4 else np.ones(ndim, int))),
        flipped=tuple(bool(x) for x in rng.random(ndim) < (0.5 if rng.random() < 0.3 else 0.0)),
        repeated=tuple(bool(x) for x in rng.random(ndim) < (0.4 if may_repeat and rng.random() < 0.2 else 0.0)),
        offset=int(rng.choice([0, 0, 0, 1, 2, 4, 8, 60])),
        after=int(rng.choice([0, 72])),
        swapped=bool(rng.random() < 0.2),
    )


@dataclass(frozen=True)
class Operand:
    """An array in one of a case's buffers: offset and strides in bytes."""

    buffer: int
    offset: int
    type: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def seen(self, buffer: Values) -> Values:
        """Its elements' bits."""
        width = (2, 2, 4, 8, 1)[self.type % SWAPPED]
        dtype = np.dtype(f"u{width}")
        return np.ndarray(self.shape, dtype.newbyteorder() if self.type >= SWAPPED else dtype, buffer, self.offset, self.strides)


def unsigned(x: Values) -> Values:
    """Bit patterns."""
    return x.view(f"u{x.dtype.itemsize}")


def repeat(x: Values, layout: Layout) -> Values:
    """The values of an array that has the same along the layout's repeated axes."""
    index = tuple(slice(0, 1) if r else slice(None) for r in layout.repeated)
    return np.array(np.broadcast_to(x[index], x.shape), order="C")


def place(x: Values, layout: Layout, buffer: int) -> tuple[Operand, Values]:
    """An array in a buffer of its own."""
    width = x.dtype.itemsize
    strides, start, step = [0] * x.ndim, layout.offset, width
    for k in reversed(layout.order):
        if x.shape[k] == 1:
            strides[k] = -3 * width - 1  # whatever it is, nothing steps by it
        elif not layout.repeated[k]:
            step *= layout.gaps[k]
            strides[k] = -step if layout.flipped[k] else step
            start += step * (x.shape[k] - 1) if layout.flipped[k] else 0
            step *= x.shape[k]
    reach = sum(abs(s) * (n - 1) for s, n in zip(strides, x.shape, strict=True))
    memory = np.full(layout.offset + reach + width + layout.after, CANARY, np.uint8)
    code = TYPES[x.dtype.name] + (SWAPPED if layout.swapped and x.dtype.name != "bool" else 0)
    operand = Operand(buffer, start, code, x.shape, tuple(strides))
    operand.seen(memory)[...] = unsigned(x)
    return operand, memory


@dataclass(frozen=True)
class Case:
    """A call: ``want`` is what its result's buffer is to hold afterwards."""

    name: str
    passname: str
    double: bool
    axes: tuple[int, ...]
    operands: tuple[Operand | None, ...]
    buffers: tuple[Values, ...]
    want: Values

    def run(self, core: Any, threads: int = 1) -> str | None:
        """None if a core, with so many threads, leaves in memory what it should; else what is wrong."""
        memory = [x.copy() for x in self.buffers]
        views = [o and (memory[o.buffer].ctypes.data + o.offset, o.type, o.shape, o.strides) for o in self.operands]
        core.run(core.passes[self.passname], self.double, self.axes, *views[: OUT + 1], threads)
        out = self.operands[OUT]
        assert out is not None
        for i, (before, after) in enumerate(zip(self.buffers, memory, strict=True)):
            want = self.want if i == out.buffer else before
            if not np.array_equal(after, want):
                wrong, right = out.seen(after), out.seen(want)
                where = np.argwhere(wrong != right)
                first = f": {wrong[tuple(where[0])]:#x} at {where[0]}, not {right[tuple(where[0])]:#x}" if where.size else ""
                return f"{self.name} on {core.target()}, {threads} threads: {len(where)} of {right.size} elements differ{first}"
        return None


@dataclass(frozen=True)
class Plan:
    """What a case is made of; the rest is drawn by ``seed``.

    Attributes
    ----------
    axes
        Those that are reduced.
    dtypes
        Of the arrays in the order of the pass's operands.
    out
        The result's dtype; float64 is computed in float64, others in float32.
    layouts
        Of the arrays, then of the mask, then of the result.
    mask
        The shape of a mask, or None.
    in_place
        The place of the operand whose memory takes the result, or None. It is ignored where the result does not fit.
    arrays
        The values, in the order of the operands, then of the mask; drawn where there are none.
    """

    passname: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    dtypes: tuple[str, ...]
    out: str
    layouts: tuple[Layout, ...]
    mask: tuple[int, ...] | None = None
    in_place: int | None = None
    keepdims: bool = False
    seed: int = 0
    arrays: tuple[Values, ...] | None = None

    def shape_of(self, place: int) -> tuple[int, ...]:
        """Of an operand, the mask, or the result."""
        if place == MASK:
            return self.mask or ()
        if place == ONE or (place == OUT and PASSES[self.passname].reduces):
            if self.keepdims:
                return tuple(1 if k in self.axes else n for k, n in enumerate(self.shape))
            return tuple(n for k, n in enumerate(self.shape) if k not in self.axes)
        return self.shape

    def values(self) -> list[Values]:
        """The arrays, as drawn."""
        if self.arrays is not None:
            return list(self.arrays)
        rng, p = np.random.default_rng(self.seed), PASSES[self.passname]
        found = {}
        for at, dtype in zip(p.operands(), self.dtypes, strict=True):
            shape = self.shape_of(at)
            logits = at == B or not p.vector
            axes = self.axes if at != ONE else tuple(range(len(shape)))
            found[at] = drawn(rng, LOGITS if logits else VECTORS, shape, axes, dtype)
        if p.saved == "output" and rng.random() < 0.7:  # else it is anything: a caller may pass that
            output = define(f"{'softmax' if p.function is Softmax else 'log_softmax'}_forward", {A: found[B]}, None, self.axes)
            found[B] = output
        return [*found.values(), *([rng.random(self.mask) < rng.choice([0.1, 0.6, 0.95])] if self.mask is not None else [])]

    def case(self) -> Case:
        """The call, and what it is to leave."""
        places = [*PASSES[self.passname].operands(), *([MASK] if self.mask is not None else [])]
        given = [repeat(x, layout) for x, layout in zip(self.values(), self.layouts, strict=False)]
        operands: list[Operand | None] = [None] * 8  # of which the last three belong to the losses
        buffers = []
        for at, x, layout in zip(places, given, self.layouts, strict=False):
            operands[at], memory = place(x, layout, len(buffers))
            buffers.append(memory)
        computed = "float64" if self.out == "float64" else "float32"
        same = set(self.dtypes) == {self.out}
        arrays = {at: x if same else cast(x, computed) for at, x in zip(places, given, strict=True) if at != MASK}
        mask = given[-1] if self.mask is not None else None
        result = cast(define(self.passname, arrays, mask, self.axes, self.keepdims), self.out)

        fits = operands[self.in_place] if self.in_place in places else None
        layout = self.layouts[len(places)]
        if (
            fits
            and fits.type % SWAPPED == TYPES[self.out]
            and fits.shape == result.shape
            and not any(self.layouts[places.index(self.in_place)].repeated)
        ):
            operands[OUT] = fits
        else:
            blank = np.full(result.shape, CANARY, np.uint8).astype(unsigned(result).dtype).view(result.dtype)
            operands[OUT], memory = place(blank, replace(layout, repeated=(False,) * result.ndim), len(buffers))
            buffers.append(memory)
        out = operands[OUT]
        assert out is not None
        want = buffers[out.buffer].copy()
        out.seen(want)[...] = unsigned(result)
        name = (
            f"{self.passname} {'/'.join(self.dtypes)}->{self.out} {self.shape} axes {self.axes} mask {self.mask} seed {self.seed}"
        )
        return Case(name, self.passname, computed == "float64", self.axes, tuple(operands), tuple(buffers), want)


def in_line(passname: str, dtype: str, rows: int, n: int, seed: int, offset: int = 0, in_place: int | None = None) -> Plan:
    """Rows one after the other, without gaps."""
    layouts = tuple(plain(2, offset) for _ in range(4))
    p = PASSES[passname]
    layouts = (*(plain(1) if at == ONE else plain(2, offset) for at in p.operands()), plain(1 if p.reduces else 2, offset))
    return Plan(passname, (rows, n), (1,), (dtype,) * len(p.operands()), dtype, layouts, in_place=in_place, seed=seed)


def random_plan(rng: np.random.Generator, passname: str, dtype: str | None = None) -> Plan:
    """Some call: any shape, layout, mask, and dtypes that differ if none is given."""
    p = PASSES[passname]
    shape = tuple(int(n) for n in rng.choice([1, 2, 3, 4, 5, 7, 8, 9], rng.integers(0, 5)))
    if rng.random() < 0.4:
        shape = tuple(int(n) for n in rng.integers(1, 70, 2))
    if rng.random() < 0.1:
        shape = (int(rng.integers(1, 4)), int(rng.choice([95, 97, 191, 193, 400])), int(rng.integers(1, 4)))
    ndim = len(shape)
    axes = tuple(sorted(int(k) for k in rng.choice(ndim, rng.integers(1, ndim + 1), replace=False))) if ndim else ()
    count = len(p.operands())
    dtypes = (dtype,) * count if dtype else tuple(str(x) for x in rng.choice(list(DTYPES), count))
    mask: tuple[int, ...] | None = None
    if rng.random() < 0.4:
        mask = tuple(n if rng.random() < 0.7 else 1 for n in shape)[int(rng.integers(0, ndim + 1)) if rng.random() < 0.3 else 0 :]
    plan = Plan(
        passname,
        shape,
        axes,
        dtypes,
        dtype or str(rng.choice(list(DTYPES))),
        (),
        mask,
        in_place=int(rng.choice([A, B, ONE])) if rng.random() < 0.3 else None,
        keepdims=bool(rng.random() < 0.5),
        seed=int(rng.integers(2**31)),
    )
    places = [*p.operands(), *([MASK] if mask is not None else []), OUT]
    return replace(plan, layouts=tuple(random_layout(rng, len(plan.shape_of(at)), may_repeat=at != OUT) for at in places))


LENGTHS = (*range(1, 41), *range(94, 99), *range(190, 195), 255, 1000, *range(1022, 1027), 4099)


def cases(number: int, seed: int = 0) -> Iterator[Case]:
    """So many cases of all kinds, and some large ones that are shared out among threads."""
    rng = np.random.default_rng(seed)
    names = list(PASSES)
    for i in range(number):
        passname, dtype = names[i % len(names)], list(DTYPES)[i // len(names) % len(DTYPES)]
        if i % 3 == 0:
            n = int(rng.choice(LENGTHS))
            rows = int(rng.choice([1, 2, 3, 5, 17, 40])) if n < 1000 else int(rng.integers(1, 4))
            yield in_line(passname, dtype, rows, n, i, int(rng.choice([0, 1, 4, 12])), int(rng.choice([A, B, OUT]))).case()
        else:
            yield random_plan(rng, passname, dtype if i % 3 == 1 else None).case()
    for passname in ("log_softmax_backward", "softmax_forward", "log_softmax_forward", "softmax_backward")[: 1 + number // 500]:
        arrays = [(3 * rng.standard_normal((1700, 160))).astype(np.float32) for _ in PASSES[passname].operands()]
        if PASSES[passname].saved == "output":
            arrays[-1] = define(passname.replace("backward", "forward"), {A: arrays[-1]}, None, (1,))
        yield replace(in_line(passname, "float32", 1700, 160, 0), arrays=tuple(arrays)).case()


def written(found: Iterator[Case], path: str) -> None:
    """Cases as ``driver.cpp`` reads them: 64-bit integers, and bytes that are preceded by their number."""

    def integers(*values: int) -> bytes:
        return struct.pack(f"<{len(values)}q", *values)

    def lengthened(data: bytes) -> bytes:
        return integers(len(data)) + data

    with open(path, "wb") as file:
        for case in found:
            out = case.operands[OUT]
            assert out is not None
            reduced = sum(1 << k for k in case.axes)
            file.write(lengthened(case.name.encode()) + integers(list(PASSES).index(case.passname), case.double, reduced))
            file.write(integers(len(case.buffers)) + b"".join(lengthened(x.tobytes()) for x in case.buffers))
            file.writelines(
                integers(-1) if o is None else integers(o.buffer, o.offset, o.type, len(o.shape), *o.shape, *o.strides)
                for o in case.operands
            )
            file.write(lengthened(case.want.tobytes()))


if __name__ == "__main__":
    written(cases(int(sys.argv[2]) if len(sys.argv) > 2 else 1000), sys.argv[1])
