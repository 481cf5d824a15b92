"""The log-probability of chosen classes: ``log s_i``, ``s = softmax(x)``; its gradient by x is ``g (1[c = i] - s)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsmx._definition import sums
from lsmx._definition.checks import reduced_shape, same_shape
from lsmx._definition.function import OfParts, keep
from lsmx._definition.kinds import EACH, INDICES, PER_ROW, ROW_SUMS, ROWS
from lsmx._definition.logits import Scaling
from lsmx._definition.of_scaled import OfScaledLogits
from lsmx._definition.ops import NAN, Array
from lsmx._definition.row import Row
from lsmx._definition.rows import Rows
from lsmx._definition.words import Words


class LogProb(OfScaledLogits):
    """Saves its input and the indices.

    With ``elsewhere``, ``z`` is a part of each row, and ``row_sums`` those of the whole row: an index outside of the part is in
    another one. The value is -inf there, so that the largest value of all parts is that of the row; in a gradient ``g_c`` is 0, and
    ``G`` what it is for the whole row.
    """

    takes = {"z": ROWS, "index": INDICES}  # noqa: RUF012
    optional = {"temperature": PER_ROW, "row_sums": ROW_SUMS}  # noqa: RUF012
    residual = ("z", "index")
    by_sums = {"forward": OfParts.LARGEST, "backward": OfParts.EACH_ITS_OWN}  # noqa: RUF012
    plain = "log_prob"
    reduces = True
    gives = EACH
    shaped = "index"
    widens = True

    @staticmethod
    def forward(
        ctx: Any,
        z: Array,
        index: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        temperature: Any = 1.0,
        softcap: float = 0.0,
        row_sums: Any = None,
        elsewhere: bool = False,
    ) -> Array:
        by = Scaling(temperature, softcap, row_sums)
        row = Row.of("z", z, axis, where, by)
        at = Indices(row.rows, index, elsewhere)

        # log s_i = (x_i - m) - L
        out = at.leave([(x_i - row.sums.m) - row.L[0] for x_i in at.pick(row.x)])
        keep(ctx, LogProb, (z, index), out, axis, where, **by.changed(), **({"elsewhere": True} if elsewhere else {}))
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Array, /) -> Array:
        z, index = ctx.saved_tensors
        row = Row.at(ctx, z)
        at = Indices(row.rows, index, getattr(ctx, "elsewhere", False))

        # dx = g_c - s_c G,  g_c = sum(g_k over i_k = c),  G = sum(g_k)
        g = at.enter("grad_output", grad_output)
        return row.leave(at.known(row.minus_s_sum(at.place(g), at.total(g))))

    @staticmethod
    def jvp(ctx: Any, tangent: Array, /) -> Array:
        z, index = ctx.saved_tensors
        row = Row.at(ctx, z)
        rows, at = row.rows, Indices(row.rows, index)

        # dlog s_i = v_i - sum(s v)
        v = row.tangent(tangent)
        mean = rows.sum(rows.product(row.softmax(), v))
        return at.leave([rows.minus(v_i, *mean) for v_i in at.pick(v)])

    @classmethod
    def by_logits(cls, d: Any, g: Array, v: Array, /, x: Array, index: Array) -> tuple[Array | None, ...]:
        # g . J v = sum_k g_k (v_(i_k) - sum(s v)):  by x, - sum(g) (S - s s^T) v
        softmax = d.of("softmax")
        return d.negative(d.times(d.spread(d.total_each(g, x), x), softmax.backward(v, softmax.forward(x)))), None

    @classmethod
    def along_logits(cls, d: Any, v: Array, /, x: Array, index: Array) -> tuple[Callable[[Array], Array] | None, ...]:
        # v_i - sum(s v):  - sum(v (S - s s^T) dx), the same for every index
        softmax = d.of("softmax")
        bent = softmax.backward(v, softmax.forward(x))
        return (lambda dx: d.spread_each(-d.total(d.times(bent, dx)), d.forward(x, index), x)), None


class Indices:
    """One index for each row, or several along the one reduced axis: a list of arrays that have one index a row each."""

    def __init__(self, rows: Rows, index: Array, elsewhere: bool = False) -> None:
        self.rows, self.shape = rows, tuple(index.shape)
        self.ones = reduced_shape(rows.shape, rows.axes, keepdims=True)
        each = self.split(rows.check("index", index, INDICES))
        self.chosen = [rows.chosen("index", i) for i in each]
        self.inside = [rows.inside(i) | elsewhere for i in each]

    def split(self, x: Array) -> list[Array]:
        """An array with one number for each index as a list of arrays with one number a row."""
        if self.shape == self.ones or len(self.shape) < len(self.ones):
            return [self.rows.ops.xp.reshape(x, self.ones)]
        at = (slice(None),) * self.rows.axes[0]
        return [x[(*at, slice(k, k + 1), ...)] for k in range(self.shape[self.rows.axes[0]])]

    def enter(self, name: str, g: Array) -> list[Array]:
        """One number for each index, in the format; NaN where not finite, so that it is in every sum."""
        rows, ops = self.rows, self.rows.ops
        same_shape(name, tuple(g.shape), self.shape, of=f"an index of {self.shape}")
        g = rows.flush(ops.floating(rows.check(name, g, EACH)))
        return self.split(ops.where(ops.xp.isfinite(g), g, NAN))

    def pick(self, x: Array) -> list[Array]:
        """The element of a row at each index: NaN for an index outside of the row, or -inf if it is in another part of it."""
        return [self.rows.picks(chosen, inside, x)[0] for chosen, inside in zip(self.chosen, self.inside, strict=True)]

    def place(self, g: list[Array]) -> Array:
        """``sum(g_k over i_k = c)`` of each class, exact before it is rounded."""
        ops = self.rows.ops
        placed = [ops.where(chosen, value, 0.0) for chosen, value in zip(self.chosen, g, strict=True)]
        if len(placed) < 2:
            return placed[0] if placed else ops.xp.zeros(self.rows.shape, dtype=ops.dtype, device=ops.device)
        return self.added(placed)[0]

    def total(self, g: list[Array]) -> Words:
        """``sum(g_k)`` of each row."""
        ops = self.rows.ops
        if len(g) == 1:
            return g[0], ops.xp.zeros_like(g[0])
        return self.added(g or [ops.xp.zeros(self.ones, dtype=ops.dtype, device=ops.device)])

    def added(self, values: list[Array]) -> Words:
        """The exact sum of arrays, NaN where one of them is, or where it is too large."""
        ops = self.rows.ops.of_whole()
        v = ops.xp.stack(values, axis=-1)
        largest = ops.xp.max(ops.xp.abs(v), axis=-1, keepdims=True)
        finite = ops.xp.isfinite(largest)
        high, low = sums.exact_sum(ops, ops.where(finite, v, 0.0), ops.where(finite, largest, 0.0), (len(v.shape) - 1,))
        return ops.where(finite & ops.xp.isfinite(high), high, NAN)[..., 0], low[..., 0]

    def known(self, x: Array) -> Array:
        """``x``, NaN in rows with an index outside of them."""
        ops = self.rows.ops
        for inside in self.inside:
            x = ops.where(inside, x, NAN)
        return x

    def leave(self, values: list[Array]) -> Array:
        """One number for each index, in the format, of the indices' shape."""
        xp = self.rows.ops.xp
        x = xp.concat(values, axis=self.rows.axes[0]) if len(values) > 1 else values[0] if values else None
        if x is None:
            return xp.zeros(self.shape, dtype=self.rows.ops.dtype, device=self.rows.ops.device)
        return xp.asarray(xp.reshape(self.rows.widened().result(x), self.shape))
