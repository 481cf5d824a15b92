"""Losses against mpmath, in ulp: each bound is the worst that was measured here, rounded up to a tenth.

A loss is measured at its exact value. A gradient is measured at what its errors are made of: for log-prob at ``g`` and at
itself, for the entropy at ``g s max(D, E)`` with ``D = max - x`` and ``E = sum(s D)``, for cross-entropy at the larger of the
two terms that it is the difference of, and for the divergences at ``|q - p|``, ``p |d|`` and ``p |v|``, none of them below the
root of the mean square of its row. A derivative along a direction ``v`` is measured at the sum of all ``|gradient_c v_c|`` for
cross-entropy and for KL by ``w``, whose gradients have all their digits, else at that of what ``v_c`` is multiplied by in the
units above; for log-prob, ``v_i - sum(s v)``, at ``|v_i| + sum(s |v|)``.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest

import lsmx
from lsmx._definition.divergence import psi_of
from lsmx._definition.expm1 import expm1, tanh
from lsmx._definition.logits import Scaling, scaled
from lsmx._definition.ops import Ops
from lsmx._definition.products import quotient
from lsmx._definition.rows import Rows
from lsmx.testing import differing, ulp_error
from lsmx.testing.inputs import normal, uniform
from tests.oracle import number

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
LEAST = {"float32": 2.0**-90, "float64": 2.0**-950}  # below it the second word of a sum may count as 0
LEAST_LOG = {"float32": -87.0, "float64": -708.0}  # a probability whose logarithm is below counts as 0
SHIFTS = np.asarray([0.0, 0.1, -3.3, 20.7, 90.3, -70.9, 400.1])
BOUNDS: dict[str, tuple[float, float]] = {
    "log_prob": (1.0, 1.1),
    "entropy": (1.1, 0.9),
    "cross-entropy, index": (1.0, 1.1),
    "cross-entropy, smoothing": (1.5, 2.0),
    "cross-entropy, weights": (1.5, 1.7),
    "cross-entropy, probabilities": (1.0, 1.3),
    "cross-entropy, z_loss": (2.1, 2.0),
    "log_prob's gradient, at g": (0.5, 0.5),
    "log_prob's gradient, at itself": (1.5, 2.1),
    "entropy's gradient": (2.2, 3.2),
    "cross-entropy's gradient, index": (1.5, 2.1),
    "cross-entropy's gradient, smoothing": (2.2, 1.9),
    "cross-entropy's gradient, weights": (2.4, 2.8),
    "cross-entropy's gradient, probabilities": (1.7, 2.1),
    "cross-entropy's gradient, z_loss": (2.1, 2.0),
    "log_prob along v": (0.8, 0.9),
    "entropy along v": (1.8, 2.0),
    "cross-entropy along v, index": (1.3, 1.9),
    "cross-entropy along v, weights": (1.9, 2.9),
    "KL": (1.4, 1.4),
    "JS": (1.6, 1.7),
    "KL by z": (4.3, 3.4),
    "KL by z, along v": (0.9, 1.2),
    "KL by w": (2.6, 2.4),
    "KL by w, along v": (1.5, 1.4),
    "JS by z": (3.2, 3.2),
    "JS by z, along v": (1.3, 1.2),
    "JS by w": (3.2, 3.1),
    "JS by w, along v": (1.0, 1.9),
    "tanh": (0.8, 1.0),
    "sech^2": (0.8, 0.7),
    "expm1": (1.0, 0.8),
    "phi": (1.2, 1.2),
    "psi": (1.5, 1.6),
    "30 tanh(x / 30)": (1.9, 1.8),
}
"""In ulp, in float32 and in float64."""
WORST: dict[str, float] = {}


@pytest.fixture(autouse=True)
def _digits() -> Iterator[None]:
    """Enough for 1e-6 squared times ``exp(-80)``, and a float64 beside it."""
    with mp.workprec(320):
        yield


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    """Add the worst errors to the file that LSMX_WORST names."""
    yield
    if name := os.environ.get("LSMX_WORST"):
        path = pathlib.Path(name)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({k: max(v, before.get(k, 0.0)) for k, v in {**before, **WORST}.items()}, indent=1))


def least_of(dtype: str, factor: float = 1.0) -> float:
    return factor * 4 * float(np.finfo(dtype).smallest_normal)


def note(what: str, got: np.ndarray, exact: list[Any], unit: list[Any] | None = None, least: float | None = None) -> None:
    """Hold an error to its bound. What has no size to be measured at is its exact value if that is infinite, else nearly 0."""
    dtype = got.dtype.name
    least = LEAST[dtype] if least is None else least
    size = [abs(v) for v in (exact if unit is None else unit)]
    used = [k for k, u in enumerate(size) if least <= u < mp.inf]
    values = got.ravel()
    for k in set(range(len(size))).difference(used):
        assert (values[k] == float(exact[k])) if mp.isinf(exact[k]) else (abs(values[k]) <= 2 * least), what
    error = ulp_error(values[used], [exact[k] for k in used], [size[k] for k in used])
    WORST[f"{what} {dtype}"] = max(error, WORST.get(f"{what} {dtype}", 0.0))
    assert error <= BOUNDS[what][dtype == "float64"], what


class Exact(NamedTuple):
    """The exact values of a row."""

    y: list[Any]  # log s
    s: list[Any]
    D: list[Any]  # max - x
    E: Any  # sum(s D)
    H: Any
    lse: Any
    R: Any  # of what is not the maximum, the sum of exp(x - max)

    @classmethod
    def of(cls, row: np.ndarray) -> Exact:
        made: dict[float, Any] = {}
        top = number(row.max())
        first = int(row.argmax())
        D = [mp.inf if v == -np.inf else top - number(v) for v in row.tolist()]
        t = [made[v] if v in made else made.setdefault(v, mp.exp(-d)) for v, d in zip(row.tolist(), D, strict=True)]
        R = mp.fsum(t[:first] + t[first + 1 :])
        L, w = mp.log1p(R), 1 / (1 + R)
        s = [v * w for v in t]
        E = mp.fsum(p * d for p, d in zip(s, D, strict=True) if p)
        return cls([-d - L for d in D], s, D, E, L + E, top + L, R)

    def less_one(self, i: int) -> Any:
        """``1 - s_i``, which cancels at a near-certain maximum."""
        return self.R / (1 + self.R) if self.D[i] == 0 else 1 - self.s[i]

    def alive(self, i: int, dtype: str) -> bool:
        """Whether the probability of a class counts."""
        return bool(self.y[i] > LEAST_LOG[dtype])


def shifted(z: np.ndarray) -> np.ndarray:
    """Rows moved to where ``max - z`` cannot be represented."""
    return np.asarray(z + SHIFTS[np.arange(len(z)) % len(SHIFTS), None])


def peaked() -> np.ndarray:
    """One logit leads by 5 to 80."""
    z = normal(3, 16, 24)
    z[np.arange(16), np.arange(16) % 24] += 5 + 75 * uniform(4, 16)
    return shifted(z)


def holes() -> np.ndarray:
    """With classes at -inf."""
    z = 3 * normal(5, 7, 30)
    z[:, 1::3] = -np.inf
    return z


def tails() -> np.ndarray:
    """One logit leads a long tail of equal ones: every term of the sums has the same error, so none cancels."""
    z = np.repeat(np.asarray([0.0, 0.1] * 4)[:, None], 700, axis=1)
    z[:, 233] += [0.0, 0.3, 3.3, 5.0, 9.7, 12.3, 30.0, 60.0]
    return z


INPUTS: dict[str, Callable[[], np.ndarray]] = {
    "normal": lambda: shifted(4 * normal(1, 14, 60)),
    "pairs": lambda: shifted(np.stack([uniform(6, 140), 24 * uniform(7, 140)], axis=-1)),
    "peaked": peaked,
    "wide": lambda: 160 * uniform(8, 10, 40) - 80,
    "near-equal": lambda: shifted(2.0**-12 * uniform(9, 7, 40)),
    "uniform": lambda: np.repeat(SHIFTS[:, None], 30, axis=1),
    "holes": holes,
    "tails": tails,
    "long": lambda: np.round(3 * normal(10, 1, 128256) * 64) / 64,  # few different exponentials, so that mpmath has done soon
}


class Batch(NamedTuple):
    """Logits, their exact values, classes of which every other one is the most likely, and cotangents."""

    z: np.ndarray
    exact: list[Exact]
    classes: np.ndarray
    g: np.ndarray
    v: np.ndarray  # a direction
    p: np.ndarray  # probabilities
    weight: np.ndarray
    at: list[int]  # classes at which gradients are looked at


@cache
def batch(name: str, dtype: str) -> Batch:
    z = INPUTS[name]().astype(dtype)
    n, C = z.shape
    index = np.where(np.arange(n) % 2, np.floor(C * uniform(11, n)).astype(int), z.argmax(-1))
    p = uniform(12, n, C) ** 4  # not normalised: that is not asked for
    p[:, ::5] = 0.0
    drawn = normal(13, n), normal(14, n, C), p / p.sum(-1, keepdims=True), 0.1 + 2 * uniform(15, C)
    g, v, p, weight = (x.astype(dtype) for x in drawn)
    at = sorted({*range(0, C, 1 + C // 60), *index.tolist(), *z.argmax(-1).tolist()})
    with mp.workprec(320):
        return Batch(z, [Exact.of(row) for row in z], index, g, v, p, weight, at)


def targets(b: Batch, kind: str) -> Iterator[list[Any]]:
    """``q`` of each row; only what a format cannot hold is rounded: 0.1."""
    C, W, eps = b.z.shape[1], [number(v) for v in b.weight], number(b.z.dtype.type(0.1))
    for i, p in zip(b.classes.tolist(), b.p, strict=True):
        if kind == "probabilities":
            yield [number(v) for v in p]
        elif kind in ("index", "z_loss"):
            yield [mp.mpf(c == i) for c in range(C)]
        else:
            smooth = [eps / C + (1 - eps) * (c == i) for c in range(C)]
            yield [v * u for v, u in zip(smooth, W, strict=True)] if kind == "weights" else smooth


def given(b: Batch, kind: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The target and the options of `cross_entropy` for it."""
    options: dict[str, dict[str, Any]] = {
        "smoothing": {"label_smoothing": 0.1},
        "weights": {"label_smoothing": 0.1, "weight": b.weight},
        "z_loss": {"z_loss": 1e-4},
    }
    return (b.p if kind == "probabilities" else b.classes), {"reduction": "none", **options.get(kind, {})}


