"""JAX: all transformations and their nestings, masks, both settings of x64, donated and divided arrays, compiling once."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import lsmx
from lsmx.testing import differing, quantise
from tests.rows import by_autograd

FUNCTIONS: dict[str, Callable[..., Any]] = {"log_softmax": lsmx.log_softmax, "softmax": lsmx.softmax, "logsumexp": lsmx.logsumexp}
OWN: dict[str, Callable[..., Any]] = {
    "log_softmax": jax.nn.log_softmax,
    "softmax": jax.nn.softmax,
    "logsumexp": jax.scipy.special.logsumexp,
}
DTYPES = ["float16", "bfloat16", "float32", "float64"]
RNG = np.random.default_rng(40)
MASK = RNG.random((3, 4, 2)) < 0.7
MASK[..., 0] = True


def array(*shape: int, dtype: str = "float32") -> Any:
    with jax.enable_x64(True):
        return jnp.asarray(quantise(2 * RNG.standard_normal(shape), dtype)).astype(dtype)


def host(x: Any) -> np.ndarray:
    return np.asarray(x.astype("float32") if x.dtype == jnp.bfloat16 else x)


def same(got: Any, want: Any) -> None:
    assert got.dtype == want.dtype
    assert differing(host(got), host(want)) is None


def residual(function: str, z: Any, out: Any) -> tuple[Any, ...]:
    return (z, out) if function == "logsumexp" else (out,)


@pytest.mark.one_in(9)
@pytest.mark.parametrize(("dtype", "x64"), [(d, x64) for d in DTYPES for x64 in (False, True) if x64 or d != "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bits_of_jit_vjp_jvp_and_vmap(function: str, dtype: str, x64: bool) -> None:
    f = FUNCTIONS[function]
    z, v = array(4, 5, 6, dtype=dtype), array(4, 5, 6, dtype=dtype)
    with jax.enable_x64(x64):
        out, pull = jax.vjp(f, z)
        g = array(*out.shape, dtype=dtype)
        assert out.dtype == dtype
        numpy = [quantise(np.asarray(x, dtype=np.float64), dtype) for x in (z, g, v)]
        if dtype != "bfloat16":
            same(out, f(numpy[0]))
        same(jax.jit(f)(z), out)
        same(pull(g)[0], by_autograd(function, "backward", g, z, out))
        same(jax.jvp(f, (z,), (v,))[1], by_autograd(function, "jvp", v, z, out))
        for dim in (0, 1, 2):
            same(jax.vmap(f, in_axes=dim)(z), f(jnp.moveaxis(z, dim, 0)))
            same(jax.vmap(lambda z: f(z, axis=None), in_axes=dim)(z), f(jnp.moveaxis(z, dim, 0), axis=(1, 2)))
        scalars = jax.vmap(jax.vmap(jax.vmap(lambda z: f(z, axis=None))))(z)
        same(scalars, f(z[..., None]).reshape(z.shape))


OPTIONS: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": (0, 2)}, {"axis": None}, {"where": MASK}]


@pytest.mark.one_in(13, slow=3)
@pytest.mark.parametrize("options", OPTIONS, ids=["last", "axis-0", "axes-0-2", "all", "masked"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_derivatives_of_three_orders(function: str, options: dict[str, Any]) -> None:
    """JAX's own check: differences in float64, with its tolerances for them."""
    with jax.enable_x64(True):
        given = {k: jnp.asarray(o) if k == "where" else o for k, o in options.items()}

        def f(z: Any) -> Any:
            out = FUNCTIONS[function](jnp.asarray(z), **given)
            return jnp.where(given["where"], out, 0.0) if function == "log_softmax" and "where" in given else out

        check_grads(f, (array(3, 4, 2, dtype="float64"),), order=3, modes=("fwd", "rev"))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("direction", ["backward", "jvp"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_derivatives_of_the_public_derivatives(function: str, direction: str) -> None:
    with jax.enable_x64(True):
        z = array(3, 4, dtype="float64")
        out = FUNCTIONS[function](z)
        vector = array(*(out if direction == "backward" else z).shape, dtype="float64")
        check_grads(getattr(lsmx, f"{function}_{direction}"), (vector, *residual(function, z, out)), order=2, modes=("fwd", "rev"))


MODES = [jax.jacfwd, jax.jacrev]


@pytest.mark.one_in(0, slow=3)
@pytest.mark.parametrize("second", MODES)
@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nested_modes_against_jax(function: str, first: Any, second: Any) -> None:
    """In float64, sums of some ten products of numbers below 4: 4e-15 is eight ulp of 4, some of them JAX's own."""
    with jax.enable_x64(True):
        z = array(2, 3, dtype="float64")
        weight = array(*FUNCTIONS[function](z).shape, dtype="float64")
        got = jax.jit(first(second(lambda z: (FUNCTIONS[function](z) * weight).sum())))(z)
        want = first(second(lambda z: (OWN[function](z, axis=-1) * weight).sum()))(z)
        assert got.shape == want.shape
        assert jnp.abs(got - want).max() <= 4e-15


def test_hessian_of_logsumexp_is_the_jacobian_of_softmax() -> None:
    with jax.enable_x64(True):
        z = array(7, dtype="float64")
        assert jnp.abs(jax.hessian(lsmx.logsumexp)(z) - lsmx.softmax_jacobian(lsmx.softmax(z))).max() <= 4e-16


def test_vmap_over_masks_and_cotangents() -> None:
    z, masks, g = array(4, 5), jnp.asarray(RNG.random((3, 5)) < 0.6), array(7, 4, 5)
    same(jax.vmap(lambda mask: lsmx.softmax(z, where=mask))(masks), jnp.stack([lsmx.softmax(z, where=mask) for mask in masks]))
    out, pull = jax.vjp(lsmx.log_softmax, z)
    same(jax.vmap(pull)(g)[0], jnp.stack([lsmx.log_softmax_backward(x, out) for x in g]))


def test_what_is_saved() -> None:
    """The residual of the backward pass is the output."""
    z = array(64, 100)
    _, pull = jax.vjp(lsmx.log_softmax, z)
    kept = [x for x in jax.tree.leaves(pull) if getattr(x, "shape", ()) == z.shape]
    assert [differing(host(x), host(lsmx.log_softmax(z))) for x in kept] == [None]


def test_donated_arrays() -> None:
    z = array(8, 16)
    want = lsmx.log_softmax(np.asarray(z).copy())
    got = jax.jit(lsmx.log_softmax, donate_argnums=0)(z)
    assert z.is_deleted()
    assert differing(host(got), want) is None


def test_nothing_is_compiled_twice() -> None:
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda name, seconds, **_: compiled.append(name))
    f, z, mask = jax.jit(lambda z: lsmx.softmax(z, axis=0)), array(11, 13), jnp.asarray(RNG.random((11, 13)) < 0.5)

    def calls(z: Any) -> None:
        f(z)
        lsmx.softmax(z, axis=0, where=mask)
        lsmx.logsumexp(z, keepdims=True)
        lsmx.softmax_backward(z, lsmx.softmax(z))
        jax.grad(lambda z: lsmx.logsumexp(z, axis=None))(z)

    calls(z)
    assert any("backend_compile" in name for name in compiled)
    compiled.clear()
    for _ in range(3):
        calls(array(11, 13))
    assert [name for name in compiled if "compile" in name] == []


def test_a_jacobian_cannot_be_differentiated_and_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"^log_softmax_jacobian: has no JVP along output"):
        jax.jacfwd(lsmx.log_softmax_jacobian)(array(3))


