"""Distillation below float32
==========================

A student learns from a teacher until float32 has no digits left to tell them apart, and a while longer.

The loss is the divergence KL(teacher, student). Written as ``sum(p (log p - log q))`` it has terms of both signs, which cancel
where the two are near: in float32 nothing but rounding errors is left of a KL of 1e-8, and many of them are negative.
`lsmx.kl_divergence` adds up terms that are not negative, so it goes on falling as long as the student goes on learning.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import lsmx
import torch

ROWS, FEATURES, CLASSES, STEPS, EVERY = 256, 6, 10, 50, 5


# %%
# Three ways to the same number
# -----------------------------
#
# The mean KL of a step is computed from the same float32 logits by lsmx, by PyTorch, and by lsmx in float64, which has enough
# digits.


class Seen(NamedTuple):
    """The mean KL of a step, by three ways from the same float32 logits."""

    step: int
    ours: float
    torchs: float
    wide: float  # in float64
    negative: int  # rows whose KL is below 0 by PyTorch's way


def torch_kl(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """KL(teacher, student) of each row as PyTorch has it: the student comes first."""
    p, q = torch.log_softmax(teacher, -1), torch.log_softmax(student, -1)
    return torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1)


# %%
# Training
# --------
#
# Teacher and student are linear. The student starts at 0 and is trained by `lsmx.kl_divergence`; at every fifth step the three are
# compared.

torch.manual_seed(0)
x = torch.randn(ROWS, FEATURES)
teacher = x @ (0.5 * torch.randn(FEATURES, CLASSES))
weight = torch.zeros(FEATURES, CLASSES, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=4.0, momentum=0.6)
seen = []
for step in range(STEPS + 1):
    optimizer.zero_grad()
    student = x @ weight
    loss = lsmx.kl_divergence(teacher, student, reduction="mean")
    if step % EVERY == 0:
        with torch.no_grad():
            wide = lsmx.kl_divergence(teacher.double(), student.double(), reduction="mean")
            rows = torch_kl(teacher, student)
            seen.append(
                Seen(
                    step,
                    loss.item(),
                    rows.mean().item(),
                    wide.item(),
                    int((rows < 0).sum()),
                )
            )
    loss.backward()
    optimizer.step()

# %%
# What each of them saw
# ---------------------

print("step   lsmx.kl_divergence   of that in float64       F.kl_div   rows below 0")
for s in seen:
    print(
        f"{s.step:4d}   {s.ours:18.7e}   {s.wide:18.7e}   {s.torchs:12.3e}   {s.negative:12d}"
    )

# %%
# lsmx's falls at every step and has all its digits; of ``F.kl_div`` no digit is left in the end.

assert all(b.ours < a.ours for a, b in pairwise(seen)), "ours falls"
assert all(abs(s.ours - s.wide) <= 1e-6 * s.wide for s in seen), "and has all its digits"
last = seen[-1]
assert last.negative > 0
off, below = abs(last.torchs - last.wide), sum(s.torchs < 0 for s in seen)
assert off > last.wide, "of F.kl_div no digit is left"
print(f"lsmx.kl_divergence has fallen to {last.ours:.1e}; F.kl_div is off by {off:.1e},")
print(f"  and was below 0 at {below} steps of these")
