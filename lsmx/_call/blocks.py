"""The definition on a few rows at a time, so that its intermediate arrays stay in the cache: a row's bits are its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from lsmx._call.backend import Kernel
from lsmx._call.family import options_of, suffix_of
from lsmx._call.kernels import FUNCTIONS
from lsmx._call.loss_kernels import LOSSES
from lsmx._definition.checks import check_mask, dtype_name, float_name, native, normal_axes, reduced_shape
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.function import Context, Function, keep, recall, remember
from lsmx._definition.kinds import PER_CLASS, PER_ROW, ROWS, Kind
from lsmx._definition.ops import Array
from lsmx._errors import LsmxError

Found = str | Callable[[], Any]


def kept_axis(shape: tuple[int, ...], axes: tuple[int, ...]) -> int | None:
    """The longest axis that is not reduced, if there is any to split."""
    kept = [i for i in range(len(shape)) if i not in axes and shape[i] > 1]
    return max(kept, key=lambda i: shape[i], default=None)


def refusal(z: Array, axis: Any, block: int) -> str | None:
    """Why splitting would be of no use, or None."""
    shape = tuple(z.shape)
    if math.prod(shape) <= block:
        return f"{math.prod(shape)} elements: no more than one block of {block}"
    if kept_axis(shape, normal_axes(axis, len(shape))) is None:
        return "one row: nothing to split"
    return None


class Split:
    """The slices of an array along its longest kept axis, and of every array that goes with it."""

    def __init__(self, z: Array, axis: Any, block: int) -> None:
        self.shape = tuple(z.shape)
        self.axes = normal_axes(axis, len(self.shape))
        longest = kept_axis(self.shape, self.axes)
        assert longest is not None
        self.axis, n = longest, self.shape[longest]
        step = max(1, block * n // math.prod(self.shape))
        self.slices = [slice(i, min(i + step, n)) for i in range(0, n, step)]

    def cut(self, kind: Kind, x: Array, part: slice) -> Array:
        """The part of an array; numbers a class may be the same for all rows."""
        if kind is PER_CLASS and (len(x.shape) < len(self.shape) or x.shape[self.axis] == 1):
            return x
        return x[self.index(x, part)]

    def index(self, x: Array, part: slice) -> tuple[slice, ...]:
        """The index of the part in ``x``, which may lack the reduced axes."""
        gone = 0 if len(x.shape) == len(self.shape) else sum(a < self.axis for a in self.axes)
        return (slice(None),) * (self.axis - gone) + (part,)

    def fill(self, outs: list[Array | None], run: Callable[[slice], list[Array | None]]) -> None:
        """Fill results with their parts; None stands for a result that is not asked for."""
        for part in self.slices:
            for out, x in zip(outs, run(part), strict=True):
                if out is not None:
                    out[self.index(out, part)] = x


def any_array(_: Array) -> str | None:
    """For libraries whose arrays are all in the host's memory."""
    return None


def row_blocks(xp: Any, block: int, elsewhere: Callable[[Array], str | None] = any_array) -> tuple[Kernel, ...]:
    """Kernels for the library's own functions, forward, backward and JVP: the definition, in blocks.

    Parameters
    ----------
    xp : array namespace
        The array namespace; its arrays can be assigned to.
    block : int
        Elements to take at a time, unless a single row has more; the definition holds some twenty arrays of this size at once.
    elsewhere : callable, optional
        Says why an array is not to be split, as when it is not in the host's memory; or None.

    Returns
    -------
    tuple of Kernel
        For a ``Backend``.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.extend import row_blocks
    >>> kernels = row_blocks(np, block=2**15)
    >>> found = {(k.function, k.direction) for k in kernels}
    >>> found >= {("softmax", "forward"), ("logsumexp", "backward")}
    True
    """
    found: dict[tuple[str, str], Callable[..., Found]] = {}
    for name, function in (FUNCTIONS | LOSSES).items():
        found |= {(name, "forward"): Blocks(xp, block, elsewhere, function, function).forward}
        for rules in filter(None, (function, function.narrow)):
            suffix = "" if rules is function else suffix_of(rules)
            for direction in ("backward", "jvp") if function.gradients else ():
                found[name, f"{direction}{suffix}"] = partial(Blocks(xp, block, elsewhere, function, rules).derivative, direction)
    return tuple(Kernel("row blocks", name, direction, plan) for (name, direction), plan in found.items())


