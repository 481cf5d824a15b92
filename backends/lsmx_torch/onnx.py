"""Operations inside ``torch.onnx.export``: made of operations that ONNX has, in place of our operators.

The three functions become PyTorch's own, for which ONNX has operators: the same values to a few ulp. Everything else, and all
inside ``using("reference")``, is the definition in standard operations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import torch

import lsmx
from lsmx.extend import Operation, constant_when_compiled, forced
from lsmx_torch import namespace

translating: ContextVar[bool] = ContextVar("lsmx_torch_onnx", default=False)
"""Whether the definition is being exported, by the operations of ``NAMESPACE``."""
INFINITY = float("inf")
NARROW = (torch.float16, torch.bfloat16)


@constant_when_compiled
def exporting() -> bool:
    """Whether an export to ONNX is going on."""
    return "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export()


def log_softmax(z: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """``(z - m) - log(sum(exp(z - m)))`` with ``m = max(z)``."""
    if len(axes) == 1:
        return torch.log_softmax(z, axes[0])
    shifted = z - torch.amax(z, axes, keepdim=True)
    return shifted - torch.log(torch.sum(torch.exp(shifted), axes, keepdim=True))


def softmax(z: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """``exp(z - m) / sum(exp(z - m))``."""
    if len(axes) == 1:
        return torch.softmax(z, axes[0])
    terms = torch.exp(z - torch.amax(z, axes, keepdim=True))
    return terms / torch.sum(terms, axes, keepdim=True)


def logsumexp(z: torch.Tensor, axes: tuple[int, ...], *, keepdims: bool) -> torch.Tensor:
    """``m + log(sum(exp(z - m)))``, with 0 for an ``m`` that is not finite: ONNX's own may lose NaN beside infinity."""
    m = torch.amax(z, axes, keepdim=True)
    m = torch.where(torch.isfinite(m), m, 0.0)
    total = torch.sum(torch.exp(z - m), axes, keepdim=keepdims)
    return torch.log(total) + (m if keepdims else torch.reshape(m, total.shape))


def maximum(x: torch.Tensor, *, axis: Any, keepdims: bool) -> torch.Tensor:
    """The maximum, NaN if there is one: for ONNX's own operator that is not specified."""
    undefined = torch.any(torch.isnan(x), axis, keepdim=keepdims)
    return torch.where(undefined, float("nan"), torch.amax(x, axis, keepdim=keepdims))


NAMESPACE = SimpleNamespace(**{**vars(namespace), "max": maximum})
OWN: dict[str, tuple[Callable[..., torch.Tensor], float | None]] = {
    "log_softmax": (log_softmax, -INFINITY),
    "softmax": (softmax, 0.0),
    "logsumexp": (logsumexp, None),
}
"""By function, with what stands where a mask is False."""


def translated(
    operation: Operation,
    arrays: tuple[torch.Tensor, ...],
    axes: tuple[int, ...],
    where: torch.Tensor | None,
    options: Mapping[str, Any],
) -> torch.Tensor:
    """The operation in operations that ONNX has."""
    name = operation.name
    if forced() == "reference" or name not in OWN or operation is not lsmx.registered()[name].operations["forward"]:
        token = translating.set(True)
        try:
            with lsmx.using("reference"):
                result: torch.Tensor = operation.compute(arrays, axes or None, where, options, None)
        finally:
            translating.reset(token)
        return result
    function, absent = OWN[name]
    (z,) = arrays
    x = z.float() if z.dtype in NARROW else z
    if where is not None:
        x = torch.where(where, x, -INFINITY)
    out = function(x, axes, **options)
    if where is not None and absent is not None:
        out = torch.where(where, out, absent)
    return out.to(z.dtype)
