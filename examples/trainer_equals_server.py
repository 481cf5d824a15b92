"""A trainer and a server that share a file
========================================

A step of policy gradient by two programs: a server in NumPy draws tokens, a trainer in PyTorch learns from them. All that goes
from one to the other is a file.

The server samples at a temperature from its top 50 classes, and saves what it drew with its log-probs. The trainer computes the
same log-probs in micro-batches, from bfloat16 logits that are followed by autograd. With `lsmx.log_prob` on both sides all
importance weights are exactly 1 before the first step. Beside it stands what one writes by hand.
"""

from __future__ import annotations

import pathlib
import tempfile

import lsmx
import numpy as np
import torch
from lsmx.testing import compare_distributions

TOKENS, FEATURES, VOCABULARY = 256, 64, 4000
TEMPERATURE, TOP_K, MICRO = 0.7, 50, 100

# %%
# The model
# ---------
#
# One layer, in bfloat16. What lsmx promises begins with its logits: here both sides have the same ones.


def logits(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The logits of each token, in bfloat16."""
    return hidden.bfloat16() @ weight.bfloat16()


torch.manual_seed(0)
hidden = torch.randn(TOKENS, FEATURES)
weight = (torch.randn(FEATURES, VOCABULARY) / 3).requires_grad_()

# %%
# The server
# ----------
#
# It keeps the 50 largest logits of each row, and draws one of them as the greatest with Gumbel noise. It saves the token, the
# classes that it was drawn from, and the token's log-prob among those. Beside it stands the log-prob by the usual lines of NumPy:
# set what is not kept to ``-inf``, divide, shift, subtract the logarithm of the sum.


def by_hand(z: np.ndarray, token: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The usual lines in NumPy."""
    masked = np.full_like(z, -np.inf)
    np.put_along_axis(masked, kept, np.take_along_axis(z, kept, axis=-1), axis=-1)
    x = masked / np.float32(TEMPERATURE)
    x = x - x.max(axis=-1, keepdims=True)
    log_s = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    found: np.ndarray = np.take_along_axis(log_s, token[:, None], axis=-1)[:, 0]
    return found


def serve(z: np.ndarray, path: pathlib.Path) -> None:
    """Draw a token of each row, and save what the trainer needs."""
    rng = np.random.default_rng(1)
    kept = np.argpartition(-z, TOP_K, axis=-1)[:, :TOP_K]
    noisy = np.take_along_axis(z, kept, axis=-1) / TEMPERATURE
    noisy += rng.gumbel(size=kept.shape)
    token = np.take_along_axis(kept, noisy.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    served = lsmx.log_prob(z, token, support=kept, temperature=TEMPERATURE)
    hand = by_hand(z, token, kept)
    np.savez(path, token=token, kept=kept, served=served, by_hand=hand)


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "step.npz"
    with torch.no_grad():
        serve(logits(hidden, weight).float().numpy(), path)
    with np.load(path) as file:
        saved = {name: file[name] for name in file.files}

token, kept = torch.from_numpy(saved["token"]), torch.from_numpy(saved["kept"])
served = torch.from_numpy(saved["served"])
print(f"{TOKENS} tokens at temperature {TEMPERATURE}, of the top {TOP_K} of {VOCABULARY}")

# %%
# By hand
# -------
#
# The usual lines in PyTorch, beside the server's in NumPy:


def by_torch(z: torch.Tensor, token: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The usual lines in PyTorch."""
    masked = torch.full_like(z, -torch.inf).scatter(-1, kept, z.gather(-1, kept))
    log_s = torch.log_softmax(masked.float() / TEMPERATURE, -1)
    return log_s.gather(-1, token[:, None])[:, 0]


with torch.no_grad():
    z = logits(hidden, weight)
    found = compare_distributions(saved["by_hand"], by_torch(z, token, kept))
print(f"by hand:\n{found}")
assert not found.equal

# %%
# The trainer
# -----------
#
# It works in micro-batches. The loss is a mean over all tokens, so each micro-batch gives its part of the sum.

advantage = torch.randn(TOKENS)
z = logits(hidden, weight)
leaf = z.detach().requires_grad_()
parts = []
for rows in torch.arange(TOKENS).split(MICRO):
    log_prob = lsmx.log_prob(
        leaf[rows], token[rows], support=kept[rows], temperature=TEMPERATURE
    )
    w = torch.exp(log_prob - served[rows])
    (-(w * advantage[rows]).sum() / TOKENS).backward()
    parts.append(log_prob.detach())

found = compare_distributions(served, torch.cat(parts))
print(f"lsmx.log_prob:\n{found}")
assert found.equal
assert found.max_weight == found.mean_weight == found.effective_sample_size == 1

# %%
# Its gradient
# ------------
#
# Weights of 1 change nothing: the gradient is that of the log-probs times the advantages, as NumPy has it. There the support is a
# mask of classes, which gives the same bits.

mask = np.zeros(z.shape, dtype=np.bool_)
np.put_along_axis(mask, saved["kept"], True, axis=-1)
by_numpy = lsmx.log_prob_backward(
    (-advantage / TOKENS).numpy(),
    z.detach().float().numpy(),
    saved["token"],
    where=mask,
    temperature=TEMPERATURE,
)
assert leaf.grad is not None
assert torch.equal(leaf.grad, torch.from_numpy(by_numpy).bfloat16())
print("the gradient by the logits is NumPy's, bit for bit")

# %%
# A step
# ------
#
# Now the policy moves away from the one that drew the tokens, and the weights are no longer 1: they measure the step, and nothing
# else.

z.backward(leaf.grad)
assert weight.grad is not None
with torch.no_grad():
    weight -= 0.2 * weight.grad
    after = lsmx.log_prob(
        logits(hidden, weight), token, support=kept, temperature=TEMPERATURE
    )
moved = compare_distributions(served, after)
gain = float((torch.exp(after - served) * advantage).mean() - advantage.mean())
print(
    f"after a step: KL to the server {moved.kl:.2e}, effective sample size "
    f"{100 * moved.effective_sample_size:.1f} %, gain {gain:.2e}"
)
assert gain > 0
assert moved.kl > 0
