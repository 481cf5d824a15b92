"""PyTorch tensors.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

import contextvars
import functools
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from operator import methodcaller
from typing import Any

import numpy as np
import torch

from lsmx.extend import (
    HOST_TYPES,
    Backend,
    Format,
    HostMemory,
    HostView,
    Memory,
    Operation,
    Ops,
    backend_of,
    chosen_threads,
    core_kernels,
    cuda_engine,
    fused,
    power_from_bits,
    row_blocks,
)
from lsmx_torch import namespace, onnx, short
from lsmx_torch.bind import PLAIN, at_hand, bind, define
from lsmx_torch.cuda import DEVICE, old

LARGE = 2**20  # elements from which on NumPy's allocation in large pages pays
INTEGERS = (torch.int32, torch.int64)
NAMES = {getattr(torch, name): name for name in ("float16", "bfloat16", "float32", "float64")}


def owns(kind: type) -> bool:
    """Tensors."""
    return issubclass(kind, torch.Tensor)


def ops(x: Any, fmt: Format) -> Ops:
    """PyTorch's operations, through array-api-compat."""
    found = ops_on(x.device, fmt)
    return replace(found, xp=onnx.NAMESPACE) if onnx.translating.get() else found


@functools.cache
def ops_on(device: torch.device, fmt: Format) -> Ops:
    """The operations on a device."""
    return Ops(xp=namespace, device=device, format=fmt, integers=(torch.int64, 64), power=power_from_bits, eager=True)


def elsewhere(x: Any) -> str | None:
    """Why a tensor is not computed in blocks of rows, which fit the host's cache; None if it is in the host's memory."""
    return None if x.device.type == "cpu" else f"on {x.device}: blocks are for the host's cache"


def version() -> str:
    """PyTorch's version."""
    return str(torch.__version__)


def devices() -> list[str]:
    """The host, and CUDA devices."""
    return ["cpu", *(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count()))]


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """A tensor in ``dtype``."""
    return torch.asarray(values, device=device).to(getattr(torch, dtype))


def to_numpy(x: Any) -> Any:
    """The tensor on the host; bfloat16 as float32."""
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy(force=True)  # also what is lazily negated


def refusing(device: str, dtypes: Container[Any] = NAMES) -> Callable[[Any], str | None]:
    """Why kernels for plain tensors on one type of device cannot read or write the memory of a tensor as it is."""
    elsewhere = "not in the host's memory" if device == "cpu" else f"not on a {device.upper()} device"

    def refuse(x: Any) -> str | None:
        if x.device.type != device:
            return f"on {x.device}, {elsewhere}"
        if type(x) not in PLAIN:
            return f"a {type(x).__name__}, not a plain tensor"
        if x.dtype not in dtypes:
            return f"dtype {x.dtype}"
        if x.is_neg():
            return "a negative view, whose memory has the other sign; pass z.resolve_neg()"
        try:
            address = x.data_ptr()
        except RuntimeError as error:
            return f"no memory of its own: {error}"
        if not address and x.numel():
            return "no memory of its own: it stands for zeros"
        return old(x.device.index) if device == "cuda" else None

    return refuse


def simple_by(refuse: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """The dtype of what kernels take without a further look."""
    return lambda x: NAMES[x.dtype] if x.is_contiguous() and x.numel() and x.dim() and refuse(x) is None else None


def empty(shape: tuple[int, ...], like: Any, widens: bool = False) -> Any:
    """A new tensor on the same device. Large ones on the host are made by NumPy, whose large pages come much faster."""
    if widens and like.element_size() == 2:
        return like.new_empty(shape, dtype=torch.float32)
    if math.prod(shape) >= LARGE and like.is_cpu:
        return torch.from_numpy(np.empty(shape, dtype=f"u{like.dtype.itemsize}")).view(like.dtype)
    return torch.empty_like(like, memory_format=torch.contiguous_format) if shape == like.shape else like.new_empty(shape)


def memory(device: str) -> Memory:
    """The memory of plain tensors on a type of device."""
    refuse = refusing(device)
    return Memory(
        refuse=refuse,
        refuse_index=refusing(device, INTEGERS),
        refuse_mask=refusing(device, (torch.bool,)),
        dtype=lambda x: NAMES[x.dtype],
        address=methodcaller("data_ptr"),
        strides=methodcaller("stride"),
        width=methodcaller("element_size"),
        simple=simple_by(refuse),
        is_writable=lambda x: True,
        empty=empty,
        masked=lambda x, where, value: torch.where(where, x, value).contiguous(),
        fill=lambda x, where, value: x.masked_fill_(~where, value),
        threads=lambda: chosen_threads() or torch.get_num_threads(),
    )


def apart(
    operation: Operation, arrays: tuple[torch.Tensor, ...], axis: Any, where: torch.Tensor | None, options: Mapping[str, Any]
) -> Any:
    """An operation on parts of rows, which autograd cannot follow: refused for tensors that require grad."""
    if torch.is_grad_enabled() and any(x.requires_grad for x in arrays):
        raise NotImplementedError(
            f"{operation.name}: what parts of rows say has no derivatives; call this under torch.no_grad(), and the backward "
            "function in the same steps"
        )
    with torch.no_grad():
        return operation.compute(arrays, axis, where, options, None)


def recomputed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside PyTorch's checkpoint, if autograd follows one of its arguments."""

    def run(*tensors: Any) -> Any:
        if not torch.is_grad_enabled() or not any(isinstance(x, torch.Tensor) and x.requires_grad for x in tensors):
            return function(*tensors)
        from torch.utils.checkpoint import checkpoint

        return checkpoint(inside, *tensors, use_reentrant=False, preserve_rng_state=False)

    context = contextvars.copy_context()  # that of the call: the recomputation may come after a ``using`` block has ended

    def inside(*tensors: Any) -> Any:
        return context.copy().run(function, *tensors)

    return run


TYPES = {getattr(torch, name): code for name, code in HOST_TYPES.items()}
why_not, why_no_index = refusing("cpu"), refusing("cpu", INTEGERS)


def view(x: Any) -> HostView | str:
    """A tensor's memory."""
    look = why_not if x.dtype.is_floating_point else why_no_index
    if x.dtype is not torch.bool and (reason := look(x)) is not None:
        return reason
    if x.device.type != "cpu":
        return f"on {x.device}, not in the host's memory"
    width = x.element_size()
    return x.data_ptr(), TYPES[x.dtype], tuple(x.shape), tuple(width * s for s in x.stride())


HOST = HostMemory(
    view=view,
    empty=empty,
    is_writable=lambda x: True,
    threads=short.threads,
    direct=short.direct,
)

backend = Backend(
    name="torch",
    roots=("torch",),
    owns=owns,
    ops=ops,
    version=version,
    devices=devices,
    dtypes=("float16", "bfloat16", "float32", "float64"),
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=(
        *core_kernels(HOST),
        *fused(memory("cuda"), cuda_engine(DEVICE)),
        *row_blocks(namespace, 2**19, elsewhere),
    ),
    bind=bind,
    define=define,
    unfollowed=short.unfollowed,
    compiling=torch.compiler.is_dynamo_compiling,
    place=lambda x: x.device,
    xp=namespace,
    seen=at_hand,
    apart=apart,
    recomputed=recomputed,
)

backend_of("torch")  # so that `import lsmx_torch` alone makes the operators known, to which saved programs refer
