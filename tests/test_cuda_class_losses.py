"""The CUDA passes of cross-entropy with a number for each class, of JS and of several indices, as those of ``test_cuda_losses``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx.testing import differing
from tests.cuda_host import COMPILER, emulated, serving
from tests.test_cuda_host import _builds, _one_thread  # noqa: F401
from tests.test_cuda_losses import CASES, caught, derivative, drawn, log_prob_backward, rank, results, same, tensor
from tests.test_losses_core import INF, NAN, ROWS

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no g++ here, which compiles the kernels for the host")


@pytest.fixture
def launched() -> Iterator[list[Any]]:
    """What is launched, with CPU tensors served by the CUDA kernels."""
    seen: list[Any] = []
    with serving(emulated(shared=100 * 1024, seen=seen)):
        yield seen


def weights(n: int, dtype: torch.dtype) -> torch.Tensor:
    """For each class, none and some that are no weights among them."""
    weight = torch.from_numpy(np.random.default_rng(n).uniform(0.1, 2, n)).to(dtype)
    weight[::5] = torch.tensor([0.0, -0.5, NAN, INF, 1e-37]).to(dtype)[: len(weight[::5])].repeat(n)[: len(weight[::5])]
    return weight


def plain(n: int, dtype: torch.dtype) -> torch.Tensor:
    """For each class, none among them."""
    weight = torch.from_numpy(np.random.default_rng(n).uniform(0.1, 2, n)).to(dtype)
    weight[n // 2 :: 7] = 0
    return weight


def of_backward(which: str, g: torch.Tensor, z: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    axis, where = options.pop("axis", -1), options.pop("where", None)
    at = {"z": z, "target": target}
    made: torch.Tensor = lsmx.registered()["cross_entropy_of"].derivative(
        f"backward {which}", {"grad_output": g}, at, axis, where, None, options
    )
    return made


def cross_entropy_backward(g: torch.Tensor, z: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    return derivative("cross_entropy", g, {"z": z, "target": target}, **options)


def by_z(g: torch.Tensor, z: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    return of_backward("z", g, z, target, **options)


def by_target(g: torch.Tensor, z: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
    return of_backward("target", g, z, target, **options)


def every(n: int, ways: list[dict[str, Any]], dtype: torch.dtype) -> list[tuple[int, dict[str, Any]]]:
    """Ways to smooth, with the launches of each: one more for the part that goes with lse."""
    found = [
        (1, {"label_smoothing": 0.1, "weight": plain(n, dtype), **ways[5]}),
        (2, {"label_smoothing": 0.3, "weight": plain(n, dtype), "z_loss": 0.01, **ways[4]}),
        (1, {"label_smoothing": 0.1, **ways[1]}),
        (1, {"label_smoothing": 1.0, "weight": weights(n, dtype)}),
    ]
    return found if n < 2000 else found[:2]


@pytest.mark.one_in(0, slow=3)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_smoothing_with_weights_or_a_mask(dtype: str, n: int, launched: list[Any]) -> None:
    z, index, g, ways = drawn(dtype, n)
    index[4::ROWS], index[5::ROWS] = -100, n
    for launches, options in every(n, ways, z.dtype):
        (sums,) = same(
            launched, 1, lsmx.row_sums, z, **{k: v for k, v in options.items() if k in ("where", "temperature", "softcap")}
        )
        for known in ({}, {"row_sums": sums}) if launches > 1 else ({},):
            same(launched, launches, lsmx.registered()["cross_entropy"], z, index, **options, **known)
            same(launched, launches, cross_entropy_backward, g, z, index, **options, **known)


@pytest.mark.one_in(10, slow=3)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_probabilities(dtype: str, n: int, launched: list[Any]) -> None:
    z, index, g, ways = drawn(dtype, n)
    p = torch.softmax(z.float().roll(1, 0), -1).to(z.dtype)
    p[1::ROWS], p[2::ROWS, ::3], p[3::ROWS, ::4] = 0, -0.0, torch.tensor(1e-40, dtype=g.dtype).to(z.dtype)
    p[5::ROWS, :1], p[6::ROWS, n // 2] = INF, -0.25
    p[1::ROWS].scatter_(1, index[1::ROWS, None], 1.0)
    for launches, options in [(1, {}), (1, ways[4]), *every(n, ways, g.dtype)][:: 1 if n < 2000 else 2]:
        same(launched, launches, lsmx.registered()["cross_entropy_of"], z, p, **options)
        same(launched, launches, by_z, g, z, p, **options)
        same(launched, 1, by_target, g, z, p, **options)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_js_divergence(dtype: str, n: int, launched: list[Any]) -> None:
    z, _, g, ways = drawn(dtype, n)
    noise = torch.from_numpy(np.random.default_rng(n).standard_normal((2, *z.shape))).to(z.dtype)
    others = [z.roll(ROWS, 0), (z + 1e-6 * noise[0]).to(z.dtype), z + noise[1]]
    for k, w in enumerate(others if n < 100 else others[:2] if n < 2000 else others[1:2]):
        for options in (ways[1], ways[3]) if n < 100 else ways[k : k + 1]:
            same(launched, 1, lsmx.js_divergence, z, w, **options)
            same(launched, 2, lsmx.js_divergence_backward, g, z, w, **options)


@pytest.mark.one_in(10, slow=2)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_several_indices(dtype: str, n: int, launched: list[Any]) -> None:
    """Some more than once, whose cotangents are added up exactly; and rows with one that is outside."""
    z, _, _, ways = drawn(dtype, n)
    rng, count = np.random.default_rng(n), 5
    index = tensor(rng.integers(0, n, (len(z), count)))
    index[::2, 3:] = index[::2, :1]
    index[6::ROWS, 1] = n
    g = rng.standard_normal((len(z), count)).astype("float64" if dtype == "float64" else "float32")
    g[1::4, 0], g[2::8, 0], g[4::ROWS, 4], g[5::ROWS] = 1e-30, -g[2::8, 3], NAN, np.finfo(g.dtype).max / 2
    for options in (ways[0], ways[4], ways[5]) if n < 2000 else ways[:1]:
        (sums,) = same(launched, 1, lsmx.row_sums, z, **options)
        for known in ({}, {"row_sums": sums}) if options else ({},):
            same(launched, 1, lsmx.registered()["log_prob"], z, index, **options, **known)
            same(launched, 1, log_prob_backward, tensor(g), z, index, **options, **known)
        same(launched, 1, rank, z, index, **options)


@pytest.mark.parametrize("n", [1, 40, 600])
def test_layouts(n: int, launched: list[Any]) -> None:
    """Numbers of each class that lie apart, backwards, or once for all rows; several indices along any axis."""
    rng = np.random.default_rng(n)
    room = torch.from_numpy(rng.random((2, 26, 2 * n + 3))).float()
    index, g = torch.from_numpy(rng.integers(0, n, (26, 3))), torch.from_numpy(rng.standard_normal((26, 3))).float()
    z, p = room[0, :, 1 : n + 1], room[1, :, : 2 * n : 2]
    beside = [
        {"weight": room[0, 0, : 2 * n : 2], "where": tensor(rng.random((1, n)) < 0.7)},
        {"weight": room[1, 3, :n][None], "where": tensor(rng.random((n, 52))[:, ::2].T < 0.7)},
        {"where": tensor(rng.random(n) < 0.7)},
        {"where": tensor(rng.random((26, 1)) < 0.7)},
        {"where": torch.tensor(True)},
    ]
    for options in beside:
        same(launched, 1, lsmx.cross_entropy, z, index[:, 1], reduction="none", label_smoothing=0.1, **options)
        same(launched, 1, by_z, g[:, 0], z, p, label_smoothing=0.1, **options)
        same(launched, 1, by_target, g[:, 0], z, p, **options)
    across = {k: x.T.contiguous() if x.ndim > 1 else x for k, x in beside[0].items()}
    same(launched, 1, by_z, g[:, 0], z.T.contiguous(), p.T, axis=0, label_smoothing=0.1, **across)
    same(launched, 2, lsmx.js_divergence_backward, g[:, 0], z.T.contiguous(), p.T.contiguous(), axis=0)
    for i, v in ((index[:, ::2], g[:, 1:]), (index.to(torch.int32), g.flip(1))):
        same(launched, 1, lsmx.log_prob, z, i)
        same(launched, 1, rank, z.T.contiguous(), i.T, axis=0)
        same(launched, 1, log_prob_backward, v, z, i)
        same(launched, 1, log_prob_backward, v.T.contiguous(), z.T.contiguous(), i.T, axis=0)
    assert {values[40] for _, *_, values in launched} == ({0, 1} if n > 1 else {0})


@pytest.mark.parametrize("n", [40, 9000])
def test_gradients_go_where_the_logits_are(n: int, launched: list[Any]) -> None:
    """Also under a soft cap, whose gradient is by the logits as they were."""
    z, index, g = torch.randn(5, n), torch.randint(0, n, (5,)), torch.randn(5)
    several = torch.randint(0, n, (5, 3))
    smooth = {"label_smoothing": 0.1, "weight": torch.rand(n), "softcap": 2.5}
    for call, v, i, options in (
        (cross_entropy_backward, g, index, smooth),
        (log_prob_backward, torch.randn(5, 3), several, {"softcap": 2.5}),
    ):
        want, place = call(v, z, i, **options), z.clone()
        assert call(v, place, i, out=place, **options) is place
        assert differing(place.numpy(), want.numpy()) is None
        assert launched[-1][-1][32] == place.data_ptr()


def test_axes(launched: list[Any]) -> None:
    """Classes along several; indices along the middle one, as long as others."""
    rng = np.random.default_rng(3)
    z = torch.from_numpy(rng.standard_normal((4, 5, 6))).float()
    weight, mask = torch.rand(5, 6), tensor(rng.random((4, 5, 6)) < 0.7)
    for axis, w in (((1, 2), weight), (None, torch.rand(4, 5, 6)), (1, torch.rand(5)), (1, torch.rand(1, 5, 6))):
        p = torch.softmax(z, 0)
        like = lsmx.logsumexp(z, axis=axis)
        g, index = torch.randn(like.shape), torch.zeros(like.shape, dtype=torch.int64) + 3
        options = {"axis": axis, "weight": w, "label_smoothing": 0.2, "where": mask}
        same(launched, 1, lsmx.cross_entropy, z, index, reduction="none", **options)
        same(launched, 1, by_z, g, z, p, **options)
        same(launched, 1, by_target, g, z, p, **options)
    for count in (0, 4, 6):
        index, g = torch.from_numpy(rng.integers(0, 5, (4, count, 6))), torch.randn(4, count, 6)
        same(launched, int(count > 0), lsmx.log_prob, z, index, axis=1)
        same(launched, int(count > 0), log_prob_backward, g, z, index, axis=1)


@pytest.mark.slow
def test_types_beside_each_other(launched: list[Any]) -> None:
    """Probabilities and weights of other dtypes than the logits, if they are computed in one format."""
    z, index = torch.randn(5, 33, dtype=torch.bfloat16), torch.randint(0, 33, (5,))
    p, w = torch.softmax(torch.randn(5, 33), -1), torch.rand(33)
    of = lsmx.registered()["cross_entropy_of"]
    for weight in (w, w.half(), w.bfloat16()):
        same(launched, 1, of, z, p, weight=weight)
        same(launched, 1, of, z, p.half(), weight=weight)
        same(launched, 1, lsmx.cross_entropy, z, index, weight=weight, label_smoothing=0.1, reduction="none")


class Masked(torch.Tensor):
    """A mask that is no plain tensor."""


def test_refusals(launched: list[Any]) -> None:
    """Each with its reason; the definition computes them."""
    kernels = {(k.function, k.direction): k for k in lsmx.backend_for(torch.zeros(1)).kernels if k.name == "cuda"}

    def why(name: str, *arrays: Any, **options: Any) -> str:
        found = kernels[name, "forward"].plan(extend.Context(), *arrays, **options)
        return found if isinstance(found, str) else ""

    z, p, index = torch.randn(4, 6), torch.rand(4, 6), torch.zeros(4, dtype=torch.int64)
    mask = torch.ones(4, 6, dtype=torch.bool).as_subclass(Masked)
    assert why("cross_entropy", z, index, label_smoothing=0.1, weight=torch.rand(6)) == ""
    assert why("cross_entropy", z, index, label_smoothing=0.1, where=mask) == "a Masked, not a plain tensor"
    assert why("cross_entropy_of", z, p, where=mask) == "a Masked, not a plain tensor"
    assert why("cross_entropy", z, index, where=mask) == ""  # filled in by PyTorch
    assert why("cross_entropy_of", z, p.double()).startswith("target: dtype")
    assert why("cross_entropy_of", z, p, weight=torch.rand(6).as_subclass(Masked)) == "a Masked, not a plain tensor"
    assert why("log_prob", z, torch.zeros(4, 0, dtype=torch.int64)) == "several indices for each row, or none"
    assert why("js_divergence", z, p.half()) == "logits of different shapes or dtypes"
    assert why("entropy", z, softcap=1e-40) == "a soft cap that is none"
    assert launched == []


def test_kernels_under_flushing_hardware() -> None:
    """As under ``-ftz=true``, which CuPy always passes: subnormal operands and results are zero."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    torch.set_flush_denormal(False)
    made = calls()
    with lsmx.using("reference"):
        want = [results(call()) for call in made.values()]
    with serving(emulated()):
        torch.set_flush_denormal(True)
        try:
            got = [results(call()) for call in made.values()]
        finally:
            torch.set_flush_denormal(False)
    for name, a, b in zip(made, got, want, strict=True):
        assert [differing(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)] == [None] * len(b), name


