"""The short ways of plain tensors in the host's memory: through the compiled core, which reads and makes them by DLPack's table."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch.autograd import forward_ad

from lsmx.extend import FEW_ELEMENTS, LsmxError, chosen_threads, registered
from lsmx_torch.autograd import Short
from lsmx_torch.bind import NONE, bind

Way = Callable[..., Any]
TYPES = torch.Tensor, torch.nn.Parameter
DTYPES = torch.float16, torch.bfloat16, torch.float32, torch.float64
LOSSES = {
    "log_prob_forward": 2,
    "log_prob_backward": 3,
    "entropy_forward": 1,
    "entropy_backward": 2,
    "rank_forward": 2,
    "cross_entropy_forward": 2,
    "cross_entropy_backward": 3,
    "mean_of_rows_forward": 2,
    "mean_of_rows_backward": 3,
}
"""The passes of losses that have a short way, with how many tensors each takes."""
tracing, modes = torch._C._get_tracing_state, torch._C._len_torch_dispatch_stack
transformed, wrapped = torch._C._are_functorch_transforms_active, torch._C._functorch.is_functorch_wrapped_tensor
follows, moved = torch.is_grad_enabled, torch.autograd.graph.increment_version


def threads() -> int:
    """How many to use."""
    return chosen_threads() or torch.get_num_threads()


def readable(x: Any) -> bool:
    """Whether an argument is a tensor whose numbers are those in its memory."""
    return type(x) in TYPES and not x.is_neg()


def direct(core: Any, passname: str) -> Way | None:
    """The pass on tensors, if this PyTorch has the table. Not for conjugate or negative views, whose sign is not in memory."""
    if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__") or not core.set_up_tensors(TYPES, threads):
        return None
    call = getattr(core, f"tensor_{passname}")
    if passname in LOSSES:
        n = LOSSES[passname]

        def of_several(*given: Any) -> Any:
            out = given[n + 3]
            if not all(map(readable, given[:n])) or (out is not None and not readable(out)):
                return None
            return call(*given)

        return of_several
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


def unfollowed(short: Way, function: str, direction: str) -> Way:
    """The same where nothing looks on but ordinary autograd: no transform, no mode, and no tracer."""
    operation = registered()[function].operations[direction]
    if (n := LOSSES.get(f"{function}_{direction}")) is not None:

        def of_several(*given: Any) -> Any:
            if tracing() is not None or modes() or transformed() or forward_ad._current_level >= 0 or given[n + 3] is not None:
                return None
            tensors = given[:n]
            if not all(map(readable, tensors)) or (follows() and any(x.requires_grad for x in tensors)):
                return None
            return short(*given)

        return of_several
    first = next(iter(operation.takes))
    rules = {dtype: operation.on((SimpleNamespace(dtype=dtype),)) for dtype in DTYPES} if direction == "forward" else {}

    def followed(z: Any, axis: Any, where: Any, options: tuple[Any, ...]) -> Any:
        """A value that ordinary autograd follows; None to have ``bind`` look at what it is, and say what is wrong."""
        own = rules.get(z.dtype)
        if (
            own is None
            or (own.beforehand is not None and z.numel() >= FEW_ELEMENTS)
            or type(z) not in TYPES
            or wrapped(z)
            or (where is not None and type(where) not in TYPES)
        ):
            return None
        if options and not all(value is True or value is False for value in options):
            return None
        named = operation.named(options) if options else NONE
        try:
            return Short.apply((bind, own, axis, where, named, short, own.saves == (first,)), z)  # type: ignore[attr-defined]
        except (LsmxError, RuntimeError):
            return None

    def of_one(z: Any, axis: Any, where: Any, dtype: Any, out: Any, *options: Any) -> Any:
        if tracing() is not None or modes() or transformed() or forward_ad._current_level >= 0:
            return None
        if z.requires_grad and follows():
            return followed(z, axis, where, options) if dtype is None and out is None else None
        if out is None:
            return short(z, axis, where, dtype, None, *options)
        return put(out, z, axis, where, dtype, out, *options)

    def of_two(v: Any, y: Any, axis: Any, where: Any, dtype: Any, out: Any, *options: Any) -> Any:
        if tracing() is not None or modes() or transformed() or forward_ad._current_level >= 0:
            return None
        if type(v) not in TYPES or ((v.requires_grad or y.requires_grad) and follows()):
            return None
        if out is None:
            return short(v, y, axis, where, dtype, None, *options)
        return put(out, v, y, axis, where, dtype, out, *options)

    def put(out: Any, *given: Any) -> Any:
        """Put the result into ``out``, and have autograd notice, which may have saved it."""
        if type(out) not in TYPES or (out.requires_grad and follows()):
            return None
        result = short(*given)
        if result is out and not out.is_inference():
            moved(out)
        return result

    return of_one if direction == "forward" else of_two
