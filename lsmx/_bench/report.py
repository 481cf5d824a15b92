"""The results as a table, as JSON, and as a picture."""

from __future__ import annotations

import json
import pathlib
from typing import Any

SMALL = 1000  # elements: below, microseconds a call; above, nanoseconds an element
Results = dict[str, Any]


def unit(entry: dict[str, Any]) -> tuple[float, str]:
    """What the seconds of a work are multiplied with, and what that gives."""
    return (1e6, "us a call") if entry["elements"] < SMALL else (1e9 / entry["elements"], "ns an element")


def figure(value: float) -> str:
    """Three digits."""
    return f"{value:.3f}" if value < 1 else f"{value:.3g}"


def table(results: Results, form: str = "github") -> str:
    """One table for each number of threads: medians, and half the distance of the quartiles."""
    from tabulate import tabulate

    texts = []
    for threads, entries in results["threads"].items():
        names = list(dict.fromkeys(name for entry in entries for name in entry["seconds"]))
        rows = []
        for entry in entries:
            scale, what = unit(entry)
            cells = []
            for name in names:
                s = entry["seconds"].get(name)
                cells.append("" if s is None else f"{figure(s['median'] * scale)} ±{figure((s['high'] - s['low']) / 2 * scale)}")
            rows.append([entry["work"], what, *cells])
        texts.append(f"{threads} thread{'s' * (int(threads) > 1)}\n\n" + tabulate(rows, ["", "", *names], tablefmt=form))
    return "\n\n".join(texts)


def ratios(results: Results, form: str = "github") -> str:
    """How many times the time of this library the others take: fresh beside fresh, reused beside reused."""
    from tabulate import tabulate

    pairs = [
        ("torch reused / lsmx reused", "torch, reused output", "lsmx, reused output"),
        ("torch / lsmx", "torch", "lsmx"),
        ("SciPy / lsmx", "SciPy", "lsmx"),
        ("NumPy / lsmx", "plain NumPy", "lsmx"),
        ("JAX / lsmx", "JAX, jit", "lsmx"),
        ("lsmx reused / copy", "lsmx, reused output", "copy"),
    ]
    texts = []
    for threads, entries in results["threads"].items():
        rows = []
        for entry in entries:
            s = entry["seconds"]
            cells = [f"{s[a]['median'] / s[b]['median']:.2f}" if a in s and b in s else "" for _, a, b in pairs]
            rows.append([entry["work"], *cells])
        heads = ["", *(head for head, _, _ in pairs)]
        texts.append(
            f"{threads} thread{'s' * (int(threads) > 1)}\n\n" + tabulate(rows, heads, tablefmt=form, disable_numparse=True)
        )
    return "\n\n".join(texts)


def save(results: Results, path: pathlib.Path) -> None:
    """As JSON."""
    path.write_text(json.dumps(results, indent=1) + "\n")


def plot(results: Results, path: pathlib.Path) -> None:
    """Bars of the medians, beside each other, one panel for each number of threads; the longest are cut off."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = ["lsmx, reused output", "torch, reused output", "lsmx", "torch", "SciPy", "JAX, jit", "copy"]
    colours = dict(zip(shown, ["#0b5394", "#cc4125", "#6fa8dc", "#e6998c", "#8e7cc3", "#93c47d", "#bbbbbb"], strict=True))
    panels = list(results["threads"].items())
    figure_, axes = plt.subplots(1, len(panels), figsize=(7 * len(panels), 9), sharey=True, squeeze=False, layout="constrained")
    for panel, (threads, entries) in zip(axes[0], panels, strict=True):
        large = [entry for entry in entries if entry["elements"] >= SMALL]
        top = 2.5 * max(e["seconds"]["lsmx, reused output"]["median"] / e["elements"] for e in large) * 1e9
        for i, entry in enumerate(large):
            for j, name in enumerate(shown):
                if name not in entry["seconds"]:
                    continue
                value = entry["seconds"][name]["median"] / entry["elements"] * 1e9
                y = i + (j - 3) * 0.12
                panel.barh(y, min(value, top), 0.11, color=colours[name], label=name if i == 0 else None)
                if value > top:
                    panel.text(top, y, f" {value:.3g}", va="center", ha="left", fontsize=6)
        panel.set_yticks(range(len(large)), [entry["work"] for entry in large])
        panel.set_xlim(0, 1.08 * top)
        panel.set_xlabel("ns an element, median; shorter is faster")
        panel.set_title(f"{threads} thread{'s' * (int(threads) > 1)}")
    axes[0][0].invert_yaxis()
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure_.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    host = results["machine"]
    figure_.suptitle(f"log-softmax, forward and backward: {host['processor']}", fontsize=10)
    figure_.savefig(path, dpi=130)
