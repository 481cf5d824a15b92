"""A rule works unchanged wherever it is called: in a hand-written engine, through ``register``, in PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import Target, differing

LogSoftmax = lsmx.registered()["log_softmax"].function


# --- a hand-written engine: a tape of (function, context, input nodes), replayed backwards -----------------------------------


class Ctx:
    """All that a rule may ask for: these two names and nothing else."""

    __slots__ = ("saved_tensors",)

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors


class Node:
    """An array that remembers how it was made."""

    def __init__(self, value: Any, made: tuple[Any, Ctx, tuple[Node, ...]] | None = None) -> None:
        self.value, self.made, self.grad = value, made, 0.0

    def backward(self, grad: Any) -> None:
        """Walk the tape from here; each node is used once in these models."""
        self.grad = self.grad + grad
        if self.made is not None:
            function, ctx, inputs = self.made
            grads = function.backward(ctx, grad)
            for node, g in zip(inputs, grads if isinstance(grads, tuple) else (grads,), strict=True):
                node.backward(g)


def call(function: Any, *inputs: Node) -> Node:
    ctx = Ctx()
    return Node(function.forward(ctx, *(n.value for n in inputs)), (function, ctx, inputs))


class Affine:
    """``x W + b`` for a fixed ``x``."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def forward(self, ctx: Ctx, w: Any, b: Any) -> Any:
        return self.x @ w + b

    def backward(self, ctx: Ctx, g: Any) -> tuple[Any, Any]:
        return self.x.T @ g, g.sum(0)


# -----------------------------------------------------------------------------------------------------------------------------


def test_a_hand_written_engine_trains() -> None:
    """Three classes of points in the plane, told apart by softmax regression."""
    rng = np.random.default_rng(7)
    labels = np.arange(150) % 3
    x = rng.standard_normal((150, 2)) + 4 * np.stack([np.cos(2.1 * labels), np.sin(2.1 * labels)], axis=1)
    target = np.eye(3)[labels]
    w, b = Node(np.zeros((2, 3))), Node(np.zeros(3))
    losses = []
    for _ in range(60):
        out = call(LogSoftmax, call(Affine(x), w, b))
        losses.append(-(target * out.value).sum() / 150)
        out.backward(-target / 150)
        for node in (w, b):
            node.value, node.grad = node.value - 0.5 * node.grad, 0.0
    assert abs(losses[0] - np.log(3)) < 1e-12  # NumPy's sum of 150 equal logarithms
    assert losses[-1] < 0.15
    assert ((x @ w.value + b.value).argmax(1) == labels).mean() > 0.95


def test_the_engine_gets_the_bits_of_the_public_functions() -> None:
    rng = np.random.default_rng(8)
    z, g = rng.standard_normal((2, 5, 6))
    for name in ("log_softmax", "softmax", "logsumexp"):
        node = Node(z)
        out = call(lsmx.registered()[name].function, node)
        cotangent = g[:, 0] if name == "logsumexp" else g
        out.backward(cotangent)
        residual = (z, out.value) if name == "logsumexp" else (out.value,)
        assert differing(out.value, getattr(lsmx, name)(z)) is None
        assert differing(node.grad, getattr(lsmx, f"{name}_backward")(cotangent, *residual)) is None


def test_options_are_kept_on_contexts_that_can_hold_them() -> None:
    class Open:
        def save_for_backward(self, *tensors: Any) -> None:
            self.saved_tensors = tensors

    z, g = np.random.default_rng(9).standard_normal((2, 4, 5))
    mask = z < 1
    ctx = Open()
    out = LogSoftmax.forward(ctx, z, axis=0, where=mask)
    want = lsmx.log_softmax_backward(g, lsmx.log_softmax(z, axis=0, where=mask), axis=0, where=mask)
    assert differing(LogSoftmax.backward(ctx, g), want) is None
    assert np.isneginf(out[~mask]).all()
    with pytest.raises(AttributeError, match="axis"):
        LogSoftmax.forward(Ctx(), z, axis=0)  # rather than a gradient along the wrong axis


class Cube(extend.Function):
    """``z^3``."""

    residual = ("z",)

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        ctx.save_for_backward(z)
        return z**3

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        (z,) = ctx.saved_tensors
        return grad_output * 3 * z**2


@pytest.fixture
def cube() -> Iterator[Callable[..., Any]]:
    yield extend.register("cube", Cube)
    extend.unregister("cube")


def test_a_registered_function_is_callable_everywhere(backend: Target, dtype: str, cube: extend.Operator) -> None:
    z = backend.from_numpy(np.asarray([1.0, -2.0], dtype=np.float32), dtype)
    assert backend.to_numpy(cube(z)).tolist() == [1.0, -8.0]
    g = backend.from_numpy(np.asarray([1.0, 0.5], dtype=np.float32), dtype)
    got = cube.derivative("backward", {"grad_output": g}, {"z": z}, -1)
    assert backend.to_numpy(got).tolist() == [3.0, 6.0]


@pytest.mark.usefixtures("cube")
def test_a_registered_function_is_seen_by_torch() -> None:
    import torch

    t = torch.tensor([1.0, -2.0], requires_grad=True)
    lsmx.registered()["cube"](t).backward(torch.tensor([1.0, 0.5]))
    assert t.grad is not None
    assert t.grad.tolist() == [3.0, 6.0]


@pytest.mark.usefixtures("cube")
def test_register_refuses() -> None:
    class Half(extend.Function):
        @staticmethod
        def forward(ctx: Any, z: Any, /) -> Any:
            return z

    with pytest.raises(ValueError, match="taken by Cube"):
        extend.register("cube", Cube)
    with pytest.raises(ValueError, match="no backward of its own"):
        extend.register("half", Half)
    with pytest.raises(ValueError, match="not an identifier"):
        extend.register("no name", Cube)
    with pytest.raises(ValueError, match="no forward"):
        extend.register("cube2", Cube())  # type: ignore[arg-type]
    assert "half" not in lsmx.registered()
