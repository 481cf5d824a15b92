"""The mistakes in the gradient of softmax, ``s * (g - sum(g * s))``."""

from functools import partial

from lsmx.testing.gradients import RULES, SUM_G, SUM_GS
from lsmx.testing.mistakes.edits import EXCHANGED, ONE_ROW, instead

rule, total, s = partial(instead, RULES["softmax"]), partial(instead, "np.sum(g * s,"), partial(instead, "s = out")

DIAGONAL = "That is the diagonal of the Jacobian S - s s^T: every logit moves all outputs of its row."
CONSTANT = "The sum of the row of g * s is to be subtracted from g: in exp(z) / sum, the sum is no constant, or detached."
OF_LOG_SOFTMAX = "That is the diagonal of the Jacobian of log-softmax; softmax has S - s s^T."
NUMERATOR = "exp(z) above the line is taken for a constant: the term s * g is missing."
ADDED = "Off the diagonal the Jacobian is -s s^T: what the others of the row add is subtracted."
BY_LOGITS = "s - y is the gradient of cross-entropy by the logits; here softmax alone is asked for."
UNIT = "The Jacobian is diag(s) - s s^T: s by itself, broadcast, is no diagonal matrix."
EVERYWHERE = "s times all of it, both g and the sum."

SOFTMAX = (
    *rule("row sum missing", DIAGONAL, "g * s * (1 - s)"),
    *rule("row sum missing", CONSTANT, "g * s"),
    *rule("log-softmax's rule", "That is the gradient of log-softmax, I - 1 s^T.", RULES["log_softmax"]),
    *rule("log-softmax's rule", OF_LOG_SOFTMAX, "g * (1 - s)"),
    *total("log-softmax's rule", "The sum of g is of log-softmax's rule; here it is that of g * s.", "np.sum(g,"),
    *rule("factor s missing", "s times all of it: d exp(z) is exp(z).", f"g - {SUM_GS}"),
    *rule("factor s missing", EVERYWHERE, f"g - s * {SUM_GS}", f"s * g - {SUM_GS}"),
    *instead("(g - ", "sign", "The sum is subtracted.", "(g + "),
    *rule("sign", ADDED, f"s * (g * (1 - s) + {SUM_GS} - g * s)"),
    *s("output taken for the logits", "out is softmax already.", "s = softmax(out, axis)"),
    *s("output taken for the logits", "out is the probabilities, not their logarithm.", "s = np.exp(out)"),
    *s("logarithm taken of the output", "The rule has the probabilities, and out is them.", "s = np.log(out)", "s = -np.log(out)"),
    *s("1 - s in place of s", "1 - s is on the diagonal only.", "s = 1 - out"),
    *rule("1 - s in place of s", "1 - s is on the diagonal only.", f"(1 - s) * (g - {SUM_GS})", f"s * (1 - s) * (g - {SUM_GS})"),
    *rule("cotangent ignored", "g does not appear in it.", "s * (1 - s)", "s"),
    *rule("cotangent ignored", "g is in both terms.", "s * (g - s)", "s * (g - 1)", f"s * (1 - {SUM_GS})"),
    *rule("detached", NUMERATOR, f"-s * {SUM_GS}"),
    *rule("detached", "That is the cotangent, as if softmax were not there.", "g"),
    *rule("s in place of diag(s)", UNIT, f"s * ({SUM_G} - {SUM_GS})", f"(1 - s) * {SUM_GS}"),
    *rule(
        "diagonal missing",
        "The sum of the row takes in the entry itself.",
        f"s * (g - {SUM_GS} + g * s)",
        f"-s * ({SUM_GS} - g * s)",
    ),
    *total("output summed", "The sum is that of the cotangent times the output.", "np.sum(s * s,"),
    *total("s squared", "s is in the sum once.", "np.sum(g * s * s,"),
    *rule("s squared", "s stands before the brackets only.", f"s * (g - s * {SUM_GS})", f"s * (g - s * {SUM_G})"),
    *rule("mean in place of sum", "The first term is g itself, not divided by anything.", f"s * (g / s.shape[axis] - {SUM_GS})"),
    *rule("terms exchanged", "s multiplies both terms, and the sum is subtracted from g.", f"{SUM_GS} - s * g"),
    *rule("only log's part", "That is the gradient of the logarithm.", "g / s"),
    *rule("tanh's rule", "That is the gradient of tanh: softmax couples the entries of a row.", "g * (1 - s ** 2)"),
    *rule("cross-entropy's rule", BY_LOGITS, "s - g", "s + g", "g - s"),
    *total("sum of another row", ONE_ROW, "np.sum((g * s)[:1],", "np.sum((g * s)[::-1],"),
    *instead("s = ", "arguments exchanged", EXCHANGED, "g, out = out, g\ns = "),
)
