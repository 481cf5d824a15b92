"""Trainer equals server
=====================

A step of policy gradient by two programs that share a file: a server in NumPy draws, a trainer in PyTorch learns.

The server samples at a temperature from its top 50 classes, and saves what it drew with its log-probs. The trainer computes the
same log-probs in micro-batches, from bfloat16 logits that are followed by autograd. Importance weights are exactly 1 before the
first step: in a surrogate loss they change nothing. Beside it stands what one writes by hand.
"""

from __future__ import annotations

import pathlib
import tempfile

import lsmx
import numpy as np
import torch
from lsmx.testing import DistributionComparison, compare_distributions

TOKENS, FEATURES, VOCABULARY = 256, 64, 4000
TEMPERATURE, TOP_K, MICRO = 0.7, 50, 100


def logits(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The model: what follows is promised from here on."""
    return hidden.bfloat16() @ weight.bfloat16()


def serve(z: np.ndarray, path: pathlib.Path) -> None:
    """Draw a token of each row, and save it with its log-prob and with the classes that it was drawn from."""
    rng = np.random.default_rng(1)
    kept = np.argpartition(-z, TOP_K, axis=-1)[:, :TOP_K]
    noisy = np.take_along_axis(z, kept, axis=-1) / TEMPERATURE + rng.gumbel(size=kept.shape)
    token = np.take_along_axis(kept, noisy.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    log_prob = lsmx.log_prob(z, token, support=kept, temperature=TEMPERATURE)
    np.savez(
        path, token=token, kept=kept, log_prob=log_prob, by_hand=by_hand(z, token, kept)
    )


def by_hand(z: np.ndarray, token: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The usual lines in NumPy: set what is not kept to -inf, divide, shift, subtract the logarithm of the sum."""
    masked = np.full_like(z, -np.inf)
    np.put_along_axis(masked, kept, np.take_along_axis(z, kept, axis=-1), axis=-1)
    x = masked / np.float32(TEMPERATURE)
    x = x - x.max(axis=-1, keepdims=True)
    log_s = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    found: np.ndarray = np.take_along_axis(log_s, token[:, None], axis=-1)[:, 0]
    return found


def by_torch(z: torch.Tensor, token: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The usual lines in PyTorch."""
    masked = (
        torch.full_like(z, -torch.inf).scatter(-1, kept, z.gather(-1, kept)).float()
        / TEMPERATURE
    )
    return torch.log_softmax(masked, -1).gather(-1, token[:, None])[:, 0]


def beside(server: np.ndarray, trainer: torch.Tensor) -> DistributionComparison:
    """Print how far they are from each other."""
    found = compare_distributions(server, trainer)
    print(found, end="\n\n")
    return found


def main() -> None:
    """Serve, compare, and take a step."""
    torch.manual_seed(0)
    hidden, weight = (
        torch.randn(TOKENS, FEATURES),
        (torch.randn(FEATURES, VOCABULARY) / 3).requires_grad_(),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "step.npz"
        with torch.no_grad():
            serve(logits(hidden, weight).float().numpy(), path)
        with np.load(path) as file:
            saved = {name: file[name] for name in file.files}
    token, kept = torch.from_numpy(saved["token"]), torch.from_numpy(saved["kept"])

    print(
        f"{TOKENS} tokens, drawn at temperature {TEMPERATURE} from the top {TOP_K} of {VOCABULARY}\n\nby hand:"
    )
    with torch.no_grad():
        assert not beside(saved["by_hand"], by_torch(logits(hidden, weight), token, kept))

    # the trainer, in micro-batches: the loss is a mean over all tokens, and each micro-batch gives its part of the sum
    advantage = torch.randn(TOKENS)
    z = logits(hidden, weight)
    leaf = z.detach().requires_grad_()
    parts = []
    for rows in torch.arange(TOKENS).split(MICRO):
        log_prob = lsmx.log_prob(
            leaf[rows], token[rows], support=kept[rows], temperature=TEMPERATURE
        )
        w = torch.exp(log_prob - torch.from_numpy(saved["log_prob"])[rows])
        (-(w * advantage[rows]).sum() / TOKENS).backward()
        parts.append(log_prob.detach())
    print("lsmx.log_prob:")
    found = beside(saved["log_prob"], torch.cat(parts))
    assert found.equal
    assert found.max_weight == found.mean_weight == found.effective_sample_size == 1

    # weights of 1 change nothing: the gradient is that of the log-probs times the advantages, as NumPy has it
    assert leaf.grad is not None
    mask = np.zeros(z.shape, dtype=np.bool_)
    np.put_along_axis(mask, saved["kept"], True, axis=-1)
    by_numpy = lsmx.log_prob_backward(
        (-advantage / TOKENS).numpy(),
        z.detach().float().numpy(),
        saved["token"],
        where=mask,
        temperature=TEMPERATURE,
    )
    assert torch.equal(leaf.grad, torch.from_numpy(by_numpy).bfloat16())
    print("the gradient by the logits is NumPy's, bit for bit")

    z.backward(leaf.grad)
    with torch.no_grad():
        assert weight.grad is not None
        weight -= 0.2 * weight.grad
        after = lsmx.log_prob(
            logits(hidden, weight), token, support=kept, temperature=TEMPERATURE
        )
        moved = compare_distributions(saved["log_prob"], after)
        gain = (
            torch.exp(after - torch.from_numpy(saved["log_prob"])) * advantage
        ).mean() - advantage.mean()
    size = 100 * moved.effective_sample_size
    print(
        f"after a step: KL to the server {moved.kl:.2e}, effective sample size {size:.1f} %, gain {gain:.2e}"
    )
    assert gain > 0
    assert moved.kl > 0


if __name__ == "__main__":
    main()
