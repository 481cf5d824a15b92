"""Every pass of the compiled core, on every target of this machine, against the definition: bit for bit, nothing else written."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lsmx
from lsmx._native.compiled import core as compiled_core
from lsmx._native.compiled import missing
from lsmx.testing import differing
from tests.native.cases import LENGTHS, dtypes_of, in_line, random_plan
from tests.native.definitions import INDEX, MASK, ONE, OUT, SUMS, TEMPERATURE, A, B
from tests.native.layouts import Layout, plain
from tests.native.numbers import SMOOTHINGS, SOFTCAPS
from tests.native.passes import PASSES
from tests.native.plans import Plan
from tests.native.values import DTYPES, LOGITS, cast, drawn

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"{missing()}")
THREADS = (1, 2, 3, 7)


@pytest.fixture(scope="module")
def core() -> Iterator[Any]:
    """The core; afterwards on the target that it was on."""
    module = compiled_core()
    assert module is not None
    before = module.target()
    yield module
    module.use(before)


@pytest.fixture(scope="module", params=[] if missing() else compiled_core().targets())
def target(request: pytest.FixtureRequest, core: Any) -> str:
    """The core on one target."""
    core.use(request.param)
    return str(request.param)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    lsmx.set_num_threads(1)
    yield
    lsmx.set_num_threads(None)


def check(core: Any, plan: Plan, threads: tuple[int, ...] = (1,)) -> None:
    """A case on every target, with so many threads."""
    case = plan.case()
    for name in core.targets():
        core.use(name)
        for count in threads:
            wrong = case.run(core, count)
            assert wrong is None, f"{wrong}\n{plan}"


def generator(*words: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


# ---- by the core's own interface


@pytest.mark.one_in(10, slow=3)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("passname", PASSES)
def test_rows_in_line(passname: str, dtype: str, core: Any) -> None:
    """Every length about the edges of vectors, tiles and packs; any address; the result in the place of an operand."""
    rng = generator(passname, dtype)
    for n in LENGTHS:
        rows = int(rng.choice([1, 2, 3, 5, 16, 17, 33, 40])) if n < 1000 else int(rng.integers(1, 4))
        offset, place = int(rng.choice([0, 1, 2, 4, 12, 63])), int(rng.choice([OUT, A, B]))
        check(core, in_line(passname, dtype, rows, n, int(rng.integers(2**31)), offset, place))


@pytest.mark.one_in(16, slow=3)
@pytest.mark.parametrize("dtype", [*DTYPES, None])
@pytest.mark.parametrize("passname", PASSES)
def test_layouts(passname: str, dtype: str | None, core: Any) -> None:
    """Any axes, gaps, signs and zeros of strides, byte orders, masks; with no dtype, every operand has one of its own."""
    rng = generator(passname, dtype)
    for _ in range(50):
        check(core, random_plan(rng, passname, dtype))


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("passname", PASSES)
def test_many(passname: str, seed: int, core: Any) -> None:
    rng = generator(passname, seed)
    for dtype in DTYPES:
        for n in range(1, 300):
            check(core, in_line(passname, dtype, int(rng.integers(1, 40)), n, int(rng.integers(2**31)), int(rng.integers(64)), A))
    for i in range(2000):
        check(core, random_plan(rng, passname, [*DTYPES, None][i % 5]))


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("passname", "dtype", "rows", "n"),
    [
        ("log_softmax_forward", "float32", 20000, 50),
        ("log_softmax_backward", "float32", 977, 1031),
        ("softmax_backward", "float64", 9, 131072),
        ("logsumexp_forward", "bfloat16", 100003, 10),
        ("logsumexp_jvp", "float16", 3000, 301),
        ("logsumexp_backward", "float32", 2, 500000),
        ("log_prob_backward", "float32", 3000, 301),
        ("cross_entropy_forward", "float16", 977, 130),
        ("kl_backward_z", "float64", 301, 190),
        ("row_sums_forward", "bfloat16", 20003, 10),
        ("cross_entropy_of_backward_z", "float32", 977, 130),
        ("js_backward_w", "float16", 301, 190),
        ("log_probs_backward", "float64", 977, 33),
    ],
)
def test_threads(passname: str, dtype: str, rows: int, n: int, core: Any) -> None:
    """Shared out among threads, of which there may be more than rows."""
    check(core, in_line(passname, dtype, rows, n, seed=rows), THREADS)


def test_threads_with_strides_and_masks(core: Any) -> None:
    plan = in_line("softmax_backward", "float32", 1, 1, seed=3)
    turned = replace(plain(3), order=(2, 0, 1), flipped=(True, False, True))
    layouts = {A: turned, B: plain(3), MASK: plain(2), OUT: turned}
    check(core, replace(plan, shape=(31, 100, 97), axes=(0, 2), mask=(100, 1), layouts=layouts), THREADS)


@pytest.mark.slow
@pytest.mark.parametrize("passname", ["log_softmax_backward", "logsumexp_forward"])
def test_long_rows_of_doubles(passname: str, core: Any) -> None:
    """Of more than 2^22 elements."""
    check(core, in_line(passname, "float64", 1, 2**22 + 3, seed=1), (1, 2))


@pytest.mark.nightly
@pytest.mark.parametrize("passname", PASSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_rows(passname: str, dtype: str, core: Any) -> None:
    check(core, in_line(passname, dtype, 2, 2**22 + 3, seed=1), (1, 2))


@pytest.mark.nightly
def test_sums_that_64_bits_do_not_hold(core: Any) -> None:
    plan = in_line("logsumexp_forward", "float64", 1, 2**24 + 2**20, seed=0)
    z = np.full(plan.shape, -1e-9)  # terms just below twice the power of two that the grid goes by
    z[0, 0] = 0.0
    check(core, replace(plan, arrays={A: z}))


# ---- by hypothesis

HARD = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    -1e-40,
    2.0**-126,
    3e38,
    -3e38,
    88.0,
    -87.5,
    -90.0,
    30.0,
    6e4,
    1e300,
    5e-324,
]


@st.composite
def layouts(draw: st.DrawFn, ndim: int, may_repeat: bool) -> Layout:
    def each(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=ndim, max_size=ndim)))

    return Layout(
        order=tuple(draw(st.permutations(range(ndim)))),
        gaps=each(st.integers(1, 3)),
        flipped=each(st.booleans()),
        repeated=each(st.booleans()) if may_repeat and draw(st.booleans()) else (False,) * ndim,
        offset=draw(st.integers(0, 9)),
        after=draw(st.integers(0, 1)),
        swapped=draw(st.booleans()),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    passname = draw(st.sampled_from(list(PASSES)))
    p = PASSES[passname]
    shape = draw(
        hnp.array_shapes(min_dims=int(p.reduces > 1 or p.several), max_dims=4, max_side=9).filter(lambda s: math.prod(s) <= 200)
    )
    ndim = len(shape)
    axes = tuple(sorted(draw(st.sets(st.integers(0, ndim - 1), min_size=1, max_size=1 if p.several else None)))) if ndim else ()
    rng, dtype = np.random.default_rng(draw(st.integers(0, 999))), draw(st.sampled_from([*DTYPES, None]))
    dtypes = dtypes_of(rng, p, dtype, (0.5, 0.5 if ndim else 0.0))
    masks, weights = (tuple(draw(st.sampled_from([n, 1])) for n in shape)[draw(st.integers(0, ndim)) :] for _ in range(2))
    plan = Plan(
        passname,
        shape,
        axes,
        dtypes,
        mask=masks if draw(st.booleans()) else None,
        in_place=draw(st.sampled_from([None, A, B, ONE, TEMPERATURE])),
        keepdims=draw(st.booleans()),
        ignored=draw(st.sampled_from([None, 0, -100])) if INDEX in dtypes and not p.several else None,
        softcap=draw(st.sampled_from([0.0, *SOFTCAPS])) if p.capped else 0.0,
        smoothing=draw(st.sampled_from([0.0, *SMOOTHINGS])) if p.targets else 0.0,
        weights=weights,
        indices=draw(st.integers(1, 4)),
    )
    numbers = st.one_of(st.sampled_from(HARD), st.floats(-100, 100), st.floats())
    arrays: dict[int, Any] = {}
    for at in plan.places():
        if at == MASK:
            arrays[at] = draw(hnp.arrays(bool, plan.shape_of(at)))
        elif at == INDEX:
            arrays[at] = draw(hnp.arrays(dtypes[at], plan.shape_of(at), elements=st.integers(-2, 20)))
        elif at not in (OUT, SUMS) and not (at == ONE and p.numbers):  # which are made of others
            arrays[at] = cast(draw(hnp.arrays(np.float64, plan.shape_of(at), elements=numbers)), dtypes[at])
    found = {at: draw(layouts(len(plan.shape_of(at)), at != OUT)) for at in plan.places()}
    return replace(plan, arrays=arrays, layouts=found)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(plan=plans())
def test_any_call(plan: Plan, core: Any) -> None:
    check(core, plan)


@pytest.mark.nightly
@settings(max_examples=10000, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_any_call_at_length(plan: Plan, core: Any) -> None:
    check(core, plan)


# ---- overlap, against the bytes themselves


def addresses(view: tuple[int, int, tuple[int, ...], tuple[int, ...]], width: int) -> list[frozenset[int]]:
    """The bytes of every element, in C order."""
    start, _, shape, strides = view
    return [
        frozenset(range(at, at + width))
        for at in (start + sum(i * s for i, s in zip(index, strides, strict=True)) for index in np.ndindex(*shape))
    ]


def views(rng: np.random.Generator) -> tuple[tuple[Any, ...], int]:
    code = int(rng.choice([0, 2, 3]))
    width = (2, 2, 4, 8)[code]
    shape = tuple(int(n) for n in rng.integers(1, 4, rng.integers(0, 4)))
    steps = rng.choice([-2 * width, -width, 0, width, width, 2 * width, 3 * width, width // 2, 9], len(shape))
    return (4096 + int(rng.choice([0, 0, width, 2, 48, -48])), code, shape, tuple(int(s) for s in steps)), width


def test_overlaps_are_found(core: Any) -> None:
    """None is missed; what is the same element for element does not count; what is apart by its ends is told so."""
    rng, met = np.random.default_rng(5), {True: 0, False: 0}
    for i in range(4000):
        x, width = views(rng)
        y, other = (x, width) if i % 5 == 0 else views(rng)
        a, b = addresses(x, width), addresses(y, other)
        every, others = frozenset().union(*a), frozenset().union(*b)
        found = core.overlap(x, y)
        met[found] += 1
        if every & others and a != b:
            assert found, (x, y)
        if (x == y) or max(every) < min(others) or max(others) < min(every):
            assert not found, (x, y)
        doubled = sum(map(len, a)) != len(every)
        if doubled:
            assert core.overlaps_itself(x), x
    assert min(met.values()) > 300
    for shape, strides in (((3, 4), (16, 4)), ((3, 4), (-16, 4)), ((3, 4), (4, 12)), ((5,), (-4,)), ((1, 3), (0, 4)), ((), ())):
        assert not core.overlaps_itself((4096, 2, shape, strides))


# ---- by the public functions

FORWARD = ("log_softmax", "softmax", "logsumexp")


def by_definition(call: Callable[[], Any]) -> Any:
    with lsmx.using("reference"), np.errstate(all="ignore"):
        return call()


def hard(shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    with np.errstate(all="ignore"):
        return drawn(np.random.default_rng(seed), LOGITS, shape, (len(shape) - 1,), dtype)


def calls(function: str, z: Any, g: Any, one: Any, **options: Any) -> dict[str, Callable[..., Any]]:
    """The three directions, of arrays that have been computed before."""
    f, keep = getattr(lsmx, function), {k: v for k, v in options.items() if k != "dtype"}
    backward, jvp = getattr(lsmx, f"{function}_backward"), getattr(lsmx, f"{function}_jvp")
    saved = z if function == "logsumexp" else by_definition(lambda: f(z, **keep))
    residual = (z, by_definition(lambda: f(z, **keep))) if function == "logsumexp" else (saved,)
    vector = one if function == "logsumexp" else g
    return {
        "forward": lambda **more: f(z, **options, **more),
        "backward": lambda **more: backward(vector, *residual, **keep, **more),
        "jvp": lambda **more: jvp(g, *residual, **keep, **more),
    }


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", FORWARD)
def test_public_calls(function: str, dtype: str, target: str) -> None:
    """With each option, with an ``out`` that is new, and with one that is not written in C order."""
    rng = generator(function, dtype)
    for shape, options in (
        ((8, 10), {}),
        ((3, 5, 7), {"axis": (0, 2)}),
        ((3, 5, 7), {"axis": None, "where": rng.random((5, 1)) < 0.6}),
        ((40, 33), {"axis": 0, "where": rng.random(33) < 0.6}),
        ((4, 300), {"where": rng.random((4, 300)) < 0.6}),
        ((6, 20), {"dtype": "float64"}),
        ((6, 20), {"dtype": np.float32, "axis": 0}),
    ):
        z, g = hard(shape, dtype, 1), hard(shape, dtype, 2)
        assert str(lsmx.explain(z, function=function, **options)).endswith("runs core")
        keep = {k: v for k, v in options.items() if k != "dtype"}
        one = hard(by_definition(lambda z=z, keep=keep: lsmx.logsumexp(z, **keep)).shape or (1,), dtype, 3)
        one = one if lsmx.logsumexp(z, **keep).shape else one[0, ...].reshape(())
        for name, call in calls(function, z, g, one, **options).items():
            want = by_definition(call)
            what = f"{function} {name} {shape} {options}"
            assert differing(np.asarray(call()), np.asarray(want)) is None, what
            room = np.zeros([2 * n for n in want.shape], want.dtype)
            out = room[tuple(slice(None, None, -2) for _ in want.shape)]
            if want.shape and name != "jvp":
                assert call(out=out) is out, what
                assert differing(np.ascontiguousarray(out), want) is None, what
                assert not room[tuple(slice(0, None, 2) for _ in want.shape)].any(), what


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", FORWARD[:2])
def test_out_in_the_memory_of_an_input(function: str, dtype: str, target: str) -> None:
    """The same elements, moved by some, turned, reversed, or in bytes: results are those of an ``out`` that is apart."""
    n, width = 60, np.dtype(dtype).itemsize

    def pairs() -> Iterator[tuple[str, Any, Any]]:
        for name, place in {
            "the same": lambda z: z,
            "the rows below": lambda z: z,
            "reversed": lambda z: z[:, ::-1],
            "turned": lambda z: z.T,
        }.items():
            memory = hard((n, n), dtype, 7)
            yield name, memory, place(memory)
        memory = hard((n + 1, n), dtype, 8)
        yield "a row below", memory[:-1], memory[1:]
        yield "a row above", memory[1:], memory[:-1]
        flat = hard((1, n * n + 3), dtype, 9)[0]
        yield "an element on", flat[: n * n].reshape(n, n), flat[1 : n * n + 1].reshape(n, n)
        room = np.zeros(n * n * width + 5, np.uint8)
        first, second = (room[at : at + n * n * width].view(dtype).reshape(n, n) for at in (1, 4))
        first[...] = hard((n, n), dtype, 10)
        yield "three bytes on", first, second

    f, backward = getattr(lsmx, function), getattr(lsmx, f"{function}_backward")
    for name, z, out in pairs():
        want = by_definition(lambda z=z: f(z.copy()))
        assert f(z, out=out) is out
        assert differing(np.ascontiguousarray(out), want) is None, name
    for name, g, out in pairs():
        y = by_definition(lambda: f(hard((n, n), dtype, 11)))
        want = by_definition(lambda g=g, y=y: backward(g.copy(), y))
        assert backward(g, y, out=out) is out
        assert differing(np.ascontiguousarray(out), want) is None, name
    for name, y, out in pairs():
        g = hard((n, n), dtype, 12)
        want = by_definition(lambda g=g, y=y: backward(g, y.copy()))
        assert backward(g, y, out=out) is out
        assert differing(np.ascontiguousarray(out), want) is None, name


def test_out_in_the_memory_of_a_mask(target: str) -> None:
    z = hard((64, 64), "float32", 1)
    room = np.zeros(64 * 64 * 4 + 64, np.uint8)
    mask = room[32 : 32 + 64 * 64].view(bool).reshape(64, 64)
    mask[...] = np.random.default_rng(0).random((64, 64)) < 0.7
    out = room[: 64 * 64 * 4].view(np.float32).reshape(64, 64)
    want = by_definition(lambda: lsmx.log_softmax(z, where=mask.copy()))
    assert lsmx.log_softmax(z, where=mask, out=out) is out
    assert differing(out, want) is None


@pytest.mark.one_in(4, slow=3)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FORWARD)
def test_tensors(function: str, dtype: str, target: str) -> None:
    """PyTorch's, contiguous, turned, expanded, and of 16 bits."""

    def numbers(x: Any) -> Any:
        return x.double().numpy()

    for shape, axis in (((8, 10), -1), ((3, 300), -1), ((60, 40), 0), ((3, 5, 7), (0, 2)), ((50, 160), 1)):
        z, g = (torch.from_numpy(cast(hard(shape, dtype, i), "float64")).to(getattr(torch, dtype)) for i in (1, 2))
        for x, v in ((z, g), (z.mT.contiguous().mT, g), (z[..., :1].expand(shape), g), (z, g.mT.contiguous().mT)):
            one = by_definition(lambda v=v, axis=axis: lsmx.logsumexp(v, axis=axis))
            for name, call in calls(function, x, v, one, axis=axis).items():
                assert differing(numbers(call()), numbers(by_definition(call))) is None, f"{function} {name} {shape} {axis}"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_that_begin_anywhere_give_way_to_their_results(target: str, dtype: str) -> None:
    """Where stores begin depends on the address; what a first or last vector has twice is read before it is written."""
    rng = np.random.default_rng(21)
    for n, shift in itertools.product((192, 201, 255, 1000, 4096, 4111), (0, 1, 3, 7, 11)):
        z, g = (rng.standard_normal(shift + 3 * n).astype(dtype)[shift:].reshape(3, n) for _ in range(2))
        with lsmx.using("reference"):
            y = lsmx.log_softmax(z.copy())
            dz, again = lsmx.log_softmax_backward(g.copy(), y), lsmx.log_softmax(y)
        twice = np.zeros((3, 2 * n), dtype)
        twice[:, ::2] = y
        backwards = y[:, ::-1].copy()[:, ::-1]
        assert differing(lsmx.log_softmax(z, out=z), y) is None
        assert differing(lsmx.log_softmax_backward(g, y, out=g), dz) is None
        assert differing(lsmx.log_softmax(twice[:, ::2], out=twice[:, ::2]), again) is None
        assert differing(lsmx.log_softmax(backwards, out=np.empty((3, n), dtype)[:, ::-1]), again) is None
        assert differing(lsmx.log_softmax(backwards, out=backwards), again) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_near_0(target: str, dtype: str) -> None:
    """However many of a row there are, also where they are no logarithms of probabilities: 0, positive, NaN, tiny."""
    rng = np.random.default_rng(22)
    near = np.asarray([-0.346, -0.31, -0.35, -0.36, -0.2, -1e-3, -1e-30, -1e-40, -0.0, 0.0, 0.3, 1.5, 90.0, np.nan])
    for rows, n in ((40, 10), (40, 100), (3, 600), (2, 2500)):
        for count in (0, 1, 2, 7, 9, n // 2):
            for among in (near[:1], near[:4], near):
                y, g = -rng.uniform(0.5, 60, (rows, n)), rng.standard_normal((rows, n))
                y[rng.random((rows, n)) < 0.01] = -np.inf
                at = np.argsort(rng.random((rows, n)), axis=1)[:, :count]
                np.put_along_axis(y, at, rng.choice(among, at.shape), axis=1)
                y, g = y.astype(dtype), g.astype(dtype)
                with lsmx.using("reference"):
                    want = lsmx.log_softmax_backward(g, y)
                assert differing(lsmx.log_softmax_backward(g, y), want) is None, (rows, n, count, among)
                assert differing(lsmx.log_softmax_backward(g, y, out=g), want) is None, (rows, n, count, among)
