"""Ratios of exactly 1
===================

In policy gradient a sampler draws tokens and a trainer learns from them. The ratio ``exp(log_prob_trainer - log_prob_sampler)``
says how far the policy has moved since the tokens were drawn. Before the first step nothing has moved, so each ratio should be
1.

Usually it is not, because the sampler and the trainer compute the log-probability of the same logits in different ways. With
`lsmx.log_prob` it is: its bits depend on the logits alone, not on the library.

Here the trainer is PyTorch with bfloat16 logits, and the sampler is NumPy or JAX.
"""

from __future__ import annotations

import jax.numpy as jnp
import lsmx
import numpy as np
import torch

TOKENS, FEATURES, VOCABULARY = 512, 32, 2000
CLIP = 0.2  # ratios that far from 1 are cut, as in PPO

# %%
# The sampler
# -----------
#
# A linear policy gives the logits of each token. The sampler has them saved: NumPy holds bfloat16 as float32, without loss. It
# draws a token of each row by its probability, as the greatest of the logits with Gumbel noise.


def policy(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The logits of each token, in bfloat16."""
    return hidden.bfloat16() @ weight.bfloat16()


rng = np.random.default_rng(0)
torch.manual_seed(0)
hidden, weight = (
    torch.randn(TOKENS, FEATURES),
    (torch.randn(FEATURES, VOCABULARY) / 2).requires_grad_(),
)

with torch.no_grad():
    saved = policy(hidden, weight).float().numpy()
token = np.argmax(saved - np.log(-np.log(rng.random(saved.shape))), axis=-1)
sampler = lsmx.log_prob(saved, token)

by_jax = np.asarray(
    lsmx.log_prob(jnp.asarray(saved, dtype=jnp.bfloat16), jnp.asarray(token))
)
assert np.array_equal(sampler, by_jax), "a sampler in JAX reports the same bits"

# %%
# The trainer
# -----------
#
# PyTorch computes the log-probs of the same tokens from its own bfloat16 logits.

z = policy(hidden, weight)
z.retain_grad()
index = torch.from_numpy(token)
trainer = lsmx.log_prob(z, index)
ratio = torch.exp(trainer - torch.from_numpy(sampler))
assert torch.equal(ratio, torch.ones(TOKENS)), "ratios before the first step are 1"

# %%
# Beside it, what is commonly written: ``log_softmax`` and ``gather`` in PyTorch, and in NumPy a shift by the maximum and the
# logarithm of the sum.


def usual(z: np.ndarray, token: np.ndarray) -> np.ndarray:
    """Log-probs as they are written in NumPy."""
    z = z - z.max(axis=-1, keepdims=True)
    log_s = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return np.take_along_axis(log_s, token[:, None], axis=-1)[:, 0]


def told(way: str, ratio: np.ndarray) -> None:
    """Print how far ratios are from 1."""
    off = ratio != 1
    share, most = 100 * off.mean(), np.abs(ratio - 1).max()
    print(f"  {way:22s} {share:5.1f} % of the ratios are not 1, by up to {most:.1e}")


print(f"{TOKENS} tokens of {VOCABULARY}, {z.dtype} logits; the trainer beside the sampler:")
told("lsmx.log_prob", ratio.detach().numpy())
with torch.no_grad():
    wide, narrow = (
        torch.log_softmax(x, -1).gather(-1, index[:, None])[:, 0].float().numpy()
        for x in (z.float(), z)
    )
old = usual(saved, token)
told("log_softmax, float32", np.exp(wide - old))
told("log_softmax, bfloat16", np.exp(narrow - old))
assert (wide != old).any()

# %%
# A step
# ------
#
# The objective is the clipped one of PPO. Where all ratios are 1, its gradient is that of the log-probs, weighted by the
# advantages. NumPy computes it with `lsmx.log_prob_backward`.


def surrogate(ratio: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """The clipped objective with its sign changed."""
    return -torch.minimum(
        ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage
    ).mean()


advantage = torch.from_numpy(rng.standard_normal(TOKENS).astype(np.float32))
surrogate(ratio, advantage).backward()
assert z.grad is not None
by_numpy = lsmx.log_prob_backward((-advantage / TOKENS).numpy(), saved, token)
assert torch.equal(z.grad, torch.from_numpy(by_numpy).bfloat16())
print("  the gradient by the logits is NumPy's, bit for bit")

# %%
# Now the policy moves, and the ratios say how far.

with torch.no_grad():
    assert weight.grad is not None
    weight -= weight.grad
    moved = policy(hidden, weight)
    ratio = torch.exp(lsmx.log_prob(moved, index) - torch.from_numpy(sampler))
    kl = lsmx.kl_divergence(torch.from_numpy(saved), moved.float(), reduction="mean")
    gain = (ratio * advantage).mean() - advantage.mean()
print(f"after it: ratios from {ratio.min():.3f} to {ratio.max():.3f}")
print(f"  KL to the sampler {kl:.2e}, gain {gain:.2e}")
assert gain > 0
