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
    """The rows of an array along some of its axes, without the entries that a mask leaves out.

    A rule takes its arrays in by `enter`, `expand`, `classes` or `chosen`, computes in the format, and hands its result out by
    `leave` or `leave_each`. In between, "one number a row" is an array of the shape of the rows with length 1 along their axes, so
    that it broadcasts to them.

    Attributes
    ----------
    ops : Ops
        The array operations, in the format computed in.
    axes : tuple of int
        Along which rows lie, sorted and not negative.
    shape : tuple of int
        Of the rows' array.
    where : array of bool or None
        Mask: False leaves an entry out.
    dtype : dtype
        Of the result, which is that of the rows' array.
    """

    ops: Ops
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    where: Array | None
    dtype: Any

    @classmethod
    def of(cls, name: str, x: Array, axis: Any, where: Array | None = None) -> Rows:
        """The rows of the argument ``x``, computed in the format of its dtype.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        x : array
            The argument.
        axis : int, tuple of int or None
            As users give it.
        where : array of bool, optional
            Mask, broadcastable to ``x``.

        Returns
        -------
        Rows
            Of ``x``.

        Raises
        ------
        DTypeError
            ``x`` does not hold floats, or ``where`` does not hold bools.
        AxisError
            An axis that there is not.
        ShapeError
            ``where`` does not broadcast to ``x``.
        """
        shape = tuple(x.shape)
        if where is not None:
            check_mask(where, shape)
        ops = ops_for(x, FORMAT_OF[float_name(name, x)])
        return cls(ops, normal_axes(axis, len(shape)), shape, where, native(x.dtype))

    def enter(self, name: str, x: Array, absent: float) -> Array:
        """The argument ``x`` in the format, ``absent`` where the mask leaves it out.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        x : array
            Of the shape of the rows, and of a dtype with their format.
        absent : float
            What stands where the mask is False.

        Returns
        -------
        array
            In the format, of the shape of the rows.

        Raises
        ------
        DTypeError, ShapeError
            Another array than that.
        """
        ops = self.ops
        if not (ops.eager and x.dtype == self.dtype == ops.dtype and tuple(x.shape) == self.shape):
            x = ops.floating(self.check(name, x))
        return self.present(x, absent)

    def leave(self, x: Array, absent: float) -> Array:
        """``x`` in the result's dtype, ``absent`` where the mask leaves it out.

        Parameters
        ----------
        x : array
            In the format, of the shape of the rows.
        absent : float
            What stands where the mask is False.

        Returns
        -------
        array
            In the result's dtype, of the shape of the rows: ``result(present(x, absent))``.
        """
        return self.result(self.present(x, absent))

    def present(self, x: Array, absent: float) -> Array:
        """``x``, ``absent`` where the mask leaves it out.

        Parameters
        ----------
        x : array
            In the format, of the shape of the rows.
        absent : float
            What stands where the mask is False.

        Returns
        -------
        array
            ``where(mask, x, absent)`` in the format.
        """
        return x if self.where is None else self.ops.where(self.where, x, absent)

    def result(self, x: Array) -> Array:
        """``x`` in the result's dtype, with all NaNs replaced by one bit pattern.

        Parameters
        ----------
        x : array
            In the format, of any shape.

        Returns
        -------
        array
            Of the shape of ``x``, in the result's dtype, rounded once.
        """
        ops = self.ops
        if not (ops.eager and x.dtype == self.dtype):
            x = ops.xp.astype(x, self.dtype)
        if self.dtype == ops.dtype:
            x = ops.where(x == x, x, NAN)
        else:
            x = ops.xp.where(x == x, x, ops.xp.asarray(NAN, dtype=self.dtype, device=ops.device))
        return x if self.shape else ops.xp.asarray(x)  # NumPy makes scalars of 0-d arrays

    def max(self, x: Array, empty: float) -> Array:
        """The maximum of each row, ``empty`` for rows without entries, NaN where there is one.

        Parameters
        ----------
        x : array
            In the format, of the shape of the rows.
        empty : float
            The maximum of nothing.

        Returns
        -------
        array
            ``max(x)`` of each row, one number a row.
        """
        (largest,) = self.ops.merged("max", self.max_here(x, empty))
        return largest

    def max_here(self, x: Array, empty: float) -> Array:
        """The maximum of this part of each row alone.

        Parameters
        ----------
        x : array
            In the format, of the shape of the rows.
        empty : float
            The maximum of nothing.

        Returns
        -------
        array
            In the format, one number a row: the axes of the rows have length 1.
        """
        if row_length(self.shape, self.axes) == 0:
            return self.ops.xp.sum(x, axis=self.axes, keepdims=True) + empty
        return self.ops.xp.max(x, axis=self.axes, keepdims=True)

    def any(self, x: Array) -> Array:
        """Whether there is a True in each row.

        Parameters
        ----------
        x : array of bool
            Of the shape of the rows.

        Returns
        -------
        array of bool
            One a row: the axes of the rows have length 1.
        """
        (found,) = self.ops.merged("any", self.ops.xp.any(x, axis=self.axes, keepdims=True))
        return found

    def count(self, x: Array) -> Array:
        """How many are True in each row.

        Parameters
        ----------
        x : array of bool
            Of the shape of the rows.

        Returns
        -------
        array of int
            One number a row, in the widest integer dtype.
        """
        (found,) = self.ops.merged("sum", self.count_here(x))
        return found

    def count_here(self, x: Array) -> Array:
        """How many are True in this part of each row alone.

        Parameters
        ----------
        x : array of bool
            Of the shape of the rows.

        Returns
        -------
        array of int
            One number a row, in the widest integer dtype.
        """
        return self.ops.xp.sum(self.ops.integer(x), axis=self.axes, keepdims=True, dtype=self.ops.integers[0])

    def whole(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The shape of whole rows, where those of a computation are parts.

        Parameters
        ----------
        shape : tuple of int
            Of the part.

        Returns
        -------
        tuple of int
            ``shape`` itself where rows are whole.
        """
        return shape if self.ops.part is None else self.ops.part.shape

    @property
    def length(self) -> Any:
        """Elements of a whole row."""
        return row_length(self.whole(self.shape), self.axes)

    def sum(self, v: Array) -> Words:
        """The exact sum of each row as a double word; NaN where an entry, or the sum, is not finite.

        Parameters
        ----------
        v : array
            In the format, of the shape of the rows; absent entries 0.

        Returns
        -------
        tuple of array
            ``high + low = sum(v)``, one number a row each: ``high`` is the sum rounded, ``low`` what that lacks.
        """
        ops = self.ops
        if ops.part is not None and ops.part.row_sum is not None and self.axes:
            return ops.part.row_sum(v, self.axes, None)
        largest = self.max(ops.xp.abs(v), empty=0.0)
        finite = ops.xp.isfinite(largest)
        high, low = sums.exact_sum(ops, ops.where(finite, v, 0.0), ops.where(finite, largest, 0.0), self.axes)
        return ops.where(finite & ops.xp.isfinite(high), high, NAN), low

    def two_largest(self, x: Array) -> tuple[Array, Array]:
        """The two largest of each row, equal ones counted twice; -inf where a row has fewer than two.

        Parameters
        ----------
        x : array
            In the format, of the shape of the rows.

        Returns
        -------
        tuple of array
            The maximum and the second largest, one number a row each.
        """
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

        Parameters
        ----------
        x : array
            Logits in the format, of the shape of the rows; absent ones ``-inf``.
        parts : array, optional
            What `row_sums` gave for the same logits.

        Returns
        -------
        SumExp
            With ``m``, ``defined`` (where ``m`` is finite), the terms ``exp(x - m)``, and ``log(ops)`` and ``reciprocal(ops)`` of
            the sum in two words, one number a row each.
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
        """What `row_sums` gives of whole rows, by kernels on the part ``x``; None if rows are whole or there are no kernels.

        Parameters
        ----------
        x : array
            In the format, of the shape of the rows.

        Returns
        -------
        list of array or None
            Four, one number a row each.
        """
        part = self.ops.part
        return None if part is None or part.row_sums is None else part.row_sums(x, self.axes)

    def parts(self, x: Array, name: str = "row_sums") -> list[Array]:
        """The numbers of an array as `row_sums` gives it, one array for each.

        Parameters
        ----------
        x : array
            Of the kind ``ROW_SUMS``: four numbers a row, along the last of the axes.
        name : str, default "row_sums"
            Of the argument, for messages.

        Returns
        -------
        list of array
            Four, one number a row each, in the format.
        """
        x = self.ops.floating(self.check(name, x, ROW_SUMS))
        return parts_of(x, max(self.axes))

    def probability(self, log_p: Array) -> exp.Exponential:
        """``exp(log_p)``; NaN where ``log_p`` is NaN, or far too large for the logarithm of a probability.

        Parameters
        ----------
        log_p : array
            Logarithms in the format, of any shape.

        Returns
        -------
        Exponential
            ``exp(log_p)`` as ``2^k e^r``; its ``value(ops)`` is an array of the shape of ``log_p``, 0 where the logarithm is below
            the format's ``underflow``.
        """
        ops = self.ops
        valid = log_p <= -ops.format.underflow
        log_p = self.flush(ops.where(valid, log_p, 0.0))
        p = exp.exp(ops, (log_p, ops.xp.zeros_like(log_p)))
        return p._replace(expm1=ops.where(valid, p.expm1, NAN))

    def flush(self, x: Array) -> Array:
        """``x``, but +0 where it is -0 or below twice the least normal number.

        Parameters
        ----------
        x : array
            In the format, of any shape.

        Returns
        -------
        array
            Of the shape of ``x``, in the format.
        """
        return self.ops.flush(x)

    def product(self, a: Array, b: Array) -> Array:
        """``a * b`` rounded on its own, flushed.

        Parameters
        ----------
        a : array
            In the format.
        b : array
            In the format, of a shape that broadcasts with ``a``.

        Returns
        -------
        array
            ``flush(a * b)``, in the format, of the shapes broadcast together.
        """
        return self.flush(self.ops.rounded(a * b))

    def minus(self, a: Array, *terms: Array) -> Array:
        """``a`` less ``terms``, of which the last is small: rounding errors are summed in a second word and added at the end.

        Rounding errors that would be subnormal count as 0, as some hardware flushes them.

        Parameters
        ----------
        a : array
            In the format, of the shape of the rows.
        *terms : array
            What is taken away, such as both words of `sum`: of shapes that broadcast to ``a``.

        Returns
        -------
        array
            ``a - sum(terms)``, in the format, flushed, of the shapes broadcast together.
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
        """The argument ``x``, which must be of a kind that goes with these rows.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        x : array
            The argument.
        kind : Kind, default ROWS
            What it has to be.

        Returns
        -------
        array
            ``x`` itself.

        Raises
        ------
        DTypeError, ShapeError
            It is of no such kind.
        """
        if kind is ROWS and x.dtype == self.dtype and tuple(x.shape) == self.shape:
            return x
        kind.check(name, x, self.dtype, self.shape, self.axes)
        return x

    def expand(self, name: str, x: Array) -> Array:
        """The argument ``x``, one number a row, in the format, with its axes of length 1 put back.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        x : array
            Of the kind ``PER_ROW``: with or without the axes of the rows.

        Returns
        -------
        array
            In the format, one number a row: the axes of the rows have length 1.

        Raises
        ------
        DTypeError, ShapeError
            It is of no such kind.
        """
        x = self.ops.floating(self.check(name, x, PER_ROW))
        return self.ops.xp.reshape(x, reduced_shape(self.shape, self.axes, keepdims=True))

    def classes(self, name: str, x: Array) -> Array:
        """The argument ``x``, one number a class, in the format, so that it broadcasts to the rows.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        x : array
            Of the kind ``PER_CLASS``.

        Returns
        -------
        array
            In the format, of length 1 along the axes that are not the rows'.

        Raises
        ------
        DTypeError, ShapeError
            It is of no such kind.
        """
        x = self.ops.floating(self.check(name, x, PER_CLASS))
        return self.ops.xp.reshape(x, PER_CLASS.aligned(tuple(x.shape), len(self.shape), self.axes))

    def chosen(self, name: str, index: Array) -> Array:
        """A mask that is True at ``index`` of each row, and False in all of a row whose index is outside of it.

        Parameters
        ----------
        name : str
            Of the argument, for messages.
        index : array of int
            Of the kind ``INDEX``: along the axes of the rows flattened.

        Returns
        -------
        array of bool
            ``places == index``, of the shape of the rows.

        Raises
        ------
        DTypeError, ShapeError
            It is of no such kind.
        """
        index = self.ops.integer(self.check(name, index, INDEX))
        index = self.ops.xp.reshape(index, reduced_shape(self.shape, self.axes, keepdims=True))
        return self.places(index.dtype) == index

    def places(self, dtype: Any) -> Array:
        """The place of each element in its row: along the reduced axes flattened.

        Parameters
        ----------
        dtype : dtype
            An integer dtype of the library.

        Returns
        -------
        array of int
            0, 1, ... in C order of the rows' axes; length 1 along the others.
        """
        xp, whole, part = self.ops.xp, self.whole(self.shape), self.ops.part
        place, step = xp.zeros((1,) * len(self.shape), dtype=dtype, device=self.ops.device), 1
        for a in reversed(self.axes):
            along = xp.arange(self.shape[a], dtype=dtype, device=self.ops.device)
            along = along if part is None else along + part.start[a]
            place = place + xp.reshape(along * step, tuple(s if i == a else 1 for i, s in enumerate(self.shape)))
            step = step * whole[a]
        return place

    def inside(self, index: Array) -> Array:
        """Whether the index of each row is inside of it.

        Parameters
        ----------
        index : array of int
            One a row, with or without the axes of the rows.

        Returns
        -------
        array of bool
            ``0 <= index < length``, one a row: the axes of the rows have length 1.
        """
        index = self.ops.xp.reshape(self.ops.integer(index), reduced_shape(self.shape, self.axes, keepdims=True))
        return (index >= 0) & (index < self.length)

    def pick(self, chosen: Array, x: Array) -> Array:
        """The element of each row of ``x`` where ``chosen`` is True: NaN in a row where it is nowhere.

        Parameters
        ----------
        chosen : array of bool
            True once in each row at most, as `chosen` gives it.
        x : array
            In the format, of the shape of the rows.

        Returns
        -------
        array
            ``x`` where ``chosen`` is True, flushed: in the format, one number a row.
        """
        return self.flush(self.picks(chosen, self.any(chosen), x)[0])

    def picks(self, chosen: Array, inside: Array, *arrays: Array) -> list[Array]:
        """The elements of arrays where ``chosen`` is True, bit for bit; NaN in rows that are not ``inside``: there it is False.

        Parameters
        ----------
        chosen : array of bool
            True once in each row at most, as `chosen` gives it.
        inside : array of bool
            One a row, as `inside` gives it.
        *arrays : array
            In the format, of the shape of the rows.

        Returns
        -------
        list of array
            One for each of ``arrays``: in the format, one number a row.
        """
        ops, none = self.ops, -float("inf")
        values = ops.merged("max", *[self.max_here(ops.where(chosen, x, none), empty=none) for x in arrays])
        return [ops.where(inside, value, NAN) for value in values]

    def widened(self) -> Rows:
        """The same with results in the format: not rounded to 16 bits.

        Returns
        -------
        Rows
            The same rows, whose ``dtype`` is float32 or float64.
        """
        return self if self.dtype == self.ops.dtype else replace(self, dtype=self.ops.dtype)

    def leave_each(self, x: Array, keepdims: bool = False) -> Array:
        """``x``, one number a row, in the result's dtype and shape.

        Parameters
        ----------
        x : array
            In the format, one number a row.
        keepdims : bool, default False
            Whether the axes of the rows stay, with length 1.

        Returns
        -------
        array
            In the result's dtype; without the axes of the rows unless ``keepdims``.
        """
        x = self.ops.xp.reshape(self.result(x), reduced_shape(self.shape, self.axes, keepdims))
        return self.ops.xp.asarray(x)  # NumPy makes scalars of 0-d arrays

    def square(self, s: Array) -> tuple[Array, Array, Array]:
        """``(s_i, s_j, i == j)`` over the reduced axes flattened to one: shapes ``(..., n, 1)``, ``(..., 1, n)``, ``(n, n)``.

        Parameters
        ----------
        s : array
            In the format, of the shape of the rows.

        Returns
        -------
        tuple of array
            Of these shapes, the last of bools: what a Jacobian ``(..., n, n)`` is made of.
        """
        xp = self.ops.xp
        kept = tuple(i for i in range(len(self.shape)) if i not in self.axes)
        n = row_length(self.shape, self.axes)
        s = xp.reshape(xp.permute_dims(s, (*kept, *self.axes)), (*(self.shape[i] for i in kept), n))
        index = xp.arange(n, device=self.ops.device)
        return s[..., :, None], s[..., None, :], index[:, None] == index[None, :]