KINDS = ("index", "smoothing", "weights", "probabilities", "z_loss")
FINITE = [name for name in INPUTS if name != "holes"]


def dot(a: list[Any], b: list[Any]) -> Any:
    """``sum(a b)``, with what is infinite left out where ``a`` is 0."""
    return mp.fsum(u * v for u, v in zip(a, b, strict=True) if u)


@pytest.mark.one_in(3)
@DTYPES
@pytest.mark.parametrize("name", INPUTS)
def test_log_prob_and_entropy(name: str, dtype: str) -> None:
    b = batch(name, dtype)
    note("log_prob", lsmx.log_prob(b.z, b.classes), [e.y[i] for e, i in zip(b.exact, b.classes, strict=True)])
    note("entropy", lsmx.entropy(b.z), [e.H for e in b.exact])


@pytest.mark.one_in(9, slow=3)
@DTYPES
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FINITE)
def test_cross_entropy(name: str, kind: str, dtype: str) -> None:
    b = batch(name, dtype)
    target, options = given(b, kind)
    c = number(b.z.dtype.type(1e-4)) if kind == "z_loss" else 0
    exact = [c * e.lse**2 - dot(q, e.y) for e, q in zip(b.exact, targets(b, kind), strict=True)]
    note(f"cross-entropy, {kind}", lsmx.cross_entropy(b.z, target, **options), exact)


