"""The compiled core's passes of the losses: the definition's bits on every target and layout, and no array as large as logits."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lsmx
from lsmx.extend import core, core_status
from lsmx.testing import differing

pytestmark = pytest.mark.skipif(core_status()["missing"] is not None, reason="there is no compiled core")
INF, NAN = np.inf, np.nan
ROWS = 7
LENGTHS = [1, 33, 250]
Values = npt.NDArray[Any]


@pytest.fixture(params=core_status()["targets"])
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each of the processor's."""
    module = core()
    assert module is not None
    before = module.target()
    module.use(request.param)
    yield request.param
    module.use(before)


def logits(rng: np.random.Generator, n: int, kind: str, dtype: str) -> Values:
    """Rows that other implementations get wrong."""
    z = rng.standard_normal((ROWS, n))
    wide = 1e37 if dtype != "float16" else 1e3
    made: dict[str, Callable[[], Values]] = {
        "normal": lambda: 3 * z,
        "led": lambda: np.where(np.arange(n) == n // 2, 20 * np.arange(ROWS)[:, None], z),
        "ties": lambda: np.round(z),
        "deep": lambda: np.where(np.arange(n) == n // 2, 0.0, -rng.uniform(30, 110, z.shape)),
        "huge": lambda: z * wide,
        "tiny": lambda: z * 1e-40,
        "special": lambda: np.where(rng.random(z.shape) < 0.2, rng.choice([INF, -INF, NAN, -0.0], z.shape), z),
        "none": lambda: np.where(rng.random(z.shape) < 0.8, -INF, z),
    }
    return made[kind]().astype(dtype)


KINDS = ["normal", "led", "ties", "deep", "huge", "tiny", "special", "none"]


def same(call: Callable[..., Any], *arrays: Values, **options: Any) -> None:
    """The core's bits are those of the definition."""
    got = call(*arrays, **options)
    with lsmx.using("reference"):
        want = call(*arrays, **options)
    pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
    for a, b in pairs:
        if a is not None:
            assert differing(np.asarray(a), np.asarray(b)) is None, (call.__name__, arrays[0].shape, sorted(options))


def some(ways: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Half of them: over all kinds of rows, each in turn."""
    return ways[seed % 2 :: 2]


def draw(seed: int, kind: str, dtype: str, n: int) -> tuple[np.random.Generator, Values, Values, Values, list[dict[str, Any]]]:
    """Logits, an index, cotangents, and ways to call."""
    rng, fmt = np.random.default_rng(seed), "float64" if dtype == "float64" else "float32"
    z, index = logits(rng, n, kind, dtype), rng.integers(0, n, ROWS)
    g = np.asarray([1.0, -0.3, 1e-30, 0.0, 7.0, INF if kind == "led" else 2.0, NAN if kind == "ties" else 1.0], fmt)
    each = rng.uniform(0.3, 3, ROWS).astype(fmt)
    mask = rng.random(z.shape) < 0.7
    capped = {"softcap": 2.5, "temperature": each}, {"softcap": 30.0, "where": mask}
    return rng, z, index, g, [{}, {"where": mask}, {"temperature": 0.7}, {"temperature": each}, *capped]


@pytest.mark.one_in(9, slow=3)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_log_prob_entropy_and_rank(target: str, dtype: str, n: int) -> None:
    for seed, kind in enumerate(KINDS):
        _, z, index, g, ways = draw(seed, kind, dtype, n)
        for options in some(ways, seed):
            same(lsmx.log_prob, z, index, **options)
            same(lsmx.log_prob_backward, g, z, index, **options)
            same(lsmx.entropy, z, **options)
            same(lsmx.entropy_backward, g, z, **options)
            stats = lsmx.token_stats(z, index, **options)
            with lsmx.using("reference"):
                want = lsmx.token_stats(z, index, **options)
            assert np.array_equal(stats.rank, want.rank)
            assert differing(stats.lse, want.lse) is None


@pytest.mark.one_in(7, slow=3)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_cross_entropy(target: str, dtype: str, n: int) -> None:
    for seed, kind in enumerate(KINDS):
        rng, z, index, g, ways = draw(seed, kind, dtype, n)
        index[4] = -100
        weight = rng.random(n).astype(g.dtype)
        weight[0] = 0
        for options in (
            *some(ways, seed),
            {"weight": weight},
            {"label_smoothing": 0.1},
            {"label_smoothing": 1.0, "z_loss": 0.01, **ways[3]},
            {"z_loss": 0.1, "weight": weight, **ways[1]},
        ):
            same(lsmx.cross_entropy, z, index, reduction="none", **options)
            same(lsmx.cross_entropy_backward, g, z, index, reduction="none", **options)


@pytest.mark.one_in(18, slow=3)
@pytest.mark.parametrize("n", [1, 16, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergences(target: str, dtype: str, n: int) -> None:
    for seed, kind in enumerate(KINDS):
        rng, z, _, g, ways = draw(seed, kind, dtype, n)
        others = [logits(rng, n, KINDS[seed - 1], dtype)]
        with np.errstate(all="ignore"):
            others.append((z + (0.0, 1e-6, 1e-2)[seed % 3] * rng.standard_normal(z.shape)).astype(dtype))
        for w in others:
            for options in (ways[0], ways[1]) if seed % 2 else (ways[3],):
                same(lsmx.kl_divergence, z, w, **options)
                same(lsmx.kl_divergence_backward, g, z, w, **options)
                same(lsmx.js_divergence, z, w, **options)
                same(lsmx.js_divergence_backward, g, z, w, **options)
        assert lsmx.explain(z, z, function="js_divergence").runs == "core"


@pytest.mark.parametrize(
    "layout",
    [
        lambda z: np.asfortranarray(z),
        lambda z: z[:, ::-1],
        lambda z: np.repeat(z, 2, axis=1)[:, ::2],
        lambda z: z.astype(z.dtype.newbyteorder()),
        lambda z: np.frombuffer(b"\0" + z.tobytes(), np.uint8)[1:].view(z.dtype).reshape(z.shape),
    ],
    ids=["fortran", "reversed", "strided", "swapped", "misaligned"],
)
def test_layouts(layout: Callable[[Values], Values]) -> None:
    rng = np.random.default_rng(5)
    z, index, g = rng.standard_normal((9, 41)).astype("float32"), rng.integers(0, 41, 9), rng.standard_normal(9).astype("float32")
    same(lsmx.log_prob, layout(z), index)
    same(lsmx.log_prob_backward, g, layout(z), index[::-1])
    same(lsmx.entropy, layout(z), temperature=1.3)
    same(lsmx.kl_divergence, layout(z), layout(z[::-1].copy()))
    same(lsmx.cross_entropy, layout(z), index.astype("int32"), label_smoothing=0.1)
    assert lsmx.explain(layout(z), index, function="log_prob").runs == "core"


@pytest.mark.parametrize("axis", [0, 1, (0, 2), None])
def test_axes(axis: Any) -> None:
    rng = np.random.default_rng(6)
    z = rng.standard_normal((4, 5, 6)).astype("float32")
    out = lsmx.logsumexp(z, axis=axis)
    index = rng.integers(0, z.size // max(out.size, 1), np.shape(out))
    same(lsmx.log_prob, z, np.asarray(index), axis=axis)
    same(lsmx.entropy, z, axis=axis)
    same(lsmx.kl_divergence, z, z[::-1].copy(), axis=axis)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_over_rows_is_rounded_once(dtype: str) -> None:
    """As ``math.fsum`` rounds it in float64; and of numbers from one end of the range to the other."""
    mean, rng = lsmx.registered()["mean_of_rows"], np.random.default_rng(7)
    reach = 60 if dtype == "float32" else 500
    for n in (1, 2, 50, 999):
        v = (rng.standard_normal(n) * 2.0 ** rng.integers(-reach, reach, n)).astype(dtype)
        for x in (v, np.concatenate([v, -v[::-1], v[:1]]), np.full(n, 3.0, dtype), np.zeros(n, dtype)):
            same(mean, x, np.asarray(3.0, dtype), axis=None)
            same(mean, x[::2], np.asarray(3.0, dtype), axis=None)
            for options in ({}, {"zero_if_empty": True}):
                for divisor in (0.0, -1.0, NAN, 7.0):
                    same(mean, x, np.asarray(divisor, dtype), axis=None, **options)
            one = mean(x, np.asarray(1.0, dtype), axis=None)
            exact = sum(map(int_of, x))
            assert float(one) == float(np.asarray(fraction(exact), dtype)), x
    many = (rng.standard_normal((3, 3000)) * 2.0 ** rng.integers(-20, 20, (3, 3000))).astype(dtype)
    same(mean, many, np.asarray(9000.0, dtype), axis=None)
    for special in ([INF, 1.0], [INF, -INF], [NAN, 1.0], [-INF, 2.0]):
        same(mean, np.asarray(special, dtype), np.asarray(2.0, dtype), axis=None)


def int_of(x: Any) -> int:
    """A float as an integer in units of 2^-1100."""
    top, bottom = float(x).as_integer_ratio()
    return top * 2**1100 // bottom


def fraction(value: int) -> float:
    """Back, rounded once."""
    return value / 2**1100


CALLS: dict[str, Callable[..., Any]] = {
    "log_prob": lambda z, w, i: lsmx.log_prob(z, i),
    "token_stats": lambda z, w, i: lsmx.token_stats(z, i),
    "entropy": lambda z, w, i: lsmx.entropy(z, temperature=0.7),
    "cross_entropy": lambda z, w, i: lsmx.cross_entropy(z, i),
    "smoothed": lambda z, w, i: lsmx.cross_entropy(z, i, label_smoothing=0.1, z_loss=1e-4),
    "kl_divergence": lambda z, w, i: lsmx.kl_divergence(z, w),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", CALLS)
def test_memory_of_a_value(name: str) -> None:
    """Above its inputs and its result, under 1 % of the logits."""
    rng = np.random.default_rng(8)
    z, w = rng.standard_normal((2, 400, 20000)).astype("float32")
    index = rng.integers(0, 20000, 400)
    CALLS[name](z[:2], w[:2], index[:2])
    tracemalloc.start()
    try:
        CALLS[name](z, w, index)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.01 * z.nbytes, peak / z.nbytes


def test_memory_of_a_gradient() -> None:
    """The gradient alone."""
    rng = np.random.default_rng(9)
    z, index = rng.standard_normal((400, 20000)).astype("float32"), rng.integers(0, 20000, 400)
    one = np.ones((), "float32")
    lsmx.cross_entropy_backward(one, z[:2], index[:2])
    tracemalloc.start()
    try:
        lsmx.cross_entropy_backward(one, z, index, label_smoothing=0.1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.01 * z.nbytes, peak / z.nbytes


def test_memory_of_a_product_in_chunks() -> None:
    """Two chunks of logits at most: of 8 that would be there at once."""
    rng = np.random.default_rng(10)
    h, weight = rng.standard_normal((512, 8)).astype("float32"), rng.standard_normal((4000, 8)).astype("float32")
    target, one = rng.integers(0, 4000, 512), np.ones((), "float32")
    chunk = 64 * 4000 * 4
    for call in (
        lambda: lsmx.linear_cross_entropy(h, weight, target, chunk=64),
        lambda: lsmx.linear_cross_entropy_backward(one, h, weight, target, chunk=64),
    ):
        call()
        tracemalloc.start()
        try:
            call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2.6 * chunk, peak / chunk  # with the gradients by weight: the sum, and what is added to it


def calls_of_rows(z: Values, index: Values, g: Values) -> list[Callable[..., Any]]:
    """What takes ``row_sums``."""
    return [
        lambda **o: lsmx.log_prob(z, index, **o),
        lambda **o: lsmx.log_prob_backward(g, z, index, **o),
        lambda **o: lsmx.entropy(z, **o),
        lambda **o: lsmx.entropy_backward(g, z, **o),
        lambda **o: lsmx.cross_entropy(z, index, reduction="none", **o),
        lambda **o: lsmx.cross_entropy_backward(g, z, index, reduction="none", **o),
        lambda **o: lsmx.token_stats(z, index, **o).rank.astype(g.dtype),
    ]


@pytest.mark.one_in(18, slow=3)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_with_row_sums(target: str, dtype: str, n: int) -> None:
    """What is known of rows already changes no bit, of values and of gradients, by the core and by the definition."""
    for seed, kind in enumerate(KINDS):
        _, z, index, g, ways = draw(seed, kind, dtype, n)
        for options in some(ways, seed):
            same(lsmx.row_sums, z, **options)
            sums = lsmx.row_sums(z, **options)
            for at, call in enumerate(calls_of_rows(z, index, g)):
                known, want = {**options, "row_sums": sums}, np.asarray(call(**options))
                assert differing(np.asarray(call(**known)), want) is None, (at, kind, sorted(options))
                with lsmx.using("reference"):
                    assert differing(np.asarray(call(**known)), want) is None, (at, kind, sorted(options))


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2), (2, 1), None])
def test_row_sums_along_axes(axis: Any) -> None:
    rng = np.random.default_rng(11)
    z = rng.standard_normal((4, 5, 6)).astype("float32")
    sums = lsmx.row_sums(z, axis=axis)
    axes = range(3) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    assert sums.shape == tuple(4 if i == max(axes) else 1 if i in axes else n for i, n in enumerate(z.shape))
    same(lsmx.row_sums, z, axis=axis)
    assert lsmx.explain(z, axis=axis, function="row_sums").runs == "core"
    want = lsmx.entropy(z, axis=axis)
    assert differing(lsmx.entropy(z, axis=axis, row_sums=sums), want) is None
    assert differing(lsmx.entropy(z, axis=axis, row_sums=np.asfortranarray(sums)), want) is None


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("axis", [(0, 1), (0, 2), None])
def test_an_index_counts_along_the_axes_and_not_in_memory(axis: Any, order: tuple[int, ...]) -> None:
    """Of rows whose axes lie in memory in another order than they are counted in."""
    rng = np.random.default_rng(12)
    z = rng.standard_normal((4, 5, 6)).astype("float32")
    z[1, 2] = np.inf
    z[1, 2] = -z[1, 2]
    elsewhere = np.ascontiguousarray(z.transpose(order)).transpose(np.argsort(order))
    shape = np.shape(lsmx.logsumexp(z, axis=axis))
    index = np.asarray(rng.integers(0, z.size // max(int(np.prod(shape)), 1), shape))
    g = np.asarray(rng.standard_normal(shape), "float32")
    for options in ({}, {"where": rng.random(z.shape) < 0.8}, {"row_sums": lsmx.row_sums(z, axis=axis)}):
        want = lsmx.log_prob(z, index, axis=axis, **options)
        assert differing(np.asarray(lsmx.log_prob(elsewhere, index, axis=axis, **options)), np.asarray(want)) is None
        back = lsmx.log_prob_backward(g, z, index, axis=axis, **options)
        assert differing(lsmx.log_prob_backward(g, elsewhere, index, axis=axis, **options), back) is None
        same(lsmx.cross_entropy, elsewhere, index, axis=axis, label_smoothing=0.0 if options else 0.1, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_cotangents_of_a_mean(dtype: str) -> None:
    mean, v = lsmx.registered()["mean_of_rows"], np.zeros((3, 4), dtype)
    for g in (0.0, -0.0, 1.0, -3.3, 1e-40, INF, NAN, 3e38):
        for divisor in (0.0, 1.0, 7.0, NAN, 1e-39, 3e38, -1.0):
            given = {"grad_output": np.asarray(g, dtype)}, {"v": v, "divisor": np.asarray(divisor, dtype)}
            got = mean.derivative("backward", *given, None)
            with lsmx.using("reference"):
                assert differing(got, mean.derivative("backward", *given, None)) is None, (g, divisor)


@pytest.mark.one_in(17, slow=3)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_cross_entropy_of_a_number_for_each_class(target: str, dtype: str, n: int) -> None:
    """Smoothing with weights or a mask, and probabilities: what passes make of each row."""
    for seed, kind in enumerate(KINDS):
        rng, z, index, g, ways = draw(seed, kind, dtype, n)
        index[4] = -100
        weight = rng.random(n).astype(g.dtype)
        weight[0] = 0
        weight[-1:] = 1e37 if seed % 2 else weight[-1:]
        p = rng.random(z.shape) * (rng.random(z.shape) < 0.8)
        p[1], p[2, 0], p[3, 0], p[0, -1] = 0, [NAN, INF, -1.0][seed % 3], 1e-39, 1e-39
        p = p.astype(dtype)
        each = np.broadcast_to(weight, z.shape) * rng.random((ROWS, 1)).astype(g.dtype)
        for options in (
            {"label_smoothing": 0.1, "weight": weight},
            {"label_smoothing": 0.1, **ways[1]},
            {"label_smoothing": 0.3, "weight": each, "z_loss": 0.1, **ways[4]},
            {"label_smoothing": 0.2, "weight": weight, "z_loss": 0.01, **ways[5]},
        ):
            same(lsmx.cross_entropy, z, index, reduction="none", **options)
            same(lsmx.cross_entropy_backward, g, z, index, reduction="none", **options)
            same(lsmx.cross_entropy, z, p, reduction="none", **options)
            same(of_backward, g, z, p, **options)
        for way in some(ways, seed):
            same(lsmx.cross_entropy, z, p, reduction="none", **way)
            same(of_backward, g, z, p, weight=weight, **way)
        assert lsmx.explain(z, index, function="cross_entropy", label_smoothing=0.1, weight=weight).runs == "core"
        assert lsmx.explain(g, z, p, function="cross_entropy_of", direction="backward", weight=weight).runs == "core"


def of_backward(g: Values, z: Values, p: Values, **options: Any) -> tuple[Values, Values]:
    """Both gradients of cross-entropy with probabilities."""
    function, where = lsmx.registered()["cross_entropy_of"], options.pop("where", None)
    vectors, residual = {"grad_output": g}, {"z": z, "target": p}
    by_z, by_target = (
        function.derivative(f"backward {name}", vectors, residual, -1, where, options=options) for name in ("z", "target")
    )
    return by_z, by_target


@pytest.mark.one_in(12, slow=3)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_several_indices(target: str, dtype: str, n: int) -> None:
    """Any number along the axis, also the same class again, and more of them than classes."""
    for seed, kind in enumerate(KINDS):
        rng, z, _, _, ways = draw(seed, kind, dtype, n)
        fmt = "float64" if dtype == "float64" else "float32"
        for count in (2, 40) if seed % 2 else (7,):
            index = rng.integers(0, n, (ROWS, count))
            g = (rng.standard_normal(index.shape) * 2.0 ** rng.integers(-30, 30, index.shape)).astype(fmt)
            g[0, 0], g[1, 0], g[2], g[3] = INF, NAN, 0, np.finfo(fmt).max / 1.5
            for options in some(ways, seed):
                same(lsmx.log_prob, z, index, **options)
                same(lsmx.log_prob_backward, g, z, index, **options)
                stats = lsmx.token_stats(z, index, **options)
                with lsmx.using("reference"):
                    assert np.array_equal(stats.rank, lsmx.token_stats(z, index, **options).rank)
    assert lsmx.explain(z, index, function="log_prob").runs == "core"
    turned = np.ascontiguousarray(index.T), np.asfortranarray(g.T)
    same(lsmx.log_prob, z.T, turned[0], axis=0)
    same(lsmx.log_prob_backward, turned[1], z.T, turned[0], axis=0)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_log_softmax_with_row_sums(target: str, dtype: str, n: int) -> None:
    """What autograds take in 16 bits: the value, and the derivatives at the logits."""
    function = lsmx.registered()["log_softmax"]
    for seed, kind in enumerate(KINDS):
        rng, z, _, _, ways = draw(seed, kind, dtype, n)
        v = rng.standard_normal(z.shape).astype(dtype)
        for where in (None, ways[1]["where"]):
            sums = lsmx.row_sums(z, where=where)
            known: dict[str, Any] = {"row_sums": sums}
            want = function(z, where=where)
            at = {"backward_z": {"grad_output": v}, "jvp_z": {"tangent": v}}
            derivatives = {direction: function.derivative(direction, at[direction], {"z": z}, -1, where) for direction in at}
            for block in (contextlib.nullcontext(), lsmx.using("reference")):
                with block:
                    assert differing(function(z, where=where, **known), want) is None, kind
                    for direction, right in derivatives.items():
                        got = function.derivative(direction, at[direction], {"z": z}, -1, where, options=known)
                        assert differing(got, right) is None, (kind, direction)


@pytest.mark.one_in(8, slow=3)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_short_way(target: str, dtype: str) -> None:
    """Calls that the core takes whole: the bits of the longer way, and what is wrong is said as there."""
    for seed, kind in enumerate(KINDS):
        _, z, index, g, ways = draw(seed, kind, dtype, 10)
        for where in (None, ways[1]["where"]):
            for call, arrays in (
                (lsmx.log_prob, (z, index)),
                (lsmx.log_prob, (z, index.astype("int32")[:, None])),
                (lsmx.log_prob_backward, (g, z, index[::-1])),
                (lsmx.entropy, (z,)),
                (lsmx.entropy_backward, (g, z)),
            ):
                for options in ({}, {"softcap": 1.0}, {"temperature": 1.0}):
                    same(call, *arrays, where=where, **options)
            for target_of in (lambda t: t, lambda t: t.astype("int32"), lambda t: np.where(t % 2, t, -100)):
                classes = target_of(index)
                for reduction in ("none", "mean", "sum"):
                    same(lsmx.cross_entropy, z, classes, where=where, reduction=reduction)
                same(lsmx.cross_entropy_backward, g, z, classes, where=where, reduction="none")
                same(lsmx.cross_entropy_backward, np.asarray(g[0]), z, classes, where=where)
            for stat in range(4):
                same(
                    lambda z, index, stat=stat, **options: lsmx.token_stats(z, index, **options)[stat] + 0.0, z, index, where=where
                )
        out = np.empty(ROWS, g.dtype)
        assert lsmx.entropy(z, out=out) is out
        assert differing(out, lsmx.entropy(z, temperature=np.ones(ROWS, g.dtype))) is None
    nothing = np.full(ROWS, -100)
    for empty, value in (("nan", NAN), ("zero", 0.0)):
        assert np.array_equal(lsmx.cross_entropy(z, nothing, empty=empty), value, equal_nan=True)
    assert lsmx.cross_entropy(z, nothing, reduction="sum") == 0.0
    for reduction in ("none", "mean"):
        with pytest.raises(
            IndexError, match=r"target: 10 at 3 is no class of a row of 10; accepted are 0 to 9, or ignore_index=-100"
        ):
            lsmx.cross_entropy(z, np.asarray([0, 1, 2, 10, 4, -100, 6]), reduction=reduction)
        with pytest.raises(IndexError, match=r"target: -101 at 1 is no class"):
            lsmx.cross_entropy(z, np.asarray([0, -101, 2, 3, 4, 5, 6]), reduction=reduction)
        with pytest.raises(IndexError, match=r"target: -100 at 3 is no class of a row of 10"):
            lsmx.cross_entropy(z, np.asarray([0, 1, 2, -100, 4, 5, 6]), ignore_index=None, reduction=reduction)
    with pytest.raises(IndexError, match=r"index: 10 at 3 is no class of a row of 10"):
        lsmx.log_prob(z, np.asarray([0, 1, 2, 10, 4, 5, 6]))
    with pytest.raises(TypeError, match=r"index: dtype float64"):
        lsmx.log_prob(z, index.astype("float64"))
    with pytest.raises(ValueError, match=r"index: shape \(6,\)"):
        lsmx.log_prob(z, index[:6])


# ---- where it is the smallest numbers that count


def test_a_share_that_is_0_of_a_class_that_cannot_be(target: str) -> None:
    """Counts as 0, not as 0 times infinity."""
    z = np.array([[0.0, 1.0, -INF] * 7], np.float32)
    for smoothing in (1e-38, 1e-36):
        same(lsmx.cross_entropy, z, np.array([1]), label_smoothing=smoothing)
    assert lsmx.cross_entropy(z, np.array([1]), label_smoothing=1e-38) < 3
    assert lsmx.cross_entropy(z, np.array([1]), label_smoothing=1e-36) == INF


def test_a_temperature_of_1_for_each_row_flushes_as_any_other(target: str) -> None:
    z = np.array([[-1.6e-38, 1.7e-38, 3e-40, -5.0, -0.0]] * 3, np.float32)
    T, index = np.array([1.0, 2.0, 1.0], np.float32), np.array([0, 0, 4])
    stats = lsmx.token_stats(z, index, temperature=T)
    assert stats.rank.tolist() == [0, 0, 0]
    assert lsmx.token_stats(z, index).rank.tolist() == [3, 3, 2]
    sums = lsmx.row_sums(z, temperature=T)
    same(lsmx.row_sums, z, temperature=T)
    same(lsmx.log_prob, z, index, temperature=T, row_sums=sums)


def test_zeros_that_a_soft_cap_makes_have_their_sign(target: str) -> None:
    z = np.array([[-2.9e-39] + [-INF] * 20, [2.9e-39] + [-INF] * 20], np.float32)
    same(lsmx.row_sums, z, softcap=1e-30)
    assert np.signbit(lsmx.row_sums(z, softcap=1e-30)[:, 0]).tolist() == [True, False]


@pytest.mark.parametrize("n", [5, 40])
def test_a_soft_cap_leaves_one_nan(target: str, n: int) -> None:
    """Of an infinite cotangent where the cap has no slope."""
    z = np.linspace(-77.0, 1.0, n, dtype=np.float32)[None]
    got = lsmx.entropy_backward(np.array([-INF], np.float32), z, softcap=1.0)
    assert np.isnan(got).any()
    assert set(got[np.isnan(got)].view(np.uint32).tolist()) == {0x7FC00000}


def test_one_nan_of_rows_that_are_not_defined(target: str) -> None:
    """Also by probabilities of classes whose weight is 0, of a cotangent that is infinite."""
    z, p = np.full((2, 20), INF, np.float32), np.full((2, 20), 0.05, np.float32)
    weight = np.arange(20, dtype=np.float32)
    _, by_target = of_backward(np.array([INF, 1.0], np.float32), z, p, weight=weight)
    assert set(by_target[np.isnan(by_target)].view(np.uint32).tolist()) == {0x7FC00000}
    assert np.isnan(by_target[0]).all()
    assert by_target[1, 0] == 0.0
    same(of_backward, np.array([INF, -1.0], np.float32), z, p, weight=weight)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_of_cotangents_that_is_tiny(target: str, dtype: str) -> None:
    """Less what goes with lse it counts as 0, also at a class that outweighs the others."""
    z, u = np.array([[-1.0, -2.0] + [-INF] * 20], dtype), np.array([3.6 * float(np.finfo(dtype).tiny)], dtype)
    for options in ({}, {"label_smoothing": 1e-3, "where": np.ones(22, bool)}):
        same(lsmx.cross_entropy_backward, u, z, np.array([0]), z_loss=0.5, reduction="none", **options)
    assert lsmx.cross_entropy_backward(u, z, np.array([0]), z_loss=0.5, reduction="none")[0, :2].tolist() == [-u[0], 0.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cotangents_of_several_indices_whose_sum_is_too_large(target: str, dtype: str) -> None:
    """It is no number, as that of a row's cotangents: of all of them, the row is NaN; of one class, that class is."""
    z, big = np.array([[0.0, 1.0, 2.0, -INF]] * 3, dtype), 0.9 * float(np.finfo(dtype).max)
    index = np.array([[0, 0, 1]] * 3)
    g = np.array([[big, big, 0.0], [big, big, -big], [big, -big, big]], dtype)
    same(lsmx.log_prob_backward, g, z, index)
    got = lsmx.log_prob_backward(g, z, index)
    assert np.isnan(got).tolist() == [[True] * 4, [True, False, False, False], [False] * 4]


def test_elements_of_rows_at_any_address(target: str) -> None:
    """Of passes that read or write single ones, of a row without options, which is not copied."""

    def moved(x: Values) -> Values:
        room = np.zeros(x.nbytes + 1, np.uint8)
        found = room[1:].view(x.dtype).reshape(x.shape)
        found[...] = x
        return found

    rng = np.random.default_rng(13)
    for n in (40, 301):
        z, p = moved(rng.standard_normal((3, n)).astype("float32")), moved(rng.random((3, n)).astype("float32"))
        z[1, 7] = 30.0
        index, g = rng.integers(0, n, (3, 5)), rng.standard_normal((3, 5)).astype("float32")
        assert not z.flags.aligned
        same(lsmx.log_prob, z, index)
        same(lsmx.log_prob_backward, g, z, index)
        same(lsmx.cross_entropy, z, p, reduction="none")
        same(of_backward, g[:, 0], z, p)
        stats = lsmx.token_stats(z, index)
        assert np.array_equal(stats.rank, (z[:, None, :] > np.take_along_axis(z, index, 1)[..., None]).sum(-1))


@pytest.mark.parametrize("passname", ["kl_forward", "js_forward"])
def test_a_soft_cap_is_refused_by_divergences(passname: str) -> None:
    """And smoothing by passes that compare with no targets."""
    module, z, out = core(), np.zeros((2, 3), np.float32), np.zeros(2, np.float32)
    assert module is not None
    view = z.ctypes.data, 2, z.shape, z.strides
    for softcap, smoothing in ((1.0, 0.0), (0.0, 0.1)):
        more = None, None, None, None, None, softcap, smoothing
        with pytest.raises(ValueError, match="a soft cap, or smoothing, for a pass that takes none"):
            module.run(module.passes[passname], False, (1,), view, view, None, None, (out.ctypes.data, 2, (2,), (4,)), 1, *more)


@pytest.mark.parametrize(("dtype", "gap"), [("float32", -87.0), ("float64", -707.89)])
def test_a_divergence_of_classes_that_hardly_are(target: str, dtype: str, gap: float) -> None:
    """Probabilities below twice the least normal number count as 0 in a sum."""
    z = np.array([[0.0, gap - 0.4, gap - 0.3]], dtype)
    w = np.array([[0.0, gap + 0.1, gap + 0.05]], dtype)
    same(lsmx.kl_divergence, z, w)
    same(lsmx.kl_divergence_backward, np.array([-1.0], dtype), z, w)
    assert lsmx.kl_divergence(z, w) == 0.0


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0, 3), (0,)])
def test_one_row_of_all_axes(shape: tuple[int, ...]) -> None:
    """Where NumPy makes scalars of what is computed from arrays without axes, and where there is nothing to compute."""
    rng = np.random.default_rng(61)
    n = int(np.prod(shape))
    z, v, weight = (np.asarray(rng.standard_normal(shape), np.float32) for _ in range(3))
    index, g = np.asarray(max(n - 1, 0)), np.asarray(0.75, np.float32)
    for reduction in ("none", "mean", "sum"):
        for options in (
            {},
            {"weight": np.asarray(abs(weight))},
            {"label_smoothing": 0.1, "z_loss": 0.01},
            {"ignore_index": int(index)},
        ):
            given: dict[str, Any] = {"axis": None, "reduction": reduction} | options
            if not n and options.keys() != {"ignore_index"}:
                continue

            def every(given: dict[str, Any] = given) -> tuple[Values, ...]:
                return (
                    lsmx.cross_entropy(z, index, **given),
                    lsmx.cross_entropy_backward(g, z, index, **given),
                    lsmx.cross_entropy_jvp(v, z, index, **given),
                )

            got = every()
            with lsmx.using("reference"):
                want = every()
            for a, b in zip(got, want, strict=True):
                assert isinstance(a, np.ndarray)
                assert differing(a, b) is None


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_no_rows_and_no_classes(reduction: str) -> None:
    none, weight = np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
    g = np.zeros(0, np.float32) if reduction == "none" else np.asarray(2.0, np.float32)
    dz = lsmx.cross_entropy_backward(g, none, np.zeros(0, int), reduction=reduction)
    assert dz.shape == (0, 3)
    z, target = np.zeros((2, 0), np.float32), np.zeros(2, int)
    loss = lsmx.cross_entropy(z, target, weight=weight, ignore_index=0, reduction=reduction)
    assert (
        differing(loss, {"none": np.zeros(2), "mean": np.asarray(NAN), "sum": np.asarray(0.0)}[reduction].astype(np.float32))
        is None
    )
