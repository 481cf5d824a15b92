"""A step of policy gradient whose importance ratios are exactly 1 while trainer and sampler hold the same logits.

The trainer is PyTorch with bfloat16 logits, the sampler NumPy or JAX. The ratio ``exp(log_prob_trainer - log_prob_sampler)`` says
how far the policy has moved since its tokens were drawn. It is to be 1 before the first step, and with `lsmx.log_prob` it is: its
bits depend on the logits alone, not on the library.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch

import lsmx

TOKENS, FEATURES, VOCABULARY = 512, 32, 2000
CLIP = 0.2  # ratios that far from 1 are cut, as in PPO


def policy(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The logits of each token, in bfloat16."""
    return hidden.bfloat16() @ weight.bfloat16()


def drawn(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A token of each row, by its probability: the greatest of the logits with Gumbel noise."""
    token: np.ndarray = np.argmax(z - np.log(-np.log(rng.random(z.shape))), axis=-1)
    return token


def usual(z: np.ndarray, token: np.ndarray) -> np.ndarray:
    """Log-probs as they are written in NumPy: shift by the maximum, subtract the logarithm of the sum."""
    z = z - z.max(axis=-1, keepdims=True)
    log_s = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return np.take_along_axis(log_s, token[:, None], axis=-1)[:, 0]


def surrogate(ratio: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """The clipped objective with its sign changed: its gradient is that of ``-ratio * advantage`` while nothing is cut."""
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()


def told(way: str, ratio: np.ndarray) -> None:
    """Print how far ratios are from 1."""
    off = ratio != 1
    print(f"  {way:42s} {100 * off.mean():5.1f} % of the ratios are not 1, the farthest by {np.abs(ratio - 1).max():.1e}")


def main() -> None:
    """Draw tokens, compare the ratios, and take a step."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    hidden, weight = torch.randn(TOKENS, FEATURES), (torch.randn(FEATURES, VOCABULARY) / 2).requires_grad_()

    # the sampler: the same logits in NumPy, where bfloat16 is float32 without loss, and in JAX
    with torch.no_grad():
        saved = policy(hidden, weight).float().numpy()
    token = drawn(saved, rng)
    sampler = lsmx.log_prob(saved, token)
    by_jax = np.asarray(lsmx.log_prob(jnp.asarray(saved, dtype=jnp.bfloat16), jnp.asarray(token)))
    assert np.array_equal(sampler, by_jax)

    # the trainer
    z = policy(hidden, weight)
    z.retain_grad()
    index = torch.from_numpy(token)
    trainer = lsmx.log_prob(z, index)
    ratio = torch.exp(trainer - torch.from_numpy(sampler))
    assert torch.equal(ratio, torch.ones(TOKENS)), "ratios before the first step are 1"

    print(f"{TOKENS} tokens of {VOCABULARY}, {z.dtype} logits; the trainer beside the sampler:")
    told("lsmx.log_prob", ratio.detach().numpy())
    with torch.no_grad():
        wide, narrow = (torch.log_softmax(x, -1).gather(-1, index[:, None])[:, 0].float().numpy() for x in (z.float(), z))
    old = usual(saved, token)
    told("log_softmax.gather of float32, and NumPy", np.exp(wide - old))
    told("log_softmax.gather of bfloat16, and NumPy", np.exp(narrow - old))
    assert (wide != old).any()

    # a step: where all ratios are 1, the gradient is that of the log-probs, weighted by the advantages
    advantage = torch.from_numpy(rng.standard_normal(TOKENS).astype(np.float32))
    surrogate(ratio, advantage).backward()
    assert z.grad is not None
    by_numpy = lsmx.log_prob_backward((-advantage / TOKENS).numpy(), saved, token)
    assert torch.equal(z.grad, torch.from_numpy(by_numpy).bfloat16())
    print("  the gradient by the logits is NumPy's, bit for bit")

    with torch.no_grad():
        assert weight.grad is not None
        weight -= weight.grad
        moved = policy(hidden, weight)
        ratio = torch.exp(lsmx.log_prob(moved, index) - torch.from_numpy(sampler))
        kl = lsmx.kl_divergence(torch.from_numpy(saved), moved.float(), reduction="mean")
        gain = (ratio * advantage).mean() - advantage.mean()
    print(f"after it: ratios from {ratio.min():.3f} to {ratio.max():.3f}, KL to the sampler {kl:.2e}, gain {gain:.2e}")
    assert gain > 0


if __name__ == "__main__":
    main()
