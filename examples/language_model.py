"""One model, three libraries
==========================

A language model of characters is trained in PyTorch. Its log-probs of held-out text are then read in NumPy and in JAX, and they
are the same bits.

The model is small: an embedding, a recurrent layer, and a last layer that makes the logits. The loss is
`lsmx.linear_cross_entropy`, which is fused with the last layer, so that the logits of a batch are never there all at once. The
text is the source of a module of Python's standard library.
"""

from __future__ import annotations

import argparse
import inspect
import math
import pathlib
import tempfile

import jax.numpy as jnp
import lsmx
import numpy as np
import torch

CONTEXT, BATCH, WIDTH, STEPS = 48, 24, 64, 150
HELD_OUT = 40  # windows

# %%
# The model
# ---------


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


# %%
# The text
# --------
#
# Each character is a number. The last windows of the text are held out.

torch.manual_seed(0)
torch.set_num_threads(1)  # of a model so small, more would wait for each other
source = inspect.getsource(argparse)[:40000]
letters = sorted(set(source))
number = {c: i for i, c in enumerate(letters)}
text = torch.tensor([number[c] for c in source])
last = HELD_OUT * (CONTEXT + 1)
seen, held_out = text[:-last], text[-last:].reshape(HELD_OUT, CONTEXT + 1)

# %%
# Training
# --------
#
# `lsmx.linear_cross_entropy` takes the hidden states and the weight of the last layer. Its gradients go to both.

model = Model(len(letters))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(STEPS + 1):
    start = torch.randint(len(seen) - CONTEXT - 1, (BATCH,))
    window = seen[start[:, None] + torch.arange(CONTEXT + 1)]
    hidden = model.hidden(window[:, :-1])
    loss = lsmx.linear_cross_entropy(
        hidden, model.last.weight, window[:, 1:], bias=model.last.bias
    )
    if step % 50 == 0:
        print(f"step {step:3d}   loss {loss.item():.4f}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Three readers
# -------------
#
# The logits of the held-out text are saved. `lsmx.token_stats` reports the log-prob, the entropy, the logsumexp and the rank of
# each character: in PyTorch, and from the file in NumPy and JAX.

with torch.no_grad():
    logits = model(held_out[:, :-1])
target = held_out[:, 1:]

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "logits.npy"
    np.save(path, logits.numpy())
    z = np.load(path)
index = target.numpy()

held_out_loss = lsmx.cross_entropy(logits, target)
by_torch = lsmx.token_stats(logits, target)
by_numpy = lsmx.token_stats(z, index)
by_jax = lsmx.token_stats(jnp.asarray(z), jnp.asarray(index))
for a, b, c in zip(by_torch, by_numpy, by_jax, strict=True):
    assert np.array_equal(a.numpy(), b)
    assert np.array_equal(np.asarray(c), b)
assert held_out_loss.numpy() == lsmx.cross_entropy(z, index)
assert held_out_loss.numpy() == np.asarray(
    lsmx.cross_entropy(jnp.asarray(z), jnp.asarray(index))
)

first = " ".join(f"{v:.4f}" for v in by_numpy.log_prob.ravel()[:5])
right, entropy = 100 * (by_numpy.rank == 0).mean(), by_numpy.entropy.mean()
guess = math.log(len(letters))
print(
    f"held out: {index.size} characters, loss {held_out_loss.item():.4f} ({guess:.4f} for a guess)"
)
print(f"  the right character is the likeliest in {right:.1f} %; entropy {entropy:.4f}")
print(f"  log-probs {first} ...: the same bits in PyTorch, NumPy and JAX,")
print("  as are entropy, logsumexp, rank and the loss")

# %%
# And how many of PyTorch's own log-probs are other numbers:

theirs = torch.log_softmax(logits, -1).gather(-1, target[..., None])[..., 0].numpy()
differing = 100 * (theirs != by_numpy.log_prob).mean()
print(f"  torch.log_softmax differs from them in {differing:.1f} %")
assert held_out_loss < 0.8 * guess
