"""The definition on a few rows at a time, so that its intermediate arrays stay in the cache: a row's bits are its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from lsmx._call.backend import Kernel
from lsmx._call.family import suffix_of
from lsmx._call.kernels import FUNCTIONS
from lsmx._definition.checks import native, normal_axes, reduced_shape
from lsmx._definition.function import Context, Function, keep, recall, remember
from lsmx._definition.kinds import PER_ROW, ROWS
from lsmx._definition.ops import Array
from lsmx._definition.rows import Rows


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

    def index(self, x: Array, part: slice) -> tuple[slice, ...]:
        """Where the part is in ``x``, which may lack the reduced axes."""
        gone = 0 if len(x.shape) == len(self.shape) else sum(a < self.axis for a in self.axes)
        return (slice(None),) * (self.axis - gone) + (part,)

    def fill(self, out: Array, run: Callable[[slice], Array]) -> Array:
        """``out`` from its parts."""
        for part in self.slices:
            out[self.index(out, part)] = run(part)
        return out


def any_array(_: Array) -> str | None:
    """For libraries whose arrays are all in the host's memory."""
    return None


def row_blocks(xp: Any, block: int, elsewhere: Callable[[Array], str | None] = any_array) -> tuple[Kernel, ...]:
    """Kernels for the library's own functions, forward, backward and JVP: the definition, in blocks.

    Parameters
    ----------
    xp
        The array namespace; its arrays can be assigned to.
    block
        Elements to take at a time, if a row has no more; the definition holds some twenty arrays of this size at once.
    elsewhere
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
    >>> {(k.function, k.direction) for k in kernels} >= {("softmax", "forward"), ("logsumexp", "backward")}
    True
    """
    found: dict[tuple[str, str], Callable[..., str | Callable[[], Array]]] = {}
    for name, function in FUNCTIONS.items():
        found |= {(name, "forward"): forward_plan(xp, block, function, elsewhere)}
        for rules in filter(None, (function, function.narrow)):
            suffix = "" if rules is function else suffix_of(rules)
            for direction in ("backward", "jvp"):
                found[name, f"{direction}{suffix}"] = derivative_plan(xp, block, rules, function.reduces, direction, elsewhere)
    return tuple(Kernel("row blocks", name, direction, plan) for (name, direction), plan in found.items())


def forward_plan(
    xp: Any, block: int, function: type[Function], elsewhere: Callable[[Array], str | None]
) -> Callable[..., str | Callable[[], Array]]:
    """The plan of a function's forward pass."""

    def forward(ctx: Any, z: Array, axis: Any, where: Array | None, options: dict[str, Any]) -> Array:
        Rows.of("z", z, axis, where)
        split = Split(z, axis, block)
        mask = None if where is None else xp.broadcast_to(where, split.shape)

        def run(part: slice) -> Array:
            at = split.index(z, part)
            some = None if mask is None else mask[at]
            if refusal(z[at], axis, block):
                return function.forward(Context(), z[at], axis=axis, where=some, **options)
            return forward(Context(), z[at], axis, some, options)

        shape = reduced_shape(split.shape, split.axes, options.get("keepdims", False)) if function.reduces else split.shape
        out = split.fill(xp.empty(shape, dtype=native(z.dtype), device=z.device), run)
        keep(ctx, function, (z,), out, axis, where, **options)
        return out

    def plan(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, **options: Any) -> Any:
        return elsewhere(z) or refusal(z, axis, block) or partial(forward, ctx, z, axis, where, options)

    return plan


def derivative_plan(
    xp: Any, block: int, rules: type[Function], reduces: bool, direction: str, elsewhere: Callable[[Array], str | None]
) -> Callable[..., str | Callable[[], Array]]:
    """The plan of a function's backward pass or JVP, at the one array of a residual."""
    rule = getattr(rules, direction)

    def derivative(ctx: Any, vector: Array) -> Array:
        axis, where = recall(ctx)
        (y,) = ctx.saved_tensors
        rows = Rows.of(rules.residual[0], y, axis, where)
        if direction == "backward":
            rows.check("grad_output", vector, PER_ROW if reduces else ROWS)
        else:
            rows.check("tangent", vector)
        split = Split(y, axis, block)
        mask = None if where is None else xp.broadcast_to(where, split.shape)
        keepdims = {"keepdims": True} if getattr(ctx, "keepdims", False) else {}

        def one(part: slice) -> Array:
            inner = Context(y[split.index(y, part)])
            remember(inner, axis, None if mask is None else mask[split.index(mask, part)], **keepdims)
            some = vector[split.index(vector, part)]
            if refusal(inner.saved_tensors[0], axis, block):
                result: Array = rule(inner, some)
                return result
            return derivative(inner, some)

        one_each = reduces and direction == "jvp"
        shape = reduced_shape(split.shape, split.axes, bool(keepdims)) if one_each else split.shape
        return split.fill(xp.empty(shape, dtype=native(y.dtype), device=y.device), one)

    def plan(ctx: Any, vector: Array, /) -> Any:
        (y,) = ctx.saved_tensors
        return elsewhere(y) or refusal(y, recall(ctx)[0], block) or partial(derivative, ctx, vector)

    return plan
