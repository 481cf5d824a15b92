"""The mistakes in the gradient of cross-entropy, ``g * (s - y)``, with ``g`` one number a row and ``y`` one-hot."""

from functools import partial

from lsmx.testing.gradients import OF_LOG, ONE_HOT, RULES, G
from lsmx.testing.mistakes.edits import EACH, instead

rule, difference = partial(instead, RULES["cross_entropy"]), partial(instead, "(s - y)")
target, s = partial(instead, f"y = {ONE_HOT}"), partial(instead, "s = p")

LOST = "g is one number a row and lacks the classes' axis: it meets the wrong one, an error, or in squares wrong values in silence."
ONES = "g does not appear in it: the loss is taken for the last thing that is computed."
MEAN = "g does not appear in it. If the loss is a mean over the batch, its 1 / n comes with g."
NORMALISER = "The logsumexp in the loss is taken for a constant: it depends on all logits of its row."
OFF = "Classes are counted from 0, and the 1 is subtracted at the target's entry, not beside it."
COLUMNS = "dz[:, target] is a choice of columns, for all rows: dz[np.arange(len(dz)), target] has one entry a row."
ROWS = "dz[target] is a choice of rows: dz[np.arange(len(dz)), target] has one entry a row."
NUMBERS = "y is 1 at the target and 0 elsewhere; class numbers are no amounts."
BY_S = "That is the gradient by s: softmax's own is to be applied to it, and then it is s - y."
APPLIED = "s - y is the gradient by the logits already: softmax's own is not to be applied to it."
PREDICTED = "y is the true class, not the likeliest."
SAME = "Both terms are divided by the same, or neither is."

CLASSES = (  # whatever the rule does with the target and the probabilities
    *instead(G, "cotangent of the whole batch", EACH, "np.mean(g)", "np.sum(g)"),
    *instead(f"s = {OF_LOG}", "exp missing", "out is the logarithm of the probabilities: s = exp(out).", "s = out", "s = -out"),
    *s("exp taken of the probabilities", "What was saved is the probabilities already.", "s = np.exp(p)"),
    *s("logarithm taken of the probabilities", "The rule has s itself.", "s = np.log(p)"),
    *instead(
        ONE_HOT, "target off by one", OFF, "onehot(target - 1, s.shape[axis], axis)", "onehot(target + 1, s.shape[axis], axis)"
    ),
    *target("subtracted at the wrong entries", COLUMNS, "y = np.zeros_like(s)\ny[:, target] = 1"),
    *target("subtracted at the wrong entries", ROWS, "y = np.zeros_like(s)\ny[target] = 1"),
    *target("class numbers in place of one-hot", NUMBERS, "y = np.expand_dims(target, axis)"),
)

CROSS_ENTROPY = (
    *difference("sign", "The loss falls as the target's logit rises: it is s - y, not y - s.", "(y - s)"),
    *difference("sign", "y is subtracted.", "(s + y)", "(-s - y)", "(s * (1 - y) + y * (1 - s))"),
    *rule("target missing", "That is the gradient of logsumexp alone: subtract 1 from the target's entry.", f"{G} * s"),
    *rule("detached", NORMALISER, f"{G} * (-y)"),
    *rule("row sum missing", "That is right for the target alone: the pull on the other classes is lost.", f"{G} * (-y * (1 - s))"),
    *rule("row sum missing", "That is right for all but the target: its entry is s - 1.", f"{G} * s * (1 - y)"),
    *instead(f"{G} * ", "cotangent ignored", ONES, ""),
    *instead(f"{G} * ", "cotangent ignored", MEAN, "1 / s.shape[0] * "),
    *rule("cotangent ignored", "g multiplies both s and y.", f"{G} * s - y", f"s - {G} * y"),
    *rule("keepdims lost", LOST, "g * (s - y)", "g[:, None] * (s - y)", "g[..., None] * (s - y)"),
    *difference(
        "scale", "Nothing multiplies either term.", *(f"({c} * s - y)" for c in (2, 0.5)), *(f"(s - {c} * y)" for c in (2, 0.5))
    ),
    *difference("divided by the batch", SAME, "(s - y / s.shape[0])", "(s / s.shape[0] - y)"),
    *difference("mean in place of sum", SAME, "(s - y / s.shape[axis])", "(s / s.shape[axis] - y)"),
    *difference("target off by one", OFF, "(s - np.roll(y, 1, axis))", "(s - np.roll(y, -1, axis))"),
    *difference("subtracted at the wrong entries", "The 1 is subtracted at the target's entry only.", "(s - 1)"),
    *difference(
        "target's entry overwritten", "The target's entry is s - 1: 1 is subtracted from it, with -=.", "(s * (1 - y) - y)"
    ),
    *difference("predicted class in place of the target", PREDICTED, "(s - (s == np.max(s, axis=axis, keepdims=True)))"),
    *difference(
        "stale target", "The targets belong to other rows.", "(s - y[::-1])", "(s - np.roll(y, 1, 0))", "(s - np.roll(y, -1, 0))"
    ),
    *rule("gradient by the probabilities", BY_S, f"{G} * (-y / s)", f"{G} * (-y / out)"),
    *rule("softmax's rule", APPLIED, f"s * ({G} * (s - y) - np.sum({G} * (s - y) * s, axis=axis, keepdims=True))"),
    *rule("softmax's rule", APPLIED, f"{G} * (s - y) * s * (1 - s)"),
    *difference("terms exchanged", "y is subtracted from s, and s stands alone.", "(s * y)", "(1 - y)", "(1 - s)"),
    *rule("loss in place of its gradient", "That is the loss, entry by entry.", f"{G} * (-y * np.log(s))"),
    *rule("only the target's part", "The gradient is s - y, for every class.", f"{G} * y"),
    *CLASSES,
)
