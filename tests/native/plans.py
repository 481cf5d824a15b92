"""What a call of a pass is made of: shapes, dtypes, layouts, options, and values that are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lsmx._definition.checks import reduced_shape
from lsmx._definition.kinds import ROW_SUMS
from tests.native.call import Case
from tests.native.definitions import INDEX, MASK, ONE, OUT, PLACES, SUMS, TEMPERATURE, WEIGHT, A, B, Given
from tests.native.layouts import CANARY, Layout, Operand, bits, pattern, place, repeat
from tests.native.numbers import TEMPERATURES, indices, of_longer_rows, together
from tests.native.passes import PASSES, Pass, defined
from tests.native.values import LOGITS, NUMBERS_OF_CLASSES, VECTORS, Values, beside, cast, drawn


@dataclass(frozen=True)
class Plan:
    """What a case is made of; the rest is drawn by ``seed``.

    Attributes
    ----------
    axes
        Those that are reduced.
    dtypes
        Of the arrays, without the mask, by their places: they say which there are. A result in float64 is computed in float64,
        others in float32, which the sums of rows and several numbers a row are in.
    layouts
        Of all the arrays, by their places.
    mask
        The shape of a mask, or None.
    in_place
        The place of the operand whose memory takes the result, or None. It is ignored where the result does not fit.
    ignored, softcap, smoothing
        An index that is ignored, or None; a soft cap, or 0; a part of targets that goes to all classes alike.
    weights
        The shape of weights, which broadcasts, if there are some.
    indices
        How many each row has, of a pass that takes several.
    arrays
        Values by their places; drawn where there are none.
    """

    passname: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    dtypes: Mapping[int, str]
    layouts: Mapping[int, Layout] = field(default_factory=dict)
    mask: tuple[int, ...] | None = None
    in_place: int | None = None
    keepdims: bool = False
    ignored: int | None = None
    softcap: float = 0.0
    smoothing: float = 0.0
    weights: tuple[int, ...] = ()
    indices: int = 1
    seed: int = 0
    arrays: Mapping[int, Values] = field(default_factory=dict)

    @property
    def called(self) -> Pass:
        """The pass."""
        return PASSES[self.passname]

    @property
    def computed(self) -> str:
        """The format that is computed in."""
        return "float64" if self.dtypes[OUT] == "float64" else "float32"

    def places(self) -> list[int]:
        """Of the arrays that there are."""
        return sorted([*self.dtypes, *([MASK] if self.mask is not None else [])])

    def shape_of(self, at: int) -> tuple[int, ...]:
        """Of an array, where several numbers that lie together are one element."""
        if at == MASK:
            return self.mask or ()
        if at == WEIGHT:
            return self.weights
        if at == SUMS or (at == OUT and self.called.reduces > 1):
            return ROW_SUMS.shape(self.shape, self.axes)
        if self.called.several and (at in (ONE, INDEX) or (at == OUT and self.called.reduces)):
            return tuple(self.indices if k in self.axes else n for k, n in enumerate(self.shape))
        if at in (ONE, INDEX, TEMPERATURE) or (at == OUT and self.called.reduces):
            return reduced_shape(self.shape, self.axes, self.keepdims)
        return self.shape

    def values(self) -> dict[int, Values]:
        """The arrays, as drawn, without the sums of rows."""
        rng, p, found = np.random.default_rng(self.seed), self.called, dict(self.arrays)
        n = math.prod(self.shape[k] for k in self.axes)
        for at in self.places():
            if at in found or at in (OUT, SUMS):
                continue
            shape, dtype = self.shape_of(at), self.dtypes.get(at, "bool")
            every = tuple(range(len(shape)))
            if at == MASK:
                found[at] = rng.random(shape) < rng.choice([0.1, 0.6, 0.95])
            elif at == INDEX:
                z, times = found[p.logits[-1]], self.indices if p.several else 1
                found[at] = indices(rng, z, self.axes, dtype, self.ignored, times).reshape(shape)
            elif at == TEMPERATURE:
                found[at] = drawn(rng, TEMPERATURES, shape, every, dtype)
            elif at == ONE:
                found[at] = together(rng, p.numbers, shape, n, dtype) if p.numbers else drawn(rng, VECTORS, shape, every, dtype)
            elif at == WEIGHT or (p.targets and at not in p.logits):
                found[at] = drawn(rng, NUMBERS_OF_CLASSES, shape, self.along(shape), dtype)
            elif at == B and A in p.logits and rng.random() < 0.6:
                found[at] = cast(beside(rng, found[A], self.axes), dtype)
            else:
                found[at] = drawn(rng, LOGITS if at in p.logits or (p.saved and at == B) else VECTORS, shape, self.axes, dtype)
        if p.saved and B not in self.arrays and rng.random() < 0.7:  # else it is anything: a caller may pass that
            found[B] = defined(p.saved, Given({A: found[B]}, self.axes))
        return found

    def along(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of rows in a shape that broadcasts to them."""
        lacks = len(self.shape) - len(shape)
        return tuple(k - lacks for k in self.axes if k >= lacks)

    def given(self) -> dict[int, Values]:
        """The arrays, as their layouts leave them."""
        found = {}
        for at, x in self.values().items():
            layout = self.layouts[at]
            if at == ONE and self.called.numbers:
                layout = replace(layout, repeated=(*layout.repeated, False))
            found[at] = repeat(x, layout)
        if SUMS in self.dtypes:
            (at,) = self.called.logits or (A,)
            known = {A if k == at else k: x for k, x in self.enter(found).items() if k in (at, MASK, TEMPERATURE)}
            of = "row_sums_forward" if self.called.logits else "row_magnitude_forward"
            found[SUMS] = defined(of, Given(known, self.axes, softcap=self.softcap))
            own = np.random.default_rng(self.seed + 1)
            if not self.called.logits:
                with np.errstate(over="ignore"):
                    found[SUMS] = found[SUMS] * found[SUMS].dtype.type(own.choice([1.0, 1.5, 2.0**20]))
            elif self.called.part or own.random() < 0.3:
                found[SUMS] = of_longer_rows(own, found[SUMS], max(self.axes))
        return found

    def enter(self, arrays: Mapping[int, Values]) -> dict[int, Values]:
        """The arrays as the definition is given them: of one dtype."""
        same = {self.dtypes[at] for at in (A, B, ONE) if at in arrays} == {self.dtypes[OUT]}
        as_they_are = {MASK, INDEX, *((A, B, ONE) if same else ())}
        return {at: x if at in as_they_are else cast(x, self.computed) for at, x in arrays.items()}

    def layout_of(self, at: int, x: Values) -> Layout:
        """That of an array, as far as it can have it: numbers that lie together are not swapped, nor is a result repeated."""
        layout, called = self.layouts[at], self.called
        together = at == SUMS or (at == ONE and bool(called.numbers)) or (at == OUT and called.reduces > 1)
        firsts = [np.take(x, [0], axis) for axis in range(x.ndim)]
        repeated = (r and at != OUT and bool(np.all(x == first)) for r, first in zip(layout.repeated, firsts, strict=True))
        return replace(layout, repeated=tuple(repeated), swapped=layout.swapped and not together)

    def fits(self, operand: Operand | None) -> bool:
        """Whether the result can take the memory of the operand at ``in_place``."""
        return (
            operand is not None
            and self.in_place is not None
            and self.called.reduces < 2
            and not (self.in_place == ONE and self.called.numbers)
            and (self.dtypes[self.in_place], operand.shape) == (self.dtypes[OUT], self.shape_of(OUT))
            and not any(self.layouts[self.in_place].repeated)
        )

    def case(self) -> Case:
        """The call, and what it is to leave."""
        operands: list[Operand | None] = [None] * len(PLACES)
        given, buffers = self.given(), list[Values]()
        for at, x in given.items():
            packed = bits(x, together=at == ONE and bool(self.called.numbers))
            operands[at], memory = place(packed, self.dtypes.get(at, "bool"), self.layout_of(at, packed), len(buffers))
            buffers.append(memory)
        entered = Given(self.enter(given), self.axes, self.ignored, self.softcap, self.smoothing)
        result = cast(defined(self.passname, entered), self.dtypes[OUT]).reshape(self.shape_of(OUT))

        if self.in_place is not None and self.fits(operands[self.in_place]):
            operands[OUT] = operands[self.in_place]
        else:
            blank = np.full(result.shape, CANARY, np.uint8).astype(pattern(result.dtype.itemsize))
            operands[OUT], memory = place(blank, self.dtypes[OUT], self.layout_of(OUT, blank), len(buffers))
            buffers.append(memory)
        out = operands[OUT]
        assert out is not None
        want = buffers[out.buffer].copy()
        out.seen(want)[...] = bits(result)
        double, axes = self.computed == "float64", self.axes
        options = self.ignored, self.softcap, self.smoothing
        return Case(str(self), self.passname, double, axes, tuple(operands), tuple(buffers), want, *options)

    def __str__(self) -> str:
        """A name in few words."""
        dtypes = " ".join(f"{PLACES[at]}:{name}" for at, name in sorted(self.dtypes.items()))
        options = f"mask {self.mask} ignored {self.ignored} softcap {self.softcap} smoothing {self.smoothing}"
        options += f" weights {self.weights} indices {self.indices}" if self.called.targets or self.called.several else ""
        return f"{self.passname} {dtypes} {self.shape} axes {self.axes} {options} seed {self.seed}"
