"""Kernels for parts of rows whose index may belong to another part: those of whole rows, with numbers that say so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lsmx._definition.checks import reduced_shape, row_length
from lsmx._definition.ops import NAN, Array
from lsmx._definition.rows import Rows

if TYPE_CHECKING:
    from lsmx._call.loss_kernels import Operands, Runner

INF = float("inf")


def rows_of(given: Operands) -> Rows:
    """The rows of the logits, with results in the format."""
    return Rows.of("z", given.z, given.axes, None).widened()


def within(given: Operands) -> tuple[Operands, Array]:
    """The same with an index within the row where that is in another part; and where it is in this one, or ignored."""
    assert given.index is not None
    xp, index = rows_of(given).ops.xp, given.index
    here = (index >= 0) & (index < row_length(tuple(given.z.shape), given.axes))
    if given.ignored is not None:
        here = here | (index == given.ignored)
    return replace(given, index=xp.where(here, index, xp.zeros_like(index))), here


def log_prob_elsewhere(runner: Runner, passname: str, given: Operands, shape: tuple[int, ...]) -> Array:
    """``log s_i``, -inf where the index is elsewhere."""
    there, here = within(given)
    value = runner.run(passname, there, shape, None)
    ops = rows_of(given).ops
    return ops.xp.asarray(ops.where(here | (value != value), value, -INF))


def log_prob_gradient_elsewhere(runner: Runner, given: Operands, g: Array, out: Array | None) -> Array:
    """``g_c - s_c G``, with ``g_c = 0`` in all of a row whose index is elsewhere."""
    rows, shape = rows_of(given), reduced_shape(tuple(given.z.shape), given.axes, False)
    ops = rows.ops
    g = rows.flush(ops.floating(ops.xp.reshape(g, shape)))
    none = ops.xp.zeros_like(g)
    return gradient_elsewhere(runner, given, [g, none, ops.where(ops.xp.isfinite(g), g, NAN), none], out)


def gradient_elsewhere(runner: Runner, given: Operands, numbers: list[Array], out: Array | None) -> Array:
    """``g_c - s_c G`` of the cotangent at the index, that elsewhere, and their sum in two words, one number a row each."""
    there, here = within(given)
    xp, shape = rows_of(given).ops.xp, reduced_shape(tuple(given.z.shape), given.axes, False)
    at, others, *G = numbers
    at = xp.where(xp.reshape(here, shape), at, others)
    together = xp.stack([xp.broadcast_to(x, shape) for x in (at, others, *G)], axis=-1)
    there = replace(there, index=xp.reshape(there.index, shape), one=None, numbers=together)
    return runner.run("cross_entropy_backward", there, tuple(given.z.shape), out)
