"""PyTorch's default devices and dtypes, and tensors without a grid of entries: nested, sparse, of MKL-DNN."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import differing

Calls = dict[str, Callable[[], torch.Tensor]]
FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
RNG = np.random.default_rng(41)
Z, G, V = (torch.from_numpy(x) for x in RNG.standard_normal((3, 6, 9)).astype(np.float32))
MASK = torch.from_numpy(RNG.random((6, 9)) < 0.7)
LARGE = torch.from_numpy(RNG.standard_normal((1100, 1000)).astype(np.float32))  # more than one block, more than one thread
SPARSE = {
    "coo": lambda x: x.to_sparse(),
    "csr": lambda x: x.to_sparse_csr(),
    "bsr": lambda x: x.to_sparse_bsr((3, 3)),
    "mkldnn": lambda x: x.to_mkldnn(),
}


def same(got: torch.Tensor, want: torch.Tensor) -> None:
    """Equal bits, dtypes and devices."""
    assert (got.dtype, got.device) == (want.dtype, want.device)
    assert differing(got.detach().double().numpy(), want.detach().double().numpy()) is None


# --- default devices and dtypes ------------------------------------------------------------------------------------------------


def gradients(f: Callable[..., torch.Tensor], z: torch.Tensor, **options: Any) -> torch.Tensor:
    """The gradient, and the two gradients of that, end to end."""
    t = z.clone().requires_grad_()
    out = f(t, **options)
    g = (V.flatten()[: out.numel()].reshape(out.shape).to(out.dtype)).requires_grad_()
    (dz,) = torch.autograd.grad(out, t, g, create_graph=True)
    return torch.cat([x.flatten() for x in (dz, *torch.autograd.grad(dz, (t, g), G.to(z.dtype)))]).detach()


def calls(function: str, dtype: torch.dtype) -> Calls:
    """A function and its derivatives, on tensors that are made beforehand."""
    f: Callable[..., torch.Tensor] = getattr(lsmx, function)
    z, g = Z.to(dtype), G.to(dtype)
    out = f(z)
    kept = (z, out) if function == "logsumexp" else (out,)
    ct = g[:, 0].contiguous() if function == "logsumexp" else g
    found: Calls = {}
    for options in ({}, {"axis": 0}, {"axis": None}, {"where": MASK}, {"where": MASK[0], "axis": 0}, {"dtype": "float64"}):
        found[f"value {options}"] = lambda options=options: f(z, **options)
        found[f"gradients {options}"] = lambda options=options: gradients(f, z, **options)
    found["backward"] = lambda: getattr(lsmx, f"{function}_backward")(ct, *kept, where=MASK)
    found["jvp"] = lambda: getattr(lsmx, f"{function}_jvp")(g, *kept)
    if function != "logsumexp":
        found["jacobian"] = lambda: getattr(lsmx, f"{function}_jacobian")(*kept)
    found["out"] = lambda: f(z, out=torch.empty_like(out))
    found["vmap"] = lambda: torch.func.vmap(f)(z)
    found["forward mode"] = lambda: torch.func.jvp(f, (z,), (g,))[1]
    found["no rows"] = lambda: f(z[:0])
    found["definition"] = lambda: within("reference", f, z)
    if dtype is torch.float32:
        found["large"] = lambda: f(LARGE)
        found["large, strided"] = lambda: f(LARGE, axis=0)
    return found


def within(mode: str, f: Callable[..., torch.Tensor], z: torch.Tensor) -> torch.Tensor:
    with lsmx.using(mode):
        return f(z)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


DEFAULTS: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "with meta": lambda: torch.device("meta"),
    "default meta": lambda: default_device("meta"),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
}


@pytest.mark.parametrize("defaults", DEFAULTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_result_is_that_of_the_tensors_under_any_defaults(function: str, dtype: str, defaults: str) -> None:
    """On their device, with their bits: nothing is made on the default device, or in the default dtype."""
    todo = calls(function, getattr(torch, dtype))
    want = {name: call() for name, call in todo.items()}
    with DEFAULTS[defaults]():
        got = {name: call() for name, call in todo.items()}
    for name in todo:
        same(got[name], want[name])


# --- tensors without a grid of entries -----------------------------------------------------------------------------------------


def arguments(x: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, Callable[[], object]]:
    """Calls that are given ``x``, or a mask of its kind, by the name of the argument."""
    z = torch.zeros(3, 3)
    found: dict[str, Callable[[], object]] = {
        "z": lambda: lsmx.log_softmax(x),
        "z ": lambda: lsmx.logsumexp(x, axis=0, where=z > 0),
        "z  ": lambda: lsmx.softmax(x.detach().requires_grad_()),
        "grad_output": lambda: lsmx.log_softmax_backward(x, z),
        "output": lambda: lsmx.log_softmax_backward(z, x),
        "tangent": lambda: lsmx.softmax_jvp(x, z),
        "output ": lambda: lsmx.softmax_jacobian(x),
    }
    if mask is not None:
        found["where"] = lambda: lsmx.softmax(z, where=mask)
        found["where "] = lambda: lsmx.softmax(z.clone().requires_grad_(), where=mask)
    return found


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_nested_tensors_say_what_to_do(layout: torch.layout) -> None:
    parts = [torch.randn(2, 5), torch.randn(3, 5)]
    nested = torch.nested.nested_tensor(parts, layout=layout)
    masks = torch.nested.nested_tensor([x > 0 for x in parts], layout=layout)
    todo = arguments(nested, masks) | {"out": lambda: lsmx.softmax(torch.zeros(3, 3), out=nested)}
    todo["z   "] = lambda: lsmx.softmax(nested, dtype="float64")
    for name, call in todo.items():
        with pytest.raises(lsmx.ArrayTypeError, match=rf"^{name.strip()}: a nested tensor.*{name.strip()}\.unbind\(\).*as_nested"):
            call()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_what_is_said_of_nested_tensors_works(layout: torch.layout) -> None:
    """Component by component, with a gradient for each."""
    parts = [torch.randn(2, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)]
    nested = torch.nested.as_nested_tensor(parts, layout=layout)
    out = torch.nested.as_nested_tensor([lsmx.log_softmax(x) for x in nested.unbind()], layout=layout)
    cotangents = [torch.randn(2, 5), torch.randn(3, 5)]
    grads = torch.autograd.grad(list(out.unbind()), parts, cotangents)
    for x, got, g, dx in zip(parts, out.unbind(), cotangents, grads, strict=True):
        same(got, lsmx.log_softmax(x))
        same(dx, lsmx.log_softmax_backward(g, got.detach()))


@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta state")
@pytest.mark.parametrize("kind", SPARSE)
def test_other_layouts_say_what_to_do(kind: str) -> None:
    x = SPARSE[kind](torch.eye(3))
    mask = None if kind == "mkldnn" else SPARSE[kind](torch.eye(3) > 0)
    for name, call in arguments(x, mask).items():
        if kind in ("bsr", "csr") and name == "z  ":
            continue  # requires_grad_ of a detached one is not there
        with pytest.raises(lsmx.ArrayTypeError, match=rf"^{name.strip()}: a tensor of layout .*pass {name.strip()}\.to_dense\(\)"):
            call()
    with pytest.raises(lsmx.OutputError, match=r"^out: cannot be written to"):
        lsmx.softmax(torch.eye(3), out=x)


def test_a_sparse_cotangent_says_what_to_do() -> None:
    z = torch.randn(3, 3, requires_grad=True)
    with pytest.raises(lsmx.ArrayTypeError, match=r"^grad_output: a tensor of layout torch.sparse_coo.*grad_output\.to_dense"):
        lsmx.softmax(z).backward(torch.eye(3).to_sparse())
