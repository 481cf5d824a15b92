"""``jax.numpy`` for the definition: with exact casts, a maximum that keeps NaN, and products that XLA does not contract."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def __getattr__(name: str) -> Any:
    return getattr(jnp, name)


def astype(x: Any, dtype: Any, /, **options: Any) -> Any:
    """A cast to the very dtype that is asked for: without 64-bit types switched on, JAX would make float64 float32.

    Every argument of a rule is cast when it enters. It may be a product that XLA would contract with the rule's first addition, so
    it is marked as rounded here.
    """
    with jax.enable_x64(True):
        return jnp.astype(rounded(x) if jnp.issubdtype(x.dtype, jnp.floating) else x, dtype, **options)


def max(x: Any, /, *, axis: Any, keepdims: bool) -> Any:  # noqa: A001 (the standard's name)
    """The maximum, NaN if there is one: XLA's own on the CPU loses NaN where it fuses the maximum with what made ``x``."""
    return jnp.where(jnp.any(jnp.isnan(x), axis=axis, keepdims=keepdims), jnp.nan, jnp.max(x, axis=axis, keepdims=keepdims))


def rounded(product: Any) -> Any:
    """``product`` as it is. XLA contracts a product with an addition that it feeds, but does not see through the comparison."""
    return jnp.where(jnp.isnan(product), jnp.nan, product)
