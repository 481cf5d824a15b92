"""The mistakes in the gradient of log-probs of a class, ``g * (y - s)``, with ``g`` one number a row and ``y`` one-hot."""

from functools import partial

from lsmx.testing.gradients import RULES, G
from lsmx.testing.mistakes.cross_entropy import CLASSES, LOST, NORMALISER, ONES, PREDICTED, SAME
from lsmx.testing.mistakes.edits import instead

rule, difference = partial(instead, RULES["log_prob"]), partial(instead, "(y - s)")

LOG_PROB = (
    *difference("sign", "That is the gradient of the loss, -log_prob: a log-prob rises with its logit, y - s.", "(s - y)"),
    *difference("sign", "s is subtracted.", "(y + s)", "(-y - s)"),
    *rule("target missing", "The logsumexp alone: the chosen class's own logit adds 1 at its entry.", f"{G} * -s", f"{G} * s"),
    *rule("detached", NORMALISER, f"{G} * y"),
    *rule("row sum missing", "That is right for the chosen class alone: the others have -s.", f"{G} * y * (1 - s)"),
    *rule("keepdims lost", LOST, "g * (y - s)", "g[:, None] * (y - s)", "g[..., None] * (y - s)"),
    *instead(f"{G} * ", "cotangent ignored", ONES, ""),
    *rule("cotangent ignored", "g multiplies both y and s.", f"{G} * y - s", f"y - {G} * s"),
    *difference("scale", "Nothing multiplies either term.", "(y - 2 * s)", "(y - 0.5 * s)", "(2 * y - s)", "(0.5 * y - s)"),
    *difference("divided by the batch", SAME, "(y - s / s.shape[0])", "(y / s.shape[0] - s)"),
    *difference("mean in place of sum", SAME, "(y - s / s.shape[axis])", "(y / s.shape[axis] - s)"),
    *difference("subtracted at the wrong entries", "The 1 is at the class's entry only.", "(1 - s)"),
    *difference("predicted class in place of the target", PREDICTED, "((s == np.max(s, axis=axis, keepdims=True)) - s)"),
    *difference(
        "stale target", "The classes belong to other rows.", "(y[::-1] - s)", "(np.roll(y, 1, 0) - s)", "(np.roll(y, -1, 0) - s)"
    ),
    *rule("gradient by the probabilities", "Softmax's own gradient is to be applied to it: then it is y - s.", f"{G} * (y / s)"),
    *CLASSES,
)
