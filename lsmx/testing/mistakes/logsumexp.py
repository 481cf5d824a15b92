"""The mistakes in the gradient of logsumexp, ``g * s``, with ``g`` one number a row."""

from functools import partial

from lsmx.testing.gradients import LSE, OF_LSE, RULES, G, correct
from lsmx.testing.mistakes.edits import EACH, PUT_BACK, WRONG_AXES, instead

EXPONENT = f"z - {LSE}"
rule, s = partial(instead, RULES["logsumexp"]), partial(instead, OF_LSE)

LOST = "g and lse lack the reduced axis: they meet the wrong one, an error, or in square arrays wrong values in silence."
LARGEST = "That is the gradient of the largest logit alone: logsumexp gives every logit its share s."
SHIFTED = "Probabilities are divided by their row's sum: subtract lse, not the maximum."
EVEN = "The gradient goes to each logit by its probability, not in equal parts."

LOGSUMEXP = (
    *s("logits taken for the output", "exp(z) is no probability before lse is subtracted.", "np.exp(z)"),
    *s("exp missing", "z - lse is the logarithm of the probabilities.", EXPONENT),
    *s("exp missing", "lse is the logarithm of the row's sum: divide by exp(lse).", f"np.exp(z) / {LSE}", f"z / {LSE}"),
    *instead(EXPONENT, "sign", "The logarithm of a probability is z - lse.", f"{LSE} - z", f"z + {LSE}"),
    *instead(correct("logsumexp", ("z", "output")), "keepdims lost", LOST, "s = np.exp(z - out)\ndz = g * s"),
    *instead(G, "keepdims lost", LOST, "g"),
    *instead(G, "cotangent of the whole batch", EACH, "np.mean(g)", "np.sum(g)"),
    *instead(LSE, "keepdims lost", LOST, "out"),
    *instead(", axis)", "keepdims lost", PUT_BACK, ", -1)", ", 1)"),
    *s("sum over the wrong axis", "Softmax runs along the axis of the forward pass.", *(f"softmax(z, {k})" for k in WRONG_AXES)),
    *s("row sum missing", SHIFTED, "np.exp(z - np.max(z, axis=axis, keepdims=True))"),
    *rule("log-softmax's rule", "That is the gradient of log-softmax, g - s * sum(g).", f"{G} * (1 - s)", f"{G} - s"),
    *rule(
        "softmax's rule",
        "That is the gradient of softmax.",
        f"{G} * s * (1 - s)",
    ),
    *rule(
        "mean in place of sum",
        "The sum of a row of probabilities is 1, not its mean.",
        f"{G} * s / s.shape[axis]",
        f"{G} * s * s.shape[axis]",
    ),
    *rule("mean in place of sum", EVEN, f"{G} * np.ones_like(s) / s.shape[axis]"),
    *rule("row sum missing", "Each logit gets its share s of g.", f"{G} * np.ones_like(s)"),
    *rule(
        "detached",
        "Softmax's rule gives 0 for a g that is one number a row.",
        f"s * ({G} - np.sum({G} * s, axis=axis, keepdims=True))",
    ),
    *rule("cotangent ignored", "g does not appear in it.", "s"),
    *rule("cotangent ignored", "g multiplies s.", f"s + {G}", f"s - {G}"),
    *rule("gradient of the maximum", LARGEST, f"{G} * (s == np.max(s, axis=axis, keepdims=True))"),
    *rule("sign", "g is multiplied by s, not divided by it: s is exp(z - lse), not exp(lse - z).", f"{G} / s"),
)
