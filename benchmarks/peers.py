"""How far other libraries are from each other, from themselves, and from the exact value, and what today's definition costs.

    pip install -e ".[test]" && python benchmarks/peers.py

Differences are shares of elements whose bits differ, on 256 x 32000 float32 logits and random cotangents. Times are medians of
interleaved runs in one process, as multiples of the fastest, with as many threads as each library takes by itself.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
import scipy.special
import torch

import lsmx

ROWS, COLUMNS, REPEATS = 256, 32000, 7


def differ(a: Any, b: Any) -> str:
    """The share of elements whose bits differ."""
    a, b = (np.ascontiguousarray(v).view(np.uint32) for v in (a, b))
    share = np.mean(a != b)
    return f"{100 * share:.1f} %" if share else "none"


def scipy_forward(z: Any) -> Any:
    """SciPy's log-softmax over the last axis."""
    return scipy.special.log_softmax(z, axis=-1)


def torch_forward(z: Any) -> Any:
    """PyTorch's log-softmax over the last axis, on NumPy arrays."""
    return torch.log_softmax(torch.from_numpy(z), -1).numpy()


def plain_gradient(g: Any, out: Any) -> Any:
    """The rule in plain NumPy."""
    return g - np.exp(out) * g.sum(axis=-1, keepdims=True)


def torch_gradient(g: Any, out: Any) -> Any:
    """PyTorch's own rule, on NumPy arrays."""
    grads = torch.ops.aten._log_softmax_backward_data(torch.from_numpy(g), torch.from_numpy(out), -1, torch.float32)
    return grads.numpy()


def lsmx_torch(z: Any) -> Any:
    """Ours on PyTorch."""
    return lsmx.log_softmax(torch.from_numpy(z)).numpy()


def interleaved(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each call, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(REPEATS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def ours_on(x: Any) -> dict[str, float]:
    """The median seconds of our functions."""
    g, out, s = x[::-1].copy(), lsmx.log_softmax(x), lsmx.softmax(x)
    return interleaved(
        {
            "log_softmax": lambda: lsmx.log_softmax(x),
            "log_softmax_backward": lambda: lsmx.log_softmax_backward(g, out),
            "softmax": lambda: lsmx.softmax(x),
            "softmax_backward": lambda: lsmx.softmax_backward(g, s),
            "logsumexp": lambda: lsmx.logsumexp(x),
        }
    )


def main() -> None:
    """Print the tables."""
    rng = np.random.default_rng(0)
    z, g = (5 * rng.standard_normal((ROWS, COLUMNS))).astype(np.float32), rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    order = rng.permutation(COLUMNS)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, torch {torch.__version__},")
    print(f"{platform.machine()}, torch threads {torch.get_num_threads()}; {ROWS} x {COLUMNS} float32\n")
    print("| share of elements whose bits differ | forward | gradient |\n|---|---|---|")
    out = scipy_forward(z)
    print(f"| SciPy (gradient: plain NumPy), torch | {differ(out, torch_forward(z))}", end=" ")
    print(f"| {differ(plain_gradient(g, out), torch_gradient(g, out))} |")
    print(f"| torch, torch with the columns permuted | {differ(torch_forward(z)[:, order], torch_forward(z[:, order]))} | |")
    print(f"| SciPy, SciPy in Fortran order | {differ(out, scipy_forward(np.asfortranarray(z)))} | |")
    ours = lsmx.log_softmax(z)
    gradient = lsmx.log_softmax_backward(g, ours)
    on_torch = lsmx.log_softmax_backward(torch.from_numpy(g), torch.from_numpy(ours)).numpy()
    print(f"| lsmx on NumPy, lsmx on torch | {differ(ours, lsmx_torch(z))} | {differ(gradient, on_torch)} |")
    permuted = lsmx.log_softmax_backward(g[:, order], ours[:, order])
    print(f"| lsmx, with the columns permuted | {differ(ours[:, order], lsmx.log_softmax(z[:, order]))}", end=" ")
    print(f"| {differ(gradient[:, order], permuted)} |")
    print(f"| lsmx, in Fortran order | {differ(ours, lsmx.log_softmax(np.asfortranarray(z)))}", end=" ")
    print(f"| {differ(gradient, lsmx.log_softmax_backward(np.asfortranarray(g), ours))} |\n")
    print("| forward, median time as a multiple of torch's | 256 x 32000 | 100000 x 10 |\n|---|---|---|")
    short = rng.standard_normal((100_000, 10)).astype(np.float32)
    columns = []
    for x in (z, short):
        seconds = interleaved(
            {
                "torch": lambda x=x: torch_forward(x),
                "SciPy": lambda x=x: scipy_forward(x),
                "lsmx on NumPy": lambda x=x: lsmx.log_softmax(x),
                "lsmx on torch": lambda x=x: lsmx_torch(x),
            }
        )
        columns.append({name: f"{value / seconds['torch']:.1f}" for name, value in seconds.items()})
    for name in columns[0]:
        print(f"| {name} | {columns[0][name]} | {columns[1][name]} |")
    print("\n| lsmx on NumPy, median | (1, 3), us a call | 2000 x 1000 float32, ns an element |\n|---|---|---|")
    small, large = ours_on(rng.standard_normal((1, 3))), ours_on(rng.standard_normal((2000, 1000)).astype(np.float32))
    for name in small:
        print(f"| {name} | {small[name] * 1e6:.0f} | {large[name] / 2e6 * 1e9:.0f} |")


if __name__ == "__main__":
    main()