FAULTS = {  # of a pass, what is written instead of what
    "no soft cap": ("entropy_forward", "cap > F(0) ? under_cap(z, cap) : z", "z"),
    "a gradient that knows none": ("entropy_backward", "by_uncapped(over(g), z, cap) : over(g)", "over(g) : over(g)"),
    "capped before it is divided": ("entropy_backward", "by_uncapped(over(g), z, cap)", "over(by_uncapped(g, z, cap))"),
    "a logit at the index without": ("log_prob_forward", "scale.logit(widen(z[i * along]))", "scale.over(widen(z[i * along]))"),
    "one of several indices": (
        "log_prob_forward",
        "row.value[k * row.value_along] = narrow<F>(i == IGNORED",
        "row.value[0] = narrow<F>(i == IGNORED",
    ),
    "of threads that all take the same": ("log_prob_forward", "k = team.rank; k <", "k = 0; k <"),
    "ranks of the first": ("rank_forward", "const F x_i = row.logit_at(i)", "const F x_i = row.logit_at(row.index)"),
    "weights of none": ("weighted_cross_entropy_forward", "row.weight.any() ?", "false ?"),
    "an absent class": (
        "weighted_cross_entropy_forward",
        "row.mask.at(c) ? by.other(weight_of<F>(row, c)) : F(0)",
        "by.other(weight_of<F>(row, c))",
    ),
    "that is the target": (
        "weighted_cross_entropy_backward",
        "if (c == row.index) return",
        "if (c == row.index && row.mask.at(c)) return",
    ),
    "how many are present": ("weighted_cross_entropy_forward", "return team.sum(present)", "return row.n"),
    "an infinite loss by its size": ("weighted_cross_entropy_forward", "infinite |= term ==", "infinite |= magnitude(term) =="),
    "what goes with lse": (
        "weighted_cross_entropy_backward",
        "two_sum(sum.high, F(0) - row.numbers[1])",
        "two_sum(sum.high, F(0))",
    ),
    "a second word of the sum": ("cross_entropy_of_backward_z", "less.low + sum.low", "less.low"),
    "a probability without 1 - eps": ("cross_entropy_of_forward", "product(product(p, kept) + each", "product(p + each"),
    "a tiny probability": ("cross_entropy_of_backward_z", "product(product(p, kept) + each", "product(p * kept + each"),
    "a probability where a mask is false": ("cross_entropy_of_forward", "row.mask.at(c) ? by.of(", "true ? by.of("),
    "a factor that is not 1 - eps": ("cross_entropy_of_backward_target", "return product(kept, w)", "return w"),
    "a gradient by what is no logit": (
        "cross_entropy_of_backward_target",
        "return body(i, row.scale.logit(b)); });",
        "return row.scale.over(body(i, row.scale.logit(b))); });",
    ),
    "classes of one side": ("js_forward", "PairOf<F>::is_in(x) != PairOf<F>::is_in(y)", "false"),
    "the other side's sign": ("js_backward_w", "if (BY_W) d =", "if (false) d ="),
    "the mean's second word": ("js_backward_z", "s.low - mean.low", "s.low"),
    "ln 2 of a class alone": ("js_backward_z", "!PairOf<F>::is_in(BY_W ? x : y)", "false"),
    "one of equal indices": ("log_probs_backward", "return found < 2 ?", "return true ?"),
    "an index outside": ("log_probs_backward", "known = known && row.indices.at(k) >= 0", "known = known"),
}