@DTYPES
@pytest.mark.parametrize("name", INPUTS)
def test_gradients_of_log_prob_and_entropy(name: str, dtype: str) -> None:
    b = batch(name, dtype)
    by_index, size, by_entropy, unit = [], [], [], []
    for e, i, g in zip(b.exact, b.classes.tolist(), map(number, b.g), strict=True):
        for c in b.at:
            alive = e.alive(c, dtype)
            by_index.append(g * e.less_one(c) if c == i else -g * e.s[c] if alive else mp.mpf(0))
            size.append(abs(g))
            by_entropy.append(g * e.s[c] * (e.D[c] - e.E) if alive else mp.mpf(0))
            unit.append(g * e.s[c] * max(e.D[c], e.E) if alive else mp.mpf(0))
    got = lsmx.log_prob_backward(b.g, b.z, b.classes)[:, b.at]
    note("log_prob's gradient, at g", got, by_index, size, least_of(dtype))
    note("log_prob's gradient, at itself", got, by_index, None, least_of(dtype))
    note("entropy's gradient", lsmx.entropy_backward(b.g, b.z)[:, b.at], by_entropy, unit, least_of(dtype))


@pytest.mark.one_in(9)
@DTYPES
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FINITE)
def test_gradient_of_cross_entropy(name: str, kind: str, dtype: str) -> None:
    b = batch(name, dtype)
    target, options = given(b, kind)
    c2 = 2 * number(b.z.dtype.type(1e-4)) if kind == "z_loss" else 0
    exact, unit = [], []
    for e, q, u in zip(b.exact, targets(b, kind), map(number, b.g), strict=True):
        G = -mp.fsum(q) - c2 * e.lse
        for c in b.at:
            s = e.s[c] if e.alive(c, dtype) else mp.mpf(0)
            terms = (-q[c] - G, -e.less_one(c) * G) if e.D[c] == 0 and e.R < 1 else (-q[c], s * G)
            exact.append(u * (terms[0] - terms[1]))
            unit.append(u * max(map(abs, terms)))
    got = lsmx.cross_entropy_backward(b.g, b.z, target, **options)[:, b.at]
    note(f"cross-entropy's gradient, {kind}", got, exact, unit, least_of(dtype))


