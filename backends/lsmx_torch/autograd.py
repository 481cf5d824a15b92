"""Tells PyTorch's autograd the rules of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lsmx import Context, Operator


class Bridge(torch.autograd.Function):
    """Runs an operator forward and backward. What it computes with inside is not seen by autograd: rounding has no gradient."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, run: Callable[..., Any], z: torch.Tensor) -> torch.Tensor:
        """The value, keeping the operator's residual."""
        inner = Context(keeps=ctx.needs_input_grad[2])  # what is differentiated is a tensor of its own, not the caller's ``out``
        out: torch.Tensor = run(inner, z)
        options = {name: value for name, value in vars(inner).items() if name not in ("saved_tensors", "keeps", "out")}
        mask = options.pop("where", None)
        ctx.save_for_backward(mask, *inner.saved_tensors)  # the mask too: PyTorch notices if it is changed in place
        ctx.operator, ctx.options = operator, options
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        """The operator's VJP; a second derivative would miss a term in silence, so it is refused."""
        if torch.is_grad_enabled():
            raise NotImplementedError(f"{ctx.operator.name}: no second derivative yet; do without create_graph=True")
        mask, *residual = ctx.saved_tensors
        inner = Context(*residual, **ctx.options, **({} if mask is None else {"where": mask}))
        return None, None, ctx.operator.apply("backward", inner, grad_output)


def differentiate(operator: Operator, run: Callable[..., Any], z: torch.Tensor) -> torch.Tensor:
    """``run(ctx, z)``, seen by autograd; forward mode and ``torch.func`` are refused by PyTorch with their reason."""
    apply: Callable[..., torch.Tensor] = Bridge.apply
    return apply(operator, run, z)


def untracked(name: str, x: torch.Tensor) -> None:
    """Raise if autograd follows a tensor into a derivative."""
    if torch.is_grad_enabled() and x.requires_grad:
        raise NotImplementedError(
            f"{name}: requires grad, but a derivative cannot be differentiated yet; pass {name}.detach(), or call it under "
            "torch.no_grad()"
        )
