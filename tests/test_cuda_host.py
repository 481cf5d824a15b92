"""The CUDA kernels equal the definition bit for bit, on the host: the same source, under an emulator of threads and barriers."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx._native.cuda import launch
from lsmx._native.cuda.source import common, source
from lsmx.testing import cases, differing, evaluate, target, wanted
from tests import cuda_host
from tests.cuda_host import COMPILER, FLAGS, built, emulated, serving
from tests.law_changes import CHANGES, MORE_CHANGES
from tests.rows import KINDS, nasty, residual

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
ONE_A_ROW = ("logsumexp", "backward")  # what has cotangents of one number a row
DTYPES = ("float16", "bfloat16", "float32", "float64")
MOST = ("bfloat16", "float32", *(pytest.param(dtype, marks=pytest.mark.nightly) for dtype in ("float16", "float64")))
# around a thread (16), a warp (512), a block (8192), what fits into shared memory (14 000 to 58 000), and beyond
LENGTHS = (1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 100, 511, 512, 513, 1000, 1024, 4097, 8192, 8193, 20000, 300000)
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no g++ here, which compiles the kernels for the host")


@pytest.fixture(autouse=True, scope="session")
def _builds(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    base = tmp_path_factory.getbasetemp()
    cuda_host.BUILDS = base if worker_id == "master" else base.parent


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seen() -> Iterator[list[Any]]:
    """What is launched, with CPU tensors served by the CUDA kernels."""
    launched: list[Any] = []
    with serving(emulated(seen=launched)):
        yield launched


def made(values: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(getattr(torch, dtype))


def bits(x: torch.Tensor) -> np.ndarray:
    out: np.ndarray = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    return out


def both(function: str, z: torch.Tensor, g: torch.Tensor, axis: int = -1, where: Any = None) -> list[np.ndarray]:
    """Forward, VJP and JVP; those of log-softmax at its output and at its input."""
    out = getattr(lsmx, function)(z, axis=axis, where=where)
    ct = torch.amax(g, axis) if function == "logsumexp" else g
    at = residual(function, z, out)
    results = [
        out,
        getattr(lsmx, f"{function}_backward")(ct, *at, axis=axis, where=where),
        getattr(lsmx, f"{function}_jvp")(g, *at, axis=axis, where=where),
    ]
    if function == "log_softmax":
        derivative = lsmx.registered()[function].derivative
        results.append(derivative("backward_z", {"grad_output": g}, {"z": z}, axis, where))
        results.append(derivative("jvp_z", {"tangent": g}, {"z": z}, axis, where))
    return list(map(bits, results))


def check(function: str, z: torch.Tensor, g: torch.Tensor, axis: int = -1, where: Any = None, kernel: str = "cuda") -> None:
    """By the kernel and by the definition."""
    for direction in ("forward", "backward", "jvp", *(("backward_z", "jvp_z") if function == "log_softmax" else ())):
        arrays = (z,) if direction == "forward" else (torch.amax(g, axis), z) if (function, direction) == ONE_A_ROW else (g, z)
        assert lsmx.explain(*arrays, function=function, direction=direction, axis=axis, where=where).runs == kernel
    got = both(function, z, g, axis, where)
    with lsmx.using("reference"):
        want = both(function, z, g, axis, where)
    assert [differing(a, b) for a, b in zip(got, want, strict=True)] == [None] * len(want)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_cases(function: str, dtype: str) -> None:
    launched: list[Any] = []
    with serving(emulated(seen=launched)) as backend:
        for case in cases():
            got, want = evaluate(target(backend), function, dtype, case), wanted(function, dtype, case)
            assert {d: differing(got[d], want[d]) for d in want} == dict.fromkeys(want), case.name
    assert len(launched) >= 2 * (len(cases()) - 3)  # no entries, no rows, and axes that lie apart are left to the definition


@pytest.mark.one_in(6)
@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lengths(function: str, dtype: str, seen: list[Any]) -> None:
    for n in LENGTHS:
        rows = 2 * KINDS + 1 if n < 2000 else 5 if n < 2**16 else 2
        start = n % KINDS if rows <= 5 else 0
        z, g = (nasty(seed, 2 * KINDS + 1, n)[start : start + rows] for seed in (n, n + 1))
        check(function, made(z, dtype), made(g[::-1], dtype))
    kinds = {kernel.rpartition("_")[0].rpartition("_")[2] for kernel, *_ in seen}
    assert kinds == {"held", "walked"}
    assert {values[-1] for _, *_, values in seen} == {0, 1}  # staged in shared memory, or not
    assert {values[-3] for _, *_, values in seen} >= {1, 2, 32, 64, 512}  # threads to a row


@pytest.mark.one_in(3)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_beyond_shared_memory(function: str) -> None:
    launched: list[Any] = []
    z, g = (made(nasty(seed, KINDS, 9000)[::2], "float32") for seed in (1, 2))
    with serving(emulated(shared=8 * 512 + 4 * 9000 - 1, seen=launched)):
        check(function, z, g)
    assert {values[-1] for _, *_, values in launched} == {0}


@pytest.mark.one_in(9)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_alignment(function: str, dtype: str, seen: list[Any]) -> None:
    """From every address, with rows that begin at every distance from 16 bytes; packs of 16 bytes only where all begin there."""
    for n, gap, first in ((40, 0, 0), (40, 1, 0), (40, 8, 1), (1000, 0, 3), (9000, 8, 0), (9000, 0, 1)):
        rows = 30 if n < 2000 else 4
        room = [made(nasty(seed, 1, first + rows * (n + gap)), dtype)[0] for seed in (3, 4)]
        z, g = (x[first:].view(rows, n + gap)[:, :n] for x in room)
        assert z.data_ptr() % 16 == (first * z.itemsize + room[0].data_ptr()) % 16
        seen.clear()
        check(function, z, g)
        aligned = z.data_ptr() % 16 == 0 and (n + gap) * z.itemsize % 16 == 0
        assert (not seen[0][0].endswith("_1")) == aligned, (n, gap, first)


@pytest.mark.one_in(0)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes_and_strides(function: str, seen: list[Any]) -> None:
    for dtype, shape, axis in itertools.product(
        ("float16", "float64"), ((46, 3, 40), (20, 46, 2), (300, 46), (5, 300, 40)), (0, 1)
    ):
        z, g = (made(nasty(seed, shape[0], int(np.prod(shape[1:]))).reshape(shape), dtype) for seed in (5, 6))
        check(function, z, g, axis)
        check(function, z[::2], g[1::2] if len(g) % 2 == 0 else g[::2], axis)
        check(function, z.transpose(0, 1), g.transpose(0, 1), axis)
    assert {values[-2] for _, *_, values in seen} == {0, 1}  # neighbouring threads with neighbouring elements, or rows


@pytest.mark.parametrize("function", FUNCTIONS)
def test_masks(function: str, seen: list[Any]) -> None:
    z, g = (made(nasty(seed, 46, 150), "float32") for seed in (7, 8))
    mask = torch.from_numpy(np.random.default_rng(9).random((46, 150)) < 0.6)
    mask[3], mask[4] = False, True
    for where in (mask, mask[:1]):
        check(function, z, g, where=where)
    assert len(seen) == (10 if function == "log_softmax" else 6)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_number_of_threads_does_not_matter(function: str, seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is shared by 1 to 256 threads: sums are exact, so that it cannot matter."""
    z, g = (made(nasty(seed, KINDS, 200), "float32") for seed in (10, 11))
    monkeypatch.setattr(launch, "launch_for", launch.launch_for.__wrapped__)  # not what is remembered of other settings
    sizes = set()
    for held in (16, 8, 4):
        monkeypatch.setattr(launch, "HELD", held)
        for axis in (-1, 0):
            check(function, z, g, axis)
            sizes.add(seen[-1][-1][-3])
    assert len(sizes) >= 4


