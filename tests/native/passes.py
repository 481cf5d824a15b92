"""The passes of the compiled core: what each takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx._definition.divergence import JSDivergence, KLDivergence
from lsmx._definition.entropy import Entropy
from lsmx._definition.kinds import PARTS
from lsmx._definition.log_prob import LogProb
from lsmx._definition.log_softmax import LogSoftmax, OfLogits
from lsmx._definition.logsumexp import LogSumExp
from lsmx._definition.rank import Rank
from lsmx._definition.row_parts import RowTop
from lsmx._definition.row_sums import RowSums
from lsmx._definition.row_values import RowMagnitude
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
    of_backward_target,
    of_backward_z,
    of_forward,
    row_digits,
    row_gradient,
    row_integer,
    value,
    weighted_backward,
    weighted_forward,
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
        Those of logits; other arrays that have all of a row are vectors, or numbers that logits are compared with.
    saved
        The pass that what is at ``B`` comes from, if it is no logits.
    reduces
        How many numbers a row the result has, or 0: all of a row.
    numbers
        What lies together where it takes one number a row, if it is several.
    scales, capped, sums, targets
        Whether it may be given a temperature, a soft cap, the sums of its rows, and weights and smoothing.
    several
        Whether it takes any number of indices for each row, and as many cotangents or results.
    part
        Whether its rows are parts of longer ones, whose two largest logits, or of vectors the largest magnitude, it has to be given
        as the sums of its rows.
    """

    define: Definition
    takes: tuple[int, ...]
    logits: tuple[int, ...] = (B,)
    saved: str = ""
    reduces: int = 0
    numbers: str = ""
    scales: bool = False
    capped: bool = False
    sums: bool = False
    targets: bool = False
    several: bool = False
    part: bool = False


def loss_pass(
    define: Definition,
    takes: tuple[int, ...],
    reduces: int = 0,
    numbers: str = "",
    sums: bool = True,
    targets: bool = False,
    several: bool = False,
    part: bool = False,
) -> Pass:
    """A pass of logits that may be scaled."""
    return Pass(define, takes, (B,) if B in takes else (A,), "", reduces, numbers, True, True, sums, targets, several, part)


def divergence(function: Any, which: int | None = None) -> Pass:
    """A pass of a divergence: a value, or a gradient by one of both."""
    if which is None:
        return Pass(value(function), (A, B), (A, B), reduces=1, scales=True)
    return Pass(derivative(function, "backward", ONE, which), (A, B, ONE), (A, B), scales=True)


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
    "cross_entropy_forward": loss_pass(cross_entropy_forward, (B, ONE, INDEX), 1, numbers="shares"),
    "cross_entropy_backward": loss_pass(cross_entropy_backward, (B, ONE, INDEX), numbers="cotangents"),
    "kl_forward": divergence(KLDivergence),
    "kl_backward_z": divergence(KLDivergence, 0),
    "kl_backward_w": divergence(KLDivergence, 1),
    "row_sums_forward": loss_pass(value(RowSums), (A,), PARTS, sums=False),
    "weighted_cross_entropy_forward": loss_pass(weighted_forward, (A, INDEX), 1, targets=True),
    "weighted_cross_entropy_backward": loss_pass(weighted_backward, (B, ONE, INDEX), numbers="factors", targets=True),
    "cross_entropy_of_forward": loss_pass(of_forward, (A, B), 1, targets=True),
    "cross_entropy_of_backward_z": loss_pass(of_backward_z, (A, B, ONE), numbers="factors", targets=True),
    "cross_entropy_of_backward_target": loss_pass(of_backward_target, (B, ONE), targets=True),
    "js_forward": divergence(JSDivergence),
    "js_backward_z": divergence(JSDivergence, 0),
    "js_backward_w": divergence(JSDivergence, 1),
    "log_probs_forward": loss_pass(value(LogProb), (A, INDEX), 1, several=True),
    "log_probs_backward": loss_pass(derivative(LogProb, "backward", ONE), (B, ONE, INDEX), several=True),
    "ranks_forward": loss_pass(value(Rank), (A, INDEX), 1, several=True),
    "row_top_forward": loss_pass(value(RowTop), (A,), PARTS, sums=False),
    "row_digits_forward": loss_pass(row_digits, (A,), PARTS, part=True),
    "row_magnitude_forward": Pass(value(RowMagnitude), (A,), (), reduces=PARTS),
    "row_integer_forward": Pass(row_integer, (A,), (), reduces=PARTS, part=True),
    "row_gradient_backward": Pass(row_gradient, (A, B, ONE), saved="log_softmax_forward", numbers="total", sums=True),
}


def defined(passname: str, given: Given) -> Values:
    """The result of a pass on arrays of one dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(PASSES[passname].define(given))
