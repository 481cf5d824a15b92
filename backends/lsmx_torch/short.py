"""The short ways of plain tensors in the host's memory: through the compiled core, which reads and makes them by DLPack's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from lsmx.extend import chosen_threads

Short = Callable[..., Any]
TYPES = torch.Tensor, torch.nn.Parameter
compiling = torch.compiler.is_dynamo_compiling
tracing, modes = torch._C._get_tracing_state, torch._C._len_torch_dispatch_stack
transformed = torch._C._are_functorch_transforms_active
follows, moved = torch.is_grad_enabled, torch.autograd.graph.increment_version


def threads() -> int:
    """How many to use."""
    return chosen_threads() or torch.get_num_threads()


def readable(x: Any) -> bool:
    """Whether an argument is a tensor whose numbers are those in its memory."""
    return type(x) in TYPES and not x.is_neg()


def direct(core: Any, passname: str) -> Short | None:
    """The pass on tensors, if this PyTorch has the table. The core cannot see a sign that is not in memory."""
    if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__") or not core.set_up_tensors(TYPES, threads):
        return None
    call = getattr(core, f"tensor_{passname}")
    if passname.endswith("forward"):

        def of_one(z: Any, axis: Any, where: Any, dtype: Any, out: Any, *options: Any) -> Any:
            if z.is_neg() or (out is not None and not readable(out)):
                return None
            return call(z, axis, where, dtype, out, *options)

        return of_one

    def of_two(v: Any, y: Any, axis: Any, where: Any, dtype: Any, out: Any, *options: Any) -> Any:
        if not readable(v) or not readable(y) or (out is not None and not readable(out)):
            return None
        return call(v, y, axis, where, dtype, out, *options)

    return of_two


def unfollowed(short: Short, direction: str) -> Short:
    """The same where nothing looks on: no autograd, no transform, no mode, and no tracer."""

    def of_one(z: Any, axis: Any, where: Any, dtype: Any, out: Any, *options: Any) -> Any:
        if looked_at() or (z.requires_grad and follows()):
            return None
        if out is None:
            return short(z, axis, where, dtype, None, *options)
        return put(out, z, axis, where, dtype, out, *options)

    def of_two(v: Any, y: Any, axis: Any, where: Any, dtype: Any, out: Any, *options: Any) -> Any:
        if looked_at() or type(v) not in TYPES or ((v.requires_grad or y.requires_grad) and follows()):
            return None
        if out is None:
            return short(v, y, axis, where, dtype, None, *options)
        return put(out, v, y, axis, where, dtype, out, *options)

    def put(out: Any, *given: Any) -> Any:
        """Into ``out``, which somebody may have saved."""
        if type(out) not in TYPES or (out.requires_grad and follows()):
            return None
        result = short(*given)
        if result is out and not out.is_inference():
            moved(out)
        return result

    return of_one if direction == "forward" else of_two


def looked_at() -> bool:
    """Whether a transform, a mode or a tracer is at work."""
    return bool(compiling() or tracing() is not None or modes() or transformed() or forward_ad._current_level >= 0)
