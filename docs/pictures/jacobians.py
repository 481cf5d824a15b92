"""The Jacobians of log-softmax and softmax as matrices, beside the diagonal that is often taken for log-softmax's.

``python docs/pictures/jacobians.py --measure`` has lsmx compute them first.
"""

from __future__ import annotations

from typing import Any

import drawing
import numpy as np
from drawing import Theme, plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

NAME = "jacobians"
ROW = [1.0, 2.0, 3.0]  # that of docs/the-question.md
MATRICES = {
    "log-softmax": "$I - 1\\,s^T$",
    "its diagonal only": "diag$(1 - s)$",
    "softmax": "$S - s\\,s^T$",
}


def measure() -> dict[str, Any]:
    """The matrices of a row, by lsmx in float64."""
    import lsmx

    z = np.asarray(ROW)
    out, s = lsmx.log_softmax(z), lsmx.softmax(z)
    of = dict(zip(MATRICES, (lsmx.log_softmax_jacobian(out), np.diag(1 - s), lsmx.softmax_jacobian(s)), strict=True))
    return {
        "measured with": drawing.machine("lsmx", "numpy"),
        "logits": ROW,
        "s": s.round(4).tolist(),
        **{name: np.round(matrix, 4).tolist() for name, matrix in of.items()},
    }


def number(value: float) -> str:
    """Two digits, and a minus that is as wide as a plus; 0 is just that."""
    text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
    return "0" if float(f"{value:.2f}") == 0 else text


def draw(data: Any, theme: Theme) -> Any:
    """Three matrices, the sums of their rows beside them."""
    scale = LinearSegmentedColormap.from_list("sign", [theme.high, theme.background, theme.low])
    figure = plt.figure(figsize=(drawing.WIDTH, 3.3))
    n = len(data["logits"])
    for k, (name, formula) in enumerate(MATRICES.items()):
        axes = figure.add_axes((0.008 + 0.335 * k, 0.02, 0.318, 0.70))
        axes.set(xlim=(0, n + 1.25), ylim=(n + 0.1, -0.35))
        axes.axis("off")
        wrong = name == "its diagonal only"
        axes.text(0, -1.05, name, weight="bold", size=drawing.LARGE, color=theme.high if wrong else theme.ink)
        axes.text(0, -0.45, f"{formula}: wrong" if wrong else formula)
        axes.text(n + 0.72, -0.1, "sum", ha="center", size=drawing.SMALL)
        for i, row in enumerate(data[name]):
            for j, value in enumerate(row):
                missing = wrong and i != j
                fill = theme.background if missing else scale(0.5 + value / 2)
                edge = {"edgecolor": theme.grey, "linestyle": (0, (3, 3))} if missing else {"edgecolor": theme.faint}
                cell = Rectangle(
                    (j + 0.03, i + 0.03), 0.94, 0.94, facecolor=fill, linewidth=1.2, gid=drawing.gid(name, i, j), **edge
                )
                axes.add_patch(cell)
                text = {"size": drawing.SMALL, "color": drawing.ink_on(fill), "ha": "center", "va": "center_baseline"}
                axes.text(j + 0.5, i + 0.52, number(value), **text)
            total = sum(row)
            text = {"size": drawing.TEXT, "weight": "bold", "ha": "center", "va": "center_baseline"}
            axes.text(n + 0.72, i + 0.52, number(total), color=theme.high if abs(total) > 0.005 else theme.ink, **text)
    return figure


if __name__ == "__main__":
    drawing.main(NAME, draw, measure)
