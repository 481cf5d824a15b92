"""The share of elements whose bits differ, between libraries and between ways to call one.

    python docs/pictures/differing.py --measure

The logits are those of ``benchmarks/peers.py``: 256 x 32000 float32, standard normal times 5.
"""

from __future__ import annotations

import itertools
from typing import Any

import drawing
import numpy as np
from drawing import Theme, plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

NAME = "differing"
ROWS, COLUMNS = 256, 32000
LETTERS = 18  # points: 10 pixels on a phone 360 pixels wide


def results() -> dict[str, Any]:
    """The log-softmax of the same numbers in many ways, each put back into the order of the logits."""
    import jax
    import scipy.special
    import torch

    import lsmx

    rng = np.random.default_rng(0)
    z = (5 * rng.standard_normal((ROWS, COLUMNS))).astype(np.float32)
    rng.standard_normal((ROWS, COLUMNS))  # the cotangents of peers.py
    order = rng.permutation(COLUMNS)
    back = np.argsort(order)
    permuted, fortran, turned = z[:, order], np.asfortranarray(z), np.ascontiguousarray(z.T)

    def of_scipy(x: Any) -> Any:
        return scipy.special.log_softmax(x, axis=-1)

    def of_torch(x: Any, axis: int = -1) -> Any:
        return torch.log_softmax(torch.from_numpy(x), axis).numpy()

    def of_jax(x: Any, axis: int = -1) -> Any:
        return np.asarray(jax.jit(lambda v: jax.nn.log_softmax(v, axis=axis))(x))

    return {
        "lsmx on NumPy": lsmx.log_softmax(z),
        "lsmx on torch": lsmx.log_softmax(torch.from_numpy(z)).numpy(),
        "lsmx on JAX": np.asarray(lsmx.log_softmax(jax.numpy.asarray(z))),
        "lsmx, columns permuted": lsmx.log_softmax(permuted)[:, back],
        "lsmx, along axis 0": lsmx.log_softmax(turned, axis=0).T,
        "SciPy": of_scipy(z),
        "SciPy, Fortran order": of_scipy(fortran),
        "torch": of_torch(z),
        "torch, columns permuted": of_torch(permuted)[:, back],
        "torch, along axis 0": of_torch(turned, 0).T,
        "JAX": of_jax(z),
        "JAX, columns permuted": of_jax(permuted)[:, back],
        "JAX, along axis 0": of_jax(turned, 0).T,
    }


def measure() -> dict[str, Any]:
    """The share of each pair, in percent, rounded so that what is not 0 does not become 0."""
    bits = {name: np.ascontiguousarray(values).view(np.uint32) for name, values in results().items()}
    shares = {(a, b): 100 * float(np.mean(bits[a] != bits[b])) for b, a in itertools.combinations(bits, 2)}
    return {
        "measured with": drawing.machine("lsmx", "numpy", "scipy", "torch", "jax"),
        "logits": f"{ROWS} x {COLUMNS}, standard normal times 5, float32",
        "names": list(bits),
        "percent": [[float(f"{shares[a, b]:.3g}") for b in list(bits)[:i]] for i, a in enumerate(bits)],
    }


def draw(data: Any, theme: Theme) -> Any:
    """The lower triangle. A name at the end of a row is also that of the column below it."""
    names = data["names"]
    scale = LinearSegmentedColormap.from_list("share", [theme.background, theme.high])
    figure = plt.figure(figsize=(drawing.WIDTH, 7.2))
    axes = figure.add_axes((0.005, 0.01, 0.99, 0.98))
    axes.set(xlim=(0, len(names) + 3.7), ylim=(len(names), -0.15))
    axes.axis("off")
    for i, (name, row) in enumerate(zip(names, data["percent"], strict=True)):
        library = next(library for library in theme.libraries if name.startswith(library))
        look = {"color": theme.libraries[library]["color"], "weight": "bold", "size": LETTERS}
        axes.text(i + 0.15, i + 0.53, name.replace("columns ", ""), va="center_baseline", **look)
        for j, percent in enumerate(row):
            fill = scale((percent / 100) ** 0.5)
            edge = {"edgecolor": theme.lsmx, "linewidth": 2} if percent == 0 else {"edgecolor": fill}
            axes.add_patch(
                Rectangle((j + 0.05, i + 0.05), 0.9, 0.9, facecolor=fill, gid=drawing.gid(name, "and", names[j]), **edge)
            )
            said = {"ha": "center", "va": "center_baseline", "size": LETTERS, "color": drawing.ink_on(fill)}
            axes.text(j + 0.5, i + 0.53, "<1" if 0 < percent < 0.5 else f"{percent:.0f}", **said)
    axes.text(len(names) + 3.6, 0.53, "percent of elements whose bits differ", weight="bold", ha="right", size=LETTERS)
    axes.text(len(names) + 3.6, 1.53, "a name is for its row and", ha="right", size=LETTERS)
    axes.text(len(names) + 3.6, 2.28, "for the column below it", ha="right", size=LETTERS)
    return figure


if __name__ == "__main__":
    drawing.main(NAME, draw, measure)
