"""Known mistakes, each planted into somebody's own gradient and called by its name; right gradients, called right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import array_api_strict
import jax
import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import Diagnosis, diagnose, quantise
from lsmx.testing.answers import EPS_AND_TINY, Answer
from lsmx.testing.candidate import Candidate
from lsmx.testing.explaining import explanation
from lsmx.testing.gradients import OF_CLASSES, RESIDUALS, correct, evaluate_lines
from lsmx.testing.mistakes import LEAKS, MISTAKES, UNSAFE
from lsmx.testing.probes import MATRICES, SHAPES, masked, ordinary
from tests.own_gradients import RIGHT, Own, kept, less_one, softmax, total
from tests.own_gradients import UNKNOWN as OWN_UNKNOWN
from tests.own_gradients import WRONG as OWN_WRONG

exp = np.exp
Gradient = Callable[..., Any]
DTYPES = ("float16", "bfloat16", "float32", "float64")
LIKE = [*(np.zeros((), d) for d in ("float16", "float32", "float64")), *(torch.zeros((), dtype=getattr(torch, d)) for d in DTYPES)]


# --- right ones -----------------------------------------------------------------------------------------------------------------


def torch_log_softmax(g: Any, out: Any, *, axis: int) -> Any:
    return torch.ops.aten._log_softmax_backward_data(g, out, axis, out.dtype)


def torch_softmax(g: Any, out: Any, *, axis: int) -> Any:
    return torch.ops.aten._softmax_backward_data(g, out, axis, out.dtype)


def torch_autograd(g: Any, out: Any, dim: int = -1) -> Any:
    """Log-softmax of log-softmax is log-softmax."""
    t = out.clone().requires_grad_()
    return torch.autograd.grad(torch.log_softmax(t, dim), t, g)[0]


def torch_logsumexp(g: Any, z: Any, output: Any, *, dim: int) -> Any:
    t = z.clone().requires_grad_()
    return torch.autograd.grad(torch.logsumexp(t, dim), t, g)[0]


def by_jacobian(g: Any, out: Any) -> Any:
    """Another way to write it: each row times ``I - 1 s^T``."""
    J = np.eye(out.shape[-1], dtype=out.dtype) - exp(out)[..., None, :]
    return np.einsum("...i,...ij->...j", g, J)


OWN = {
    "log_softmax": lambda g, out, *, axis=-1: g - exp(out) * total(g, axis),
    "softmax": lambda g, s, *, axis=-1: s * (g - total(g * s, axis)),
    "logsumexp": lambda g, z, lse, *, axis=-1: np.expand_dims(g, axis) * exp(z - np.expand_dims(lse, axis)),
}
TORCH = {"log_softmax": torch_log_softmax, "softmax": torch_softmax, "logsumexp": torch_logsumexp}
FUNCTIONS = tuple(OWN)


def name_of(like: Any) -> str:
    return f"{type(like).__module__}-{like.dtype}"


@pytest.mark.parametrize("like", LIKE, ids=name_of)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lsmx_is_right_to_the_bit(function: str, like: Any) -> None:
    found = diagnose(getattr(lsmx, f"{function}_backward"), function=function, like=like)
    assert found.right, str(found)
    assert found.equal_bits
    assert found.inputs == 21  # along every axis, with masks, and hard rows


@pytest.mark.parametrize("like", [x for x in LIKE if isinstance(x, np.ndarray)], ids=name_of)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_plain_formula_is_right_in_every_precision(function: str, like: Any) -> None:
    found = diagnose(OWN[function], function=function, like=like)
    assert found, str(found)
    assert not found.equal_bits
    assert found.inputs == 19
    assert found.worst < 4
    # of the same, without its axis, in a lambda
    last = diagnose(lambda *arrays: OWN[function](*arrays), function=function, like=like)
    assert last, str(last)
    assert last.inputs == 7


@pytest.mark.parametrize("like", [x for x in LIKE if isinstance(x, torch.Tensor)], ids=name_of)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_torch_is_right(function: str, like: Any) -> None:
    found = diagnose(TORCH[function], function=function, like=like)
    assert found, str(found)
    assert found.inputs == 19


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("own", RIGHT, ids=lambda own: f"{own.function}-{own.words}")
def test_right_ones_as_people_write_them(own: Own, dtype: str) -> None:
    found = diagnose(own.rule, function=own.function, saves=own.saves, like=np.zeros((), dtype))
    assert found.right, str(found)
    assert (found.mistake, found.why, found.as_if) == (None, "", "")
    assert found.worst < 4


def test_other_ways_to_write_it_are_right() -> None:
    assert diagnose(by_jacobian)
    assert diagnose(torch_autograd, like=torch.zeros((), dtype=torch.float32))
    assert diagnose(lambda g, z, axis: g - softmax(z, axis) * total(g, axis), saves="z")
    assert diagnose(lambda g, z, out, axis: g - exp(out) * total(g, axis), saves=("z", "output"))
    assert diagnose(lambda g, z, axis: np.expand_dims(g, axis) * softmax(z, axis), saves="z", function="logsumexp")
    strict = diagnose(lsmx.softmax_backward, function="softmax", like=array_api_strict.zeros((), dtype=array_api_strict.float32))
    assert strict, str(strict)
    assert strict.equal_bits


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rules_with_a_context(function: str) -> None:
    rules = lsmx.registered()[function].function
    found = diagnose(rules.backward, function=function, saves=rules.residual)
    assert found.right, str(found)
    assert found.equal_bits

    class Mine:
        @staticmethod
        def backward(ctx: Any, grad_output: Any) -> Any:
            return grad_output * (1 - exp(ctx.saved_tensors[0]))

    assert diagnose(Mine.backward).mistake == "row sum missing"


# --- wrong ones -----------------------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, str, Gradient]] = [
    ("log_softmax", "row sum missing", lambda g, out: g * (1 - exp(out))),
    ("log_softmax", "row sum missing", lambda g, out: g - exp(out)),
    ("log_softmax", "row sum missing", lambda g, out, axis: g - exp(out) * g),
    ("log_softmax", "softmax's rule", lambda g, out: exp(out) * (g - total(g * exp(out)))),
    ("log_softmax", "softmax's rule", lambda g, out, axis: g - exp(out) * total(g * exp(out), axis)),
    ("log_softmax", "JVP in place of VJP", lambda g, out, axis: g - total(g * exp(out), axis)),
    ("log_softmax", "sum over the wrong axis", lambda g, out: g - exp(out) * total(g, 0)),
    ("log_softmax", "sum over the wrong axis", lambda g, out: g - exp(out) * total(g, 1)),  # right for matrices
    ("log_softmax", "sum over the wrong axis", lambda g, out: g - exp(out) * g.sum()),
    ("log_softmax", "sum over the wrong axis", lambda g, out, axis: g - exp(out) * total(g)),
    ("log_softmax", "keepdims lost", lambda g, out: g - exp(out) * g.sum(axis=-1)),
    ("log_softmax", "keepdims lost", lambda g, out, axis: g - exp(out) * g.sum(axis=axis)),
    ("log_softmax", "keepdims lost", lambda g, out: g - exp(out) * g.sum(axis=-1)[:, None]),
    ("log_softmax", "keepdims lost", lambda g, out, axis: g - exp(out) * g.sum(axis=axis)[..., None]),
    ("log_softmax", "exp missing", lambda g, out, axis: g - out * total(g, axis)),
    ("log_softmax", "sign", lambda g, out, axis: g + exp(out) * total(g, axis)),
    ("log_softmax", "sign", lambda g, out: exp(out) * total(g) - g),
    ("log_softmax", "mean in place of sum", lambda g, out: g - exp(out) * g.mean(axis=-1, keepdims=True)),
    ("log_softmax", "mean in place of sum", lambda g, out, axis: g - exp(out) * g.mean(axis=axis, keepdims=True)),
    ("log_softmax", "divided by the batch", lambda g, out: (g - exp(out) * total(g)) / len(g)),
    ("log_softmax", "cotangent ignored", lambda g, out, axis: 1 - out.shape[axis] * exp(out)),
    ("softmax", "row sum missing", lambda g, s: g * s * (1 - s)),
    ("softmax", "row sum missing", lambda g, s, axis: s * g),
    ("softmax", "log-softmax's rule", lambda g, s, axis: g - s * total(g, axis)),
    ("softmax", "log-softmax's rule", lambda g, s: s * (g - total(g))),
    ("softmax", "factor s missing", lambda g, s, axis: g - total(g * s, axis)),
    ("softmax", "sum over the wrong axis", lambda g, s: s * (g - total(g * s, 0))),
    ("softmax", "sum over the wrong axis", lambda g, s: s * (g - total(g * s, 1))),
    ("softmax", "sum over the wrong axis", lambda g, s, axis: s * (g - total(g * s, None))),
    ("softmax", "keepdims lost", lambda g, s: s * (g - (g * s).sum(axis=-1))),
    ("softmax", "keepdims lost", lambda g, s, axis: s * (g - (g * s).sum(axis=axis))),
    ("softmax", "output taken for the logits", lambda g, s: softmax(s) * (g - total(g * softmax(s)))),
    ("softmax", "output taken for the logits", lambda g, s, axis: exp(s) * (g - total(g * exp(s), axis))),
    ("softmax", "sign", lambda g, s: s * (g + total(g * s))),
    ("softmax", "sign", lambda g, s, axis: s * (total(g * s, axis) - g)),
    ("softmax", "mean in place of sum", lambda g, s, axis: s * (g - (g * s).mean(axis=axis, keepdims=True))),
    ("softmax", "divided by the batch", lambda g, s: s * (g - total(g * s)) / s.shape[0]),
    ("softmax", "cotangent ignored", lambda g, s: s * (1 - s)),
    ("logsumexp", "logits taken for the output", lambda g, z, lse, axis: np.expand_dims(g, axis) * exp(z)),
    ("logsumexp", "exp missing", lambda g, z, lse: g[..., None] * (z - lse[..., None])),
    ("logsumexp", "row sum missing", lambda g, z, lse: g[..., None] * exp(z - z.max(axis=-1, keepdims=True))),
    ("logsumexp", "keepdims lost", lambda g, z, lse: g * exp(z - lse)),
    ("logsumexp", "keepdims lost", lambda g, z, lse, axis: g * exp(z - lse)),
    ("logsumexp", "keepdims lost", lambda g, z, lse: g[:, None] * exp(z - lse[:, None])),  # right for matrices
    ("logsumexp", "keepdims lost", lambda g, z, lse, axis: g[..., None] * exp(z - lse[..., None])),
    ("logsumexp", "keepdims lost", lambda g, z, lse: g * exp(z - lse[..., None])),
    ("logsumexp", "keepdims lost", lambda g, z, lse: g[..., None] * exp(z - lse)),
    ("logsumexp", "sum over the wrong axis", lambda g, z, lse: g[..., None] * softmax(z, 0)),
    ("logsumexp", "sum over the wrong axis", lambda g, z, lse, axis: np.expand_dims(g, axis) * softmax(z, -1)),
    ("logsumexp", "sign", lambda g, z, lse: -g[..., None] * exp(z - lse[..., None])),
    ("logsumexp", "sign", lambda g, z, lse: g[..., None] * exp(lse[..., None] - z)),
    ("logsumexp", "mean in place of sum", lambda g, z, lse: g[..., None] * softmax(z) * z.shape[-1]),
    ("logsumexp", "mean in place of sum", lambda g, z, lse, axis: np.expand_dims(g, axis) * softmax(z, axis) / z.shape[axis]),
    ("logsumexp", "log-softmax's rule", lambda g, z, lse: g[..., None] * (1 - softmax(z))),
    ("logsumexp", "softmax's rule", lambda g, z, lse: g[..., None] * softmax(z) * (1 - softmax(z))),
    ("logsumexp", "divided by the batch", lambda g, z, lse: g[..., None] * softmax(z) / len(g)),
    ("logsumexp", "cotangent ignored", lambda g, z, lse: softmax(z)),
]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("function", "name", "backward"), WRONG)
def test_a_mistake_is_called_by_its_name(function: str, name: str, backward: Gradient, dtype: str) -> None:
    found = diagnose(backward, function=function, like=np.zeros((), dtype))
    assert (found.right, found.mistake) == (False, name), str(found)
    assert "; ".join(found.correct.splitlines()) in str(found)
    assert found.as_if != found.correct
    assert "; ".join(found.as_if.splitlines()) in str(found)
    assert found.index is not None
    assert f"first difference at {found.index}: yours is {found.got:.8g}, right is {found.want:.8g}" in str(found)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    ("name", "backward"),
    [
        ("row sum missing", lambda g, out: g * (1 - out.exp())),
        ("softmax's rule", lambda g, out: out.exp() * (g - (g * out.exp()).sum(-1, keepdim=True))),
        ("sum over the wrong axis", lambda g, out, dim: g - out.exp() * g.sum(-1, keepdim=True)),
        ("keepdims lost", lambda g, out, dim: g - out.exp() * g.sum(dim)),
        ("sign", lambda g, out, dim: g + out.exp() * g.sum(dim, keepdim=True)),
        ("mean in place of sum", lambda g, out, axis: g - out.exp() * g.mean(axis, keepdim=True)),
    ],
)
def test_a_mistake_in_torch(name: str, backward: Gradient, dtype: str) -> None:
    found = diagnose(backward, like=torch.zeros((), dtype=getattr(torch, dtype)))
    assert found.mistake == name, str(found)


@pytest.mark.one_in(12, slow=3)
@pytest.mark.parametrize("own", OWN_WRONG, ids=lambda own: f"{own.function}-{own.words}")
def test_wrong_ones_as_people_write_them(own: Own) -> None:
    found = diagnose(own.rule, function=own.function, saves=own.saves)
    assert not found
    assert found.mistake, str(found)
    assert own.words in f"{found.mistake}. {found.why}", str(found)
    assert found.why.endswith(".")


def test_enough_of_them() -> None:
    assert len({own.rule for own in OWN_WRONG}) >= 250
    assert len({own.rule for own in RIGHT}) >= 45


SAVED_LOGITS = [
    ("logits taken for the output", "log_softmax", lambda g, z: g - exp(z) * total(g)),
    ("logits taken for the output", "log_softmax", lambda g, z, axis: g - exp(z) * total(g, axis)),
    ("logits taken for the output", "log_softmax", lambda g, z: g - z * total(g)),
    ("logits taken for the output", "softmax", lambda g, z: z * (g - total(g * z))),
    ("logits taken for the output", "softmax", lambda g, z: exp(z) * (g - total(g * exp(z)))),
    ("logits taken for the output", "logsumexp", lambda g, z: g[..., None] * exp(z)),
    ("keepdims lost", "log_softmax", lambda g, z: g - exp(z) / exp(z).sum(axis=-1) * total(g)),
    (
        "row sum missing",
        "softmax",
        lambda g, z: exp(z - z.max(-1, keepdims=True)) * (g - total(g * exp(z - z.max(-1, keepdims=True)))),
    ),
    ("sum over the wrong axis", "log_softmax", lambda g, z: g - softmax(z, 0) * total(g)),
    ("row sum missing", "log_softmax", lambda g, z, axis: g * (1 - softmax(z, axis))),
]


@pytest.mark.parametrize(("name", "function", "backward"), SAVED_LOGITS)
def test_mistakes_of_gradients_that_are_given_the_logits(name: str, function: str, backward: Gradient) -> None:
    found = diagnose(backward, function=function, saves="z")
    assert found.mistake == name, str(found)
    assert "softmax(z, axis)" in found.correct


def test_logits_taken_for_the_output_with_both_at_hand() -> None:
    found = diagnose(lambda g, z, out, axis: g - exp(z) * total(g, axis), saves=("z", "output"))
    assert found.mistake == "logits taken for the output", str(found)
    assert (found.as_if, found.correct) == tuple(
        f"s = np.exp({x})\ndz = g - s * np.sum(g, axis=axis, keepdims=True)" for x in ("z", "out")
    )


def test_an_argument_called_like_the_logits_is_remarked_on() -> None:
    found = diagnose(lambda g, z: g - exp(z) * total(g))
    assert found.right  # it was given the output
    assert 'ask again with saves="z"' in str(found)
    assert diagnose(OWN["log_softmax"]).notes == ()


@pytest.mark.parametrize(
    ("name", "function", "backward"),
    [
        ("sign and mean in place of sum", "log_softmax", lambda g, out: exp(out) * g.mean(axis=-1, keepdims=True) - g),
        ("mean in place of sum and keepdims lost", "log_softmax", lambda g, out, axis: g - exp(out) * g.mean(axis=axis)),
        ("sum over the wrong axis and keepdims lost", "softmax", lambda g, s: s * (g - (g * s).sum(axis=1))),
    ],
)
def test_two_mistakes_together(name: str, function: str, backward: Gradient) -> None:
    found = diagnose(backward, function=function)
    assert sorted((found.mistake or "").split(" and ")) == sorted(name.split(" and ")), str(found)
    assert found.as_if.count("\n") == 1  # both are in the lines that it prints


@pytest.mark.parametrize(
    ("names", "last", "backward"),
    [
        ("exp missing and row sum missing and sign", "dz = -1 * dz", lambda g, out: g * (out - 1)),
        (
            "divided by the batch and exp missing and keepdims lost",
            "dz = 1 / s.shape[0] * dz",
            lambda g, out: (g - out * g.sum(-1)) / len(g),
        ),
        (
            "mean in place of sum and scale and sum over the wrong axis",
            "dz = 3 * dz",
            lambda g, out: 3 * (g - exp(out) * g.mean(0)),
        ),
        ("divided by the batch and sign", "dz = -1 / s.shape[0] * dz", lambda g, out: (exp(out) * total(g) - g) / len(g)),
        ("scale and sum over the wrong axis", "dz = 2 * dz", lambda g, out: 2 * (g - exp(out) * g.sum())),
        ("scale", "dz = 1 / 2 * dz", lambda g, out: (g - exp(out) * total(g)) / 2),
        ("scale", "dz = 0.7182818 * dz", lambda g, out: 0.7182818 * (g - exp(out) * total(g))),
        ("another base", "dz = 1 / np.log(2) * dz", lambda g, out: (g - exp(out) * total(g)) / np.log(2)),
        (
            "scaled by the row's length",
            "dz = 1 / np.sqrt(s.shape[axis]) * dz",
            lambda g, out: OWN["log_softmax"](g, out) / np.sqrt(out.shape[-1]),
        ),
    ],
)
def test_a_factor_of_all_of_it(names: str, last: str, backward: Gradient) -> None:
    found = diagnose(backward)
    assert found.mistake == names, str(found)
    assert found.as_if.splitlines()[-1] == last


# --- cross-entropy --------------------------------------------------------------------------------------------------------------


def test_what_a_rule_with_targets_is_read_as() -> None:
    by_name = {
        "z": lambda g, z, target: g[:, None] * less_one(softmax(z), target),
        "output": lambda g, log_probs, target: g[:, None] * less_one(exp(log_probs), target),
        "softmax": lambda g, probs, target: g[:, None] * less_one(probs, target),
    }
    lines = {"z": "softmax(z, axis)", "output": "np.exp(out)", "softmax": "p"}
    for saves, rule in by_name.items():
        for found in (diagnose(rule, function="cross_entropy"), diagnose(rule, function="cross_entropy", saves=saves)):
            assert found.right, str(found)
            assert found.notes == ()
            assert found.correct.startswith(f"s = {lines[saves]}\ny = onehot(target, s.shape[axis], axis)\ndz = ")
            assert found.inputs == 6
    one_hot = diagnose(lambda g, z, y: g[:, None] * (softmax(z) - y), function="cross_entropy")
    assert one_hot.right
    assert one_hot.notes == ("it is read as taking one-hot targets, not class numbers",)
    assert one_hot.correct == "s = softmax(z, axis)\ny = target\ndz = np.expand_dims(g, axis) * (s - y)"
    calls: list[str] = []

    def subtracted(g: Any, z: Any, y: Any) -> Any:
        calls.append(y.dtype.kind)
        return g[:, None] * (y - softmax(z))

    found = diagnose(subtracted, function="cross_entropy")
    assert found.as_if == "s = softmax(z, axis)\ny = target\ndz = np.expand_dims(g, axis) * (y - s)"
    assert calls.count("i") == 3  # that it raises on class numbers is enough
    called = diagnose(lambda g, z, y: g[:, None] * (exp(z) - y), function="cross_entropy", saves="output")
    assert "its argument z was given the log-probabilities" in str(called)


@pytest.mark.parametrize("like", LIKE, ids=name_of)
def test_cross_entropy_has_its_own_bits(like: Any) -> None:
    def backward(g: Any, log_probs: Any, y: Any) -> Any:
        return lsmx.log_softmax_backward(-g[:, None] * y, log_probs)

    found = diagnose(backward, function="cross_entropy", like=like)
    assert found.right, str(found)
    found = diagnose(lambda *x: lsmx.cross_entropy_backward(*x, reduction="none"), function="cross_entropy", like=like)
    assert found.right, str(found)
    assert found.equal_bits


@pytest.mark.slow
def test_cross_entropy_in_torch_and_jax() -> None:
    def in_torch(ctx: Any, g: Any) -> Any:
        z, target = ctx.saved_tensors
        s = torch.softmax(z, -1)
        s[torch.arange(len(target)), target] -= 1
        return (g[:, None] * s, None) if ctx.needs_input_grad[0] else (None, None)

    def in_jax(g: Any, logits: Any, labels: Any) -> Any:
        return g[:, None] * (jax.nn.softmax(logits) - jax.nn.one_hot(labels + 1, logits.shape[-1]))

    def with_one_hot(g: Any, logits: Any, labels: Any) -> Any:
        return g[:, None] * (torch.softmax(logits, -1) - torch.nn.functional.one_hot(labels, logits.shape[-1]))

    found = diagnose(with_one_hot, function="cross_entropy", like=torch.zeros(()))
    assert (found.right, found.notes) == (True, ()), str(found)
    for dtype in (torch.float64, torch.bfloat16):
        found = diagnose(in_torch, function="cross_entropy", like=torch.zeros((), dtype=dtype))
        assert found.right, str(found)
        found = diagnose(lambda ctx, g: (-in_torch(ctx, g)[0], None), function="cross_entropy", like=torch.zeros((), dtype=dtype))
        assert found.mistake == "sign", str(found)
    found = diagnose(in_jax, function="cross_entropy", like=jax.numpy.zeros((), "float32"))
    assert found.mistake == "target off by one", str(found)
    assert "onehot(target + 1, s.shape[axis], axis)" in found.as_if


# --- what is kept between calls --------------------------------------------------------------------------------------------------


class Kept:
    """Rules that are right once."""

    def __init__(self, *first: Any) -> None:
        self.old: Any = first[0] if first else None
        self.by_shape: dict[Any, Any] = {}
        self.drawn = iter(range(10**6))

    def first_output(self, g: Any, out: Any) -> Any:
        self.old = out if self.old is None else self.old
        return g - exp(self.old) * total(g)

    def first_output_of_the_shape(self, g: Any, out: Any) -> Any:
        return g - exp(self.by_shape.setdefault(out.shape, out)) * total(g)

    def output_of_the_call_before(self, g: Any, out: Any) -> Any:
        old = self.by_shape.get(out.shape, out)
        self.by_shape[out.shape] = out
        return g - exp(old) * total(g)

    def first_output_along_an_axis(self, g: Any, out: Any, axis: int) -> Any:
        return g - exp(self.by_shape.setdefault(out.shape, out)) * total(g, axis)

    def first_cotangent(self, g: Any, out: Any) -> Any:
        g = self.by_shape.setdefault(g.shape, g)
        return g - exp(out) * total(g)

    def first_gradient(self, g: Any, out: Any) -> Any:
        return self.by_shape.setdefault(g.shape, g - exp(out) * total(g))

    def added_up(self, g: Any, out: Any) -> Any:
        self.by_shape[g.shape] = self.by_shape.get(g.shape, 0) + g - exp(out) * total(g)
        return self.by_shape[g.shape]

    def added_up_whatever_the_shape(self, g: Any, out: Any) -> Any:
        self.old = (0 if self.old is None else self.old) + g - exp(out) * total(g)
        return self.old

    def drops_out(self, g: Any, out: Any) -> Any:
        return (g - exp(out) * total(g)) * (np.arange(g.shape[-1]) != next(self.drawn) % 3)


@pytest.mark.parametrize(
    ("name", "as_if", "backward"),
    [
        ("stale output", "out = earlier_out", Kept().first_output),
        ("stale output", "out = earlier_out", Kept().first_output_of_the_shape),
        ("stale output", "out = earlier_out", Kept().output_of_the_call_before),
        ("stale output", "out = earlier_out", Kept().first_output_along_an_axis),
        ("stale cotangent", "g = earlier_g", Kept().first_cotangent),
        ("stale gradient", "dz = earlier_dz", Kept().first_gradient),
        ("gradient accumulated", " + earlier_dz", Kept().added_up),
        ("gradient accumulated", " + earlier_dz", Kept().added_up_whatever_the_shape),
        ("not the same twice", "", Kept().drops_out),
    ],
)
def test_what_is_kept_between_calls(name: str, as_if: str, backward: Gradient) -> None:
    found = diagnose(backward)
    assert found.mistake == name, str(found)
    assert as_if in found.as_if
    assert "call" in found.why


def test_a_stale_target() -> None:
    kept_targets: dict[Any, Any] = {}

    def backward(g: Any, z: Any, target: Any) -> Any:
        return g[:, None] * less_one(softmax(z), kept_targets.setdefault(z.shape, target))

    found = diagnose(backward, function="cross_entropy")
    assert found.mistake == "stale target", str(found)


# --- masks ----------------------------------------------------------------------------------------------------------------------


LEAKING = [
    ("log_softmax", lambda g, out, axis=-1, where=None: g - exp(out) * total(g, axis)),
    ("log_softmax", lambda g, out, axis=-1, where=True: kept(g - exp(out) * total(g, axis), where)),
    ("log_softmax", lambda g, out, axis=-1, where=True: g - exp(out) * total(kept(g, where), axis)),
    ("log_softmax", lambda g, out, axis=-1, where=True: kept(g - exp(out) * total(g * where, axis), where)),  # 0 times NaN
    ("softmax", lambda g, s, axis=-1, where=True: s * (g - total(g * s, axis))),  # 0 times NaN
    ("logsumexp", lambda g, z, lse, axis=-1, where=True: OWN["logsumexp"](g, z, lse, axis=axis)),
    ("logsumexp", lambda g, z, lse, axis=-1, where=True: OWN["logsumexp"](g, z, lse, axis=axis) * where),  # 0 times NaN
]


@pytest.mark.parametrize(("function", "backward"), LEAKING)
def test_masked_entries_that_leak(function: str, backward: Gradient) -> None:
    found = diagnose(backward, function=function)
    assert found.mistake == "masked entries leak", str(found)
    assert "masked" in found.probe
    assert "np.where(where, dz, 0)" in found.correct


def mean_of_kept(g: Any, out: Any, where: Any) -> Any:
    """The mean of what is kept, times the length of the row."""
    g = kept(g, where)
    return kept(g - exp(out) * total(g) / total(where) * g.shape[-1], where)


MASKING = [
    ("masked entries leak", "exp(0) is 1", lambda g, z, where=True: kept(g - softmax(z * where) * total(kept(g, where)), where)),
    ("masked entries leak", "no part", lambda g, z, where=True: kept(g - softmax(z) * total(kept(g, where)), where)),
    ("masked entries leak", "in the sum", lambda g, out, mask=True: kept(g - exp(out) * total(g), mask)),
    ("masked entries leak", "gradient 0", lambda g, out, mask: np.where(mask, g - exp(out) * total(kept(g, mask)), np.nan)),
    ("mask inverted", "for what is kept", lambda g, out, mask: kept(g - exp(out) * total(kept(g, ~mask)), ~mask)),
    ("mask inverted", "sum is over that", lambda g, out, where: kept(g - exp(out) * total(kept(g, ~where)), where)),
    ("mean in place of sum", "whatever is masked", mean_of_kept),
    ("row sum missing", "diagonal", lambda g, out, where: kept(g * (1 - exp(out)), where)),
]


@pytest.mark.parametrize(("name", "words", "backward"), MASKING)
def test_other_mistakes_with_masks(name: str, words: str, backward: Gradient) -> None:
    found = diagnose(backward, saves="z" if "z" in inspect.signature(backward).parameters else None)
    assert found.mistake == name, str(found)
    assert words in found.why


def test_masks_that_hold() -> None:
    def backward(g: Any, out: Any, *, axis: int = -1, where: Any = True) -> Any:
        g = kept(g, where)
        return kept(g - exp(out) * total(g, axis), where)

    assert diagnose(backward).inputs == 21
    assert diagnose(backward)


# --- what else a function may do ------------------------------------------------------------------------------------------------


def test_none_of_the_known_mistakes() -> None:
    found = diagnose(lambda g, out: 1.25 * g - exp(out) * total(g))
    assert (found.right, found.mistake, found.as_if) == (False, None, "")
    assert "none of the known mistakes" in str(found)
    assert found.why
    assert found.index == (0, 0)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("own", OWN_UNKNOWN, ids=lambda own: own.words)
def test_where_and_by_how_much_an_unknown_one_is_off(own: Own) -> None:
    found = diagnose(own.rule, function=own.function)
    assert (found.right, found.mistake, found.as_if) == (False, None, "")
    assert found.why.startswith("It is off ")
    assert own.words in found.why, found.why
    assert found.why in str(found)


def test_an_exception_is_told() -> None:
    found = diagnose(lambda g, out: g @ out @ g.missing)
    assert found.mistake == "an exception"
    assert "It raises" in found.why
    assert "on logits of shape (5, 7), axis=-1" in found.why


def test_an_exception_beside_a_mistake() -> None:
    def matrices(g: Any, out: Any) -> Any:
        rows, _ = g.shape
        return g[:rows] * (1 - exp(out))

    found = diagnose(matrices)
    assert found.mistake == "row sum missing", str(found)
    assert "too many values to unpack" in found.notes[0]
    found = diagnose(lambda g, out: OWN["log_softmax"](g.reshape(5, 7), out), shapes=[(5, 7), (7, 5)])
    assert found.mistake == "an exception"
    assert "(7, 5)" in found.why
    assert diagnose(lambda g, out: g - np.einsum("ij,i->ij", exp(out), g.sum(-1)), shapes=[(5, 7)])


@pytest.mark.parametrize(
    ("name", "backward", "reason"),
    [
        ("wrong shape", lambda g, out: g.sum(axis=-1), "It returns shape (5,) for logits of shape (5, 7)."),
        ("wrong shape", lambda g, out: OWN["log_softmax"](g, out)[None], "It returns shape (1, 5, 7) for"),
        ("wrong dtype", lambda g, out: OWN["log_softmax"](g, out).astype("float32"), "It returns float32 for logits of float64."),
        ("wrong dtype", lambda g, out: OWN["log_softmax"](g, out).astype("complex128"), "It returns complex128 for"),
        ("no gradient", lambda g, out: (OWN["log_softmax"](g, out),), "It returns a tuple, not an array"),
        ("no gradient", lambda g, out: None, "It returns None, not an array"),
        ("no gradient", lambda g, out: torch.from_numpy(OWN["log_softmax"](g, out)), "torch.Tensor for a numpy.ndarray"),
    ],
)
def test_results_that_are_no_gradient(name: str, backward: Gradient, reason: str) -> None:
    found = diagnose(backward)
    assert (found.right, found.mistake) == (False, name), str(found)
    assert reason in found.why


def test_harm_to_inputs_is_told() -> None:
    def harmful(g: Any, out: Any) -> Any:
        np.exp(out, out=out)
        return g - out * total(g)

    found = diagnose(harmful)
    assert (found.right, found.mistake) == (False, "inputs changed")
    assert "It changes output in place" in found.why

    def doubly(g: Any, out: Any) -> Any:
        g *= 1 - exp(out)
        return g

    found = diagnose(doubly)
    assert found.mistake == "row sum missing"
    assert any("changes grad_output in place" in note for note in found.notes)


@pytest.mark.parametrize(
    ("hard_rows", "function", "saves", "backward"),
    [
        ("logits of -inf", "log_softmax", None, lambda g, out: OWN["log_softmax"](g, out) + 0 * out),
        ("logits of -inf", "softmax", None, lambda g, s: OWN["softmax"](np.log(s) * 0 + g, s)),
        ("large logits", "log_softmax", "z", lambda g, z: g - exp(z) / total(exp(z)) * total(g)),
    ],
)
def test_right_on_paper_only(hard_rows: str, function: str, saves: Any, backward: Gradient) -> None:
    found = diagnose(backward, function=function, saves=saves)
    assert found.mistake == f"not safe with {hard_rows}", str(found)
    assert np.isnan(found.got)


def test_overflow_in_float16() -> None:
    found = diagnose(lambda g, z: g - exp(z) / total(exp(z)) * total(g), saves="z", like=np.zeros((), "float16"))
    assert found.mistake == "not safe with one logit that leads by far"
    assert "exp may overflow" in found.why


# --- the table ------------------------------------------------------------------------------------------------------------------


def planted(answers: list[Answer], lines: str) -> list[Answer]:
    """The answers of a candidate that runs ``lines`` exactly and rounds the result to its dtype."""
    results = [(answer, evaluate_lines(lines, answer.given)) for answer in answers]
    return [
        replace(a, got=None, raised=str(dz)) if isinstance(dz, Exception) else replace(a, got=quantise(dz, a.dtype))
        for a, dz in results
    ]


TABLES = [(f, saves, one_hot) for f in MISTAKES for saves in RESIDUALS[f] for one_hot in {False, f in OF_CLASSES}]


@pytest.mark.one_in(10, slow=3)
@pytest.mark.parametrize(("axes", "dtype"), [(True, "bfloat16"), (False, "float64")])
@pytest.mark.parametrize(("function", "saves", "one_hot"), TABLES)
def test_the_probes_tell_all_mistakes_apart(function: str, saves: tuple[str, ...], one_hot: bool, dtype: str, axes: bool) -> None:
    right = correct(function, saves, one_hot=one_hot)
    like = torch.zeros((), dtype=getattr(torch, dtype))
    candidate = Candidate.of(lambda g, *saved, **_: g, function, like, saves, one_hot)
    shapes = MATRICES if function in OF_CLASSES else SHAPES
    answers = [candidate.answer(p) for p in ordinary(shapes, axes, candidate.reduces)]
    assert all(a.right for a in planted(answers, right))
    for mistake in MISTAKES[function]:
        lines = right.replace(mistake.right, mistake.wrong)
        if lines == right or ("np.exp(z)" in lines and "z" not in saves):
            continue  # is about something that is not in these lines, or not at hand
        if dtype == "bfloat16" and "2.718" in mistake.wrong:
            continue  # is e, in so few digits
        wrong = planted(answers, lines)
        if not axes and all(a.right for a in wrong):
            matrices = ("1", "[:, None]") if function in OF_CLASSES else ("-1", "[..., None]")
            assert any(last in mistake.wrong for last in (*matrices, "[..., None]")), mistake  # it is right along the last axis
            continue
        assert not all(a.right for a in wrong), mistake
        assert explanation(right, wrong, MISTAKES[function])[0] == mistake.name, mistake


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_mistake_is_written_twice(function: str) -> None:
    edits = [(m.right, m.wrong) for m in MISTAKES[function]]
    assert len(set(edits)) == len(edits)
    for saves in RESIDUALS[function]:
        lines = [correct(function, saves).replace(right, wrong) for right, wrong in edits]
        changed = [text for text in lines if text != correct(function, saves)]
        assert len(set(changed)) == len(changed)


def test_every_mistake_has_a_sentence() -> None:
    for mistake in (*(m for table in MISTAKES.values() for m in table), *LEAKS, *UNSAFE):
        assert mistake.why.endswith((".", "?")), mistake
        assert mistake.name[0].islower() or mistake.name[0] in "1J", mistake
        assert " and " not in mistake.name, mistake  # which joins two of them
        assert " or " not in mistake.name, mistake


def test_every_leak_is_an_edit_of_some_correct_lines() -> None:
    lines = [correct(function, saves, masked=True) for function in MISTAKES for saves in RESIDUALS[function]]
    assert all(any(m.right in text for text in lines) for m in LEAKS)
    lines = [correct(function, saves) for function in MISTAKES for saves in RESIDUALS[function]]
    assert all(any(m.right in text for text in lines) for m in UNSAFE)


def test_squares_have_targets_of_the_first_and_the_last_class() -> None:
    for probe in ordinary(MATRICES, True, True):
        rows, n = np.delete(probe.z.shape, probe.axis), probe.z.shape[probe.axis]
        assert probe.target.shape == tuple(rows)
        assert ({0, n - 1} <= set(probe.target.flat)) == (probe.z.shape == (6, 6))
        assert ((probe.target >= 0) & (probe.target < n)).all()


def test_cotangents_hide_nothing() -> None:
    for reduces in (False, True):
        for probe in [*ordinary(SHAPES, True, reduces), *masked(reduces)[:1]]:
            assert probe.g.shape == (probe.z.sum(axis=probe.axis).shape if reduces else probe.z.shape)
            assert np.ptp(probe.g) > 0.5
            assert reduces or (np.abs(probe.g.sum(axis=probe.axis)) > 0.01).all()


@pytest.mark.parametrize(
    ("error", "options", "reason"),
    [
        (ValueError, {"function": "sofmax"}, "^function: 'sofmax' is not one of log_softmax, softmax, logsumexp, cross_entropy"),
        (ValueError, {"saves": "logits"}, r"^saves: 'logits', but the gradient of log_softmax is made from one of \('output',\)"),
        (ValueError, {"saves": "output", "function": "logsumexp"}, "^saves: 'output', but"),
        (ValueError, {"shapes": [(5,)]}, r"^shapes: \[\(5,\)\]"),
        (ValueError, {"shapes": []}, "^shapes: "),
        (TypeError, {"like": 3.0}, "^like: .*not an array"),
        (TypeError, {"like": np.zeros((), int)}, "^like: dtype int64 is not one of"),
    ],
)
def test_bad_arguments(error: type[Exception], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(error, match=reason):
        diagnose(lambda g, out: g, **options)


def test_what_is_not_callable() -> None:
    with pytest.raises(TypeError, match=r"^backward: 3 is not callable"):
        diagnose(3)  # type: ignore[arg-type]


def test_a_diagnosis_is_a_frozen_record() -> None:
    found = diagnose(OWN["log_softmax"])
    assert isinstance(found, Diagnosis)
    with pytest.raises(AttributeError):
        found.right = False  # type: ignore[misc]
    assert (
        str(found) == f"gradient of log_softmax: right on 19 inputs, at most {found.worst:.1f} ulp off, not with the bits of lsmx"
    )
    assert set(EPS_AND_TINY) == set(DTYPES)
