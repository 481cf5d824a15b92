"""A server's log-probs beside a trainer's: every figure against exact ones, on hard inputs, and with faults planted."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import array_api_strict
import jax.numpy as jnp
import ml_dtypes
import mpmath
import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import DistributionComparison, compare_distributions, distributions

mpmath.mp.prec = 200


def drawn(n: int = 40, classes: int = 12, noise: float = 1e-3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of a server, those of a trainer, and tokens."""
    rng = np.random.default_rng(7)
    z = (3 * rng.standard_normal((n, classes))).astype(np.float32)
    return z, z + (noise * rng.standard_normal(z.shape)).astype(np.float32), rng.integers(0, classes, n)


def exact(z: np.ndarray) -> list[list[Any]]:
    """Log-probs of rows, by mpmath."""
    rows = [[mpmath.mpf(float(x)) for x in row] for row in z]
    return [[x - mpmath.log(mpmath.fsum(mpmath.exp(y) for y in row)) for x in row] for row in rows]


def near(got: float, want: Any, rel: float) -> bool:
    return abs(got - want) <= rel * abs(want)


@pytest.mark.parametrize("noise", [1e-5, 1e-3, 0.3, 3.0])
def test_figures_of_tokens_are_the_exact_ones(noise: float) -> None:
    """Given the log-probs, in float64: each figure by its formula in mpmath, to the last digits of a float64."""
    z, w, tokens = drawn(noise=noise)
    server, trainer = (lsmx.log_prob(x, tokens) for x in (z, w))
    got = compare_distributions(server, trainer)
    d = [mpmath.mpf(float(y)) - mpmath.mpf(float(x)) for x, y in zip(server, trainer, strict=True)]
    weights, n = [mpmath.exp(x) for x in d], len(d)
    want = {
        "max_difference": max(map(abs, d)),
        "mean_difference": mpmath.fsum(map(abs, d)) / n,
        "k1": -mpmath.fsum(d) / n,
        "k3": mpmath.fsum(mpmath.expm1(x) - x for x in d) / n,
        "mean_weight": mpmath.fsum(weights) / n,
        "max_weight": max(weights),
        "effective_sample_size": mpmath.fsum(weights) ** 2 / (n * mpmath.fsum(x * x for x in weights)),
    }
    for name, value in want.items():
        assert near(getattr(got, name), value, 1e-14), name
    worst = max(range(n), key=lambda i: abs(d[i]))
    assert (got.at, got.server_at, got.trainer_at) == ((worst,), float(server[worst]), float(trainer[worst]))
    assert (got.kl, got.kl_by, got.tokens, got.not_finite) == (got.k3, "k3", n, 0)
    assert got.unequal == float((server != trainer).mean()) > 0
    assert (got.rows_unequal, got.entries_unequal, got.equal) == (None, None, False)


@pytest.mark.parametrize("noise", [1e-5, 1e-2, 1.0])
def test_divergence_of_rows_is_over_all_classes(noise: float) -> None:
    z, w, tokens = drawn(noise=noise)
    w[:7] = z[:7]
    got = compare_distributions(z, w, tokens)
    p, q = exact(z), exact(w)
    each = [mpmath.fsum(mpmath.exp(x) * (x - y) for x, y in zip(a, b, strict=True)) for a, b in zip(p, q, strict=True)]
    assert near(got.kl, mpmath.fsum(each) / len(each), 1e-6)
    other = [mpmath.fsum(mpmath.exp(y) * (y - x) for x, y in zip(a, b, strict=True)) for a, b in zip(p, q, strict=True)]
    assert noise < 1e-2 or not near(got.kl, mpmath.fsum(other) / len(other), 1e-6), "the other direction"
    assert got.kl_by == "rows"
    assert got.rows_unequal == int((z != w).any(axis=-1).sum()) == len(z) - 7
    assert got.entries_unequal == (z != w).mean()
    assert got.k3 == compare_distributions(lsmx.log_prob(z, tokens), lsmx.log_prob(w, tokens)).k3


