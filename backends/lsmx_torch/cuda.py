"""CUDA tensors: lsmx's CUDA kernels, compiled and launched by NVIDIA's ``cuda.core`` on PyTorch's current stream."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Sequence
from typing import Any

import torch

from lsmx.extend import CudaDevice, cuda_source, cuda_too_old

INSTALL = 'pip install "lsmx[cuda]"'
_kernels: dict[tuple[int, str], Any] = {}
NOTHING = contextlib.nullcontext()
_here = threading.local()  # .devices: those whose CUDA context is current in this thread already


@functools.cache
def unavailable() -> str | None:
    """Why nothing can be compiled or launched here, or None."""
    try:
        import cuda.core  # noqa: F401
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:
        return f"NVIDIA's cuda-core cannot be used ({error}); {INSTALL}"
    return None if torch.cuda.is_available() else "PyTorch finds no CUDA device"


@functools.cache
def old(device: int) -> str | None:
    """Why a device cannot run the kernels, or None."""
    return cuda_too_old(torch.cuda.get_device_capability(device))


@functools.cache
def shared(device: int) -> int:
    """The bytes of shared memory that a block may ask for."""
    from cuda.core import Device

    return int(Device(device).properties.max_shared_memory_per_block_optin)


def compiled(passname: str, dtype: str, arch: str) -> Any:
    """The kernels of a pass for an architecture, kept on disk by ``cuda.core``."""
    from cuda.core import Program, ProgramOptions
    from cuda.core.utils import FileStreamProgramCache

    program = Program(cuda_source(passname, dtype), "c++", ProgramOptions(arch=arch, std="c++17", fma=False))
    with FileStreamProgramCache() as cache:
        return program.compile("cubin", cache=cache)


def load(device: int, passname: str, dtype: str, kernel: str) -> Any:
    """A kernel on a device, allowed to use all the shared memory that there is."""
    from cuda.bindings import driver

    if (device, kernel) not in _kernels:
        major, minor = torch.cuda.get_device_capability(device)
        loaded = compiled(passname, dtype, f"sm_{major}{minor}").get_kernel(kernel)
        attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        (error,) = driver.cuKernelSetAttribute(attribute, shared(device), loaded.handle, driver.CUdevice(device))
        if error != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"{kernel}: {shared(device)} bytes of shared memory were refused: {error}")
        _kernels[device, kernel] = loaded
    return _kernels[device, kernel]


@functools.cache
def stream(device: int, handle: int) -> Any:
    """PyTorch's stream for ``cuda.core``, which is not to own it: PyTorch keeps its streams for ever."""
    from cuda.core import Stream

    return Stream.from_handle(handle)


@functools.lru_cache(maxsize=1024)
def config(blocks: int, threads: int, room: int) -> Any:
    """The shape of a launch."""
    from cuda.core import LaunchConfig

    return LaunchConfig(grid=blocks, block=threads, shmem_size=room)


@functools.cache
def starter() -> Any:
    """What launches a kernel."""
    from cuda.core import launch

    return launch


def on(device: int) -> contextlib.AbstractContextManager[Any]:
    """Makes a device the current one while it lasts."""
    seen = _here.__dict__.setdefault("devices", set())
    if device not in seen:  # a thread without a call of CUDA has no context yet
        from cuda.core import Device

        with torch.cuda.device(device):
            Device(device).set_current()
        seen.add(device)
    return NOTHING if device == torch.cuda.current_device() else torch.cuda.device(device)


def launch(
    like: torch.Tensor, passname: str, dtype: str, kernel: str, blocks: int, threads: int, room: int, values: Sequence[int]
) -> None:
    """Launch a kernel on the current stream of a tensor's device."""
    device = like.device.index
    with on(device):
        on_stream = stream(device, torch.cuda.current_stream(device).cuda_stream)
        starter()(on_stream, config(blocks, threads, room), load(device, passname, dtype, kernel), *values)


DEVICE = CudaDevice(unavailable=unavailable, shared=lambda x: shared(x.device.index), launch=launch)
