"""The passes of the compiled core: what each takes and gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsmx._definition.divergence import KLDivergence
from lsmx._definition.entropy import Entropy
from lsmx._definition.kinds import PARTS
from lsmx._definition.log_prob import LogProb
from lsmx._definition.log_softmax import LogSoftmax, OfLogits
from lsmx._definition.logsumexp import LogSumExp
from lsmx._definition.rank import Rank
from lsmx._definition.row_sums import RowSums
from lsmx._definition.scaled_logsumexp import ScaledLogSumExp
from lsmx._definition.softmax import Softmax
from tests.native.definitions import (
    INDEX,
    ONE,
    A,
    B,
    Definition,
    Given,
    cross_entropy_backward,
    cross_entropy_forward,
    derivative,
    ignoring,
    log_prob_backward,
    logsumexp,
    value,
)
from tests.native.values import Values


@dataclass(frozen=True)
class Pass:
    """One pass.

    Attributes
    ----------
    define
        The definition.
    takes
        The places of its arrays, without what it may be given too.
    logits
        Those of logits; other arrays that have all of a row are vectors.
    saved
        The pass that what is at ``B`` comes from, if it is no logits.
    reduces
        How many numbers a row the result has, or 0: all of a row.
    numbers
        How many lie together where it takes one number a row, if several.
    scales, capped, sums
        Whether it may be given a temperature, a soft cap, and the sums of its rows.
    """

    define: Definition
    takes: tuple[int, ...]
    logits: tuple[int, ...] = (B,)
    saved: str = ""
    reduces: int = 0
    numbers: int = 0
    scales: bool = False
    capped: bool = False
    sums: bool = False


def loss_pass(define: Definition, takes: tuple[int, ...], reduces: int = 0, numbers: int = 0, sums: bool = True) -> Pass:
    """A pass of logits that may be scaled."""
    return Pass(define, takes, (B,) if B in takes else (A,), "", reduces, numbers, True, True, sums)


def kl(which: int | None) -> Pass:
    """A pass of the divergence: a value, or a gradient by one of both."""
    if which is None:
        return Pass(value(KLDivergence), (A, B), (A, B), reduces=1, scales=True)
    return Pass(derivative(KLDivergence, "backward", ONE, which), (A, B, ONE), (A, B), scales=True)


LSE = logsumexp(value(LogSumExp), value(ScaledLogSumExp))
LSE_BACKWARD = logsumexp(derivative(LogSumExp, "backward", ONE), derivative(ScaledLogSumExp, "backward", ONE))
PASSES = {  # in the order of core.h
    "log_softmax_forward": Pass(value(LogSoftmax), (A,), (A,)),
    "log_softmax_backward": Pass(derivative(LogSoftmax, "backward", A), (A, B), saved="log_softmax_forward"),
    "log_softmax_backward_z": Pass(derivative(OfLogits, "backward", A), (A, B)),
    "log_softmax_jvp": Pass(derivative(LogSoftmax, "jvp", A), (A, B), saved="log_softmax_forward"),
    "log_softmax_jvp_z": Pass(derivative(OfLogits, "jvp", A), (A, B)),
    "softmax_forward": Pass(value(Softmax), (A,), (A,)),
    "softmax_backward": Pass(derivative(Softmax, "backward", A), (A, B), saved="softmax_forward"),
    "logsumexp_forward": loss_pass(LSE, (A,), 1),
    "logsumexp_backward": loss_pass(LSE_BACKWARD, (B, ONE)),
    "logsumexp_jvp": Pass(derivative(LogSumExp, "jvp", A), (A, B), reduces=1),
    "log_prob_forward": loss_pass(ignoring(value(LogProb), 0.0), (A, INDEX), 1),
    "log_prob_backward": loss_pass(log_prob_backward, (B, ONE, INDEX)),
    "entropy_forward": loss_pass(value(Entropy), (A,), 1),
    "entropy_backward": loss_pass(derivative(Entropy, "backward", ONE), (B, ONE)),
    "rank_forward": loss_pass(ignoring(value(Rank), -1.0), (A, INDEX), 1),
    "cross_entropy_forward": loss_pass(cross_entropy_forward, (B, ONE, INDEX), 1, numbers=2),
    "cross_entropy_backward": loss_pass(cross_entropy_backward, (B, ONE, INDEX), numbers=4),
    "kl_forward": kl(None),
    "kl_backward_z": kl(0),
    "kl_backward_w": kl(1),
    "row_sums_forward": loss_pass(value(RowSums), (A,), PARTS, sums=False),
}


def defined(passname: str, given: Given) -> Values:
    """The result of a pass on arrays of one dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(PASSES[passname].define(given))
