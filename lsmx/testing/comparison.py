"""The record that `compare_distributions` gives, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DistributionComparison:
    """How far a trainer's log-probs are from a server's. Print it, or read its fields; it is true if no bit differs.

    Figures are of the tokens that are counted and finite on both sides; NaN where there are none. ``l`` is the log-prob of a token.

    Attributes
    ----------
    server, trainer
        What each was given as, in words: dtype, kind, shape.
    tokens
        How many were counted: all, or those at which ``where`` is True.
    equal
        Whether every bit is equal, of the rows where both sides gave them, and of the log-probs. False where no token was counted.
    unequal
        The share of tokens whose log-probs differ in a bit.
    rows_unequal, entries_unequal
        Of whole rows on both sides: in how many some entry differs in a bit, and the share of all entries that do. Else None.
    not_finite, first_not_finite
        How many tokens have a log-prob that is not finite on some side, and where the first is.
    max_difference, at, server_at, trainer_at
        The largest ``|l_trainer - l_server|`` in nats, the first index of a token that has it, and both log-probs there.
    mean_difference
        The mean of ``|l_trainer - l_server|`` in nats.
    kl, kl_by
        ``KL(server || trainer)`` in nats, the mean over tokens; and how: ``"rows"`` if over all classes of whole rows, ``"k3"`` if
        estimated from the sampled tokens, as ``k3``.
    k1, k3
        The estimates ``mean(-d)`` and ``mean(e^d - 1 - d)`` with ``d = l_trainer - l_server``.
    mean_weight, max_weight
        Of the importance weights ``w = e^d``. The mean is 1 but for chance, if the tokens were drawn from what the server says.
    effective_sample_size
        ``(sum w)^2 / (n sum w^2)``: from 1, where all weights are equal, down to ``1 / n``.
    """

    server: str
    trainer: str
    tokens: int
    equal: bool
    unequal: float
    rows_unequal: int | None
    entries_unequal: float | None
    not_finite: int
    first_not_finite: tuple[int, ...] | None
    max_difference: float
    at: tuple[int, ...] | None
    server_at: float
    trainer_at: float
    mean_difference: float
    kl: float
    kl_by: str
    k1: float
    k3: float
    mean_weight: float
    max_weight: float
    effective_sample_size: float

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        lines = [("server", self.server), ("trainer", self.trainer), ("tokens", f"{self.tokens}{self.left_out()}")]
        if self.rows_unequal is not None:
            share = f"; {percent(self.entries_unequal)} of their entries" if self.rows_unequal else ""
            lines.append(("unequal rows", f"{self.rows_unequal} of {self.tokens}{share}"))
        lines.append(("unequal bits", f"{percent(self.unequal)} of the log-probs"))
        if self.at is not None:
            where = f", at {self.at}: server {self.server_at:.9g}, trainer {self.trainer_at:.9g}" if self.max_difference else ""
            by = "over whole rows" if self.kl_by == "rows" else "estimated by k3"
            lines += [
                ("difference", f"{self.mean_difference:.3g} nats in the mean, {self.max_difference:.3g} at most{where}"),
                ("KL", f"{self.kl:.3g} nats, server to trainer, {by} (k1 {self.k1:.3g}, k3 {self.k3:.3g})"),
                ("weights", f"{self.mean_weight:.9g} in the mean, {self.max_weight:.9g} at most"),
                ("sample size", f"{percent(self.effective_sample_size)} effective"),
            ]
        head = "no token counted" if not self.tokens else "equal in every bit" if self.equal else "different"
        return "\n".join([f"log-probs of server and trainer: {head}", *(f"  {name:<13} {text}" for name, text in lines)])

    def left_out(self) -> str:
        """The tokens that no figure is of, in words."""
        if not self.not_finite:
            return ""
        return f", of which {self.not_finite} not finite, the first at {self.first_not_finite}: left out of the figures below"


def percent(share: float | None) -> str:
    """A share; one that is nearly all, or nearly nothing, keeps digits that tell it from that."""
    return "none" if not share else f"{100 * share:.12g} %" if 0.999 < share < 1 else f"{100 * share:.3g} %"