def test_errors_come_while_tracing() -> None:
    z = array(3, 4)
    with pytest.raises(lsmx.AxisError, match=r"^axis: 2"):
        jax.jit(lambda z: lsmx.softmax(z, axis=2))(z)
    with pytest.raises(lsmx.ShapeError, match=r"^where: shape \(3,\)"):
        jax.jit(lambda z: lsmx.softmax(z, where=jnp.ones(3, dtype=bool)))(z)
    with pytest.raises(lsmx.ShapeError, match=r"^grad_output: shape \(3, 5\)"):
        lsmx.log_softmax_backward(array(3, 5), z)
    with pytest.raises(lsmx.OutputError, match="immutable"):
        lsmx.softmax(z, out=array(3, 4))
    with pytest.raises(TypeError, match="softmax: sharp=1: leave it out, there is no such option here"):
        lsmx.registered()["softmax"](z, sharp=1)


def test_explain_names_the_kernel_and_what_speaks_against_it() -> None:
    z = array(3, 4)
    assert lsmx.explain(z).runs == "core"
    seen: list[lsmx.Explanation] = []
    jax.jit(lambda z: seen.append(lsmx.explain(z)) or z)(z)
    assert "what runs is chosen when it is compiled" in str(seen[0])


def test_without_jit() -> None:
    z, g = array(3, 4), array(3, 4)
    want = lsmx.softmax_backward(g, lsmx.softmax(z))
    with jax.disable_jit():
        same(jax.vjp(lsmx.softmax, z)[1](g)[0], want)


