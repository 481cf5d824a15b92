"""log-softmax: ``out = z - lse(z)``, with ``s = exp(out)`` and Jacobian ``I - 1 s^T``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, recall, remember
from lsmx._definition.ops import NAN, Array
from lsmx._definition.rows import Rows


class LogSoftmax(Function):
    """Saves its output and nothing else."""

    absent = -float("inf")

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None) -> Array:
        rows = Rows.of("z", z, axis, where)
        x = rows.enter("z", z, absent=-float("inf"))
        s = rows.sum_exp(x)

        # out = (z - max) - L,  L = ln sum exp(z - max): both parts have one sign, nothing cancels
        L, _ = s.log(rows.ops)
        out = rows.leave((x - s.m) - L, absent=-float("inf"))

        remember(ctx, axis, where)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (output,) = ctx.saved_tensors
        rows = Rows.of("output", output, *recall(ctx))
        g = rows.flush(rows.enter("grad_output", grad_output, absent=0.0))
        s = rows.probability(rows.enter("output", output, absent=-float("inf")))
        G, low = rows.sum(g)

        # dz = g - s * sum(g),  s = 2^k e^r:  g - 2^k (sum(g) + (e^r - 1) sum(g))
        rest = rows.product(s.expm1, G)
        far = g - rows.flush(s.scale(rows.ops, G + rows.flush(rest + low)))
        # where s is near 1, k = 0:  (g - sum(g)) - (s - 1) * sum(g), which does not cancel
        near = rows.minus(g, G, rest, rows.flush(low + rows.product(s.low, G)))
        dz = rows.ops.where(s.k == 0.0, near, rows.flush(far))
        return rows.leave(rows.ops.where(G == G, dz, NAN), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (output,) = ctx.saved_tensors
        rows = Rows.of("output", output, *recall(ctx))
        v = rows.flush(rows.enter("tangent", tangent, absent=0.0))
        s = rows.probability(rows.enter("output", output, absent=-float("inf"))).value(rows.ops)

        # dout = v - sum(s * v)
        return rows.leave(rows.minus(v, *rows.sum(rows.product(s, v))), absent=0.0)

    @staticmethod
    def jacobian(ctx: Any, /) -> Array:
        (output,) = ctx.saved_tensors
        rows = Rows.of("output", output, recall(ctx)[0])
        s = rows.probability(rows.enter("output", output, absent=-float("inf")))
        p = s.value(rows.ops)

        # J = I - 1 s^T:  J_ij = (i == j) - s_j
        _, s_j, diagonal = rows.square(p)
        _, one_minus_s_j, _ = rows.square(rows.ops.where(s.k == 0.0, -s.expm1, 1.0 - p))
        return rows.leave(rows.flush(rows.ops.where(diagonal, one_minus_s_j, -s_j)), absent=0.0)

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, output: Array) -> tuple[Array]:
        # g . J v = sum(g v) - sum(g) sum(s v):  by output, - s v sum(g)
        return (d.times_sum(-d.times_exp(v, output), g),)

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, output: Array) -> tuple[Callable[[Array], Array]]:
        # g - s sum(g):  - s doutput sum(g)
        return (lambda doutput: d.times_sum(-d.times_exp(doutput, output), g),)

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, output: Array) -> tuple[Callable[[Array], Array]]:
        # v - sum(s v):  - sum(s v doutput)
        return (lambda doutput: d.sum(d.times(-d.times_exp(v, output), doutput)),)
