"""Sparse and nested tensors, which have no rows to walk: refused, with what to pass."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lsmx import ArrayTypeError
from lsmx.extend import Operation


def refusal(name: str, x: torch.Tensor) -> str | None:
    """Why a tensor has no rows to walk, and what to pass; None for one that has."""
    if x.is_nested:
        return (
            f"{name}: a nested tensor, whose components have shapes of their own; call the function on each component of "
            f"{name}.unbind(), and put the results together by torch.nested.as_nested_tensor"
        )
    if x.layout is not torch.strided:
        return f"{name}: a tensor of layout {x.layout}, which has no rows to walk; pass {name}.to_dense()"
    return None


def check(operation: Operation, arrays: tuple[torch.Tensor, ...], where: torch.Tensor | None, out: torch.Tensor | None) -> None:
    """Raise if one of the tensors has no rows to walk."""
    given: Iterable[tuple[str, torch.Tensor | None]] = zip((*operation.names, "where", "out"), (*arrays, where, out), strict=True)
    for name, x in given:
        if x is not None and (reason := refusal(name, x)) is not None:
            raise ArrayTypeError(reason)
