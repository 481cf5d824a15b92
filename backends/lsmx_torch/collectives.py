"""Numbers of rows merged among the processes of a group, by maxima and sums of integers, which all of PyTorch's backends have."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import torch
import torch.distributed as dist

from lsmx.extend import MERGE
from lsmx_torch import namespace

Tensors = tuple[torch.Tensor, ...]
GATHERED = 64
"""With no more processes than this, the two largest logits of each are gathered: a message less than by maxima alone."""
BITS = {torch.float32: (torch.int32, 0x7FFFFFFF), torch.float64: (torch.int64, 0x7FFFFFFFFFFFFFFF)}


def merged_by(group: Any) -> Callable[[str, Tensors], Tensors]:
    """How the processes of a group merge the numbers of their parts: in one collective operation."""
    return partial(merged, group)


def merged(group: Any, how: str, tensors: Tensors) -> Tensors:
    """Numbers of parts as those of whole rows."""
    if how == "two largest" and dist.get_world_size(group) > GATHERED:
        return two_largest(group, *tensors)
    if how == "two largest":
        parts = gathered(group, torch.stack(tensors))
        return reduce(partial(MERGE[how], namespace), [tuple(part.unbind()) for part in parts])
    if how == "max":
        keys = reduced(group, [ordered(x) for x in tensors], dist.ReduceOp.MAX)
        return tuple(from_ordered(key, x.dtype) for key, x in zip(keys, tensors, strict=True))
    if how == "any":
        found = reduced(group, [x.to(torch.uint8) for x in tensors], dist.ReduceOp.MAX)
        return tuple(x.to(torch.bool) for x in found)
    return reduced(group, list(tensors), dist.ReduceOp.SUM)


def two_largest(group: Any, m: torch.Tensor, second: torch.Tensor) -> Tensors:
    """The two largest of all processes, by two all-reduces of maxima.

    The first finds the largest, and the highest rank that has it. For the second, that process gives its second largest, the others
    their largest: so of two equal maxima in different processes the other one is found, too.
    """
    rank, key = dist.get_rank(group), ordered(m)
    if key.dtype is torch.int32:  # the rank goes below the key in one integer
        (top,) = reduced(group, [(key.to(torch.int64) << 32) + rank], dist.ReduceOp.MAX)
        has, largest = (top & 0xFFFFFFFF) == rank, (top >> 32).to(torch.int32)
    else:
        (largest,) = reduced(group, [key], dist.ReduceOp.MAX)
        (winner,) = reduced(group, [torch.where(key == largest, rank, -1)], dist.ReduceOp.MAX)
        has = winner == rank
    (next_largest,) = reduced(group, [ordered(torch.where(has, second, m))], dist.ReduceOp.MAX)
    return from_ordered(largest, m.dtype), from_ordered(next_largest, m.dtype)


def reduced(group: Any, tensors: list[torch.Tensor], how: Any) -> Tensors:
    """An all-reduce of several tensors at once."""
    flat = torch.cat([x.reshape(-1) for x in tensors])
    dist.all_reduce(flat, how, group=group)
    parts = flat.split([x.numel() for x in tensors])
    return tuple(part.reshape(x.shape) for part, x in zip(parts, tensors, strict=True))


def gathered(group: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """The tensors of all processes, which are of one shape."""
    x = x.contiguous()
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, x, group=group)
    return parts


def ordered(x: torch.Tensor) -> torch.Tensor:
    """Floats as integers in the same order, NaN the largest: PyTorch's backends differ in the maximum of NaN."""
    integer, mask = BITS[x.dtype]
    bits = torch.where(x == x, x, torch.nan).view(integer)
    return torch.where(bits < 0, bits ^ mask, bits)


def from_ordered(key: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The reverse of ``ordered``."""
    _, mask = BITS[dtype]
    return torch.where(key < 0, key ^ mask, key).view(dtype)
