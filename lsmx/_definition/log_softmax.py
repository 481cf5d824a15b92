"""log-softmax: ``out = z - lse(z)``, with ``s = exp(out)`` and Jacobian ``I - 1 s^T``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.function import Function, OfParts, recall, remember
from lsmx._definition.kinds import ROW_SUMS
from lsmx._definition.ops import NAN, Array
from lsmx._definition.rows import Rows
from lsmx._definition.words import Words


def log_softmax(rows: Rows, z: Array, row_sums: Array | None = None) -> Array:
    """``z - lse(z)`` in the format: not rounded to 16 bits yet."""
    x = rows.enter("z", z, absent=-float("inf"))
    s = rows.sum_exp(x, row_sums)

    # out = (z - m) - L,  m = max(z),  L = ln sum exp(z - m): both parts have one sign, nothing cancels
    L, _ = s.log(rows.ops)
    return rows.present((x - s.m) - L, absent=-float("inf"))


def vjp(rows: Rows, grad_output: Array, log_s: Array) -> Array:
    """``g - s sum(g)``."""
    g = rows.flush(rows.enter("grad_output", grad_output, absent=0.0))
    return minus_s_sum(rows, g, log_s, rows.sum(g))


def minus_s_sum(rows: Rows, g: Array, log_s: Array, total: Words) -> Array:
    """``g - s sum(g)`` where the sum is known."""
    s, (G, low) = rows.probability(log_s), total

    # dz = g - s * sum(g),  s = 2^k e^r:  g - 2^k (sum(g) + (e^r - 1) sum(g))
    rest = rows.product(s.expm1, G)
    far = g - rows.flush(s.scale(rows.ops, G + rows.flush(rest + low)))
    # where s is near 1, k = 0:  (g - sum(g)) - (s - 1) * sum(g), which does not cancel
    near = rows.minus(g, G, rest, rows.flush(low + rows.product(s.low, G)))
    dz = rows.ops.where(s.k == 0.0, near, rows.flush(far))
    return rows.leave(rows.ops.where(G == G, dz, NAN), absent=0.0)


def jvp(rows: Rows, tangent: Array, log_s: Array) -> Array:
    """``v - sum(s v)``."""
    v = rows.flush(rows.enter("tangent", tangent, absent=0.0))
    s = rows.probability(log_s).value(rows.ops)

    # dout = v - sum(s * v)
    return rows.leave(rows.minus(v, *rows.sum(rows.product(s, v))), absent=0.0)


class OfLogits(Function):
    """The derivatives at the logits, so that no rounding of the output is in them: those of 16-bit dtypes.

    ``s = softmax(z)`` and its Jacobian ``S - s s^T``, by which second derivatives are said, are softmax's own.
    """

    residual = ("z",)

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        return vjp(rows, grad_output, log_softmax(rows, z, getattr(ctx, "row_sums", None)))

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))
        return jvp(rows, tangent, log_softmax(rows, z, getattr(ctx, "row_sums", None)))

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array, /, z: Array) -> tuple[Array]:
        # g . J v = sum(g v) - sum(g) sum(s v):  by z, - sum(g) (S - s s^T) v
        softmax = d.of("softmax")
        return (d.times_sum(-softmax.jvp(v, softmax.forward(z)), g),)

    @classmethod
    def jvp_along(cls, d: Any, v: Array, /, z: Array) -> tuple[Callable[[Array], Array]]:
        # v - sum(s v):  - v (S - s s^T) dz
        softmax = d.of("softmax")
        return (lambda dz: d.sum(d.times(-softmax.jvp(dz, softmax.forward(z)), v)),)


class LogSoftmax(Function):
    """Saves its output and nothing else; in 16 bits its input and nothing else."""

    absent = -float("inf")
    narrow = OfLogits
    optional = {"row_sums": ROW_SUMS}  # noqa: RUF012
    by_sums = {"forward": OfParts.EACH_ITS_OWN}  # noqa: RUF012
    by_total = {"backward": False, "backward_z": True}  # noqa: RUF012

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, row_sums: Array | None = None) -> Array:
        rows = Rows.of("z", z, axis, where)
        out = rows.leave(log_softmax(rows, z, row_sums), absent=-float("inf"))

        remember(ctx, axis, where, **({} if row_sums is None else {"row_sums": row_sums}))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (output,) = ctx.saved_tensors
        rows = Rows.of("output", output, *recall(ctx))
        return vjp(rows, grad_output, rows.enter("output", output, absent=-float("inf")))

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (output,) = ctx.saved_tensors
        rows = Rows.of("output", output, *recall(ctx))
        return jvp(rows, tangent, rows.enter("output", output, absent=-float("inf")))

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