def calls() -> dict[str, Callable[[], Any]]:
    """For each pass of a fault, a call that it serves."""
    z, index, g, ways = drawn("float32", 33)
    z[3, :6] = torch.tensor([0.0, -INF, INF, 1e-40, 88.0, -3e38])
    index[4::ROWS] = -100
    mask, cap, weight = ways[1]["where"], ways[5], plain(33, torch.float32)
    p = torch.softmax(z.nan_to_num(0.0).roll(1, 0), -1)
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal(z.shape)).float()
    w = torch.cat([z[:28] + noise[:28], z[28:].roll(ROWS, 0)])
    w[:ROWS, 5:9], z[10, 20] = -INF, -INF
    signed = weight.clone()
    signed[16:] *= -1
    p_tiny = torch.full_like(p, 1e-40)
    many = torch.cat([index[:, None].clamp(0), torch.randint(0, 33, (len(z), 3)), index[:, None].clamp(0)], 1)
    many[5::ROWS, 1] = 33
    each = torch.from_numpy(np.random.default_rng(2).standard_normal(many.shape)).float()
    each[3::ROWS, 1] = INF
    of, smooth = lsmx.registered(), {"label_smoothing": 0.1, "reduction": "none"}
    return {
        "entropy_forward": lambda: lsmx.entropy(z, softcap=2.5),
        "entropy_backward": lambda: lsmx.entropy_backward(g, z, **cap),
        "log_prob_forward": lambda: of["log_prob"](z, many, softcap=2.5),
        "rank_forward": lambda: rank(z, many),
        "weighted_cross_entropy_forward": lambda: (
            lsmx.cross_entropy(z, index, weight=weight, where=mask, **smooth),
            lsmx.cross_entropy(z, index, weight=signed, **smooth),
        ),
        "weighted_cross_entropy_backward": lambda: lsmx.cross_entropy_backward(
            g, z, index, weight=weight, where=mask, z_loss=0.1, **smooth
        ),
        "cross_entropy_of_forward": lambda: of["cross_entropy_of"](z, p, where=mask, label_smoothing=0.1),
        "cross_entropy_of_backward_z": lambda: (
            by_z(g, z, p, z_loss=0.1, weight=weight),
            by_z(g, z, p_tiny, weight=torch.full((33,), 1e30)),
        ),
        "cross_entropy_of_backward_target": lambda: by_target(g, z, p, label_smoothing=0.1, temperature=0.7),
        "js_forward": lambda: lsmx.js_divergence(z, w),
        "js_backward_z": lambda: lsmx.js_divergence_backward(g, z, w)[0],
        "js_backward_w": lambda: lsmx.js_divergence_backward(g, z, w)[1],
        "log_probs_backward": lambda: log_prob_backward(each, z, many),
    }


@pytest.mark.one_in(17, slow=3)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_caught(fault: str) -> None:
    passname, before, after = FAULTS[fault]
    caught(passname, before, after, calls()[passname])
