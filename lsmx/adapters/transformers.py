"""The loss of Hugging Face transformers' causal language models.

``model.loss_function = causal_lm_loss`` is all that a model needs.
"""

from __future__ import annotations

from typing import Any

import lsmx
from lsmx.adapters._library import library

__all__ = ["causal_lm_loss", "register"]


def causal_lm_loss(
    logits: Any,
    labels: Any,
    vocab_size: int,
    num_items_in_batch: Any = None,
    ignore_index: int = -100,
    shift_labels: Any = None,
    **kwargs: Any,
) -> Any:
    """Cross-entropy of each token's logits and the next token, as transformers' ``ForCausalLMLoss`` [1]_.

    Parameters
    ----------
    logits : Tensor
        Of shape ``(..., length, vocab_size)``, in float16, bfloat16, float32 or float64.
    labels : Tensor of int
        Tokens, of shape ``(..., length)``; the first of each row is the target of none. Not looked at with ``shift_labels``.
    vocab_size : int
        The number of classes: the size of the last axis of ``logits``.
    num_items_in_batch : int or Tensor, optional
        The sum of the losses is divided by it: a number, or a tensor of one in any shape; by default the number of tokens that
        count. 0 gives NaN, where transformers gives inf.
    ignore_index : int, default -100
        Tokens with this label, such as padding, do not count.
    shift_labels : Tensor of int, optional
        Targets as they are, shifted already: as many as there are rows of logits, of any shape.
    **kwargs : object
        Not looked at, as in transformers.

    Returns
    -------
    Tensor
        0-d, also where ``num_items_in_batch`` is not, in float32; in float64 for logits in float64, where transformers gives
        float32. NaN if no token counts, with gradient 0.

    Raises
    ------
    ShapeError
        Sizes that do not fit together.
    ClassError
        A label that is no class, on the host; elsewhere the loss is NaN.

    Notes
    -----
    ``lsmx.cross_entropy(logits, labels shifted by one, ignore_index=..., normalizer=num_items_in_batch)``. Each token has the
    gradient that it has in the whole batch, bit for bit, if each of its parts is given the same ``num_items_in_batch``.

    References
    ----------
    .. [1] https://github.com/huggingface/transformers/blob/main/src/transformers/loss/loss_utils.py

    Examples
    --------
    >>> import torch
    >>> from lsmx.adapters.transformers import causal_lm_loss
    >>> logits, labels = torch.zeros(1, 3, 2), torch.tensor([[1, 0, -100]])
    >>> causal_lm_loss(logits, labels, vocab_size=2)
    tensor(0.6931)
    """
    if logits.shape[-1] != vocab_size:
        size = logits.shape[-1]
        raise lsmx.ShapeError(f"vocab_size: {vocab_size}, but the last axis of logits has {size} classes; pass {size}")
    name, target = ("labels", labels) if shift_labels is None else ("shift_labels", shift_labels)
    if target.numel() != logits.shape[:-1].numel():
        raise lsmx.ShapeError(
            f"{name}: shape {tuple(target.shape)}, but logits of {tuple(logits.shape)} ask for {logits.shape[:-1].numel()} labels, "
            "one a row"
        )
    if shift_labels is None:
        target = labels.roll(-1, -1)
        target[..., -1:] = ignore_index
    target = target.reshape(logits.shape[:-1]).to(logits.device)
    if hasattr(num_items_in_batch, "to"):
        num_items_in_batch = num_items_in_batch.to(logits.device).squeeze()
    return lsmx.cross_entropy(logits, target, ignore_index=ignore_index, normalizer=num_items_in_batch)


def register(name: str = "lsmx") -> str:
    """Add `causal_lm_loss` to transformers' ``LOSS_MAPPING``, for models with ``model.loss_type = "lsmx"``.

    Parameters
    ----------
    name : str, default "lsmx"
        The ``loss_type``.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ImportError
        Without transformers.

    Notes
    -----
    With transformers' ``Trainer``, set ``model.loss_function = causal_lm_loss`` in place of a ``loss_type``. The ``Trainer``
    divides by the number of targets, and leaves the first label of each row out of it only where the ``loss_type`` leads to its
    own ``ForCausalLMLoss``.

    Examples
    --------
    ::

        model.loss_type = lsmx.adapters.transformers.register()
    """
    library("transformers.loss.loss_utils").LOSS_MAPPING[name] = causal_lm_loss
    return name