@DTYPES
@pytest.mark.parametrize("name", FINITE[:-1])  # not the long one, which takes mpmath seconds
def test_along_a_direction(name: str, dtype: str) -> None:
    b = batch(name, dtype)
    found: dict[str, tuple[list[Any], list[Any]]] = {}

    def add(what: str, gradient: list[Any], v: list[Any], unit: list[Any] | None = None) -> None:
        exact, size = found.setdefault(what, ([], []))
        exact.append(dot(gradient, v))
        size.append(dot([*map(abs, gradient if unit is None else unit)], [*map(abs, v)]))

    q_of = {kind: targets(b, kind) for kind in ("index", "weights")}
    for e, i, row in zip(b.exact, b.classes.tolist(), b.v, strict=True):
        v = [number(x) for x in row]
        one = [e.less_one(c) if c == i else -s for c, s in enumerate(e.s)]
        add("log_prob", one, v, [(c == i) + s for c, s in enumerate(e.s)])
        both = [*zip(e.s, e.D, strict=True)]
        add("entropy", [s * (D - e.E) for s, D in both], v, [s * max(D, e.E) for s, D in both])
        for kind, rows in q_of.items():
            q = next(rows)
            Q = mp.fsum(q)
            add(kind, [-e.less_one(c) if (c, kind) == (i, "index") else s * Q - q[c] for c, s in enumerate(e.s)], v)
    note("log_prob along v", lsmx.log_prob_jvp(b.v, b.z, b.classes), *found["log_prob"])
    note("entropy along v", lsmx.entropy_jvp(b.v, b.z), *found["entropy"])
    for kind in q_of:
        target, options = given(b, kind)
        note(f"cross-entropy along v, {kind}", lsmx.cross_entropy_jvp(b.v, b.z, target, **options), *found[kind])


NOISE = (1e-6, 1e-4, 1e-2, 0.1, 1.0)


