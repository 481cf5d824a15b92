"""``lsmx.adapters.torchtitan``: a sum of losses with lsmx's bits, alone and where the vocabulary is divided."""

from __future__ import annotations

import copy
import os
import pathlib
import pickle
import subprocess
import sys
from typing import Any

import pytest
import torch

import lsmx
from lsmx.adapters import torchtitan
from lsmx.testing import differing
from tests.adapting import array, needs, parameters, ulps

PROGRAM = pathlib.Path(__file__).with_name("programs") / "torchtitan_divided.py"
HOME = PROGRAM.parents[2]
installed = needs("torchtitan", "adapters")
pytestmark = pytest.mark.filterwarnings("ignore")  # torchtitan warns about itself and about what it imports
DTYPES = [torch.float16, torch.bfloat16, torch.float32]
DIGITS = {torch.float16: 11, torch.bfloat16: 8, torch.float32: 24}


def stock() -> Any:
    from torchtitan.components import loss

    return loss


def drawn(dtype: torch.dtype, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = (3 * torch.randn(shape, generator=generator)).to(dtype)
    labels = torch.randint(0, shape[-1], shape[:-1], generator=generator)
    return z.requires_grad_(), torch.where(torch.rand(labels.shape, generator=generator) < 0.2, -100, labels)


def gradient(loss: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, z, torch.tensor(-1.7, dtype=loss.dtype))[0]


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float64], ids=str)
def test_the_loss_is_the_sum_of_cross_entropies(dtype: torch.dtype) -> None:
    for shape in ((3, 7, 50), (21, 50)):
        z, labels = drawn(dtype, *shape)
        got, want = torchtitan.cross_entropy_loss(z, labels), lsmx.cross_entropy(z, labels, reduction="sum")
        assert differing(array(got), array(want)) is None
        assert differing(array(gradient(got, z)), array(gradient(want, z))) is None
        if dtype != torch.bfloat16:
            assert differing(array(got), lsmx.cross_entropy(array(z), array(labels), reduction="sum")) is None


def test_hard_inputs() -> None:
    z, labels = drawn(torch.float32, 3, 7, 50)
    turned = z.detach().transpose(0, 2).contiguous().transpose(0, 2)
    loss = torchtitan.cross_entropy_loss(z, labels, global_vocab_size=50)
    assert torch.equal(torchtitan.cross_entropy_loss(turned, labels), loss)
    nothing = torchtitan.cross_entropy_loss(z, torch.full_like(labels, -100))
    assert nothing.item() == 0
    assert not gradient(nothing, z).any()
    assert torchtitan.cross_entropy_loss(torch.zeros(0, 7, 50), labels[:0]).item() == 0
    with pytest.raises(IndexError, match="50"):
        torchtitan.cross_entropy_loss(z, torch.full_like(labels, 50))
    with pytest.raises(lsmx.ShapeError, match="global_vocab_size: 100, but the last axis of pred has 50 classes"):
        torchtitan.cross_entropy_loss(z, labels, global_vocab_size=100)


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="MSELoss"):
        torchtitan.MSELoss  # noqa: B018


@installed
def test_the_signature_is_torchtitans() -> None:
    assert parameters(torchtitan.cross_entropy_loss) == parameters(stock().cross_entropy_loss)


@installed
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_loss_is_torchtitans(dtype: torch.dtype) -> None:
    """Theirs adds up 17 losses in float32; its gradients are off by a few units of the largest, 1.7."""
    z, labels = drawn(dtype, 3, 7, 50)
    got, want = (f.cross_entropy_loss(z, labels) for f in (torchtitan, stock()))
    assert got.dtype == want.dtype
    assert ulps(got, want, want) <= 2
    g, h = gradient(got, z), gradient(want, z)
    assert g.dtype == h.dtype
    assert ulps(g, h, 1.7, DIGITS[dtype]) <= 3


@installed
def test_the_class_goes_where_torchtitans_goes() -> None:
    """``Config().build()``, the division by the number of tokens, and the wrapper that takes the loss of chunks."""
    z, labels = drawn(torch.bfloat16, 3, 7, 50)
    n = torch.tensor(17.0)
    ours, theirs = (kind.Config(global_vocab_size=50).build() for kind in (torchtitan.CrossEntropyLoss, stock().CrossEntropyLoss))
    assert isinstance(ours, stock().CrossEntropyLoss)
    assert torchtitan.CrossEntropyLoss is torchtitan.CrossEntropyLoss
    (loss, metrics), (want, same) = ours(z, labels, n), theirs(z, labels, n)
    assert metrics == same == {}
    assert differing(array(loss), array(lsmx.cross_entropy(z, labels, reduction="sum") / n)) is None
    assert ulps(loss, want, want) <= 2
    assert torch.equal(ours(z, labels)[0], torchtitan.cross_entropy_loss(z, labels))
    config = torchtitan.CrossEntropyLoss.Config(global_vocab_size=50)
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config
    assert pickle.loads(pickle.dumps(torchtitan.CrossEntropyLoss.Config)) is torchtitan.CrossEntropyLoss.Config
    wrapped = stock().ChunkedLossWrapper.Config(loss_fn=torchtitan.CrossEntropyLoss.Config(global_vocab_size=50))
    assert isinstance(wrapped.build().loss_fn, torchtitan.CrossEntropyLoss)


@installed
@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()), reason="torch.distributed has no gloo"
)
def test_a_divided_vocabulary_has_the_bits_of_the_whole() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (HOME, HOME / "backends"))), "OMP_NUM_THREADS": "1"}
    start = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*start, str(PROGRAM)], capture_output=True, text=True, env=env, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "14 equal"
