"""Functions that cases call; what they change is changed back after each case."""

from __future__ import annotations

import contextlib
import os
import sys
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

import lsmx
from lsmx import extend
from lsmx._native import compiled, threads
from tests.errors.yours import Scaled

undo = contextlib.ExitStack()
"""Closed after each case."""


def environment(name: str, value: str) -> None:
    """Have the process look at its environment anew."""
    patch = mock.patch.dict(os.environ, {name: value})
    patch.start()
    looked = (threads.default, compiled._ready)
    for each in looked:
        each.cache_clear()
        undo.callback(each.cache_clear)
    undo.callback(patch.stop)


def small(x: Any, lacks: str = "", namespace: Exception | None = None, **raising: Exception) -> Any:
    """An array of array-api-strict, whose namespace lacks some names, or raises when some are called."""
    import array_api_strict

    def raises(error: Exception) -> Any:
        def function(*_: Any, **__: Any) -> Any:
            raise error

        return function

    class Small:
        __name__ = "small"

        def __getattr__(self, name: str) -> Any:
            if name in lacks.split():
                raise AttributeError(f"no {name}", name=name, obj=self)
            if name == "__array_namespace_info__" and "dtypes" in raising:
                return raises(raising["dtypes"])
            return raises(raising[name]) if name in raising else getattr(array_api_strict, name)

    only = Small()

    def of(self: Any, api_version: Any = None) -> Any:
        if namespace is not None:
            raise namespace
        return only

    array = array_api_strict.asarray(x)
    undo.enter_context(mock.patch.object(type(array), "__array_namespace__", of))
    return array


def on_x32(x: Any) -> Any:
    """An array of array-api-strict on a device whose widest integers have 32 bits."""
    import array_api_strict

    device = array_api_strict.Device("no_x64") if x.dtype != np.float64 else None
    array = array_api_strict.asarray(x, device=device)
    if device is None:  # which such a device refuses: only its integers are
        undo.enter_context(mock.patch("lsmx._definition.ops.widest_integers", return_value=(array_api_strict.int32, 32)))
    return array


def record(**changes: Any) -> extend.Backend:
    """A valid backend with other fields."""
    numpy = lsmx.backend_for(np.ones(1))
    fields = {name: getattr(numpy, name) for name in numpy.__dataclass_fields__ if name != "by_task"}
    return extend.Backend(**{**fields, **changes})


def double_backward(f: Any, x: Any) -> Any:
    """The gradient of a gradient, by PyTorch's autograd."""
    import torch

    x = x.clone().requires_grad_()
    (dx,) = torch.autograd.grad(f(x), x, torch.ones_like(x), create_graph=True)
    return torch.autograd.grad(dx.sum(), x)


def gradient_by_classes(z: Any, c: Any) -> Any:
    """The gradient of `Scaled` by the numbers of the classes."""
    return extend.register("scaled", Scaled).derivative("backward c", {"grad_output": z}, {"z": z, "c": c}, -1)


def mesh() -> Any:
    """A mesh of this process alone, as long as the case runs."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        undo.callback(dist.destroy_process_group)
    return init_device_mesh("cpu", (1,))


def cut(x: Any, along: int, *, strided: bool = False) -> Any:
    """A tensor as a DTensor, divided along an axis among the processes of the mesh."""
    from torch.distributed.tensor import DTensor, Shard
    from torch.distributed.tensor.placement_types import _StridedShard

    place = _StridedShard(along, split_factor=2) if strided else Shard(along)
    return DTensor.from_local(x, mesh(), [place], run_check=False)


def everywhere(x: Any) -> Any:
    """A tensor as a DTensor that every process of the mesh has whole."""
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(x, mesh(), [Replicate()], run_check=False)


def parallel(*given: Any, **options: Any) -> Any:
    """``vocabulary_parallel`` in a group of this process alone."""
    from lsmx_torch.parallel import vocabulary_parallel

    mesh()
    return vocabulary_parallel(*given, **options)


def of_unknown_sizes(x: Any, *chunks: int) -> Any:
    """A Dask array whose sizes along the first axis are not known."""
    import dask.array as da

    return da.from_array(x, chunks=chunks)[da.from_array(np.ones(len(x), bool), chunks=chunks[:1])]


def without(library: str) -> None:
    """Have Python not find a library."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == library}
    undo.callback(sys.modules.update, kept)

    class Absent:
        @staticmethod
        def find_spec(name: str, *_: Any) -> None:
            if name.partition(".")[0] == library:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    undo.enter_context(mock.patch.object(sys, "meta_path", [Absent, *sys.meta_path]))


def bare(module: str) -> None:
    """Have a module that has nothing in it."""
    without(module.partition(".")[0])
    sys.modules[module] = ModuleType(module)
    undo.callback(sys.modules.pop, module, None)
