"""softmax: ``s = exp(z - lse(z))``, with Jacobian ``S - s s^T``, which is symmetric: ``S = diag(s)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, recall, remember
from lsmx._definition.ops import NAN, Array
from lsmx._definition.rows import Rows, SumExp


class Softmax(Function):
    """Saves its output and nothing else."""

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None) -> Array:
        rows = Rows.of("z", z, axis, where)
        x = rows.enter("z", z, absent=-float("inf"))
        out = rows.leave(softmax_of(rows, x, rows.sum_exp(x)), absent=0.0)

        remember(ctx, axis, where)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        return times_jacobian(ctx, "grad_output", grad_output)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        return times_jacobian(ctx, "tangent", tangent)

    @staticmethod
    def jacobian(ctx: Any, /) -> Array:
        (output,) = ctx.saved_tensors
        rows = Rows.of("output", output, recall(ctx)[0])

        # J = S - s s^T:  J_ij = s_i (i == j) - s_i s_j
        s_i, s_j, diagonal = rows.square(rows.enter("output", output, absent=0.0))
        return rows.leave(rows.ops.where(diagonal, rows.product(s_i, 1.0 - s_j), rows.product(-s_i, s_j)), absent=0.0)

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, output: Array) -> tuple[Array]:
        # g . J v = sum(s v g) - sum(s v) sum(s g):  by s, v g - v sum(s g) - g sum(s v)
        return (d.minus(d.times(v, d.minus(g, d.sum(d.times(output, g)))), d.times(g, d.sum(d.times(output, v)))),)

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, output: Array) -> tuple[Callable[[Array], Array]]:
        # s (g - sum(s g)):  ds (g - sum(s g)) - s sum(g ds)
        def change(ds: Array) -> Array:
            return d.minus(d.times(ds, d.minus(g, d.sum(d.times(output, g)))), d.times(output, d.sum(d.times(g, ds))))

        return (change,)

    jvp_along = backward_along


def softmax_of(rows: Rows, x: Array, sum_exp: SumExp) -> Array:
    """The probabilities of logits in the format, from the sum of their exponentials; NaN where that is undefined.

    Parameters
    ----------
    rows : Rows
        The rows.
    x : array
        The logits as `Rows.enter` gives them, absent ones ``-inf``.
    sum_exp : SumExp
        What `Rows.sum_exp` gave for ``x``.

    Returns
    -------
    array
        ``exp(x - m) / sum(exp(x - m))`` in the format, of the shape of the rows.
    """
    ops, terms = rows.ops, sum_exp.terms

    # s = 2^k (1/sum + (e^r - 1)/sum),  exp(z - max) = 2^k e^r;  zero where exp(log_softmax) would be
    w, low = sum_exp.reciprocal(ops)
    s = terms.scale(ops, w + (ops.rounded(terms.expm1 * w) + low))
    log_s = (x - sum_exp.m) - sum_exp.log(ops)[0]
    s = ops.where(log_s > ops.format.underflow, s, 0.0)
    return ops.where(sum_exp.defined, s, NAN)


def times_jacobian(ctx: Any, name: str, v: Array) -> Array:
    """``(S - s s^T) v``: VJP and JVP in one, as the Jacobian is symmetric."""
    (output,) = ctx.saved_tensors
    rows = Rows.of("output", output, *recall(ctx))
    v = rows.flush(rows.enter(name, v, absent=0.0))
    s = rows.flush(rows.enter("output", output, absent=0.0))

    # s * (v - sum(v * s))
    return rows.leave(rows.product(s, rows.minus(v, *rows.sum(rows.product(v, s)))), absent=0.0)
