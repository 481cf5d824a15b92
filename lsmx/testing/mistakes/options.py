"""The mistakes with the options of cross-entropy: in the mean, ignored rows, smoothing, class weights, a temperature."""

from functools import partial

from lsmx.testing import options as o
from lsmx.testing.gradients import OF_LOGITS, ONE_HOT
from lsmx.testing.mistakes.edits import Mistake, instead

DIVIDED = "The loss is a mean: its gradient is divided by as much."
ONCE = "It is divided once."
COUNTED = "A mean is over the rows that count; those that are ignored are not among them."
BY_WEIGHT = "The mean of weighted losses is divided by the sum of the targets' weights, not by the number of rows."
OF_TARGETS = "The mean is divided by the weights of the targets, each as often as it occurs, not by those of the classes."
BY_CLASSES = "A mean is over the rows, not over the classes or all entries."
NO_GRADIENT = "A row that is ignored has no part in the loss: its gradient is 0 in every entry."
ITS_ROW = "The weight is that of the target's class, and multiplies the whole row."
IN_LOSS = "The loss of a row is multiplied by its target's weight, and so is its gradient."
TO_ALL = "Smoothing gives eps / C to every class, the target among them: 1 - eps + eps / C there, not 1 - eps."
ALL_CLASSES = "Smoothing divides eps by the number of classes, not by that of the other ones: the target gets its part too."
SMOOTHED = "The loss is smoothed, and so is the y of its gradient."
SCALED = "The rows are softmaxes of z / temperature."
CHAIN = "The derivative of z / temperature is 1 / temperature: it multiplies the whole gradient."
DIVIDE = "Logits are divided by the temperature, not multiplied."


def means(dividing: str) -> tuple[Mistake, ...]:
    """Of what a mean divides by; the same in the loss and its gradient."""
    counts = partial(instead, f"\nn = {o.KEPT}")
    weights = partial(instead, f"\nn = {o.WEIGHTS}")
    both = partial(instead, f"\nn = {o.KEPT_WEIGHTS}")
    return (
        *instead(f"\nn = {o.ROWS}", "not divided by the rows", dividing, "\nn = 1"),
        *counts("not divided by the rows", dividing, "\nn = 1"),
        *counts("ignored rows counted", COUNTED, f"\nn = {o.ROWS}"),
        *weights("not divided by the weights", dividing, "\nn = 1"),
        *weights("divided by the rows, not the weights", BY_WEIGHT, f"\nn = {o.ROWS}"),
        *weights("divided by the rows, not the weights", OF_TARGETS, "\nn = np.sum(weight)"),
        *both("not divided by the weights", dividing, "\nn = 1"),
        *both("divided by the rows, not the weights", BY_WEIGHT, f"\nn = {o.KEPT}"),
        *both("divided by the rows, not the weights", f"{BY_WEIGHT} {COUNTED}", f"\nn = {o.ROWS}"),
        *both("ignored rows counted", COUNTED, f"\nn = {o.WEIGHTS}"),
        *(
            m
            for n in o.COUNTS
            for m in instead(f"\nn = {n}", "divided by the classes", BY_CLASSES, "\nn = z.shape[axis]", "\nn = z.size")
        ),
        *instead(" / n", "divided by the batch twice", ONCE, " / n ** 2"),
    )


def smoothings(where: str) -> tuple[Mistake, ...]:
    """Of how much each class gets; ``where`` says how the length of a row is written."""
    smooth = partial(instead, o.SMOOTHED.replace("s.shape", where))
    other = f"eps / ({where}[axis] - 1)"
    return (
        *smooth("smoothing missing at the target", TO_ALL, f"(1 - eps) * y + eps / {where}[axis] * (1 - y)"),
        *smooth("smoothing over C - 1", ALL_CLASSES, f"(1 - eps) * y + {other}", f"(1 - eps) * y + {other} * (1 - y)"),
        *smooth("smoothing missing", SMOOTHED, "y"),
        *smooth("smoothing missing", "The part of all classes, eps / C, is missing.", "(1 - eps) * y"),
        *smooth("smoothing added", "The target's 1 becomes 1 - eps first, so that the sum stays 1.", f"y + eps / {where}[axis]"),
        *smooth("smoothing not divided", "Every class gets eps / C, so that all of them get eps.", "(1 - eps) * y + eps"),
        *smooth(
            "smoothing exchanged",
            "eps is what is taken from the target, and 1 - eps what it keeps.",
            f"eps * y + (1 - eps) / {where}[axis]",
        ),
    )


ignored, difference = partial(instead, o.ZEROED), partial(instead, "(s - y)")
weighed, temperature = partial(instead, f"{o.WEIGHED} * "), partial(instead, o.BY_T)

OPTIONS = (
    *means(DIVIDED),
    *instead("dz = g / n * ", "cotangent ignored", "g, which is one number, multiplies all of it.", "dz = 1 / n * "),
    *instead("dz = g * ", "cotangent ignored", "g, which is one number, multiplies all of it.", "dz = "),
    *difference("target missing", "That is the gradient of logsumexp alone: subtract y from it.", "s"),
    *ignored("ignored rows have a gradient", NO_GRADIENT, ""),
    *instead(ONE_HOT, "ignored rows have a gradient", NO_GRADIENT, f"{ONE_HOT} * np.expand_dims(kept, axis)"),
    *instead(
        "target != ignore_index",
        "ignored rows exchanged",
        "The rows that are ignored have gradient 0, not the others.",
        "target == ignore_index",
    ),
    *smoothings("s.shape"),
    *weighed("weights missing in the gradient", IN_LOSS, ""),
    *weighed("weights of each column", ITS_ROW, f"{o.ALL_WEIGHED} * "),
    *instead(f"{o.WEIGHED} * (s - y)", "weights of one term", ITS_ROW, f"(s - {o.WEIGHED} * y)", f"({o.WEIGHED} * s - y)"),
    *instead(f"{o.ALL_WEIGHED} * ({o.SMOOTHED})", "weights missing in the gradient", IN_LOSS, o.SMOOTHED),
    *instead(
        f"{o.ALL_WEIGHED} * ({o.SMOOTHED})",
        "weights of each row",
        "Smoothed targets have parts of all classes: each is weighed by its own.",
        f"{o.WEIGHED} * ({o.SMOOTHED})",
    ),
    *instead(
        "s * np.sum(y, axis=axis, keepdims=True) - y",
        "weights of one term",
        "The weighed y no longer sums to 1: s is multiplied by its sum.",
        "s - y",
    ),
    *instead(o.SCALED, "temperature missing", SCALED, OF_LOGITS),
    *instead(o.SCALED, "temperature inverted", DIVIDE, OF_LOGITS.replace("z", "z * temperature")),
    *instead(f"(s - y){o.BY_T}", "temperature missing", CHAIN, "(s - y)"),
    *instead(f"(y - s){o.BY_T}", "temperature missing", CHAIN, "(y - s)"),
    *instead(f"(s - y){o.BY_T}", "temperature inverted", CHAIN, "(s - y) * temperature"),
    *instead(f"(y - s){o.BY_T}", "temperature inverted", CHAIN, "(y - s) * temperature"),
)
