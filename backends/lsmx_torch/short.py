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
transformed, legacy = torch._C._are_functorch_transforms_active, torch._C._functorch.is_legacy_batchedtensor
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


def unfollowed(short: Short) -> Short:
    """The same where nothing looks on: no autograd, no transform, no mode, and no tracer."""

    def run(*given: Any) -> Any:
        if compiling() or tracing() is not None or modes() or transformed() or forward_ad._current_level >= 0:
            return None
        follow = follows()
        for x in given:
            if isinstance(x, torch.Tensor) and ((follow and x.requires_grad) or legacy(x)):
                return None
        result = short(*given)
        for x in given:
            if x is result is not None and not x.is_inference():
                moved(x)  # for whom has saved it
        return result

    return run
