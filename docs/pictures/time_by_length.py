"""Time for an element against the length of the row, for each library.

    python docs/pictures/time_by_length.py

The figures are those of docs/speed.md, from ``benchmarks/speed-avx512.json``, which ``python tools/speed_page.py --measure avx512``
writes.
"""

from __future__ import annotations

import json
import re
from typing import Any

import drawing
from drawing import Theme, plt

NAME = "time-by-length"
FIGURES = drawing.HOME / "benchmarks" / "speed-avx512.json"
ROWS = re.compile(r"(\d+) x (\d+) float32 (forward|backward)")
# contestants of `lsmx bench`: how they are called here, whose colour they have, and whether their output is reused
SHOWN = {
    "lsmx": ("lsmx", "lsmx", False),
    "lsmx, reused output": ("lsmx, reused", "lsmx", True),
    "torch": ("torch", "torch", False),
    "torch, reused output": ("torch, reused", "torch", True),
    "SciPy": ("SciPy", "SciPy", False),
    "plain NumPy": ("NumPy, by hand", "SciPy", False),
    "JAX, jit": ("JAX, jit", "JAX", False),
    "copy": ("copy", "other", True),
}


def read() -> Any:
    """Medians in ns for an element by direction, contestant and length, on one thread."""
    results = json.loads(FIGURES.read_text(encoding="utf-8"))
    found: dict[str, dict[str, dict[int, float]]] = {"forward": {}, "backward": {}}
    for entry in results["rows"]:
        row = ROWS.fullmatch(entry["work"])
        if row and entry["threads"] == 1:
            for name, times in entry["seconds"].items():
                found[row[3]].setdefault(name, {})[int(row[2])] = times["median"] / entry["elements"] * 1e9
    found["forward"].pop("plain NumPy")  # SciPy's time, but for a few percent
    return found


def draw(data: Any, theme: Theme) -> Any:
    """A panel for each direction, lines named at their ends."""
    figure = plt.figure(figsize=(drawing.WIDTH, 8.6))
    panels = {"forward": figure.add_axes((0.075, 0.555, 0.66, 0.37)), "backward": figure.add_axes((0.075, 0.085, 0.66, 0.37))}
    for direction, axes in panels.items():
        axes.set(xscale="log", yscale="log", ylim=(0.3, 20), xlim=(7, 150000))
        ends = []
        for name, (title, library, reused) in SHOWN.items():
            if name not in data[direction]:
                continue
            look = dict(theme.libraries[library])
            if reused:
                look |= {"linestyle": (0, (2, 1.5)), "linewidth": 2, "fillstyle": "none"}
            lengths, times = zip(*sorted(data[direction][name].items()), strict=True)
            axes.plot(lengths, times, gid=drawing.gid(direction, name), **look)
            ends.append((lengths[-1], times[-1], title, look["color"]))
        axes.set_xticks(lengths, [f"{n // 1000}k" if n > 9999 else f"{n}" for n in lengths])
        axes.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
        axes.minorticks_off()
        drawing.spread_labels(axes, ends, right=1.06, gap=0.105)
        figure.text(0.012, axes.get_position().y1 + 0.025, f"{direction}, ns an element", weight="bold", size=drawing.LARGE)
    axes.set_xlabel("length of the row")
    return figure


if __name__ == "__main__":
    drawing.main(NAME, draw, read=read)
