"""A language model of characters, trained in PyTorch, whose log-probs on held-out text are the same bits in NumPy and in JAX.

It reads the source of a module of Python's standard library: an embedding, a recurrent layer, logits. The loss is
`lsmx.linear_cross_entropy`, fused with the last layer. What the model thinks of text that it has not seen is reported from its
saved logits by three libraries.
"""

from __future__ import annotations

import argparse
import inspect
import math
import pathlib
import tempfile

import jax.numpy as jnp
import numpy as np
import torch

import lsmx

CONTEXT, BATCH, WIDTH, STEPS = 48, 24, 64, 150
HELD_OUT = 40  # windows


class Model(torch.nn.Module):
    """The logits of each next character."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(characters, WIDTH)
        self.recurrent = torch.nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.last = torch.nn.Linear(WIDTH, characters)

    def hidden(self, text: torch.Tensor) -> torch.Tensor:
        """From ``(rows, n)`` characters to what the last layer makes logits of."""
        states: torch.Tensor = self.recurrent(self.embedding(text))[0]
        return states

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """From ``(rows, n)`` characters to ``(rows, n, classes)`` logits."""
        logits: torch.Tensor = self.last(self.hidden(text))
        return logits


def read() -> tuple[torch.Tensor, int]:
    """A text as numbers, and how many characters there are."""
    text = inspect.getsource(argparse)[:40000]
    characters = sorted(set(text))
    number = {c: i for i, c in enumerate(characters)}
    return torch.tensor([number[c] for c in text]), len(characters)


def trained(text: torch.Tensor, characters: int) -> Model:
    """A model after some steps on windows of the text."""
    model = Model(characters)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(STEPS + 1):
        start = torch.randint(len(text) - CONTEXT - 1, (BATCH,))
        window = text[start[:, None] + torch.arange(CONTEXT + 1)]
        hidden = model.hidden(window[:, :-1])
        loss = lsmx.linear_cross_entropy(hidden, model.last.weight, window[:, 1:], bias=model.last.bias)
        if step % 50 == 0:
            print(f"step {step:3d}   loss {loss.item():.4f}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def main() -> None:
    """Train, save the logits of the held-out text, and report on them."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # of a model so small, more would wait for each other
    text, characters = read()
    last = HELD_OUT * (CONTEXT + 1)
    model = trained(text[:-last], characters)
    held_out = text[-last:].reshape(HELD_OUT, CONTEXT + 1)
    with torch.no_grad():
        logits = model(held_out[:, :-1])
    target = held_out[:, 1:]

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "logits.npy"
        np.save(path, logits.numpy())
        z = np.load(path)
    index = target.numpy()

    loss = lsmx.cross_entropy(logits, target)
    by_torch = lsmx.token_stats(logits, target)
    by_numpy = lsmx.token_stats(z, index)
    by_jax = lsmx.token_stats(jnp.asarray(z), jnp.asarray(index))
    for a, b, c in zip(by_torch, by_numpy, by_jax, strict=True):
        assert np.array_equal(a.numpy(), b)
        assert np.array_equal(np.asarray(c), b)
    assert loss.numpy() == lsmx.cross_entropy(z, index) == np.asarray(lsmx.cross_entropy(jnp.asarray(z), jnp.asarray(index)))

    first = " ".join(f"{v:.4f}" for v in by_numpy.log_prob.ravel()[:5])
    right, entropy = 100 * (by_numpy.rank == 0).mean(), by_numpy.entropy.mean()
    print(f"held out: {index.size} characters, loss {loss.item():.4f} (of {math.log(characters):.4f} for a guess)")
    print(f"  the right character is the likeliest in {right:.1f} %; entropy {entropy:.4f}")
    print(f"  log-probs {first} ...: the same bits in PyTorch, NumPy and JAX, as are entropy, logsumexp, rank and the loss")
    theirs = torch.log_softmax(logits, -1).gather(-1, target[..., None])[..., 0].numpy()
    print(f"  torch.log_softmax differs from them in {100 * (theirs != by_numpy.log_prob).mean():.1f} %")
    assert loss < 0.8 * math.log(characters)


if __name__ == "__main__":
    main()
