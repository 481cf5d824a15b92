"""Calls as people who come from PyTorch, SciPy or JAX write them: a ``TypeError`` says what to write here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend

ARRAYS = {
    "log_softmax": ("z",),
    "softmax": ("z",),
    "logsumexp": ("z",),
    "log_softmax_backward": ("grad_output", "output"),
    "softmax_backward": ("grad_output", "output"),
    "logsumexp_backward": ("grad_output", "z", "output"),
    "log_softmax_jvp": ("tangent", "output"),
    "softmax_jvp": ("tangent", "output"),
    "logsumexp_jvp": ("tangent", "z", "output"),
    "log_softmax_jacobian": ("output",),
    "softmax_jacobian": ("output",),
}
Z = np.random.default_rng(5).standard_normal((3, 4)).astype(np.float32)


def refused(call: Callable[..., Any], *arrays: Any, **options: Any) -> str:
    """The message of the error, without what is accepted."""
    with pytest.raises(lsmx.ArgumentError) as caught:
        call(*arrays, **options)
    assert isinstance(caught.value, TypeError)
    message, _, accepted = str(caught.value).partition(". Accepted is ")
    assert "axis=" in accepted
    return message


@pytest.fixture
def power() -> Iterator[extend.Operator]:
    """A function of a user, with an option of its own."""

    class Power(extend.Function):
        residual = ("z",)

        @staticmethod
        def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, exponent: int = 3) -> Any:
            ctx.save_for_backward(z)
            return z**exponent

        @staticmethod
        def backward(ctx: Any, grad_output: Any, /) -> Any:
            (z,) = ctx.saved_tensors
            return grad_output * 3 * z**2

    yield extend.register("power", Power)
    extend.unregister("power")


@pytest.mark.parametrize("name", ARRAYS)
def test_an_axis_is_named(name: str) -> None:
    function, arrays = getattr(lsmx, name), [Z] * len(ARRAYS[name])
    assert refused(function, *arrays, 0) == f"{name}: 0 after the arrays: pass axis=0"
    assert refused(function, *arrays, dim=0) == f"{name}: dim=0: pass axis=0"
    assert refused(function, *arrays, dims=(0, 1)) == f"{name}: dims=(0, 1): pass axis=(0, 1)"


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_not_named(name: str) -> None:
    function, arrays = getattr(lsmx, name), ARRAYS[name]
    said = refused(function, **dict.fromkeys(arrays, Z))
    assert said == f"{name}: " + "; ".join(f"{array}=: pass arrays by position, without a name" for array in arrays)
    with pytest.raises(TypeError, match=f"^{arrays[-1]}: .* is not an array"):
        function(*[Z] * (len(arrays) - 1))


@pytest.mark.parametrize(
    ("name", "extra", "options", "said"),
    [
        ("log_softmax", (np.int64(1),), {}, "1 after the arrays: pass axis=1"),
        ("log_softmax", ([0, 1],), {}, "[0, 1] after the arrays: pass axis=(0, 1)"),
        ("log_softmax", (None,), {}, "None after the arrays: pass axis=None"),
        ("log_softmax", ("float64",), {}, "'float64' after the arrays: pass dtype='float64'"),
        ("log_softmax", (np.float64,), {}, "numpy.float64 after the arrays: pass dtype=numpy.float64"),
        ("softmax", (np.dtype("f8"),), {}, "dtype('float64') after the arrays: pass dtype=dtype('float64')"),
        ("softmax", (Z > 0,), {}, "<ndarray> after the arrays: pass where=<ndarray>"),
        ("softmax", (Z,), {}, "<ndarray> after the arrays: pass out=<ndarray>"),
        ("softmax", (1.5,), {}, "1.5 after the arrays: leave it out, it fits no option here"),
        ("logsumexp", (0, True), {}, "0 after the arrays: pass axis=0; True after the arrays: pass keepdims=True"),
        ("logsumexp", (0,), {"keepdim": True}, "keepdim=True: pass keepdims=True; 0 after the arrays: pass axis=0"),
        ("logsumexp", (), {"b": 2}, "b=2: leave it out, and add the logarithm of the weights to the array"),
        ("softmax", (), {"keepdims": True}, "keepdims=True: leave it out, the shape of the result follows from the arrays"),
        ("softmax", (), {"keepdim": True}, "keepdim=True: leave it out, the shape of the result follows from the arrays"),
        ("softmax", (), {"mask": Z > 0}, "mask=<ndarray>: pass where=<ndarray>, True for the entries that take part"),
        ("softmax", (), {"initial": 0}, "initial=0: leave it out, what is masked, or empty, needs no value to start from"),
        ("log_softmax", (), {"axsi": 0}, "axsi=0: pass axis=0"),
        ("log_softmax", (), {"input_dtype": "float64"}, "input_dtype='float64': pass dtype='float64'"),
        ("log_softmax", (), {"temperature": 2}, "temperature=2: leave it out, and divide the array by it, as in z / temperature"),
        ("log_softmax", (), {"support": Z}, "support=<ndarray>: leave it out, pass a mask of the classes as where="),
        ("log_softmax", (), {"sharpness": 2}, "sharpness=2: leave it out, there is no such option here"),
        ("log_softmax_backward", (Z,), {"dtype": "float64"}, "dtype='float64': leave it out, there is no such option here"),
    ],
)
def test_what_to_pass(name: str, extra: tuple[Any, ...], options: dict[str, Any], said: str) -> None:
    assert refused(getattr(lsmx, name), Z, *extra, **options) == f"{name}: {said}"


def test_pytorch_calls_from_top_to_bottom() -> None:
    said = refused(lsmx.log_softmax, input=Z, dim=1, _stacklevel=3, dtype=None)
    assert said == (
        "log_softmax: input=: pass arrays by position, without a name; dim=1: pass axis=1; "
        "_stacklevel=3: leave it out, it is PyTorch's own"
    )
    said = refused(lsmx.log_softmax, Z, 1, 3, "float64")
    assert said == (
        "log_softmax: 1 after the arrays: pass axis=1; 3 after the arrays: leave it out, it fits no option here; "
        "'float64' after the arrays: pass dtype='float64'"
    )


def test_the_error_says_what_is_accepted() -> None:
    accepted = "logsumexp(z, axis=..., keepdims=..., where=..., dtype=..., out=...), with arrays by position"
    with pytest.raises(lsmx.ArgumentError, match=re.escape(f". Accepted is {accepted}") + "$"):
        lsmx.logsumexp(Z, 0)


def test_explain_and_functions_of_users(power: extend.Operator) -> None:
    assert refused(lsmx.explain, Z, dim=0) == "explain: dim=0: pass axis=0"
    assert refused(power, Z, 0) == "power: 0 after the arrays: pass axis=0"
    assert refused(power, Z, dim=0) == "power: dim=0: pass axis=0"
    assert refused(power, Z, exponents=2) == "power: exponents=2: pass exponent=2"
    assert refused(power, z=Z, exponent=2) == "power: z=: pass arrays by position, without a name"
    assert np.array_equal(power(Z, axis=0, exponent=2), Z**2)


def test_help_shows_what_is_accepted() -> None:
    for name, arrays in ARRAYS.items():
        parameters = inspect.signature(getattr(lsmx, name)).parameters.values()
        assert tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY) == arrays
        assert {p.kind for p in parameters} == {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY}
    named = ["arrays", "function", "direction", "axis", "where", "dtype"]
    assert list(inspect.signature(lsmx.explain).parameters) == [*named, "options"]  # those of the function


def test_inside_torch_compile(power: extend.Operator) -> None:
    torch = pytest.importorskip("torch")
    z = torch.from_numpy(Z)
    for call in (
        lsmx.log_softmax,
        lambda z: lsmx.logsumexp(z, axis=0, keepdims=True),
        lambda z: lsmx.softmax_backward(z, lsmx.softmax(z)),
        lambda z: power(z, axis=0, exponent=2),
    ):
        assert torch.equal(torch.compile(call, fullgraph=True, backend="eager")(z), call(z))
    with pytest.raises(TypeError, match="pass axis=0"):
        torch.compile(lsmx.log_softmax, backend="eager")(z, 0)
    torch._dynamo.reset()  # which compiles no function again that has raised


def test_inside_jax_jit(power: extend.Operator) -> None:
    jax = pytest.importorskip("jax")
    z = jax.numpy.asarray(Z)
    static = jax.jit(lsmx.log_softmax, static_argnames="axis")
    assert np.array_equal(static(z, axis=0), lsmx.log_softmax(z, axis=0))
    assert np.array_equal(jax.jit(lambda z: power(z, axis=0, exponent=2))(z), power(z, axis=0, exponent=2))
    with pytest.raises(lsmx.ArgumentError, match="pass axis="):
        jax.jit(lsmx.log_softmax)(z, 0)