def test_estimates_are_of_the_divergence_of_rows() -> None:
    """Of 10^5 tokens that the server draws: both estimates within five of their standard errors of the exact divergence."""
    rng, n = np.random.default_rng(3), 100_000
    z, w, _ = drawn(1, 12, noise=0.3)
    tokens = rng.choice(12, n, p=np.asarray(lsmx.softmax(z[0].astype(np.float64))))
    whole = compare_distributions(np.repeat(z, n, axis=0), np.repeat(w, n, axis=0), tokens)
    d = lsmx.log_prob(w.astype(float), tokens[None])[0] - lsmx.log_prob(z.astype(float), tokens[None])[0]
    for got, sample in ((whole.k1, -d), (whole.k3, np.expm1(d) - d)):
        assert abs(got - whole.kl) < 5 * sample.std() / math.sqrt(n)
    assert abs(whole.k1 - whole.kl) + abs(whole.k3 - whole.kl) > 0
    assert abs(whole.mean_weight - 1) < 5 * np.exp(d).std() / math.sqrt(n)


def test_small_numbers_by_hand() -> None:
    """Weights 1/2, 1 and 2: mean 7/6, effective sample size (7/2)^2 / (3 * 21/4) = 7/9."""
    got = compare_distributions(np.log([0.5, 0.5, 0.25]), np.log([0.25, 0.5, 0.5]))
    assert [round(x, 15) for x in (got.mean_weight, got.max_weight, got.effective_sample_size)] == [
        round(x, 15) for x in (7 / 6, 2.0, 7 / 9)
    ]
    assert got.k1 == 0
    assert got.k3 == pytest.approx(1 / 6, rel=1e-14)
    assert (got.at, got.unequal) == ((0,), 2 / 3)


def test_equal_in_every_bit() -> None:
    z, _, tokens = drawn()
    got = compare_distributions(z, torch.from_numpy(z.copy()).requires_grad_(), jnp.asarray(tokens))
    assert got
    assert str(got).startswith("log-probs of server and trainer: equal in every bit")
    assert (got.max_difference, got.mean_difference, got.kl, got.k1, got.k3, got.unequal) == (0, 0, 0, 0, 0, 0)
    assert math.copysign(1, got.k1) == 1
    assert (got.mean_weight, got.max_weight, got.effective_sample_size) == (1, 1, 1)
    one = z.copy()
    one[3, (tokens[3] + 1) % 12] = np.nextafter(one[3, (tokens[3] + 1) % 12], np.float32(9))
    found = compare_distributions(z, one, tokens)
    assert (bool(found), found.rows_unequal, found.entries_unequal) == (False, 1, 1 / z.size)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_any_library_and_dtype(dtype: str, temperature: float) -> None:
    """A server in one library, a trainer in another, rows beside chosen log-probs: the bits are compared, and are equal."""
    z, _, tokens = drawn()
    t = torch.from_numpy(z).to(getattr(torch, dtype))
    if dtype == "float64":
        others = [z.astype(float)]
    else:
        wide = t.float().numpy()
        others = [jnp.asarray(wide, dtype=dtype), wide.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)]
    chosen = lsmx.log_prob(t, torch.from_numpy(tokens), temperature=temperature)
    for other in others:
        for sides in ((other, t), (other, chosen), (chosen, other)):
            got = compare_distributions(*sides, tokens, temperature=temperature)
            assert got, str(got)
        assert dtype in compare_distributions(other, t, tokens).server


def test_formats_may_differ() -> None:
    """bfloat16 logits and the same in float32 are equal; a float32 log-prob rounded to bfloat16 is not what it was."""
    z, _, tokens = drawn()
    short = torch.from_numpy(z).bfloat16()
    assert compare_distributions(short, short.double(), tokens).rows_unequal == 0
    chosen = lsmx.log_prob(z, tokens)
    rounded = torch.from_numpy(chosen).bfloat16()
    got = compare_distributions(rounded, chosen)
    assert got.unequal == float((rounded.float().numpy() != chosen).mean()) > 0.9
    assert got.max_difference == np.abs(rounded.double().numpy() - chosen.astype(float)).max()


