"""Calls of the compiled core's passes, and every byte that each is to leave in memory, by the definition.

    python -m tests.native.cases FILE [NUMBER]

writes them for ``driver.cpp``. The tests in Python run the same ones.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tests.native.call import Case
from tests.native.definitions import INDEX, ONE, OUT, SUMS, TEMPERATURE, WEIGHT, A, B, Given
from tests.native.layouts import plain, random_layout
from tests.native.numbers import IGNORED, SMOOTHINGS, SOFTCAPS
from tests.native.passes import PASSES, Pass, defined
from tests.native.plans import Plan
from tests.native.values import DTYPES


def dtypes_of(rng: np.random.Generator, p: Pass, dtype: str | None, likely: Sequence[float] = (0.0, 0.3)) -> dict[int, str]:
    """Those of a pass's arrays, any where none is given; a temperature, and sums of rows, are there as likely as is said.

    Weights are there in half of the calls that may have them.
    """

    def some() -> str:
        return dtype or str(rng.choice(list(DTYPES)))

    found = {at: some() for at in (*p.takes, OUT)}
    computed = "float64" if found[OUT] == "float64" else "float32"
    if INDEX in found:
        found[INDEX] = str(rng.choice(["int32", "int64"]))
    if p.numbers:
        found[ONE] = computed
    if p.reduces > 1:
        found[OUT] = computed
    scaled, summed = rng.random(2) < likely
    if p.scales and scaled:
        found[TEMPERATURE] = some()
    if p.part or (p.sums and summed):
        found[SUMS] = computed
    if p.targets and rng.random() < 0.5:
        found[WEIGHT] = some()
    return found


def ignored_of(rng: np.random.Generator, p: Pass) -> int | None:
    """An index that is ignored, or None."""
    return int(rng.choice(IGNORED)) if INDEX in p.takes and not p.several and rng.random() < 0.5 else None


def smoothing_of(rng: np.random.Generator, p: Pass) -> float:
    """A part of targets that goes to all classes alike, in half of the calls that may have one."""
    return float(rng.choice(SMOOTHINGS)) if p.targets and rng.random() < 0.5 else 0.0


def in_line(passname: str, dtype: str, rows: int, n: int, seed: int, offset: int = 0, in_place: int | None = None) -> Plan:
    """Rows one after the other, without gaps."""
    rng, p = np.random.default_rng([seed, 1]), PASSES[passname]
    dtypes, ignored = dtypes_of(rng, p, dtype), ignored_of(rng, p)
    smoothing, weights, times = smoothing_of(rng, p), (rows, n) if rng.random() < 0.3 else (n,), int(rng.choice([1, 2, 3, 40]))
    plan = Plan(
        passname,
        (rows, n),
        (1,),
        dtypes,
        in_place=in_place,
        ignored=ignored,
        smoothing=smoothing,
        weights=weights,
        indices=times if n < 1000 else 2,
        seed=seed,
    )
    shapes = {at: len(plan.shape_of(at)) for at in dtypes}
    return replace(plan, layouts={at: plain(ndim, offset if ndim == 2 else 0) for at, ndim in shapes.items()})


def broadcasting(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to another."""
    found = tuple(n if rng.random() < 0.7 else 1 for n in shape)
    return found[int(rng.integers(0, len(shape) + 1)) if rng.random() < 0.3 else 0 :]


