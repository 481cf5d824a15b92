"""Arrays of others: subclasses, small namespaces, narrow and wide floats, what holds no numbers, and the spellings of ``dtype=``."""

from __future__ import annotations

import pathlib
import types
from collections.abc import Iterator
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest

import lsmx
from lsmx.testing import differing
from lsmx.testing.calls import FUNCTIONS, every_direction, residual

RNG = np.random.default_rng(5)
Z, G, V = RNG.standard_normal((3, 6, 9)).astype(np.float32)
SWAPPED = {name: np.dtype(name).newbyteorder() for name in ("float16", "float32", "float64")}


# --- whatever has __array_namespace__ ------------------------------------------------------------------------------------------


class Wrapped(np.lib.mixins.NDArrayOperatorsMixin):
    """An array around NumPy's, whose operators are a mixin of NumPy's, as those of pydata/sparse are."""

    def __init__(self, inner: Any) -> None:
        self.inner = np.asarray(inner)

    shape = property(lambda self: self.inner.shape)
    dtype = property(lambda self: self.inner.dtype)
    device = "cpu"

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return WRAPPED

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return wrap(getattr(ufunc, method)(*map(unwrap, inputs), **options))

    def __getitem__(self, key: Any) -> Any:
        return wrap(self.inner[unwrap(key)])


def unwrap(x: Any) -> Any:
    return type(x)(map(unwrap, x)) if isinstance(x, tuple | list) else x.inner if isinstance(x, Wrapped) else x


def wrap(x: Any) -> Any:
    return Wrapped(x) if isinstance(x, np.ndarray | np.generic) else x


class Namespace(types.ModuleType):
    """NumPy's functions on ``Wrapped``, less those that ``without`` names."""

    def __init__(self, *without: str) -> None:
        super().__init__("wrapped")
        self.without = without

    def __getattr__(self, name: str) -> Any:
        if name in self.without:
            raise AttributeError(f"module 'wrapped' has no attribute {name!r}", name=name, obj=self)
        found = getattr(np, name)
        if isinstance(found, type) or not callable(found) or name == "__array_namespace_info__":
            return found
        return lambda *args, **options: wrap(found(*map(unwrap, args), **{k: unwrap(v) for k, v in options.items()}))


WRAPPED = Namespace()


class Named(Wrapped):
    """An array whose base class is from another module than it is itself."""

    __module__ = "a_third_library.arrays"


@pytest.mark.parametrize("kind", [Wrapped, Named])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_mixins_and_base_classes_from_elsewhere(function: str, kind: type) -> None:
    g = G[:, 0] if function == "logsumexp" else G
    mask = V > -0.5
    for where in (None, mask):
        got = every_direction(function, kind(Z), kind(g), kind(V), where=where if where is None else kind(where))
        want = every_direction(function, Z, g, V, where=where)
        assert got.keys() == want.keys()
        for direction, x in got.items():
            assert isinstance(x, Wrapped)
            assert differing(x.inner, want[direction]) is None, direction


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """array-api-strict with another namespace: called with what ``__array_namespace_info__`` is to be, and what is to be missing."""

    def change(information: Any, *without: str) -> None:
        class Small:
            __name__ = "small"

            def __getattr__(self, name: str) -> Any:
                if name in without or (name == "__array_namespace_info__" and information is None):
                    raise AttributeError(f"no {name}", name=name, obj=self)
                return information if name == "__array_namespace_info__" else getattr(array_api_strict, name)

        kind, namespace = type(array_api_strict.asarray(0.0)), Small()
        monkeypatch.setattr(kind, "__array_namespace__", lambda self, api_version=None: namespace)

    return change


class Told:
    """Information about dtypes, by a function in place of the standard's method."""

    def __init__(self, dtypes: Any) -> None:
        self.dtypes = dtypes


STRICT = array_api_strict.__array_namespace_info__()


def by_kind(*, kind: Any = None) -> Any:
    return STRICT.dtypes(kind=kind)


def by_device(*, device: Any = None) -> Any:
    return STRICT.dtypes(device=device)


def without_options() -> Any:
    return STRICT.dtypes()


def all_kinds(*, device: Any = None, kind: Any = None) -> Any:
    return STRICT.dtypes(device=device)


@pytest.mark.parametrize("dtypes", [by_kind, by_device, without_options, all_kinds, None])
def test_namespaces_that_tell_less_about_dtypes(small: Any, dtypes: Any) -> None:
    small(None if dtypes is None else lambda: Told(dtypes))
    for z in (Z, Z.astype(np.float64)):
        got = np.asarray(lsmx.log_softmax(array_api_strict.asarray(z)))
        assert differing(got, lsmx.log_softmax(z)) is None


