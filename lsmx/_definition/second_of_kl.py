"""The second derivatives of ``KL = sum(p ln(p / q))``: its gradients are ``-a`` by z, ``a = p (d + KL)``, and ``q - p`` by w."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import Array


class SecondOfKL(OfScaledLogits):
    """The rules of ``KLDivergence``, with ``B(v, s) = (S - s s^T) v``, the Jacobian of softmax times a vector."""

    @classmethod
    def by_logits(cls, d: Any, g: Array, v: Array | None, u: Array | None, /, z: Array, w: Array) -> tuple[Array | None, ...]:
        softmax, spread = d.of("softmax"), d.spread(g, z)
        p = softmax.forward(z)
        if v is not None:
            # g . J v = - g sum(a v):  by z, g (B(v, p) + p sum(a v) - a (v - sum(p v))), and by w, - g B(v, p)
            ga = d.backward(g, z, w, by="z")  # - g a
            bent = d.times(spread, softmax.backward(v, p))
            by_z = d.minus(bent, d.times(p, d.sum(d.times(ga, v)))) + d.times(ga, d.minus(v, d.sum(d.times(p, v))))
            return by_z, d.negative(bent)
        # g . J u = g sum((q - p) u):  by z, - g B(u, p), and by w, g B(u, q)
        by_p, by_q = softmax.backward(u, p), softmax.backward(u, softmax.forward(w))
        return d.negative(d.times(spread, by_p)), d.times(spread, by_q)

    @classmethod
    def along_logits(
        cls, d: Any, v: Array | None, u: Array | None, /, z: Array, w: Array
    ) -> tuple[Callable[[Array], Array] | None, ...]:
        softmax, mean = d.of("softmax"), d.of("logsumexp").jvp
        p = softmax.forward(z)
        if v is None:
            # sum((q - p) u):  by dz, - sum(B(u, p) dz), and by dw, sum(B(u, q) dw)
            by_p, by_q = softmax.backward(u, p), softmax.backward(u, softmax.forward(w))
            return (lambda dz: -d.total(d.times(by_p, dz))), (lambda dw: d.total(d.times(by_q, dw)))

        # - sum(a v):  by dz, sum(B(v, p) dz) + sum(p dz) sum(a v) - sum(a v dz) + sum(p v) sum(a dz), and by dw, - sum(B(v, p) dw)
        bent = softmax.backward(v, p)

        def along(x: Array) -> Array:
            minus_sum: Array = d.jvp(x, z, w, by="z")  # - sum(a x)
            return minus_sum

        def change(dz: Array) -> Array:
            crossed = d.times_each(mean(dz, z), along(v)) + d.times_each(mean(v, z), along(dz))
            total: Array = (d.total(d.times(bent, dz)) + along(d.times(v, dz))) - crossed
            return total

        return change, (lambda dw: -d.total(d.times(bent, dw)))
