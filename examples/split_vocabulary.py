"""A vocabulary divided among processes
====================================

The last layer of a language model is divided along the vocabulary: on one process and on four, the losses are the same to the last
bit. ::

    python examples/split_vocabulary.py
    torchrun --nproc-per-node 4 examples/split_vocabulary.py

The first has all classes in one process, the second a part of them in each of four. Both print the same lines, step after step.
``--by-hand`` trains by a loss that is divided as it is commonly written, with three all-reduces in float32: its lines differ.

The loss is `lsmx.cross_entropy`, whose bits do not depend on how rows are divided. In the model around it two matrix products know
of the vocabulary, and the bits of a product may depend on its shape, and those of a sum on its order. So this is fixed here:

- **The slices.** The vocabulary is cut into slices of ``SLICE`` classes, and each process has some of them, whole. The products of
  the last layer are made slice by slice: all of one shape, at addresses aligned alike, however many processes there are.
- **The order of the one sum over classes,** the gradient of the hidden states. The term of each slice is gathered, and all are
  added from the first to the last, in every process. An all-reduce would add some of them first, and round otherwise.
- **The rest** is the same in all processes: one seed, one thread, deterministic algorithms, and machines that compute alike.
  The step of the optimizer is a product and a difference for each element, each rounded by itself.
"""

from __future__ import annotations

import argparse
import inspect
import os
import textwrap
from itertools import pairwise
from typing import Any

import lsmx
import torch
import torch.distributed as dist
from lsmx_torch.parallel import vocabulary_parallel

CHARACTERS = "\t\n" + "".join(map(chr, range(32, 127)))  # 97 of them
SLICE, CONTEXT, WIDTH, BATCH, RATE = 8, 8, 32, 64, 0.5
SLICES = -(-len(CHARACTERS) // SLICE)  # the last has one class, and seven that are cut off
Shares = list[tuple[int, int]]


# %%
# Who has which slices
# --------------------


def shares(processes: int) -> Shares:
    """The first slice of each process, and the first of the next."""
    return list(pairwise(SLICES * k // processes for k in range(processes + 1)))


# %%
# The last layer
# --------------
#
# Its products are made slice by slice, and the terms of the one sum over classes are added in their order.


class Last(torch.autograd.Function):
    """The logits of this process's classes; the weight is ``(slices, SLICE, WIDTH)``."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """``hidden @ weight.T``, one slice after the other."""
        ctx.save_for_backward(hidden, weight)
        return torch.cat([hidden @ part.T for part in weight], dim=-1)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The weight's is this process's; the hidden states' is a sum over all slices."""
        hidden, weight = ctx.saved_tensors
        each = [x.contiguous() for x in g.split(SLICE, dim=-1)]
        terms = gathered(
            torch.stack([x @ part for x, part in zip(each, weight, strict=True)])
        )
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total, torch.stack([x.T @ hidden for x in each])


def gathered(terms: torch.Tensor) -> list[torch.Tensor]:
    """The terms of all slices, in their order."""
    if not dist.is_initialized():
        return list(terms)
    of_each = shares(dist.get_world_size())
    most = max(stop - start for start, stop in of_each)
    room = torch.cat([terms, terms.new_zeros(most - len(terms), *terms.shape[1:])])
    found = [torch.empty_like(room) for _ in of_each]
    dist.all_gather(found, room)
    return [
        term
        for x, (start, stop) in zip(found, of_each, strict=True)
        for term in x[: stop - start]
    ]


# %%
# For comparison
# --------------
#
# The loss as it is commonly divided. ``--by-hand`` trains by it.


class ByHand(torch.autograd.Function):
    """Cross-entropy of divided rows: a maximum, a sum and a logit, reduced in float32."""

    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, target: torch.Tensor, first: int
    ) -> torch.Tensor:
        """The loss of each row."""
        largest = reduced(logits.amax(-1), dist.ReduceOp.MAX)
        exponentials = (logits - largest[:, None]).exp()
        total = reduced(exponentials.sum(-1), dist.ReduceOp.SUM)
        here = torch.nn.functional.one_hot(target, len(CHARACTERS))[
            :, first : first + logits.shape[-1]
        ].bool()
        picked = reduced(
            torch.where(here, logits - largest[:, None], 0).sum(-1), dist.ReduceOp.SUM
        )
        ctx.save_for_backward(exponentials / total[:, None], here)
        return total.log() - picked

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """``g (softmax - one_hot)``."""
        probabilities, here = ctx.saved_tensors
        return g[:, None] * (probabilities - here.to(g.dtype)), None, None


def reduced(x: torch.Tensor, how: Any) -> torch.Tensor:
    """Reduced over all processes."""
    if dist.is_initialized():
        dist.all_reduce(x, how)
    return x


# %%
# Training
# --------
#
# All processes draw the same batches and the same weights, and keep their part of the last layer. With several processes the
# loss is `lsmx_torch.parallel.vocabulary_parallel` of `lsmx.cross_entropy`, with one it is `lsmx.cross_entropy` itself.


def windows() -> torch.Tensor:
    """A module of Python as numbers: each row `CONTEXT` characters and the next."""
    text = [CHARACTERS.index(c) for c in inspect.getsource(textwrap) if c in CHARACTERS]
    return torch.tensor(text).unfold(0, CONTEXT + 1, 1)


def trained(steps: int, by_hand: bool) -> list[torch.Tensor]:
    """Train; the loss of each step."""
    rank, processes = (
        (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    )
    start, stop = shares(processes)[rank]
    classes = min(stop * SLICE, len(CHARACTERS)) - start * SLICE
    embedding = torch.randn(len(CHARACTERS), WIDTH)
    middle = torch.randn(WIDTH, CONTEXT * WIDTH) / (CONTEXT * WIDTH) ** 0.5
    last = (
        torch.randn(SLICES, SLICE, WIDTH)[start:stop].clone() / WIDTH**0.5
    )  # all draw all, and keep their part
    parameters = [x.requires_grad_() for x in (embedding, middle, last)]
    text, losses = windows(), []
    for _ in range(steps):
        batch = text[torch.randint(len(text), (BATCH,))]
        hidden = torch.tanh(embedding[batch[:, :-1]].flatten(1) @ middle.T)
        logits, target = Last.apply(hidden, last)[:, :classes], batch[:, -1]  # type: ignore[no-untyped-call]
        if by_hand:
            loss = ByHand.apply(logits, target, start * SLICE).mean()  # type: ignore[no-untyped-call]
        elif dist.is_initialized():
            loss = vocabulary_parallel(lsmx.cross_entropy, logits, target)
        else:
            loss = lsmx.cross_entropy(logits, target)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for x, g in zip(parameters, gradients, strict=True):
                x -= RATE * g
        losses.append(loss.detach())
    return losses


# %%
# The losses
# ----------
#
# ``torchrun`` sets ``RANK``. Without it, as on this page, one process has all classes.


def main() -> None:
    """Train, and print the losses."""
    parser = argparse.ArgumentParser(
        description="Train a model whose vocabulary may be divided."
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument(
        "--by-hand",
        action="store_true",
        help="a loss that is divided as it is commonly written",
    )
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if "RANK" in os.environ:  # torchrun says so
        dist.init_process_group("gloo")
    losses = trained(given.steps, given.by_hand)
    if not dist.is_initialized() or dist.get_rank() == 0:
        for step, loss in enumerate(losses):
            print(f"step {step:3d}   loss {float(loss):.6f}   {float(loss).hex()}")
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
