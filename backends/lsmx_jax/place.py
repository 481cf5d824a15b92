"""What is known of the devices that a primitive is lowered for: the core's kernels are for the host, and for whole rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jax
from jax.interpreters import mlir

AXIS = "lsmx_devices"
"""All devices of a program in one row, as an axis that collective operations go along."""


@dataclass(frozen=True)
class Place:
    """What is known where an operation is traced to be compiled.

    Attributes
    ----------
    platform
        The platform of its devices.
    devices
        The number of devices that XLA will divide the arrays among: 1 if arrays are one device's already, 0 if it is not known.
    cut
        Whether the rows themselves are divided among them.
    """

    platform: str
    devices: int
    cut: bool = False

    def may_divide(self, shape: tuple[Any, ...]) -> bool:
        """Whether XLA may divide an array of a shape."""
        return self.devices > 1 and self.platform == "cpu" and bool(shape) and 0 not in shape


place: ContextVar[Place | None] = ContextVar("lsmx_jax_place", default=None)


@contextmanager
def at(here: Place) -> Iterator[None]:
    """Trace for a place."""
    token = place.set(here)
    try:
        yield
    finally:
        place.reset(token)


def lowering(compute: Callable[..., Any]) -> Callable[..., Any]:
    """How ``compute`` is lowered, for any platform."""
    lower = mlir.lower_fun(compute, multiple_results=False)

    def rule(ctx: Any, *args: Any, **params: Any) -> Any:
        module = ctx.module_context
        here = Place(",".join(ctx.platforms or module.platforms), devices_of(module))
        if here.devices > 1 and here.platform == "cpu":  # any devices will do, as only their numbers matter here
            devices = tuple(jax.devices("cpu")[: here.devices])
            if len(devices) < here.devices:
                here = Place(here.platform, 0)
            else:
                mesh = jax.sharding.AbstractMesh((here.devices,), (AXIS,))
                module = module.replace(axis_context=mlir.ShardingContext(here.devices, devices, mesh))
        avals = [
            jax.core.ShapedArray(a.shape, a.dtype) for a in ctx.avals_in
        ]  # arrays are whole here: XLA divides the computation later
        with at(here):
            return lower(ctx.replace(module_context=module, avals_in=avals), *args, **params)

    return rule


def devices_of(module: Any) -> int:
    """Among how many devices XLA divides the arrays of a program."""
    if module.lowering_parameters.for_export:
        return 0
    context = module.axis_context
    if isinstance(context, mlir.SPMDAxisContext):  # in shard_map, where arrays are parts already
        return int(context.mesh.size == 1 or context.manual_axes == frozenset(context.mesh.axis_names))
    return getattr(context, "num_devices", 0)


def elsewhere(x: Any, axes: tuple[int, ...]) -> str | None:
    """Why an array, with rows along these axes, is not for the core's kernels; or None."""
    here = place.get()
    if here is None:
        if isinstance(x, jax.core.Tracer):
            return "being traced: what runs is chosen when it is compiled"
        part = x.sharding.shard_shape(x.shape)
        divided = any(part[a] != x.shape[a] for a in axes)
        here = Place(",".join(sorted({d.platform for d in x.devices()})), 1, divided)
    if here.platform != "cpu":
        return f"for {here.platform}, not in the host's memory"
    if not here.devices:
        return "to be exported, or for other devices than there are here, or in a shard_map over some axes of a mesh"
    return "rows that are divided among devices, which add up their parts" if here.cut else None