def test_log_probs_of_rows_are_taken_as_they_are() -> None:
    z, _, tokens = drawn()
    rows = torch.log_softmax(torch.from_numpy(z), -1)
    moved = rows + 2.0**-12
    got = compare_distributions(rows, moved, tokens, rows="log_probs")
    picked = [x.gather(-1, torch.from_numpy(tokens)[:, None])[:, 0].numpy() for x in (rows, moved)]
    assert got.max_difference == np.abs(picked[0].astype(float) - picked[1].astype(float)).max() > 2.0**-13
    assert got.kl < 1e-12, "which is of normalised rows"
    assert compare_distributions(rows, moved, tokens).max_difference < 2.0**-13, "and logits may be shifted"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_that_differ_by_a_constant(dtype: Any) -> None:
    """Logits beside the log-softmax of them have another constant in each row: the model is the same."""
    z, w, tokens = (x.astype(dtype) if x.ndim == 2 else x for x in drawn())
    z[0, (tokens[0] + 1) % z.shape[1]] = -np.inf
    rows = lsmx.log_softmax(z)
    assert (compare_distributions(z, rows, tokens).rows_shifted, compare_distributions(rows, z, tokens).rows_shifted) == (40, 40)
    assert "40 by a constant, as logits from log-probs" in str(compare_distributions(z, rows, tokens))
    w = z + dtype(0.5) * np.sign(w - z)
    for other in (w, np.nextafter(z, dtype(9)), z.copy()):
        assert compare_distributions(z, other, tokens).rows_shifted == 0
    z[1] = np.nan
    assert compare_distributions(z, rows, tokens).rows_shifted == 39
    assert compare_distributions(L, L).rows_shifted is None


def test_rows_of_two_dtypes_with_equal_numbers_are_equal() -> None:
    """Any difference between rows of logits is one of the logits: log-probs are computed in the wider of the two formats."""
    z, w, tokens = drawn()
    z, w = z.astype(np.float32), w.astype(np.float32)
    assert compare_distributions(z, z.astype(np.float64), tokens)
    assert compare_distributions(z.astype(np.float16), z.astype(np.float16).astype(np.float32), tokens)
    T = 0.5 + np.random.default_rng(5).random(40)
    for one, other in ((z, w), (z.astype(float), w), (z, w.astype(float))):
        got = compare_distributions(one, other, tokens, temperature=T.astype(np.float32))
        wide = np.result_type(one, other)
        by_hand = [lsmx.log_prob(x.astype(wide), tokens, temperature=T.astype(np.float32).astype(wide)) for x in (z, w)]
        assert got.max_difference == np.abs(by_hand[1].astype(float) - by_hand[0].astype(float)).max() > 0


def test_arrays_of_every_kind() -> None:
    z, w, tokens = (torch.from_numpy(x) for x in drawn())
    want = compare_distributions(z, w, tokens, temperature=0.5)
    half = torch.tensor(0.5, requires_grad=True)
    assert compare_distributions(torch._neg_view(-z), w.clone().requires_grad_(), tokens, temperature=half) == want
    on = array_api_strict.asarray
    arrays = [on(x.numpy()) for x in (z, w, tokens)]
    assert compare_distributions(*arrays, temperature=on(np.full(40, 0.5)), where=on(np.ones(40, bool))) == want
    for odd in (z.to_sparse(), z.to("meta")):
        with pytest.raises(lsmx.ArrayTypeError, match=r"^trainer: cannot be brought to the host \("):
            compare_distributions(z, odd, tokens)


