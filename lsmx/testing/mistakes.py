"""The known mistakes, as edits of the correct lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsmx.testing.gradients import (
    KEPT_G,
    KEPT_Z,
    LSE,
    MASK_DZ,
    OF_LOGITS,
    PROBABILITIES,
    RESIDUALS,
    RULES,
    SUM_GS,
    G,
    correct,
)

PUT_BACK = (
    "The axis is put back in one fixed place, which is right for one axis only; keepdims=True, or expand_dims, is right for all."
)


@dataclass(frozen=True)
class Mistake:
    """An edit of the correct lines: ``wrong`` in place of ``right``, wherever that stands."""

    name: str
    right: str
    wrong: str
    why: str


def _whole(function: str, name: str, why: str, *rules: str) -> list[Mistake]:
    """Another rule in place of the whole one."""
    return [Mistake(name, RULES[function], rule, why) for rule in rules]


def _shared(function: str) -> Iterator[Mistake]:
    """What goes wrong in every one of the rules."""
    rule = RULES[function]
    yield from (
        Mistake(
            "sum over the wrong axis", "axis=axis", f"axis={k}", "The sum runs along the axis of the forward pass, for any axis."
        )
        for k in (-1, 0, 1, -2, None)
    )
    yield from (
        Mistake("sum over the wrong axis", OF_LOGITS, f"softmax(z, {k})", "The probabilities are those of the forward pass's axis.")
        for k in (-1, 0, 1, -2, None)
    )
    lost = "Without keepdims=True the sum of a row meets the wrong axis: an error, or in square arrays wrong values in silence."
    yield Mistake("keepdims lost", ", keepdims=True", "", lost)
    yield from (Mistake("keepdims lost", ", keepdims=True)", f"){place}", PUT_BACK) for place in ("[..., None]", "[:, None]"))
    yield Mistake("keepdims lost", OF_LOGITS, "np.exp(z) / np.sum(np.exp(z), axis=axis)", lost)
    yield Mistake("sign", rule, f"-({rule})", "The whole gradient has the other sign.")
    yield Mistake("mean in place of sum", "np.sum(", "np.mean(", "The rule has the sum of the row, whatever its length.")
    logits = "exp is taken of the logits, which are not normalised: exp(out) is a probability, exp(z) is none."
    yield from (Mistake("logits taken for the output", s, "np.exp(z)", logits) for s in (PROBABILITIES["log_softmax"], OF_LOGITS))
    yield Mistake("logits taken for the output", OF_LOGITS, "z", "The saved logits are used as if they were the probabilities.")
    yield Mistake(
        "row sum missing",
        OF_LOGITS,
        "np.exp(z - np.max(z, axis=axis, keepdims=True))",
        "Probabilities are divided by their row's sum.",
    )
    yield from _whole(
        function,
        "divided by the batch",
        "A mean over the batch is the loss's own, and is in g already.",
        f"({rule}) / s.shape[0]",
        f"({rule}) / s.size",
    )


def _log_softmax() -> Iterator[Mistake]:
    f = "log_softmax"
    yield from _whole(
        f,
        "row sum missing",
        "That is the diagonal of the Jacobian I - 1 s^T: every logit moves all outputs of its row.",
        "g * (1 - s)",
    )
    yield from _whole(f, "row sum missing", "s is to be multiplied by the sum of the row of g.", "g - s")
    yield from _whole(f, "softmax's rule", "That is the gradient of softmax, S - s s^T.", RULES["softmax"])
    yield Mistake("softmax's rule", "np.sum(g,", "np.sum(g * s,", "The sum of g * s is of softmax's rule; here it is that of g.")
    yield from _whole(
        f,
        "JVP in place of VJP",
        "That is the Jacobian times g, which is for forward mode; a gradient is g times the Jacobian.",
        f"g - {SUM_GS}",
    )
    yield Mistake("sign", "g - s", "g + s", "The second term is subtracted.")
    yield Mistake("exp missing", "s = np.exp(out)", "s = out", "out is the logarithm of the probabilities.")
    yield from _whole(f, "cotangent ignored", "That is the gradient for a g of ones only.", "1 - s * s.shape[axis]", "1 - s")


def _softmax() -> Iterator[Mistake]:
    f = "softmax"
    yield from _whole(
        f,
        "row sum missing",
        "That is the diagonal of the Jacobian S - s s^T: every logit moves all outputs of its row.",
        "g * s * (1 - s)",
    )
    yield from _whole(f, "row sum missing", "The sum of the row of g * s is to be subtracted from g.", "g * s")
    yield from _whole(f, "log-softmax's rule", "That is the gradient of log-softmax, I - 1 s^T.", RULES["log_softmax"])
    yield Mistake(
        "log-softmax's rule", "np.sum(g * s,", "np.sum(g,", "The sum of g is of log-softmax's rule; here it is that of g * s."
    )
    yield from _whole(f, "factor s missing", "s times all of it: d exp(z) is exp(z).", f"g - {SUM_GS}")
    yield Mistake("sign", "(g - ", "(g + ", "The sum is subtracted.")
    yield Mistake("output taken for the logits", "s = out", "s = softmax(out, axis)", "out is softmax already.")
    yield Mistake("output taken for the logits", "s = out", "s = np.exp(out)", "out is the probabilities, not their logarithm.")
    yield from _whole(f, "cotangent ignored", "g does not appear in it.", "s * (1 - s)")


def _logsumexp() -> Iterator[Mistake]:
    f, exponent = "logsumexp", f"z - {LSE}"
    yield Mistake(
        "logits taken for the output", f"np.exp({exponent})", "np.exp(z)", "exp(z) is no probability before lse is subtracted."
    )
    yield Mistake("exp missing", f"np.exp({exponent})", exponent, "z - lse is the logarithm of the probabilities.")
    yield Mistake("sign", exponent, f"{LSE} - z", "The logarithm of a probability is z - lse.")
    lost = "g and lse lack the reduced axis: they meet the wrong one, an error, or in square arrays wrong values in silence."
    yield Mistake("keepdims lost", correct(f, ("z", "output")), "s = np.exp(z - out)\ndz = g * s", lost)
    yield Mistake("keepdims lost", G, "g", lost)
    yield Mistake("keepdims lost", LSE, "out", lost)
    yield from (Mistake("keepdims lost", ", axis)", f", {k})", PUT_BACK) for k in (-1, 1))
    yield from (
        Mistake(
            "sum over the wrong axis", f"np.exp({exponent})", f"softmax(z, {k})", "Softmax runs along the axis of the forward pass."
        )
        for k in (-1, 0, 1, -2, None)
    )
    yield Mistake(
        "row sum missing",
        f"np.exp({exponent})",
        "np.exp(z - np.max(z, axis=axis, keepdims=True))",
        "Probabilities are divided by their row's sum: subtract lse, not the maximum.",
    )
    yield from _whole(f, "log-softmax's rule", "That is the gradient of log-softmax, g - s * sum(g).", f"{G} * (1 - s)")
    yield from _whole(
        f,
        "softmax's rule",
        "That is the gradient of softmax.",
        f"{G} * s * (1 - s)",
        f"s * ({G} - np.sum({G} * s, axis=axis, keepdims=True))",
    )
    yield from _whole(
        f,
        "mean in place of sum",
        "The sum of a row of probabilities is 1, not its mean.",
        f"{G} * s / s.shape[axis]",
        f"{G} * s * s.shape[axis]",
    )
    yield from _whole(f, "cotangent ignored", "g does not appear in it.", "s")


MISTAKES = {
    function: tuple(
        m for m in (*own(), *_shared(function)) if any(m.right in correct(function, saves) for saves in RESIDUALS[function])
    )
    for function, own in (("log_softmax", _log_softmax), ("softmax", _softmax), ("logsumexp", _logsumexp))
}

_LEAK = "masked entries leak"
LEAKS = (
    Mistake(_LEAK, KEPT_G, "g", "What is masked out still counts in the sum of its row."),
    Mistake(_LEAK, MASK_DZ, "", "Masked entries have gradient 0."),
    Mistake(_LEAK, KEPT_Z, "z", "What is masked out is no part of the softmax either."),
    Mistake(_LEAK, KEPT_G, "g * where", "0 times NaN is NaN: choose with where(), a product lets NaN and infinity through."),
    Mistake(
        _LEAK, MASK_DZ, "\ndz = dz * where", "0 times NaN is NaN: choose with where(), a product lets NaN and infinity through."
    ),
)


def edited(lines: str, mistakes: Sequence[Mistake], number: int) -> Iterator[tuple[str, tuple[Mistake, ...]]]:
    """The lines with so many mistakes in them; each different text once."""
    seen = {lines}
    for chosen in itertools.permutations(mistakes, number):
        text = lines
        for mistake in chosen:
            if mistake.right not in text:
                break
            text = text.replace(mistake.right, mistake.wrong)
        else:
            if text not in seen:
                seen.add(text)
                yield text, chosen
