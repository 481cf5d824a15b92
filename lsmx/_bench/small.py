"""Calls on 8 x 10 numbers, where only the way of the call counts; and log-softmax inside ``jax.jit``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import lsmx
from lsmx._bench.works import MINUS_INFINITY, Call, Row, Target, Work, drawn, fewer, jax_or_none, optional

SHAPE = (8, 10)
PLAIN = "torch, without the mask"
WAYS = {"NumPy": "small calls on NumPy", "torch tensor": "small calls on a torch tensor that nothing follows"}
VARIANTS = ("forward", "axis=0", "out=", "where=", "backward", "JVP")


def small_rows(share: int) -> list[Row]:
    """All of them."""
    size, rows = SHAPE[0] * SHAPE[1], []
    for variant in VARIANTS:
        for way, group in (
            ("NumPy", "small calls on NumPy"),
            ("torch tensor", "small calls on a torch tensor that nothing follows"),
        ):
            targets = [Target(group, "lsmx", "torch", 1 / 1.3)]
            targets += [Target(f"{group}, where= against no mask", "lsmx", PLAIN, None)] if variant == "where=" else []
            rows.append(Row(f"8 x 10 {way} {variant}", size, partial(contestants, variant, way), tuple(targets)))
    for name in ("forward", "forward and backward"):
        target = Target(f"followed by autograd, {name}", "lsmx", "torch", 1 / 2)
        rows.append(Row(f"8 x 10 followed by autograd, {name}", size, partial(followed, name), (target,)))
    for shape in (SHAPE, (fewer(4096, share), 1000)):
        for name in ("forward", "forward and VJP"):
            work, target = Work(shape, "float32", name), Target("inside jax.jit", "lsmx, jit", "JAX, jit", 1 / 1.1)
            rows.append(Row(f"inside jax.jit {work.name}", work.size, partial(jitted, shape, name), (target,)))
    return rows


def contestants(variant: str, way: str) -> dict[str, Call]:
    """A variant of the call on NumPy's arrays, or on tensors, beside PyTorch's own on tensors.

    PyTorch has no call for the JVP; its gradient takes as many arrays.
    """
    z, g = drawn(SHAPE, "float32")
    where = g > 0
    torch = optional("torch")
    arrays = [z, g, lsmx.log_softmax(z), where, np.zeros_like(z)]
    if way != "NumPy":
        arrays = [] if torch is None else [torch.from_numpy(x) for x in arrays]
    calls: dict[str, Call] = {"lsmx": ours(*arrays)[variant]} if arrays else {}
    if torch is not None:
        calls["torch"] = theirs(torch, *(torch.from_numpy(x) for x in (z, g, lsmx.log_softmax(z), ~where, np.zeros_like(z))))[
            variant
        ]
        if variant == "where=":
            t = torch.from_numpy(z)
            calls[PLAIN] = lambda: torch.log_softmax(t, -1)
    return calls


def ours(z: Any, g: Any, y: Any, where: Any, out: Any) -> dict[str, Call]:
    """The variants by lsmx."""
    return {
        "forward": lambda: lsmx.log_softmax(z),
        "axis=0": lambda: lsmx.log_softmax(z, axis=0),
        "out=": lambda: lsmx.log_softmax(z, out=out),
        "where=": lambda: lsmx.log_softmax(z, where=where),
        "backward": lambda: lsmx.log_softmax_backward(g, y),
        "JVP": lambda: lsmx.log_softmax_jvp(g, y),
    }


def theirs(torch: Any, z: Any, g: Any, y: Any, absent: Any, out: Any) -> dict[str, Call]:
    """The variants by PyTorch."""
    gradient, kind = torch._log_softmax_backward_data, torch.float32
    return {
        "forward": lambda: torch.log_softmax(z, -1),
        "axis=0": lambda: torch.log_softmax(z, 0),
        "out=": lambda: torch.log_softmax(z, -1, out=out),
        "where=": lambda: torch.log_softmax(z.masked_fill(absent, MINUS_INFINITY), -1),
        "backward": lambda: gradient(g, y, -1, kind),
        "JVP": lambda: gradient(g, y, -1, kind),
    }


def followed(name: str) -> dict[str, Call]:
    """On a tensor that autograd follows."""
    torch = optional("torch")
    if torch is None:
        return {}
    z, g = (torch.from_numpy(x) for x in drawn(SHAPE, "float32"))
    z.requires_grad_()
    if name == "forward":
        return {"lsmx": lambda: lsmx.log_softmax(z), "torch": lambda: torch.log_softmax(z, -1)}
    return {
        "lsmx": lambda: torch.autograd.grad(lsmx.log_softmax(z), z, g),
        "torch": lambda: torch.autograd.grad(torch.log_softmax(z, -1), z, g),
    }


def jitted(shape: tuple[int, int], name: str) -> dict[str, Call]:
    """Compiled by JAX."""
    jax = jax_or_none()
    if jax is None:
        return {}
    z, g = (jax.numpy.asarray(x) for x in drawn(shape, "float32"))

    def compiled(function: Callable[[Any], Any]) -> Call:
        if name == "forward":
            forward = jax.jit(function)
            return lambda: forward(z).block_until_ready()
        both = jax.jit(lambda z, g: jax.vjp(function, z)[1](g)[0])
        return lambda: both(z, g).block_until_ready()

    return {"lsmx, jit": compiled(lsmx.log_softmax), "JAX, jit": compiled(jax.nn.log_softmax)}
