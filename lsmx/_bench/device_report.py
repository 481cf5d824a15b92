"""The results of a device as a table, and as a picture."""

from __future__ import annotations

import pathlib
from typing import Any

from lsmx._bench.report import SMALL, Results, figure

OURS = ("lsmx on PyTorch", "lsmx on CuPy")
COLOURS = {"lsmx on PyTorch": "#0b5394", "lsmx on CuPy": "#6fa8dc", "PyTorch": "#cc4125", "torch.compile": "#e6998c"}


def share(entry: dict[str, Any], name: str) -> float:
    """The bytes that a contestant has to move in a second, as a share of what a copy of the same array moves."""
    seconds = entry["seconds"]
    rate = entry["bytes"] / seconds[name]["median"]
    return float(rate / (entry["copied"] / seconds["copy"]["median"]))


def names(results: Results) -> list[str]:
    """The contestants of all works."""
    return list(dict.fromkeys(name for entry in results["device"] for name in entry["seconds"]))


def device_table(results: Results, form: str = "github") -> str:
    """Medians and half the distance of the quartiles in microseconds, with the share of the copy's bandwidth where that counts."""
    from tabulate import tabulate

    rows = []
    for entry in results["device"]:
        cells = []
        for name in names(results):
            s = entry["seconds"].get(name)
            text = "" if s is None else f"{figure(s['median'] * 1e6)} ±{figure((s['high'] - s['low']) / 2 * 1e6)}"
            if text and "copy" in entry["seconds"] and entry["elements"] >= SMALL:
                text += f" ({100 * share(entry, name) if name != 'copy' else 100:.0f} %)"
            cells.append(text)
        rows.append([entry["work"], *cells])
    return f"us a call (share of the copy's bandwidth)\n\n{tabulate(rows, ['', *names(results)], tablefmt=form)}"


def device_ratios(results: Results, form: str = "github") -> str:
    """How many times our time the others take, on the same library."""
    from tabulate import tabulate

    pairs = [("PyTorch", OURS[0]), ("torch.compile", OURS[0]), ("cupyx.scipy.special", OURS[1])]
    rows = []
    for entry in results["device"]:
        s = entry["seconds"]
        rows.append([entry["work"], *(f"{s[a]['median'] / s[b]['median']:.2f}" if a in s and b in s else "" for a, b in pairs)])
    return str(tabulate(rows, ["", *(f"{a} / {b}" for a, b in pairs)], tablefmt=form, disable_numparse=True))


def device_plot(results: Results, path: pathlib.Path) -> None:
    """Bars of the shares of the copy's bandwidth."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    entries = [e for e in results["device"] if e["elements"] >= SMALL and "copy" in e["seconds"]]
    shown = [name for name in names(results) if name != "copy"]
    picture, panel = plt.subplots(figsize=(9, 0.6 * len(entries) + 2), layout="constrained")
    for j, name in enumerate(shown):
        at = [i for i, e in enumerate(entries) if name in e["seconds"]]
        bars = [100 * share(entries[i], name) for i in at]
        panel.barh([i + (j - len(shown) / 2) * 0.15 for i in at], bars, 0.14, color=COLOURS.get(name, "#8e7cc3"), label=name)
    panel.axvline(100, color="#bbbbbb")
    panel.set_yticks(range(len(entries)), [e["work"] for e in entries])
    panel.set_xlabel("% of the bandwidth of a copy; longer is faster")
    panel.invert_yaxis()
    picture.legend(loc="outside lower center", ncols=len(shown), fontsize=8)
    picture.suptitle(f"log-softmax, forward and backward: {results['machine']['device']}", fontsize=10)
    picture.savefig(path, dpi=130)
    plt.close(picture)
