"""Small calls through PyTorch's autograd, in us: by lsmx, by lsmx's operator as compiled code calls it, and by PyTorch's own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import lsmx

Call = Callable[[], Any]
TURNS, TIMES = 25, 200


def contestants() -> dict[str, Call]:
    """Forward and backward of 8 x 10 float32, where autograd looks on."""
    z, g = torch.randn(8, 10, requires_grad=True), torch.randn(8, 10)
    forward: dict[str, Call] = {
        "lsmx": lambda: lsmx.log_softmax(z),
        "lsmx's operator": lambda: torch.ops.lsmx.log_softmax(z, [1], None),
        "PyTorch": lambda: torch.log_softmax(z, -1),
    }

    def backward(out: torch.Tensor) -> Call:
        return lambda: torch.autograd.grad(out, z, g, retain_graph=True)

    return forward | {f"{name}, backward": backward(call()) for name, call in forward.items()}


def microseconds(call: Call) -> float:
    """The time of one call, of many in a row."""
    start = time.perf_counter()
    for _ in range(TIMES):
        call()
    return (time.perf_counter() - start) / TIMES * 1e6


def main() -> None:
    """Medians of interleaved turns."""
    calls = contestants()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, call in calls.items():
            seconds[name].append(microseconds(call))
    for name, times in seconds.items():
        print(f"{name:<25} {statistics.median(times):6.1f}")


if __name__ == "__main__":
    main()