def test_padding_is_left_out_whatever_it_holds() -> None:
    z, w, tokens = (x.reshape(4, 10, -1) for x in drawn())
    tokens, where = tokens[..., 0], np.random.default_rng(1).random((4, 10)) < 0.6
    assert 0 < where.sum() < 40
    hurt = w.copy()
    hurt[~where] = np.nan
    classes = np.where(where, tokens, -100)
    got = compare_distributions(z, hurt, classes, where=where)
    flat = compare_distributions(z[where], w[where], tokens[where])
    assert got.not_finite == 0
    assert {f: getattr(got, f) for f in ("kl", "k1", "k3", "unequal", "mean_weight", "tokens", "rows_unequal")} == {
        f: getattr(flat, f) for f in ("kl", "k1", "k3", "unequal", "mean_weight", "tokens", "rows_unequal")
    }
    assert got.at is not None
    assert flat.at is not None
    assert got.at == tuple(int(i) for i in np.argwhere(where)[flat.at[0]])
    T = np.where(where, 1 + np.random.default_rng(2).random((4, 10)), np.nan)
    warm = compare_distributions(
        z.astype(float), w.astype(float), torch.from_numpy(classes), where=torch.from_numpy(where), temperature=T
    )
    by_hand = [lsmx.log_prob(x.astype(float)[where] / T[where][:, None], tokens[where]) for x in (z, w)]
    assert warm.max_difference == np.abs(by_hand[0] - by_hand[1]).max()


def test_the_order_of_tokens_does_not_matter() -> None:
    z, w, tokens = drawn(200, noise=0.1)
    order = np.random.default_rng(0).permutation(200)
    one, other = compare_distributions(z, w, tokens), compare_distributions(z[order], w[order], tokens[order])
    for field in dataclasses.fields(one):
        if field.name != "at":
            assert getattr(one, field.name) == getattr(other, field.name), field.name
    assert one.at == (int(order[other.at[0]]),) if other.at else False


# --- what is not finite -----------------------------------------------------------------------------------------------------------


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("server", "trainer", "not_finite", "first", "unequal"),
    [
        ([-1, -INF], [-1, -INF], 1, (1,), 0),
        ([-1, -INF], [-1, -2], 1, (1,), 1 / 2),
        ([-1, -2], [-1, -INF], 1, (1,), 1 / 2),
        ([NAN, -2], [NAN, -2], 1, (0,), 0),
        ([-1, NAN], [-1, -2], 1, (1,), 1 / 2),
    ],
)
def test_what_is_not_finite_is_counted_and_left_out(server: Any, trainer: Any, not_finite: int, first: Any, unequal: float) -> None:
    got = compare_distributions(np.asarray(server, float), np.asarray(trainer, float))
    assert (got.not_finite, got.first_not_finite, got.unequal) == (not_finite, first, unequal)
    assert (got.max_difference, got.mean_difference, got.k3, got.mean_weight, got.effective_sample_size) == (0, 0, 0, 1, 1)
    assert bool(got) == (not unequal)
    counted = (got.server_nan, got.trainer_nan, got.server_inf, got.trainer_inf)
    assert counted == tuple(int(test(x).sum()) for test in (np.isnan, np.isinf) for x in map(np.asarray, (server, trainer)))
    words = ("NaN of the server", "NaN of the trainer", "-inf of the server", "-inf of the trainer")
    kinds = ", ".join(f"{n} {kind}" for n, kind in zip(counted, words, strict=True) if n)
    assert f"  not finite    {kinds}, the first at {first}: left out" in str(got)


def test_nothing_finite_and_nothing_at_all() -> None:
    empty = np.zeros(0, np.float32)
    nothing = [
        compare_distributions(np.full(3, -INF), np.full(3, -INF)),
        compare_distributions(empty, empty),
        compare_distributions(np.zeros((0, 5)), np.zeros((0, 5)), np.zeros(0, int)),
        compare_distributions(empty[:, None] + np.zeros(4), empty[:, None] + np.zeros(4)),
        compare_distributions(np.zeros(3), np.zeros(3), where=np.zeros(3, bool)),
        compare_distributions(np.zeros((3, 0)), np.zeros((3, 0)), np.zeros(3, int), where=np.zeros(3, bool)),
    ]
    assert [bool(x) for x in nothing] == [False] * 6
    for got in nothing:
        figures = (got.max_difference, got.mean_difference, got.kl, got.k1, got.k3, got.mean_weight, got.max_weight)
        assert np.isnan([*figures, got.effective_sample_size, got.server_at]).all()
        assert got.at is None
        assert "nats" not in str(got)
        assert "equal in" not in str(got)
    assert "no token counted" in str(nothing[1])
    assert "none is finite on both sides" in str(nothing[0])


