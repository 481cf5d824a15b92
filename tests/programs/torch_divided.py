"""Every function and derivative on DTensors of four processes, replicated and divided: the bits are those of the whole.

Run by ``test_torch_distributed.py`` in four processes, with the number of the process and a file to meet at. Prints how many
comparisons were equal. Some shards are smaller than others, and some are empty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard, distribute_tensor

import lsmx
from lsmx import extend
from lsmx.testing import differing

rank, meeting = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=4)
LINE, GRID = init_device_mesh("cpu", (4,)), init_device_mesh("cpu", (2, 2))
generator = torch.Generator().manual_seed(0)
z, g0, w = torch.randn(3, 5, 6, 7, generator=generator)
mask, row = torch.rand(5, 6, 7, generator=generator) < 0.7, torch.rand(7, generator=generator) < 0.7
mask[..., 0] = row[0] = True
equal = refused = 0


def same(got: Any, want: torch.Tensor, what: str) -> None:
    """Count it, or stop."""
    global equal
    assert isinstance(got, DTensor), f"{what}: a {type(got).__name__}"
    whole = got.full_tensor()
    assert whole.dtype == want.dtype, what
    difference = differing(whole.detach().double().numpy(), want.detach().double().numpy())
    assert difference is None, f"{what}: {difference}"
    equal += 1


def raises(kind: type[Exception], pattern: str, call: Callable[..., object], *args: Any, **options: Any) -> None:
    """Count it, or stop."""
    global refused
    with pytest.raises(kind, match=pattern):
        call(*args, **options)
    refused += 1


def check(
    f: Callable[..., torch.Tensor],
    mesh: DeviceMesh,
    placed: Sequence[Placement],
    where: Any = None,
    whole: Any = None,
    **options: Any,
) -> None:
    """Value, gradient, and the two gradients of that; ``where`` is given to the DTensor and ``whole`` to the tensor."""
    what = f"{f.__name__} {placed} {options} {where is not None}"
    t, x = z.clone().requires_grad_(), distribute_tensor(z, mesh, placed).requires_grad_()
    out = f(t, **options, **({} if where is None else {"where": whole}))
    y: Any = f(x, **options, **({} if where is None else {"where": where}))
    same(y, out, what)
    g = g0.flatten()[: out.numel()].reshape(out.shape).clone().requires_grad_()
    h: Any = distribute_tensor(g.detach(), mesh, y.placements).requires_grad_()
    (dz,), (dx,) = torch.autograd.grad(out, t, g, create_graph=True), torch.autograd.grad(y, x, h, create_graph=True)
    same(dx, dz, f"gradient of {what}")
    assert tuple(dx.placements) == tuple(placed), f"gradient of {what}: {dx.placements}"
    second = torch.autograd.grad(dz, (t, g), w), torch.autograd.grad(dx, (x, h), distribute_tensor(w, mesh, dx.placements))
    for want, got in zip(*second, strict=True):
        same(got, want, f"gradient of the gradient of {what}")
    (other,) = torch.autograd.grad(
        f(x, **options, **({} if where is None else {"where": where})),
        x,
        distribute_tensor(g.detach(), mesh, [Replicate()] * mesh.ndim),
    )
    same(other, dz, f"gradient of {what} by a cotangent that is placed otherwise")


functions = (lsmx.log_softmax, lsmx.softmax, lsmx.logsumexp)
for f in functions:
    for placed in (Replicate(), Shard(0), Shard(1)):
        check(f, LINE, [placed])
    check(f, LINE, [Shard(1)], axis=0)
    check(f, LINE, [Shard(2)], axis=(-3, 1))
    check(f, LINE, [Replicate()], axis=None)
    for where in (mask, distribute_tensor(mask, LINE, [Replicate()]), distribute_tensor(mask, LINE, [Shard(2)])):
        check(f, LINE, [Shard(0)], where, mask)
    check(f, LINE, [Shard(1)], row, row)
    check(f, LINE, [Shard(0)], distribute_tensor(row, LINE, [Shard(0)]), row)
    for pair in ([Shard(0), Shard(1)], [Shard(0), Shard(0)], [Replicate(), Shard(1)]):
        check(f, GRID, pair)
    # rows that are divided themselves
    for divided, axis in ((Shard(2), -1), (Shard(0), 0), (Shard(1), None), (Shard(1), (0, 1))):
        check(f, LINE, [divided], axis=axis)
    check(f, LINE, [Shard(2)], distribute_tensor(mask, LINE, [Shard(0)]), mask)
    for pair in ([Shard(0), Shard(2)], [Shard(2), Shard(2)], [Shard(2), Replicate()]):
        check(f, GRID, pair)
check(lsmx.logsumexp, LINE, [Shard(1)], keepdims=True)
index = torch.randint(0, 7, (5, 6), generator=generator)
index[1, 2] = -100


def check_loss(loss: Callable[..., torch.Tensor], mesh: DeviceMesh, placed: Sequence[Placement], *others: torch.Tensor) -> None:
    """Value and gradient of a loss, whose other arrays are the same in all processes before they follow the logits."""
    what = f"{loss} {placed}"
    t, x = z.clone().requires_grad_(), distribute_tensor(z, mesh, placed).requires_grad_()
    given = [distribute_tensor(other, mesh, [Replicate()] * mesh.ndim) for other in others]
    out, y = loss(t, *others), loss(x, *given)
    same(y, out, what)
    g = torch.randn(out.shape, generator=generator)
    out.backward(g)
    y.backward(distribute_tensor(g, mesh, [Replicate()] * mesh.ndim))
    assert t.grad is not None
    same(x.grad, t.grad, f"gradient of {what}")


for mesh, placed in ((LINE, [Shard(2)]), (LINE, [Shard(0)]), (GRID, [Shard(1), Shard(2)]), (GRID, [Shard(2), Shard(0)])):
    for reduction in ("none", "mean", "sum"):
        check_loss(partial(lsmx.cross_entropy, reduction=reduction), mesh, placed, index)
    check_loss(partial(lsmx.cross_entropy, label_smoothing=0.1, z_loss=1e-3), mesh, placed, index)
    check_loss(partial(lsmx.cross_entropy, reduction="none"), mesh, placed, g0.abs())
    check_loss(lsmx.log_prob, mesh, placed, index.clamp(0))
    check_loss(lsmx.log_prob, mesh, placed, torch.randint(0, 7, (5, 6, 3), generator=generator))
    check_loss(lsmx.entropy, mesh, placed)
    check_loss(lsmx.kl_divergence, mesh, placed, g0)
check(lsmx.logsumexp, LINE, [Shard(2)], axis=0, keepdims=True)

# --- derivatives, dtypes, ``out``, sums that are pending, inside torch.compile ----------------------------------------------------

x = distribute_tensor(z, LINE, [Shard(0)])
g = distribute_tensor(g0, LINE, [Shard(1)])
same(lsmx.log_softmax_backward(g, lsmx.log_softmax(x)), lsmx.log_softmax_backward(g0, lsmx.log_softmax(z)), "backward")
same(lsmx.logsumexp_jvp(g, x, lsmx.logsumexp(x)), lsmx.logsumexp_jvp(g0, z, lsmx.logsumexp(z)), "jvp")
same(lsmx.softmax_jacobian(lsmx.softmax(x)), lsmx.softmax_jacobian(lsmx.softmax(z)), "jacobian")
raises(
    NotImplementedError, r"^output: rows in several.*redistribute", lsmx.softmax_jacobian, distribute_tensor(z, LINE, [Shard(2)])
)
same(lsmx.softmax(x, dtype="float64"), lsmx.softmax(z, dtype="float64"), "dtype")
same(lsmx.softmax(x.bfloat16()), lsmx.softmax(z.bfloat16()), "bfloat16")
out = torch.empty_like(x)
assert lsmx.softmax(x, out=out) is out
same(out, lsmx.softmax(z), "out")
quarter = DTensor.from_local(z / 4, LINE, [Partial()])
pending = lsmx.softmax(quarter)
assert tuple(pending.placements) == (Replicate(),)  # type: ignore[attr-defined]
same(pending, lsmx.softmax(quarter.full_tensor()), "a sum that is pending")

t, x = z.clone().requires_grad_(), distribute_tensor(z, LINE, [Shard(0)]).requires_grad_()
compiled = torch.compile(lambda x: lsmx.log_softmax(x * 2, where=mask), fullgraph=True, backend="aot_eager")
whole = lsmx.log_softmax(t * 2, where=mask)
same(compiled(x), whole, "compiled")
(dz,), (dx,) = torch.autograd.grad(whole, t, g0), torch.autograd.grad(compiled(x), x, distribute_tensor(g0, LINE, [Shard(0)]))
same(dx, dz, "gradient of what is compiled")
x = distribute_tensor(z, LINE, [Shard(2)]).requires_grad_()
compiled = torch.compile(lambda x: lsmx.log_softmax(x * 2, where=mask) * 2, backend="aot_eager")
same(compiled(x), whole * 2, "compiled, rows divided")
(dz,), (dx,) = (
    torch.autograd.grad(lsmx.log_softmax(t * 2, where=mask) * 2, t, g0),
    torch.autograd.grad(compiled(x), x, distribute_tensor(g0, LINE, [Shard(0)])),
)
same(dx, dz, "gradient of what is compiled, rows divided")

# --- tensors that are not distributed, and functions of ones own whose gradients are sums over processes -------------------------

raises(
    lsmx.ArrayTypeError, r"^grad_output: a plain tensor among DTensors", lambda: lsmx.softmax_backward(g0, lsmx.softmax(x.detach()))
)
divided_mask = distribute_tensor(mask, LINE, [Shard(0)])
raises(lsmx.ArrayTypeError, r"^z: a plain tensor among DTensors.*distribute_tensor\(z", lsmx.softmax, z, where=divided_mask)


class Scaled(extend.Function):
    """``c z``, with a number for each class."""

    takes = {"z": extend.ROWS, "c": extend.PER_CLASS}  # noqa: RUF012
    gradients = ("z", "c")
    residual = ("z", "c")

    @staticmethod
    def forward(ctx: Any, z: Any, c: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        ctx.save_for_backward(z, c)
        return z * c

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        z, c = ctx.saved_tensors
        return grad_output * c, (grad_output * z).sum((0, 1))


scaled = extend.register("scaled", Scaled)
c = torch.randn(7, generator=generator)
x = distribute_tensor(z, LINE, [Shard(0)])
d = distribute_tensor(c, LINE, [Replicate()])
same(scaled(x, d), scaled(z, c), "a number for each class")
same(scaled(x, distribute_tensor(c, LINE, [Shard(0)])), scaled(z, c), "a number for each class, divided")
raises(
    NotImplementedError, r"^c: its gradient is a sum over processes.*z\.redistribute", lambda: scaled(x, d.clone().requires_grad_())
)

if rank == 0:
    sys.stdout.write(f"{equal} equal {refused} refused\n")
dist.barrier()
dist.destroy_process_group()
