"""Plain tensors of several processes, each with a part of every row, or with some of the rows: the bits are those of one process.

Run by ``test_torch_distributed.py`` under torchrun. Prints how many comparisons were equal, and what was refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from lsmx_torch import collectives
from lsmx_torch.parallel import data_parallel, vocabulary_parallel

import lsmx
from lsmx.testing import differing

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
generator = torch.Generator().manual_seed(0)
N = 53
cuts = [0, *sorted(torch.randint(0, N + 1, (world - 1,), generator=generator).tolist()), N]
HERE = slice(cuts[rank], cuts[rank + 1])
equal = 0


def same(got: torch.Tensor, want: torch.Tensor, what: str) -> None:
    """Count it, or stop."""
    global equal
    assert got.dtype == want.dtype, what
    difference = differing(*(x.detach().double().numpy() for x in (got, want)))
    assert difference is None, f"{what}: {difference}"
    equal += 1


def random(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """The same numbers in all processes."""
    return (4 * torch.randn(shape, generator=generator)).to(dtype)


def check(function: Callable[..., Any], *arrays: torch.Tensor, second: bool = False, **options: Any) -> None:
    """Value and gradients, and those of the gradient along a direction."""
    whole = [x.clone().requires_grad_() if x.is_floating_point() else x for x in arrays]
    parts = [x.detach()[:, HERE].clone().requires_grad_() if x.is_floating_point() else x for x in whole]
    want = function(*whole, **options)
    own = {name: x[..., HERE] if isinstance(x, torch.Tensor) and x.shape[-1:] == (N,) else x for name, x in options.items()}
    got = vocabulary_parallel(function, *parts, **own)
    what = f"{function.__name__} {arrays[0].dtype} {list(options)}"
    along = want.shape[-1:] == (N,)
    same(got, want[:, HERE] if along else want, what)
    g = random(*want.shape, dtype=want.dtype)
    moving = [i for i, x in enumerate(whole) if x.requires_grad]
    wants = torch.autograd.grad(want, [whole[i] for i in moving], g, create_graph=second)
    gots = torch.autograd.grad(got, [parts[i] for i in moving], g[:, HERE] if along else g, create_graph=second)
    for a, b in zip(gots, wants, strict=True):
        same(a, b[:, HERE], f"gradient of {what}")
    if second:
        v = random(*whole[0].shape, dtype=whole[0].dtype)
        (b,), (a,) = torch.autograd.grad(wants[0], whole[0], v), torch.autograd.grad(gots[0], parts[0], v[:, HERE])
        same(a, b[:, HERE], f"second derivative of {what}")


for dtype in (torch.float32, torch.float64, torch.bfloat16):
    z, w = random(7, N, dtype=dtype), random(7, N, dtype=dtype)
    z[1, 3], z[3], z[4, 5:] = torch.nan, -torch.inf, -torch.inf
    index = torch.randint(0, N, (7,), generator=generator)
    target = torch.where(torch.arange(7) == 2, -100, index)
    several = torch.randint(0, N, (7, 3), generator=generator)
    mask = torch.rand(7, N, generator=generator) < 0.7
    check(lsmx.log_softmax, z, where=mask, second=True)
    check(lsmx.softmax, z)
    check(lsmx.logsumexp, z)
    check(lsmx.entropy, z, second=True)
    check(lsmx.log_prob, z, index, temperature=0.7)
    check(lsmx.log_prob, z, several, second=True)
    check(lsmx.cross_entropy, z, target)
    options = {"label_smoothing": 0.1, "z_loss": 1e-3, "reduction": "none"}
    # its rules add arrays, and the sign of a NaN that PyTorch adds up in bfloat16 depends on the element's place
    check(lsmx.cross_entropy, z, target, second=dtype is not torch.bfloat16, **options)
    check(lsmx.kl_divergence, z, w)
weight = torch.rand(N, generator=generator)
check(lsmx.cross_entropy, random(7, N), target, weight=weight)

# as many processes do, that do not gather what each has
collectives.GATHERED = 1
for dtype in (torch.float32, torch.float64):
    z = random(7, N, dtype=dtype)
    z[1, 3], z[2, [0, 52]], z[3], z[4, 5:], z[5] = torch.nan, 40.0, -torch.inf, -torch.inf, -0.0
    check(lsmx.log_softmax, z)
collectives.GATHERED = 64

# the last layer's weights divided along the classes: the products are PyTorch's, and so need not have equal bits
hidden, last = random(7, 8).requires_grad_(), (random(N, 8) / 8).requires_grad_()
mine = last.detach()[HERE].clone().requires_grad_()
loss = lsmx.linear_cross_entropy(hidden, last, target, chunk=3)
dh, dw = torch.autograd.grad(loss, (hidden, last))
part = vocabulary_parallel(lsmx.linear_cross_entropy, hidden, mine, target, chunk=3)
for a, b in zip((part, *torch.autograd.grad(part, (hidden, mine))), (loss, dh, dw[HERE]), strict=True):
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-5), (a, b)  # sums of 8 and of 53 products in float32, in another order

# some of the rows in each process: one exact mean of all
logits = random(20, N).requires_grad_()
target = torch.randint(0, N, (20,), generator=generator)
target[5] = -100
bounds = [0, *sorted(torch.randint(0, 21, (world - 1,), generator=generator).tolist()), 20]
ROWS = slice(bounds[rank], bounds[rank + 1])
for options in ({}, {"weight": weight}, {"reduction": "sum"}, {"normalizer": 7.0}):
    want = lsmx.cross_entropy(logits, target, **options)
    mine = logits.detach()[ROWS].clone().requires_grad_()
    with data_parallel():
        got = lsmx.cross_entropy(mine, target[ROWS], **options)
    same(got, want, f"mean over processes {list(options)}")
    same(torch.autograd.grad(got, mine)[0], torch.autograd.grad(want, logits)[0][ROWS], "gradient of a mean over processes")
probabilities = torch.rand(20, N, generator=generator)
want = lsmx.cross_entropy(logits.detach(), probabilities)
with data_parallel():
    same(lsmx.cross_entropy(logits.detach()[ROWS], probabilities[ROWS]), want, "mean over rows, of probabilities")

# compiled around the call
twice = torch.compile(lambda z: vocabulary_parallel(lsmx.cross_entropy, 2 * z, target) * 2, backend="aot_eager")
mine = logits.detach()[:, HERE].clone().requires_grad_()
got, want = twice(mine), lsmx.cross_entropy(2 * logits, target) * 2
same(got, want, "compiled")
same(torch.autograd.grad(got, mine)[0], torch.autograd.grad(want, logits)[0][:, HERE], "gradient of what is compiled")

# processes that do not agree: an error in each of them, and none waits for another
other = rank == world - 1
z, index = random(3, 4), torch.tensor([0, 1, 2])
bad: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("entropy", (z[: 3 - other],), {}),
    ("entropy", (z.double() if other else z,), {}),
    ("softmax" if other else "entropy", (z,), {}),
    ("cross_entropy", (z, index), {"label_smoothing": 0.1 * other}),
    ("cross_entropy", (z, index[: 3 - other]), {}),
    ("cross_entropy", (z, index + 99 * other), {}),
    ("cross_entropy", (z, index), {"softcap": -1.0} if other else {}),
    ("tan" if other else "entropy", (z,), {}),
    ("entropy", (z.numpy() if other else z,), {}),
]
for name, arrays, options in bad:
    try:
        vocabulary_parallel(name, *arrays, **options)
    except lsmx.LsmxError as error:
        if not rank:
            sys.stdout.write(f"{type(error).__name__}: {error}\n")
    else:
        raise AssertionError(f"{name}: no error")
if not rank:
    sys.stdout.write(f"{equal} equal\n")
dist.destroy_process_group()
