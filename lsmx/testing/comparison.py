"""The record that `compare_distributions` gives, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DistributionComparison:
    """How far a trainer's log-probs are from a server's. Print it, or read its fields; it is true if no bit differs.

    Figures are of the tokens that are counted and finite on both sides; NaN where there are none. ``l`` is the log-prob of a token.

    Attributes
    ----------
    server : str
        What the server's side was given as, in words: dtype, kind, shape.
    trainer : str
        The same of the trainer's side.
    tokens : int
        How many were counted: all, or those at which ``where`` is True.
    equal : bool
        Whether every bit is equal, of the rows where both sides gave them, and of the log-probs. False where there was nothing to
        compare: no token was counted, or none has a finite log-prob on both sides.
    unequal : float
        The share of tokens whose log-probs differ in a bit.
    rows_unequal : int or None
        Of whole rows on both sides: in how many some entry differs in a bit. Else None.
    rows_shifted : int or None
        How many of these differ by a constant, as logits do from their log-softmax: the model is the same. Else None.
    entries_unequal : float or None
        Of whole rows on both sides: the share of all entries that differ in a bit. Else None.
    not_finite : int
        How many tokens have a log-prob that is NaN or ``-inf`` on some side.
    first_not_finite : tuple of int or None
        The index of the first of them.
    server_nan : int
        How many of the server's log-probs are NaN: its logits were bad.
    trainer_nan : int
        The same of the trainer's.
    server_inf : int
        How many of the server's log-probs are ``-inf``: it holds the token for impossible, by a mask or a support.
    trainer_inf : int
        The same of the trainer's.
    max_difference : float
        The largest ``|l_trainer - l_server|`` in nats.
    at : tuple of int or None
        The first index of a token that has it.
    server_at : float
        The server's log-prob there.
    trainer_at : float
        The trainer's log-prob there.
    mean_difference : float
        The mean of ``|l_trainer - l_server|`` in nats.
    kl : float
        ``KL(server || trainer)`` in nats, the mean over tokens.
    kl_by : str
        How: ``"rows"`` if over all classes of whole rows, ``"k3"`` if estimated from the sampled tokens, as ``k3``.
    k1 : float
        The estimate ``mean(-d)`` with ``d = l_trainer - l_server``.
    k3 : float
        The estimate ``mean(e^d - 1 - d)``.
    mean_weight : float
        The mean of the importance weights ``w = e^d``: 1 up to sampling noise, if the tokens were drawn from what the server says.
    max_weight : float
        The largest of them.
    effective_sample_size : float
        ``(sum w)^2 / (n sum w^2)``: from 1, where all weights are equal, down to ``1 / n``.

    See Also
    --------
    compare_distributions : which returns it.
    """

    server: str
    trainer: str
    tokens: int
    equal: bool
    unequal: float
    rows_unequal: int | None
    rows_shifted: int | None
    entries_unequal: float | None
    not_finite: int
    first_not_finite: tuple[int, ...] | None
    server_nan: int
    trainer_nan: int
    server_inf: int
    trainer_inf: int
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
        lines = [("server", self.server), ("trainer", self.trainer), ("tokens", f"{self.tokens}")]
        if self.not_finite:
            lines.append(("not finite", self.left_out()))
        if self.rows_unequal is not None:
            share = f"; {percent(self.entries_unequal)} of their entries" if self.rows_unequal else ""
            shifted = f"; {self.rows_shifted} by a constant, as logits from log-probs" if self.rows_shifted else ""
            lines.append(("unequal rows", f"{self.rows_unequal} of {self.tokens}{share}{shifted}"))
        if self.tokens:
            lines.append(("unequal bits", f"{percent(self.unequal)} of the log-probs"))
        if self.at is not None:
            lines.append(("difference", f"{self.mean_difference:.3g} nats in the mean, {self.max_difference:.3g} at most"))
            if self.max_difference:
                lines.append(("largest", f"at {self.at}: server {self.server_at:.9g}, trainer {self.trainer_at:.9g}"))
            by = f"over whole rows (k1 {self.k1:.3g}, k3 {self.k3:.3g})"
            by = by if self.kl_by == "rows" else f"estimated by k3 (k1 {self.k1:.3g})"
            lines += [
                ("KL", f"{self.kl:.3g} nats, server to trainer, {by}"),
                ("weights", f"{self.mean_weight:.9g} in the mean, {self.max_weight:.9g} at most"),
                ("sample size", f"{percent(self.effective_sample_size)} effective"),
            ]
        head = self.nothing() or ("equal in every bit" if self.equal else "different")
        return "\n".join([f"log-probs of server and trainer: {head}", *(f"  {name:<13} {text}" for name, text in lines)])

    def nothing(self) -> str:
        """Why there was nothing to compare; empty where there was."""
        return "no token counted" if not self.tokens else "none is finite on both sides" if self.at is None else ""

    def left_out(self) -> str:
        """The tokens that no figure is of, in words."""
        counts = {
            "NaN of the server": self.server_nan,
            "NaN of the trainer": self.trainer_nan,
            "-inf of the server": self.server_inf,
            "-inf of the trainer": self.trainer_inf,
        }
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        return f"{kinds}, the first at {self.first_not_finite}: left out of the figures below"


def percent(share: float | None) -> str:
    """A share; one that is nearly all, or nearly nothing, keeps digits that tell it from that."""
    return "none" if not share else f"{100 * share:.12g} %" if 0.999 < share < 1 else f"{100 * share:.3g} %"
