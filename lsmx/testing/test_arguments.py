"""Arguments: what is accepted, what is refused by name, and what happens to the arrays that are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import Target, differing, quantise
from lsmx.testing.calls import FUNCTIONS, every_direction, made, residual


@pytest.mark.parametrize("given", ["int8", "the widest", "uint8", "bool"])
def test_integers_ask_for_a_dtype(backend: Target, given: str) -> None:
    z = made(backend, [0, 100])
    ops = operations(z)
    xp = ops.xp
    if given != "the widest" and not hasattr(xp, given):
        pytest.skip(f"{backend.name} has no {given}")
    integers = xp.astype(z, ops.integers[0] if given == "the widest" else getattr(xp, given))
    for function in FUNCTIONS:
        with pytest.raises(lsmx.DTypeError, match=r"dtype="):
            getattr(lsmx, function)(integers)
        cast = xp.astype(integers, xp.float32)
        for dtype in ("float32", xp.float32):
            got = backend.to_numpy(getattr(lsmx, function)(integers, dtype=dtype))
            assert differing(got, backend.to_numpy(getattr(lsmx, function)(cast))) is None


def test_dtype_is_cast_to_first(backend: Target) -> None:
    values = np.asarray([0.1, 0.2, 70.3], dtype=np.float32)
    if "float64" not in backend.dtypes:
        with pytest.raises((lsmx.DTypeError, ValueError)):
            lsmx.log_softmax(backend.from_numpy(values, "float32"), dtype="float64")
        return
    got = backend.to_numpy(lsmx.log_softmax(backend.from_numpy(values, "float32"), dtype="float64"))
    assert differing(got, lsmx.log_softmax(values.astype(np.float64))) is None


def test_complex(backend: Target) -> None:
    z = made(backend, np.ones(3))
    xp = operations(z).xp
    if not hasattr(xp, "complex64") or backend.name.startswith("strict-no"):  # the devices of strict that have none
        pytest.skip(f"{backend.name} has no complex64")
    z = xp.astype(z, xp.complex64)
    with pytest.raises(lsmx.DTypeError, match="complex64"):
        lsmx.log_softmax(z)
    with pytest.raises(lsmx.DTypeError, match="complex"):
        lsmx.log_softmax(z, dtype="float32")


@pytest.mark.parametrize("bad", ["int32", "float128", "complex64", int, object(), np.int8])
def test_a_dtype_that_is_none_of_the_floats(backend: Target, bad: object) -> None:
    with pytest.raises(lsmx.DTypeError, match=r"^dtype: "):
        lsmx.softmax(backend.from_numpy(np.ones(3, np.float32), "float32"), dtype=bad)


@pytest.mark.parametrize("axis", [2, -3, (0, 2), (0, 0), (0, -2), (1, -1), (), 1.0, "0", True, [0, 0], np.ones(1), np.arange(2)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_axis(backend: Target, function: str, axis: object) -> None:
    z = backend.from_numpy(np.ones((2, 3), np.float32), "float32")
    for error in (lsmx.AxisError, ValueError, IndexError):
        with pytest.raises(error, match=r"^axis: "):
            getattr(lsmx, function)(z, axis=axis)
    if function != "logsumexp":
        with pytest.raises(lsmx.AxisError):
            getattr(lsmx, f"{function}_backward")(z, z, axis=axis)
        with pytest.raises(lsmx.AxisError):
            getattr(lsmx, f"{function}_jacobian")(z, axis=axis)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("axis", "same"), [([1, 0], (0, 1)), (np.int64(0), 0), (np.asarray(0), 0), ((np.int8(1),), 1)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes_of_other_kinds(backend: Target, function: str, axis: Any, same: Any) -> None:
    z, v = (made(backend, x) for x in np.random.default_rng(3).standard_normal((2, 3, 4)))
    per_row = {0: np.arange(4.0), 1: np.arange(3.0)}.get(same, 2.0)
    g = made(backend, per_row) if function == "logsumexp" else v
    got, want = every_direction(function, z, g, v, axis), every_direction(function, z, g, v, same)
    assert {d: differing(backend.to_numpy(x), backend.to_numpy(want[d])) for d, x in got.items()} == dict.fromkeys(want)


def test_mixed_libraries(backend: Target) -> None:
    z = backend.from_numpy(np.ones(3, np.float32), "float32")
    other: Any = np.ones(3, np.float32)
    if "numpy" in (backend.name, lsmx.backend_for(z).follows):
        other = pytest.importorskip("array_api_strict").asarray(other)
    mask = other > 0
    out = lsmx.log_softmax(z)
    calls: dict[str, Callable[..., Any]] = {
        "where": lambda: lsmx.log_softmax(z, where=mask),
        "out": lambda: lsmx.log_softmax(z, out=other),
        "grad_output": lambda: lsmx.log_softmax_backward(other, out),
        "tangent": lambda: lsmx.softmax_jvp(other, out),
        "output": lambda: lsmx.logsumexp_backward(z, z, other),
    }
    for name, call in calls.items():
        with pytest.raises(lsmx.ArrayTypeError, match=rf"^{name}: .*convert one"):
            call()


def test_mismatched_shapes(backend: Target) -> None:
    def ones(*shape: int, dtype: str = "float32") -> Any:
        return backend.from_numpy(np.ones(shape, dtype), dtype)

    calls: dict[str, Callable[..., Any]] = {
        "grad_output": lambda: lsmx.log_softmax_backward(ones(3), ones(4)),
        "tangent": lambda: lsmx.softmax_jvp(ones(1, 4), ones(2, 4)),
        "where": lambda: lsmx.softmax(ones(2, 3), where=ones(2, 2, dtype="bool")),
        "out": lambda: lsmx.softmax(ones(2, 3), out=ones(3, 2)),
        "output": lambda: lsmx.logsumexp_backward(ones(2), ones(2, 3), ones(3)),
    }
    for name, call in calls.items():
        with pytest.raises(lsmx.ShapeError, match=rf"^{name}: shape"):
            call()
    with pytest.raises(lsmx.ShapeError, match=r"^grad_output"):
        lsmx.logsumexp_backward(ones(3), ones(2, 3), ones(2))
    with pytest.raises(lsmx.ShapeError, match=r"^where"):
        lsmx.softmax(ones(3), where=ones(2, 3, dtype="bool"))
    with pytest.raises(lsmx.DTypeError, match=r"^where: .*bool"):
        lsmx.softmax(ones(3), where=ones(3))


def test_formats_do_not_mix(backend: Target) -> None:
    if {"float32", "float64"} <= set(backend.dtypes):
        a, b = (backend.from_numpy(np.ones(3), dtype) for dtype in ("float32", "float64"))
        with pytest.raises(lsmx.DTypeError, match=r"^grad_output: .*float64.*float32"):
            lsmx.log_softmax_backward(b, a)
    if "float16" in backend.dtypes:
        half = backend.from_numpy(np.asarray([1.0, 2.0, 4.0]), "float16")
        single = backend.from_numpy(np.asarray([-1.0, -2.0, -0.5]), "float32")
        got = lsmx.log_softmax_backward(half, single)
        want = lsmx.log_softmax_backward(backend.from_numpy(np.asarray([1.0, 2.0, 4.0]), "float32"), single)
        assert differing(backend.to_numpy(got), backend.to_numpy(want)) is None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_out(backend: Target, dtype: str, function: str) -> None:
    values = quantise(np.random.default_rng(1).standard_normal((3, 5)), dtype)
    z, g = made(backend, values, dtype), made(backend, values[:, 0] if function == "logsumexp" else values[::-1], dtype)
    saved = residual(function, z, getattr(lsmx, function)(z))
    calls: dict[str, Callable[..., Any]] = {
        "forward": lambda **o: getattr(lsmx, function)(z, **o),
        "backward": lambda **o: getattr(lsmx, f"{function}_backward")(g, *saved, **o),
    }
    for call in calls.values():
        want = np.array(backend.to_numpy(call()))
        out = made(backend, np.full(want.shape, 7.0), dtype)
        if backend.name == "dask" or not writable(out):  # Dask's assignment is a new plan, and writes to nothing
            with pytest.raises(lsmx.OutputError, match=r"^out: cannot be written to"):
                call(out=out)
            continue
        assert call(out=out) is out
        assert differing(np.asarray(backend.to_numpy(out)), want) is None
        assert differing(np.asarray(backend.to_numpy(z)), values) is None
        with pytest.raises(lsmx.ShapeError, match=r"^out: shape"):
            call(out=made(backend, np.zeros((2, 2, 2)), dtype))
        if other := [name for name in backend.dtypes if name != dtype]:
            with pytest.raises(lsmx.OutputError, match=r"^out: dtype"):
                call(out=made(backend, np.zeros(want.shape), other[0]))
    if function != "logsumexp" and backend.name != "dask" and writable(z):  # in place, if that is asked for
        want = np.array(backend.to_numpy(calls["forward"]()))
        getattr(lsmx, function)(z, out=z)
        assert differing(np.asarray(backend.to_numpy(z)), want) is None


def writable(x: Any) -> bool:
    """Whether the library's arrays can be written to at all."""
    try:
        x[...] = x
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


