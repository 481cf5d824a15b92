"""A rule works unchanged wherever it is called: in a hand-written engine, through ``register``, in PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lsmx
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
    for name, operator in lsmx.registered().items():
        node = Node(z)
        out = call(operator.function, node)
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


class Cube(lsmx.Function):
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
    yield lsmx.register("cube", Cube)
    lsmx.unregister("cube")


def test_a_registered_function_is_callable_everywhere(backend: Target, dtype: str, cube: lsmx.Operator) -> None:
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
    class Half(lsmx.Function):
        @staticmethod
        def forward(ctx: Any, z: Any, /) -> Any:
            return z

    with pytest.raises(ValueError, match="taken by Cube"):
        lsmx.register("cube", Cube)
    with pytest.raises(ValueError, match="no backward of its own"):
        lsmx.register("half", Half)
    with pytest.raises(ValueError, match="not an identifier"):
        lsmx.register("no name", Cube)
    with pytest.raises(ValueError, match="no forward"):
        lsmx.register("cube2", Cube())  # type: ignore[arg-type]
    assert "half" not in lsmx.registered()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("function", ["log_softmax", "softmax", "logsumexp"])
def test_torch_autograd_gives_the_bits_of_backward(function: str, dtype: str) -> None:
    import torch

    rng = np.random.default_rng(10)
    t = torch.from_numpy(rng.standard_normal((4, 5, 6))).to(getattr(torch, dtype)).requires_grad_()
    mask = torch.from_numpy(rng.random((4, 5, 6)) < 0.7)
    for options in ({}, {"axis": 0}, {"axis": (0, 2)}, {"axis": None}, {"where": mask}):
        out = getattr(lsmx, function)(t, **options)
        g = torch.from_numpy(rng.standard_normal(tuple(out.shape))).to(t.dtype)
        (got,) = torch.autograd.grad(out, t, g)
        residual = (t.detach(), out.detach()) if function == "logsumexp" else (out.detach(),)
        want = getattr(lsmx, f"{function}_backward")(g, *residual, **options)
        assert differing(got.double().numpy(), want.double().numpy()) is None
        assert not want.requires_grad


def test_torch_gradcheck() -> None:
    import torch

    t = torch.from_numpy(np.random.default_rng(12).standard_normal((3, 4))).requires_grad_()
    for function in (lsmx.log_softmax, lsmx.softmax, lsmx.logsumexp):
        assert torch.autograd.gradcheck(function, (t,))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # PyTorch's own, on first use of forward mode
def test_torch_is_told_what_is_not_differentiable_yet() -> None:
    import torch

    t = torch.randn(3, dtype=torch.float64, requires_grad=True)
    with pytest.raises(NotImplementedError, match="no second derivative yet"):
        torch.autograd.grad(lsmx.log_softmax(t)[0], t, create_graph=True)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(t.detach(), torch.ones_like(t))
        with pytest.raises(RuntimeError, match="forward mode AD"):
            lsmx.log_softmax(dual)
    with pytest.raises(RuntimeError, match=r"vmap|functorch"):
        torch.func.vmap(lsmx.log_softmax)(torch.randn(2, 3))


def test_torch_saves_the_output_and_nothing_else() -> None:
    import torch

    kept: list[torch.Tensor] = []
    t = torch.randn(64, 100, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        out = lsmx.log_softmax(t)
        assert [x.data_ptr() for x in kept] == [out.data_ptr()]
        kept.clear()
        lsmx.softmax(t)
        assert sum(x.nbytes for x in kept) == t.nbytes


def test_torch_frees_what_was_saved_at_once() -> None:
    """By counting references: a cycle would keep large arrays until the collector comes by."""
    import gc

    import torch

    def nodes() -> int:
        return sum(type(o).__name__ == "BridgeBackward" for o in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = nodes()
        t = torch.randn(6, 7, requires_grad=True)
        out = lsmx.log_softmax(t, axis=0)
        for _ in range(2):
            torch.autograd.grad(out, t, torch.randn(6, 7), retain_graph=True)
        assert nodes() == before + 1
        del out
        assert nodes() == before
    finally:
        gc.enable()


def test_torch_modes_and_subclasses() -> None:
    import torch

    z = torch.randn(4, 5)
    want = lsmx.log_softmax(z.numpy())
    with torch.inference_mode():
        assert differing(lsmx.log_softmax(z).numpy(), want) is None
    with torch.no_grad():
        out = lsmx.log_softmax(z.clone().requires_grad_())
        assert not out.requires_grad
    weight = torch.nn.Parameter(z.clone())
    out = lsmx.log_softmax(weight)
    assert type(out) is torch.Tensor
    assert differing(out.detach().numpy(), want) is None
    out.backward(torch.ones(4, 5))
    assert weight.grad is not None


def test_torch_derivatives_do_not_pretend_to_be_differentiable() -> None:
    import torch

    g = torch.randn(3, requires_grad=True)
    out = lsmx.log_softmax(torch.randn(3))
    for name, call in {
        "grad_output": lambda: lsmx.log_softmax_backward(g, out),
        "tangent": lambda: lsmx.softmax_jvp(g, out),
        "output": lambda: lsmx.log_softmax_jacobian(lsmx.log_softmax(g)),
    }.items():
        with pytest.raises(NotImplementedError, match=rf"^{name}: requires grad.*detach"):
            call()
    with torch.no_grad():
        assert differing(lsmx.log_softmax_backward(g, out).numpy(), lsmx.log_softmax_backward(g.detach(), out).numpy()) is None


def test_torch_notices_a_mask_changed_in_place() -> None:
    import torch

    t, mask = torch.randn(2, 3, requires_grad=True), torch.ones(2, 3, dtype=torch.bool)
    out = lsmx.log_softmax(t, where=mask)
    mask.fill_(False)
    with pytest.raises(RuntimeError, match="inplace operation"):
        out.backward(torch.ones(2, 3))


def test_sparse_tensors_say_what_to_do() -> None:
    import torch

    with pytest.raises(lsmx.ArrayTypeError, match=r"sparse_coo.*pass z\.to_dense"):
        lsmx.log_softmax(torch.eye(3).to_sparse())
