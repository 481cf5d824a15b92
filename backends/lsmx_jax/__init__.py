"""JAX arrays and tracers.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lsmx.extend import Backend, Format, Operation, Ops, power_from_bits
from lsmx_jax import namespace
from lsmx_jax.host import kernels, loss_kernels
from lsmx_jax.primitives import bind
from lsmx_jax.short import unfollowed


def owns(kind: type) -> bool:
    """Arrays, and what stands for them while a function is traced."""
    return issubclass(kind, jax.Array | jax.core.Tracer)


def ops(x: Any, fmt: Format) -> Ops:
    """JAX's operations. Operations are lowered with 64-bit types switched on, whatever the user's setting."""
    bits = 64 if jax.config.jax_enable_x64 else 32
    integers = jnp.dtype(f"int{bits}"), bits
    return Ops(xp=namespace, device=None, format=fmt, integers=integers, rounded=namespace.rounded, power=power_from_bits)


def version() -> str:
    """JAX's version."""
    return str(jax.__version__)


def devices() -> list[str]:
    """All devices of the default platform."""
    return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """An array in ``dtype``; float64 only where the user has switched it on."""
    if isinstance(device, str):
        platform, _, place = device.partition(":")
        device = jax.devices(platform)[int(place or 0)]
    with jax.enable_x64(True):
        return jax.device_put(jnp.asarray(values).astype(dtype), device)


def to_numpy(x: Any) -> Any:
    """The array on the host; bfloat16 as float32."""
    return np.asarray(x.astype("float32") if x.dtype == jnp.bfloat16 else x)


def at_hand(x: Any) -> bool:
    """Whether an array's numbers can be looked at here and now."""
    return not isinstance(x, jax.core.Tracer) and x.is_fully_addressable and all(d.platform == "cpu" for d in x.devices())


FOLLOWED = ("JVPTracer", "LinearizeTracer")
"""The tracers that JAX differentiates with."""


def apart(operation: Operation, arrays: tuple[Any, ...], axis: Any, where: Any, options: Mapping[str, Any]) -> Any:
    """An operation that JAX is not to differentiate."""
    if any(type(x).__name__ in FOLLOWED for x in arrays):
        raise NotImplementedError(
            f"{operation.name}: what parts of rows say has no derivatives; use jax.lax.stop_gradient, and the backward function in "
            "the same steps, or shard the rows over a mesh: JAX then divides the functions themselves"
        )
    with jax.enable_x64(True):
        return operation.compute(arrays, axis, where, options, None)


backend = Backend(
    name="jax",
    roots=("jax", "jaxlib"),
    owns=owns,
    ops=ops,
    version=version,
    devices=devices,
    dtypes=("float16", "bfloat16", "float32", "float64"),
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=(*kernels(), *loss_kernels()),
    bind=bind,
    unfollowed=unfollowed,
    seen=at_hand,
    apart=apart,
    recomputed=jax.checkpoint,
)
