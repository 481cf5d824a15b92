"""The CUDA passes of the losses equal the definition bit for bit, on the host: the same source, under an emulator of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx._native.cuda.source import source
from lsmx.extend import Rows
from lsmx.testing import differing
from tests.cuda_host import COMPILER, emulated, serving
from tests.native.values import VECTORS
from tests.test_cuda_host import _builds, _one_thread, bits  # noqa: F401
from tests.test_losses_core import INF, KINDS, NAN, ROWS, draw

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no g++ here, which compiles the kernels for the host")
# a thread, a few of them, a warp, and several that share a row: held, in shared memory, or read again
SIZES = [(dtype, 250) for dtype in ("float16", "bfloat16", "float32", "float64")]
SIZES += [("float32", n) for n in (1, 3, 33, 3000, 14000)] + [("float64", 9001)]
SLOW = {"float16", "float64"}  # a compiler takes ten seconds for the losses of each dtype
CASES = [pytest.param(dtype, n, marks=[pytest.mark.slow] if dtype in SLOW else []) for dtype, n in SIZES]


@pytest.fixture
def launched() -> Iterator[list[Any]]:
    """What is launched, with CPU tensors served by the CUDA kernels."""
    seen: list[Any] = []
    with serving(emulated(shared=100 * 1024, seen=seen)):
        yield seen


def tensor(x: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))


def drawn(dtype: str, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[dict[str, Any]]]:
    """Rows of all kinds, one below the other: logits, an index, cotangents, and ways to call."""
    kinds = KINDS if n < 2000 else KINDS[n % 3 :: 3]
    made = [draw(seed, kind, "float32" if dtype == "bfloat16" else dtype, n)[1:] for seed, kind in enumerate(kinds)]
    z, index, g = (np.concatenate([m[i] for m in made]) for i in range(3))
    if n >= 2000:
        z, index, g = z[::3], index[::3], g[::3]
    rng = np.random.default_rng(n)
    each = np.where(rng.random(len(z)) < 0.9, rng.uniform(0.3, 3, len(z)), 1.0).astype(g.dtype)
    ways = [{}, {"where": tensor(rng.random(z.shape) < 0.7)}, {"temperature": 0.7}, {"temperature": tensor(each)}]
    ways += [{"softcap": 30.0, **ways[1]}, {"softcap": 2.5, **ways[3]}]
    return tensor(z).to(getattr(torch, dtype)), tensor(index), tensor(g), ways


def results(value: Any) -> list[torch.Tensor]:
    return [x for x in (value if isinstance(value, tuple) else (value,)) if x is not None]


def same(seen: list[Any], launches: int, call: Callable[..., Any], *arrays: Any, **options: Any) -> list[torch.Tensor]:
    """The bits of the definition, from so many launches."""
    before = len(seen)
    got = results(call(*arrays, **options))
    assert len(seen) - before == launches, [kernel for kernel, *_ in seen[before:]]
    with lsmx.using("reference"):
        want = results(call(*arrays, **options))
    assert [x.dtype for x in got] == [x.dtype for x in want]
    for a, b in zip(got, want, strict=True):
        assert differing(bits(a), bits(b)) is None, (call, arrays[0].shape, arrays[0].dtype, sorted(options))
    return got


def rank(z: torch.Tensor, index: torch.Tensor, **options: Any) -> torch.Tensor:
    return lsmx.registered()["rank"](z, index, **options)


def lse(z: torch.Tensor, **options: Any) -> torch.Tensor:
    return lsmx.registered()["scaled_logsumexp"](z, **options)


def derivative(name: str, g: torch.Tensor, at: dict[str, torch.Tensor], **options: Any) -> torch.Tensor:
    axis, where, out = options.pop("axis", -1), options.pop("where", None), options.pop("out", None)
    made: torch.Tensor = lsmx.registered()[name].derivative("backward", {"grad_output": g}, at, axis, where, out, options)
    return made


def lse_backward(g: torch.Tensor, z: torch.Tensor, **options: Any) -> torch.Tensor:
    return derivative("scaled_logsumexp", g, {"z": z}, **options)


def log_prob_backward(g: torch.Tensor, z: torch.Tensor, index: torch.Tensor, **options: Any) -> torch.Tensor:
    return derivative("log_prob", g, {"z": z, "index": index}, **options)


def check(seen: list[Any], z: torch.Tensor, index: torch.Tensor, g: torch.Tensor, **options: Any) -> None:
    """All passes on one array of logits but those of cross-entropy."""
    same(seen, 1, lsmx.log_prob, z, index, **options)
    same(seen, 1, lsmx.log_prob_backward, g, z, index, **options)
    same(seen, 1, lsmx.entropy, z, **options)
    same(seen, 1, lsmx.entropy_backward, g, z, **options)
    same(seen, 1, rank, z, index, **options)
    same(seen, 1, lse, z, **options)
    same(seen, 1, lse_backward, g, z, **options)


@pytest.mark.one_in(7)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_one_array_of_logits(dtype: str, n: int, launched: list[Any]) -> None:
    z, index, g, ways = drawn(dtype, n)
    for k, options in enumerate(ways if n < 2000 else ways[::5]):
        (sums,) = same(launched, 1, lsmx.row_sums, z, **options)
        for known in ({}, {"row_sums": sums}) if k % 2 else ({},):
            check(launched, z, index, g, **options, **known)
    kinds = {kernel.rpartition("_")[0].rpartition("_")[2] for kernel, *_ in launched}
    assert kinds == {"held" if n <= 8192 else "walked"}


def cotangents(z: torch.Tensor) -> torch.Tensor:
    """Vectors beside logits, of all kinds."""
    rng, (rows, n) = np.random.default_rng(z.shape[1]), z.shape
    return tensor(np.stack([VECTORS[j % len(VECTORS)](rng, n, "float32") for j in range(rows)])).to(z.dtype)


def mask_of(options: dict[str, Any]) -> dict[str, Any]:
    """The mask among options."""
    return {"where": options["where"]} if "where" in options else {}


def sum_of(g: torch.Tensor, **mask: Any) -> Any:
    """The sum of each row in two words, by the definition."""
    with lsmx.using("reference"):
        rows = Rows.of("v", g, -1, **mask)
        return rows.sum(rows.flush(rows.enter("v", g, absent=0.0)))


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_rows_in_parts(dtype: str, n: int, launched: list[Any]) -> None:
    """The largest logits of rows, and the digits of a part of them."""
    z, _, _, ways = drawn(dtype, n)
    of = lsmx.registered()
    for options in ways if n < 2000 else ways[::5]:
        (top,) = same(launched, 1, of["row_top"], z, **options)
        part = slice(n // 3, None)
        mask = {"where": options["where"][:, part]} if "where" in options else {}
        same(launched, 1, of["row_digits"], z[:, part], top, **{**options, **mask})
        g = cotangents(z)
        (largest,) = same(launched, 1, of["row_magnitude"], g, **mask_of(options))
        same(launched, 1, of["row_integer"], g[:, part], largest, **mask)
        total = torch.cat([*sum_of(g, **mask_of(options)), largest[:, :2]], 1)
        same(launched, 1, of["row_gradient"], lsmx.log_softmax(z)[:, part], g[:, part], total, **mask)
        sums = lsmx.row_sums(z, **mask_of(options))
        same(launched, 1, of["row_gradient"], z[:, part], g[:, part], total, row_sums=sums, **mask)
    across = z.T.contiguous()
    same(launched, 1, of["row_digits"], across, *same(launched, 1, of["row_top"], across, axis=0), axis=0)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_cross_entropy(dtype: str, n: int, launched: list[Any]) -> None:
    z, index, g, ways = drawn(dtype, n)
    index[4::ROWS] = -100
    weight = torch.rand(n, dtype=g.dtype)
    weight[0] = 0
    for launches, options in (
        *((1, way) for way in (ways if n < 2000 else ways[5:])),
        (1, {"weight": weight}),
        (1, {"label_smoothing": 0.1}),
        (2, {"label_smoothing": 1.0, "z_loss": 0.01, **ways[3]}),
        (2, {"z_loss": 0.1, "weight": weight, **ways[1]}),
    ):
        same(launched, launches, lsmx.cross_entropy, z, index, reduction="none", **options)
        same(launched, launches, lsmx.cross_entropy_backward, g, z, index, reduction="none", **options)


@pytest.mark.one_in(5)
@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_kl_divergence(dtype: str, n: int, launched: list[Any]) -> None:
    z, _, g, ways = drawn(dtype, n)
    if n == 250:
        z, g, ways = z[::2], g[::2], [{name: x[::2] if hasattr(x, "shape") else x for name, x in way.items()} for way in ways]
    noise = torch.from_numpy(np.random.default_rng(n).standard_normal((3, *z.shape))).to(z.dtype)
    others = [z.roll(ROWS, 0), z, z + noise[0], (z + 1e-6 * noise[1]).to(z.dtype), z + 1e-2 * noise[2]]
    for w in others if n < 100 else others[::2] if n < 2000 else others[3:4]:
        for options in ways[:2] + ways[3:4] if n < 100 else ways[1:3]:
            same(launched, 1, lsmx.kl_divergence, z, w, **options)
            same(launched, 2, lsmx.kl_divergence_backward, g, z, w, **options)


@pytest.mark.parametrize("n", [40, 600])
def test_layouts(n: int, launched: list[Any]) -> None:
    """Rows side by side, strided, shifted from multiples of 16 bytes; numbers a row that lie apart."""
    rng = np.random.default_rng(n)
    room = torch.from_numpy(rng.standard_normal((2, 26, 2 * n + 3))).float()
    index, g = torch.from_numpy(rng.integers(0, n, (26, 2))), torch.from_numpy(rng.standard_normal((26, 2))).float()
    each = torch.rand(26, 2) + 0.5
    mask = torch.from_numpy(rng.random((1, n)) < 0.7)
    for part in (slice(n), slice(1, n + 1), slice(0, 2 * n, 2)):
        z, w = room[:, :, part]
        for options in ({}, {"temperature": each[:, 1]}, {"where": mask}):
            check(launched, z, index[:, 0], g[:, 1], **options)
        same(launched, 2, lsmx.kl_divergence_backward, g[:, 1], z, w, temperature=each[:, 0])
    across, beside = (x.T.contiguous() for x in room[:, :, :n])
    for options in ({}, {"temperature": each[:, 1]}, {"where": mask.T}):
        check(launched, across, index[:, 0].to(torch.int32), g[:, 1], axis=0, **options)
    same(launched, 2, lsmx.kl_divergence_backward, g[:, 1], across, beside, axis=0)
    assert {values[40] for _, *_, values in launched} == {0, 1}  # neighbouring threads with neighbouring elements, or rows


@pytest.mark.parametrize("axis", [1, (0, 1), (1, 2), None])
def test_axes(axis: Any, launched: list[Any]) -> None:
    """An index counts along the axes; sums of rows lie along the last of them, also where that is as long as they are."""
    rng = np.random.default_rng(6)
    for shape in ((4, 5, 6), (3, 4, 4), (1, 1, 4)):
        z = torch.from_numpy(rng.standard_normal(shape)).float()
        out = lsmx.logsumexp(z, axis=axis)
        n = z.numel() // out.numel()
        for keepdims in (False, True):
            to = lsmx.logsumexp(z, axis=axis, keepdims=keepdims).shape
            index, g = (
                torch.from_numpy(np.asarray(rng.integers(0, n, to))),
                torch.from_numpy(np.asarray(rng.standard_normal(to))).float(),
            )
            (sums,) = same(launched, 1, lsmx.row_sums, z, axis=axis)
            for known in ({}, {"row_sums": sums}, {"row_sums": sums.transpose(0, 1).contiguous().transpose(0, 1)}):
                same(launched, 1, lsmx.log_prob, z, index, axis=axis, **known)
                same(launched, 1, lsmx.log_prob_backward, g, z, index, axis=axis, **known)
                same(launched, 1, lsmx.entropy_backward, g, z, axis=axis, **known)


@pytest.mark.parametrize("integer", [torch.int32, torch.int64])
def test_indices_outside_of_rows(integer: torch.dtype, launched: list[Any]) -> None:
    z, g = torch.randn(6, 9), torch.randn(6)
    index = torch.tensor([0, 8, 9, -1, -(2**31), 2**31 - 1], dtype=integer)
    for call, outside in ((lsmx.registered()["log_prob"], NAN), (rank, -1.0)):
        (got,) = same(launched, 1, call, z, index)
        assert np.array_equal(got[2:].numpy(), np.full(4, outside, "float32"), equal_nan=True)
        assert torch.isfinite(got[:2]).all()
    (got,) = same(launched, 1, log_prob_backward, g, z, index)
    assert torch.isnan(got[2:]).all()
    assert torch.isfinite(got[:2]).all()


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float64", marks=pytest.mark.slow)])
def test_temperatures_that_are_none(dtype: str, launched: list[Any]) -> None:
    """Make their rows NaN; where they are not to be seen, nothing raises."""
    z = torch.randn(7, 9).to(getattr(torch, dtype))
    least, most = (2.0**-126, 2.0**126) if dtype == "bfloat16" else (2.0**-1021, 2.0**1023)
    each = torch.tensor([0.0, -1.0, NAN, INF, least / 2, 4 * most, 2.0], dtype=z.dtype)
    (got,) = same(launched, 1, lsmx.registered()["entropy"], z, temperature=each)
    assert torch.isnan(got[:6]).all()
    assert torch.isfinite(got[6])


def test_what_is_known_of_a_row_is_not_looked_for(launched: list[Any]) -> None:
    """With its sums, a log-probability reads the one logit."""
    z, index = torch.randn(7, 300), torch.arange(7) * 40
    want = lsmx.log_prob(z, index)
    sums = lsmx.row_sums(z)
    forgotten = torch.full_like(z, NAN)
    forgotten[torch.arange(7), index] = z[torch.arange(7), index]
    assert differing(lsmx.log_prob(forgotten, index, row_sums=sums).numpy(), want.numpy()) is None
    assert len(launched) == 3


@pytest.mark.parametrize("n", [40, 9000])
def test_gradients_go_where_the_logits_are(n: int, launched: list[Any]) -> None:
    z, index, g = torch.randn(5, n), torch.randint(0, n, (5,)), torch.randn(5)
    for call, arrays in ((log_prob_backward, (index,)), (lse_backward, ())):
        want, place = call(g, z, *arrays), z.clone()
        assert call(g, place, *arrays, out=place) is place
        assert differing(place.numpy(), want.numpy()) is None
        assert launched[-1][-1][32] == place.data_ptr()
    shifted = torch.empty(5 * n + 1)
    want, z = log_prob_backward(g, z, index), shifted[:-1].view(5, n).copy_(z)
    log_prob_backward(g, z, index, out=shifted[1:].view(5, n))  # overlaps what is read
    assert launched[-1][-1][32] != shifted.data_ptr() + 4
    assert differing(shifted[1:].view(5, n).numpy(), want.numpy()) is None


def test_refusals(launched: list[Any]) -> None:
    """Each with its reason; the definition computes them."""
    kernels = {(k.function, k.direction): k for k in lsmx.backend_for(torch.zeros(1)).kernels if k.name == "cuda"}

    def why(name: str, *arrays: Any, **options: Any) -> str:
        found = kernels[name, "forward"].plan(extend.Context(), *arrays, **options)
        return found if isinstance(found, str) else ""

    z, index = torch.randn(4, 5, 6), torch.zeros(4, 5, dtype=torch.int64)
    assert why("log_prob", z, index) == ""
    assert why("log_prob", z, index.to(torch.int16)) == "dtype torch.int16"
    assert why("entropy", z, temperature=-1.0) == "a temperature that is none"
    assert why("entropy", z[:, :0]) == "no elements"
    assert why("entropy", z, axis=(0, 2)) == "the reduced axes do not lie in memory as one"
    assert why("kl_divergence", z, z.half()) == "logits of different shapes or dtypes"
    assert why("entropy", torch.zeros(1).double().expand(2**22)).startswith("rows of 4194304 elements: float64 limbs")
    assert launched == []


def test_kernels_under_flushing_hardware() -> None:
    """As under ``-ftz=true``, which CuPy always passes: subnormal operands and results are zero."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    torch.set_flush_denormal(False)
    z, index, g, _ = drawn("float32", 33)
    w = z.roll(ROWS, 0)
    calls: list[Callable[[], Any]] = [
        lambda: lsmx.log_prob(z, index),
        lambda: lsmx.log_prob_backward(g, z, index),
        lambda: lsmx.entropy(z),
        lambda: lsmx.entropy_backward(g, z),
        lambda: rank(z, index),
        lambda: lsmx.cross_entropy(z, index, reduction="none", label_smoothing=0.1),
        lambda: lsmx.kl_divergence(z, w),
        lambda: lsmx.kl_divergence_backward(g, z, w),
    ]
    with lsmx.using("reference"):
        want = [results(call()) for call in calls]
    with serving(emulated()):
        torch.set_flush_denormal(True)
        try:
            got = [results(call()) for call in calls]
        finally:
            torch.set_flush_denormal(False)
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        assert [differing(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)] == [None] * len(b), k


