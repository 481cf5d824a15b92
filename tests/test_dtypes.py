"""Dtypes: narrow and wide floats, what holds no numbers, the spellings of ``dtype=``, the other byte order."""

from __future__ import annotations

import pathlib
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest

import lsmx
from lsmx.testing import differing
from lsmx.testing.calls import FUNCTIONS, every_direction, residual

Z, G, V = np.random.default_rng(5).standard_normal((3, 6, 9)).astype(np.float32)
SWAPPED = {name: np.dtype(name).newbyteorder() for name in ("float16", "float32", "float64")}

# --- floats that are narrower or wider than the formats --------------------------------------------------------------------------

NARROW = [
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
    *("float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "int4", "uint4", "int2"),
]


def narrow_values(name: str) -> Any:
    """Every number of a narrow format, infinities and NaN among them."""
    dtype = np.dtype(getattr(ml_dtypes, name))
    bits = int("".join(c for c in name if c.isdigit())[:1])
    return np.arange(2**bits, dtype=np.uint8).reshape(-1, 4).view(dtype)


@pytest.mark.parametrize("to", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", NARROW)
def test_narrow_numbers_are_cast_exactly(name: str, to: str) -> None:
    z = narrow_values(name)
    with np.errstate(all="ignore"):
        by_hand = z.astype(np.float64).astype(to)
    for function in FUNCTIONS:
        got = getattr(lsmx, function)(z, dtype=to)
        assert got.dtype == to
        assert differing(got, getattr(lsmx, function)(by_hand)) is None
        with pytest.raises(lsmx.DTypeError, match=rf'^z: dtype {name} is not one of .*dtype="float32"'):
            getattr(lsmx, function)(z)


@pytest.mark.parametrize("name", [n for n in NARROW if not n.startswith("float6")])
def test_narrow_numbers_in_jax(name: str) -> None:
    import jax.numpy as jnp

    z = narrow_values(name)
    got = lsmx.log_softmax(jnp.asarray(z), dtype="float32")
    assert differing(np.asarray(got), lsmx.log_softmax(z.astype(np.float32))) is None


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"])
def test_narrow_numbers_in_torch(name: str) -> None:
    import torch

    z = narrow_values(name)
    t = torch.from_numpy(z.view(np.uint8)).view(getattr(torch, name))
    for to in ("float32", torch.float32, "bfloat16"):
        got = lsmx.log_softmax(t, dtype=to)
        want = lsmx.log_softmax(torch.from_numpy(z.astype(np.float32)), dtype=to)
        assert got.dtype == want.dtype
        assert differing(got.float().numpy(), want.float().numpy()) is None
    with pytest.raises(lsmx.DTypeError, match=rf"^z: dtype {name}"):
        lsmx.log_softmax(t)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_casts_that_a_library_does_not_have_say_so() -> None:
    import torch

    packed = torch.zeros(2, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    with pytest.raises(lsmx.DTypeError, match=r"^z: .*cannot cast float4_e2m1fn_x2 to float32.*convert it first"):
        lsmx.log_softmax(packed, dtype="float32")
    quantised = torch.quantize_per_tensor(torch.ones(4), 0.5, 0, torch.qint8)
    with pytest.raises(lsmx.DTypeError, match=r"^z: an array of qint8, no numbers that can be cast"):
        lsmx.log_softmax(quantised, dtype="float32")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bfloat16_in_numpy(function: str) -> None:
    """ml_dtypes adds it to NumPy: it is computed in float32 and rounded once."""
    narrow = ml_dtypes.bfloat16
    z, g, v = Z.astype(narrow), (G[:, 0] if function == "logsumexp" else G).astype(narrow), V.astype(narrow)
    out = getattr(lsmx, function)(z)
    assert out.dtype == narrow
    assert (
        differing(out.astype(np.float32), getattr(lsmx, function)(z.astype(np.float32)).astype(narrow).astype(np.float32)) is None
    )
    wide = [x.astype(np.float32) for x in residual(function, z, out)]
    want = getattr(lsmx, f"{function}_backward")(g.astype(np.float32), *wide).astype(narrow)
    got = every_direction(function, z, g, v)["backward"]
    assert differing(got.astype(np.float32), want.astype(np.float32)) is None
    got = getattr(lsmx, function)(Z, dtype=narrow)
    assert got.dtype == narrow
    assert differing(got.astype(np.float32), out.astype(np.float32)) is None
    assert differing(getattr(lsmx, function)(z, dtype="f4"), getattr(lsmx, function)(z.astype(np.float32))) is None


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="long double is float64 here")
def test_long_double_is_rounded_once_where_that_is_asked_for() -> None:
    z = Z.astype(np.longdouble)
    z[:, 0] = 1 + np.longdouble(2) ** -53 + np.longdouble(2) ** -62  # above the middle of 1 and the next float64
    with pytest.raises(lsmx.DTypeError, match=r"^z: dtype float\d+ is not one of .*dtype="):
        lsmx.log_softmax(z)
    rounded = z.astype(np.float64)
    assert (rounded[:, 0] > 1).all()
    assert differing(lsmx.log_softmax(z, dtype="float64"), lsmx.log_softmax(rounded)) is None
    z[:, 0] = 1 + np.longdouble(2) ** -24 + np.longdouble(2) ** -62  # so that twice would be another number of float32
    assert differing(lsmx.log_softmax(z, dtype=np.float32), lsmx.log_softmax(z.astype(np.float32))) is None
    with pytest.raises(lsmx.DTypeError, match=r"^dtype: "):
        lsmx.log_softmax(Z, dtype=np.longdouble)


# --- what holds no numbers ------------------------------------------------------------------------------------------------------

NO_NUMBERS = {
    "objects": (np.asarray([1.0, 2.0, None], dtype=object), r'Python objects.*numpy\.asarray\(z, dtype="float32"\)'),
    "text": (np.asarray(["1", "2"]), r'text, no numbers.*numpy\.asarray\(z, dtype="float32"\)'),
    "bytes": (np.asarray([b"1", b"2"]), r'text, no numbers.*numpy\.asarray\(z, dtype="float32"\)'),
    "strings": (np.asarray(["1", "2"], dtype=np.dtypes.StringDType()), r"text, no numbers.*numpy\.asarray"),
    "dates": (np.asarray(["2020-01-01", "2020-01-02"], "M8[D]"), r'dates or times, no numbers.*z\.astype\("int64"\)'),
    "times": (np.asarray([1, 2], "m8[s]"), r'dates or times, no numbers.*z\.astype\("int64"\)'),
    "records": (np.zeros(2, [("a", "f4"), ("b", "i4")]), r'records, no numbers.*z\["field"\]'),
    "complex": (np.ones(2, np.complex64), "complex64, and complex numbers have no order; take their real part"),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_holds_no_numbers_says_so_at_once(function: str, kind: str) -> None:
    z, match = NO_NUMBERS[kind]
    for options in ({}, {"dtype": "float32"}, {"dtype": float}):
        with pytest.raises(lsmx.DTypeError, match=rf"^z: an array of {match}"):
            getattr(lsmx, function)(z, **options)
    with pytest.raises(lsmx.DTypeError, match=r"^output: an array of"):
        lsmx.log_softmax_jacobian(z)
    with pytest.raises(lsmx.DTypeError, match=r"^grad_output: an array of"):
        lsmx.log_softmax_backward(z, np.zeros(z.shape))


def test_the_advice_works() -> None:
    assert lsmx.softmax(np.asarray(NO_NUMBERS["text"][0], dtype="float32")).dtype == np.float32
    assert lsmx.softmax(np.asarray(NO_NUMBERS["strings"][0], dtype="float32")).dtype == np.float32
    assert lsmx.softmax(np.asarray(NO_NUMBERS["objects"][0][:2], dtype="float32")).dtype == np.float32
    assert lsmx.softmax(NO_NUMBERS["dates"][0].astype("int64"), dtype="f4").tolist() == lsmx.softmax(np.float32([0, 1])).tolist()
    assert lsmx.softmax(NO_NUMBERS["records"][0]["a"]).tolist() == [0.5, 0.5]


def test_vectors_are_not_told_of_an_option_that_there_is_not() -> None:
    with pytest.raises(lsmx.DTypeError, match=r"^grad_output: dtype int64 .*; cast it first$"):
        lsmx.log_softmax_backward(np.ones(3, np.int64), np.zeros(3))


# --- spellings of dtype= --------------------------------------------------------------------------------------------------------

SPELLINGS = {
    "float16": ("f2", "e", "half", "<f2", ">f2", np.float16, np.half, np.dtype("f2"), "float16"),
    "float32": ("f4", "f", "single", "<f4", ">f4", "=f4", np.float32, np.single, np.dtype(">f4"), "float32", np.str_("float32")),
    "float64": ("f8", "d", "double", "float", float, "<f8", ">f8", np.float64, np.double, np.dtype("d"), "float64"),
}
PAIRS = [(name, spelling) for name, spellings in SPELLINGS.items() for spelling in spellings]


@pytest.mark.parametrize(("name", "spelling"), PAIRS, ids=str)
def test_a_dtype_is_what_numpy_says(name: str, spelling: Any) -> None:
    import jax
    import jax.numpy as jnp
    import torch

    z = np.asarray([[1, 2, 30], [-4, 0, 7]], dtype=np.int32)
    want = lsmx.log_softmax(z.astype(name))
    got = lsmx.log_softmax(z, dtype=spelling)
    assert got.dtype.isnative
    assert differing(got, want) is None
    tensor = lsmx.log_softmax(torch.from_numpy(z), dtype=spelling)
    assert tensor.dtype == getattr(torch, name)
    assert differing(tensor.numpy(), want) is None
    with jax.enable_x64(True):
        array = lsmx.log_softmax(jnp.asarray(z), dtype=spelling)
    assert differing(np.asarray(array), want) is None
    if name != "float16":
        assert differing(np.asarray(lsmx.log_softmax(array_api_strict.asarray(z), dtype=spelling)), want) is None
    assert lsmx.explain(z, dtype=spelling).backend == "numpy"


def test_dtypes_of_other_libraries() -> None:
    import jax.numpy as jnp
    import torch

    z = np.asarray([1, 2, 3])
    for dtype in (torch.float32, torch.float, jnp.float32, array_api_strict.float32):
        assert lsmx.softmax(z, dtype=dtype).dtype == np.float32
    t = torch.from_numpy(z)
    for dtype in (torch.half, jnp.float16, np.float16):
        assert lsmx.softmax(t, dtype=dtype).dtype == torch.float16
    for narrow in ("bfloat16", torch.bfloat16, jnp.bfloat16, ml_dtypes.bfloat16, np.dtype(ml_dtypes.bfloat16)):
        assert lsmx.softmax(t, dtype=narrow).dtype == torch.bfloat16
        assert lsmx.softmax(jnp.asarray(z), dtype=narrow).dtype == jnp.bfloat16
    for narrow in (torch.bfloat16, "bfloat16"):
        with pytest.raises(lsmx.DTypeError, match="has no bfloat16"):
            lsmx.softmax(z, dtype=narrow)


BAD = [
    "i4",
    int,
    "complex64",
    complex,
    "nonsense",
    object,
    "O",
    "S3",
    "M8",
    "f16",
    "float8_e4m3fn",
    "",
    b"x",
    "f4,f4",
    "3f4",
    4,
    1.0,
]
BAD += [True, [], {}, (), ("f4", 3), [("a", "f4")], np.float32(1.0), np.ones(2), np.dtype("V4"), type, lambda x: x, np.int64, bool]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_float_format(bad: Any) -> None:
    import jax.numpy as jnp
    import torch

    for z in (Z, np.asarray([1, 2]), torch.from_numpy(Z), jnp.asarray(Z), array_api_strict.asarray(Z)):
        with pytest.raises(lsmx.DTypeError, match=r"^dtype: .* is not one of float16, bfloat16, float32, float64"):
            lsmx.log_softmax(z, dtype=bad)
    with pytest.raises(lsmx.DTypeError, match=r"^dtype: "):
        lsmx.log_softmax(Z, dtype=jnp.asarray(Z))


# --- the other byte order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 9), (5, 40000)], ids=["small", "in blocks"])
@pytest.mark.parametrize("axis", [-1, 0, None])
@pytest.mark.parametrize("name", SWAPPED)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_other_byte_order(function: str, name: str, axis: Any, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(11)
    z, v = rng.standard_normal((2, *shape)).astype(name)
    g = rng.standard_normal(np.shape(lsmx.logsumexp(z, axis=axis))).astype(name) if function == "logsumexp" else v[::-1].copy()
    z2, g2, v2 = (x.astype(SWAPPED[name]) for x in (z, g, v))
    for where in (None, v > -1):
        want = {}
        if where is not None or z.size < 1000 or function == "logsumexp":  # a Jacobian of a long row is large
            want = every_direction(function, z, g, v, axis, where)
            got = every_direction(function, z2, g2, v2, axis, where)
            assert {d: differing(x, want[d]) for d, x in got.items()} == dict.fromkeys(want)
            assert all(x.dtype.isnative for x in got.values())
        out = getattr(lsmx, function)(z, axis=axis, where=where)
        saved = residual(function, z, out)
        dz = getattr(lsmx, f"{function}_backward")(g, *saved, axis=axis, where=where)
        for to in (np.dtype(name), SWAPPED[name]):
            room = np.full(out.shape, 7, to)
            assert getattr(lsmx, function)(z2, axis=axis, where=where, out=room) is room
            assert room.dtype == to
            assert differing(room.astype(name), out) is None
            assert (
                differing(getattr(lsmx, function)(z, axis=axis, where=where, out=np.empty(out.shape, to)).astype(name), out) is None
            )
            room = np.full(z.shape, 7, to)
            getattr(lsmx, f"{function}_backward")(g2, *saved, axis=axis, where=where, out=room)
            assert differing(room.astype(name), dz) is None


def test_the_other_byte_order_in_files_integers_and_rules(tmp_path: pathlib.Path) -> None:
    other = SWAPPED["float32"]
    Z.astype(other).tofile(tmp_path / "z")
    stored = np.memmap(tmp_path / "z", other, "r", shape=Z.shape)
    assert differing(np.asarray(lsmx.log_softmax(stored)), lsmx.log_softmax(Z)) is None
    whole = (10 * Z).astype(np.int32)
    swapped = whole.astype(whole.dtype.newbyteorder())
    assert differing(lsmx.softmax(swapped, dtype=">f8"), lsmx.softmax(whole, dtype="f8")) is None
    rules = lsmx.registered()["log_softmax"].function
    from lsmx.extend import Context

    assert rules.forward(Context(), Z.astype(other)).dtype.isnative
    with pytest.raises(lsmx.OutputError, match=r"^out: dtype float64, but the result has float32; pass dtype="):
        lsmx.log_softmax(Z.astype(other), out=np.empty(Z.shape, SWAPPED["float64"]))
