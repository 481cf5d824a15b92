"""What the losses share: of rows of logits ``x``, ``log s = (x - m) - L``, ``s = softmax(x)``, ``D = m - x``, and ``g - s G``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsmx._definition.function import recall
from lsmx._definition.logits import Scaling, scaled, scaled_backward, scaled_jvp
from lsmx._definition.ops import NAN, Array
from lsmx._definition.products import times
from lsmx._definition.rows import Rows, SumExp
from lsmx._definition.softmax import softmax_of
from lsmx._definition.words import Words, two_sum

INF = float("inf")


@dataclass(frozen=True)
class Row:
    """Rows of logits ``x = scaled(z)``, -inf where absent, with ``m = max(x)`` and ``sum(exp(x - m)) = 1 + R``."""

    rows: Rows
    by: Scaling
    z: Array
    x: Array
    sums: SumExp
    L: Words  # ln(1 + R), NaN where undefined
    w: Words  # 1 / (1 + R)

    @classmethod
    def of(cls, name: str, z: Array, axis: Any, where: Array | None, by: Scaling) -> Row:
        """The rows of the argument ``z``."""
        rows = Rows.of(name, z, axis, where)
        z = rows.enter(name, z, absent=-INF)
        x = scaled(rows, z, by)
        sums = rows.sum_exp(x, by.row_sums)
        return cls(rows, by, z, x, sums, sums.log(rows.ops), sums.reciprocal(rows.ops))

    @classmethod
    def at(cls, ctx: Any, z: Array, name: str = "z") -> Row:
        """The same with the options that a forward pass has kept."""
        return cls.of(name, z, *recall(ctx), Scaling.of(ctx))

    def log_s(self) -> Array:
        """``log s = (x - m) - L``."""
        return (self.x - self.sums.m) - self.L[0]

    def softmax(self) -> Array:
        """``s``, NaN where undefined."""
        return softmax_of(self.rows, self.x, self.sums)

    def distance(self) -> Words:
        """``D = m - x`` as a double word, exactly; 0 where x is -inf, and in rows whose maximum is not finite."""
        ops = self.rows.ops
        x = ops.xp.where(self.sums.defined & ops.xp.isfinite(self.x), self.x, self.sums.m)
        return two_sum(self.sums.m, -x)

    def minus_s_sum(self, g: Array, G: Words) -> Array:
        """``g - s G``. At the maximum, if its ``s > 1/2``, the same as ``(g - G) + (R w) G``, which does not cancel."""
        rows, ops = self.rows, self.rows.ops
        s = self.softmax()
        far = rows.flush(g - rows.flush(rows.product(s, G[0]) + rows.product(s, G[1])))
        others, _ = times(ops, self.sums.rest, self.w)  # 1 - s
        near = rows.minus(g, G[0], -rows.product(others, G[0]), G[1])
        dominates = (self.x == self.sums.m) & (self.sums.rest[0] < 1.0)
        dz = ops.xp.where(dominates, near, far)
        return ops.where((G[0] == G[0]) & self.sums.defined, dz, NAN)

    def cotangent(self, name: str, g: Array) -> Array:
        """One number a row, as it enters a derivative."""
        return self.rows.flush(self.rows.expand(name, g))

    def leave(self, dx: Array) -> Array:
        """A gradient by ``x`` as that by ``z``, 0 where absent."""
        return self.rows.leave(scaled_backward(self.rows, self.z, dx, self.by), absent=0.0)

    def leave_each(self, value: Array) -> Array:
        """One number a row, in the format."""
        return self.rows.widened().leave_each(value)

    def tangent(self, v: Array) -> Array:
        """A tangent of ``z`` as that of ``x``, 0 where absent."""
        return scaled_jvp(self.rows, self.z, self.rows.flush(self.rows.enter("tangent", v, absent=0.0)), self.by)

    def along(self, v: Array, dx: Array) -> Array:
        """The derivative of a value whose gradient by ``x`` is ``dx``, as ``z`` moves along ``v``: ``sum(dx v)``."""
        total, _ = self.rows.sum(self.rows.product(dx, self.tangent(v)))
        return self.leave_each(total)
