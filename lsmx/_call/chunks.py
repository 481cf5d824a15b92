"""Losses of logits that are a product ``h W^T + b``, some rows at a time: never all logits at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lsmx._call.losses import ArgumentValueError
from lsmx._call.operator import namespace_of, serving, together
from lsmx._definition.checks import float_name
from lsmx._definition.ops import Array
from lsmx._errors import ShapeError

ROWS = 1024


def check_product(h: Array, weight: Array, each: Array, name: str, bias: Array | None) -> None:
    """Raise unless ``h W^T + b`` can be formed, with one index for each row."""
    float_name("h", h)
    others = {"weight": weight, name: each} | ({} if bias is None else {"bias": bias})
    together("h", h, **others)
    if len(h.shape) < 1 or len(weight.shape) != 2 or h.shape[-1] != weight.shape[1]:
        raise ShapeError(f"weight: shape {tuple(weight.shape)}, but h of {tuple(h.shape)} asks for (classes, {h.shape[-1:][0]})")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ShapeError(f"bias: shape {tuple(bias.shape)}, but weight of {tuple(weight.shape)} asks for ({weight.shape[0]},)")
    if tuple(each.shape) != tuple(h.shape[:-1]):
        raise ShapeError(f"{name}: shape {tuple(each.shape)}, but h of {tuple(h.shape)} asks for {tuple(h.shape[:-1])}")


def chunk_of(chunk: object) -> int:
    """How many rows are taken at a time."""
    if chunk is None:
        return ROWS
    if not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1:
        raise ArgumentValueError(f"chunk: {chunk!r} is not a number of rows of at least 1")
    return chunk


def product(h: Array, weight: Array, bias: Array | None) -> Array:
    """The logits: the library's own product."""
    z = h @ weight.T
    return z if bias is None else z + bias


def in_chunks(
    f: Callable[..., tuple[Array, ...]], h: Array, weight: Array, bias: Array | None, rows: tuple[Any, ...], chunk: int
) -> tuple[Array, ...]:
    """``f(z, *rows)`` of logits in chunks: one number a row each, joined again; what is no array is the same for all rows."""
    backend = serving("h", h)
    xp, shape = namespace_of(backend, h), tuple(h.shape[:-1])
    n = math.prod(shape)
    flat = xp.reshape(h, (n, h.shape[-1]))
    each = [xp.reshape(x, (n,)) if hasattr(x, "shape") else x for x in rows]

    def run(part: Array, weight: Array, bias: Array | None, *rows: Any) -> tuple[Array, ...]:
        return f(product(part, weight, bias), *rows)

    once = run if backend.recomputed is None else backend.recomputed(run)
    found = [
        once(flat[i : i + chunk], weight, bias, *(x[i : i + chunk] if hasattr(x, "shape") else x for x in each))
        for i in range(0, max(n, 1), chunk)
    ]
    joined = (parts[0] if len(parts) == 1 else xp.concat(parts, axis=0) for parts in map(list, zip(*found, strict=True)))
    return tuple(xp.reshape(x, shape) for x in joined)
