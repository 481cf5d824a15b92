"""How far each library's float32 log-softmax is from the exact value, over the range of logits.

    python docs/pictures/ulp.py --measure

The exact values are those of ``tests/oracle.py``, by mpmath at 160 bits, of the very float32 logits that the libraries are given.
"""

from __future__ import annotations

import importlib.util
import itertools
import operator
from typing import Any

import drawing
import numpy as np
from drawing import Theme, plt

NAME = "ulp"
ROWS, COLUMNS = 16, 1000
SPREADS, SHIFTS = range(-10, 11), range(-10, 21)  # powers of two
FORMULA = "z - logsumexp(z)"
LEAST = 2.0**-90  # what lsmx promises holds from here on
BELOW = "lsmx, below 2^-90"


def ulps(got: Any, exact: list[Any]) -> list[float]:
    """The errors in units in the last place of the exact values."""
    import mpmath as mp

    def ulp(x: Any) -> Any:
        return mp.mpf(2) ** (max(mp.frexp(x)[1] - 1, -126) - 23)

    return [float(abs(mp.mpf(float(g)) - x) / ulp(x)) for g, x in zip(got.ravel(), exact, strict=True)]


def rounded(value: float | None) -> float | None:
    """To the digits that are kept."""
    return None if value is None else float(f"{value:.4g}")


def libraries() -> dict[str, Any]:
    """A float32 log-softmax of each library, on NumPy's arrays."""
    import jax
    import scipy.special
    import torch

    import lsmx

    return {
        "lsmx": lsmx.log_softmax,
        "SciPy": lambda z: scipy.special.log_softmax(z, axis=-1),
        "torch": lambda z: torch.log_softmax(torch.from_numpy(z), -1).numpy(),
        "JAX": lambda z: np.asarray(jax.jit(jax.nn.log_softmax)(z)),
        FORMULA: lambda z: z - scipy.special.logsumexp(z, axis=-1, keepdims=True),
    }


def measure() -> dict[str, Any]:
    """The worst error of each library for each spread, and for each shift."""
    spec = importlib.util.spec_from_file_location("oracle", drawing.HOME / "tests" / "oracle.py")
    oracle = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(oracle)  # type: ignore[union-attr]
    normal = np.random.default_rng(0).standard_normal((ROWS, COLUMNS))

    def errors(logits: list[Any]) -> dict[str, list[float | None]]:
        found: dict[str, list[float | None]] = {name: [] for name in [*libraries(), BELOW]}
        for z in logits:
            exact = [value for row in z for value in oracle.log_softmax(row)[0]]
            least = [abs(value) >= LEAST for value in exact]
            for name, function in libraries().items():
                off = ulps(function(z), exact)
                found[name].append(rounded(max(itertools.compress(off, least))))
                if name == "lsmx":
                    found[BELOW].append(rounded(max(itertools.compress(off, map(operator.not_, least)), default=None)))
        return found

    return {
        "measured with": drawing.machine("lsmx", "numpy", "scipy", "torch", "jax", "mpmath"),
        "logits": f"{ROWS} x {COLUMNS}, standard normal, float32; the worst element of at least 2^-90",
        "spread": {"log2": list(SPREADS), **errors([np.float32(normal * 2.0**k) for k in SPREADS])},
        "shift": {"log2": list(SHIFTS), **errors([np.float32(normal + 2.0**k) for k in SHIFTS])},
    }


def draw(data: Any, theme: Theme) -> Any:
    """Two panels: logits that are spread wider and wider, and logits that are shifted further and further."""
    figure = plt.figure(figsize=(drawing.WIDTH, 5.6))
    panels = {"spread": figure.add_axes((0.075, 0.135, 0.44, 0.75)), "shift": figure.add_axes((0.55, 0.135, 0.43, 0.75))}
    figure.text(0.012, 0.93, "error of the worst element, in ulp (float32 log-softmax)", weight="bold", size=drawing.LARGE)
    looks = theme.libraries
    dashes = dict(zip(("torch", "SciPy", "JAX"), range(3), strict=True))  # lines that lie on each other are seen in turn
    for name, axes in panels.items():
        axes.set(yscale="log", ylim=(0.03, 1e8), yticks=[1, 1e2, 1e4, 1e6])
        axes.set_xscale("log", base=2)
        for library, look in looks.items():
            turn = dashes.get(library)
            pattern = {} if turn is None else {"linestyle": (4 * turn, (4, 8)), "markevery": (turn, 3), "linewidth": 3}
            key = FORMULA if library == "other" else library
            axes.plot([2.0**k for k in data[name]["log2"]], data[name][key], gid=drawing.gid(name, key), **{**look, **pattern})
        beyond = [(2.0**k, v) for k, v in zip(data[name]["log2"], data[name][BELOW], strict=True) if v is not None]
        if beyond:
            style = {"linestyle": "none", "marker": "o", "markersize": 9, "fillstyle": "none", "markeredgewidth": 1.8}
            axes.plot(*zip(*beyond, strict=True), color=theme.lsmx, gid=drawing.gid(name, BELOW), **style)
        axes.axhline(2, color=theme.ink, linewidth=1.2, linestyle=(0, (4, 3)))
    first, second = panels.values()
    first.set(xlabel="spread of the logits", xticks=[2.0**k for k in (-10, -5, 0, 5, 10)])
    second.set(xlabel="shift of the logits, whose spread is 1", xticks=[2.0**k for k in (-10, 0, 10, 20)], yticklabels=[])

    def write(axes: Any, x: float, y: float, text: str, library: str | None = None, ha: Any = "right") -> None:
        of = {"color": looks[library]["color"], "weight": "bold"} if library else {"size": drawing.SMALL}
        axes.text(2.0**x, y, text, ha=ha, **of)

    write(first, -10, 1.7e7, "no digit is right", ha="left")
    write(first, -10, 3.2, "promised: 2 ulp", ha="left")
    for name, y in (("torch", 5e5), ("SciPy", 1.2e5), ("JAX", 3e4)):
        write(first, 3.2, y, name, name)
    write(first, 2.2, 2e3, FORMULA, "other")
    write(first, 10, 5, "below 2$^{-90}$", "lsmx")
    write(first, 8, 0.06, "lsmx", "lsmx")
    write(second, 13, 3e4, FORMULA, "other")
    write(second, 20, 0.06, "lsmx, torch, SciPy, JAX", "lsmx")
    return figure


if __name__ == "__main__":
    drawing.main(NAME, draw, measure)