def test_exported() -> None:
    """With the definition in it: the core's handler is of this process."""
    z = array(3, 4)
    program = jax.export.export(jax.jit(lsmx.softmax))(z)
    assert "@lsmx" not in program.mlir_module()
    same(program.call(z), lsmx.softmax(z))


@pytest.mark.parametrize("keep", ["", "; del y"], ids=["held", "let go"])
def test_a_process_ends_with_calls_under_way(keep: str) -> None:
    program = f"import lsmx, jax; f = jax.jit(lsmx.softmax); y = f(jax.numpy.ones((1200, 3000))); y = f(f(f(y))){keep}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.mark.nightly
def test_arrays_divided_among_devices() -> None:
    """On eight devices of the host, in a process of their own: JAX fixes their number when it starts."""
    script = Path(__file__).with_name("programs") / "jax_divided.py"
    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["97", "equal"]


@pytest.mark.slow
def test_a_mesh_of_two_processes() -> None:
    """Each with two devices, on the host's own network."""
    script = Path(__file__).with_name("programs") / "jax_processes.py"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = [
        subprocess.Popen([sys.executable, "-W", "error", str(script), str(rank), address], stdout=-1, stderr=-1, text=True)
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=300) for process in both]
    finally:
        for process in both:
            process.kill()
    for process, (out, err) in zip(both, said, strict=True):
        assert process.returncode == 0, err[-3000:]
        assert out.split()[-2:] == ["8", "equal"]  # after what the engine says


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("function", "dtype", "sizes", "axis"),
    [
        ("log_softmax", "float32", "b, n", -1),
        ("softmax", "bfloat16", "3, n", -1),
        ("logsumexp", "float32", "b, n", (0, 1)),
        ("log_softmax", "float32", "b, 5", 0),
    ],
)
def test_exported_with_sizes_that_are_symbols(function: str, dtype: str, sizes: str, axis: Any) -> None:
    """Of the batch and of the rows, value and gradient, through a file: NumPy's bits for every size."""
    import jax.export

    call = getattr(lsmx, function)

    def value_and_gradient(z: Any) -> Any:
        out, pull = jax.vjp(lambda z: call(z, axis=axis), z)
        return out, pull(jnp.cos(out))[0]

    shape = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), jnp.dtype(dtype))
    program = jax.export.deserialize(jax.export.export(jax.jit(value_and_gradient))(shape).serialize())
    for size in (1, 300):
        concrete = [int(s) if s.isdigit() else size for s in sizes.split(", ")]
        z = jnp.asarray(np.random.default_rng(size).standard_normal(concrete)).astype(dtype)
        for got, want in zip(program.call(z), value_and_gradient(z), strict=True):
            assert differing(host(got), host(want)) is None
