"""The results of long rows as a picture, of log-softmax or of the losses."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any

from lsmx._bench import losses
from lsmx._bench.groups import LOG_SOFTMAX, LOSSES
from lsmx._bench.report import SMALL, Entry, Results


@dataclass(frozen=True)
class Look:
    """What a picture shows.

    Attributes
    ----------
    title
        What has been timed.
    shown
        The colour of each contestant.
    needed
        The contestants of the rows that are shown; the first is ours.
    room
        Longer bars than so many times the longest of ours are cut off.
    """

    title: str
    shown: dict[str, str]
    needed: tuple[str, ...]
    room: float

    def has(self, entry: Entry) -> bool:
        """Whether a row is shown."""
        return bool(entry["elements"] >= SMALL and set(self.needed) <= entry["seconds"].keys())


LOOKS = {
    LOG_SOFTMAX: Look(
        "log-softmax, forward and backward",
        {
            "lsmx, reused output": "#0b5394",
            "torch, reused output": "#cc4125",
            "lsmx": "#6fa8dc",
            "torch": "#e6998c",
            "SciPy": "#8e7cc3",
            "JAX, jit": "#93c47d",
            "copy": "#bbbbbb",
        },
        ("lsmx, reused output", "copy"),
        2.5,
    ),
    LOSSES: Look(
        "losses",
        {losses.OURS: "#0b5394", losses.TORCH: "#cc4125", losses.LOG_SOFTMAX: "#e6998c", losses.LOGSUMEXP: "#8e7cc3"},
        (losses.OURS,),
        1.0,
    ),
}


def plot(results: Results, path: pathlib.Path | str, look: Look = LOOKS[LOG_SOFTMAX]) -> None:
    """Bars of the medians, beside each other, one panel for each number of threads; the longest are cut off."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    large = [entry for entry in results["rows"] if look.has(entry)]
    numbers = sorted({entry["threads"] for entry in large}) or [1]
    height, width = 2 + 0.4 * len(large) / len(numbers), 0.08 * max((len(entry["work"]) for entry in large), default=0)
    size = (width + 5 * len(numbers), height)
    figure, axes = plt.subplots(1, len(numbers), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for panel, threads in zip(axes[0], numbers, strict=True):
        draw(panel, [entry for entry in large if entry["threads"] == threads], look)
        panel.set_title(f"{threads} thread{'s' * (threads > 1)}")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(look.shown), fontsize=8)
    figure.suptitle(f"{look.title}: {results['machine']['processor']}", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw(panel: Any, entries: list[Entry], look: Look) -> None:
    """The bars of a panel, those of a row around its place."""
    top = look.room * max((per_element(e, look.needed[0]) for e in entries), default=1.0)
    present = [[name for name in look.shown if name in entry["seconds"]] for entry in entries]
    step = 0.84 / max(map(len, present), default=1)
    for name, colour in look.shown.items():
        at = [i for i, names in enumerate(present) if name in names]
        values = [per_element(entries[i], name) for i in at]
        places = [i + (present[i].index(name) - (len(present[i]) - 1) / 2) * step for i in at]
        panel.barh(places, [min(value, top) for value in values], 0.9 * step, color=colour, label=name)
        for y, value in zip(places, values, strict=True):
            if value > top:
                panel.text(top, y, f" {value:.3g}", va="center", ha="left", fontsize=6)
    panel.set_yticks(range(len(entries)), [entry["work"] for entry in entries])
    panel.set_ylim(max(1, len(entries)) - 0.4, -0.6)
    panel.set_xlim(0, 1.08 * top)
    panel.set_xlabel("ns an element, median; shorter is faster")


def per_element(entry: Entry, name: str) -> float:
    """A contestant's median in nanoseconds."""
    return float(entry["seconds"][name]["median"] / entry["elements"] * 1e9)
