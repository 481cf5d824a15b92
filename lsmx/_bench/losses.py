"""The losses on PyTorch's tensors, beside what is written for them with PyTorch today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import lsmx
from lsmx._bench.works import Call, Row, Target, drawn, fewer, optional

OURS, TORCH = "lsmx", "torch"
LOG_SOFTMAX, LOGSUMEXP = "torch, by log_softmax", "torch, by logsumexp"
SHAPES = ((1024, 32000), (4096, 1024))
SMALL = (8, 10)
DTYPES = ("float32", "bfloat16")
SCALE, NOISE = 3.0, 0.1  # of the logits, and of what the second ones differ by from them
SMOOTHING = 0.1


@dataclass(frozen=True)
class Given:
    """Tensors: logits, others that are near to them, and a class a row."""

    z: Any
    w: Any
    index: Any

    @property
    def column(self) -> Any:
        """The classes as `gather` takes them."""
        return self.index[:, None]


Contestants = Callable[[Any, Given], dict[str, Call]]  # of PyTorch and what is given


@dataclass(frozen=True)
class Loss:
    """What is computed, and the ratio that is asked for beside each other; None where it is only shown."""

    name: str
    contestants: Contestants
    asked: dict[str, float | None]

    def row(self, shape: tuple[int, int], dtype: str) -> Row:
        """On logits of this shape."""
        name = f"{shape[0]} x {shape[1]} {dtype} {self.name}"
        targets = tuple(Target(f"{self.name}, {dtype}", OURS, other, least) for other, least in self.asked.items())
        return Row(name, shape[0] * shape[1], partial(made, self, shape, dtype), targets)


def made(loss: Loss, shape: tuple[int, int], dtype: str) -> dict[str, Call]:
    """The contestants; none without PyTorch."""
    torch = optional("torch")
    if torch is None:
        return {}
    z, noise = drawn(shape, "float32")
    logits = SCALE * z
    z, w = (torch.from_numpy(x).to(getattr(torch, dtype)) for x in (logits, logits + np.float32(NOISE) * noise))
    index = torch.from_numpy(np.random.default_rng(1).integers(0, shape[1], shape[0]))
    return loss.contestants(torch, Given(z, w, index))


def log_prob(torch: Any, x: Given) -> dict[str, Call]:
    """Of a class a row."""
    return {
        OURS: lambda: lsmx.log_prob(x.z, x.index),
        LOG_SOFTMAX: lambda: torch.log_softmax(x.z, -1).gather(-1, x.column),
        LOGSUMEXP: lambda: x.z.gather(-1, x.column) - torch.logsumexp(x.z, -1, keepdim=True),
    }


def cross_entropy(torch: Any, x: Given) -> dict[str, Call]:
    """The mean over rows."""
    return {
        OURS: lambda: lsmx.cross_entropy(x.z, x.index),
        TORCH: lambda: torch.nn.functional.cross_entropy(x.z, x.index),
    }


def trained(torch: Any, x: Given, smoothing: float = 0.0) -> dict[str, Call]:
    """The mean over rows and its gradient, as a step of training has them."""
    z = x.z.requires_grad_()

    def step(loss: Callable[..., Any]) -> Any:
        z.grad = None
        loss(z, x.index, label_smoothing=smoothing).backward()
        return z.grad

    return {OURS: partial(step, lsmx.cross_entropy), TORCH: partial(step, torch.nn.functional.cross_entropy)}


def entropy(torch: Any, x: Given) -> dict[str, Call]:
    """Of each row."""

    def by_log_softmax() -> Any:
        y = torch.log_softmax(x.z, -1)
        return -(y.exp() * y).sum(-1)

    return {OURS: lambda: lsmx.entropy(x.z), LOG_SOFTMAX: by_log_softmax}


def token_stats(torch: Any, x: Given) -> dict[str, Call]:
    """Log-prob, entropy, logsumexp and rank of a class a row."""

    def by_log_softmax() -> Any:
        y, chosen = torch.log_softmax(x.z, -1), x.z.gather(-1, x.column)
        return y.gather(-1, x.column), -(y.exp() * y).sum(-1), torch.logsumexp(x.z, -1), (x.z > chosen).sum(-1)

    return {OURS: lambda: lsmx.token_stats(x.z, x.index), LOG_SOFTMAX: by_log_softmax}


def kl_divergence(torch: Any, x: Given) -> dict[str, Call]:
    """Of each row from the one near to it."""

    def by_log_softmax() -> Any:
        log_q, log_p = torch.log_softmax(x.w, -1), torch.log_softmax(x.z, -1)
        return torch.nn.functional.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)

    return {OURS: lambda: lsmx.kl_divergence(x.z, x.w), LOG_SOFTMAX: by_log_softmax}


LOSSES = (
    Loss("log_prob", log_prob, {LOG_SOFTMAX: 2.0, LOGSUMEXP: 1.2}),
    Loss("cross_entropy, forward", cross_entropy, {TORCH: 1.3}),
    Loss("cross_entropy, forward and backward", trained, {TORCH: 1.3}),
    Loss(f"cross_entropy, label_smoothing={SMOOTHING}, forward and backward", partial(trained, smoothing=SMOOTHING), {TORCH: None}),
    Loss("entropy", entropy, {LOG_SOFTMAX: 2.0}),
    Loss("token_stats", token_stats, {LOG_SOFTMAX: 2.0}),
    Loss("kl_divergence", kl_divergence, {LOG_SOFTMAX: 0.8}),
)
CALL = Loss("small cross_entropy, forward and backward", trained, {TORCH: None})


def loss_rows(share: int) -> list[Row]:
    """All of them, and a call on a few numbers."""
    long = [loss.row((fewer(n, share), length), dtype) for loss in LOSSES for dtype in DTYPES for n, length in SHAPES]
    return long + [CALL.row(SMALL, dtype) for dtype in DTYPES]
