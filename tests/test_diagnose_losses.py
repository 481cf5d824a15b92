"""Mistakes in losses of one's own, their options and their forward passes: each planted and called by its name; right ones pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import diagnose, quantise
from lsmx.testing import options as lines_of
from lsmx.testing.answers import Answer
from lsmx.testing.candidate import Candidate
from lsmx.testing.explaining import explanation
from lsmx.testing.forward import Forward
from lsmx.testing.gradients import evaluate_lines
from lsmx.testing.mistakes import FORWARD, MISTAKES, OPTIONS, Mistake
from lsmx.testing.probes import MATRICES, dressed, hard, ordinary
from tests.own_gradients import less_one, softmax

Loss = Callable[..., Any]


def lse(z: Any) -> Any:
    m = z.max(axis=-1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(axis=-1, keepdims=True)))[..., 0]


def at(z: Any, y: Any) -> Any:
    return z[np.arange(len(z)), y]


def loss(
    z: Any,
    y: Any,
    *,
    reduction: str = "none",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    weight: Any = None,
    temperature: float = 1.0,
) -> Any:
    """As somebody would write all of it."""
    z, kept = z / temperature, y != ignore_index
    w = np.ones(z.shape[-1]) if weight is None else weight
    y = np.where(kept, y, 0)
    logp = z - lse(z)[:, None]
    rows = -(1 - label_smoothing) * w[y] * at(logp, y)
    if label_smoothing:
        rows = rows - label_smoothing / z.shape[-1] * (w * logp).sum(-1)
    rows = np.where(kept, rows, 0)
    return rows if reduction == "none" else rows.sum() / (w[y] * kept).sum()


def gradient(
    g: Any,
    z: Any,
    y: Any,
    *,
    reduction: str = "none",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    weight: Any = None,
    temperature: float = 1.0,
) -> Any:
    """Of that."""
    kept, c = y != ignore_index, z.shape[-1]
    w = np.ones(c) if weight is None else weight
    y = np.where(kept, y, 0)
    q = w * ((1 - label_smoothing) * np.eye(c)[y] + label_smoothing / c)
    g = g / (w[y] * kept).sum() * np.ones(len(z)) if reduction == "mean" else g
    dz = g[:, None] * (softmax(z / temperature) * q.sum(-1, keepdims=True) - q) / temperature
    return np.where(kept[:, None], dz, 0)


def smoothed(y: Any, c: int, e: float, at_target: float, elsewhere: float) -> Any:
    return np.where(np.eye(c, dtype=bool)[y], at_target, elsewhere)


# --- right ones -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_options_together_are_right(dtype: str) -> None:
    def in_dtype(f: Loss) -> Loss:
        return lambda *x, reduction="none", ignore_index=-100, label_smoothing=0.0, weight=None, temperature=1.0: f(
            *x,
            reduction=reduction,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            weight=weight,
            temperature=temperature,
        ).astype(dtype)

    like = np.zeros((), dtype)
    found = diagnose(in_dtype(gradient), forward=in_dtype(loss), function="cross_entropy", like=like)
    assert found.right, str(found)
    assert (found.part, found.mistake, found.worst < 6) == ("gradient", None, True)
    forward = diagnose(forward=in_dtype(loss), function="cross_entropy", like=like)
    assert forward.right, str(forward)
    assert str(forward).startswith("forward pass of cross_entropy: right on 36 inputs")


@pytest.mark.slow
@pytest.mark.parametrize(
    "like", [np.zeros(()), np.zeros((), "float32"), torch.zeros(()), torch.zeros((), dtype=torch.float64)], ids=str
)
def test_lsmx_is_right_to_the_bit(like: Any) -> None:
    found = diagnose(lsmx.cross_entropy_backward, function="cross_entropy", like=like)
    assert found.right, str(found)
    assert found.equal_bits
    forward = diagnose(forward=lsmx.cross_entropy, function="cross_entropy", like=like)
    assert forward.right, str(forward)
    assert forward.equal_bits
    assert forward.inputs > 50
    for given in ({"backward": lsmx.log_prob_backward}, {"forward": lsmx.log_prob}):
        found = diagnose(*([given.pop("backward")] if "backward" in given else []), function="log_prob", like=like, **given)
        assert found.right, str(found)
        assert found.equal_bits


def test_torch_is_right() -> None:
    def backward(g: Any, z: Any, y: Any, **options: Any) -> Any:
        z = z.clone().requires_grad_()
        return torch.autograd.grad(torch.nn.functional.cross_entropy(z, y, **options), z, g)[0]

    def with_keywords(
        g: Any, z: Any, y: Any, reduction: str, ignore_index: int = -100, label_smoothing: float = 0.0, weight: Any = None
    ) -> Any:
        return backward(g, z, y, reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing, weight=weight)

    def forward(z: Any, y: Any, reduction: str, ignore_index: int = -100, label_smoothing: float = 0.0) -> Any:
        return torch.nn.functional.cross_entropy(
            z, y, reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing
        )

    like = torch.zeros((), dtype=torch.float64)
    found = diagnose(with_keywords, forward=forward, function="cross_entropy", like=like)
    assert found.right, str(found)
    assert diagnose(lambda g, z, y: backward(g, z, y), function="cross_entropy", like=like, options={"reduction": "mean"})
    assert diagnose(
        lambda g, z, y: backward(g, z, y, reduction="sum"), function="cross_entropy", like=like, options={"reduction": "sum"}
    )


# --- wrong gradients ------------------------------------------------------------------------------------------------------------

MEAN, IGNORING = {"reduction": "mean"}, {"ignore_index": 1}


def test_what_an_ignored_row_holds_is_remarked_on() -> None:
    found = diagnose(zeroed_by_product, function="cross_entropy")
    assert found.right, str(found)
    assert "note: NaN in a row that is ignored gets through" in str(found)
    assert diagnose(gradient, function="cross_entropy").notes == ()


def smoothing(at_target: Callable[[float, int], float], elsewhere: Callable[[float, int], float]) -> Loss:
    def backward(g: Any, z: Any, y: Any, label_smoothing: float = 0.0) -> Any:
        e, c = label_smoothing, z.shape[-1]
        if not e:
            return g[:, None] * less_one(softmax(z), y)
        return g[:, None] * (softmax(z) - smoothed(y, c, e, at_target(e, c), elsewhere(e, c)))

    return backward


def weighed(g: Any, z: Any, y: Any, weight: Any = None, reduction: str = "none") -> Any:
    """The mean over the rows, not the weights."""
    w = np.ones(z.shape[-1]) if weight is None else weight
    g = g / len(z) * np.ones(len(z)) if reduction == "mean" else g
    return (g * w[y])[:, None] * less_one(softmax(z), y)


def counting_all(g: Any, z: Any, y: Any, ignore_index: int = -100, reduction: str = "none") -> Any:
    kept = y != ignore_index
    g = g / len(z) * np.ones(len(z)) if reduction == "mean" else g
    return np.where(kept[:, None], g[:, None] * less_one(softmax(z), np.where(kept, y, 0)), 0)


def zeroed_by_product(g: Any, z: Any, y: Any, ignore_index: int = -100) -> Any:
    kept = y != ignore_index
    return g[:, None] * less_one(softmax(z), np.where(kept, y, 0)) * kept[:, None]


def s_where_ignored(g: Any, z: Any, y: Any, ignore_index: int = -100) -> Any:
    """One-hot targets that are 0 where they are ignored."""
    kept = y != ignore_index
    return g[:, None] * (softmax(z) - np.eye(z.shape[-1])[np.where(kept, y, 0)] * kept[:, None])


GRADIENTS: list[tuple[str, dict[str, Any], Loss]] = [
    ("cotangent ignored", {}, lambda g, z, y: less_one(softmax(z), y)),
    ("target missing", {}, lambda g, z, y: g[:, None] * softmax(z)),
    ("sign", {}, lambda g, z, y: -g[:, None] * less_one(softmax(z), y)),
    ("cotangent ignored", MEAN, lambda g, z, y: less_one(softmax(z), y) / len(z)),
    ("target missing", MEAN, lambda g, z, y: g * softmax(z) / len(z)),
    ("sign", MEAN, lambda g, z, y: -g * less_one(softmax(z), y) / len(z)),
    ("not divided by the rows", MEAN, lambda g, z, y: g * less_one(softmax(z), y)),
    ("divided by the classes", MEAN, lambda g, z, y: g * less_one(softmax(z), y) / z.size),
    ("divided by the classes", MEAN, lambda g, z, y: g * less_one(softmax(z), y) / z.shape[-1]),
    ("divided by the batch twice", MEAN, lambda g, z, y: g * less_one(softmax(z), y) / len(z) ** 2),
    ("not divided by the rows", {}, lambda g, z, y, reduction: np.reshape(g, (-1, 1)) * less_one(softmax(z), y)),
    ("ignored rows counted", {}, counting_all),
    ("ignored rows counted", MEAN | IGNORING, lambda g, z, y: counting_all(g, z, y, 1, "mean")),
    ("ignored rows have a gradient", IGNORING, lambda g, z, y: g[:, None] * less_one(softmax(z), y)),
    ("ignored rows have a gradient", {}, lambda g, z, y, ignore_index=-100: g[:, None] * less_one(softmax(z), y)),
    ("ignored rows have a gradient", {}, s_where_ignored),
    ("smoothing missing at the target", {}, smoothing(lambda e, c: 1 - e, lambda e, c: e / c)),
    ("smoothing over C - 1", {}, smoothing(lambda e, c: 1 - e, lambda e, c: e / (c - 1))),
    ("smoothing over C - 1", {}, smoothing(lambda e, c: 1 - e + e / (c - 1), lambda e, c: e / (c - 1))),
    ("smoothing missing", {}, smoothing(lambda e, c: 1.0, lambda e, c: 0.0)),
    ("smoothing missing", {}, smoothing(lambda e, c: 1 - e, lambda e, c: 0.0)),
    ("smoothing added", {}, smoothing(lambda e, c: 1 + e / c, lambda e, c: e / c)),
    ("smoothing exchanged", {}, smoothing(lambda e, c: e + (1 - e) / c, lambda e, c: (1 - e) / c)),
    ("smoothing missing", {"label_smoothing": 0.1}, lambda g, z, y: g[:, None] * less_one(softmax(z), y)),
    ("weights missing in the gradient", {}, lambda g, z, y, weight=None: g[:, None] * less_one(softmax(z), y)),
    ("weights of each column", {}, lambda g, z, y, weight=1: g[:, None] * weight * less_one(softmax(z), y)),
    ("divided by the rows, not the weights", {}, weighed),
    ("temperature missing", {}, lambda g, z, y, temperature=1: g[:, None] * less_one(softmax(z / temperature), y)),
    ("temperature missing", {}, lambda g, z, y, temperature=1: g[:, None] * less_one(softmax(z), y) / temperature),
    ("temperature missing", {"temperature": 2.5}, lambda g, z, y: g[:, None] * less_one(softmax(z), y)),
    ("temperature inverted", {}, lambda g, z, y, temperature=1: g[:, None] * less_one(softmax(z * temperature), y) / temperature),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options", "backward"), GRADIENTS)
def test_a_mistake_in_a_gradient_is_called_by_its_name(name: str, options: dict[str, Any], backward: Loss, dtype: str) -> None:
    def rounded(*x: Any, **given: Any) -> Any:
        return backward(*x, **given).astype(dtype)

    rounded.__signature__ = __import__("inspect").signature(backward)  # type: ignore[attr-defined]
    found = diagnose(rounded, function="cross_entropy", options=options, like=np.zeros((), dtype))
    assert (found.right, found.mistake) == (False, name), str(found)
    assert found.why.endswith(".")
    assert found.as_if != found.correct
    assert found.index is not None


LOG_PROBS: list[tuple[str, Loss]] = [
    ("sign", lambda g, z, y: g[:, None] * less_one(softmax(z), y)),
    ("cotangent ignored", lambda g, z, y: -less_one(softmax(z), y)),
    ("target missing", lambda g, z, y: -g[:, None] * softmax(z)),
    ("detached", lambda g, z, y: g[:, None] * np.eye(z.shape[-1])[y]),
    ("keepdims lost", lambda g, z, y: -g * less_one(softmax(z), y)),
    ("exp missing", lambda g, log_probs, y: -g[:, None] * less_one(log_probs, y)),
    ("temperature missing", lambda g, z, y, temperature=1: -g[:, None] * less_one(softmax(z / temperature), y)),
    ("divided by the batch", lambda g, z, y: -g[:, None] * less_one(softmax(z), y) / len(z)),
]


@pytest.mark.parametrize(("name", "backward"), LOG_PROBS)
def test_a_mistake_in_the_gradient_of_log_probs(name: str, backward: Loss) -> None:
    found = diagnose(backward, function="log_prob")
    assert found.mistake == name, str(found)
    assert str(found).startswith("gradient of log_prob: wrong")


# --- wrong forward passes -------------------------------------------------------------------------------------------------------


def unshifted(z: Any, y: Any) -> Any:
    return np.log(np.exp(z).sum(axis=-1)) - at(z, y)


def scaled_in_part(z: Any, y: Any, temperature: float = 1.0) -> Any:
    return lse(z) - at(z / temperature, y)


def mean_of_rows(z: Any, y: Any, weight: Any = None, reduction: str = "none") -> Any:
    w = np.ones(z.shape[-1]) if weight is None else weight
    rows = w[y] * (lse(z) - at(z, y))
    return rows if reduction == "none" else rows.mean()


def smooth(at_target: Callable[[float, int], float], elsewhere: Callable[[float, int], float]) -> Loss:
    def forward(z: Any, y: Any, label_smoothing: float = 0.0) -> Any:
        e, c = label_smoothing, z.shape[-1]
        if not e:
            return lse(z) - at(z, y)
        return (smoothed(y, c, e, at_target(e, c), elsewhere(e, c)) * (lse(z)[:, None] - z)).sum(-1)

    return forward


FORWARDS: list[tuple[str, dict[str, Any], Loss]] = [
    ("log of softmax", {}, lambda z, y: -np.log(at(softmax(z), y))),
    ("log of softmax", {}, lambda z, y: -np.log(at(np.exp(z) / np.exp(z).sum(-1, keepdims=True), y))),
    ("epsilon in the logarithm", {}, lambda z, y: -np.log(at(softmax(z), y) + 1e-12)),
    ("epsilon in the logarithm", {}, lambda z, y: -np.log(np.maximum(at(softmax(z), y), 1e-7))),
    ("maximum not subtracted", {}, unshifted),
    ("maximum not subtracted", {}, lambda z, y: z.max() + np.log(np.exp(z - z.max()).sum(-1)) - at(z, y)),
    ("maximum lost", {}, lambda z, y: np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1)) - at(z, y)),
    ("sign", {}, lambda z, y: at(z, y) - lse(z)),
    ("softmax taken twice", {}, lambda z, y: lse(softmax(z)) - at(softmax(z), y)),
    ("temperature missing in the logsumexp", {}, scaled_in_part),
    ("temperature missing in the logsumexp", {"temperature": 2.5}, lambda z, y: scaled_in_part(z, y, 2.5)),
    ("temperature missing", {}, lambda z, y, temperature=1: lse(z) - at(z, y)),
    ("divided by the rows, not the weights", {}, mean_of_rows),
    ("not divided by the rows", MEAN, lambda z, y: (lse(z) - at(z, y)).sum()),
    ("ignored rows counted", MEAN | IGNORING, lambda z, y: np.where(y != 1, lse(z) - at(z, y), 0).mean()),
    ("smoothing missing at the target", {}, smooth(lambda e, c: 1 - e, lambda e, c: e / c)),
    ("smoothing over C - 1", {}, smooth(lambda e, c: 1 - e, lambda e, c: e / (c - 1))),
    ("smoothing missing", {}, lambda z, y, label_smoothing=0: lse(z) - at(z, y)),
    ("weights missing", {}, lambda z, y, weight=None: lse(z) - at(z, y)),
]


@pytest.mark.parametrize(("name", "options", "forward"), FORWARDS)
def test_a_mistake_in_a_forward_pass_is_called_by_its_name(name: str, options: dict[str, Any], forward: Loss) -> None:
    found = diagnose(gradient, forward=forward, function="cross_entropy", options=options)
    assert (found.right, found.mistake, found.part) == (False, name, "forward pass"), str(found)
    assert found.why.endswith(".")
    assert str(found).startswith("forward pass of cross_entropy: wrong: ")


def test_log_probs_forward() -> None:
    assert diagnose(forward=lambda z, y: at(z, y) - lse(z), function="log_prob")
    found = diagnose(forward=lambda z, y: np.log(at(softmax(z), y)), function="log_prob")
    assert (found.mistake, found.got, found.want) == ("log of softmax", -np.inf, -990.0), str(found)
    assert diagnose(forward=lambda z, y: lse(z) - at(z, y), function="log_prob").mistake == "sign"
    overflowing = diagnose(forward=lambda z, y: -unshifted(z, y), function="log_prob")
    assert overflowing.mistake == "maximum not subtracted", str(overflowing)


@pytest.mark.parametrize(
    ("name", "why", "forward"),
    [
        ("no result", "It returns a tuple, not an array: return the result itself.", lambda z, y: (lse(z) - at(z, y),)),
        (
            "wrong shape",
            "It returns shape (5, 1) for logits of shape (5, 7), where (5,) is right.",
            lambda z, y: (lse(z) - at(z, y))[:, None],
        ),
        ("wrong dtype", "It returns float16 for logits of float64.", lambda z, y: (lse(z) - at(z, y)).astype("float16")),
        (
            "inputs changed",
            "It changes z in place: work on a copy.",
            lambda z, y: (np.subtract(z, 0.5, out=z), lse(z) - at(z, y))[1],
        ),
    ],
)
def test_results_that_are_no_loss(name: str, why: str, forward: Loss) -> None:
    found = diagnose(forward=forward, function="cross_entropy")
    assert (found.right, found.mistake, found.why) == (False, name, why), str(found)


def test_a_forward_pass_that_is_wrong_in_no_known_way() -> None:
    found = diagnose(forward=lambda z, y: 1.25 * lse(z) - at(z, y), function="cross_entropy")
    assert (found.right, found.mistake) == (False, None), str(found)
    assert found.why.startswith("It is off in ")


# --- the tables -----------------------------------------------------------------------------------------------------------------

SETS = [
    {"reduction": "sum"},
    *({name: value} for name, value in lines_of.TRIED.items()),
    {"reduction": "mean", "ignore_index": 1},
    {"reduction": "mean", "weight": True},
    {"label_smoothing": 0.1875, "weight": True},
    dict(lines_of.TRIED),
]


def planted(answers: list[Answer], lines: str) -> list[Answer]:
    """The answers of a candidate that runs ``lines`` exactly and rounds the result to its dtype."""
    results = [(answer, evaluate_lines(lines, answer.given)) for answer in answers]
    return [
        replace(a, got=None, raised=str(x)) if isinstance(x, Exception) else replace(a, got=quantise(x, a.dtype), raised="")
        for a, x in results
    ]


def tell_apart(answers: list[Answer], right: str, table: tuple[Mistake, ...], known: tuple[Mistake, ...]) -> set[Mistake]:
    """Every mistake of the table that these lines can have is found and named; those that were."""
    assert all(a.right for a in planted(answers, right))
    found = set()
    for mistake in table:
        lines = right.replace(mistake.right, mistake.wrong)
        wrong = planted(answers, lines)
        if lines == right or all(a.right for a in wrong):
            continue
        assert explanation(right, wrong, known)[0] == mistake.name, (mistake, right)
        found.add(mistake)
    return found


def test_the_probes_tell_the_mistakes_with_options_apart() -> None:
    seen: set[Mistake] = set()
    for function in ("cross_entropy", "log_prob"):
        candidate = Candidate.of(lambda g, *_: g, function, np.zeros(()), ("z",))
        for given in [x for x in SETS if function == "cross_entropy" or set(x) == {"temperature"}]:
            answers = [candidate.answer(dressed(p, given)) for p in ordinary(MATRICES, True, True)]
            seen |= tell_apart(answers, answers[0].lines, OPTIONS, (*OPTIONS, *MISTAKES[function]))
    assert {m for m in OPTIONS if "* np.expand_dims(kept" not in m.wrong} <= seen  # alone, that changes nothing


@pytest.mark.slow
def test_the_probes_tell_the_mistakes_of_forward_passes_apart() -> None:
    seen: set[Mistake] = set()
    for function in ("cross_entropy", "log_prob"):
        candidate = Forward.of(lambda z, _: z, function, np.zeros(()), ("z",))
        for given in [{}, *(x for x in SETS if function == "cross_entropy" or set(x) == {"temperature"})]:
            several = [*ordinary(MATRICES, True, True), *(hard(True) if not given else [])]
            answers = [candidate.answer(dressed(p, given) if given else p) for p in several]
            seen |= tell_apart(answers, answers[0].lines, FORWARD, FORWARD)
    assert {m.name for m in FORWARD} == {m.name for m in seen}


def test_every_mistake_has_a_sentence_and_stands_once() -> None:
    for table in (OPTIONS, FORWARD):
        assert len({(m.right, m.wrong) for m in table}) == len(table)
        for mistake in table:
            assert mistake.why.endswith("."), mistake
            assert mistake.name[0].islower(), mistake
            assert " and " not in mistake.name, mistake
            assert " or " not in mistake.name, mistake


@pytest.mark.parametrize(
    ("error", "options", "reason"),
    [
        (
            ValueError,
            {"options": {"reduction": "average"}},
            r"^options: reduction='average', but lsmx\.cross_entropy takes 'none', 'mean' or 'sum'$",
        ),
        (
            ValueError,
            {"options": {"smoothing": 0.1}},
            "^options: 'smoothing' is not one of those of cross_entropy: reduction, ignore",
        ),
        (ValueError, {"options": {"weight": np.ones(3)}}, "^options: weight; let your function take it as a keyword"),
        (ValueError, {"options": {"temperature": 0}}, "^options: temperature=0, but lsmx.cross_entropy takes a positive number"),
        (
            ValueError,
            {"options": {"temperature": 2}, "function": "softmax"},
            "^options: 'temperature' is not one of those of softmax: none",
        ),
        (
            ValueError,
            {"forward": loss, "function": "softmax"},
            "^forward: given for softmax, but it is checked for cross_entropy, log_prob only",
        ),
        (TypeError, {"forward": 3}, "^forward: 3 is not callable"),
    ],
)
def test_bad_arguments(error: type[Exception], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(error, match=reason):
        diagnose(gradient, **{"function": "cross_entropy"} | options)


def test_nothing_to_diagnose() -> None:
    with pytest.raises(TypeError, match=r"^backward: None is not callable"):
        diagnose(function="cross_entropy")