def test_a_namespace_that_tells_nothing_is_tried(small: Any) -> None:
    from lsmx._definition.ops import widest_integers

    small(None)
    xp = array_api_strict.asarray(0.0).__array_namespace__()
    for device, bits in (("CPU_DEVICE", 64), ("no_x64", 32)):
        assert widest_integers(xp, array_api_strict.Device(device)) == (getattr(xp, f"int{bits}"), bits)


def fails(*, device: Any = None, kind: Any = None) -> Any:
    raise OSError("the driver is away")


def refuses() -> Any:
    raise TypeError("asked wrongly")


@pytest.mark.parametrize(
    ("information", "without", "match"),
    [
        (lambda: Told(fails), (), r"small: has no __array_namespace_info__\(\)\.dtypes\(\).*OSError: the driver is away"),
        (refuses, (), r"small: has no __array_namespace_info__\(\)\.dtypes\(\).*asked wrongly"),
        (lambda: object(), (), r"small: has no __array_namespace_info__\(\)\.dtypes\(\)"),
        (lambda: Told(lambda **_: {"float32": array_api_strict.float32}), (), "small: has no signed integers"),
        (None, ("int64", "int32"), "small: has no signed integers"),
        (lambda: STRICT, ("isfinite",), "small: has no isfinite as the array API standard asks for"),
    ],
)
def test_what_a_namespace_lacks_is_named(small: Any, information: Any, without: tuple[str, ...], match: str) -> None:
    small(information, *without)
    with pytest.raises(lsmx.BackendError, match=match):
        lsmx.log_softmax(array_api_strict.asarray(Z))


def test_a_library_that_cannot_compute_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def irregular(*_: Any, **__: Any) -> Any:
        raise ValueError("irregular chunks")

    monkeypatch.setattr(array_api_strict, "take", irregular)
    with pytest.raises(lsmx.BackendError, match=r"irregular chunks.*numpy\.asarray"):
        lsmx.log_softmax(array_api_strict.asarray(Z))
    monkeypatch.undo()
    with pytest.raises(NotImplementedError) as caught:  # a rule that there is not
        lse = lsmx.registered()["logsumexp"]
        z = array_api_strict.asarray(Z)
        lse.derivative("jacobian", {}, {"z": z, "output": lsmx.logsumexp(z)}, -1)
    assert not isinstance(caught.value, lsmx.LsmxError)


def test_arrays_that_cannot_say_their_namespace() -> None:
    class Strange:
        shape, dtype = (3,), np.dtype(np.float32)

        def __array_namespace__(self) -> Any:
            return np

    with pytest.raises(lsmx.BackendError, match=r"__array_namespace__\(api_version=None\)"):
        lsmx.log_softmax(Strange())


def test_arrays_without_a_device() -> None:
    class Placeless(Wrapped):
        @property
        def device(self) -> Any:  # type: ignore[override]
            raise AttributeError("device")

    got = lsmx.log_softmax(Placeless(Z))
    assert differing(got.inner, lsmx.log_softmax(Z)) is None


# --- subclasses of numpy.ndarray ------------------------------------------------------------------------------------------------


class Plain(np.ndarray):
    """Overrides nothing."""


class Noted(np.ndarray):
    """Has a note, which it hands on, and shows itself in its own way."""

    note: Any = None

    def __new__(cls, values: Any, note: str) -> Any:
        made = np.asarray(values).view(cls)
        made.note = note
        return made

    def __array_finalize__(self, of: Any) -> None:
        self.note = getattr(of, "note", None)

    def __repr__(self) -> str:
        return "noted"


class Flagged(np.ndarray):
    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("called")


class Functions(np.ndarray):
    def __array_function__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("called")


class Wrapping(np.ndarray):
    mask = True

    def __array_wrap__(self, *_: Any) -> Any:
        raise AssertionError("called")


class Tropical(np.ndarray):
    """Its product is a sum."""

    def __mul__(self, other: Any) -> Any:
        return self + other


class Skipping(np.ndarray):
    """Its sum leaves out what is no number."""

    def sum(self, *args: Any, **options: Any) -> Any:
        return np.nansum(np.asarray(self), *args, **options)


class Inherits(Flagged):
    """Has its meaning from its base class."""


