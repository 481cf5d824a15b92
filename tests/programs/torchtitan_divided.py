"""A vocabulary divided as torchtitan divides it: as DTensors, and as plain tensors on a mesh. The bits are those of one process.

Run by ``test_adapters_torchtitan.py`` under torchrun. Prints how many comparisons were equal.
"""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torchtitan.components import loss as titan
from torchtitan.distributed.spmd_types import set_current_spmd_mesh
from torchtitan.distributed.utils import set_spmd_backend

import lsmx
from lsmx.adapters import torchtitan
from lsmx.testing import differing

dist.init_process_group("gloo")
world, rank = dist.get_world_size(), dist.get_rank()
mesh = init_device_mesh("cpu", (world,), mesh_dim_names=("tp",))
generator = torch.Generator().manual_seed(0)
N = 53
z = 3 * torch.randn(2, 5, N, generator=generator)
labels = torch.randint(0, N, (2, 5), generator=generator)
labels[0, 2:4] = -100
g = torch.randn((), generator=generator)
equal = 0


def same(got: torch.Tensor, want: torch.Tensor) -> None:
    """Count it, or stop."""
    global equal
    difference = differing(got.detach().numpy(), want.detach().numpy())
    assert difference is None, difference
    equal += 1


for dtype in (torch.float32, torch.bfloat16):
    whole = z.to(dtype, copy=True).requires_grad_()
    want = lsmx.cross_entropy(whole, labels, reduction="sum")
    dz = torch.autograd.grad(want, whole, g)[0]

    set_spmd_backend("partial_dtensor")
    for placement in (Shard(2), Replicate()):
        pred = distribute_tensor(z.to(dtype, copy=True), mesh, [placement]).requires_grad_()
        got = torchtitan.cross_entropy_loss(pred, labels)
        assert not isinstance(got, DTensor)
        same(got, want)
        same(torch.autograd.grad(got, pred, g)[0].full_tensor().float(), dz.float())
    if dtype == torch.float32:  # and what torchtitan gives is near
        pred = distribute_tensor(z.clone(), mesh, [Shard(2)]).requires_grad_()
        theirs = titan.cross_entropy_loss(pred, labels)
        assert torch.allclose(theirs, want, rtol=1e-6)
        assert torch.allclose(torch.autograd.grad(theirs, pred, g)[0].full_tensor(), dz, atol=1e-6)

    pred = distribute_tensor(z.to(dtype, copy=True), mesh, [Shard(2)]).requires_grad_()
    both = torchtitan.cross_entropy_loss(pred, distribute_tensor(labels, mesh, [Replicate()]))
    assert isinstance(both, DTensor)
    same(both.full_tensor(), want)

    set_spmd_backend("spmd_types")
    with set_current_spmd_mesh(mesh):
        chunk = -(-N // world)
        part = z[..., chunk * rank : chunk * (rank + 1)].to(dtype, copy=True).requires_grad_()
        loss = torchtitan.CrossEntropyLoss.Config(global_vocab_size=N).build()
        got = loss.fn(part, labels, global_vocab_size=N)
        same(got, want)
        same(torch.autograd.grad(got, part, g)[0].float(), dz[..., chunk * rank : chunk * (rank + 1)].float())

if rank == 0:
    sys.stdout.write(f"{equal} equal\n")
dist.destroy_process_group()
