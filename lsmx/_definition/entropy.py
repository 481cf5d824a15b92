"""The entropy of a softmax: ``H = -sum(s log s)``, ``s = softmax(x)``; its gradient by x is ``-s (log s + H)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition import sums
from lsmx._definition.function import keep
from lsmx._definition.kinds import PER_ROW, ROW_SUMS
from lsmx._definition.logits import Scaling
from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import NAN, Array
from lsmx._definition.products import times
from lsmx._definition.row import Row
from lsmx._definition.words import Words, two_sum


class Entropy(OfScaledLogits):
    """Saves its input and nothing else."""

    optional = {"temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z",)
    plain = "entropy"
    reduces = True
    widens = True

    @staticmethod
    def forward(
        ctx: Any,
        z: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        temperature: Any = 1.0,
        softcap: float = 0.0,
        row_sums: Any = None,
    ) -> Array:
        by = Scaling(temperature, softcap, row_sums)
        row = Row.of("z", z, axis, where, by)
        (L, low), (E, E_low) = row.L, mean_distance(row)

        # H = L + E,  E = sum(s D),  D = max - x: both are >= 0, nothing cancels
        high, error = two_sum(L, E)
        out = row.leave_each(row.rows.flush(high + (error + (low + E_low))))
        keep(ctx, Entropy, (z,), out, axis, where, **by.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        row = Row.at(ctx, z)

        # dx = g s (D - E)
        return row.leave(row.rows.product(row.cotangent("grad_output", grad_output), gradient(row)))

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        row = Row.at(ctx, z)

        # dH = sum(s (D - E) v)
        return row.along(tangent, gradient(row))

    @classmethod
    def by_logits(cls, d: Any, g: Array, v: Array, /, x: Array) -> tuple[Array]:
        # with h = s (D - E):  g . J v = g sum(h v);  by x, (v - sum(s v)) g h - g s (v - sum(s v)) - s sum(g h v)
        s, gh = d.of("softmax").forward(x), d.backward(g, x)
        centred = d.minus(v, d.sum(d.times(s, v)))
        bent = d.times(d.spread(g, x), d.times(s, centred))
        return (d.minus(d.minus(d.times(centred, gh), bent), d.times(s, d.sum(d.times(gh, v)))),)

    @classmethod
    def along_logits(cls, d: Any, v: Array, /, x: Array) -> tuple[Callable[[Array], Array]]:
        # sum(h v):  sum(h v dx) - sum(s dx) sum(h v) - sum(s v) sum(h dx) - sum(s v dx) + sum(s v) sum(s dx)
        mean, jvp = d.of("logsumexp").jvp, d.jvp

        def change(dx: Array) -> Array:
            both, s_v, s_dx = d.times(v, dx), mean(v, x), mean(dx, x)
            crossed = d.times_each(s_dx, jvp(v, x)) + d.times_each(s_v, jvp(dx, x))
            return (jvp(both, x) - crossed) - (mean(both, x) - d.times_each(s_v, s_dx))

        return (change,)


def mean_distance(row: Row) -> Words:
    """``E = sum(s D) = sum(t D) / sum(t)`` with ``t = exp(-D) = 2^k (1 + e)``, ``D = max - x``; ``t D = 2^k (D + e D)``.

    The grid of the sum is set by ``t2 max(D2, 1)`` of the second largest logit, which no term exceeds.
    """
    rows, ops, second = row.rows, row.rows.ops, row.sums.second
    t, (D, low) = row.sums.terms, row.distance()
    D, low = ops.where(t.normal, D, 0.0), ops.where(t.normal, low, 0.0)
    terms = rows.flush(t.scale(ops, D + (ops.rounded(t.expm1 * D) + low)))

    D2 = ops.where(ops.xp.isfinite(second), row.sums.m - second, 0.0)
    scale = rows.product(row.sums.t2, ops.where(D2 > 1.0, D2, 1.0))
    return times(ops, sums.exact_sum(ops, ops.where(row.sums.defined, terms, 0.0), scale, rows.axes), row.w)


def gradient(row: Row) -> Array:
    """``s (D - E)``, 0 where s is 0."""
    rows, ops = row.rows, row.rows.ops
    s, (D, low), (E, E_low) = row.softmax(), row.distance(), mean_distance(row)
    high, error = two_sum(ops.where(s > 0.0, D, 0.0), -E)
    return ops.where(row.sums.defined, rows.product(s, rows.flush(high + (error + (ops.where(s > 0.0, low, 0.0) - E_low)))), NAN)
