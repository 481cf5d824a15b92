"""The mistakes in the forward pass of cross-entropy and log-probs: in a row's logsumexp, in what is taken from it, in the mean."""

from functools import partial

from lsmx.testing import options as o
from lsmx.testing.mistakes.edits import Mistake, instead
from lsmx.testing.mistakes.options import COUNTED, DIVIDE, NO_GRADIENT, means, smoothings

lse, at = partial(instead, f"lse = {o.LSE}"), partial(instead, o.AT)

UNDERFLOW = (
    "The probability of a class that is far behind is 0, and its logarithm -inf: the log-probability is z - lse, without exp."
)
EPSILON = "An epsilon in the logarithm is another function, and bounds the loss: the log-probability is z - lse, without exp."
OVERFLOW = "exp of a large logit overflows: subtract the row's maximum first, and add it to the logarithm."
TOGETHER = "The maximum of the whole batch is subtracted: in rows that are far below it every exp is 0."
LOST = "The maximum that is subtracted before exp is added to the logarithm."
TWICE = "It takes logits, not probabilities: softmax is in the loss already."
NORMALISED = "The logits are normalised: what is taken is z - lse."
ALONE = "That is the logsumexp alone: the class's own logit is missing."
LOGARITHM = "It is the logarithm of the probability, not the probability."
NATURAL = "The logarithm is the natural one."
UNSCALED = "Both the class's logit and the logsumexp are of z / temperature."
MEAN = "The loss is a mean over the rows."
WEIGHTS = "The loss of a row is multiplied by its target's weight."

E, S = "np.exp(x)", "softmax(x, axis)"
RATIO = f"at({E}, target, axis) / np.sum({E}, axis=axis)"
EPSILONS = ("1e-5", "1e-6", "1e-7", "1e-8", "1e-9", "1e-10", "1e-12", "1e-15", "1e-16", "1e-20", "1e-30")


def of(right: str, sign: str) -> tuple[Mistake, ...]:
    """Those of the row's number, which is ``sign`` the log-probability."""
    rule = partial(instead, right)
    return (
        *rule("sign", "The loss is minus the log-probability, which is at most 0.", f"-({right})"),
        *rule("log of softmax", UNDERFLOW, f"{sign}np.log(at({S}, target, axis))"),
        *rule("log of softmax", f"{UNDERFLOW} {OVERFLOW}", f"{sign}np.log({RATIO})"),
        *rule("epsilon in the logarithm", EPSILON, *(f"{sign}np.log(at({S}, target, axis) + {eps})" for eps in EPSILONS)),
        *rule(
            "epsilon in the logarithm", EPSILON, *(f"{sign}np.log(np.maximum(at({S}, target, axis), {eps}))" for eps in EPSILONS)
        ),
        *rule("logsumexp missing", NORMALISED, f"{sign}{o.AT}"),
        *rule("target missing", ALONE, "-lse" if not sign else "lse"),
        *rule("logarithm missing", LOGARITHM, f"{sign}at({S}, target, axis)", f"1 - at({S}, target, axis)"),
        *rule("another base", NATURAL, *(f"({right}) / np.log({base})" for base in (2, 10))),
    )


FORWARD = (
    *of(f"{o.AT} - lse", ""),
    *of(f"lse - {o.AT}", "-"),
    *lse("maximum not subtracted", OVERFLOW, f"lse = np.log(np.sum({E}, axis=axis))"),
    *lse("maximum not subtracted", TOGETHER, "lse = np.max(x) + np.log(np.sum(np.exp(x - np.max(x)), axis=axis))"),
    *lse("maximum lost", LOST, "lse = np.log(np.sum(np.exp(x - np.max(x, axis=axis, keepdims=True)), axis=axis))"),
    *lse("logarithm missing", "The logsumexp is the logarithm of the sum.", f"lse = np.sum({E}, axis=axis)"),
    *lse("gradient of the maximum", "The logsumexp is more than the largest logit.", "lse = np.max(x, axis=axis)"),
    *lse("sum over the wrong axis", "The sum runs over the classes.", *(f"lse = logsumexp(x, {k})" for k in (0, -1, 1, None))),
    *instead("x = z\n", "softmax taken twice", TWICE, "x = softmax(z, axis)\n"),
    *instead("x = z / temperature\n", "temperature missing", UNSCALED, "x = z\n"),
    *instead("x = z / temperature\n", "temperature inverted", DIVIDE, "x = z * temperature\n"),
    *instead(
        f"x = z / temperature\nlse = {o.LSE}",
        "temperature missing in the logsumexp",
        UNSCALED,
        "x = z / temperature\nlse = logsumexp(z, axis)",
    ),
    *at("temperature missing at the target", UNSCALED, "at(z, target, axis)"),
    *at(
        "target off by one",
        "Classes are counted from 0.",
        "at(np.roll(x, 1, axis), target, axis)",
        "at(np.roll(x, -1, axis), target, axis)",
    ),
    *at("stale target", "The targets belong to other rows.", "at(x, target[::-1], axis)"),
    *at("predicted class in place of the target", "The class is the true one, not the likeliest.", "np.max(x, axis=axis)"),
    *means(MEAN),
    *instead("np.sum(loss, axis=None)", "mean in place of sum", "It is the sum of the rows.", "np.mean(loss)"),
    *instead(o.ZERO_LOSS, "ignored rows counted", COUNTED, ""),
    *instead("target != ignore_index", "ignored rows exchanged", NO_GRADIENT, "target == ignore_index"),
    *instead(
        o.SMOOTH_LOSS,
        "smoothing missing at the target",
        "Smoothing gives eps / C to every class, the target among them.",
        f"(1 - eps) * (lse - {o.AT}) + eps / x.shape[axis] * (x.shape[axis] * lse - np.sum(x, axis=axis) - (lse - {o.AT}))",
    ),
    *instead(
        o.SMOOTH_LOSS,
        "smoothing over C - 1",
        "Smoothing divides eps by the number of classes, not by that of the other ones.",
        f"(1 - eps) * (lse - {o.AT}) + eps / (x.shape[axis] - 1) * (x.shape[axis] * lse - np.sum(x, axis=axis))",
        f"(1 - eps) * (lse - {o.AT}) + eps / (x.shape[axis] - 1) * (x.shape[axis] * lse - np.sum(x, axis=axis) - (lse - {o.AT}))",
    ),
    *instead(
        o.SMOOTH_LOSS,
        "smoothing missing",
        "Smoothing takes eps from the target, and gives it to all classes alike.",
        f"lse - {o.AT}",
        f"(1 - eps) * (lse - {o.AT})",
    ),
    *instead(
        o.SMOOTH_LOSS,
        "smoothing exchanged",
        "eps is what is taken from the target.",
        f"lse - eps * {o.AT} - (1 - eps) * np.mean(x, axis=axis)",
    ),
    *smoothings("x.shape"),
    *instead("weight[target] * (", "weights missing", WEIGHTS, "("),
)
