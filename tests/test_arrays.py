"""Arrays of others: whatever has a namespace of the standard, and subclasses of ``numpy.ndarray``."""

from __future__ import annotations

import pathlib
import types
from collections.abc import Iterator
from typing import Any

import array_api_strict
import numpy as np
import pytest

import lsmx
from lsmx.testing import differing
from lsmx.testing.calls import FUNCTIONS, every_direction

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
    """array-api-strict with another namespace: called with its ``__array_namespace_info__``, and names that are to be missing."""

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
    z = array_api_strict.asarray(Z)
    given = {"z": z, "output": lsmx.logsumexp(z)}
    with pytest.raises(NotImplementedError) as caught:  # a rule that there is not
        lsmx.registered()["logsumexp"].derivative("jacobian", {}, given, -1)
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
    """Has ufuncs of its own."""

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("called")


class Functions(np.ndarray):
    """Has functions of its own."""

    def __array_function__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("called")


class Wrapping(np.ndarray):
    """Does something to results, and has a mask."""

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
