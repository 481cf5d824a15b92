"""The second derivatives of JS: with ``v = ln(p / m) / 2``, ``m = (p + q) / 2``, its gradient by z is ``a = p (v - sum(p v))``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import Array


class SecondOfJS(OfScaledLogits):
    """The rules of ``JSDivergence``, with ``h = p q / (p + q)``. JS is symmetric: by w they are those by z, with both exchanged."""

    @classmethod
    def by_logits(cls, d: Any, g: Array, v: Array | None, u: Array | None, /, z: Array, w: Array) -> tuple[Array | None, ...]:
        by_own, by_other = by_one(d, g, v, z, w, "z") if v is not None else by_one(d, g, u, w, z, "w")
        return (by_own, by_other) if v is not None else (by_other, by_own)

    @classmethod
    def along_logits(
        cls, d: Any, v: Array | None, u: Array | None, /, z: Array, w: Array
    ) -> tuple[Callable[[Array], Array] | None, ...]:
        own, other = along_one(d, v, z, w, "z") if v is not None else along_one(d, u, w, z, "w")
        return (own, other) if v is not None else (other, own)


def by_one(d: Any, g: Array, v: Array, z: Array, w: Array, name: str) -> tuple[Array, Array]:
    """With ``delta = v - sum(p v)``:  by z and by w, along v.

    ``g (a delta - p sum(a v) + (h delta - p sum(h delta)) / 2)``, and ``- g (h delta - q sum(h delta)) / 2``.
    """
    p, q, half, delta = halves(d, v, z, w)
    ga = d.backward(g, *in_order(name, z, w), by=name)
    spread = d.spread(g, z)
    bent = d.minus(half, d.times(p, d.sum(half)))
    by_z = d.minus(d.times(ga, delta), d.times(p, d.sum(d.times(ga, v)))) + d.times(spread, bent)
    return by_z, d.negative(d.times(spread, d.minus(half, d.times(q, d.sum(half)))))


def along_one(d: Any, v: Array, z: Array, w: Array, name: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Of ``sum(a v)``: the same, along dz and along dw, as sums."""
    p, q, half, delta = halves(d, v, z, w)
    bent, across = d.minus(half, d.times(p, d.sum(half))), d.minus(half, d.times(q, d.sum(half)))
    mean = d.of("logsumexp").jvp

    def along(x: Array) -> Array:
        total: Array = d.jvp(x, *in_order(name, z, w), by=name)  # sum(a x)
        return total

    def change(dz: Array) -> Array:
        moved: Array = (along(d.times(delta, dz)) - d.times_each(mean(dz, z), along(v))) + d.total(d.times(bent, dz))
        return moved

    return change, (lambda dw: -d.total(d.times(across, dw)))


def halves(d: Any, v: Array, z: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """``p``, ``q``, ``h delta / 2`` and ``delta``."""
    softmax = d.of("softmax").forward
    p, q = softmax(z), softmax(w)
    delta = d.minus(v, d.sum(d.times(p, v)))
    return p, q, d.times_number(d.times(d.times(p, d.ratio(q, p + q)), delta), 0.5), delta


def in_order(name: str, z: Array, w: Array) -> tuple[Array, Array]:
    """The rows as the function takes them, of which the first is its argument ``name``."""
    return (z, w) if name == "z" else (w, z)