class MixedIn(np.lib.mixins.NDArrayOperatorsMixin, np.ndarray):
    """Has operators that are not ``numpy.ndarray``'s."""


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", ["plain", "noted", "memmap"])
def test_subclasses_without_a_meaning_are_served(tmp_path: pathlib.Path, function: str, kind: str) -> None:
    def made(values: Any) -> Any:
        if kind == "memmap":
            stored = np.memmap(tmp_path / f"{values.shape}{values[0].flat[0]}", values.dtype, "w+", shape=values.shape)
            stored[...] = values
            return stored
        return values.view(Plain) if kind == "plain" else Noted(values, "of mine")

    g = np.ascontiguousarray(G[:, 0]) if function == "logsumexp" else G
    got, want = every_direction(function, made(Z), made(g), made(V)), every_direction(function, Z, g, V)
    assert {d: differing(np.asarray(x), want[d]) for d, x in got.items()} == dict.fromkeys(want)


@pytest.mark.parametrize("kind", [Flagged, Functions, Wrapping, Tropical, Skipping, Inherits, MixedIn])
def test_subclasses_with_a_meaning_are_refused_by_name(kind: type) -> None:
    z, name = Z.view(kind), kind.__name__
    out = lsmx.log_softmax(Z)
    calls = {
        "z": lambda: lsmx.log_softmax(z),
        "grad_output": lambda: lsmx.log_softmax_backward(z, out),
        "output": lambda: lsmx.softmax_jacobian(z),
        "out": lambda: lsmx.log_softmax(Z, out=z),
        "where": lambda: lsmx.log_softmax(Z, where=(Z > 0).view(kind)),
    }
    for argument, call in calls.items():
        with pytest.raises(lsmx.ArrayTypeError, match=rf"^{argument}: .*{name}.*numpy\.asarray"):
            call()
        with pytest.raises(TypeError):  # when it is known already, too
            call()
    assert differing(lsmx.log_softmax(np.asarray(z)), out) is None  # what the message says


def test_what_is_overridden_is_said() -> None:
    for kind, what in ((Flagged, "__array_ufunc__"), (Tropical, "__mul__"), (Skipping, "sum"), (Wrapping, r"where=~z\.mask")):
        with pytest.raises(lsmx.ArrayTypeError, match=what):
            lsmx.log_softmax(Z.view(kind))


def test_a_subclass_may_name_its_own_functions() -> None:
    class Own(np.ndarray):
        def __array_namespace__(self, *, api_version: str | None = None) -> Any:
            import array_api_compat.numpy as xp

            return xp

    z = Z.view(Own)
    assert lsmx.backend_for(z).name == "standard"
    assert differing(np.asarray(lsmx.log_softmax(z)), lsmx.log_softmax(Z)) is None


def test_records_are_refused_by_name() -> None:
    with pytest.raises(lsmx.ArrayTypeError, match=r"numpy\.recarray.*one field"):
        lsmx.log_softmax(np.rec.array([(1.0, 2)], dtype="f4,i4"))
    with pytest.raises(lsmx.ArrayTypeError, match="chararray"):
        lsmx.log_softmax(np.char.array(["a"]))


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


