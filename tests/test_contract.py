"""Hard inputs: the same answer, or the same class of error, from every library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx.testing import Target, differing, host_target, quantise

inf, nan = np.inf, np.nan
FUNCTIONS = ("log_softmax", "softmax", "logsumexp")


def run(where: Target, function: str, values: Any, dtype: str = "float32", mask: Any = None, **options: Any) -> np.ndarray:
    z = where.from_numpy(quantise(np.asarray(values, dtype=np.float64), dtype), dtype)
    given = None if mask is None else where.from_numpy(np.asarray(mask), "bool")
    return where.to_numpy(getattr(lsmx, function)(z, where=given, **options))


def gradient(where: Target, function: str, values: Any, g: Any, dtype: str = "float32", mask: Any = None) -> np.ndarray:
    z, dy = (where.from_numpy(quantise(np.asarray(v, dtype=np.float64), dtype), dtype) for v in (values, g))
    m = None if mask is None else where.from_numpy(np.asarray(mask), "bool")
    out = getattr(lsmx, function)(z, where=m)
    residual = (z, out) if function == "logsumexp" else (out,)
    return where.to_numpy(getattr(lsmx, f"{function}_backward")(dy, *residual, where=m))


def equal(got: np.ndarray, want: Any) -> None:
    assert np.array_equal(got, np.asarray(want, dtype=got.dtype), equal_nan=True), got


@pytest.mark.parametrize("row", [[nan, 1.0, 2.0], [1.0, nan, -inf], [nan, inf, 0.0], [nan, nan, nan]])
def test_nan_fills_its_row_and_no_other(backend: Target, dtype: str, row: list[float]) -> None:
    z = [row, [1.0, 1.0, 1.0]]
    for function in FUNCTIONS[:2]:
        out = run(backend, function, z, dtype)
        assert np.isnan(out[0]).all()
        assert np.isfinite(out[1]).all()
        dz = gradient(backend, function, z, [[1.0, 2.0, 3.0]] * 2, dtype)
        assert np.isnan(dz[0]).all()
        assert np.isfinite(dz[1]).all()
    assert np.isnan(run(backend, "logsumexp", z, dtype)[0])
    assert np.isnan(gradient(backend, "logsumexp", z, [1.0, 1.0], dtype)[0]).all()


def test_plus_infinity(backend: Target, dtype: str) -> None:
    z = [[inf, 1.0, -inf], [inf, inf, 0.0]]
    for function in FUNCTIONS[:2]:
        assert np.isnan(run(backend, function, z, dtype)).all()
    equal(run(backend, "logsumexp", z, dtype), [inf, inf])
    assert np.isnan(gradient(backend, "logsumexp", z, [1.0, 1.0], dtype)).all()


def test_some_minus_infinity(backend: Target, dtype: str) -> None:
    z = [[-inf, 0.0, 0.0]]
    out = run(backend, "log_softmax", z, dtype)
    assert out[0, 0] == -inf
    equal(out[:, 1:], quantise(np.log(np.full((1, 2), 0.5)), dtype))
    equal(run(backend, "softmax", z, dtype), [[0.0, 0.5, 0.5]])
    dz = gradient(backend, "log_softmax", z, [[3.0, 1.0, 0.0]], dtype)
    equal(
        dz if dtype in ("float32", "float64") else np.round(dz), [[3.0, -1.0, -2.0]]
    )  # 16 bits of log(1/2) are not enough for 1/2
    equal(gradient(backend, "softmax", z, [[3.0, 1.0, 0.0]], dtype), [[0.0, 0.25, -0.25]])
    dz = gradient(backend, "logsumexp", z, [2.0], dtype)
    assert dz[0, 0] == 0
    equal(run(backend, "log_softmax", [[-inf, 5.0]], dtype), [[-inf, 0.0]])


def test_nothing_but_minus_infinity(backend: Target, dtype: str) -> None:
    z = [[-inf, -inf]]
    assert np.isnan(run(backend, "log_softmax", z, dtype)).all()
    assert np.isnan(run(backend, "softmax", z, dtype)).all()
    equal(run(backend, "logsumexp", z, dtype), [-inf])
    equal(gradient(backend, "logsumexp", z, [1.0], dtype), [[0.0, 0.0]])


def test_a_row_masked_as_a_whole(backend: Target, dtype: str) -> None:
    z, mask = [[nan, inf, 1.0]], [[False, False, False]]
    equal(run(backend, "log_softmax", z, dtype, mask), [[-inf] * 3])
    equal(run(backend, "softmax", z, dtype, mask), [[0.0] * 3])
    equal(run(backend, "logsumexp", z, dtype, mask), [-inf])
    for function in FUNCTIONS[:2]:
        equal(gradient(backend, function, z, [[nan, 1.0, 2.0]], dtype, mask), [[0.0] * 3])
    equal(gradient(backend, "logsumexp", z, [1.0], dtype, mask), [[0.0] * 3])


def test_masked_entries(backend: Target, dtype: str) -> None:
    z, mask = [[5.0, 0.0, 0.0, nan]], [[False, True, True, False]]
    equal(run(backend, "softmax", z, dtype, mask), [[0.0, 0.5, 0.5, 0.0]])
    out = run(backend, "log_softmax", z, dtype, mask)
    equal(out[:, [0, 3]], [[-inf, -inf]])
    equal(gradient(backend, "log_softmax", z, [[7.0, 1.0, 0.0, nan]], dtype, mask), [[0.0, 0.5, -0.5, 0.0]])
    # a mask broadcasts
    equal(run(backend, "softmax", [[1.0, 2.0], [3.0, 3.0]], dtype, [True, False]), [[1.0, 0.0]] * 2)
    equal(run(backend, "softmax", [[1.0, 2.0], [3.0, 3.0]], dtype, [[True], [False]])[1], [0.0, 0.0])
    # what is left is nothing but -inf: the row is undefined, what is masked is not
    equal(run(backend, "log_softmax", [[-inf, 1.0]], dtype, [[True, False]]), [[nan, -inf]])


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0), (0,)])
def test_empty(backend: Target, dtype: str, shape: tuple[int, ...]) -> None:
    z = np.zeros(shape)
    for function in FUNCTIONS[:2]:
        assert run(backend, function, z, dtype).shape == shape
        assert gradient(backend, function, z, z, dtype).shape == shape
    equal(run(backend, "logsumexp", z, dtype), np.full(shape[:-1], -inf))
    equal(run(backend, "logsumexp", z, dtype, keepdims=True), np.full((*shape[:-1], 1), -inf))
    equal(run(backend, "logsumexp", z, dtype, axis=None), -inf)


def test_zero_dimensions(backend: Target, dtype: str) -> None:
    for function, want in zip(FUNCTIONS, (0.0, 1.0, 2.5), strict=True):
        equal(run(backend, function, 2.5, dtype, axis=None), want)
        assert run(backend, function, 2.5, dtype, axis=None).shape == ()
        with pytest.raises(lsmx.AxisError, match="0-d"):
            run(backend, function, 2.5, dtype)


def test_float16_is_computed_in_float32() -> None:
    out = lsmx.log_softmax(np.zeros(100_000, dtype=np.float16))
    assert out.dtype == np.float16
    equal(out, np.full(100_000, -np.log(100_000), dtype=np.float16))


def test_large_equal_logits(backend: Target, dtype: str) -> None:
    if dtype in ("float32", "float64"):
        equal(run(backend, "log_softmax", [1e8, 1e8], dtype), [-np.log(2.0)] * 2)
        equal(run(backend, "softmax", [1e8, 1e8, -1e8], dtype), [0.5, 0.5, 0.0])
        equal(run(backend, "log_softmax", [3e38, -3e38], dtype), quantise(np.asarray([0.0, -6e38]), dtype))


@pytest.mark.parametrize("given", ["int8", "int64", "uint8", "bool"])
def test_integers_ask_for_a_dtype(backend: Target, given: str) -> None:
    z = backend.from_numpy(np.asarray([-100, 100]).astype("float32"), "float32")
    if given == "int64" and backend.name == "strict-no_x64":
        given = "int32"
    xp = lsmx.backend_for(z).ops(z, lsmx.SINGLE).xp
    integers = xp.astype(z, getattr(xp, given))
    for function in FUNCTIONS:
        with pytest.raises(lsmx.DTypeError, match=r"dtype="):
            getattr(lsmx, function)(integers)
        cast = xp.astype(integers, xp.float32)
        for dtype in ("float32", xp.float32):
            got = backend.to_numpy(getattr(lsmx, function)(integers, dtype=dtype))
            assert differing(got, backend.to_numpy(getattr(lsmx, function)(cast))) is None


def test_int8_does_not_wrap_around() -> None:
    """``-100 - 100`` is 56 in int8, where a difference before the cast ends up."""
    equal(lsmx.log_softmax(np.asarray([-100, 100], dtype=np.int8), dtype="float32"), [-200.0, 0.0])


def test_dtype_is_cast_to_first(backend: Target) -> None:
    values = np.asarray([0.1, 0.2, 70.3], dtype=np.float32)
    if "float64" not in backend.dtypes:
        with pytest.raises((lsmx.DTypeError, ValueError)):
            lsmx.log_softmax(backend.from_numpy(values, "float32"), dtype="float64")
        return
    got = backend.to_numpy(lsmx.log_softmax(backend.from_numpy(values, "float32"), dtype="float64"))
    assert differing(got, lsmx.log_softmax(values.astype(np.float64))) is None


@pytest.mark.parametrize("bad", [[1.0, 2.0], (1.0,), 1.0, 3, None, "z", np.float32(1.0), {1: 2}, object(), np.ndarray, range(3)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_not_an_array(function: str, bad: object) -> None:
    with pytest.raises(lsmx.ArrayTypeError, match=r"^z: .*is not an array"):
        getattr(lsmx, function)(bad)
    with pytest.raises(TypeError):
        lsmx.log_softmax_backward(bad, np.ones(2))
    with pytest.raises(TypeError):
        lsmx.log_softmax_backward(np.ones(2), bad)


def test_masked_arrays_and_matrices_say_what_to_do() -> None:
    with pytest.raises(lsmx.ArrayTypeError, match="where="):
        lsmx.log_softmax(np.ma.masked_array([1.0, 2.0], mask=[True, False]))
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0]])
    with pytest.raises(lsmx.ArrayTypeError, match="asarray"):
        lsmx.log_softmax(matrix)


def test_complex(backend: Target) -> None:
    if backend.name.startswith("strict-no"):
        return
    z = backend.from_numpy(np.ones(3), backend.dtypes[-1])
    xp = lsmx.backend_for(z).ops(z, lsmx.SINGLE).xp
    z = xp.astype(z, xp.complex64)
    with pytest.raises(lsmx.DTypeError, match="complex64"):
        lsmx.log_softmax(z)
    with pytest.raises(lsmx.DTypeError, match="complex"):
        lsmx.log_softmax(z, dtype="float32")


@pytest.mark.parametrize("bad", ["int32", "float128", "complex64", int, object(), np.int8])
def test_a_dtype_that_is_none_of_the_floats(backend: Target, bad: object) -> None:
    with pytest.raises(lsmx.DTypeError, match=r"^dtype: "):
        lsmx.softmax(backend.from_numpy(np.ones(3, np.float32), "float32"), dtype=bad)


def test_numpy_has_no_bfloat16() -> None:
    with pytest.raises(lsmx.DTypeError, match="has no bfloat16; it has float16, float32, float64"):
        lsmx.softmax(np.ones(3), dtype="bfloat16")


@pytest.mark.parametrize("axis", [2, -3, (0, 2), (0, 0), (0, -2), (1, -1), (), 1.0, "0", True, [0, 1], np.ones(1)])
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


def test_index_objects_are_axes() -> None:
    z = np.random.default_rng(0).standard_normal((3, 4))
    assert np.array_equal(lsmx.softmax(z, axis=np.int64(0)), lsmx.softmax(z, axis=0))


def other_array() -> Any:
    import array_api_strict

    return array_api_strict.asarray([1.0, 2.0, 3.0], dtype=array_api_strict.float32)


def test_mixed_libraries(backend: Target) -> None:
    z = backend.from_numpy(np.ones(3, np.float32), "float32")
    other = np.ones(3, np.float32) if backend.name != "numpy" else other_array()
    mask = np.ones(3, bool) if backend.name != "numpy" else other_array() > 0
    out = lsmx.log_softmax(z)
    for name, call in {
        "where": lambda: lsmx.log_softmax(z, where=mask),
        "out": lambda: lsmx.log_softmax(z, out=other),
        "grad_output": lambda: lsmx.log_softmax_backward(other, out),
        "tangent": lambda: lsmx.softmax_jvp(other, out),
        "output": lambda: lsmx.logsumexp_backward(z, z, other),
    }.items():
        with pytest.raises(lsmx.ArrayTypeError, match=rf"^{name}: .*convert one"):
            call()


def test_two_libraries_of_the_standard_are_mixed_too() -> None:
    class Wrapped:
        """An array of another library that follows the standard."""

        def __init__(self, inner: Any) -> None:
            self.inner, self.dtype, self.shape, self.device = inner, inner.dtype, inner.shape, inner.device

        def __array_namespace__(self, api_version: str | None = None) -> Any:
            import array_api_compat.numpy

            return array_api_compat.numpy

    with pytest.raises(lsmx.ArrayTypeError, match="convert one"):
        lsmx.log_softmax_backward(Wrapped(np.ones(3)), other_array())


def test_mismatched_shapes(backend: Target) -> None:
    def ones(*shape: int, dtype: str = "float32") -> Any:
        return backend.from_numpy(np.ones(shape, dtype), dtype)

    for name, call in {
        "grad_output": lambda: lsmx.log_softmax_backward(ones(3), ones(4)),
        "tangent": lambda: lsmx.softmax_jvp(ones(1, 4), ones(2, 4)),
        "where": lambda: lsmx.softmax(ones(2, 3), where=ones(2, 2, dtype="bool")),
        "out": lambda: lsmx.softmax(ones(2, 3), out=ones(3, 2)),
        "output": lambda: lsmx.logsumexp_backward(ones(2), ones(2, 3), ones(3)),
    }.items():
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
    z = backend.from_numpy(values, dtype)
    want = backend.to_numpy(getattr(lsmx, function)(z)).copy()
    out = backend.from_numpy(np.full(want.shape, 7.0), dtype)
    assert getattr(lsmx, function)(z, out=out) is out
    assert differing(backend.to_numpy(out), want) is None
    assert differing(backend.to_numpy(z), values) is None
    if function != "logsumexp":  # in place, if that is asked for
        getattr(lsmx, function)(z, out=z)
        assert differing(backend.to_numpy(z), want) is None


def test_out_that_cannot_take_the_result() -> None:
    z = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(lsmx.OutputError, match=r"^out: dtype float64"):
        lsmx.softmax(z, out=np.empty((2, 3)))
    with pytest.raises(lsmx.OutputError, match=r"^out: .*read-only"):
        lsmx.softmax(z, out=np.broadcast_to(np.float32(0), (2, 3)))


def test_a_cotangent_that_is_not_finite_fills_its_row(backend: Target, dtype: str) -> None:
    g = [[1.0, inf, 0.0], [nan, 0.0, 0.0], [1.0, 2.0, 3.0]]
    for function in FUNCTIONS[:2]:
        dz = gradient(backend, function, [[0.0, -1.0, -200.0]] * 3, g, dtype)
        assert np.isnan(dz[:2]).all()
        assert np.isfinite(dz[2]).all()


def test_logits_in_place_of_the_output_are_refused_where_it_shows() -> None:
    """``exp`` of a large logit is no probability; nothing is made up for it."""
    dz = lsmx.log_softmax_backward(np.ones((1, 3)), np.asarray([[1.0, 2.0, 900.0]]))
    assert np.isnan(dz[0, 2])


def test_results_stay_on_the_device() -> None:
    import array_api_strict as xp

    for name in ("CPU_DEVICE", "device1", "device2", "no_float64", "no_x64"):
        device = xp.Device(name)
        z = xp.asarray([[1.0, 2.0], [3.0, 5.0]], dtype=xp.float32, device=device)
        out = lsmx.log_softmax(z)
        results = [out, lsmx.logsumexp(z), lsmx.log_softmax_jacobian(out), lsmx.log_softmax_backward(z, out)]
        assert [r.device for r in results] == [device] * 4


def test_jacobians_flatten_several_axes(backend: Target, dtype: str) -> None:
    z = backend.from_numpy(quantise(np.random.default_rng(2).standard_normal((3, 2, 4)), dtype), dtype)
    for function in FUNCTIONS[:2]:
        forward, jacobian = getattr(lsmx, function), getattr(lsmx, f"{function}_jacobian")
        moved = backend.to_numpy(jacobian(forward(z, axis=(0, 2)), axis=(2, 0)))
        flat = backend.to_numpy(z).transpose(1, 0, 2).reshape(2, 12)
        want = backend.to_numpy(jacobian(forward(backend.from_numpy(flat, dtype))))
        assert moved.shape == (2, 12, 12)
        assert differing(moved, want) is None


def test_a_row_too_long_for_32_bit_integers_says_so() -> None:
    import array_api_strict as xp

    z = xp.zeros((2**22 + 1,), dtype=xp.float32, device=xp.Device("no_x64"))
    with pytest.raises(lsmx.ShapeError, match=r"4194305 elements .* 32-bit"):
        lsmx.log_softmax(z)
    assert host_target().name == "numpy"


def test_casts_are_quiet_and_numpy_may_be_told_to_raise() -> None:
    assert lsmx.log_softmax(np.asarray([1e300, 0.0]), dtype="float32").dtype == np.float32
    with np.errstate(all="raise"):
        out = lsmx.log_softmax(np.asarray([0.0, -80.0, -50.0, 1e-30, 3e38], dtype=np.float32))
        lsmx.log_softmax_backward(np.asarray([1e-30, 3e38, 3e38, 1.0, -1e-30], dtype=np.float32), out)
        lsmx.softmax(np.asarray([0.0, -16.0], dtype=np.float16))


@pytest.mark.parametrize("z", [np.zeros(2, "datetime64[s]"), np.asarray(["a"]), np.asarray([None]), np.zeros(2, "f4,i4")], ids=str)
def test_what_cannot_be_cast(z: np.ndarray) -> None:
    with pytest.raises(lsmx.DTypeError, match="no number"):
        lsmx.log_softmax(z, dtype="float32")
    with pytest.raises(lsmx.DTypeError):
        lsmx.log_softmax(z)


def test_devices_do_not_mix() -> None:
    import array_api_strict as xp

    here, there = (xp.asarray([1.0, 2.0], device=xp.Device(name)) for name in ("CPU_DEVICE", "device1"))
    with pytest.raises(lsmx.DeviceError, match=r"^grad_output: on .*device1.*, but output is on .*CPU"):
        lsmx.log_softmax_backward(there, here)
    with pytest.raises(ValueError, match=r"^where: on"):
        lsmx.log_softmax(here, where=there > 0)


def test_a_sum_that_overflows_fills_its_row(backend: Target) -> None:
    for z in ([[0.0, 0.0]], [[0.0, -1.0, -50.0]]):
        assert np.isnan(gradient(backend, "log_softmax", z, np.full(np.shape(z), 3e38))).all()


def test_float64_needs_wide_integers() -> None:
    from lsmx._arithmetic import sums

    ops = lsmx.Ops(np, "cpu", lsmx.DOUBLE, (np.int32, 32))
    with pytest.raises(lsmx.DTypeError, match="float64 needs 64-bit integers"):
        sums.rest_of_sum(ops, np.ones((1, 2)), (1,))
