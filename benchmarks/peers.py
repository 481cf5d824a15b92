"""How far other libraries are from each other and from themselves.

    pip install -e ".[test]" && python benchmarks/peers.py

Differences are shares of elements whose bits differ, on 256 x 32000 float32 logits and random cotangents. For speed see
``lsmx bench``.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import scipy
import scipy.special
import torch

import lsmx

ROWS, COLUMNS = 256, 32000


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


if __name__ == "__main__":
    main()