def test_casts_that_a_library_does_not_have_say_so() -> None:
    import jax.numpy as jnp
    import torch

    packed = torch.zeros(2, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    with pytest.raises(lsmx.DTypeError, match=r"^z: .*cannot cast float4_e2m1fn_x2 to float32.*convert it first"):
        lsmx.log_softmax(packed, dtype="float32")
    with pytest.raises(lsmx.DTypeError, match=r"^z: .*cannot cast float6_e2m3fn to float32"):
        lsmx.log_softmax(jnp.asarray(narrow_values("float6_e2m3fn")), dtype="float32")
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
    assert differing(out.astype(np.float32), getattr(lsmx, function)(z.astype(np.float32)).astype(narrow).astype(np.float32)) is None
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
    with pytest.raises(lsmx.DTypeError, match="^output: an array of"):
        lsmx.log_softmax_jacobian(z)
    with pytest.raises(lsmx.DTypeError, match="^grad_output: an array of"):
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


BAD = ["i4", int, "complex64", complex, "nonsense", object, "O", "S3", "M8", "f16", "float8_e4m3fn", "", b"x", "f4,f4", "3f4", 4, 1.0]
BAD += [True, [], {}, (), ("f4", 3), [("a", "f4")], np.float32(1.0), np.ones(2), np.dtype("V4"), type, lambda x: x, np.int64, bool]


@pytest.mark.parametrize("bad", BAD, ids=str)
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
            assert differing(getattr(lsmx, function)(z, axis=axis, where=where, out=np.empty(out.shape, to)).astype(name), out) is None
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


# --- arguments of other kinds ---------------------------------------------------------------------------------------------------

ODD_AXES = ["0", 1.0, 0.5, object(), (0, 0.0), (None,), {0}, True, np.True_, [True], np.asarray([0.5]), np.asarray([[0, 1]]), b"0"]
ODD_AXES += [np.asarray([0, 1]), ((0,),), {}, "", 1j, float("nan"), range(2), slice(None), Ellipsis, np.asarray([True])]


@pytest.mark.parametrize("axis", ODD_AXES, ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_axes_in_every_direction(library: str, axis: Any) -> None:
    z, g = (on(library, x) for x in (Z, G))
    out, lse, one = lsmx.log_softmax(z), lsmx.logsumexp(z), on(library, Z[:, 0].copy())
    calls = [
        *(lambda f=f: getattr(lsmx, f)(z, axis=axis) for f in FUNCTIONS),
        *(lambda f=f: getattr(lsmx, f"{f}_backward")(g, out, axis=axis) for f in FUNCTIONS[:2]),
        *(lambda f=f: getattr(lsmx, f"{f}_jvp")(g, out, axis=axis) for f in FUNCTIONS[:2]),
        *(lambda f=f: getattr(lsmx, f"{f}_jacobian")(out, axis=axis) for f in FUNCTIONS[:2]),
        lambda: lsmx.logsumexp_backward(one, z, lse, axis=axis),
        lambda: lsmx.logsumexp_jvp(g, z, lse, axis=axis),
    ]
    for call in calls:
        with pytest.raises(lsmx.AxisError, match="^axis: "):
            call()


def on(library: str, x: Any) -> Any:
    """An array on a library."""
    if library == "torch":
        import torch

        return torch.from_numpy(x)
    if library == "jax":
        import jax.numpy as jnp

        return jnp.asarray(x)
    return array_api_strict.asarray(x) if library == "strict" else x


@pytest.mark.parametrize("bad", ["yes", 1, 0, 1.0, True, np.True_, [True] * 9, (True,), {}, object(), Z, Z > 9, np.ones((6, 9), int)], ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_masks_in_every_direction(library: str, bad: Any) -> None:
    if isinstance(bad, np.ndarray):
        bad = on(library, bad[:4] if bad.dtype == bool else bad)
    z, g = (on(library, x) for x in (Z, G))
    out, lse, one = lsmx.log_softmax(z), lsmx.logsumexp(z), on(library, Z[:, 0].copy())
    calls = [
        *(lambda f=f: getattr(lsmx, f)(z, where=bad) for f in FUNCTIONS),
        *(lambda f=f: getattr(lsmx, f"{f}_backward")(g, out, where=bad) for f in FUNCTIONS[:2]),
        *(lambda f=f: getattr(lsmx, f"{f}_jvp")(g, out, where=bad) for f in FUNCTIONS[:2]),
        lambda: lsmx.logsumexp_backward(one, z, lse, where=bad),
        lambda: lsmx.logsumexp_jvp(g, z, lse, where=bad),
    ]
    for call in calls:
        with pytest.raises((TypeError, lsmx.ShapeError), match="^where: ") as caught:
            call()
        assert isinstance(caught.value, lsmx.LsmxError)


@pytest.mark.parametrize("bad", ["no", "False", 2, 0, 1, 1.0, None, [], [1], (), {}, np.asarray([True]), np.ones(3), object()], ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_flags(library: str, bad: Any) -> None:
    z = on(library, Z)
    with pytest.raises(lsmx.FlagError, match="^keepdims: .*pass True or False"):
        lsmx.logsumexp(z, keepdims=bad)
    for good in (np.True_, True):
        assert tuple(lsmx.logsumexp(z, keepdims=good).shape) == (6, 1)
    assert tuple(lsmx.logsumexp(z, keepdims=np.False_).shape) == (6,)


@pytest.mark.parametrize("bad", ["x", 1, [[0.0] * 9] * 6, (), {}, True, np.float32(1), object()], ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "strict"])
def test_odd_outputs(library: str, bad: Any) -> None:
    z = on(library, Z)
    for call in (lambda: lsmx.log_softmax(z, out=bad), lambda: lsmx.log_softmax_backward(z, z, out=bad)):
        with pytest.raises(lsmx.ArrayTypeError, match="^out: .*is not an array"):
            call()
