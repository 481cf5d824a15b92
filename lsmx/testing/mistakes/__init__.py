"""The known mistakes, a table for each function, as edits of the correct lines."""

from lsmx.testing.gradients import RESIDUALS, correct
from lsmx.testing.mistakes.cross_entropy import CROSS_ENTROPY
from lsmx.testing.mistakes.edits import Mistake, edited
from lsmx.testing.mistakes.forward import FORWARD
from lsmx.testing.mistakes.log_prob import LOG_PROB
from lsmx.testing.mistakes.log_softmax import LOG_SOFTMAX
from lsmx.testing.mistakes.logsumexp import LOGSUMEXP
from lsmx.testing.mistakes.masks import HINTS, LEAKS, UNSAFE
from lsmx.testing.mistakes.options import OPTIONS
from lsmx.testing.mistakes.shared import shared
from lsmx.testing.mistakes.softmax import SOFTMAX

__all__ = ["FORWARD", "HINTS", "LEAKS", "MISTAKES", "OPTIONS", "UNSAFE", "Mistake", "edited"]

OWN = {"log_softmax": LOG_SOFTMAX, "softmax": SOFTMAX, "logsumexp": LOGSUMEXP, "cross_entropy": CROSS_ENTROPY, "log_prob": LOG_PROB}


def table(function: str) -> tuple[Mistake, ...]:
    """A function's own mistakes, then the shared ones; those that edit any of its correct lines."""
    lines = [correct(function, saves, one_hot=one_hot) for saves in RESIDUALS[function] for one_hot in (False, True)]
    return tuple(m for m in (*OWN[function], *shared(function)) if any(m.right in text for text in lines))


MISTAKES = {function: table(function) for function in OWN}
