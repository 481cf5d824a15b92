"""What the pictures share: colours, sizes, how a script is run, and how a picture becomes the same SVG each time.

A script has a name, ``measure()``, whose answer is written to ``NAME.json``, and ``draw(data, theme)``, which returns a figure.
``python docs/pictures/NAME.py`` draws ``NAME-light.svg`` and ``NAME-dark.svg`` from the file, ``--measure`` measures first.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import pathlib
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

FOLDER = pathlib.Path(__file__).parent
HOME = FOLDER.parents[1]
WIDTH = 9.0  # inches: 864 pixels in a browser
SMALL, TEXT, LARGE = 14, 15, 17  # points: at half size, 14 are still 9 pixels high


BACKGROUNDS = ("figure.facecolor", "savefig.facecolor", "axes.facecolor")
INKS = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")


@dataclass(frozen=True)
class Theme:
    """The colours of a picture. They start from those of Okabe and Ito, and differ in lightness as well as in hue."""

    name: str
    background: str
    ink: str
    faint: str
    grey: str
    lsmx: str
    torch: str
    scipy: str
    jax: str
    low: str  # the ends of a diverging scale, whose middle is the background
    high: str

    @property
    def libraries(self) -> dict[str, dict[str, Any]]:
        """How a library's line looks: told apart by its marker, too."""
        return {
            "lsmx": {"color": self.lsmx, "marker": "o", "zorder": 5, "linewidth": 3.5, "markersize": 8},
            "torch": {"color": self.torch, "marker": "s", "zorder": 3},
            "SciPy": {"color": self.scipy, "marker": "^", "zorder": 3, "markersize": 9},
            "JAX": {"color": self.jax, "marker": "D", "zorder": 3},
            "other": {"color": self.grey, "marker": "x", "zorder": 2, "markersize": 8, "markeredgewidth": 2},
        }


THEMES = (
    Theme("light", "#ffffff", "#1f2328", "#d0d7de", "#7a7f85", "#0072b2", "#c85200", "#17604a", "#66195a", "#0072b2", "#d55e00"),
    Theme("dark", "#0d1117", "#f0f6fc", "#30363d", "#9198a1", "#56b4e9", "#f9a24b", "#a1f5dc", "#b95aac", "#3a9bdc", "#e8702a"),
)


def styles(theme: Theme) -> dict[str, Any]:
    """Matplotlib's settings. Text becomes paths, which look the same in every browser."""
    return {
        **mpl.rcParamsDefault,
        "backend": "agg",
        "svg.fonttype": "path",
        "svg.hashsalt": "lsmx",
        "path.simplify": False,
        "font.size": TEXT,
        "axes.titlesize": TEXT,
        "axes.titleweight": "bold",
        "axes.labelsize": TEXT,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "lines.linewidth": 2.2,
        "lines.markersize": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": theme.faint,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        **dict.fromkeys(BACKGROUNDS, "none"),  # the page's
        **dict.fromkeys(INKS, theme.ink),
    }


def spread_labels(axes: Axes, labels: Sequence[tuple[float, float, str, str]], right: float, gap: float) -> None:
    """Name lines at their right ends, on a logarithmic axis.

    Parameters
    ----------
    axes
        Where.
    labels
        For each line its last x and y, its name and its colour.
    right
        Where the names begin, in fractions of the width of the axes.
    gap
        The least distance between two names, in fractions of the height of the axes.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = sorted(((*to_axes.transform((x, y)), name, colour) for x, y, name, colour in labels), key=lambda end: end[1])
    places = [float(end[1]) for end in ends]
    for _ in range(1000):  # neighbours that are too near push each other away
        pushed = list(places)
        for i in range(1, len(places)):
            short = gap - (pushed[i] - pushed[i - 1])
            if short > 1e-9:
                pushed[i - 1], pushed[i] = pushed[i - 1] - short / 2, pushed[i] + short / 2
        if pushed == places:
            break
        places = pushed
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        axes.plot([x + 0.012, right - 0.012], [y, place], color=colour, linewidth=1, transform=axes.transAxes, clip_on=False)
        axes.text(right, place, name, color=colour, va="center_baseline", transform=axes.transAxes, weight="bold")


def gid(*words: Any) -> str:
    """A name for what is drawn, by which a test finds it in the SVG."""
    return "drawn-" + re.sub(r"[^a-z0-9]+", "-", " ".join(map(str, words)).lower()).strip("-")


def ink_on(fill: Any) -> str:
    """Black or white, whichever is easier to read on a colour."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(fill)]
    luminance = 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]  # as WCAG 2 has it
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def machine(*libraries: str) -> dict[str, Any]:
    """What was measured with."""
    from lsmx._bench.measure import processor
    from lsmx.extend import core_status

    return {
        "processor": processor(),
        "target": core_status()["target"],
        "Python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def source(name: str) -> pathlib.Path:
    """Where a picture's figures are."""
    return FOLDER / f"{name}.json"


def figures(name: str) -> Any:
    """A picture's figures."""
    return json.loads(source(name).read_text(encoding="utf-8"))


def svg(draw: Callable[[Any, Theme], Figure], data: Any, theme: Theme) -> str:
    """A picture as text: no date, no version, no random names."""
    with mpl.rc_context(styles(theme)):
        figure = draw(data, theme)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        plt.close(figure)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def main(
    name: str,
    draw: Callable[[Any, Theme], Figure],
    measure: Callable[[], Any] | None = None,
    read: Callable[[], Any] | None = None,
) -> None:
    """Draw a picture in both themes.

    Parameters
    ----------
    name
        The picture.
    draw
        Makes a figure of the picture's figures, in a theme.
    measure
        Measures, for ``--measure``. Without it there is no such option.
    read
        Where the figures come from, if not from ``NAME.json``.
    """
    parser = argparse.ArgumentParser(description=f"Draw {name}-light.svg and {name}-dark.svg")
    if measure:
        parser.add_argument("--measure", action="store_true", help=f"measure first, and write {name}.json")
    if vars(parser.parse_args()).get("measure") and measure:
        source(name).write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    data = (read or functools.partial(figures, name))()
    for theme in THEMES:
        (FOLDER / f"{name}-{theme.name}.svg").write_text(svg(draw, data, theme), encoding="utf-8")
