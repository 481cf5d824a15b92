"""The mistakes that are made in the gradient of any of the functions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lsmx.testing.gradients import LSE, OF_CLASSES, OF_LOG, OF_LOGITS, OF_LSE, PROBABILITIES, RULES, SUM_G, SUM_GS, G
from lsmx.testing.mistakes.edits import PUT_BACK, WRONG_AXES, Mistake, instead

LOST = "Without keepdims=True the sum of a row meets the wrong axis: an error, or in square arrays wrong values in silence."
RUNS = "The sum runs along the axis of the forward pass, whichever that is."
EVERYTHING = "A sum without an axis adds up the whole batch; the rule has one for each row."
ALONG = "The probabilities are those of the forward pass's axis."
NORMALISE = "Probabilities are divided by their row's sum."
NOT_NORMALISED = "exp is taken of the logits, which are not normalised: exp(out) is a probability, exp(z) is none."
TWICE = "What is taken for logits is probabilities already, and softmax of probabilities is another distribution, nearly even."
OTHER_ROW = "The output that is used belongs to another row, not to the one that g belongs to."
BASES = "s is e to the power of its logarithm: np.exp, not 2**, 10** or expm1."
SINGLE = "sigmoid is for a single logit: of a row's logits, softmax makes probabilities that sum to 1."
ONE_SHIFT = "The maximum that is subtracted has to be the same number above and below the line, and in all of a row."
CANCELS = (
    "The maximum that is subtracted cancels out: it has no gradient, or one in both of its places, and then the two cancel too."
)
ONCE = "A mean over the batch is the loss's own, and is in g already."
NO_BATCH = "The gradient of a row does not depend on how many rows there are."
OF_ITS_OWN = "Every row of logits has a gradient of its own: the sum is for weights that all rows share."
NO_LENGTH = "The length of the row is nowhere in the rule: it has a sum of the row, not a mean."
NOTHING = "Nothing depends on the logits any more: everything is detached, or an array of zeros is never filled in."

ROWS = "(s.size // s.shape[axis])"  # how many there are


def shared(function: str) -> Iterator[Mistake]:
    """All of them."""
    for part in (of_sums, of_rule, of_logits, of_logarithms, of_probabilities):
        yield from part(function)


def of_sums(function: str) -> Iterator[Mistake]:
    """A sum runs along another axis, loses it, or is a mean."""
    for k in WRONG_AXES:
        yield from instead("axis=axis", "sum over the wrong axis", EVERYTHING if k is None else RUNS, f"axis={k}")
        yield from instead(OF_LOGITS, "sum over the wrong axis", ALONG, f"softmax(z, {k})")
        if isinstance(k, int):  # over all axes, exp(out) adds up to the number of rows: it is divided by the batch
            yield from instead(f"s = {OF_LOG}", "sum over the wrong axis", ALONG, f"s = softmax(out, {k})")
    yield from instead(", keepdims=True", "keepdims lost", LOST, "")
    yield from instead(", keepdims=True)", "keepdims lost", PUT_BACK, ")[..., None]", ")[:, None]")
    yield from instead("np.sum(", "mean in place of sum", "The rule has the sum of the row, whatever its length.", "np.mean(")
    yield from instead("np.sum(g", "divided by the batch", ONCE, *(f"1 / {n} * np.sum(g" for n in ("s.shape[0]", "s.size", ROWS)))
    yield from instead("np.sum(g", "scale", "Nothing multiplies the sum but s.", "2 * np.sum(g", "0.5 * np.sum(g")


def of_rule(function: str) -> Iterator[Mistake]:
    """All of it has another sign or scale, or one term too many."""
    right = RULES[function]
    rule = partial(instead, right)
    yield from rule("sign", "The whole gradient has the other sign.", f"-({right})")
    yield from rule("divided by the batch", ONCE, *(f"({right}) / {n}" for n in ("s.shape[0]", "s.size", ROWS)))
    squared = f"It is divided by the square of the batch's size. {ONCE}"
    yield from rule("divided by the batch twice", squared, f"({right}) / s.shape[0] ** 2", f"({right}) / {ROWS} ** 2")
    yield from rule("multiplied by the batch", NO_BATCH, f"({right}) * s.shape[0]", f"({right}) * {ROWS}")
    for reduce in ("np.sum", "np.mean"):
        over = f"{reduce}({right}, axis=0, keepdims=True)"
        yield from rule(
            "summed over the batch", OF_ITS_OWN, f"{reduce}({right}, axis=0)", over, f"np.broadcast_to({over}, s.shape)"
        )
    if function != "logsumexp":  # where it is a mean in place of a sum
        yield from rule("scaled by the row's length", NO_LENGTH, f"({right}) / s.shape[axis]", f"({right}) * s.shape[axis]")
    g = G if function in ("logsumexp", *OF_CLASSES) else "g"
    yield from rule("multiplied once too often", "The chain rule is applied already.", f"({right}) * s", f"({right}) * {g}")
    yield from rule("detached", NOTHING, "np.zeros_like(s)")
    largest = "(s == np.max(s, axis=axis, keepdims=True))"
    row = {"log_softmax": SUM_G, "softmax": SUM_GS}.get(function, G)
    yield from rule("gradient of the maximum", CANCELS, *(f"{right} {sign} {largest} * {row}" for sign in "+-"))


def of_logits(function: str) -> Iterator[Mistake]:
    """The probabilities are made from the logits in another way."""
    s, shifted, total = (
        partial(instead, OF_LOGITS),
        "np.exp(z - np.max(z, axis={}, keepdims=True))",
        "np.sum({}, axis={}, keepdims=True)",
    )
    e = shifted.format("axis")
    yield from s("keepdims lost", LOST, "np.exp(z) / np.sum(np.exp(z), axis=axis)")
    lost = "np.exp(z - np.max(z, axis=axis))"
    yield from s("keepdims lost", LOST, f"{lost} / {total.format(lost, 'axis')}")
    yield from instead(OF_LOG, "logits taken for the output", NOT_NORMALISED, "np.exp(z)")
    yield from s("logits taken for the output", NOT_NORMALISED, "np.exp(z)")
    yield from s("logits taken for the output", "The saved logits are used as if they were the probabilities.", "z")
    yield from s("row sum missing", NORMALISE, e)
    yield from s(
        "maximum subtracted once", ONE_SHIFT, f"{e} / {total.format('np.exp(z)', 'axis')}", f"np.exp(z) / {total.format(e, 'axis')}"
    )
    for k in (0, 1, -2, None):
        yield from s("sum over the wrong axis", ALONG, f"{e} / {total.format(e, k)}")
    for other in (shifted.format(k) for k in (0, 1, -2)):
        yield from s("sum over the wrong axis", ONE_SHIFT, f"{other} / {total.format(other, 'axis')}")
    yield from s("another base", BASES, *(f"softmax(z * np.log({base}), axis)" for base in (2, 10, 2.718, 2.71828)))
    yield from s("sign", "The larger a logit, the larger its probability.", "softmax(-z, axis)")
    yield from s("sigmoid in place of softmax", SINGLE, "1 / (1 + np.exp(-z))")
    yield from s("exp missing", "Logits are no weights before exp is taken of them.", f"z / {total.format('z', 'axis')}")
    yield from s("exp missing", "That is the logarithm of the probabilities, log-softmax.", f"np.log({OF_LOGITS})")


def of_logarithms(function: str) -> Iterator[Mistake]:
    """The probabilities are made from their logarithm in another way."""
    for right, log in ((OF_LOG, "out"), (OF_LSE, f"(z - {LSE})")):
        s = partial(instead, f"s = {right}")
        yield from s(
            "another base", BASES, *(f"s = {base} ** {log}" for base in (2.0, 10.0, 2.718, 2.71828)), f"s = np.expm1({log})"
        )
        yield from s("sign", "The logarithm of a probability is at most 0: exp(-out) is 1 / s.", f"s = np.exp(-{log})")
        yield from s("exp taken twice", "exp(out) is the probability, and no logarithm any more.", f"s = np.exp({right})")
        yield from s("sigmoid in place of softmax", SINGLE, f"s = 1 / (1 + np.exp(-{log}))")
        yield from s("row sum missing", NORMALISE, f"s = np.exp({log} - np.max({log}, axis=axis, keepdims=True))")


def of_probabilities(function: str) -> Iterator[Mistake]:
    """Something is done to the probabilities, or those of another row are taken."""
    for p in dict.fromkeys(PROBABILITIES[function].values()):
        s = partial(instead, f"s = {p}")
        if p != "out":  # where it is the output taken for the logits
            yield from s("softmax taken twice", TWICE, f"s = softmax({p}, axis)")
        rows = (f"{p}[::-1]", f"{p}[:1]", f"{p}[-1:]", f"np.roll({p}, 1, axis=0)", f"np.roll({p}, -1, axis=0)")
        yield from s("stale output", OTHER_ROW, *(f"s = {row}" for row in rows))