@pytest.mark.one_in(3)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_are_never_written_to(backend: Target, dtype: str, function: str) -> None:
    rng = np.random.default_rng(8)
    values = [quantise(v, dtype) for v in rng.standard_normal((3, 4, 9))]
    mask = rng.random((4, 9)) < 0.8
    if function == "logsumexp":
        values[1] = values[1][:, 0]
    z, g, v = (made(backend, x, dtype) for x in values)
    m = made(backend, mask, "bool")
    out = getattr(lsmx, function)(z, where=m)
    before = np.array(backend.to_numpy(out))
    for where in (m, None):
        every_direction(function, z, g, v, where=where)
        getattr(lsmx, f"{function}_backward")(g, *residual(function, z, out), where=where)
    for x, want in zip((z, g, v, out), [*values, before], strict=True):
        assert differing(np.asarray(backend.to_numpy(x)), want) is None
    assert np.array_equal(backend.to_numpy(m), mask)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_are_of_the_library_dtype_and_device_of_the_array(backend: Target, dtype: str, function: str) -> None:
    rng = np.random.default_rng(9)
    z, v, g = (
        made(backend, x, dtype)
        for x in (*rng.standard_normal((2, 4, 5)), rng.standard_normal((4, 5)[: 1 + (function != "logsumexp")]))
    )
    where = made(backend, rng.random((4, 5)) < 0.8, "bool")
    for results in (every_direction(function, z, g, v), every_direction(function, z, g, v, where=where)):
        for direction, x in results.items():
            assert lsmx.backend_for(x) is lsmx.backend_for(z), direction
            assert (type(x), x.dtype) == (type(z), z.dtype), direction
            assert (operations(x).xp, operations(x).device) == (operations(z).xp, operations(z).device), direction
            assert np.isfinite(backend.to_numpy(x)).any(), direction


def operations(x: Any) -> extend.Ops:
    """What the definition uses on an array."""
    return lsmx.backend_for(x).ops(x, extend.SINGLE)
