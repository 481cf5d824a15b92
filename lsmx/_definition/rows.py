"""The rows of an array: everything that the functions share, so that each of them is its formula and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lsmx._definition import exp, log, sums
from lsmx._definition.checks import check_mask, float_name, native, normal_axes, reduced_shape, row_length
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.kinds import INDEX, PARTS, PER_CLASS, PER_ROW, ROW_SUMS, ROWS, Kind
from lsmx._definition.ops import NAN, Array, Ops, ops_for
from lsmx._definition.words import Words, two_sum


class SumExp(NamedTuple):
    """``sum(exp(x - m))`` of each row as ``1 + R``, with the terms that it was made of."""

    m: Array  # the row's maximum; 0 where that is not finite
    defined: Array  # where the maximum is finite
    maximum: Array  # the row's maximum, finite or not
    terms: exp.Exponential  # exp(x - m)
    second: Array  # the second largest logit, and its term
    t2: Array
    rest: Words  # R
    total: log.Normal  # 1 + R

    def log(self, ops: Ops) -> Words:
        """Its logarithm, NaN where undefined."""
        high, low = log.log(ops, self.total)
        return ops.where(self.defined, high, NAN), low

    def reciprocal(self, ops: Ops) -> Words:
        """One over it."""
        return log.reciprocal(ops, self.total)


class Second(NamedTuple):
    """The second largest logit of each row, whose term ``exp(z2 - m)`` sets the grid of the sum."""

    defined: Array  # where the maximum is finite
    m: Array  # the maximum and the second largest logit, 0 where the maximum is not finite
    logit: Array
    term: exp.Exponential  # exp(z2 - m)

    @classmethod
    def of(cls, ops: Ops, maximum: Array, second: Array) -> Second:
        """From the two largest logits."""
        defined = ops.xp.isfinite(maximum)
        m, second = ops.where(defined, maximum, 0.0), ops.where(defined, second, 0.0)
        return cls(defined, m, second, exp.exp(ops, exp.difference(ops, second, m)))


def parts_of(x: Array, axis: int) -> list[Array]:
    """The `PARTS` numbers of each row that lie along an axis, one array for each."""
    at = (slice(None),) * axis
    return [x[(*at, slice(k, k + 1), ...)] for k in range(PARTS)]


def together(ops: Ops, parts: Sequence[Array], axis: int, ndim: int) -> Array:
    """The reverse of ``parts_of``: numbers of each row, one after the other along an axis, filled up with zeros to `PARTS`."""
    none: list[Array] = [ops.xp.zeros_like(parts[0])] * (PARTS - len(parts))
    first, *others = (*parts, *none)
    number = ops.xp.arange(PARTS, device=ops.device)
    number = ops.xp.reshape(number, tuple(PARTS if i == axis else 1 for i in range(ndim)))
    for k, part in enumerate(others, 1):
        first = ops.xp.where(number == k, part, first)
    return first


@dataclass(frozen=True)
class Rows:
    """The rows of an array along some of its axes, without the entries that a mask leaves out."""

    ops: Ops
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    where: Array | None
    dtype: Any

    @classmethod
    def of(cls, name: str, x: Array, axis: Any, where: Array | None = None) -> Rows:
        """The rows of the argument ``x``, computed in the format of its dtype."""
        shape = tuple(x.shape)
        if where is not None:
            check_mask(where, shape)
        ops = ops_for(x, FORMAT_OF[float_name(name, x)])
        return cls(ops, normal_axes(axis, len(shape)), shape, where, native(x.dtype))

    def enter(self, name: str, x: Array, absent: float) -> Array:
        """The argument ``x`` in the format, ``absent`` where the mask leaves it out."""
        ops = self.ops
        if not (ops.eager and x.dtype == self.dtype == ops.dtype and tuple(x.shape) == self.shape):
            x = ops.floating(self.check(name, x))
        return self.present(x, absent)

    def leave(self, x: Array, absent: float) -> Array:
        """``x`` in the result's dtype, ``absent`` where the mask leaves it out."""
        return self.result(self.present(x, absent))

    def present(self, x: Array, absent: float) -> Array:
        """``x``, ``absent`` where the mask leaves it out."""
        return x if self.where is None else self.ops.where(self.where, x, absent)

    def result(self, x: Array) -> Array:
        """``x`` in the result's dtype, with all NaNs replaced by one bit pattern."""
        ops = self.ops
        if not (ops.eager and x.dtype == self.dtype):
            x = ops.xp.astype(x, self.dtype)
        if self.dtype == ops.dtype:
            x = ops.where(x == x, x, NAN)
        else:
            x = ops.xp.where(x == x, x, ops.xp.asarray(NAN, dtype=self.dtype, device=ops.device))
        return x if self.shape else ops.xp.asarray(x)  # NumPy makes scalars of 0-d arrays

    def max(self, x: Array, empty: float) -> Array:
        """The maximum of each row, ``empty`` for rows without entries, NaN where there is one."""
        (largest,) = self.ops.merged("max", self.max_here(x, empty))
        return largest

    def max_here(self, x: Array, empty: float) -> Array:
        """The same of this part of the row alone."""
        if row_length(self.shape, self.axes) == 0:
            return self.ops.xp.sum(x, axis=self.axes, keepdims=True) + empty
        return self.ops.xp.max(x, axis=self.axes, keepdims=True)

    def any(self, x: Array) -> Array:
        """Whether there is a True in each row."""
        (found,) = self.ops.merged("any", self.ops.xp.any(x, axis=self.axes, keepdims=True))
        return found

    def count(self, x: Array) -> Array:
        """How many are True in each row."""
        (found,) = self.ops.merged("sum", self.count_here(x))
        return found

    def count_here(self, x: Array) -> Array:
        """The same of this part of the row alone."""
        return self.ops.xp.sum(self.ops.integer(x), axis=self.axes, keepdims=True, dtype=self.ops.integers[0])

    def whole(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The shape of whole rows."""
        return shape if self.ops.part is None else self.ops.part.shape

    @property
    def length(self) -> Any:
        """Elements of a whole row."""
        return row_length(self.whole(self.shape), self.axes)

    def sum(self, v: Array) -> Words:
        """The exact sum of each row as a double word; NaN where an entry, or the sum, is not finite."""
        ops = self.ops
        if ops.part is not None and ops.part.row_sum is not None and self.axes:
            return ops.part.row_sum(v, self.axes, None)
        largest = self.max(ops.xp.abs(v), empty=0.0)
        finite = ops.xp.isfinite(largest)
        high, low = sums.exact_sum(ops, ops.where(finite, v, 0.0), ops.where(finite, largest, 0.0), self.axes)
        return ops.where(finite & ops.xp.isfinite(high), high, NAN), low

    def two_largest(self, x: Array) -> tuple[Array, Array]:
        """The two largest of each row, equal ones counted twice; -inf where a row has fewer than two."""
        ops, none = self.ops, -float("inf")
        m = self.max_here(x, empty=none)
        largest = x == m
        second = ops.xp.where(self.count_here(largest) > 1, m, self.max_here(ops.where(largest, none, x), empty=none))
        m, second = ops.merged("two largest", m, second)
        return m, second

    def sum_exp(self, x: Array, parts: Array | None = None) -> SumExp:
        """``sum(exp(x - m))``, ``m = max(x)``: 1 + R with ``R = sum(t(min(x, z2))) - t(z2)``, ``t(x) = exp(x - m)``.

        ``z2`` is the second largest logit; the largest power of two up to ``t(z2)`` sets the grid of the sum. ``parts`` are what
        `row_sums` found of the rows before, from which the sum is taken if they are given.
        """
        ops = self.ops
        given = self.found_by_kernels(x) if parts is None else self.parts(parts)
        maximum, second = self.two_largest(x) if given is None else given[:2]
        defined, m, second, top = Second.of(ops, maximum, second)
        x = ops.where(defined, x, 0.0)
        terms = exp.exp(ops, exp.difference(ops, x, m))
        t2 = top.value(ops)
        if given is None:
            t = ops.xp.where(x > second, t2, terms.value(ops))
            high, low = sums.rest_of_sum(ops, t, t2, top.exponent(ops), self.axes)
            rest = ops.where(defined, high, 0.0), ops.where(defined, low, 0.0)
        else:
            rest = given[2], given[3]
        return SumExp(m, defined, maximum, terms, second, t2, rest, log.normalise(ops, rest))

    def found_by_kernels(self, x: Array) -> list[Array] | None:
        """What `row_sums` gives of whole rows, by kernels on the part ``x``; None if rows are whole or there are no kernels."""
        part = self.ops.part
        return None if part is None or part.row_sums is None else part.row_sums(x, self.axes)

    def parts(self, x: Array, name: str = "row_sums") -> list[Array]:
        """The numbers of an array as `row_sums` gives it, one array for each."""
        x = self.ops.floating(self.check(name, x, ROW_SUMS))
        return parts_of(x, max(self.axes))

    def probability(self, log_p: Array) -> exp.Exponential:
        """``exp(log_p)``; NaN where ``log_p`` is NaN, or far too large for the logarithm of a probability."""
        ops = self.ops
        valid = log_p <= -ops.format.underflow
        log_p = self.flush(ops.where(valid, log_p, 0.0))
        p = exp.exp(ops, (log_p, ops.xp.zeros_like(log_p)))
        return p._replace(expm1=ops.where(valid, p.expm1, NAN))

    def flush(self, x: Array) -> Array:
        """``x``, but +0 where it is -0 or below twice the least normal number."""
        return self.ops.flush(x)

    def product(self, a: Array, b: Array) -> Array:
        """``a * b`` rounded on its own, flushed."""
        return self.flush(self.ops.rounded(a * b))

    def minus(self, a: Array, *terms: Array) -> Array:
        """``a`` less ``terms``, of which the last is small: rounding errors are summed in a second word and added at the end.

        Rounding errors that would be subnormal count as 0, as some hardware flushes them.
        """
        ops, fmt = self.ops, self.ops.format
        least = 2.0 ** (fmt.tiny + fmt.precision + 1)
        *large, small = map(self.flush, terms)
        low = -small
        for term in large:
            exact = (ops.xp.abs(a) >= least) & (ops.xp.abs(term) >= least)
            a, error = two_sum(a, -term)
            a, low = self.flush(a), low + ops.where(exact, error, 0.0)
        return self.flush(a + low)

    def check(self, name: str, x: Array, kind: Kind = ROWS) -> Array:
        """The argument ``x``, which must be of a kind that goes with these rows."""
        if kind is ROWS and x.dtype == self.dtype and tuple(x.shape) == self.shape:
            return x
        kind.check(name, x, self.dtype, self.shape, self.axes)
        return x

    def expand(self, name: str, x: Array) -> Array:
        """The argument ``x``, one number a row, in the format, with its axes of length 1 put back."""
        x = self.ops.floating(self.check(name, x, PER_ROW))
        return self.ops.xp.reshape(x, reduced_shape(self.shape, self.axes, keepdims=True))

    def classes(self, name: str, x: Array) -> Array:
        """The argument ``x``, one number a class, in the format, so that it broadcasts to the rows."""
        x = self.ops.floating(self.check(name, x, PER_CLASS))
        return self.ops.xp.reshape(x, PER_CLASS.aligned(tuple(x.shape), len(self.shape), self.axes))

    def chosen(self, name: str, index: Array) -> Array:
        """A mask that is True at ``index`` of each row, and False in all of a row whose index is outside of it."""
        index = self.ops.integer(self.check(name, index, INDEX))
        index = self.ops.xp.reshape(index, reduced_shape(self.shape, self.axes, keepdims=True))
        return self.places(index.dtype) == index

    def places(self, dtype: Any) -> Array:
        """The place of each element in its row: along the reduced axes flattened."""
        xp, whole, part = self.ops.xp, self.whole(self.shape), self.ops.part
        place, step = xp.zeros((1,) * len(self.shape), dtype=dtype, device=self.ops.device), 1
        for a in reversed(self.axes):
            along = xp.arange(self.shape[a], dtype=dtype, device=self.ops.device)
            along = along if part is None else along + part.start[a]
            place = place + xp.reshape(along * step, tuple(s if i == a else 1 for i, s in enumerate(self.shape)))
            step = step * whole[a]
        return place

    def inside(self, index: Array) -> Array:
        """Whether the index of each row is inside of it; of the rows' shape, with length 1 along the reduced axes."""
        index = self.ops.xp.reshape(index, reduced_shape(self.shape, self.axes, keepdims=True))
        return (index >= 0) & (index < self.length)

    def pick(self, chosen: Array, x: Array) -> Array:
        """The element of each row of ``x`` where ``chosen`` is True: NaN in a row where it is nowhere."""
        return self.flush(self.picks(chosen, self.any(chosen), x)[0])

    def picks(self, chosen: Array, inside: Array, *arrays: Array) -> list[Array]:
        """The elements of arrays where ``chosen`` is True, bit for bit; NaN in rows that are not ``inside``: there it is False."""
        ops, none = self.ops, -float("inf")
        values = ops.merged("max", *[self.max_here(ops.where(chosen, x, none), empty=none) for x in arrays])
        return [ops.where(inside, value, NAN) for value in values]

    def widened(self) -> Rows:
        """The same with results in the format: not rounded to 16 bits."""
        return self if self.dtype == self.ops.dtype else replace(self, dtype=self.ops.dtype)

    def leave_each(self, x: Array, keepdims: bool = False) -> Array:
        """``x``, one number a row, in the result's dtype and shape."""
        x = self.ops.xp.reshape(self.result(x), reduced_shape(self.shape, self.axes, keepdims))
        return self.ops.xp.asarray(x)  # NumPy makes scalars of 0-d arrays

    def square(self, s: Array) -> tuple[Array, Array, Array]:
        """``(s_i, s_j, i == j)`` over the reduced axes flattened to one: shapes ``(..., n, 1)``, ``(..., 1, n)``, ``(n, n)``."""
        xp = self.ops.xp
        kept = tuple(i for i in range(len(self.shape)) if i not in self.axes)
        n = row_length(self.shape, self.axes)
        s = xp.reshape(xp.permute_dims(s, (*kept, *self.axes)), (*(self.shape[i] for i in kept), n))
        index = xp.arange(n, device=self.ops.device)
        return s[..., :, None], s[..., None, :], index[:, None] == index[None, :]
