"""``lsmx.adapters.transformers``: a loss with lsmx's bits in models of Hugging Face."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx.adapters import transformers as adapter
from lsmx.testing import differing
from tests.adapting import array, needs, parameters, ulps

installed = needs("transformers", "adapters")
pytestmark = pytest.mark.filterwarnings("ignore")  # transformers warns about itself and about what it imports
VOCABULARY = 97


def batch(rows: int = 4, length: int = 9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, and labels of which some are -100."""
    tokens = torch.randint(0, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))
    labels = tokens.clone()
    for row in range(rows):
        labels[row, : row % 3] = labels[row, length - row % 2 :] = -100
    return tokens, labels


def logits_of(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return (3 * torch.randn(*shape, VOCABULARY, generator=torch.Generator().manual_seed(3))).to(dtype).requires_grad_()


def gradient(loss: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, z, torch.tensor(-1.7, dtype=loss.dtype))[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("count", [None, 21, torch.tensor(21)])
def test_the_loss_is_cross_entropy_of_the_next_token(dtype: torch.dtype, count: Any) -> None:
    z, (_, labels) = logits_of(dtype, 4, 9), batch()
    got = adapter.causal_lm_loss(z, labels, VOCABULARY, num_items_in_batch=count)
    cut, target = z[:, :-1], labels[:, 1:]
    want = lsmx.cross_entropy(cut, target, normalizer=count)
    assert differing(array(got), array(want)) is None
    assert differing(array(gradient(got, z)), array(gradient(want, z))) is None
    shifted = torch.cat([target, torch.full((4, 1), -100)], dim=1)
    for given in (shifted, shifted.reshape(-1), shifted.reshape(1, -1)):
        again = adapter.causal_lm_loss(z, None, VOCABULARY, count, shift_labels=given, some_option=True)
        assert differing(array(got), array(again)) is None


def test_another_label_may_be_ignored() -> None:
    z, (tokens, _) = logits_of(torch.float32, 4, 9), batch()
    got = adapter.causal_lm_loss(z, tokens, VOCABULARY, ignore_index=int(tokens[0, 3]))
    want = lsmx.cross_entropy(z[:, :-1], tokens[:, 1:], ignore_index=int(tokens[0, 3]))
    assert differing(array(got), array(want)) is None
    assert differing(array(got), array(adapter.causal_lm_loss(z, tokens, VOCABULARY))) is not None


def test_hard_inputs() -> None:
    z, (_, labels) = logits_of(torch.float32, 4, 9), batch()
    kept = labels.clone()
    loss = adapter.causal_lm_loss(z, labels, VOCABULARY)
    assert torch.equal(labels, kept)  # inputs are not written to
    turned = z.detach().transpose(0, 2).contiguous().transpose(0, 2)
    assert torch.equal(adapter.causal_lm_loss(turned, labels, VOCABULARY), loss)
    nothing = adapter.causal_lm_loss(z, torch.full_like(labels, -100), VOCABULARY)
    assert nothing.isnan()
    assert not gradient(nothing, z).any()
    for shape in ((0, 9), (4, 0), (4, 1)):
        empty = torch.zeros(shape, dtype=torch.long)
        assert adapter.causal_lm_loss(logits_of(torch.float32, *shape), empty, VOCABULARY).isnan()
    with pytest.raises(IndexError, match="97"):
        adapter.causal_lm_loss(z, torch.full_like(labels, 97), VOCABULARY)
    with pytest.raises(lsmx.ShapeError, match="vocab_size: 98, but the last axis of logits has 97"):
        adapter.causal_lm_loss(z, labels, VOCABULARY + 1)
    with pytest.raises(lsmx.ShapeError, match=r"^shift_labels: shape \(4, 8\)"):
        adapter.causal_lm_loss(z, labels, VOCABULARY, shift_labels=labels[:, 1:])
    for given in (labels[:, 1:], labels[:3], torch.cat([labels, labels])):
        with pytest.raises(lsmx.ShapeError, match=rf"^labels: shape {re.escape(str(tuple(given.shape)))}, .* 36 labels"):
            adapter.causal_lm_loss(z, given, VOCABULARY)


@pytest.mark.parametrize("count", [torch.tensor([21]), torch.tensor([[21.0]])])
def test_the_count_may_be_a_tensor_of_one_number_in_any_shape(count: torch.Tensor) -> None:
    """As the sum over processes may be; transformers' loss then has its shape."""
    z, (_, labels) = logits_of(torch.float32, 4, 9), batch()
    got, want = (adapter.causal_lm_loss(z, labels, VOCABULARY, n) for n in (count, 21))
    assert got.shape == ()
    assert differing(array(got), array(want)) is None
    with pytest.raises(lsmx.ShapeError, match=r"normalizer: shape \(2,\)"):
        adapter.causal_lm_loss(z, labels, VOCABULARY, torch.tensor([21, 21]))


@pytest.mark.parametrize("count", [0, torch.tensor(0)])
def test_a_count_of_none_gives_nan(count: Any) -> None:
    z, (_, labels) = logits_of(torch.float32, 4, 9), batch()
    assert adapter.causal_lm_loss(z, labels, VOCABULARY, count).isnan()


def test_parts_of_a_batch_have_the_gradients_of_the_whole() -> None:
    z, (_, labels) = logits_of(torch.float32, 4, 9), batch()
    n = (labels[:, 1:] != -100).sum()
    whole = gradient(adapter.causal_lm_loss(z, labels, VOCABULARY, n), z)
    assert differing(array(whole), array(gradient(adapter.causal_lm_loss(z, labels, VOCABULARY), z))) is None
    for k in range(4):
        part = gradient(adapter.causal_lm_loss(z[k : k + 1], labels[k : k + 1], VOCABULARY, n), z)
        assert differing(array(part[k]), array(whole[k])) is None


# --- beside transformers --------------------------------------------------------------------------------------------------------


def stock() -> Any:
    from transformers.loss import loss_utils

    return loss_utils


def model() -> Any:
    """A Llama of two layers with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=32, **sizes))


@installed
def test_the_signature_is_that_of_transformers() -> None:
    assert parameters(adapter.causal_lm_loss) == parameters(stock().ForCausalLMLoss)


@installed
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("count", [None, 21, torch.tensor(21)])
def test_the_loss_is_that_of_transformers(dtype: torch.dtype, count: Any) -> None:
    """Theirs adds up some 30 losses in float32, and so is a unit or two in the last place off."""
    z, (_, labels) = logits_of(dtype, 4, 9), batch()
    got, want = (f(z, labels, VOCABULARY, count) for f in (adapter.causal_lm_loss, stock().ForCausalLMLoss))
    assert got.dtype == want.dtype
    assert ulps(got, want, want) <= 2
    g, h = gradient(got, z), gradient(want, z)
    assert g.dtype == h.dtype
    # in units of the largest gradient, 1.7/21: theirs rounds the softmax, its difference from 1, and two products
    assert ulps(g, h, 1.7 / 21, 24 if dtype == torch.float32 else {torch.float16: 11, torch.bfloat16: 8}[dtype]) <= 4


@installed
def test_a_model_trains_with_it() -> None:
    """Loss and gradients of all weights beside transformers' own, and the bits of NumPy on the logits that were saved."""
    tokens, labels = batch()
    ours, theirs = model(), model()
    ours.loss_function = adapter.causal_lm_loss
    outs = [m(input_ids=tokens, labels=labels) for m in (ours, theirs)]
    for out in outs:
        out.logits.retain_grad()
        out.loss.backward()
    got, want = outs
    assert torch.equal(got.logits, want.logits)
    logits, target = array(got.logits)[:, :-1], array(labels)[:, 1:]
    assert differing(array(got.loss), lsmx.cross_entropy(logits, target)) is None
    by_numpy = lsmx.cross_entropy_backward(np.ones((), np.float32), logits, target)
    assert differing(array(got.logits.grad[:, :-1]), by_numpy) is None
    assert not got.logits.grad[:, -1].any()
    assert ulps(got.loss, want.loss, want.loss) <= 2  # theirs adds up 30 losses in float32
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        # both go the same way back from logits' gradients that differ in the last place; sums of 36 tokens, two layers
        assert ulps(a.grad, b.grad, b.grad.abs().max()) <= 16, name
        assert a.grad.any(), name


@installed
def test_register_adds_a_loss_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock(), "LOSS_MAPPING", mapping := dict(stock().LOSS_MAPPING))
    from transformers import modeling_utils

    monkeypatch.setattr(modeling_utils, "LOSS_MAPPING", mapping)
    one = model()
    tokens, labels = batch()
    one.loss_type = adapter.register()
    assert one.loss_type == "lsmx"
    assert adapter.register("another") == "another"
    assert mapping["lsmx"] is mapping["another"] is one.loss_function is adapter.causal_lm_loss
    out = one(input_ids=tokens, labels=labels, num_items_in_batch=30)
    want = lsmx.cross_entropy(out.logits[:, :-1], labels[:, 1:], normalizer=30)
    assert differing(array(out.loss), array(want)) is None


@installed
@needs("accelerate", "adapters")
def test_a_trainer_counts_targets_as_for_its_own_loss(tmp_path: Any) -> None:
    """Two micro-batches are one step: each is divided by the targets of both, as many as for transformers' own loss.

    With a loss_type of ours the labels that are no targets count too, the first of each row. Before transformers 5.10 they do for
    any loss.
    """
    from transformers import Trainer, TrainingArguments

    class Kept(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
            counts.append(int(options["num_items_in_batch"]))
            return super().compute_loss(model, inputs, *rest, **options)

    tokens, labels = batch()
    rows = [{"input_ids": i, "labels": y} for i, y in zip(tokens, labels, strict=True)]
    counts: list[int] = []
    arguments = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=1, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    trained = {}
    for name in ("stock", "loss_function", "loss_type"):
        one = model()
        if name == "loss_function":
            one.loss_function = adapter.causal_lm_loss
        elif name == "loss_type":
            one.loss_type = adapter.register()
        Kept(one, arguments, train_dataset=rows).train()
        trained[name], counts = counts, []
    targets, all_labels = (int((part != -100).sum()) for part in (labels[:, 1:], labels))
    assert trained["stock"] in ([targets] * 2, [all_labels] * 2)
    assert trained["loss_function"] == trained["stock"]
    assert trained["loss_type"] == [all_labels] * 2 != [targets] * 2
