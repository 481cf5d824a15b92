"""Second derivatives of a loss of scaled logits, ``x = [cap tanh(z / cap) / T]``: the chain rule, for rules written at ``x``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lsmx._definition.capped_logits import slope
from lsmx._definition.function import Function
from lsmx._definition.ops import Array

SCALING = ("temperature", "softcap", "row_sums")
Arrays = tuple[Array | None, ...]
Change = Callable[[Array], Array]


class OfScaledLogits(Function):
    """``F(z) = f(x(z))``: subclasses give ``f``'s ``by_residual`` and ``jvp_along``, called ``by_logits`` and ``along_logits``.

    Attributes
    ----------
    plain
        The registered function that is ``f``.
    logits
        Which of its arrays are logits.
    """

    plain: ClassVar[str]
    logits: ClassVar[tuple[str, ...]] = ("z",)

    @classmethod
    def by_logits(cls, d: Any, g: Array, /, *tangents_and_residual: Any) -> Arrays:
        """The derivative of ``g . J v`` by each array of the residual, with ``x`` in place of logits."""
        raise NotImplementedError(f"{cls.__name__}: gives no by_logits, which a second derivative asks for")

    @classmethod
    def along_logits(cls, d: Any, /, *tangents_and_residual: Any) -> tuple[Change | None, ...]:
        """How ``J v`` changes as each array of the residual moves, with ``x`` in place of logits."""
        raise NotImplementedError(f"{cls.__name__}: gives no along_logits, which a second derivative asks for")

    @classmethod
    def by_residual(cls, d: Any, g: Array, /, *arrays: Any) -> Arrays:
        at = Chain(d, cls, arrays)
        found = cls.by_logits(at.f, g, *at.tangents, *at.residual)

        # with g . J v = sum(df x' v):  by z, x' (by x) + df v x''
        def by_z(name: str, by_x: Array | None) -> Array | None:
            if by_x is None or name not in cls.logits:
                return by_x
            return at.back(name, by_x, at.f.backward(g, *at.residual, by=at.by(name)) if at.bends(name) else None)

        return tuple(map(by_z, cls.residual, found))

    @classmethod
    def backward_along(cls, d: Any, g: Array, /, *residual: Array) -> tuple[Callable[[Array], Any], ...]:
        # second derivatives are symmetric
        def change_by(name: str) -> Callable[[Array], Any]:
            def change(move: Array) -> Any:
                found = cls.by_residual(d, g, *(move if name == z else None for z in cls.gradients), *residual)
                by = dict(zip(cls.residual, found, strict=True))
                return by[name] if len(cls.gradients) == 1 else tuple(by[z] for z in cls.gradients)

            return change

        return tuple(map(change_by, cls.residual))

    @classmethod
    def jvp_along(cls, d: Any, /, *arrays: Any) -> tuple[Change | None, ...]:
        at = Chain(d, cls, arrays)
        found = cls.along_logits(at.f, *at.tangents, *at.residual)

        # with J v = sum(df x' v):  along dz, that of f along x' dz, and sum(df x'' v dz)
        def change_by(name: str, change: Change | None) -> Change | None:
            if change is None or name not in cls.logits:
                return change

            def along(dz: Array) -> Array:
                moved = change(at.tangent(name, dz))
                return moved + at.f.jvp(at.bent(name, dz), *at.residual, by=at.by(name)) if at.bends(name) else moved

            return along

        return tuple(map(change_by, cls.residual, found))


class Chain:
    """The way from ``z`` to ``y = cap tanh(z / cap)`` and ``x = [y / T]`` and back, for each of the arrays that are logits.

    Attributes
    ----------
    f
        The `Calculus` of the function without temperature and soft cap, in which the rules at ``x`` are written.
    tangents, residual
        The arguments of those rules: tangents and residual, with ``x`` in place of ``z``.
    """

    def __init__(self, d: Any, function: type[OfScaledLogits], arrays: tuple[Any, ...]) -> None:
        count, temperature = len(function.gradients), d.option("temperature", 1.0)
        self.logits, self.several = function.logits, count > 1
        self.capped = d.beside("capped_logits") if d.option("softcap", 0.0) else None
        self.divided = d.beside("divided_logits") if hasattr(temperature, "shape") or temperature != 1.0 else None
        self.f = d.beside(function.plain, without=SCALING)
        self.v = dict(zip(function.gradients, arrays[:count], strict=True))
        self.z = dict(zip(function.residual, arrays[count:], strict=True))
        self.y = {name: self.capped.forward(self.z[name]) for name in self.logits} if self.capped else self.z
        x = {name: self.divided.forward(self.y[name]) for name in self.logits} if self.divided else self.y
        self.residual = [x.get(name, saved) for name, saved in self.z.items()]
        self.tangents = [v if v is None or name not in self.logits else self.tangent(name, v) for name, v in self.v.items()]

    def by(self, name: str) -> str:
        """The name of an argument for ``Calculus.backward(by=...)``, which functions with one gradient leave empty."""
        return name if self.several else ""

    def bends(self, name: str) -> bool:
        """Whether ``x`` is curved in this argument (there is a soft cap), and the argument has a tangent."""
        return self.capped is not None and self.v.get(name) is not None

    def over_temperature(self, name: str, dy: Array) -> Array:
        """A tangent of ``y`` as that of ``x``."""
        found: Array = self.divided.jvp(dy, self.y[name]) if self.divided else dy
        return found

    def tangent(self, name: str, v: Array) -> Array:
        """``x' v``."""
        return self.over_temperature(name, self.capped.jvp(v, self.z[name]) if self.capped else v)

    def bent(self, name: str, dz: Array) -> Array:
        """``x'' v dz``."""
        z, capped = self.z[name], self.capped
        assert capped
        return self.over_temperature(name, capped.jvp(slope(capped, z, self.v[name], dz), z))

    def back(self, name: str, by_x: Array, df: Array | None) -> Array:
        """``x' (by x) + df v x''``, the second where there is a ``df``."""
        z, y, capped = self.z[name], self.y[name], self.capped
        by_y, df = (self.divided.backward(by, y) if self.divided and by is not None else by for by in (by_x, df))
        assert by_y is not None
        if not capped:
            return by_y
        by_z: Array = capped.backward(by_y if df is None else by_y + slope(capped, z, df, self.v[name]), z)
        return by_z