def test_a_class_that_the_trainer_lacks() -> None:
    """KL is infinite, and so it is said; the tokens that were drawn say nothing of it. The other way round it is finite."""
    z = np.asarray([[0.0, 0.0], [0.0, 0.0]])
    less = np.asarray([[0.0, -INF], [0.0, 0.0]])
    tokens = np.asarray([0, 1])
    assert compare_distributions(z, less, tokens).kl == INF
    other = compare_distributions(less, z, tokens)
    assert other.kl == pytest.approx(math.log(2) / 2, rel=1e-15)
    both = compare_distributions(less, less.copy(), tokens)
    assert (both.kl, bool(both)) == (0, True)


def test_weights_that_overflow() -> None:
    got = compare_distributions(np.asarray([-1.0, -900.0, -900.0]), np.asarray([-1.0, -1.0, -1.0]))
    assert (got.max_weight, got.mean_weight, got.k3) == (INF, INF, INF)
    assert got.effective_sample_size == pytest.approx(2 / 3, rel=1e-15)
    assert got.k1 == -2 * 899 / 3


# --- words ------------------------------------------------------------------------------------------------------------------------


def test_the_report_has_every_figure() -> None:
    z, w, tokens = drawn(noise=0.1)
    got = compare_distributions(torch.from_numpy(z).bfloat16(), w, tokens)
    text = str(got)
    for value in (got.mean_difference, got.max_difference, got.kl, got.k1, got.k3):
        assert f"{value:.3g}" in text
    for value in (got.server_at, got.trainer_at, got.mean_weight, got.max_weight):
        assert f"{value:.9g}" in text
    for words in ("bfloat16 logits (40, 12)", "float32 logits (40, 12)", f"at {got.at}", f"{got.rows_unequal} of 40"):
        assert words in text
    assert "over whole rows" in text
    assert "estimated by k3" in str(compare_distributions(lsmx.log_prob(z, tokens), lsmx.log_prob(w, tokens)))
    assert max(map(len, text.splitlines())) <= 110
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.kl = 0.0  # type: ignore[misc]


