"""``lsmx.adapters.trl``: the bits of lsmx's own functions, and what TRL's give within their rounding."""

from __future__ import annotations

import inspect
import itertools
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx.adapters import trl
from lsmx.testing import differing
from tests.adapting import array, needs, parameters, ulps

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
DIGITS = {torch.float16: 11, torch.bfloat16: 8, torch.float32: 24, torch.float64: 53}
installed = needs("trl", "adapters")
# importing TRL warns about itself and about what it imports
pytestmark = pytest.mark.filterwarnings("ignore")


def theirs() -> Any:
    import trl.trainer.utils

    return trl.trainer.utils


def taken_by(function: Any) -> Any:
    """TRL's function with the name of ours, as much of it as the installed TRL has."""
    stock = getattr(theirs(), function.__name__, None)
    return stock or pytest.skip(f"TRL before 1.14 has no {function.__name__}")


def drawn(dtype: torch.dtype, *shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, an index and a mask."""
    generator = torch.Generator().manual_seed(seed)
    z = (3 * torch.randn(shape, generator=generator)).to(dtype)
    index = torch.randint(0, shape[-1], shape[:-1], generator=generator)
    return z.requires_grad_(), index, torch.rand(shape[:-1], generator=generator) < 0.6


def gradient(out: torch.Tensor, z: torch.Tensor, seed: int = 1) -> torch.Tensor:
    """Along a cotangent that is drawn, the same for each function."""
    g = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(out.dtype)
    return torch.autograd.grad(out, z, g)[0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probs_are_those_of_log_prob(dtype: torch.dtype, temperature: float) -> None:
    z, index, _ = drawn(dtype, 3, 5, 50)
    several = torch.randint(0, 50, (3, 5, 4), generator=torch.Generator().manual_seed(2))
    for i in (index, several):
        got = trl.selective_log_softmax(z, i, temperature)
        want = lsmx.log_prob(z, i, temperature=temperature).to(dtype)
        assert got.dtype == dtype
        assert differing(array(got), array(want)) is None
        assert differing(array(gradient(got, z)), array(gradient(want, z))) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_bits_are_numpys(dtype: torch.dtype) -> None:
    z, index, _ = drawn(dtype, 4, 7, 30)
    served = lsmx.log_prob(array(z), array(index), temperature=0.7)
    assert differing(array(trl.selective_log_softmax(z, index, 0.7)), served.astype(array(z).dtype)) is None
    assert differing(array(trl.entropy_from_logits(z)), lsmx.entropy(array(z)).astype(array(z).dtype)) is None


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("follows", [True, False])
def test_both_together_are_each_alone(dtype: torch.dtype, follows: bool) -> None:
    z, index, mask = drawn(dtype, 3, 5, 50)
    for row_mask in (None, mask, mask.long()):
        log_prob, entropy = trl.selective_log_softmax_and_entropy(z, index, follows, 0.7, row_mask)
        alone = trl.selective_log_softmax(z, index, 0.7, row_mask), lsmx.entropy(z, temperature=0.7).to(dtype)
        counts = torch.ones_like(mask) if row_mask is None else mask
        assert differing(array(log_prob), array(alone[0])) is None
        assert differing(array(entropy), array(torch.where(counts, alone[1], 0))) is None
        assert entropy.requires_grad == follows
        assert differing(array(gradient(log_prob, z)), array(gradient(alone[0], z))) is None
        if follows:
            masked = torch.where(counts, alone[1], 0)
            assert differing(array(gradient(entropy, z)), array(gradient(masked, z))) is None


def test_what_is_skipped_has_no_index_and_no_gradient() -> None:
    z, index, mask = drawn(torch.float32, 3, 5, 50)
    padded = torch.where(mask, index, -100)
    for got in (
        trl.selective_log_softmax(z, padded, 1.0, mask),
        trl.selective_log_softmax_and_entropy(z, padded, row_mask=mask)[0],
    ):
        assert torch.equal(got, torch.where(mask, lsmx.log_prob(z, index), 0))
        dz = gradient(got, z)
        assert not dz[~mask].any()
        assert dz[mask].any(-1).all()
    with pytest.raises(IndexError, match="index"):
        trl.selective_log_softmax(z, padded)
    with pytest.raises(IndexError, match="50"):
        trl.selective_log_softmax(z, torch.full_like(index, 50))


def test_what_is_skipped_has_no_gradient_only_if_its_logits_have_log_probs() -> None:
    for number, some, undefined in ((np.nan, True, True), (np.inf, True, True), (-np.inf, True, False), (-np.inf, False, True)):
        z, index, mask = drawn(torch.float32, 3, 5, 50)
        with torch.no_grad():
            z[0, 0, 7 if some else slice(None)] = number
        mask[0, 0] = False
        for follows in (False, True):
            got = trl.selective_log_softmax_and_entropy(z, index, follows, row_mask=mask)
            assert got[0][0, 0] == got[1][0, 0] == 0
            dz = gradient(got[1] if follows else got[0], z)
            assert dz[0, 0].isnan().all().item() == undefined
            assert undefined or not dz[0, 0].any()
            assert not dz[~mask][1:].any()


def test_hard_inputs() -> None:
    z, index, mask = drawn(torch.float32, 3, 5, 50)
    turned = z.detach().transpose(0, 2).contiguous().transpose(0, 2)
    assert not turned.is_contiguous()
    assert torch.equal(trl.selective_log_softmax(turned, index), trl.selective_log_softmax(z, index))
    assert torch.equal(trl.entropy_from_logits(turned, chunk_size=2), trl.entropy_from_logits(z))
    for shape in ((0, 5, 50), (3, 0, 50)):
        none, i, m = drawn(torch.bfloat16, *shape)
        log_prob, entropy = trl.selective_log_softmax_and_entropy(none, i, row_mask=m)
        assert log_prob.shape == entropy.shape == shape[:2]
        assert log_prob.dtype == entropy.dtype == torch.bfloat16
        assert gradient(log_prob, none).shape == shape
    nothing = torch.zeros_like(mask)
    assert not trl.selective_log_softmax(z, torch.full_like(index, -100), row_mask=nothing).any()
    for temperature in (0, -1.0):
        with pytest.raises(ValueError, match="temperature"):
            trl.selective_log_softmax(z, index, temperature)


# --- beside TRL -----------------------------------------------------------------------------------------------------------------


@installed
@pytest.mark.parametrize("function", trl.OURS, ids=lambda f: f.__name__)
def test_signatures_are_trls(function: Any) -> None:
    """A call of TRL's is one of ours; TRL before 1.14 has no more than the first parameters."""
    stock = parameters(taken_by(function))
    assert parameters(function)[: len(stock)] == stock


@installed
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("temperature", [1.0, 0.5])  # a division by 0.5 is exact in all dtypes
def test_log_probs_are_trls(dtype: torch.dtype, temperature: float) -> None:
    """TRL takes two numbers of the logits' size from each other, in the logits' dtype: units of twice the largest logit."""
    stock = taken_by(trl.selective_log_softmax)
    plain = "row_mask" not in inspect.signature(stock).parameters
    if plain and temperature != 1:
        pytest.skip("selective_log_softmax of TRL before 1.14 has no temperature")
    for seed, several in itertools.product(range(5), (False, True)):
        z, index, mask = drawn(dtype, 3, 5, 50, seed=seed)
        if several:
            index, mask = index[..., None].repeat(1, 1, 3), mask[..., None].repeat(1, 1, 3)
        for options in [()] if plain else [(temperature, row_mask) for row_mask in (None, mask, mask.long())]:
            got, want = (f(z, index, *options) for f in (trl.selective_log_softmax, stock))
            assert got.dtype == want.dtype
            unit = 2 * array(z).max() / temperature
            assert ulps(got, want, unit, DIGITS[dtype]) <= 1
            g, h = gradient(got, z), gradient(want, z)
            assert g.dtype == h.dtype
            # a cotangent of size 4, a sum of 3, and TRL's division by the temperature afterwards
            assert ulps(g, h, 16 / temperature, DIGITS[dtype]) <= 1


@installed
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_entropies_are_trls(dtype: torch.dtype) -> None:
    """TRL adds up 50 products, each of which is rounded in the logits' dtype: units of 50 times the largest, which is 1/e."""
    for seed in range(5):
        z, _, _ = drawn(dtype, 3, 5, 50, seed=seed)
        got, want = trl.entropy_from_logits(z), theirs().entropy_from_logits(z)
        assert got.dtype == want.dtype
        assert ulps(got, want, 50 / np.e, DIGITS[dtype]) <= 1
        assert ulps(gradient(got, z), gradient(want, z), 16, DIGITS[dtype]) <= 1


@installed
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("follows", [True, False])
def test_entropies_beside_log_probs_are_trls(dtype: torch.dtype, follows: bool) -> None:
    stock = taken_by(trl.selective_log_softmax_and_entropy)
    for seed in range(5):
        z, index, mask = drawn(dtype, 3, 5, 50, seed=seed)
        got, want = (f(z, index, follows, 0.5, mask)[1] for f in (trl.selective_log_softmax_and_entropy, stock))
        assert got.requires_grad == want.requires_grad == follows
        assert ulps(got, want, 50 / np.e, DIGITS[dtype]) <= 1


def stocks() -> dict[str, Any]:
    """What the installed TRL has of the functions."""
    return {f.__name__: getattr(theirs(), f.__name__) for f in trl.OURS if hasattr(theirs(), f.__name__)}


@installed
def test_patched_reaches_modules_that_have_the_functions_and_lets_go_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stocks()
    assert {"selective_log_softmax", "entropy_from_logits"} <= set(before)
    early, own = types.ModuleType("trl.early"), types.ModuleType("a_users_script")
    early.score = own.selective_log_softmax = before["selective_log_softmax"]  # type: ignore[attr-defined]
    own.chosen = trl.selective_log_softmax  # type: ignore[attr-defined]
    for module in (early, own):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    z, index, _ = drawn(torch.bfloat16, 3, 5, 50)
    want = lsmx.log_prob(z, index).bfloat16()
    late = types.ModuleType("trl.late")
    monkeypatch.setitem(sys.modules, late.__name__, late)

    def train() -> None:
        with trl.patched() as replaced:
            names = {f"trl.trainer.utils.{name}" for name in before}
            assert {"trl.early.score", "a_users_script.selective_log_softmax"} | names <= set(replaced)
            late.selective_log_softmax = theirs().selective_log_softmax  # type: ignore[attr-defined]  # imported now: ours
            for f in (early.score, own.selective_log_softmax, late.selective_log_softmax, theirs().selective_log_softmax):
                assert torch.equal(f(z, index), want)
            raise RuntimeError("training")

    with pytest.raises(RuntimeError, match="training"):
        train()
    assert not torch.equal(before["selective_log_softmax"](z, index), want)
    assert stocks() == before
    assert early.score is own.selective_log_softmax is late.selective_log_softmax is before["selective_log_softmax"]
    assert own.chosen is trl.selective_log_softmax  # type: ignore[attr-defined]


@installed
def test_a_trainer_of_trl_computes_with_ours() -> None:
    """``CPOTrainer.get_batch_logps`` and the like take the function from their own module."""
    from trl.experimental.cpo import cpo_trainer

    z, index, _ = drawn(torch.float32, 2, 6, 50)
    f = cpo_trainer.CPOTrainer.get_batch_logps
    labels = torch.cat([torch.full_like(index[:, :2], -100), index[:, 2:]], dim=1)
    labels[:, 2:] = index[:, 2:]
    with trl.patched() as replaced:
        assert "trl.experimental.cpo.cpo_trainer.selective_log_softmax" in replaced
        got = f(z, labels)
    count = labels[:, 1:] != -100
    each = torch.where(count, lsmx.log_prob(z[:, :-1], torch.where(count, labels[:, 1:], 0)), 0)
    assert torch.equal(got, each.sum(-1))
    assert not torch.equal(f(z, labels), got)


@installed
def test_nothing_to_replace_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in stocks():
        monkeypatch.delattr(theirs(), name)
    with pytest.raises(ImportError, match="nothing to replace"), trl.patched():
        pass