def random_plan(rng: np.random.Generator, passname: str, dtype: str | None = None) -> Plan:
    """Some call: any shape, layout, mask, and dtypes that differ if none is given."""
    p = PASSES[passname]
    shape = tuple(int(n) for n in rng.choice([1, 2, 3, 4, 5, 7, 8, 9], rng.integers(0, 5)))
    if rng.random() < 0.4:
        shape = tuple(int(n) for n in rng.integers(1, 70, 2))
    if rng.random() < 0.1:
        shape = (int(rng.integers(1, 4)), int(rng.choice([95, 97, 191, 193, 400])), int(rng.integers(1, 4)))
    if not shape and (p.reduces > 1 or p.several):  # what belongs to a row lies along an axis of it
        shape = (1,)
    ndim = len(shape)
    some = 1 if p.several else rng.integers(1, ndim + 1) if ndim else 0
    axes = tuple(sorted(int(k) for k in rng.choice(ndim, some, replace=False))) if ndim else ()
    mask = broadcasting(rng, shape) if rng.random() < 0.4 else None
    plan = Plan(
        passname,
        shape,
        axes,
        dtypes_of(rng, p, dtype, (0.4, 0.3 if shape else 0.0)),
        mask=mask,
        in_place=int(rng.choice([A, B, ONE, TEMPERATURE])) if rng.random() < 0.3 else None,
        keepdims=bool(rng.random() < 0.5),
        ignored=ignored_of(rng, p),
        softcap=float(rng.choice(SOFTCAPS)) if p.capped and rng.random() < 0.25 else 0.0,
        smoothing=smoothing_of(rng, p),
        weights=broadcasting(rng, shape) if p.targets else (),
        indices=int(rng.integers(1, 12)) if p.several else 1,
        seed=int(rng.integers(2**31)),
    )
    layouts = {at: random_layout(rng, len(plan.shape_of(at)), may_repeat=at != OUT) for at in plan.places()}
    return replace(plan, layouts=layouts)


LENGTHS = (*range(1, 41), *range(94, 99), *range(190, 195), 255, 1000, *range(1022, 1027), 4099)
LARGE = (
    "log_softmax_backward",
    "softmax_forward",
    "log_softmax_forward",
    "log_prob_backward",
    "entropy_forward",
    "softmax_backward",
)


def cases(number: int, seed: int = 0, names: Sequence[str] = tuple(PASSES)) -> Iterator[Case]:
    """So many cases of all kinds, and some large ones that are shared out among threads."""
    rng, kinds = np.random.default_rng(seed), len(names)
    for i in range(number):
        passname, dtype = names[i % kinds], list(DTYPES)[i // (3 * kinds) % len(DTYPES)]
        kind = i // kinds % 3
        if kind == 0:
            n = int(rng.choice(LENGTHS))
            rows = int(rng.choice([1, 2, 3, 5, 17, 40])) if n < 1000 else int(rng.integers(1, 4))
            yield in_line(passname, dtype, rows, n, i, int(rng.choice([0, 1, 4, 12])), int(rng.choice([A, B, OUT]))).case()
        else:
            yield random_plan(rng, passname, dtype if kind == 1 else None).case()
    for passname in [name for name in LARGE if name in names][: 1 + number // 500]:
        plan = in_line(passname, "float32", 1700, 160, 0)
        arrays = {at: (3 * rng.standard_normal(plan.shape)).astype(np.float32) for at in (A, B) if at in plan.dtypes}
        if plan.called.saved:
            arrays[B] = defined(plan.called.saved, Given({A: arrays[B]}, plan.axes))
        yield replace(plan, arrays=arrays).case()


def written(found: Iterator[Case], path: str) -> None:
    """Cases as ``driver.cpp`` reads them: 64-bit integers, and bytes that are preceded by their number."""

    def integers(*values: int) -> bytes:
        return struct.pack(f"<{len(values)}q", *values)

    def lengthened(data: bytes) -> bytes:
        return integers(len(data)) + data

    with open(path, "wb") as file:
        for case in found:
            reduced = sum(1 << k for k in case.axes)
            file.write(lengthened(case.name.encode()) + integers(list(PASSES).index(case.passname), case.double, reduced))
            file.write(integers(len(case.buffers)) + b"".join(lengthened(x.tobytes()) for x in case.buffers))
            file.writelines(
                integers(-1) if o is None else integers(o.buffer, o.offset, o.type, len(o.shape), *o.shape, *o.strides)
                for o in case.operands
            )
            file.write(integers(case.ignored is not None, case.ignored or 0) + struct.pack("<dd", case.softcap, case.smoothing))
            file.write(lengthened(case.want.tobytes()))


if __name__ == "__main__":
    written(cases(int(sys.argv[2]) if len(sys.argv) > 2 else 1000), sys.argv[1])