class Blocks:
    """The plans of a function: ``rules`` are its derivatives, of which there may be others for 16 bits."""

    def __init__(
        self, xp: Any, block: int, elsewhere: Callable[[Array], str | None], function: type[Function], rules: type[Function]
    ) -> None:
        self.xp, self.block, self.elsewhere, self.function, self.rules = xp, block, elsewhere, function, rules
        self.kinds = {**function.takes, **function.optional, "output": function.result()}

    def refuse(self, z: Array, axis: Any, where: Array | None, arrays: dict[str, tuple[Kind, Array]]) -> str | None:
        """Why arrays are not taken, or None: what is wrong with them is said by the definition."""
        try:
            reason = self.elsewhere(z) or refusal(z, axis, self.block)
            float_name("z", z)
            if reason is None and where is not None:
                check_mask(where, tuple(z.shape))
            for name, (kind, x) in arrays.items() if reason is None else ():
                kind.check(name, x, z.dtype, tuple(z.shape), normal_axes(axis, len(z.shape)))
        except LsmxError as error:
            return str(error)
        return reason

    def shape_of_result(self, z: Array, axis: Any, arrays: dict[str, Array], keepdims: bool) -> tuple[int, ...]:
        """Of the function's value."""
        if self.function.shaped:
            return tuple(arrays[self.function.shaped].shape)
        shape, result = tuple(z.shape), self.function.result()
        axes = normal_axes(axis, len(shape))
        return reduced_shape(shape, axes, keepdims) if result is PER_ROW else result.shape(shape, axes)

    def empty(self, shape: tuple[int, ...], like: Array, widens: bool) -> Array:
        """A new array with the dtype of another, or in the format that is computed in."""
        name = FORMAT_OF[dtype_name(like.dtype)].dtype
        dtype = getattr(self.xp, name) if widens and dtype_name(like.dtype) != name else native(like.dtype)
        return self.xp.empty(shape, dtype=dtype, device=like.device)

    def parts(self, z: Array, axis: Any, where: Array | None) -> tuple[Split, Callable[[slice], Array | None]]:
        """The slices, and the mask of each."""
        split = Split(z, axis, self.block)
        mask = None if where is None else self.xp.broadcast_to(where, split.shape)
        return split, lambda part: None if mask is None else mask[split.index(mask, part)]

    def cut(self, split: Split, part: slice, given: dict[str, Any]) -> dict[str, Any]:
        """The part of the options that are arrays, and the others."""
        return {name: split.cut(self.kinds[name], x, part) if hasattr(x, "shape") else x for name, x in given.items()}

    def forward(self, ctx: Any, /, *arrays: Array, axis: Any = -1, where: Array | None = None, **options: Any) -> Found:
        """The plan of the value."""
        z, given = arrays[0], dict(zip(self.function.takes, arrays, strict=True))
        every = given | {name: x for name, x in options.items() if hasattr(x, "shape")}
        reason = self.refuse(z, axis, where, {name: (self.kinds[name], x) for name, x in every.items()})
        return reason or partial(self.compute, ctx, arrays, axis, where, options)

    def compute(self, ctx: Any, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any]) -> Array:
        """The value, by its parts."""
        z, given = arrays[0], dict(zip(self.function.takes, arrays, strict=True))
        split, mask = self.parts(z, axis, where)

        def run(part: slice) -> list[Array | None]:
            some = tuple(self.cut(split, part, given).values())
            beside = self.cut(split, part, options)
            if refusal(some[0], axis, self.block):
                return [self.function.forward(Context(), *some, axis=axis, where=mask(part), **beside)]
            return [self.compute(Context(), some, axis, mask(part), beside)]

        shape = self.shape_of_result(z, axis, given, options.get("keepdims", False))
        out = self.empty(shape, z, self.function.widens)
        split.fill([out], run)
        keep(ctx, self.function, arrays, out, axis, where, **options)
        return out

    def derivative(self, direction: str, ctx: Any, /, *vectors: Array | None) -> Found:
        """The plan of a VJP or JVP."""
        axis, where = recall(ctx)
        residual = dict(zip(self.rules.residual, ctx.saved_tensors, strict=True))
        rows = next(x for name, x in residual.items() if self.kinds[name] is ROWS)
        options = {name: getattr(ctx, name) for name in options_of(self.function) if hasattr(ctx, name)}
        every = residual | {name: x for name, x in options.items() if hasattr(x, "shape")}
        checked = {name: (self.kinds[name], x) for name, x in every.items()}
        names = ["grad_output"] if direction == "backward" else [f"tangent of {name}" for name in self.function.gradients]
        given = zip(names, self.vector_kinds(direction), vectors, strict=True)
        checked |= {name: (kind, v) for name, kind, v in given if v is not None}
        needed = getattr(ctx, "needs_input_grad", None)
        reason = self.refuse(rows, axis, where, checked)
        return reason or partial(self.differentiate, direction, residual, vectors, axis, where, options, needed)

    def vector_kinds(self, direction: str) -> list[Kind]:
        """Of the cotangent, or of the tangents."""
        return [self.kinds["output"]] if direction == "backward" else [self.kinds[name] for name in self.function.gradients]

    def differentiate(
        self,
        direction: str,
        residual: dict[str, Array],
        vectors: tuple[Array | None, ...],
        axis: Any,
        where: Array | None,
        options: dict[str, Any],
        needed: tuple[bool, ...] | None,
    ) -> Any:
        """A VJP or JVP, by its parts."""
        rows = next(x for name, x in residual.items() if self.kinds[name] is ROWS)
        split, mask = self.parts(rows, axis, where)
        several = direction == "backward" and len(self.function.gradients) > 1

        def run(part: slice) -> list[Array | None]:
            some = self.cut(split, part, residual)
            vector = [
                None if v is None else split.cut(kind, v, part)
                for kind, v in zip(self.vector_kinds(direction), vectors, strict=True)
            ]
            beside = self.cut(split, part, options)
            if refusal(some[next(iter(some))], axis, self.block):
                inner = Context(*some.values())
                inner.needs_input_grad = needed
                remember(inner, axis, mask(part), **beside)
                found = getattr(self.rules, direction)(inner, *vector)
            else:
                found = self.differentiate(direction, some, tuple(vector), axis, mask(part), beside, needed)
            return list(found) if several else [found]

        if direction == "jvp":
            outs: list[Array | None] = [
                self.empty(self.shape_of_result(rows, axis, residual, options.get("keepdims", False)), rows, self.function.widens)
            ]
        else:
            like = [residual.get(name, rows) for name in self.function.gradients]
            outs = [
                self.empty(tuple(x.shape), x, False) if needed is None or not several or needed[i] else None
                for i, x in enumerate(like)
            ]
        split.fill(outs, run)
        return tuple(outs) if several else outs[0]
