"""The kernels of ``lsmx/_native/cuda``, compiled and launched by ``cupy.RawModule`` on CuPy's current stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy

from lsmx.extend import CUDA_OPTIONS, CudaDevice, Kernel, Memory, cuda_engine, cuda_source, cuda_too_old, fused

_kernels: dict[tuple[int, str], Any] = {}
_shared: dict[int, int] = {}
_old: dict[int, str | None] = {}
DTYPES = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int32", "int64")


def shared(x: Any) -> int:
    """The bytes of shared memory that a block may ask for on an array's device."""
    device = x.device
    if device.id not in _shared:
        _shared[device.id] = int(device.attributes["MaxSharedMemoryPerBlockOptin"])
    return _shared[device.id]


def load(like: Any, passname: str, dtype: str, kernel: str) -> Any:
    """A kernel on the device of an array, which is the current one; CuPy keeps what is compiled on disk."""
    key = like.device.id, kernel
    if key not in _kernels:
        module = cupy.RawModule(code=cuda_source(passname, dtype), options=CUDA_OPTIONS)
        loaded = module.get_function(kernel)
        loaded.max_dynamic_shared_size_bytes = shared(like)
        _kernels[key] = loaded
    return _kernels[key]


def launch(like: Any, passname: str, dtype: str, kernel: str, blocks: int, threads: int, room: int, values: Sequence[int]) -> None:
    """Launch a kernel on the current stream of an array's device."""
    with like.device:
        load(like, passname, dtype, kernel)((blocks,), (threads,), tuple(values), shared_mem=room)


def old(device: Any) -> str | None:
    """Why a device cannot run the kernels, or None."""
    if device.id not in _old:
        digits = device.compute_capability  # "75", "120"
        _old[device.id] = cuda_too_old((int(digits[:-1]), int(digits[-1])))
    return _old[device.id]


def refuse(x: Any, dtypes: Sequence[str] = DTYPES) -> str | None:
    """Kernels read the memory of plain arrays."""
    if type(x) is not cupy.ndarray:
        return f"a {type(x).__name__}, not a plain cupy.ndarray"
    if x.dtype.name not in dtypes:
        return f"dtype {x.dtype.name}"
    if x.data.ptr % x.itemsize or any(s % x.itemsize for s in x.strides):
        return "elements that are not aligned in memory"
    return old(x.device)


def simple(x: Any) -> str | None:
    """What kernels take without a further look."""
    return x.dtype.name if refuse(x) is None and x.flags.c_contiguous and x.size and x.ndim else None


def empty(shape: tuple[int, ...], like: Any, widens: bool = False) -> Any:
    """A new array on the device of another."""
    with like.device:
        return cupy.empty(shape, "float32" if widens and like.itemsize == 2 else like.dtype)


def masked(x: Any, where: Any, value: float) -> Any:
    """A copy with a number where the mask is false."""
    with x.device:
        return fill_in(x.copy(order="C"), where, value)


def fill_in(x: Any, where: Any, value: float) -> Any:
    """Put a number where the mask is false."""
    with x.device:
        cupy.copyto(x, value, where=cupy.logical_not(where))
    return x


MEMORY = Memory(
    refuse=refuse,
    refuse_index=lambda x: refuse(x, INTEGERS),
    refuse_mask=lambda x: refuse(x, ("bool",)),
    dtype=lambda x: x.dtype.name,
    address=lambda x: x.data.ptr,
    strides=lambda x: tuple(s // x.itemsize for s in x.strides),
    width=lambda x: x.itemsize,
    simple=simple,
    is_writable=lambda x: True,
    empty=empty,
    masked=masked,
    fill=fill_in,
    threads=lambda: 1,
)
DEVICE = CudaDevice(unavailable=lambda: None, shared=shared, launch=launch)
KERNELS: tuple[Kernel, ...] = fused(MEMORY, cuda_engine(DEVICE))
