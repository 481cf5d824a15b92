"""Calls on NumPy arrays and CPU tensors equal the definition bit for bit: rows of every kind, layouts, masks, ``out=``, threads."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

import lsmx
from lsmx._native.geometry import geometry
from lsmx.testing import differing
from tests.rows import DTYPES, FUNCTIONS, KINDS, check, made, nasty, residual

LENGTHS = (1, 2, 7, 64, 257, 4097)


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    yield
    lsmx.set_num_threads(None)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lengths(function: str, dtype: str, n: int) -> None:
    rows = 200 if n < 200 else 2 * KINDS  # more than a block of rows has, where they are long
    check(function, made(nasty(n, rows, n), dtype), made(nasty(n + 1, rows, n)[::-1], dtype))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_whose_limbs_do_not_fit_in_one_integer(function: str) -> None:
    """Terms that are all 1, and cotangents of one sign: 2^23 of them, in float64, have more than 63 bits."""
    n = 2**23 + 5
    z, g = np.zeros((1, n)), np.full((1, n), 1.9)
    out = getattr(lsmx, function)(z)
    dz = getattr(lsmx, f"{function}_backward")(g[:, 0] if function == "logsumexp" else g, *residual(function, z, out))
    if function == "softmax":
        assert (out == 1 / n).all()
        assert np.abs(dz).max() <= 2.0**-53 / n
    else:
        want = {"log_softmax": -np.log(n), "logsumexp": np.log(n)}[function]
        assert np.abs(out / want - 1).max() <= 2.0**-52
        sums = {"log_softmax": 1.9 - 1.9, "logsumexp": 1.9 / n}[function]
        assert np.abs(dz - sums).max() <= 1e-14


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


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("layout", "other"), PAIRS)
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 70, 33), (40, 3, 20), (5, 2, 130)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts(function: str, shape: tuple[int, int, int], layout: str, other: str) -> None:
    values = [nasty(seed, shape[0] * shape[1], shape[2]).reshape(shape) for seed in (3, 4)]
    for dtype, axis in itertools.product(("float32", "float64", "float16"), (-1, 0, 1)):
        z, g = (made(v, dtype) for v in values)
        check(function, views(z)[layout], views(g)[other], axis=axis)


@pytest.mark.parametrize("axis", [None, (1, 2), (0, 1), (2,), (0, 2)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_several_axes(function: str, axis: Any) -> None:
    z, g = (made(nasty(seed, 12, 35).reshape(4, 3, 35), "float32") for seed in (5, 6))
    check(function, z, g, axis=axis)


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
    whole = np.zeros(400, np.float32)
    out = np.lib.stride_tricks.as_strided(whole, (4, 100), (200, 4))
    for way in (contextlib.nullcontext(), lsmx.using("reference")):
        with way, pytest.raises(lsmx.OutputError, match=r"^out: several of its elements are at the same place"):
            lsmx.softmax(z, out=out)
    assert not whole.any()


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
    ct = g[:, 0] if function == "logsumexp" else g
    return getattr(lsmx, f"{function}_backward")(ct, *residual(function, z, out))


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_under_flushing_hardware(function: str, direction: str) -> None:
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