@pytest.mark.parametrize("function", FUNCTIONS)
def test_blocks_take_rows_in_turns(function: str, seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do where there are more rows than a grid may have blocks; some threads have none in the last turn."""
    monkeypatch.setattr(launch, "launch_for", launch.launch_for.__wrapped__)
    monkeypatch.setattr(launch, "BLOCKS", 3)
    for shape, axis in (((1000, 5), -1), ((37, 300), -1), ((11, 9001), -1), ((40, 200), 0), ((300, 200), 0)):
        z, g = (made(nasty(seed, *shape), "float32") for seed in (23, 24))
        check(function, z, g, axis)
    assert {blocks for _, blocks, *_ in seen} == {3}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_go_where_the_input_is(function: str, seen: list[Any]) -> None:
    if function == "logsumexp":
        pytest.skip("its result is smaller than its input")
    for n in (10, 40, 9000):
        z, g = (made(nasty(seed, 5, n), "float32") for seed in (12, 13))
        want = getattr(lsmx, function)(z)
        dz = getattr(lsmx, f"{function}_backward")(g, want)
        assert getattr(lsmx, function)(z, out=z) is z
        assert getattr(lsmx, f"{function}_backward")(g, want, out=g) is g
        assert differing(z.numpy(), want.numpy()) is None
        assert differing(g.numpy(), dz.numpy()) is None


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_millions_of_numbers(dtype: str, seen: list[Any]) -> None:
    """Rows of a thread of their own: the exponential, the limbs and the logarithm over their whole range."""
    rng = np.random.default_rng(14)
    deep = {"float32": 88.0, "float64": 709.0}[dtype]
    spread = np.exp2(rng.uniform(-30, np.log2(deep), (2**16, 1)))
    z = rng.uniform(-1, 0, (2**16, 16)) * spread
    z[::2, 0] = 0.0
    g = rng.standard_normal((2**16, 16)) * np.exp2(rng.uniform(-60, 60, (2**16, 16)))
    for function in FUNCTIONS:
        check(function, made(z, dtype), made(g, dtype))


PIECES = """
extern "C" void pieces_{F}(long long first, long long second, long long* to) {{
    const lsmx::Digits<{F}> d = lsmx::digits<{F}>({{first, second}});
    to[0] = d.low, to[1] = d.middle, to[2] = d.high, to[3] = d.top;
}}
"""


@pytest.mark.parametrize("kind", ["float", "double"])
def test_integers_in_pieces(kind: str) -> None:
    """All that rows of up to 2^22 elements can add up to, of both signs."""
    split, piece, most = (23, 20, 23 + 22) if kind == "float" else (41, 49, 63)
    library = built(common(device=False) + PIECES.format(F=kind), FLAGS)
    rng = np.random.default_rng(25)
    drawn = [int(x) >> int(s) for x, s in zip(rng.integers(-(2**62), 2**62, 4000), rng.integers(63 - most, 62, 4000), strict=True)]
    edges = [0, -1, 1, 2**split - 1, -(2**split), 2 ** (most - 1) - 1, -(2 ** (most - 1))]
    room = (ctypes.c_longlong * 4)()
    for first, second in [*zip(drawn[::2], drawn[1::2], strict=True), *itertools.product(edges, edges)]:
        getattr(library, f"pieces_{kind}")(ctypes.c_longlong(first), ctypes.c_longlong(second), room)
        assert sum(x << k * piece for k, x in enumerate(room)) == (first << split) + second
        assert all(0 <= x < 2**piece for x in list(room)[:3])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_kernels_under_flushing_hardware(function: str) -> None:
    """As under ``-ftz=true``, which CuPy always passes: subnormal operands and results are zero."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    torch.set_flush_denormal(False)
    z, g = (made(nasty(seed, 2 * KINDS, 150), "float32") for seed in (19, 20))
    with lsmx.using("reference"):
        want = both(function, z, g)
    with serving(emulated()):
        torch.set_flush_denormal(True)
        try:
            got = both(function, z, g)
        finally:
            torch.set_flush_denormal(False)
    assert [differing(a, b) for a, b in zip(got, want, strict=True)] == [None] * len(want)


FAULTS = {  # what is written instead of what
    "the grid of the largest": ("unless(s.t2 == F(0), exponent_of(s.t2))", "F(0)"),
    "the largest enters": ("smaller(x, z2), m) * scale", "x, m) * scale"),
    "one copy too many": ("all.first - one.first", "all.first"),
    "no second largest in a thread": ("larger(smaller(x, top.first), top.second)", "top.second"),
    "no second largest among threads": ("larger(second, smaller(x, first))", "second"),
    "a sum of one limb": ("mine.second + n.second", "mine.second"),
    "a shuffle that is left out": ("int step = count / 2; step;", "int step = count / 2; step > 1;"),
    "NaN is lost": ("if (any_nan) top.first = not_a_number<F>();", ""),
    "a carry": ("sums.first + (sums.second >> split)", "sums.first"),
    "pieces that are cut elsewhere": ("rest >> p | between << (split - p)", "between << (split - p)"),
    "another NaN": ("{ return canonical(x); }", "{ return where(unordered(x), -not_a_number<T>(), x); }"),
}
OF_VECTORS = {
    "large numbers in one part": ("if (large) any_limbs", "if (false) any_limbs"),
    "tiny numbers go the quick way": ("return {G, most, !tiny &&", "return {G, most, "),
    "so do tiny sums": ("magnitude(G) > Format<F>::plain_sum || G == F(0)", "true"),
    "so do likely classes": ("plain && y < Format<F>::far", "plain"),
}


def caught(direction: str, flags: tuple[str, ...] = FLAGS, edit: Any = str, function: str = "log_softmax") -> bool:
    """Whether the comparison sees a difference."""
    few = [nasty(seed, 60 * KINDS, 40) for seed in (21, 22)]
    scale = np.exp2(-(np.arange(60 * KINDS) % 20.0))[:, None]
    few[1][1::2] *= np.where(np.arange(40) % 7, scale, 1e-37)[1::2]  # tiny ones, also beside small sums
    more = np.random.default_rng(23).standard_normal((2, 2**14, 40)) * 5  # for what one in 2^16 shows
    z, g = (made(np.concatenate(parts), "float32") for parts in zip(few, more, strict=True))
    forward, backward = getattr(lsmx, function), getattr(lsmx, f"{function}_backward")
    with lsmx.using("reference"):
        out = forward(z)
        want = out if direction == "forward" else backward(g, out)
    with serving(emulated(flags, edit)):
        try:
            got = forward(z) if direction == "forward" else backward(g, out)
        except AssertionError:  # threads that no longer agree where to go
            return True
    return differing(got.numpy(), want.numpy()) is not None


def replacing(before: str, after: str) -> Callable[[str], str]:
    """A source with something else in it."""
    assert before in source("log_softmax_forward", "float32", device=False)
    return lambda text: text.replace(before, after)


@pytest.mark.one_in(8)
@pytest.mark.parametrize("fault", [*FAULTS, *OF_VECTORS])
def test_planted_faults_are_caught(fault: str) -> None:
    edit = replacing(*{**FAULTS, **OF_VECTORS}[fault])
    assert caught("backward" if fault in OF_VECTORS else "forward", edit=edit)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("change", [*CHANGES, *(pytest.param(c, marks=pytest.mark.nightly) for c in MORE_CHANGES)])
def test_a_change_of_the_law_is_caught(change: str) -> None:
    """One that the compiled core's tests catch, too: there is one law."""
    _, before, after = {**CHANGES, **MORE_CHANGES}[change]
    edit = replacing(before, after)
    passes = (("softmax", "forward"), ("log_softmax", "forward"), ("log_softmax", "backward"))
    assert any(caught(direction, edit=edit, function=function) for function, direction in passes)


@pytest.mark.slow
def test_contraction_is_caught() -> None:
    """What NVRTC does unless it is told not to."""
    with open("/proc/cpuinfo") as file:
        if " fma " not in file.read():
            pytest.skip("this processor has no FMA")
    for direction in ("forward", "backward"):
        assert not caught(direction)
        assert caught(direction, ("-O2", "-ffp-contract=fast", "-mfma"))


def test_threads_that_do_not_come_are_an_error() -> None:
    """The emulator does not hang, and says what is wrong."""
    z = made(nasty(1, 3, 2000), "float32")

    def stuck(text: str) -> str:
        return text.replace("if (size > 32) {", "if (size > 32 && rank > 0) {")

    def beyond(text: str) -> str:
        return text.replace("all[threadIdx.x / 32] = v", "all[threadIdx.x / 32 + 2000] = v")

    for edit, reason in ((stuck, "wait for others"), (beyond, "not asked for")):
        with serving(emulated(edit=edit)), pytest.raises(AssertionError, match=reason):
            lsmx.log_softmax(z)
    assert isinstance(built("namespace lsmx { extern long long room[]; }", FLAGS), ctypes.CDLL)