def pairs(noise: float, dtype: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of every kind, and others that are by so much apart; with 0, rows that are far apart."""
    drawn = {
        "normal": shifted(4 * normal(21, 7, 24)),
        "peaked": peaked()[:7],
        "uniform": np.repeat(SHIFTS[:, None], 20, axis=1),
        "near-equal": shifted(2.0**-12 * uniform(22, 7, 20)),
        "holes": holes()[:4],
        "wide": 160 * uniform(23, 4, 30) - 80,
    }
    if noise:
        for k, z in enumerate(drawn.values()):
            yield z.astype(dtype), (z + noise * normal(24 + k, *z.shape)).astype(dtype)
        z = drawn["normal"]
        yield z.astype(dtype), (z + 100 + noise * normal(31, *z.shape)).astype(dtype)
        return
    for name in ("normal", "wide"):
        yield drawn[name].astype(dtype), drawn[name][:, ::-1].astype(dtype)
    yield drawn["peaked"].astype(dtype), np.roll(drawn["peaked"], 1, axis=1).astype(dtype)


class Apart(NamedTuple):
    """What is exact of two rows: divergences, gradients and the units of their errors."""

    kl: Any
    js: Any
    gradients: dict[str, list[Any]]
    units: dict[str, list[Any]]

    @classmethod
    def of(cls, z: np.ndarray, w: np.ndarray) -> Apart:
        a, b, dtype, zero = Exact.of(z), Exact.of(w), z.dtype.name, mp.mpf(0)
        live = [i for i, s in enumerate(a.s) if s]
        d = [b.y[i] - a.y[i] if i in live else zero for i in range(len(z))]
        kl = -mp.fsum(a.s[i] * d[i] for i in live)
        # v = ln(p / m) / 2 with m = (p + q) / 2
        v = {"z": [-mp.log((1 + mp.exp(x)) / 2) / 2 for x in d], "w": [-mp.log((1 + mp.exp(-x)) / 2) / 2 for x in d]}
        mean = {"z": dot(a.s, v["z"]), "w": dot(b.s, v["w"])}
        js = mean["z"] + mean["w"]
        rms, half = mp.sqrt(2 * abs(kl)), mp.sqrt(abs(js) / 2)
        p = [s if i in live and a.alive(i, dtype) else zero for i, s in enumerate(a.s)]
        q = [s if i in live and b.alive(i, dtype) else zero for i, s in enumerate(b.s)]
        gradients, units = {}, {}
        gradients["KL by w"] = [y - x for x, y in zip(p, q, strict=True)]
        units["KL by w"] = [max(abs(y - x), x * rms) for x, y in zip(p, q, strict=True)]
        gradients["KL by z"] = [-x * (e + kl) for x, e in zip(p, d, strict=True)]
        units["KL by z"] = [x * max(abs(e), kl, rms) for x, e in zip(p, d, strict=True)]
        for by, of in (("z", p), ("w", q)):
            gradients[f"JS by {by}"] = [x * (e - mean[by]) for x, e in zip(of, v[by], strict=True)]
            units[f"JS by {by}"] = [x * max(abs(e), abs(mean[by]), half) for x, e in zip(of, v[by], strict=True)]
        return cls(kl, js, gradients, units)


@pytest.mark.one_in(3)
@DTYPES
@pytest.mark.parametrize("noise", [*NOISE, 0.0])
def test_divergences(noise: float, dtype: str) -> None:
    """With random cotangents; a gradient's own products may fall below the least normal number long before the gradient does."""
    least = least_of(dtype, 2.0**20)
    for z, w in pairs(noise, dtype):
        exact = [Apart.of(*rows) for rows in zip(z, w, strict=True)]
        note("KL", lsmx.kl_divergence(z, w), [e.kl for e in exact])
        note("JS", lsmx.js_divergence(z, w), [e.js for e in exact])
        g, v = normal(41, len(z)).astype(dtype), normal(42, *z.shape).astype(dtype)
        got: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for name, short in (("kl", "KL"), ("js", "JS")):
            backward, jvp = (getattr(lsmx, f"{name}_divergence_{rule}") for rule in ("backward", "jvp"))
            for by, dx, tangents in zip(("z", "w"), backward(g, z, w), ((v, None), (None, v)), strict=True):
                got[f"{short} by {by}"] = dx, jvp(*tangents, z, w)
        for what, (dx, along) in got.items():
            by_rows = [(e.gradients[what], e.units[what]) for e in exact]
            cotangents = [number(x) for x in g]
            values = [c * x for c, (dz, _) in zip(cotangents, by_rows, strict=True) for x in dz]
            units = [c * x for c, (_, u) in zip(cotangents, by_rows, strict=True) for x in u]
            note(what, dx, values, units, least)
            directions = [[number(y) for y in row] for row in v]
            moved = [dot(dz, row) for (dz, _), row in zip(by_rows, directions, strict=True)]
            sizes = [[*map(abs, dz)] if what == "KL by w" else unit for dz, unit in by_rows]
            note(f"{what}, along v", along, moved, [dot(u, [*map(abs, x)]) for u, x in zip(sizes, directions, strict=True)], least)


@DTYPES
def test_divergences_are_never_negative_and_0_between_equal_rows(dtype: str) -> None:
    for noise in NOISE:
        for z, w in pairs(noise, dtype):
            for a, b in ((z, w), (w, z)):
                assert (lsmx.kl_divergence(a, b) >= 0).all()
                assert (lsmx.js_divergence(a, b) >= 0).all()
                assert (lsmx.js_divergence(a, b) <= np.log(2)).all()
            moved = (np.round(64 * z) / 64, np.round(64 * z) / 64 + 256)  # what is added is exact
            for a, b in ((z, z), (w, w), moved):
                assert not lsmx.kl_divergence(a, b).any()
                assert not lsmx.js_divergence(a, b).any()


def ops_of(dtype: str) -> Ops:
    return Rows.of("z", np.zeros((1, 1), dtype), -1).ops


@DTYPES
def test_pieces(dtype: str) -> None:
    ops = ops_of(dtype)
    x = np.concatenate([10.0 ** (6 * uniform(51, 400) - 6), 2.5 * uniform(52, 400), 2.5 + 17.5 * uniform(53, 300)]).astype(dtype)
    x = np.concatenate([x, (20 + 60 * uniform(54, 300)).astype(dtype)])
    zero, X = np.zeros_like(x), [number(v) for v in x]
    t = tanh(ops, (x, zero))
    note("tanh", t.value[0], [mp.tanh(v) for v in X])
    note("sech^2", t.sech2, [mp.sech(v) ** 2 for v in X], None, least_of(dtype, 2.0**10))
    for sign in (1, -1):
        e = expm1(ops, (sign * x, zero))
        note("expm1", e.value[0], [mp.expm1(sign * v) for v in X])
        note("phi", e.rest, [mp.expm1(sign * v) - sign * v for v in X])
    # psi(h) = h tanh h - ln cosh h, h = x / 2
    note("psi", psi_of(ops, (x, zero))[0], [v / 2 * mp.tanh(v / 2) - mp.log(mp.cosh(v / 2)) for v in X])
    capped = scaled(Rows.of("z", x[None], -1), x[None], Scaling(1.0, 30.0))
    note("30 tanh(x / 30)", capped, [30 * mp.tanh(v / 30) for v in X])


@DTYPES
def test_the_quotient_is_that_of_ieee(dtype: str) -> None:
    """To the bit, but that it is flushed: random, over the whole range, and where the last bit is hard to tell."""
    ops, n = ops_of(dtype), 10**6
    rng = np.random.default_rng(55)
    with np.errstate(all="ignore"):
        a = (rng.standard_normal(n) * 2.0 ** rng.integers(-60, 60, n)).astype(dtype)
        b = np.abs(rng.standard_normal(n) * 2.0 ** rng.integers(-60, 60, n)).astype(dtype)
        tiny, huge = ops.format.tiny, ops.format.huge
        far = rng.integers(tiny + 1, huge, (2, n // 10))
        wide = (1 + rng.random((2, n // 10))).astype(dtype) * np.ldexp(np.ones((), dtype), far).astype(dtype)
        divisors = (1 + rng.random(n // 10)).astype(dtype)
        q = (1 + rng.random(n // 10)).astype(dtype)
        ties = (divisors.astype(np.longdouble) * (q + np.spacing(q).astype(np.longdouble) / 2)).astype(dtype)
        # the one pair of 72 million close to a tie where the last comparison is what settles it, in float32
        hard = [np.asarray([float.fromhex(x)], dtype) for x in ("0x1.14a01ep+1", "0x1.ca5266p+0")]
        special = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0], dtype)
        for u, v in ((a, b), (wide[0], wide[1]), (-wide[0], wide[1]), (ties, divisors), hard, (special, divisors[:6])):
            want = ops.flush(u / v)
            got = quotient(ops, u, v)
            assert differing(np.where(got == got, got, 1), np.where(want == want, want, 1)) is None
            assert ((got == got) == (want == want)).all()
