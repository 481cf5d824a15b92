"""How far float32 results are from the exact ones, on random rows: those of lsmx, and of what is written with PyTorch.

    pip install -e ".[test]" && python benchmarks/accuracy.py

Prints tables of docs/losses.md and docs/arithmetic.md: the worst error of each family of rows, in ulp of float32. What stands
for the exact value is lsmx in float64, of the same float32 numbers, whose own error is some 1e-8 of these ulp
(tests/test_losses_accuracy.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, kl_div

import lsmx

ELEMENTS = 2**20  # of each family
LEAST, LEAST_LOG = 2.0**-90, -87.0  # below, the second word of a sum may count as 0, and a probability does
EPS, Z_LOSS = float(np.float32(0.1)), float(np.float32(1e-4))  # as float32 has them
NOISE = (1e-6, 1e-4, 1e-2, 0.1, 1.0)
Array = np.ndarray[Any, np.dtype[Any]]
Errors = dict[str, float]
rng = np.random.default_rng(0)


def shifted(z: Array) -> Array:
    """Rows moved by up to 400."""
    return np.asarray(z + rng.choice([0.0, 0.1, -3.3, 20.7, 90.3, -70.9, 400.1], (len(z), 1)))


def led(z: Array, least: float, most: float) -> Array:
    """Rows of which one class leads by so much more."""
    z[np.arange(len(z)), rng.integers(0, z.shape[1], len(z))] += rng.uniform(least, most, len(z))
    return z


def normal(n: int) -> Array:
    """Of scale 1, 3 and 9."""
    return np.asarray(rng.choice([1.0, 3.0, 9.0], (ELEMENTS // n, 1)) * rng.standard_normal((ELEMENTS // n, n)))


FAMILIES: dict[str, Callable[[], Array]] = {
    "normal": lambda: shifted(normal(50)),
    "pairs": lambda: shifted(rng.uniform(0, 24, (ELEMENTS // 2, 2))),
    "short": lambda: shifted(normal(5)),
    "peaked": lambda: shifted(led(normal(24), 5, 80)),
    "wide": lambda: rng.uniform(-80, 80, (ELEMENTS // 40, 40)),
    "near-equal": lambda: shifted(2.0**-12 * rng.uniform(0, 1, (ELEMENTS // 40, 40))),
    "tails": lambda: led(np.repeat(rng.choice([0.0, 0.1], (ELEMENTS // 700, 1)), 700, axis=1), 0, 60),
    "long": lambda: 3 * rng.standard_normal((ELEMENTS // 131072, 128256)),
}


def worst(got: Array, exact: Array, unit: Array | None = None, least: float = LEAST) -> float:
    """The largest error in ulp of a unit, or of the exact value. Units so small that the value may be 0 do not count."""
    unit = np.abs(exact if unit is None else unit)
    counts = (unit >= least) & np.isfinite(unit)
    _, exponent = np.frexp(unit[counts])
    return float((np.abs(got[counts] - exact[counts]) / 2.0 ** (np.maximum(exponent - 1, -126) - 23)).max(initial=0))


def of_losses(z: Array) -> Iterator[tuple[str, float]]:
    """Values and gradients of lsmx, then values of PyTorch."""
    z = z.astype(np.float32)
    x, (n, C) = z.astype(np.float64), z.shape
    index = np.where(np.arange(n) % 2, rng.integers(0, C, n), z.argmax(-1))
    g = rng.standard_normal(n).astype(np.float32)
    p = rng.random((n, C)) ** 4
    p = (p / p.sum(-1, keepdims=True)).astype(np.float32)
    weight = rng.uniform(0.1, 2.1, C).astype(np.float32)
    kinds: dict[str, tuple[Array, dict[str, Any]]] = {
        "of a class": (index, {}),
        "smoothing": (index, {"label_smoothing": EPS}),
        "smoothing, weights": (index, {"label_smoothing": EPS, "weight": weight}),
        "probabilities": (p, {}),
        "z_loss": (index, {"z_loss": Z_LOSS}),
    }
    yield "log_prob", worst(lsmx.log_prob(z, index), lsmx.log_prob(x, index))
    yield "entropy", worst(lsmx.entropy(z), lsmx.entropy(x))
    calls: dict[str, Any] = {}
    for kind, (target, options) in kinds.items():
        wide: dict[str, Any] = {k: v.astype(np.float64) if k == "weight" else v for k, v in options.items()}
        target64 = target.astype(np.float64) if kind == "probabilities" else target
        calls[kind] = (target, options), (target64, wide)
        values = (lsmx.cross_entropy(a, t, reduction="none", **o) for a, (t, o) in zip((z, x), calls[kind], strict=True))
        yield f"cross_entropy, {kind}", worst(next(values), next(values))

    g64 = g.astype(np.float64)
    s = np.where(lsmx.log_softmax(z) > LEAST_LOG, lsmx.softmax(x), 0.0)
    least, wide_g = 2.0**-100, g64[:, None]
    D = x.max(-1, keepdims=True) - x
    dz, exact = lsmx.log_prob_backward(g, z, index), np.where(s > 0, lsmx.log_prob_backward(g64, x, index), 0.0)
    exact[np.arange(n), index] = lsmx.log_prob_backward(g64, x, index)[np.arange(n), index]
    yield "log_prob_backward, at g", worst(dz, exact, wide_g + 0 * x, least)
    yield "log_prob_backward, at itself", worst(dz, exact, None, least)
    E = (s * D).sum(-1, keepdims=True)
    unit = np.where(E >= LEAST, wide_g * s * np.maximum(D, E), 0.0)
    yield "entropy_backward", worst(lsmx.entropy_backward(g, z), np.where(s > 0, lsmx.entropy_backward(g64, x), 0.0), unit, least)
    leads = (D == 0) & (s > 0.5)
    others = np.where(leads, np.where(leads, 0, lsmx.softmax(x)).sum(-1, keepdims=True), 1 - s)
    for kind, ((target, options), (target64, wide)) in calls.items():
        q, c = np.zeros_like(x), wide.get("z_loss", 0.0)
        if kind == "probabilities":
            q = target64
        else:
            q[np.arange(n), index] = 1
            if eps := wide.get("label_smoothing", 0.0):
                q = (q * (1 - eps) + eps / C) * wide.get("weight", 1.0)
        G = -q.sum(-1, keepdims=True) - 2 * c * lsmx.logsumexp(x)[:, None]
        terms = np.where(leads, -q - G, q), np.where(leads, others, s) * G
        # the grid of the exact sum of all u q shows in what is below some 2^-20 of the largest
        unit = np.abs(wide_g) * np.maximum(np.maximum(*map(np.abs, terms)), 2.0**-20 * q.max(-1, keepdims=True))
        got = lsmx.cross_entropy_backward(g, z, target, reduction="none", **options)
        exact = lsmx.cross_entropy_backward(g64, x, target64, reduction="none", **wide)
        exact = np.where(s > 0, exact, -wide_g * q)
        yield f"cross_entropy_backward, {kind}", worst(got, exact, unit, least)

    t, i = torch.from_numpy(z), torch.from_numpy(index)
    log_p = torch.log_softmax(t, -1)
    H, loss = lsmx.entropy(x), lsmx.cross_entropy(x, index, reduction="none")
    yield "`F.cross_entropy`", worst(cross_entropy(t, i, reduction="none").numpy(), loss)
    yield "`logsumexp - gather`", worst((t.logsumexp(-1) - t.gather(-1, i[:, None])[:, 0]).numpy(), loss)
    yield "`-(s * log_s).sum(-1)`", worst(-(log_p.exp() * log_p).sum(-1).numpy(), H)
    yield "`Categorical(logits=z).entropy()`", worst(torch.distributions.Categorical(logits=t).entropy().numpy(), H)
    yield "`logsumexp - (s * z).sum(-1)`", worst((t.logsumexp(-1) - (log_p.exp() * t).sum(-1)).numpy(), H)


def of_log_softmax(z: Array) -> Iterator[tuple[str, float]]:
    """Values and gradients, the latter of the output as it was rounded."""
    z = z.astype(np.float32)
    x, g = z.astype(np.float64), np.asarray(rng.standard_normal(z.shape), np.float32)
    exact, out, least = lsmx.log_softmax(x), lsmx.log_softmax(z), 2.0**-100
    alive = out > LEAST_LOG
    yield "log_softmax", worst(out, exact)
    yield "softmax", worst(lsmx.softmax(z)[alive], np.exp(exact[alive]))
    lse = lsmx.logsumexp(x)
    yield "logsumexp", worst(lsmx.logsumexp(z), lse, np.maximum(np.abs(x.max(-1)), lse - x.max(-1)))
    y, g64 = out.astype(np.float64), g.astype(np.float64)
    G = g64.sum(-1, keepdims=True)
    near = y > -np.log(2) / 2
    terms = np.where(near, g64 - G, g64), np.where(near, np.expm1(y), np.exp(y)) * G
    got = lsmx.log_softmax_backward(g, out)
    yield "log_softmax_backward", worst(got, terms[0] - terms[1], np.maximum(*map(np.abs, terms)), least)
    s = lsmx.softmax(z)
    s64 = s.astype(np.float64)
    products = g64 * s64
    exact = s64 * (g64 - products.sum(-1, keepdims=True))
    unit = s64 * (np.abs(g64) + np.abs(products).sum(-1, keepdims=True))
    yield (
        "softmax_backward",
        worst(lsmx.softmax_backward(g, s), exact, np.where((np.abs(exact) > least) & (s > least), unit, 0.0), least),
    )


def apart(noise: float) -> tuple[Array, Array]:
    """Rows that differ by normal noise, or not at all alike."""
    z = np.concatenate([normal(24), led(normal(24), 5, 80)])
    z = shifted(z).astype(np.float32)
    return z, (z + noise * rng.standard_normal(z.shape)).astype(np.float32) if noise else z[:, ::-1].copy()


def of_divergences(pair: tuple[Array, Array]) -> Iterator[tuple[str, float]]:
    """Values and gradients of lsmx, then PyTorch's KL, and the percentage of rows for which that is negative."""
    z, w = pair
    x, y, one = z.astype(np.float64), w.astype(np.float64), np.ones(len(z), np.float32)
    log_p, log_q = lsmx.log_softmax(x), lsmx.log_softmax(y)
    p, q = (np.where(lsmx.log_softmax(v) > LEAST_LOG, np.exp(log_s), 0.0) for v, log_s in ((z, log_p), (w, log_q)))
    d, kl, js = log_q - log_p, lsmx.kl_divergence(x, y), lsmx.js_divergence(x, y)
    least = 2.0**-100
    yield "`kl_divergence`", worst(lsmx.kl_divergence(z, w), kl)
    (by_z, by_w), exact = lsmx.kl_divergence_backward(one, z, w), lsmx.kl_divergence_backward(one.astype(np.float64), x, y)
    rms, KL = np.sqrt(2 * kl)[:, None], kl[:, None]
    yield "KL by `z`", worst(by_z, exact[0], p * np.maximum(np.maximum(np.abs(d), KL), rms), least)
    yield "KL by `w`", worst(by_w, exact[1], np.maximum(np.abs(q - p), p * rms), least)
    yield "`js_divergence`", worst(lsmx.js_divergence(z, w), js)
    (by_z, by_w), exact = lsmx.js_divergence_backward(one, z, w), lsmx.js_divergence_backward(one.astype(np.float64), x, y)
    half = np.sqrt(js / 2)[:, None]
    for name, s, of, got, dz in (("z", p, d, by_z, exact[0]), ("w", q, -d, by_w, exact[1])):
        v = -(np.logaddexp(0, of) - np.log(2)) / 2
        unit = s * np.maximum(np.maximum(np.abs(v), np.abs((s * v).sum(-1, keepdims=True))), half)
        yield f"JS by `{name}`", worst(got, dz, unit, least)
    a, b = (torch.log_softmax(torch.from_numpy(v), -1) for v in (z, w))
    theirs = kl_div(b, a, log_target=True, reduction="none").sum(-1).numpy()
    yield "`F.kl_div(log_q, log_p, log_target=True)`", worst(theirs, kl)
    yield "rows for which that is below 0, in %", 100 * float((theirs < 0).mean())


def shown(error: float) -> str:
    """With the digits that matter."""
    return f"{error:.1f}" if error < 100 else f"{error:.0f}" if error < 1e4 else f"{error:.0e}".replace("e+0", "e")


def table(title: str, columns: list[str], found: list[Errors]) -> None:
    """As Markdown."""
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name in found[0]:
        print(f"| {name} | {' | '.join(shown(e[name]) for e in found)} |")


if __name__ == "__main__":
    families = {name: draw() for name, draw in FAMILIES.items()}
    table("Losses", list(families), [dict(of_losses(z)) for z in families.values()])
    table("Log-softmax", list(families), [dict(of_log_softmax(z)) for z in families.values()])
    pairs = {**{f"{noise:g}": apart(noise) for noise in NOISE}, "far apart": apart(0)}
    table("Divergences", list(pairs), [dict(of_divergences(pair)) for pair in pairs.values()])
