"""The results of long rows as a picture."""

from __future__ import annotations

import pathlib

from lsmx._bench.report import SMALL, Results

SHOWN = {
    "lsmx, reused output": "#0b5394",
    "torch, reused output": "#cc4125",
    "lsmx": "#6fa8dc",
    "torch": "#e6998c",
    "SciPy": "#8e7cc3",
    "JAX, jit": "#93c47d",
    "copy": "#bbbbbb",
}


def plot(results: Results, path: pathlib.Path | str) -> None:
    """Bars of the medians, beside each other, one panel for each number of threads; the longest are cut off."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    large = [e for e in results["rows"] if e["elements"] >= SMALL and {"copy", "lsmx, reused output"} <= e["seconds"].keys()]
    numbers = sorted({entry["threads"] for entry in large}) or [1]
    figure, axes = plt.subplots(1, len(numbers), figsize=(7 * len(numbers), 9), sharey=True, squeeze=False, layout="constrained")
    for panel, threads in zip(axes[0], numbers, strict=True):
        entries = [entry for entry in large if entry["threads"] == threads]
        top = 2.5 * max((e["seconds"]["lsmx, reused output"]["median"] / e["elements"] for e in entries), default=1e-9) * 1e9
        for j, (name, colour) in enumerate(SHOWN.items()):
            at = [i for i, entry in enumerate(entries) if name in entry["seconds"]]
            values = [entries[i]["seconds"][name]["median"] / entries[i]["elements"] * 1e9 for i in at]
            places = [i + (j - 3) * 0.12 for i in at]
            panel.barh(places, [min(value, top) for value in values], 0.11, color=colour, label=name)
            for y, value in zip(places, values, strict=True):
                if value > top:
                    panel.text(top, y, f" {value:.3g}", va="center", ha="left", fontsize=6)
        panel.set_yticks(range(len(entries)), [entry["work"] for entry in entries])
        panel.set_xlim(0, 1.08 * top)
        panel.set_xlabel("ns an element, median; shorter is faster")
        panel.set_title(f"{threads} thread{'s' * (threads > 1)}")
    axes[0][0].invert_yaxis()
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SHOWN), fontsize=8)
    figure.suptitle(f"log-softmax, forward and backward: {results['machine']['processor']}", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)
