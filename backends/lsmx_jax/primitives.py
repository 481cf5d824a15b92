"""Makes JAX primitives of the operations of lsmx: JAX transforms them by their rules, and so knows derivatives of every order."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from lsmx import using
from lsmx.extend import MASK, Calculus, Operation, forced
from lsmx_jax.divided import divide
from lsmx_jax.place import lowering, place


def bind(
    operation: Operation,
    arrays: tuple[Any, ...],
    axis: Any,
    where: Any = None,
    options: Mapping[str, Any] | None = None,
    out: Any = None,
) -> Any:
    """An operation by its primitive. ``out`` is left alone: JAX's arrays cannot be written to."""
    values = tuple(operation.values(options))
    axes = operation.axes(arrays, axis)
    operation.check(arrays, axis, where)
    args = alike(arrays if where is None else (*arrays, where))
    return primitive_of(operation).bind(*args, axes=axes, values=values, reference=forced() == "reference")


@functools.cache
def primitive_of(operation: Operation) -> Primitive:
    """The primitive ``lsmx_<name>`` of an operation, with what it does in each transformation of JAX."""
    p = Primitive(f"lsmx_{operation.name}")
    n, names, rows, kinds = len(operation.names), operation.names, operation.at, tuple(operation.takes.values())

    def split(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
        return tuple(args[:n]), args[n] if len(args) > n else None

    def abstract(*args: Any, axes: tuple[int, ...], values: tuple[Any, ...], reference: bool) -> Any:
        shape = operation.shape([x.shape for x in args[:n]], axes, operation.named(values))
        return like(args[rows], shape, axes, operation.dtype(args[rows]))

    def compute(*args: Any, axes: tuple[int, ...], values: tuple[Any, ...], reference: bool) -> Any:
        arrays, where = split(args)
        axis, here = operation.axis(arrays, axes), place.get()
        with jax.enable_x64(True), using("reference") if reference else nullcontext():
            if here is not None and here.may_divide(arrays[rows].shape):
                return divide(operation, arrays, axis, where, operation.named(values), here)
            return operation.compute(arrays, axis, where, operation.named(values), None)

    def calculus(where: Any, axes: tuple[int, ...], values: tuple[Any, ...]) -> Calculus:
        return Calculus(bind, operation.family, axes or None, where, operation.named(values))

    def jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...], **params: Any) -> tuple[Any, Any]:
        arrays, where = split(primals)
        if operation.beforehand is not None:
            given = arrays, params["axes"] or None, where, operation.named(params["values"])
            other, known = operation.beforehand(bind, *given)
            if other is operation:
                return differentiated(primals, tangents, **params)
            more = [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in known[n:]]
            primals, tangents = (*known, *primals[n:]), (*tangents[:n], *more, *tangents[n:])
            derived: tuple[Any, Any] = ad.primitive_jvps[primitive_of(other)](primals, tangents, **params)
            return derived
        return differentiated(primals, tangents, **params)

    def differentiated(primals: tuple[Any, ...], tangents: tuple[Any, ...], **params: Any) -> tuple[Any, Any]:
        arrays, where = split(primals)
        output = p.bind(*primals, **params)
        rules = operation.on(arrays)
        d, at = calculus(where, params["axes"], params["values"]), rules.saved(arrays, output)
        given = zip(names, tangents, strict=False)
        moving = [(name, v) for name, v in given if type(v) is not ad.Zero and operation.moves(name)]
        shares = [rules.rule("push", name)(d, v, at).astype(output.dtype) for name, v in moving]
        return output, sum(shares[1:], shares[0]) if shares else ad.Zero(jax.typeof(output).to_tangent_aval())

    def transpose(cotangent: Any, *args: Any, **params: Any) -> list[Any]:
        arrays, where = split(args)
        known = [
            jnp.zeros(x.aval.shape, x.aval.dtype) if ad.is_undefined_primal(x) else x for x in arrays
        ]  # of a cotangent that is zero: rules ask for its shape
        d, at = calculus(where, params["axes"], params["values"]), operation.saved(known, None)
        result: list[Any] = [None] * len(args)
        for i, (name, x) in enumerate(zip(names, arrays, strict=True)):
            if ad.is_undefined_primal(x):
                zero = type(cotangent) is ad.Zero
                result[i] = ad.Zero(x.aval) if zero else operation.rule("pull", name)(d, cotangent, at).astype(x.aval.dtype)
        return result

    def batched(args: Any, dims: Any, *, axes: tuple[int, ...], values: tuple[Any, ...], reference: bool) -> tuple[Any, int]:
        size = next(x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None)
        arrays, where = split(tuple(at_front(x, d, size) for x, d in zip(args, dims, strict=True)))
        wanted = operation.shape([x.shape[1:] for x in arrays], axes, operation.named(values))
        ndim = arrays[rows].ndim - 1
        shapes = [kind.aligned(x.shape[1:], ndim, axes) for kind, x in zip(kinds, arrays, strict=True)]
        if not axes:  # scalars: each is a row of its own
            shapes = [shape or (1,) for shape in shapes]
        aligned = tuple(x.reshape(size, *shape) for x, shape in zip(arrays, shapes, strict=True))
        mask: tuple[Any, ...] = ()
        if where is not None:
            mask = (where.reshape(size, *MASK.aligned(where.shape[1:], ndim + (not axes), axes)),)
        moved = tuple(a + 1 for a in axes or (0,))
        return p.bind(*aligned, *mask, axes=moved, values=values, reference=reference).reshape(size, *wanted), 0

    compiled = jax.jit(p.bind, static_argnames=("axes", "values", "reference"))

    def run(*args: Any, **params: Any) -> Any:
        with jax.disable_jit(False):
            return compiled(*args, **params)

    p.def_impl(run)
    p.def_abstract_eval(abstract)
    ad.primitive_jvps[p] = jvp
    ad.primitive_transposes[p] = transpose
    batching.primitive_batchers[p] = batched
    mlir.register_lowering(p, lowering(compute))
    return p


def alike(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """All arguments as varying over the devices of ``shard_map`` that one of them varies over, so that JAX adds up gradients."""
    vary: list[frozenset[Any]] = [jax.typeof(x).manual_axis_type.varying for x in args]
    over: frozenset[Any] = frozenset().union(*vary)
    return tuple(x if v == over else jax.lax.pcast(x, tuple(over - v), to="varying") for x, v in zip(args, vary, strict=True))


def like(rows: Any, shape: tuple[int, ...], axes: tuple[int, ...], dtype: str) -> Any:
    """Shape and dtype of a result, divided among devices as the rows that it is computed from."""
    spec = [*rows.sharding.spec, *[None] * (rows.ndim - len(rows.sharding.spec))]
    if shape != rows.shape:
        spec = [None if i in axes else s for i, s in enumerate(spec) if i not in axes or len(shape) == rows.ndim]
        spec += [None] * (len(shape) - len(spec))
    return rows.update(shape=shape, dtype=jnp.dtype(dtype), weak_type=False, sharding=rows.sharding.update(spec=spec))


def at_front(x: Any, dim: Any, size: int) -> Any:
    """An array with the dimension that ``vmap`` runs over in front."""
    return jnp.broadcast_to(x, (size, *x.shape)) if dim is None else jnp.moveaxis(x, dim, 0)
