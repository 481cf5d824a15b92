"""The contract where it is about one library, or none; what holds for any library is in ``lsmx.testing``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import differing, host_target

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")


def equal(got: np.ndarray, want: Any) -> None:
    assert np.array_equal(got, np.asarray(want, dtype=got.dtype), equal_nan=True), got


def test_float16_is_computed_in_float32() -> None:
    out = lsmx.log_softmax(np.zeros(100_000, dtype=np.float16))
    assert out.dtype == np.float16
    equal(out, np.full(100_000, -np.log(100_000), dtype=np.float16))


def test_int8_does_not_wrap_around() -> None:
    """``-100 - 100`` is 56 in int8, where a difference before the cast ends up."""
    equal(lsmx.log_softmax(np.asarray([-100, 100], dtype=np.int8), dtype="float32"), [-200.0, 0.0])


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


def test_numpy_has_no_bfloat16() -> None:
    with pytest.raises(lsmx.DTypeError, match="has no bfloat16; it has float16, float32, float64"):
        lsmx.softmax(np.ones(3), dtype="bfloat16")


def test_index_objects_are_axes() -> None:
    z = np.random.default_rng(0).standard_normal((3, 4))
    assert np.array_equal(lsmx.softmax(z, axis=np.int64(0)), lsmx.softmax(z, axis=0))


def other_array() -> Any:
    import array_api_strict

    return array_api_strict.asarray([1.0, 2.0, 3.0], dtype=array_api_strict.float32)


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


def test_out_that_cannot_take_the_result() -> None:
    z = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(lsmx.OutputError, match=r"^out: dtype float64"):
        lsmx.softmax(z, out=np.empty((2, 3)))
    with pytest.raises(lsmx.OutputError, match=r"^out: several of its elements"):
        lsmx.softmax(z, out=np.broadcast_to(np.float32(0), (2, 3)))
    frozen = np.zeros((2, 3), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(lsmx.OutputError, match=r"^out: .*read-only"):
        lsmx.softmax(z, out=frozen)
    assert not frozen.any()


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


def test_float64_needs_wide_integers() -> None:
    from lsmx._definition import sums

    ops = extend.Ops(np, "cpu", extend.DOUBLE, (np.int32, 32))
    with pytest.raises(lsmx.DTypeError, match="float64 needs 64-bit integers"):
        sums.rest_of_sum(ops, np.ones((1, 2)), np.ones((1, 1)), np.zeros((1, 1)), (1,))


def test_a_longer_row_than_the_limbs_have_room_for() -> None:
    n = 2**23 + 5
    z = np.zeros(n)  # every limb of the float64 sum is 2^40: 2^63 in all
    z[7] = 1.0
    out = lsmx.log_softmax(z)
    halves = np.concatenate([z[7:], z[:7]])
    assert differing(np.roll(out, -7), lsmx.log_softmax(halves)) is None
    exact = -np.log1p((n - 1) * np.exp(np.longdouble(-1.0)))
    assert abs(np.longdouble(out[7]) - exact) <= 2 * np.spacing(np.float64(-exact))  # long double is some 2^-63 from exact
