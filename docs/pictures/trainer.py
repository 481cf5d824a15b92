"""How far the log-probs of a trainer are from those of a server, on the same logits, at the tokens that were sampled.

    python docs/pictures/trainer.py --measure

The logits are made up, of the shape that a language model's have: a bulk of normal numbers, and a few tokens that lead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import drawing
import numpy as np
from drawing import Theme, plt

NAME = "trainer"
ROWS, COLUMNS, CHUNK = 2048, 128256, 128
LEADERS, LEAD = 12, 12.0
ENDS = {"float32": 6e-5, "bfloat16": 0.05}  # of the axes, in nats
MARKS = {"float32": (5e-5, "5$\\cdot$10$^{-5}$"), "bfloat16": (0.04, "0.04")}
BARS = 41  # an odd number: 0 is in the middle of one
LIBRARIES, OURS = "torch - JAX", "lsmx on torch - lsmx on JAX"


def logits() -> Iterator[tuple[Any, Any]]:
    """Chunks of float32 logits that bfloat16 has, too, and a token for each row, drawn by their probabilities."""
    import torch

    rng = np.random.default_rng(0)
    for _ in range(ROWS // CHUNK):
        z = (2 * rng.standard_normal((CHUNK, COLUMNS))).astype(np.float32)
        leaders = rng.integers(0, COLUMNS, (CHUNK, LEADERS))
        np.put_along_axis(z, leaders, np.float32(LEAD + 3 * rng.standard_normal((CHUNK, LEADERS))), -1)
        z = torch.from_numpy(z).bfloat16().float().numpy()
        tokens = np.argmax(z + rng.gumbel(size=z.shape), axis=-1)
        yield z, tokens


def at(tokens: Any, values: Any) -> Any:
    """The values at the tokens of the rows, in float64."""
    values = values.double().numpy() if hasattr(values, "double") else np.asarray(values)
    return np.take_along_axis(values, tokens[:, None], -1)[:, 0].astype(np.float64)


def histogram(values: Any, end: float) -> dict[str, Any]:
    """Percentages between the ends of an axis, and what they do not show."""
    counts = np.histogram(values, np.linspace(-end, end, BARS + 1))[0]
    return {
        "percent": (100 * counts / len(values)).round(3).tolist(),
        "outside": round(100 * float(np.mean(np.abs(values) > end)), 3),
        "exactly 0": round(100 * float(np.mean(values == 0)), 3),
        "mean": float(f"{values.mean():.2g}"),
        "least": float(f"{values.min():.3g}"),
        "largest": float(f"{np.abs(values).max():.3g}"),
    }


def measure() -> dict[str, Any]:
    """Differences in nats: of float32 logits by both libraries, and of bfloat16 logits by a trainer that stays in bfloat16."""
    import jax
    import scipy.special
    import torch

    import lsmx

    found: dict[tuple[str, str], list[Any]] = {}
    errors: dict[str, list[Any]] = {"torch": [], "JAX": [], "lsmx": []}
    native = jax.jit(jax.nn.log_softmax)
    for z, tokens in logits():
        t, j = torch.from_numpy(z), jax.numpy.asarray(z)
        served, ours = native(j), lsmx.log_softmax(j)
        each = {
            ("float32", LIBRARIES): (torch.log_softmax(t, -1), served),
            ("float32", OURS): (lsmx.log_softmax(t), ours),
            ("bfloat16", LIBRARIES): (torch.log_softmax(t.bfloat16(), -1), served),
            ("bfloat16", OURS): (lsmx.log_softmax(t.bfloat16(), dtype="float32"), ours),
        }
        for which, (trainer, server) in each.items():
            found.setdefault(which, []).append(at(tokens, trainer) - at(tokens, server))
        exact = scipy.special.log_softmax(z.astype(np.float64), axis=-1)
        for name, values in zip(errors, (each["float32", LIBRARIES][0], served, ours), strict=True):
            errors[name].append(at(tokens, values) - at(tokens, exact))
    kept: dict[str, Any] = {
        "measured with": drawing.machine("lsmx", "numpy", "scipy", "torch", "jax"),
        "logits": f"{ROWS} x {COLUMNS}, made up: normal times 2, and {LEADERS} tokens a row at {LEAD:g}, give or take 3",
    }
    kept["mean error in float32"] = {name: float(f"{np.concatenate(values).mean():.2g}") for name, values in errors.items()}
    for (dtype, which), values in found.items():
        kept.setdefault(dtype, {})[which] = histogram(np.concatenate(values), ENDS[dtype])
    return kept


def power(value: float) -> str:
    """A small number as people write it."""
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.replace('-', chr(0x2212))}$\\cdot$10$^{{{int(exponent)}}}$"


def draw(data: Any, theme: Theme) -> Any:
    """For each dtype the libraries' own functions above, and lsmx below."""
    figure = plt.figure(figsize=(drawing.WIDTH, 6.0))
    figure.text(0.012, 0.945, "log-probs: the trainer's less the server's", weight="bold", size=drawing.LARGE)
    figure.text(0.012, 0.892, "percent of the sampled tokens, by the difference in nats", size=drawing.SMALL)
    for k, (dtype, end) in enumerate(ENDS.items()):
        for which, title, bottom, height, top, colour in (
            (LIBRARIES, f"torch, {dtype}\nJAX, float32", 0.46, 0.38, 50, theme.torch),
            (OURS, "lsmx on torch\nand on JAX", 0.10, 0.25, 100, theme.lsmx),
        ):
            axes = figure.add_axes((0.068 + 0.49 * k, bottom, 0.43, height))
            edges = np.linspace(-end, end, BARS + 1)
            found = data[dtype][which]
            for i, (left, percent) in enumerate(zip(edges, found["percent"], strict=False)):
                if percent:
                    axes.bar(left, percent, 2 * end / BARS, align="edge", color=colour, gid=drawing.gid(dtype, which, i))
            tick, mark = MARKS[dtype]
            axes.set(xlim=(-end, end), xticks=[-tick, 0, tick], ylim=(0, top), yticks=[0, top / 2, top])
            axes.set_xticklabels([f"\N{MINUS SIGN}{mark}", "0", mark] if which == OURS else ["", "", ""])
            axes.grid(visible=False, axis="x")
            axes.text(0.02, 0.98, title, color=colour, weight="bold", va="top", transform=axes.transAxes, linespacing=1.3)
            said = "all are 0" if found["exactly 0"] == 100 else f"mean {power(found['mean'])}\nlargest {power(found['largest'])}"
            axes.text(0.99, 0.98, said, va="top", ha="right", transform=axes.transAxes, size=drawing.SMALL, linespacing=1.4)
    return figure


if __name__ == "__main__":
    drawing.main(NAME, draw, measure)