QUICKLY = ("-O0", "-ffp-contract=off")  # compiled
FAULTS = {  # of a pass, what is written instead of what
    "the second largest logit": ("row_sums_forward", "{first, second, last.high", "{first, first, last.high"),
    "two numbers of a part": ("row_top_forward", "{first, second, last.high", "{first, first, last.high"),
    "a digit": ("row_digits_forward", "F(d.middle), F(d.low)", "F(d.low), F(d.middle)"),
    "the largest magnitude of a longer row": (
        "row_integer_forward",
        "const F most = row.sums[0];",
        "const F most = row.sums[0] * F(2);",
    ),
    "a magnitude beside NaN": ("row_magnitude_forward", "any_nan ? not_a_number<F>() : top", "top"),
    "a sum's second word": ("row_gradient_backward", "{row.numbers[0], row.numbers[1]};", "{row.numbers[0], F(0)};"),
    "the largest logit of a longer row": ("row_digits_forward", "smaller(x, z2), m)", "x, m)"),
    "of equal zeros, a negative one": ("row_sums_forward", "second == F(0) ? F(0) : s.maximum", "false ? F(0) : s.maximum"),
    "a row that is ignored": ("log_prob_forward", "i == IGNORED ? F(0) : value", "value"),
    "its gradient": ("log_prob_backward", "return row.index == IGNORED ? F(0) : not", "return false ? F(0) : not"),
    "a likely class like others": ("log_prob_backward", "dominates && x == s.m", "false"),
    "the index": ("log_prob_backward", "i == row.index ? at", "i + 1 == row.index ? at"),
    "no temperature": ("log_prob_backward", "return divides ? quotient(x, temperature) : x", "return x"),
    "a temperature of 1 that flushes nothing": ("row_sums_forward", "return divides ?", "return divides && temperature != F(1) ?"),
    "a gradient that is not over it": (
        "log_prob_backward",
        "by_uncapped(over(g), z, cap) : over(g)",
        "by_uncapped(over(g), z, cap) : g",
    ),
    "what is no temperature": ("log_prob_forward", "temperature < C::largest_divisor", "true"),
    "a class that is impossible": ("cross_entropy_forward", "infinite |= term ==", "infinite |= F(1) =="),
    "what is past the end": ("cross_entropy_forward", "known && i < row.n", "known"),
    "the grid of distances": ("entropy_forward", "where(D2 > F(1), D2, F(1))", "F(1)"),
    "negative logits": ("rank_forward", "(x < 0 ? sign - x : x)", "x"),
    "a row with NaN": ("rank_forward", "any_nan ? UNKNOWN : above", "above"),
    "a row of -inf": ("scaled_logsumexp_backward", "s.maximum == -infinity<F>() ? F(0)", "false ? F(0)"),
    "the least of ties": ("kl_backward_w", "e.high < mine.high ||", "e.high > mine.high ||"),
    "classes that z alone has": ("kl_forward", "pair.only_z = alone & 1", "pair.only_z = alone & 2"),
    "rows that are close": ("kl_backward_w", "!alone && largest_f <=", "false && largest_f <="),
    "their second words": ("kl_backward_w", "e.low + (D.low - E.low)", "e.low"),
    "classes that w lacks": ("kl_backward_w", "where(is_in(c.x) && !is_in(c.y), F(0) - c.p,", "where(false, F(0) - c.p,"),
    "teams that do not wait": ("kl_backward_z", "largest_f = team", "if (!alone) largest_f = team"),
}


