"""The loss of torchtitan: ``CrossEntropyLoss`` goes into a ``Trainer.Config``, ``cross_entropy_loss`` is its function."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import lsmx
from lsmx.adapters._library import library

__all__ = ["CrossEntropyLoss", "cross_entropy_loss"]  # noqa: F822  # the first is made by __getattr__


def cross_entropy_loss(pred: Any, labels: Any, *, global_vocab_size: int | None = None) -> Any:
    """Sum of the cross-entropy of all tokens, as torchtitan's ``cross_entropy_loss`` [1]_.

    Parameters
    ----------
    pred : Tensor or DTensor
        Logits, of shape ``(..., classes)`` in float16, bfloat16, float32 or float64; or this process's classes of them, where
        torchtitan divides the vocabulary.
    labels : Tensor of int
        Tokens, of shape ``(...)``; -100, as for padding, does not count.
    global_vocab_size : int, optional
        The number of classes in all processes. It is checked, and not needed.

    Returns
    -------
    Tensor
        0-d, in float32 or float64.

    Raises
    ------
    ShapeError
        Sizes that do not fit together.
    ClassError
        A label that is no class, on the host; elsewhere the loss is NaN.
    PartError
        Processes that disagree in the call, where torchtitan divides the vocabulary.

    Notes
    -----
    ``lsmx.cross_entropy(pred, labels, reduction="sum")``. Where torchtitan divides the vocabulary among processes, the loss and its
    gradient have the bits of the undivided vocabulary.

    References
    ----------
    .. [1] https://github.com/pytorch/torchtitan/blob/main/torchtitan/components/loss.py

    Examples
    --------
    >>> import torch
    >>> from lsmx.adapters.torchtitan import cross_entropy_loss
    >>> cross_entropy_loss(torch.zeros(1, 3, 2), torch.tensor([[1, 0, -100]]))
    tensor(1.3863)
    """
    titan = sys.modules.get("torchtitan.distributed.spmd_types")  # without it nothing is divided
    if hasattr(pred, "placements"):
        if not hasattr(labels, "placements"):
            return lsmx.cross_entropy(pred, everywhere(labels, pred.device_mesh), reduction="sum").full_tensor()
    elif titan is not None and titan.spmd_mesh_size("tp") > 1:
        from lsmx_torch.parallel import vocabulary_parallel

        group = titan.current_spmd_mesh().get_group("tp")
        return vocabulary_parallel(lsmx.cross_entropy, pred, labels, group=group, reduction="sum")
    if global_vocab_size not in (None, pred.shape[-1]):
        raise lsmx.ShapeError(
            f"global_vocab_size: {global_vocab_size}, but the last axis of pred has {pred.shape[-1]} classes, and no mesh of "
            f"torchtitan's divides them; pass {pred.shape[-1]}, or leave it out"
        )
    return lsmx.cross_entropy(pred, labels, reduction="sum")


def everywhere(labels: Any, mesh: Any) -> Any:
    """Labels that all processes have, as a DTensor."""
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(labels, mesh, [Replicate()] * mesh.ndim, run_check=False)


def __getattr__(name: str) -> Any:
    """``CrossEntropyLoss``, made when it is asked for, as its base is torchtitan's."""
    if name != "CrossEntropyLoss":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    base = library("torchtitan.components.loss").CrossEntropyLoss

    class CrossEntropyLoss(base):  # type: ignore[misc, valid-type]
        """torchtitan's ``CrossEntropyLoss``, computed by `cross_entropy_loss`: ``loss=CrossEntropyLoss.Config()``."""

        @dataclass(kw_only=True, slots=True)
        class Config(base.Config):  # type: ignore[misc, name-defined]
            """torchtitan's own."""

        def __init__(self, config: Any, *, compile_config: Any = None) -> None:
            super().__init__(config)
            self.fn = cross_entropy_loss
            self._maybe_compile(compile_config)

    CrossEntropyLoss.__qualname__, CrossEntropyLoss.Config.__qualname__ = name, f"{name}.Config"
    globals()[name] = CrossEntropyLoss
    return CrossEntropyLoss
