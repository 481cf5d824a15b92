"""Masks, and the 16-bit formats, against what PyTorch has for them."""

from __future__ import annotations

from functools import partial

import lsmx
from lsmx._bench.works import DIRECTIONS, MINUS_INFINITY, Call, Row, Target, Work, drawn, fewer, optional

SHAPES = ((4096, 1000), (1024, 32000))


def mask_rows(share: int) -> list[Row]:
    """Log-softmax where half of a mask is True."""
    rows = []
    for n, length in SHAPES:
        work = Work((fewer(n, share), length), "float32", "forward")
        target = Target("masks, half True", "lsmx, where=", "torch, masked_fill and log_softmax", 1.5)
        rows.append(Row(f"half masked {work.name}", work.size, partial(masked, work), (target,)))
    return rows


def masked(work: Work) -> dict[str, Call]:
    """Both on the same mask; PyTorch is given its complement, which `masked_fill` takes."""
    z, g = drawn(work.shape, work.dtype)
    where = g > 0
    calls: dict[str, Call] = {"lsmx, where=": lambda: lsmx.log_softmax(z, where=where)}
    if torch := optional("torch"):
        t, absent = torch.from_numpy(z), torch.from_numpy(~where)
        calls["torch, masked_fill and log_softmax"] = lambda: torch.log_softmax(t.masked_fill(absent, MINUS_INFINITY), -1)
    return calls


def narrow_rows(share: int) -> list[Row]:
    """bfloat16 and float16 on PyTorch's tensors."""
    rows = []
    for dtype in ("bfloat16", "float16"):
        for n, length in SHAPES:
            for direction in DIRECTIONS:
                work = Work((fewer(n, share), length), dtype, direction)
                target = Target(f"{dtype}, {direction}", "lsmx on torch, reused output", "torch, reused output", 1.2)
                rows.append(Row(work.name, work.size, partial(narrow, work), (target,)))
    return rows


def narrow(work: Work) -> dict[str, Call]:
    """The calls that each one's autograd makes: the gradient is taken at ``z`` and its rows' sums, PyTorch's at its output."""
    torch = optional("torch")
    if torch is None:
        return {}
    kind = getattr(torch, work.dtype)
    z, g = (torch.from_numpy(x).to(kind) for x in drawn(work.shape, "float32"))
    y, to, ours = torch.log_softmax(z, -1), torch.zeros_like(z), torch.zeros_like(z)
    if work.direction == "forward":
        return {
            "lsmx on torch, reused output": lambda: lsmx.log_softmax(z, out=ours),
            "torch, reused output": lambda: torch._log_softmax(z, -1, False, out=to),
        }
    derivative = lsmx.registered()["log_softmax"].derivative
    kept = {"row_sums": lsmx.registered()["row_sums"](z, axis=-1)}
    return {
        "lsmx on torch, reused output": lambda: derivative("backward_z", {"grad_output": g}, {"z": z}, -1, out=ours, options=kept),
        "torch, reused output": lambda: torch._log_softmax_backward_data(g, y, -1, kind, out=to),
    }
