"""What the code of a case may name, and the files that its command finds."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from typing import Any
from unittest import mock

import numpy as np

import lsmx
from lsmx import extend
from lsmx._native import compiled, threads

LIBRARIES = {
    "torch": ("torch", "t", "ti", "double_backward", "cut", "everywhere", "vocabulary_parallel"),
    "jax": ("jax", "jnp", "j"),
    "dask": ("dask", "da", "d", "of_unknown_sizes"),
    "distributed": ("tcp",),
    "array_api_strict": ("small", "on_x32"),
    "zarr": ("zarr", "folder"),
    "fcntl": ("busy", "pipe"),
    "matplotlib": ("plot",),
    "tabulate": ("bench",),
}
"""The libraries that words of a case need."""

undo = contextlib.ExitStack()
"""Closed after each case: what the functions below have changed."""


class Quantity(np.ndarray):
    """Numbers with a unit, as far as NumPy sees."""

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


class Series:
    """What is like an array, and is none."""

    shape, dtype = (3,), np.dtype("float32")


Quantity.__module__ = Series.__module__ = "yours"


class Cube(extend.Function):
    """A function without rules of second derivatives."""

    residual = ("z",)

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        """``z^3``."""
        ctx.save_for_backward(z)
        return z**3

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        """``3 z^2 g``."""
        (z,) = ctx.saved_tensors
        return grad_output * 3 * z**2


class Saving(Cube):
    """The same with a JVP, saving its output: its second derivatives do not follow from symmetry."""

    residual = ("z", "output")

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        """``z^3``."""
        out = z**3
        ctx.save_for_backward(z, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        """``3 z^2 g``."""
        z, _ = ctx.saved_tensors
        return grad_output * 3 * z**2

    jvp = backward


def flat_forward(ctx: Any, z: Any, /) -> Any:
    """``z^3``, without rows."""
    ctx.save_for_backward(z)
    return z**3


def odd_forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, powers: Any = (3,)) -> Any:
    """``z^3``, with an option of a type that PyTorch's operators do not take."""
    ctx.save_for_backward(z)
    return z**3


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


class Moving(Cube):
    """The same with a JVP, and without its second derivative."""

    @staticmethod
    def jvp(ctx: Any, tangent: Any, /) -> Any:
        """``3 z^2 v``."""
        (z,) = ctx.saved_tensors
        return tangent * 3 * z**2


class Scaled(extend.Function):
    """``c z``, with a number for each class."""

    takes = {"z": extend.ROWS, "c": extend.PER_CLASS}  # noqa: RUF012
    gradients = ("z", "c")
    residual = ("z", "c")

    @staticmethod
    def forward(ctx: Any, z: Any, c: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        """``c z``."""
        ctx.save_for_backward(z, c)
        return z * c

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        """``c g`` and ``sum(g z)`` over the rows."""
        z, c = ctx.saved_tensors
        return grad_output * c, (grad_output * z).sum(0)


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


def plain() -> dict[str, Any]:
    """The arrays of numbers that names stand for before a case is run."""
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    return {"z": z, "i": np.asarray([0, 2]), "g": np.ones(2, np.float32), "t": z}


def made_for(code: str) -> dict[str, Any]:
    """All names that Python code asks for."""
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    i = np.asarray([0, 2])
    names: dict[str, Any] = {
        "__name__": "yours",
        "np": np,
        "lsmx": lsmx,
        "extend": extend,
        "z": z,
        "i": i,
        "g": np.ones(2, np.float32),
    }
    names |= {"Quantity": Quantity, "Series": Series, "Cube": Cube, "Moving": Moving, "Scaled": Scaled, "record": record}
    names |= {
        "small": small,
        "on_x32": on_x32,
        "environment": environment,
        "Saving": Saving,
        "mesh": mesh,
        "cut": cut,
        "gradient_by_classes": gradient_by_classes,
        "everywhere": everywhere,
    }
    names |= {"vocabulary_parallel": parallel, "of_unknown_sizes": of_unknown_sizes, "double_backward": double_backward}
    names |= {"flat_forward": staticmethod(flat_forward), "odd_forward": staticmethod(odd_forward)}
    names["whole"] = lsmx.partial("softmax", z, size=3)
    from lsmx import testing

    names["testing"] = testing
    with contextlib.suppress(ModuleNotFoundError):
        import torch

        names |= {"torch": torch, "t": torch.from_numpy(z.copy()), "ti": torch.from_numpy(i)}
    with contextlib.suppress(ModuleNotFoundError):
        import jax

        names |= {"jax": jax, "jnp": jax.numpy, "j": jax.numpy.asarray(z)}
    with contextlib.suppress(ModuleNotFoundError):
        import dask.array

        names |= {"da": dask.array, "d": dask.array.from_array(z, chunks=(1, 3))}
    return names


def make_files(line: str) -> None:
    """The files that command lines name, in the present folder."""
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    for name, x in {"z": z, "i": np.asarray([0, 2]), "k": np.ones((2, 2, 3), int), "far": np.asarray([0, 9])}.items():
        np.save(f"{name}.npy", x)
    np.save("objects.npy", z.astype(object))
    np.save("bytes.npy", np.zeros(3, "V1"))
    np.save("scalar.npy", np.float32(1))
    np.save("empty_rows.npy", np.zeros((0, 3), np.float32))
    np.save("complex.npy", z.astype(complex))
    np.savez("z.npz", z)
    pathlib.Path("text.npy").write_text("1, 2, 3")
    pathlib.Path("nothing.npy").write_bytes(b"")
    whole = pathlib.Path("z.npy").read_bytes()
    pathlib.Path("cut.npy").write_bytes(whole[:-4])
    pathlib.Path("header.npy").write_bytes(whole[:20])
    pathlib.Path("taken.npy").write_bytes(whole)
    np.save("dates.npy", np.zeros(3, "M8[D]"))
    pathlib.Path("folder").mkdir()
    if "pipe" in line:
        os.mkfifo("pipe.npy")
    if "group" in line:
        import zarr

        zarr.create_group("group.zarr")
    if "busy" in line:
        import fcntl

        pathlib.Path(".busy.npy.partial").mkdir()
        held = undo.enter_context(open(".busy.npy.partial/lock", "w"))  # noqa: SIM115 # as long as the case runs
        fcntl.flock(held, fcntl.LOCK_EX)
    pathlib.Path("text.json").write_text("{")
    pathlib.Path("other.json").write_text("{}")
    inputs = {"digest": "0", "name": "generated cases"}
    facts: dict[str, Any] = {"command": "verify", "rows": [], "inputs": inputs, "definition": {}}
    facts |= {"arithmetic_version": lsmx.ARITHMETIC_VERSION, "libraries": {}, "lsmx": "0", "platform": "here"}
    records = {
        "a": facts,
        "old": facts | {"arithmetic_version": 1},
        "b": facts | {"inputs": {"digest": "1", "name": "z.npy"}},
    }
    for name, content in records.items():
        pathlib.Path(f"{name}.json").write_text(json.dumps(content))
