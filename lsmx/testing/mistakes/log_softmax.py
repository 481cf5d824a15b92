"""The mistakes in the gradient of log-softmax, ``g - s * sum(g)``."""

from functools import partial

from lsmx.testing.gradients import OF_LOG, RULES, SUM_G, SUM_GS
from lsmx.testing.mistakes.edits import EXCHANGED, ONE_ROW, instead

rule, total, second = partial(instead, RULES["log_softmax"]), partial(instead, "np.sum(g,"), partial(instead, "s * np")

DIAGONAL = "That is the diagonal of the Jacobian I - 1 s^T: every logit moves all outputs of its row."
OF_SOFTMAX = "That is the diagonal of the Jacobian of softmax, and sigmoid's rule; log-softmax has I - 1 s^T."
FORWARD = "That is the Jacobian times g, which is for forward mode; a gradient is g times the Jacobian."
ADDED = "Off the diagonal the Jacobian is -s: what the others of the row add is subtracted."
MINUS_Y = "That is s - y with g taken for -y, as in the loss -out[y]: here g may be anything, and so may its sum in a row."
NORMALISER = "The logsumexp in out = z - logsumexp(z) is taken for a constant: it depends on all logits of its row."
LOGITS = "The z in out = z - logsumexp(z) is taken for a constant: the term g is missing."

LOG_SOFTMAX = (
    *rule("row sum missing", DIAGONAL, "g * (1 - s)"),
    *rule("row sum missing", "s is to be multiplied by the sum of the row of g.", "g - s"),
    *rule("softmax's rule", "That is the gradient of softmax, S - s s^T.", RULES["softmax"]),
    *rule("softmax's rule", OF_SOFTMAX, "g * s * (1 - s)", "s * (1 - s)"),
    *rule("softmax's rule", "The first term is g itself: the factor s before it is softmax's.", f"s * (g - {SUM_G})"),
    *total("softmax's rule", "The sum of g * s is of softmax's rule; here it is that of g.", "np.sum(g * s,"),
    *rule("JVP in place of VJP", FORWARD, f"g - {SUM_GS}"),
    *instead("g - s", "sign", "The second term is subtracted.", "g + s"),
    *rule("sign", ADDED, f"g * (1 - s) + s * ({SUM_G} - g)"),
    *instead(f"s = {OF_LOG}", "exp missing", "out is the logarithm of the probabilities: s = exp(out).", "s = out", "s = -out"),
    *rule("cotangent ignored", "That is the gradient for a g of ones only.", "1 - s * s.shape[axis]", "1 - s"),
    *rule("cross-entropy's rule", MINUS_Y, "g + s", "s - g"),
    *rule("detached", NORMALISER, "g"),
    *rule("detached", LOGITS, f"-s * {SUM_G}", "-s * g"),
    *rule("1 in place of the unit matrix", "The Jacobian is I - 1 s^T: 1 is on its diagonal only.", f"(1 - s) * {SUM_G}"),
    *instead("g - s", "1 - s in place of s", "The sum is multiplied by s; 1 - s is on the diagonal only.", "g - (1 - s)"),
    *rule("1 - s in place of s", "Nothing multiplies the first term.", f"(1 - s) * g - s * {SUM_G}"),
    *instead("g - s", "mean in place of sum", "The first term is g itself, not divided by anything.", "g / s.shape[axis] - s"),
    *instead(
        "g - s",
        "divided by the batch",
        "The first term is g itself, not divided by anything.",
        "g / s.shape[0] - s",
        "g / s.size - s",
    ),
    *second("factor s missing", "Each logit gets its share s of the sum.", "np"),
    *second("s squared", "s is in the second term once.", "s * s * np", "s * (1 - s) * np"),
    *rule("multiplied once too often", "g is in the sum already: the sum multiplies s alone.", f"g * (1 - s * {SUM_G})"),
    *rule(
        "g taken out of the sum", "g differs from entry to entry: it does not come out of the sum.", "g * (1 - s * s.shape[axis])"
    ),
    *rule("terms exchanged", "s multiplies the sum, and g stands alone.", f"{SUM_G} - s * g"),
    *rule("diagonal missing", "The sum of the row takes in the entry itself.", f"g - s * ({SUM_G} - g)"),
    *rule("only exp's part", "That is the gradient of exp, with g for its cotangent, or without it.", "g * s", "s"),
    *rule("only log's part", "That is the gradient of the logarithm: softmax's own is to be applied to it.", "g / s"),
    *rule("tanh's rule", "That is the gradient of tanh: log-softmax couples the entries of a row.", "g * (1 - s ** 2)"),
    *total("output summed", "The sum is that of the cotangent, not of what was saved.", "np.sum(out,", "np.sum(z,"),
    *total("sum of another row", ONE_ROW, "np.sum(g[:1],", "np.sum(g[::-1],"),
    *instead("s = ", "arguments exchanged", EXCHANGED, "g, out = out, g\ns = "),
)
