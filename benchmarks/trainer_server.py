"""How far log-probs of the same logits are apart when a server and a trainer take them in different ways.

``python benchmarks/trainer_server.py`` prints the tables of docs/trainer-equals-server.md. All logits are equal to the bit; what
differs is who takes the log-softmax, and how.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from importlib import metadata

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import torch

import lsmx
from lsmx.testing import compare_distributions

Way = Callable[[np.ndarray, np.ndarray], np.ndarray]


def model_like(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that fall off with the rank as those of language models do, on an offset, as bfloat16 has them; and drawn tokens."""
    rng = np.random.default_rng(seed)
    rank = rng.permuted(np.broadcast_to(np.arange(classes), (n, classes)), axis=1)
    z = rng.uniform(10, 25, (n, 1)) - rng.uniform(1.0, 2.5, (n, 1)) * np.log1p(rank) + rng.standard_normal((n, classes))
    z = np.ascontiguousarray(torch.from_numpy(z).bfloat16().float().numpy())
    return z, np.argmax(z - np.log(-np.log(rng.random(z.shape))), axis=-1)


def picked(rows: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Those of the tokens."""
    found: np.ndarray = np.take_along_axis(rows, tokens[:, None], axis=-1)[:, 0]
    return found


def torch_softmax(z: np.ndarray, tokens: np.ndarray, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """PyTorch's log-softmax, and gather."""
    t, i = torch.from_numpy(z).to(dtype), torch.from_numpy(tokens)
    return torch.log_softmax(t, -1).gather(-1, i[:, None])[:, 0].float().numpy()


def torch_lse(z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The logit less PyTorch's logsumexp: what saves an array as large as the logits."""
    t, i = torch.from_numpy(z), torch.from_numpy(tokens)
    return (t.gather(-1, i[:, None])[:, 0] - torch.logsumexp(t, -1)).numpy()


def torch_parts(z: np.ndarray, tokens: np.ndarray, parts: int = 4) -> np.ndarray:
    """The same, of a vocabulary in parts, as tensor parallelism has it."""
    t, i = torch.from_numpy(z), torch.from_numpy(tokens)
    lse = torch.logsumexp(torch.stack([torch.logsumexp(x, -1) for x in t.chunk(parts, -1)]), 0)
    return (t.gather(-1, i[:, None])[:, 0] - lse).numpy()


def by_hand(z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Log-softmax as it is written in NumPy."""
    z = z - z.max(axis=-1, keepdims=True)
    return picked(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)), tokens)


OTHERS: dict[str, Way] = {
    "NumPy by hand": by_hand,
    "SciPy `log_softmax`": lambda z, i: picked(scipy.special.log_softmax(z, axis=-1), i),
    "JAX `log_softmax`, jit": lambda z, i: picked(np.asarray(jax.jit(jax.nn.log_softmax)(jnp.asarray(z))), i),
    "NumPy by hand, Fortran order": lambda z, i: by_hand(np.asfortranarray(z), i),
    "torch, columns reversed": lambda z, i: torch_softmax(np.ascontiguousarray(z[:, ::-1]), z.shape[-1] - 1 - i),
    "torch, `gather - logsumexp`": torch_lse,
    "torch, `logsumexp` of four parts": torch_parts,
    "torch, `log_softmax` in bfloat16": lambda z, i: torch_softmax(z, i, torch.bfloat16),
}
OURS: dict[str, Way] = {
    "lsmx on torch": lambda z, i: lsmx.log_prob(torch.from_numpy(z), torch.from_numpy(i)).numpy(),
    "lsmx on torch, bfloat16 logits": lambda z, i: lsmx.log_prob(torch.from_numpy(z).bfloat16(), torch.from_numpy(i)).numpy(),
    "lsmx on torch, columns reversed": lambda z, i: lsmx.log_prob(
        torch.from_numpy(z).flip(-1), torch.from_numpy(z.shape[-1] - 1 - i)
    ).numpy(),
    "lsmx on JAX, jit": lambda z, i: np.asarray(jax.jit(lsmx.log_prob)(jnp.asarray(z), jnp.asarray(i))),
}


def line(name: str, server: np.ndarray, trainer: np.ndarray) -> str:
    """A row of the table."""
    found = compare_distributions(server, trainer)
    weight = np.abs(np.expm1(trainer.astype(float) - server.astype(float))).max()
    lost = 1 - found.effective_sample_size
    figures = [f"{x:.1e}" if x else "0" for x in (found.max_difference, found.mean_difference, found.k3, weight, lost)]
    return f"| {name} | {100 * found.unequal:.1f} % | {' | '.join(figures)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1024, help="rows of logits (1024)")
    n = parser.parse_args().tokens
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "torch", "jax"))
    print(f"Python {platform.python_version()}, {versions}; {n} tokens\n")
    for classes in (32000, 151936):
        z, tokens = model_like(n, classes)
        print(
            f"| {classes} classes | unequal bits | largest nats | mean nats | KL (k3) | weight off 1 by up to | 1 - sample size |"
        )
        print("|---|---|---|---|---|---|---|")
        trainer = torch_softmax(z, tokens)
        for name, way in OTHERS.items():
            print(line(name, way(z, tokens), trainer), flush=True)
        numpy = lsmx.log_prob(z, tokens)
        for name, way in OURS.items():
            print(line(f"lsmx on NumPy, {name}", numpy, way(z, tokens)), flush=True)
        print()


if __name__ == "__main__":
    main()
