"""Divergences of ``p = softmax(z)`` and ``q = softmax(w)``, as sums of terms of which none is negative, so that nothing cancels.

``KL = sum(p ln(p / q)) = sum(p (e^d - 1 - d))``, with ``d = ln q - ln p``, since ``sum(p (e^d - 1)) = sum(q - p) = 0``.
``JS = sum((p + q)/2 psi(d/2))``, with ``psi(h) = h tanh h - ln cosh h``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lsmx._definition import log
from lsmx._definition.expm1 import expm1, tanh
from lsmx._definition.function import keep
from lsmx._definition.kinds import PER_ROW, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import NAN, Array, Ops
from lsmx._definition.products import half_square, settled, times
from lsmx._definition.row import INF, Row
from lsmx._definition.second_of_js import SecondOfJS
from lsmx._definition.second_of_kl import SecondOfKL
from lsmx._definition.words import Words, fast_two_sum, two_sum

LN2 = 0.6931471805599453
FAR, LEAST = 32.0, -0.75  # two rows are close if f <= FAR in all of them, and R >= LEAST


class Divergence(OfScaledLogits):
    """Of two arrays of logits, with gradients to both."""

    takes = {"z": ROWS, "w": ROWS}  # noqa: RUF012
    gradients = ("z", "w")
    optional = {"temperature": PER_ROW}  # noqa: RUF012
    residual = logits = ("z", "w")
    reduces = True
    widens = True


class KLDivergence(SecondOfKL, Divergence):
    """``sum(p ln(p / q))``."""

    plain = "kl_divergence"

    @staticmethod
    def forward(ctx: Any, z: Array, w: Array, /, *, axis: Any = -1, where: Array | None = None, temperature: Any = 1.0) -> Array:
        by = Scaling(temperature)
        pair = Pair.of(Row.of("z", z, axis, where, by), Row.of("w", w, axis, where, by))
        out = pair.z.leave_each(kl(pair).value)
        keep(ctx, KLDivergence, (z, w), out, axis, where, **by.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Any:
        pair = Pair.at(ctx)
        by_z, by_w = kl_gradients(pair)
        g, rows = pair.z.cotangent("grad_output", grad_output), pair.z.rows
        return pair.z.leave(rows.flush(-rows.product(g, by_z))), pair.w.leave(rows.product(g, by_w))

    @staticmethod
    def jvp(ctx: Any, v: Array | None, w: Array | None, /) -> Array:
        pair = Pair.at(ctx)
        by_z, by_w = kl_gradients(pair)
        return pair.z.along(v, -by_z) if v is not None else pair.w.along(w, by_w)


class JSDivergence(SecondOfJS, Divergence):
    """``KL(p, m) / 2 + KL(q, m) / 2`` with ``m = (p + q) / 2``."""

    plain = "js_divergence"

    @staticmethod
    def forward(ctx: Any, z: Array, w: Array, /, *, axis: Any = -1, where: Array | None = None, temperature: Any = 1.0) -> Array:
        by = Scaling(temperature)
        pair = Pair.of(Row.of("z", z, axis, where, by), Row.of("w", w, axis, where, by))
        rows, ops = pair.z.rows, pair.z.rows.ops

        # JS = sum((p + q)/2 psi(d/2)),  ln 2 in place of psi where one of them is 0
        psi = ops.where(pair.only_z | pair.only_w, LN2, psi_of(ops, pair.d)[0])
        total, _ = rows.sum(rows.product(rows.flush(0.5 * (pair.p + pair.q)), psi))
        out = pair.z.leave_each(ops.where(pair.defined, total, NAN))
        keep(ctx, JSDivergence, (z, w), out, axis, where, **by.changed())
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Any:
        pair = Pair.at(ctx)
        g, rows = pair.z.cotangent("grad_output", grad_output), pair.z.rows
        by_z, by_w = (rows.product(g, x) for x in js_gradients(pair))
        return pair.z.leave(by_z), pair.w.leave(by_w)

    @staticmethod
    def jvp(ctx: Any, v: Array | None, w: Array | None, /) -> Array:
        pair = Pair.at(ctx)
        by_z, by_w = js_gradients(pair)
        return pair.z.along(v, by_z) if v is not None else pair.w.along(w, by_w)


class Pair(NamedTuple):
    """Two rows side by side."""

    z: Row
    w: Row
    p: Array
    q: Array
    d: Words  # ln q - ln p; 0 where either is absent
    only_z: Array  # True where p > 0 and q = 0
    only_w: Array
    defined: Array

    @classmethod
    def at(cls, ctx: Any) -> Pair:
        """The pair of the logits that a forward pass has saved."""
        z, w = ctx.saved_tensors
        return cls.of(Row.at(ctx, z), Row.at(ctx, w, "w"))

    @classmethod
    def of(cls, z: Row, w: Row) -> Pair:
        """Both probabilities, and ``d``, the logarithm of their ratio.

        ``d = e - (L_w - L_z)`` with ``e = (w - max w) - (z - max z)``. In close rows, of one support, ``d = f - ln(1 + R)`` with
        ``f = e - e(at z's maximum)`` and ``R = sum(p (e^f - 1))``: nothing is lost where the two are nearly one.
        """
        z.rows.check("w", w.z)
        rows, ops, xp = z.rows, z.rows.ops, z.rows.ops.xp
        p, q = z.softmax(), w.softmax()
        in_z, in_w, defined = z.x > -INF, w.x > -INF, z.sums.defined & w.sums.defined
        both = in_z & in_w & defined
        D, E = z.distance(), w.distance()
        e, low = two_sum(D[0], -E[0])
        e, low = fast_two_sum(e, low + (D[1] - E[1]))

        at_max = both & (z.x == z.sums.m)
        base = -rows.max(ops.where(at_max, -e, -INF), empty=-INF)
        base_low = -rows.max(ops.where(at_max & (e == base), -low, -INF), empty=-INF)
        known = xp.isfinite(base)
        base, base_low = ops.where(known, base, 0.0), ops.where(known, base_low, 0.0)
        f, t = two_sum(e, -base)
        f, f_low = fast_two_sum(f, t + (low - base_low))
        f, f_low = ops.where(both, f, 0.0), ops.where(both, f_low, 0.0)
        one_support = ~rows.any(in_z != in_w)
        close = (rows.max(f, empty=0.0) <= FAR) & one_support
        R, R_low = rows.sum(rows.product(p, expm1(ops, (ops.where(close, f, 0.0), ops.where(close, f_low, 0.0))).value[0]))
        R = ops.where(R == R, R, 0.0)
        close = close & (R >= LEAST)
        near = signed_log1p(ops, (ops.where(close, R, 0.0), ops.where(close, R_low, 0.0)))

        far, t = two_sum(w.L[0], -z.L[0])
        less = xp.where(close, near[0], far), xp.where(close, near[1], t + (w.L[1] - z.L[1]))
        lead = xp.where(close, f, e), xp.where(close, f_low, low)
        high, t = two_sum(lead[0], -less[0])
        high, t = fast_two_sum(high, t + (lead[1] - less[1]))
        d = settled(ops, ops.where(both, high, 0.0), ops.where(both, t, 0.0))
        return cls(z, w, p, q, d, in_z & ~in_w, in_w & ~in_z, defined)


def signed_log1p(ops: Ops, R: Words) -> Words:
    """``ln(1 + R)`` for ``R >= -3/4``, with full relative accuracy: ``-ln(1 - R / (1 + R))`` where R is negative."""
    xp, negative = ops.xp, R[0] < 0.0
    n = ops.where(negative, R[0], 0.0), ops.where(negative, R[1], 0.0)
    h, low = two_sum(4.0 * n[0], 3.0 * xp.ones_like(n[0]))
    w = log.reciprocal(ops, log.normalise(ops, (h, low + 4.0 * n[1])))  # 1 / (4 (1 + R))
    flipped = times(ops, (-4.0 * n[0], -4.0 * n[1]), w)
    high, low = log.log(ops, log.normalise(ops, (xp.where(negative, flipped[0], R[0]), xp.where(negative, flipped[1], R[1]))))
    return xp.where(negative, -high, high), xp.where(negative, -low, low)


class KL(NamedTuple):
    """The divergence, and what its gradient by w is made of."""

    value: Array
    by_w: Array  # q - p = p (e^d - 1)


def kl(pair: Pair) -> KL:
    """``sum(round(p phi(d)))``, ``phi(d) = e^d - 1 - d``; where p is 0 the term is q, and where only q is 0 it is infinite."""
    rows, ops, xp = pair.z.rows, pair.z.rows.ops, pair.z.rows.ops.xp
    alive = pair.p > 0.0
    e = expm1(ops, (ops.where(alive, pair.d[0], 0.0), ops.where(alive, pair.d[1], 0.0)))
    terms = rows.flush(xp.where(alive, rows.product(pair.p, e.rest), pair.q))
    total, _ = rows.sum(ops.where(pair.only_z, 0.0, terms))
    value = ops.where(rows.any(pair.only_z), INF, total)
    by_w = xp.where(pair.only_z, -pair.p, xp.where(alive, rows.product(pair.p, e.value[0]), pair.q))
    return KL(ops.where(pair.defined, value, NAN), ops.where(pair.defined, by_w, NAN))


def kl_gradients(pair: Pair) -> tuple[Array, Array]:
    """``p (d + KL)``, which is that by z with its sign changed, and ``q - p``, that by w."""
    rows, ops = pair.z.rows, pair.z.rows.ops
    value, by_w = kl(pair)
    finite = ops.xp.isfinite(value)
    high, error = two_sum(pair.d[0], ops.where(finite, value, 0.0))
    by_z = rows.product(pair.p, rows.flush(high + (error + pair.d[1])))
    return ops.where(finite, by_z, NAN), by_w


def psi_of(ops: Ops, d: Words) -> tuple[Array, Words]:
    """``psi(h) = h tanh h - ln cosh h`` of ``h = |d| / 2``, and ``ln(1 + tanh h)``.

    ``h^2/2 - h^4 P(h^2)`` for ``h <= 1``, else ``ln(1 + tanh h) - |d| u / (1 + u)`` with ``u = e^-|d|``.
    """
    xp, negative = ops.xp, d[0] < 0.0
    a = xp.where(negative, -d[0], d[0]), xp.where(negative, -d[1], d[1])
    t = tanh(ops, (0.5 * a[0], 0.5 * a[1]))
    log1p = log.log(ops, log.normalise(ops, t.value))
    less, low = times(ops, times(ops, a, t.u), t.inverse)
    h, error = two_sum(log1p[0], -less)
    far = h + (error + (log1p[1] - low))
    near = a[0] <= 2.0
    h, low = half_square(ops, (ops.where(near, 0.5 * a[0], 0.0), ops.where(near, 0.5 * a[1], 0.0)))
    square = h + h
    fourth = ops.flush(ops.rounded(ops.flush(ops.rounded(square * square)) * ops.horner(ops.format.psi, square)))
    return ops.flush(xp.where(near, h + (low - fourth), far)), log1p


def js_gradients(pair: Pair) -> tuple[Array, Array]:
    """By z ``p (v - sum(p v))`` with ``v = ln(p / m) / 2 = (ln(1 + tanh |d/2|) - max(d, 0)) / 2``, ``m = (p + q) / 2``; so by w."""
    _, log1p = psi_of(pair.z.rows.ops, pair.d)
    flipped = -pair.d[0], -pair.d[1]
    return js_gradient(pair, pair.p, pair.d, log1p, pair.only_z), js_gradient(pair, pair.q, flipped, log1p, pair.only_w)


def js_gradient(pair: Pair, p: Array, d: Words, log1p: Words, alone: Array) -> Array:
    """By the logits of ``p``, with ``d = ln q - ln p``."""
    rows, ops = pair.z.rows, pair.z.rows.ops
    up = d[0] > 0.0
    h, error = two_sum(log1p[0], -ops.where(up, d[0], 0.0))
    v = 0.5 * (h + (error + (log1p[1] - ops.where(up, d[1], 0.0))))
    v = ops.where(p > 0.0, ops.where(alone, 0.5 * LN2, v), 0.0)
    mean, low = rows.sum(rows.product(p, rows.flush(v)))
    h, error = two_sum(v, -mean)
    return ops.where(pair.defined, rows.product(p, rows.flush(h + (error - low))), NAN)
