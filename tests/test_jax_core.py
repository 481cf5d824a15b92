"""JAX's programs call the compiled core by XLA's foreign-function interface: NumPy's bits, errors, and no Python."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lsmx_jax import host

import lsmx
from lsmx.extend import SINGLE, Part, core, core_status
from lsmx.testing import differing

pytestmark = pytest.mark.skipif(core_status()["missing"] is not None, reason="there is no compiled core")
RNG = np.random.default_rng(60)
FUNCTIONS = ["log_softmax", "softmax", "logsumexp"]
OPTIONS: list[tuple[Any, tuple[int, ...] | None]] = [
    (-1, None),
    (0, (5, 1)),
    ((0, 2), (7,)),
    ((1, 2), (4, 5, 7)),
    (None, (4, 1, 1)),
]


def the_call(result: Any = None, **attributes: Any) -> Any:
    """A program that calls the handler."""
    host.pass_number("softmax_forward")  # so that XLA knows it
    given = {name: np.uint64(value) for name, value in attributes.items()}

    def program(*args: Any) -> Any:
        like = args[0] if result is None else result
        return jax.ffi.ffi_call("lsmx", jax.ShapeDtypeStruct(like.shape, like.dtype))(*args, **given)

    return jax.jit(program)


@pytest.mark.one_in(6)
@pytest.mark.parametrize(("axis", "shape"), OPTIONS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bits_are_those_of_numpy(function: str, dtype: str, axis: Any, shape: tuple[int, ...] | None) -> None:
    """Every pass, along any axes, with masks that broadcast; called inside ``jit`` and outside."""
    z, v = RNG.standard_normal((2, 4, 5, 7)).astype(dtype)
    mask = None if shape is None else RNG.random(shape) < 0.6
    f = getattr(lsmx, function)
    out = f(z, axis=axis, where=mask)
    g = np.asarray(RNG.standard_normal(out.shape)).astype(dtype)
    saved = (z, out) if function == "logsumexp" else (out,)
    calls = {f: (z,), getattr(lsmx, f"{function}_backward"): (g, *saved), getattr(lsmx, f"{function}_jvp"): (v, *saved)}
    with jax.enable_x64(True):
        where = None if mask is None else jnp.asarray(mask)
        for call, arrays in calls.items():
            want = call(*arrays, axis=axis, where=mask)
            given = [jnp.asarray(x) for x in arrays]
            program = jax.jit(lambda *xs, call=call: call(*xs, axis=axis, where=where))
            assert "custom_call @lsmx(" in program.lower(*given).as_text()
            assert differing(np.asarray(program(*given)), np.asarray(want)) is None
            assert differing(np.asarray(call(*given, axis=axis, where=where)), np.asarray(want)) is None


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gradients_of_16_bits_at_the_logits(dtype: str) -> None:
    z, g = (jnp.asarray(x).astype(dtype) for x in RNG.standard_normal((2, 6, 33)))
    with lsmx.using("reference"):
        want = [jax.vjp(lsmx.log_softmax, z)[1](g)[0], jax.jvp(lsmx.log_softmax, (z,), (g,))[1]]
    got = [jax.vjp(lsmx.log_softmax, z)[1](g)[0], jax.jvp(lsmx.log_softmax, (z,), (g,))[1]]
    for direction in ("backward_z", "jvp_z"):
        assert lsmx.explain(g, z, direction=direction).runs == "core"
    assert [
        differing(np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)) for a, b in zip(got, want, strict=True)
    ] == [None] * 2


def test_keepdims_and_dtype() -> None:
    z = RNG.standard_normal((3, 5)).astype(np.float32)
    assert differing(np.asarray(lsmx.logsumexp(jnp.asarray(z), keepdims=True)), lsmx.logsumexp(z, keepdims=True)) is None
    assert differing(np.asarray(lsmx.softmax(jnp.asarray(z), dtype="float64")), lsmx.softmax(z, dtype="float64")) is None


@pytest.mark.parametrize(("shape", "axis", "why"), [((0, 3), -1, "no elements"), ((), None, "no axes")])
def test_what_the_definition_computes(shape: tuple[int, ...], axis: Any, why: str) -> None:
    z = jnp.ones(shape, jnp.float32)
    assert why in str(lsmx.explain(z, axis=axis))
    got = lsmx.log_softmax(z, axis=axis)
    assert got.shape == shape
    assert differing(np.asarray(got), np.zeros(shape, np.float32)) is None


Z = np.ones((3, 4), np.float32)
SOFTMAX, SOFTMAX_BACKWARD, LOGSUMEXP = 5, 6, 7
WRONG: list[tuple[str, tuple[Any, ...], dict[str, int], Any]] = [
    ("an attribute is missing", (Z,), {"pass": SOFTMAX, "reduced": 2}, None),
    ("there is no such pass", (Z,), {"pass": 99, "reduced": 2, "mask": 0}, None),
    ("mask is neither 0 nor 1", (Z,), {"pass": SOFTMAX, "reduced": 2, "mask": 2}, None),
    ("other arrays than the pass takes", (Z, Z), {"pass": SOFTMAX, "reduced": 2, "mask": 0}, None),
    ("the mask is not of booleans", (Z, Z), {"pass": SOFTMAX, "reduced": 2, "mask": 1}, None),
    ("not of a float type", (Z.astype(np.int32),), {"pass": SOFTMAX, "reduced": 2, "mask": 0}, None),
    ("the result is not of a float type", (Z,), {"pass": SOFTMAX, "reduced": 2, "mask": 0}, np.zeros((3, 4), np.int32)),
    ("computed in different formats", (Z, Z.astype(np.float64)), {"pass": SOFTMAX_BACKWARD, "reduced": 2, "mask": 0}, None),
    ("an axis is out of range", (Z,), {"pass": SOFTMAX, "reduced": 4, "mask": 0}, None),
    ("an array has another shape", (Z,), {"pass": SOFTMAX, "reduced": 2, "mask": 0}, np.zeros((3, 5), np.float32)),
    ("an array has another shape", (Z, Z[:2]), {"pass": SOFTMAX_BACKWARD, "reduced": 2, "mask": 0}, None),
    ("too few axes", (Z[0], Z), {"pass": SOFTMAX_BACKWARD, "reduced": 2, "mask": 0}, Z),
    ("no elements", (Z[:, :0],), {"pass": LOGSUMEXP, "reduced": 2, "mask": 0}, Z[:, 0]),
]


@pytest.mark.parametrize(("message", "arrays", "attributes", "result"), WRONG)
def test_the_handler_reports_what_is_wrong(message: str, arrays: Any, attributes: dict[str, int], result: Any) -> None:
    """As XLA's errors, which do no harm to the calls after them."""
    with jax.enable_x64(True), pytest.raises(Exception, match=rf"INVALID_ARGUMENT: lsmx: .*{message}"):
        jax.block_until_ready(the_call(result, **attributes)(*arrays))
    assert differing(np.asarray(lsmx.softmax(jnp.asarray(Z))), lsmx.softmax(Z)) is None


