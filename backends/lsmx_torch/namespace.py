"""PyTorch's functions by the standard's names, as far as the definition uses them: quicker than a wrapper of all."""

from __future__ import annotations

from typing import Any

import torch
from torch import (  # noqa: F401
    abs,  # noqa: A004
    all,  # noqa: A004
    any,  # noqa: A004
    arange,
    bfloat16,
    bool,  # noqa: A004
    broadcast_to,
    concat,
    empty,
    float16,
    float32,
    float64,
    floor,
    full,
    full_like,
    int32,
    int64,
    isfinite,
    maximum,
    minimum,
    ones,
    ones_like,
    reshape,
    round,  # noqa: A004
    stack,
    sum,  # noqa: A004
    where,
    zeros,
    zeros_like,
)
from torch import amax as max  # noqa: A004, F401
from torch import permute as permute_dims  # noqa: F401


def asarray(x: Any, /, *, dtype: Any = None, device: Any = None) -> torch.Tensor:
    """A tensor of a Python number; a tensor as it is, which PyTorch's own would move to the default device."""
    return x if isinstance(x, torch.Tensor) else torch.asarray(x, dtype=dtype, device=device)


def astype(x: torch.Tensor, dtype: torch.dtype, /) -> torch.Tensor:
    """A cast."""
    return x if x.dtype is dtype else x.to(dtype)


def take(x: torch.Tensor, index: torch.Tensor, /, *, axis: int) -> torch.Tensor:
    """What ``x`` has at each index."""
    return torch.index_select(x, axis, index)


def argmax(x: torch.Tensor, /, *, axis: int, keepdims: Any = False) -> torch.Tensor:
    """Where the first maximum is."""
    return torch.argmax(x, dim=axis, keepdim=keepdims)


def expand_dims(x: torch.Tensor, /, *, axis: int) -> torch.Tensor:
    """The same with an axis of length 1."""
    return x.unsqueeze(axis)


def sort(x: torch.Tensor, /, *, axis: int) -> torch.Tensor:
    """In ascending order."""
    return torch.sort(x, dim=axis).values


def take_along_axis(x: torch.Tensor, index: torch.Tensor, /, *, axis: int) -> torch.Tensor:
    """What each row has at its indices."""
    return torch.take_along_dim(x, index, axis)