def calls() -> dict[str, Callable[[], Any]]:
    """For each pass of a fault, a call that it serves."""
    z, index, g, ways = drawn("float32", 33)
    z[50, :5], z[51, :5], each = -0.0, 0.0, ways[3]["temperature"]
    z[50, 5:], z[51, 5:], each[::2] = -3.0, -1.0, 1.0
    z[52] = torch.where(torch.arange(33) == 5, 0.0, -(2.0**-7) - 2.0**-30 * torch.arange(33))
    z[53] = -INF
    index[ROWS : 2 * ROWS] = 16  # of the logit that is far above the others
    index[4::ROWS] = -100
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((28, 33))).float()
    w = torch.cat([z[:28] + 1e-3 * noise, z[28:].roll(ROWS, 0)])
    none = torch.where(torch.arange(len(z)) % 2 == 0, 2.0**127, 1.5)
    apart = z.T.contiguous(), w.T.contiguous()
    of = lsmx.registered()
    with lsmx.using("reference"):
        of_whole, v, log_p = of["row_top"](z), cotangents(z), lsmx.log_softmax(z)
        largest = of["row_magnitude"](v)
        total = torch.cat([*sum_of(v), largest[:, :2]], 1)
    return {
        "row_sums_forward": lambda: (lsmx.row_sums(z), lsmx.row_sums(z, temperature=each)),
        "row_top_forward": lambda: of["row_top"](z),
        "row_digits_forward": lambda: of["row_digits"](z[:, 8:], of_whole),
        "row_magnitude_forward": lambda: of["row_magnitude"](v),
        "row_integer_forward": lambda: of["row_integer"](v[:, 8:], largest),
        "row_gradient_backward": lambda: of["row_gradient"](log_p[:, 8:], v[:, 8:], total),
        "log_prob_forward": lambda: (
            lsmx.cross_entropy(z, index, reduction="none"),
            of["log_prob"](z, index, temperature=none),
        ),
        "log_prob_backward": lambda: lsmx.cross_entropy_backward(g, z, index, reduction="none", temperature=each),
        "cross_entropy_forward": lambda: lsmx.cross_entropy(z, index, reduction="none", label_smoothing=0.1),
        "entropy_forward": lambda: lsmx.entropy(z),
        "rank_forward": lambda: rank(z, index),
        "scaled_logsumexp_backward": lambda: lse_backward(g, z),
        "kl_forward": lambda: lsmx.kl_divergence(z, w),
        "kl_backward_z": lambda: lsmx.kl_divergence_backward(g, *apart, axis=0)[0],
        "kl_backward_w": lambda: lsmx.kl_divergence_backward(g, z, w)[1],
    }


def caught(passname: str, before: str, after: str, call: Callable[[], Any]) -> None:
    """A fault of a pass is seen by a call, which the pass serves without it."""
    assert source(passname, "float32", device=False).count(before) == 1
    with lsmx.using("reference"):
        want = results(call())

    def seen(edit: Callable[[str], str]) -> bool:
        with serving(emulated(QUICKLY, edit)):
            try:
                got = results(call())
            except AssertionError:  # threads that no longer agree where to go
                return True
        return any(differing(a.numpy(), b.numpy()) is not None for a, b in zip(got, want, strict=True))

    assert not seen(str)
    assert seen(lambda text: text.replace(before, after))


@pytest.mark.one_in(14, slow=3)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_caught(fault: str) -> None:
    passname, before, after = FAULTS[fault]
    caught(passname, before, after, calls()[passname])