@contextmanager
def holding_the_interpreter() -> Iterator[None]:
    """No other thread gets it, as long as nothing is called that lets it go."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def in_python(frame: int) -> None:
    """A handler that does nothing but to answer, if it is asked, that it is of version 0.1."""
    extension = ctypes.c_void_p.from_address(frame + 8).value
    if extension and ctypes.c_int.from_address(extension + 8).value == 1:
        metadata = ctypes.c_void_p.from_address(extension + 24).value
        assert metadata is not None
        ctypes.c_int.from_address(metadata + 28).value = 1


def ends_while_held(program: Any, z: Any, asked: int) -> bool:
    """Whether the program's result is there while this thread keeps the interpreter to itself."""
    with holding_the_interpreter():
        result = program(z)
        ready = any(result.is_ready() for _ in range(asked))
    jax.block_until_ready(result)
    return ready


def test_a_call_needs_no_python() -> None:
    """It ends while another thread holds the interpreter; that of a handler in Python does not, or this would show nothing.

    Products of matrices have XLA run the programs in a thread of its own. Starting a program lets the interpreter go: on a busy
    machine that may be long enough for a handler in Python as well, hence several tries for it to be seen waiting.
    """
    handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(in_python)
    jax.ffi.register_ffi_target("in_python", jax.ffi.pycapsule(handler), platform="cpu")
    z = jnp.asarray(RNG.standard_normal((500, 500)).astype(np.float32))
    python = jax.ffi.ffi_call("in_python", jax.ShapeDtypeStruct(z.shape, z.dtype))
    programs = [jax.jit(lambda z, f=f: jax.lax.fori_loop(0, 3, lambda i, z: f(z @ z), z)) for f in (lsmx.softmax, python)]
    for program in programs:
        jax.block_until_ready(program(z))
    assert ends_while_held(programs[0], z, 10**8)
    assert not all(ends_while_held(programs[1], z, 10**5) for _ in range(50))


def test_options_that_are_equal_and_not_the_same() -> None:
    """``True == 1``, but it is no axis, whatever has been compiled for 1."""
    z: Any = jnp.asarray(Z)
    call: Any = lsmx.logsumexp
    for _ in range(2):  # the first call of a process finds the backend
        assert call(z, axis=1, keepdims=True).shape == (3, 1)
    with pytest.raises(lsmx.AxisError):
        call(z, axis=True, keepdims=True)
    with pytest.raises(TypeError, match="keepdims"):
        call(z, axis=1, keepdims=1)


def test_without_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA compiles the definition, and ``explain`` says why."""
    z = RNG.standard_normal((9, 21)).astype(np.float32)
    monkeypatch.setattr(host, "core", lambda: None)
    monkeypatch.setattr(host, "pass_number", host.pass_number.__wrapped__)
    program = jax.jit(lambda z: lsmx.softmax(z))
    assert "no compiled core" in str(lsmx.explain(jnp.asarray(z)))
    assert "custom-call" not in program.lower(z).compile().as_text()
    assert differing(np.asarray(program(z)), lsmx.softmax(z)) is None


def test_parts_of_rows_have_room_for_the_whole() -> None:
    """Sums over 8 devices have three bits more than those of one."""
    from lsmx._definition.sums import add_up

    with jax.enable_x64(True):
        x = jnp.ones((2, 16))
        ops = lsmx.backend_for(x).ops(x, SINGLE)
        one, eight = (add_up(replace(ops, part=part), x, 0, 20, (1,)) for part in (None, Part((2, 128), (0, 0), lambda how, x: x)))
    assert [eight[0].bits - one[0].bits, len(one), len(eight)] == [3, 1, 1]


def test_the_core_has_one_handler() -> None:
    module = core()
    assert module is not None
    assert type(module.xla_handler()).__name__ == "PyCapsule"
