"""The mistakes that show where entries are masked out, and those that show on hard rows only."""

from functools import partial

from lsmx.testing.gradients import KEPT_G, KEPT_Z, LSE, MASK_DZ, OF_LOGITS, OF_LSE, RULES, SUM_G, SUM_GS, G
from lsmx.testing.mistakes.edits import instead

TIMES_NAN = "0 times NaN is NaN: choose with where(), a product lets NaN and infinity through."
IN_SUM = "What is masked out still counts in the sum of its row."
ZERO = "Masked entries have gradient 0."
NO_PART = "What is masked out is no part of the softmax either: masked after it, the probabilities do not sum to 1."
FILLED = "A masked logit is -inf, so that its exp is 0; exp(0) is 1."
KEPT = "where is True for what is kept."
A_SUM = "The rule has a sum, whatever is masked."

g, z, dz = partial(instead, KEPT_G), partial(instead, KEPT_Z), partial(instead, MASK_DZ)
LEAK, COUNT = "masked entries leak", "np.sum(where, axis=axis, keepdims=True)"

LEAKS = (
    *g(LEAK, IN_SUM, "g"),
    *dz(LEAK, ZERO, "", *(f"\ndz = np.where(where, dz, {x})" for x in ("g", "1", "-np.inf", "np.nan"))),
    *z(LEAK, NO_PART, "z"),
    *z(LEAK, FILLED, "np.where(where, z, 0)", "z * where"),
    *g(LEAK, TIMES_NAN, "g * where"),
    *dz(LEAK, TIMES_NAN, "\ndz = dz * where"),
    *instead("where(where,", "mask inverted", KEPT, "where(~where,"),
    *g("mask inverted", f"{KEPT} The sum is over that.", "np.where(where, 0, g)"),
    *z("mask inverted", f"{KEPT} The softmax is of that.", "np.where(where, -np.inf, z)"),
    *dz("mask inverted", f"{KEPT} What is not has gradient 0.", "\ndz = np.where(where, 0, dz)"),
    *instead("np.sum(", "mean in place of sum", A_SUM, f"{COUNT} / s.shape[axis] * np.sum(", f"s.shape[axis] / {COUNT} * np.sum("),
)

OVERFLOW = "exp of a large logit overflows, and inf / inf is NaN: subtract the row's maximum first."
TOGETHER = "The maximum of the whole batch is subtracted: in rows that are far below it every exp is 0, and 0 / 0 is NaN."
BY_ZERO = "It divides by s, which may be 0, and inf times 0 is NaN: worked out on paper, that s cancels."
TIMES_INF = "0 times inf is NaN: choose with where(), or leave the term out."

batch, loss = "np.exp(z - np.max(z))", f"-{G} * y / s"


UNSAFE = (
    *instead(OF_LOGITS, "unsafe", OVERFLOW, "np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True)"),
    *instead(OF_LSE, "unsafe", OVERFLOW, f"np.exp(z) / np.exp({LSE})"),
    *instead(OF_LOGITS, "unsafe", TOGETHER, f"{batch} / np.sum({batch}, axis=axis, keepdims=True)"),
    *instead(RULES["log_softmax"], "unsafe", BY_ZERO, f"s * (g / s - {SUM_G})", f"s * (g / s - {SUM_GS.replace('g', 'g / s')})"),
    *instead(RULES["softmax"], "unsafe", BY_ZERO, f"s * g - s * ({SUM_GS} / s) * s"),
    *instead(RULES["cross_entropy"], "unsafe", BY_ZERO, f"s * ({loss} - np.sum({loss} * s, axis=axis, keepdims=True))"),
    *instead("dz = ", "unsafe", TIMES_INF, *(f"dz = 0 * {x} + " for x in ("out", "z", "np.log(s)"))),
)

HINTS = {
    "logits of -inf": "Their s is 0: 0 times inf, inf - inf, 0 / 0 and 0 * log(0) are NaN.",
    "one logit that leads by far": "Its s is 1, and the others' nearly 0: exp may overflow, quotients and 1 - s lose digits.",
    "large logits": "exp of them overflows or is 0: subtract the row's maximum before exp.",
}
