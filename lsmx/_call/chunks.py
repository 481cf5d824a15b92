"""Losses of logits that are a product ``h W^T + b``, some rows at a time: never all logits at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lsmx._call.operator import namespace_of, serving, together
from lsmx._definition.checks import check_dtype_like, dtype_name, float_name, same_shape
from lsmx._definition.ops import Array
from lsmx._definition.shown import shown
from lsmx._errors import ArgumentValueError, DTypeError, ShapeError

ROWS = 1024


def check_product(h: Array, weight: Array, each: Array, name: str, bias: Array | None) -> None:
    """Raise unless ``h W^T + b`` can be formed, with one index for each row."""
    serving("h", h)
    float_name("h", h)
    numbers = {"weight": weight} | ({} if bias is None else {"bias": bias})
    together("h", h, **numbers, **{name: each})
    if not h.shape:
        raise ShapeError("h: shape (), but hidden states have at least one axis: (..., D)")
    for other, x in numbers.items():
        check_dtype_like(other, x, h.dtype)
    if len(weight.shape) != 2 or h.shape[-1] != weight.shape[1]:
        raise ShapeError(f"weight: shape {tuple(weight.shape)}, but h of {tuple(h.shape)} asks for (classes, {h.shape[-1]})")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ShapeError(f"bias: shape {tuple(bias.shape)}, but weight of {tuple(weight.shape)} asks for ({weight.shape[0]},)")
    if tuple(each.shape) != tuple(h.shape[:-1]):
        raise ShapeError(f"{name}: shape {tuple(each.shape)}, but h of {tuple(h.shape)} asks for {tuple(h.shape[:-1])}")


def check_beside(h: Array, weight: Array, temperature: Array | None, class_weight: Array | None = None) -> None:
    """Raise unless a temperature for each row, and a weight for each class, go with ``h W^T``."""
    given = {"temperature": temperature, "class_weight": class_weight}
    for name, x in given.items():
        if x is not None:
            together("h", h, **{name: x})
            check_dtype_like(name, x, h.dtype)
    rows = tuple(h.shape[:-1])
    if temperature is not None:
        same_shape("temperature", tuple(temperature.shape), rows, (*rows, 1), of=f"h of {tuple(h.shape)}")
    if class_weight is not None:
        same_shape("class_weight", tuple(class_weight.shape), (weight.shape[0],), of=f"weight of {tuple(weight.shape)}")


def chunk_of(chunk: object) -> int:
    """How many rows are taken at a time."""
    if chunk is None:
        return ROWS
    if not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1:
        raise ArgumentValueError(f"chunk: {shown(chunk)} is not a number of rows; pass an integer of at least 1")
    return chunk


def product(h: Array, weight: Array, bias: Array | None) -> Array:
    """The logits: the library's own product."""
    try:
        z = h @ weight.T
    except (TypeError, RuntimeError) as error:
        if h.dtype == weight.dtype:
            raise
        given = f"dtype {dtype_name(weight.dtype)}, but h is of {dtype_name(h.dtype)}"
        raise DTypeError(f"weight: {given}, and their library has no product of the two ({error}); cast one") from error
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
        once(flat[i:stop, :], weight, bias, *(x[i:stop] if hasattr(x, "shape") else x for x in each))
        for i, stop in ((i, min(i + chunk, n)) for i in range(0, max(n, 1), chunk))
    ]
    joined = (parts[0] if len(parts) == 1 else xp.concat(parts, axis=0) for parts in map(list, zip(*found, strict=True)))
    return tuple(xp.reshape(x, shape) for x in joined)
