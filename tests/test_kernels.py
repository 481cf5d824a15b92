"""The fused kernels equal the definition bit for bit: every pass and dtype, over lengths, offsets, strides, axes and threads."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx._fused import launch
from lsmx._native import threads as native_threads
from lsmx._native.geometry import geometry
from lsmx.testing import differing, quantise

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
DTYPES = ("float16", "bfloat16", "float32", "float64")
# around a vector (8 and 16), four of them, the two ways of walking rows (80, 256), and 256 steps of 16-lane integers
LENGTHS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 79, 81, 127, 130, 255, 257, 1000, 4095, 4097, 8200)


KINDS = 23


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    yield
    lsmx.set_num_threads(None)


def nasty(seed: int, rows: int, n: int, only: int | None = None) -> np.ndarray:
    """Rows of every kind that the kernels treat in their own way, and of those that go wrong elsewhere."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((rows, n)) * rng.choice([0.1, 1.0, 6.0, 40.0], (rows, 1))
    kind = np.arange(rows) % KINDS if only is None else np.full(rows, only)
    z[kind == 1, 0] = np.inf
    z[kind == 2, -1] = np.nan
    z[kind == 3] = -np.inf
    z[kind == 4, ::2] = -np.inf
    z[kind == 5] *= 1e30
    z[kind == 6, n // 2] += 30  # one logit dominates: the fine limb
    z[kind == 7] *= 1e-30
    z[kind == 8] = 0.0
    z[kind == 9] -= 1e8
    z[kind == 10] *= 3e-39  # subnormal in float32
    z[kind == 11] *= 1e37
    z[kind == 12, 0] = -80.0  # underflow begins
    z[kind == 13] = -3.0
    z[kind == 14, 0] += 12
    z[kind == 15] = np.round(z[kind == 15])
    z[kind == 16] = np.where(np.arange(n) == n // 3, -1.0, 0.0)
    z[kind == 17] = np.where(np.arange(n) % 3, 2.0**-60, -1.0)  # a cotangent with entries that flushing may touch
    z[kind == 18] = np.where(np.arange(n) % 2, 1.0, -1.0)  # a cotangent whose sum is 0
    z[kind == 19, 0] = 3e38
    z[kind == 20] = np.where(np.arange(n) == n // 2, np.nan, np.arange(n) % 2)  # nothing but the NaN is out of the ordinary
    z[kind == 21] = np.where(np.arange(n) == n // 2, np.inf, np.arange(n) % 2)
    return z


def made(values: np.ndarray, dtype: str) -> Any:
    """An array: NumPy's, or PyTorch's for the dtype that NumPy lacks."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(quantise(values, dtype)).to(torch.bfloat16) if dtype == "bfloat16" else values.astype(dtype)


def bits(x: Any) -> np.ndarray:
    return x.float().numpy() if isinstance(x, torch.Tensor) else x


def check(function: str, z: Any, g: Any, axis: Any = -1, where: Any = None, runs: str = "fused") -> None:
    """Forward and backward, by the kernel and by the definition."""
    results = []
    g_out = g
    for reference in (True, False):
        with lsmx.using("reference" if reference else lsmx.backend_for(z).name):
            out = getattr(lsmx, function)(z, axis=axis, where=where)
            residual = (z, out) if function == "logsumexp" else (out,)
            if function == "logsumexp":
                g_out = np.asarray(g.max(axis=axis)) if isinstance(g, np.ndarray) else torch.amax(g, axis)
            dz = getattr(lsmx, f"{function}_backward")(g_out, *residual, axis=axis, where=where)
            if not reference:
                assert lsmx.explain(z, function=function, axis=axis, where=where).runs == runs
                assert lsmx.explain(g_out, *residual, function=function, direction="backward", axis=axis).runs == runs
        results.append((bits(out), bits(dz)))
    for want, got in zip(*results, strict=True):
        assert differing(got, want) is None


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lengths(function: str, dtype: str, n: int) -> None:
    rows = 53 if n < 200 else 24
    check(function, made(nasty(n, rows, n), dtype), made(nasty(n + 1, rows, n)[::-1], dtype))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_whose_limbs_do_not_fit_are_left_to_the_definition(function: str) -> None:
    """Terms that are all 1, and cotangents of one sign: 2^23 of them, in float64, have more than 63 bits."""
    for n, runs in ((2**22 - 1, "fused"), (2**23 + 5, "row blocks")):
        z, g = np.zeros((1, n)), np.full((1, n), 1.9)
        reason = dict(lsmx.explain(z, function=function).passed).get("fused", "")
        assert ("added up in 64 bits" in reason) == (runs != "fused")
        out = getattr(lsmx, function)(z)
        residual = (z, out) if function == "logsumexp" else (out,)
        given = g[:, 0] if function == "logsumexp" else g
        dz = getattr(lsmx, f"{function}_backward")(given, *residual)
        with lsmx.using("reference"):
            assert differing(getattr(lsmx, function)(z), out) is None
            assert differing(getattr(lsmx, f"{function}_backward")(given, *residual), dz) is None


@pytest.mark.parametrize("kind", range(KINDS))
@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_of_one_kind(function: str, kind: int) -> None:
    """A tile of which all rows may go the quick way, if any may."""
    for dtype, n in itertools.product(("float32", "float64"), (3, 40, 300)):
        z, g = (made(nasty(seed, 33, n, kind), dtype) for seed in (21, 22))
        check(function, z, g)
        check(function, z, made(nasty(23, 33, n, 0), dtype))


@pytest.mark.parametrize("n", [5, 300])
def test_products_of_what_is_flushed_do_not_scale_the_sum(n: int) -> None:
    """Their other factor may be so large that the product would be the largest of the row."""
    rng = np.random.default_rng(0)
    g, y = rng.standard_normal((64, n)).astype(np.float32), rng.random((64, n)).astype(np.float32)
    for scale, large in ((1e-9, 3e38), (1.0, 1e25)):
        g, y = g * np.float32(scale), y * np.float32(1e-3)
        g[:, 0], y[:, 0] = 1e-39, large
        g[:, 1], y[:, 1] = large, 1e-40
        got = lsmx.softmax_backward(g, y)
        with lsmx.using("reference"):
            want = lsmx.softmax_backward(g, y)
        assert np.isfinite(want[:, 2:]).all()
        assert differing(got, want) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_long_row(function: str, dtype: str) -> None:
    z = nasty(1, 24, 70_001)[[0, 4, 6, 12, 16]]
    check(function, made(z, dtype), made(nasty(2, 5, 70_001), dtype))


def views(x: np.ndarray) -> dict[str, np.ndarray]:
    """The same values in memory of other shapes: ``x`` has three axes."""

    def inside(shape: tuple[int, ...], at: tuple[Any, ...]) -> np.ndarray:
        room = np.full(shape, np.nan, x.dtype)
        room[at] = x
        return room[at]

    a, b, c = x.shape
    return {
        "C order": np.ascontiguousarray(x),
        "Fortran order": np.asfortranarray(x),
        "offset": inside((a * b * c + 3,), (slice(3, None),)) if x.ndim == 1 else inside((a, b, c + 1), (..., slice(1, None))),
        "every other": inside((a, b, 2 * c), (..., slice(None, None, 2))),
        "backwards": np.ascontiguousarray(x[:, ::-1, ::-1])[:, ::-1, ::-1],
        "middle first": np.ascontiguousarray(x.transpose(1, 0, 2)).transpose(1, 0, 2),
        "last first": np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0),
    }


LAYOUTS = ("C order", "Fortran order", "offset", "every other", "backwards", "middle first", "last first")
PAIRS = [*zip(LAYOUTS, LAYOUTS, strict=True), ("C order", "last first"), ("backwards", "offset")]


@pytest.mark.parametrize(("layout", "other"), PAIRS)
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 70, 33), (40, 3, 20), (5, 2, 130)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts(function: str, shape: tuple[int, int, int], layout: str, other: str) -> None:
    values = [nasty(seed, shape[0] * shape[1], shape[2]).reshape(shape) for seed in (3, 4)]
    for dtype, axis in itertools.product(("float32", "float64", "float16"), (-1, 0, 1)):
        z, g = (made(v, dtype) for v in values)
        check(function, views(z)[layout], views(g)[other], axis=axis)


@pytest.mark.parametrize("axis", [None, (1, 2), (0, 1), (2,)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes_that_lie_as_one(function: str, axis: Any) -> None:
    z, g = (made(nasty(seed, 12, 35).reshape(4, 3, 35), "float32") for seed in (5, 6))
    check(function, z, g, axis=axis)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes_apart_are_left_to_the_definition(function: str) -> None:
    z, g = (made(nasty(seed, 12, 35).reshape(4, 3, 35), "float32") for seed in (5, 6))
    check(function, z, g, axis=(0, 2), runs="the definition in standard operations")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_five_axes(function: str) -> None:
    z = np.random.default_rng(0).standard_normal((4, 2, 5, 3, 6)).astype(np.float32)[::2, :, ::-1, :, ::2]
    g = np.random.default_rng(1).standard_normal(z.shape).astype(np.float32)
    for axis in range(5):
        check(function, z, g, axis=axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_masks(function: str, dtype: str) -> None:
    for n, axis in ((9, -1), (150, -1), (40, 0)):
        z, g = (made(nasty(seed, 46, n), dtype) for seed in (7, 8))
        mask = np.random.default_rng(9).random((46, n)) < 0.6
        mask[3], mask[4] = False, True
        for where in (mask, mask[:1]):
            check(function, z, g, axis=axis, where=torch.from_numpy(where) if dtype == "bfloat16" else where)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_threads(function: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "WORTH", 1)
    parts = []

    def share(job: Callable[[int, int], None], count: int, threads: int, multiple: int) -> None:
        native_threads.share(lambda start, stop: (parts.append((start, stop)), job(start, stop))[1], count, threads, multiple)

    monkeypatch.setattr(launch, "share", share)
    lsmx.set_num_threads(threads)
    for shape, axis in (((101, 10), -1), ((37, 200), -1), ((50, 70), 0), ((6, 20, 9), 1), ((1, 300), -1)):
        z, g = (made(nasty(seed, shape[0], int(np.prod(shape[1:]))).reshape(shape), "float32") for seed in (10, 11))
        parts.clear()
        check(function, z, g, axis=axis)
        assert threads == 1 or shape[0] == 1 or len(set(parts)) >= 2


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 1000])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_share_covers_every_row_once(count: int, threads: int) -> None:
    seen: list[int] = []
    native_threads.share(lambda start, stop: seen.extend(range(start, stop)), count, threads, 16)
    assert sorted(seen) == list(range(count))


def test_share_passes_errors_on() -> None:
    def job(start: int, stop: int) -> None:
        if start:
            raise RuntimeError("in a helper")

    with pytest.raises(RuntimeError, match="in a helper"):
        native_threads.share(job, 100, 2, 1)


def test_calls_from_many_threads_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    lsmx.set_num_threads(2)
    z = np.random.default_rng(0).standard_normal((600, 1000)).astype(np.float32)
    want = lsmx.log_softmax(z)
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: lsmx.log_softmax(z), range(24)):
            assert differing(got, want) is None


def test_a_forked_child_has_threads_of_its_own() -> None:
    code = (
        "import os, numpy as np, lsmx; lsmx.set_num_threads(2); z = np.ones((600, 1000), np.float32); a = lsmx.log_softmax(z)\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0 if (lsmx.log_softmax(z) == a).all() else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("threads", [0, -1, "many", 1.5j])
def test_no_number_of_threads(threads: Any) -> None:
    with pytest.raises(lsmx.ThreadsError, match="number of threads"):
        lsmx.set_num_threads(threads)


def test_threads_from_the_environment() -> None:
    command = [sys.executable, "-c", "import lsmx; print(lsmx.get_num_threads())"]
    run = subprocess.run(command, env={**os.environ, "LSMX_NUM_THREADS": "3"}, capture_output=True, text=True, check=True)
    assert run.stdout == "3\n"
    run = subprocess.run(command, env={**os.environ, "LSMX_NUM_THREADS": "none"}, capture_output=True, text=True, check=False)
    assert "LSMX_NUM_THREADS: 'none' is not a number of threads" in run.stderr


def outputs(x: np.ndarray, z: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays that a result like ``x`` may be written to, ``z`` among them."""
    big = np.full((2 * x.shape[0], *x.shape[1:]), np.nan, x.dtype)
    return {
        "C order": np.full_like(x, np.nan),
        "Fortran order": np.full_like(x, np.nan, order="F"),
        "every other": big[::2],
        "backwards": big[x.shape[0] - 1 :: -1],
        "the input": z,
    }


@pytest.mark.parametrize("name", ["C order", "Fortran order", "every other", "backwards", "the input"])
@pytest.mark.parametrize("shape", [(40, 9), (30, 200)])
def test_out(shape: tuple[int, int], name: str) -> None:
    for function, axis in itertools.product(("log_softmax", "softmax"), (-1, 0)):
        z, g = (made(nasty(seed, *shape), "float32") for seed in (12, 13))
        want = getattr(lsmx, function)(z, axis=axis)
        dz = getattr(lsmx, f"{function}_backward")(g, want, axis=axis)
        room = outputs(want, z.copy())[name]
        assert getattr(lsmx, function)(room if name == "the input" else z, axis=axis, out=room) is room
        assert differing(np.array(room), want) is None
        room = outputs(want, g.copy())[name]
        given = room if name == "the input" else g
        assert getattr(lsmx, f"{function}_backward")(given, want, axis=axis, out=room) is room
        assert differing(np.array(room), dz) is None


def test_out_that_overlaps_the_input() -> None:
    """Written at once, a row would destroy the next one before it is read."""
    room = np.zeros(301 * 200, np.float32)
    z = room[: 300 * 200].reshape(300, 200)
    z[:] = made(nasty(14, 300, 200), "float32")
    want = lsmx.log_softmax(z.copy())
    out = room[7 : 7 + 300 * 200].reshape(300, 200)
    assert lsmx.log_softmax(z, out=out) is out
    assert differing(out.copy(), want) is None


def test_out_that_overlaps_itself() -> None:
    z = made(nasty(15, 4, 100), "float32")
    out = np.lib.stride_tricks.as_strided(np.zeros(400, np.float32), (4, 100), (200, 4))
    with lsmx.using("reference"):
        want = np.lib.stride_tricks.as_strided(np.zeros(400, np.float32), (4, 100), (200, 4))
        lsmx.softmax(z, out=want)
    lsmx.softmax(z, out=out)
    assert differing(out.copy(), want.copy()) is None


def test_out_of_torch_is_written_to_directly_and_kept_apart_from_gradients() -> None:
    t = torch.from_numpy(made(nasty(16, 30, 200), "float32"))
    out = torch.empty_like(t)
    assert lsmx.log_softmax(t, out=out) is out
    assert differing(out.numpy(), lsmx.log_softmax(t.numpy())) is None
    z = torch.randn(30, 200, requires_grad=True)
    got = lsmx.log_softmax(z, out=torch.empty(30, 200))
    got.backward(torch.ones(30, 200))
    want = lsmx.log_softmax_backward(np.ones((30, 200), np.float32), lsmx.log_softmax(z.detach().numpy()))
    assert z.grad is not None
    assert differing(z.grad.numpy(), want) is None


def test_inputs_are_not_written_to() -> None:
    z, g = (made(nasty(seed, 46, 100), "float32") for seed in (17, 18))
    for x in (z, g):
        x.setflags(write=False)
    before = z.copy(), g.copy()
    mask = z > 0
    for where in (None, mask):
        lsmx.log_softmax_backward(g, lsmx.log_softmax(z, where=where), where=where)
        lsmx.logsumexp_backward(g[:, 0], z, lsmx.logsumexp(z, where=where), where=where)
        lsmx.softmax_backward(g, lsmx.softmax(z, where=where), where=where)
    assert differing(z, before[0]) is None
    assert differing(g, before[1]) is None


class Subclass(np.ndarray):
    """One of somebody's own."""


def test_what_is_refused_and_why() -> None:
    def why(z: Any, **options: Any) -> str:
        return dict(lsmx.explain(z, **options).passed)["fused"]

    packed = np.zeros(10, dtype=[("a", "i1"), ("x", "f4")])["x"]
    assert why(np.ones((2, 3)).view(Subclass)) == "a Subclass, not a plain numpy.ndarray"
    assert why(np.ones((2, 3), dtype=">f4")) == "dtype >f4, not a float in native byte order"
    assert why(packed) == "elements that are not aligned in memory"
    assert why(np.ones((2, 3), dtype=int)) == "dtype <i8, not a float in native byte order"
    assert why(np.ones((2, 0))) == "no elements"
    assert why(np.ones((2, 3)), axis=5).startswith("axis: 5 is out of range")
    assert why(np.ones((2, 3)), axis=-1.0).startswith("axis: -1.0 is not an int")
    assert why(torch.ones(2, 3, device="meta")) == "on meta, not in the host's memory"
    assert why(torch.ones(2, 3, dtype=torch.complex64).imag.clone().to(torch.int8)).startswith("dtype torch.int8")
    conjugate = torch.complex(torch.ones(2, 3), torch.ones(2, 3)).conj().imag
    assert "negative view" in why(conjugate)
    assert differing(lsmx.softmax(conjugate).numpy(), lsmx.softmax(-np.ones((2, 3), np.float32))) is None
    mixed = lsmx.explain(np.ones((2, 3), np.float16), np.ones((2, 3), np.float32), direction="backward")
    assert dict(mixed.passed)["fused"] == "dtypes that differ: float16, float32"
    with pytest.raises(lsmx.AxisError):
        lsmx.log_softmax(np.ones((2, 3)), axis=-1.0)  # type: ignore[arg-type]
    got = lsmx.log_softmax(np.asarray([[1.0, 2.0, 3.0]], dtype=">f4"))
    assert got.tolist() == lsmx.log_softmax(np.asarray([[1.0, 2.0, 3.0]], dtype="f4")).tolist()


def test_without_a_compiler() -> None:
    """Numba cannot be imported, or is told not to compile: said so, and served by the definition with the same bits."""
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np, lsmx; z = np.arange(6.0).reshape(2, 3)\n"
        "print(dict(lsmx.explain(z).passed)['fused']); print(lsmx.log_softmax(z).tobytes().hex())"
    )
    z = np.arange(6.0).reshape(2, 3)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    reason, got = run.stdout.splitlines()
    assert reason.startswith("Numba cannot be imported")
    assert reason.endswith('pip install "lsmx[fast]"')
    assert got == lsmx.log_softmax(z).tobytes().hex()
    code = "import numpy as np, lsmx; print(dict(lsmx.explain(np.ones(3)).passed)['fused'])"
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout == "Numba's compiler is switched off by NUMBA_DISABLE_JIT\n"


def test_import_compiles_nothing() -> None:
    code = "import sys, numpy as np, lsmx; assert not {'numba', 'llvmlite'} & set(sys.modules), 'compiler imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_cache_on_disk_is_keyed_by_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba looks at one file only: the digest in the tag covers the others."""
    from lsmx._fused import compiled

    rows, _ = compiled.softmax_forward(f"float32 {compiled.digest()}")
    other, _ = compiled.softmax_forward("float32 0123456789abcdef")
    key, changed = (f._cache._index_key((), f.targetctx.codegen()) for f in (rows, other))
    assert key != changed
    again, _ = compiled.softmax_forward(f"float32 {compiled.digest()}")
    assert key == again._cache._index_key((), again.targetctx.codegen())


def test_kernels_do_not_contract() -> None:
    """The one product that may be contracted is exact; every other addition stands by itself."""
    from lsmx._fused import vectors

    source = vectors.__file__
    with open(source) as file:
        lines = [line for line in file if "contract" in line and "flags" in line]
    assert len(lines) == 1
    k, rng = np.arange(-126, 128, dtype=np.float64), np.random.default_rng(0)
    for fmt, kind in ((extend.SINGLE, np.float32), (extend.DOUBLE, np.float64)):
        product = k.astype(kind) * kind(fmt.ln2_hi)
        assert (product.astype(np.longdouble) == k.astype(np.longdouble) * np.longdouble(fmt.ln2_hi)).all()
        assert rng.random() < 1


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(data=st.data())
def test_geometry_visits_every_element_once(data: Any) -> None:
    """Whatever the shape and strides, the rows that the walks see are the rows that there are."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
    order = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = np.arange(np.prod(shape)).reshape([shape[i] for i in order]).transpose(np.argsort(order))
    flips = tuple(slice(None, None, data.draw(st.sampled_from([1, -1]))) for _ in shape)
    x = x[flips]
    base = x[(0,) * x.ndim]
    strides = tuple(s // x.itemsize for s in x.strides)
    walk = geometry(shape, (axis,), [strides] * 4)
    assert not isinstance(walk, str)
    for way in (walk, walk.in_line()):
        rows = set()
        for start, o, i in itertools.product(way.offsets(), range(way.outer.size), range(way.inner.size)):
            first = int(base) + start[0] + o * way.outer.strides[0] + i * way.inner.strides[0]
            rows.add(tuple(first + j * way.length.strides[0] for j in range(way.length.size)))
        assert rows == {tuple(row.tolist()) for row in np.moveaxis(x, axis, -1).reshape(-1, shape[axis])}


def one_pass(function: str, direction: str, z: Any, g: Any) -> Any:
    out = getattr(lsmx, function)(z)
    if direction == "forward":
        return out
    residual = (z, out) if function == "logsumexp" else (out,)
    return getattr(lsmx, f"{function}_backward")(g[:, 0] if function == "logsumexp" else g, *residual)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_kernels_under_flushing_hardware(function: str, direction: str) -> None:
    """The bits do not change where the processor flushes subnormal numbers, which PyTorch can tell it to."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    try:
        z, g = (torch.from_numpy(made(nasty(seed, 46, 150), "float32")) for seed in (19, 20))
        got = one_pass(function, direction, z, g)
    finally:
        torch.set_flush_denormal(False)
    with lsmx.using("reference"):
        want = one_pass(function, direction, z, g)
    assert differing(got.numpy(), want.numpy()) is None
