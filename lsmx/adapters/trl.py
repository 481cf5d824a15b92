"""Log-probs of tokens and entropies as TRL's trainers ask for them, by the names of ``trl.trainer.utils``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import lsmx
from lsmx.adapters._library import library

__all__ = ["entropy_from_logits", "patched", "selective_log_softmax", "selective_log_softmax_and_entropy"]


def selective_log_softmax(logits: Any, index: Any, temperature: Any = 1.0, row_mask: Any = None) -> Any:
    """Log-probs of chosen tokens, as ``trl.trainer.utils.selective_log_softmax`` [1]_.

    Parameters
    ----------
    logits : Tensor
        Of shape ``(..., classes)``, in float16, bfloat16, float32 or float64.
    index : Tensor of int
        Tokens, of shape ``(...)`` or ``(..., K)``.
    temperature : float, default 1.0
        The logits are divided by it: a positive number.
    row_mask : Tensor, optional
        Of the shape of ``index``: 0 or False skips a token, such as padding, whatever its index is. Its log-prob is 0. So is its
        gradient, unless the logits have a NaN or +inf or are all -inf: then it is NaN.

    Returns
    -------
    Tensor
        Of the shape of ``index``, in the dtype of ``logits``. A 16-bit log-prob has only 8 (bfloat16) or 11 (float16) significant
        bits: `lsmx.log_prob` gives float32.

    Raises
    ------
    ShapeError, ArgumentValueError
        As `lsmx.log_prob`.
    ClassError
        An index that is no class, on the host; elsewhere its log-prob is NaN.

    References
    ----------
    .. [1] https://github.com/huggingface/trl/blob/main/trl/trainer/utils.py

    Examples
    --------
    >>> import torch
    >>> from lsmx.adapters.trl import selective_log_softmax
    >>> selective_log_softmax(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor([-1.3863, -1.3863])
    """
    return skipping(lsmx.log_prob(logits, kept(index, row_mask), temperature=temperature), row_mask).to(logits.dtype)


def entropy_from_logits(logits: Any, chunk_size: int = 128) -> Any:
    """Entropy of each row in nats, as ``trl.trainer.utils.entropy_from_logits`` [1]_.

    Parameters
    ----------
    logits : Tensor
        Of shape ``(..., classes)``, in float16, bfloat16, float32 or float64.
    chunk_size : int, default 128
        Not looked at: no array as large as the logits is made.

    Returns
    -------
    Tensor
        Of the shape of ``logits`` without its last axis, in the dtype of ``logits``.

    Raises
    ------
    ArrayTypeError, DTypeError
        As `lsmx.entropy`.

    References
    ----------
    .. [1] https://github.com/huggingface/trl/blob/main/trl/trainer/utils.py

    Examples
    --------
    >>> import torch
    >>> from lsmx.adapters.trl import entropy_from_logits
    >>> entropy_from_logits(torch.zeros(2, 4))
    tensor([1.3863, 1.3863])
    """
    return lsmx.entropy(logits).to(logits.dtype)


def selective_log_softmax_and_entropy(
    logits: Any, index: Any, entropy_requires_grad: bool = True, temperature: Any = 1.0, row_mask: Any = None
) -> tuple[Any, Any]:
    """Both for one token a row, as ``trl.trainer.utils.selective_log_softmax_and_entropy`` [1]_.

    Parameters
    ----------
    logits : Tensor
        Of shape ``(..., classes)``, in float16, bfloat16, float32 or float64.
    index : Tensor of int
        Tokens, of shape ``(...)``.
    entropy_requires_grad : bool, default True
        Whether autograd follows the entropy.
    temperature : float, default 1.0
        The logits are divided by it: a positive number.
    row_mask : Tensor, optional
        Of the shape of ``index``: 0 or False skips a token, such as padding, whatever its index is. Its log-prob and its entropy
        are 0. So are their gradients, unless the logits have a NaN or +inf or are all -inf: then they are NaN.

    Returns
    -------
    Tensor
        The log-probs, of the shape of ``index``, in the dtype of ``logits``.
    Tensor
        The entropies, the same.

    Raises
    ------
    ShapeError, ArgumentValueError, ClassError
        As `selective_log_softmax`.

    References
    ----------
    .. [1] https://github.com/huggingface/trl/blob/main/trl/trainer/utils.py

    Examples
    --------
    >>> import torch
    >>> from lsmx.adapters import trl
    >>> logits, index = torch.zeros(1, 4), torch.tensor([0])
    >>> trl.selective_log_softmax_and_entropy(logits, index)
    (tensor([-1.3863]), tensor([1.3863]))
    """
    options = {"temperature": temperature, "row_sums": lsmx.row_sums(logits.detach(), temperature=temperature)}
    log_prob = lsmx.log_prob(logits, kept(index, row_mask), **options)
    entropy = lsmx.entropy(logits if entropy_requires_grad else logits.detach(), **options)
    return skipping(log_prob, row_mask).to(logits.dtype), skipping(entropy, row_mask).to(logits.dtype)


def kept(index: Any, row_mask: Any) -> Any:
    """Indices, of tokens that are skipped 0."""
    return index if row_mask is None else index.masked_fill(row_mask == 0, 0)


def skipping(values: Any, row_mask: Any) -> Any:
    """Values, of tokens that are skipped 0."""
    return values if row_mask is None else values.masked_fill(row_mask == 0, 0)


OURS = (selective_log_softmax, entropy_from_logits, selective_log_softmax_and_entropy)


@contextlib.contextmanager
def patched() -> Iterator[list[str]]:
    """Have TRL compute by these functions, in this process, until the block ends.

    Yields
    ------
    list of str
        What was replaced: ``trl.trainer.utils.selective_log_softmax``, and the same in each module that has taken the function from
        there. Modules that are imported inside the block take ours.

    Raises
    ------
    ImportError
        Without TRL, or where it has none of the functions any more.

    Notes
    -----
    It reaches what calls these three functions. From 1.15 on the trainers for GRPO, RLOO, DPO, KTO and SFT do not.

    Examples
    --------
    ::

        with lsmx.adapters.trl.patched() as replaced:
            trainer.train()
    """
    utils = library("trl.trainer.utils")
    pairs = [(getattr(utils, f.__name__), f) for f in OURS if hasattr(utils, f.__name__)]
    if not pairs:
        raise ImportError("trl.trainer.utils has no selective_log_softmax; there is nothing to replace in this version of TRL")
    found = swap(pairs)
    try:
        yield sorted(f"{module.__name__}.{name}" for module, name, _ in found)
    finally:
        swap([(ours, theirs) for theirs, ours in pairs], only="trl.")
        for module, name, theirs in found:
            if getattr(module, name) in OURS:
                setattr(module, name, theirs)


def swap(pairs: list[tuple[Any, Any]], only: str = "") -> list[tuple[Any, str, Any]]:
    """Replace functions in the modules that have them; where, and what was there."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(only) and name != __name__]
    found = [
        (module, name, old, new)
        for module in modules
        for name, value in list(getattr(module, "__dict__", {}).items())
        for old, new in pairs
        if value is old
    ]
    for module, name, _, new in found:
        setattr(module, name, new)
    return [(module, name, old) for module, name, old, _ in found]
