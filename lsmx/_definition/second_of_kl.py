"""The second derivatives of ``KL = sum(p ln(p / q))``: its gradients are ``-a`` by z, ``a = p (d + KL)``, and ``q - p`` by w."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lsmx._definition.function import Function
from lsmx._definition.ops import Array
from lsmx._definition.row import AtLogits


class SecondOfKL(Function):
    """What ``KLDivergence`` says of them: with ``B(v, s) = (S - s s^T) v``, which is softmax's own Jacobian."""

    @classmethod
    def by_residual(cls, d: Any, g: Array, v: Array | None, u: Array | None, /, z: Array, w: Array) -> tuple[Array | None, ...]:
        at, spread = Pair.of(d, z, w), d.spread(g, z)
        if v is not None:
            # g . J v = - g sum(a v):  by z, g (B(v, p) + p sum(a v) - a (v - sum(p v))), and by w, - g B(v, p)
            v = at.z.tangent(v)
            ga = at.kl.backward(g, at.z.x, at.w.x, by="z")  # - g a
            bent = d.times(spread, at.bent(v, at.p))
            by_z = d.minus(bent, d.times(at.p, d.sum(d.times(ga, v)))) + d.times(ga, d.minus(v, d.sum(d.times(at.p, v))))
            return at.z.back(by_z), at.w.back(d.negative(bent))
        # g . J u = g sum((q - p) u):  by z, - g B(u, p), and by w, g B(u, q)
        u = at.w.tangent(u)
        return at.z.back(d.negative(d.times(spread, at.bent(u, at.p)))), at.w.back(d.times(spread, at.bent(u, at.q)))

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, z: Array, w: Array) -> tuple[Callable[[Array], Any], ...]:
        # second derivatives are symmetric
        return (lambda dz: cls.by_residual(d, g, dz, None, z, w)), (lambda dw: cls.by_residual(d, g, None, dw, z, w))

    @classmethod
    def jvp_along(
        cls, d: Any, v: Array | None, u: Array | None, /, z: Array, w: Array
    ) -> tuple[Callable[[Array], Array] | None, ...]:
        at = Pair.of(d, z, w)
        if v is None:
            # sum((q - p) u):  by dz, - sum(B(u, p) dz), and by dw, sum(B(u, q) dw)
            u = at.w.tangent(u)
            by_p, by_q = at.bent(u, at.p), at.bent(u, at.q)
            return (lambda dz: -d.total(d.times(by_p, at.z.tangent(dz)))), (lambda dw: d.total(d.times(by_q, at.w.tangent(dw))))

        # - sum(a v):  by dz, sum(B(v, p) dz) + sum(p dz) sum(a v) - sum(a v dz) + sum(p v) sum(a dz), and by dw, - sum(B(v, p) dw)
        v, mean = at.z.tangent(v), d.of("logsumexp").jvp
        bent = at.bent(v, at.p)

        def along(x: Array) -> Array:
            minus_sum: Array = at.kl.jvp(x, at.z.x, at.w.x, by="z")  # - sum(a x)
            return minus_sum

        def change(dz: Array) -> Array:
            dz = at.z.tangent(dz)
            crossed = d.times_each(mean(dz, at.z.x), along(v)) + d.times_each(mean(v, at.z.x), along(dz))
            total: Array = (d.total(d.times(bent, dz)) + along(d.times(v, dz))) - crossed
            return total

        return change, (lambda dw: -d.total(d.times(bent, at.w.tangent(dw))))


class Pair(NamedTuple):
    """Both logits, as rules are written in them, and their probabilities."""

    d: Any
    z: AtLogits
    w: AtLogits
    p: Array
    q: Array
    kl: Any  # the divergence of logits as they are

    @classmethod
    def of(cls, d: Any, z: Array, w: Array) -> Pair:
        at, beside, softmax = AtLogits(d, "kl_divergence", z), AtLogits(d, "kl_divergence", w), d.of("softmax").forward
        return cls(d, at, beside, softmax(at.x), softmax(beside.x), d.of("kl_divergence"))

    def bent(self, v: Array, s: Array) -> Array:
        """``(S - s s^T) v``."""
        found: Array = self.d.of("softmax").backward(v, s)
        return found