Z, W, T = drawn()
L = lsmx.log_prob(Z, T)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([-1.0], L), {}, lsmx.ArrayTypeError, "server: list is not an array"),
        ((L, None), {}, lsmx.ArrayTypeError, "trainer: None is not an array"),
        ((L, L.astype(int)), {}, lsmx.DTypeError, "trainer: dtype int64, but logits and log-probs are floats"),
        ((L, L[:-1]), {}, lsmx.ShapeError, r"trainer: shape \(39,\); accepted are \(40,\) for the log-probs of tokens$"),
        (
            (Z[:, :5], W, T % 5),
            {},
            lsmx.ShapeError,
            r"trainer: rows of 12 classes, and those of server have 5; .*rows\[\.\.\., :5\]",
        ),
        (
            (Z, W.T, T),
            {},
            lsmx.ShapeError,
            r"trainer: shape \(12, 40\); accepted are \(40,\) .*, or \(40, classes\) for whole rows",
        ),
        ((Z, W), {}, lsmx.ArgumentError, "server: .* among the log-probs of tokens, which are at most 0; .*with tokens="),
        ((np.exp(L), L), {}, lsmx.ArgumentError, r"server: .*\(no probabilities"),
        ((Z, -L, T), {}, lsmx.ArgumentError, "trainer: .* no losses"),
        ((Z, W, T), {"rows": "log_probs"}, lsmx.ArgumentError, "server: .* among the log-probs of tokens"),
        ((Z, W, T), {"rows": "probs"}, lsmx.ArgumentError, "rows: 'probs' is not one of 'logits', 'log_probs'"),
        ((Z, W, T.astype(float)), {}, lsmx.DTypeError, "tokens: dtype float64, but classes are integers: cast them"),
        ((Z, W, T.tolist()), {}, lsmx.ArrayTypeError, "tokens: list is not an array"),
        ((Z, W, np.where(T[3] == T, -100, T)), {}, lsmx.ClassError, r"tokens: -100 at \(\d+,\) .*server.* 0 to 11, .*where="),
        ((Z, W, T), {"where": np.ones(40, int)}, lsmx.DTypeError, "where: dtype int64, but a mask is bool: pass mask == 1"),
        ((Z, W, T), {"where": np.ones(39, bool)}, lsmx.ShapeError, r"where: shape \(39,\), but the tokens have \(40,\)"),
        ((Z, W, T), {"temperature": 0.0}, ValueError, "temperature: 0.0 is not a positive finite number"),
        ((Z, W, T), {"temperature": np.ones(3)}, lsmx.ShapeError, r"temperature: shape \(3,\), but the tokens have \(40,\)"),
        ((L, L), {"temperature": 0.7}, lsmx.ArgumentError, "temperature: logits are divided by it, and log-probs were given"),
    ],
)
def test_what_cannot_be_compared(arguments: Any, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^{words}"):
        compare_distributions(*arguments, **options)


# --- faults that these tests are there to see -----------------------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Plant a fault in the lines that compute."""
    import inspect

    source = inspect.getsource(distributions)
    assert old in source, old
    space: dict[str, Any] = {"__name__": distributions.__name__}
    exec(compile(source.replace(old, new), distributions.__file__, "exec"), space)
    monkeypatch.setitem(globals(), "compare_distributions", space["compare_distributions"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.abs(d) < 1 / 16", "np.abs(d) < 0"),  # no series
        ("1 / 6, 1 / 2, 0, 0", "1 / 3, 1 / 2, 0, 0"),  # a wrong one
        ("np.abs(d) < 1 / 16", "np.abs(d) < 1"),  # too far
        ("y[finite] - x[finite]", "x[finite] - y[finite]"),  # the other direction
        ("np.exp(d - d.max(initial=-np.inf))", "np.exp(2 * d)"),
        ("/ (m * total(scaled * scaled))", "/ (m * total(scaled) ** 2)"),
    ],
)
def test_a_fault_in_a_figure_is_seen(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    broken(monkeypatch, old, new)
    with pytest.raises(AssertionError):  # noqa: PT012
        for noise in (1e-5, 1e-3, 0.3, 3.0):
            test_figures_of_tokens_are_the_exact_ones(noise)


@pytest.mark.parametrize(
    ("old", "new", "test"),
    [
        ("divergence(a.rows, b.rows", "divergence(b.rows, a.rows", lambda: test_divergence_of_rows_is_over_all_classes(1.0)),
        ("not apart.different and not rows_unequal", "not apart.different", test_equal_in_every_bit),
        ("m > 0 and not", "n > 0 and not", test_nothing_finite_and_nothing_at_all),
        (
            "np.isfinite(x) & np.isfinite(y)",
            "np.isfinite(x)",
            lambda: test_what_is_not_finite_is_counted_and_left_out([-1, -2], [-1, -INF], 1, (1,), 1 / 2),
        ),
        ("<= 4 * unit < np.abs", "<= 4 * unit <= 9 + np.abs", lambda: test_rows_that_differ_by_a_constant(np.float32)),
        ("np.ptp(d) <=", "0 <=", lambda: test_rows_that_differ_by_a_constant(np.float32)),
        ("tokens.at(apart.at)", "(apart.at,)", test_padding_is_left_out_whatever_it_holds),
        ("divergence(a.rows, b.rows, temperature)", "divergence(a.rows, b.rows, 1.0) * 2", test_a_class_that_the_trainer_lacks),
    ],
)
def test_another_fault_is_seen(monkeypatch: pytest.MonkeyPatch, old: str, new: str, test: Any) -> None:
    broken(monkeypatch, old, new)
    with pytest.raises(AssertionError):
        test()


def test_it_is_public() -> None:
    assert lsmx.testing.compare_distributions is distributions.compare_distributions
    assert isinstance(compare_distributions(L, L), DistributionComparison)
    assert re.match(r"How far a trainer's log-probs", str(compare_distributions.__doc__))
