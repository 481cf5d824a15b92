"""Logits over a temperature, ``x = [z / T]``, as a function: what second derivatives of the losses are composed with."""

from __future__ import annotations

from typing import Any

from lsmx._definition.function import Function, keep, recall
from lsmx._definition.kinds import PER_ROW
from lsmx._definition.logits import divided
from lsmx._definition.ops import Array
from lsmx._definition.rows import Rows


class DividedLogits(Function):
    """Its derivatives do not depend on the logits, which are saved for their shape and dtype."""

    optional = {"temperature": PER_ROW}  # noqa: RUF012
    residual = ("z",)
    linear = True
    widens = True

    @staticmethod
    def forward(ctx: Any, z: Array, /, *, axis: Any = -1, where: Array | None = None, temperature: Any = 1.0) -> Array:
        rows = Rows.of("z", z, axis, where)
        out = rows.widened().leave(divided(rows, rows.enter("z", z, absent=-float("inf")), temperature), absent=-float("inf"))
        keep(ctx, DividedLogits, (z,), out, axis, where, temperature=temperature)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))

        # dz = [g / T]
        return rows.leave(over_temperature(rows.widened(), ctx, "grad_output", grad_output), absent=0.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        (z,) = ctx.saved_tensors
        rows = Rows.of("z", z, *recall(ctx))

        # dx = [v / T]
        return rows.widened().leave(over_temperature(rows, ctx, "tangent", tangent), absent=0.0)


def over_temperature(rows: Rows, ctx: Any, name: str, v: Array) -> Array:
    """``[v / T]`` of a cotangent or a tangent."""
    return divided(rows, rows.flush(rows.enter(name, v, absent=0.0)), getattr(ctx, "temperature", 1.0))
