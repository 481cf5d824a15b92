"""The bits hold inside ``torch.compile`` and ``jax.jit``: alone, and between a producer and a consumer that might be fused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx.testing import differing, quantise

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
DTYPES = ("float16", "bfloat16", "float32")
RNG = np.random.default_rng(30)
Z = (4 * RNG.standard_normal((40, 300))).astype(np.float32)
Z[0, 0], Z[1, 3], Z[2, 5], Z[3] = -np.inf, np.nan, np.inf, 1e-6 * Z[3]
G, MASK = RNG.standard_normal((2, 40, 300)).astype(np.float32)
WHERE = RNG.random((40, 300)) < 0.8
OPTIONS: list[dict[str, Any]] = [{}, {"axis": 0}, {"where": WHERE}]


def wanted(
    function: str, dtype: str, x: np.ndarray, ct: np.ndarray, v: np.ndarray, options: dict[str, Any], followed: bool
) -> list[np.ndarray]:
    """Forward, VJP and JVP by the definition on what was materialised; bfloat16 is rounded to from float32.

    Those that autograds take, if they follow the call.
    """
    rules = lsmx.registered()[function].function
    derived = (followed and dtype != "float32" and rules.narrow) or rules
    with lsmx.using("reference"), np.errstate(all="ignore"):
        out = quantise(rules.forward(extend.Context(), x, **options), dtype)
        kept = {"z": x, "output": out}
        ctx = extend.Context(*(kept[name] for name in derived.residual), **options)
        return [out, quantise(derived.backward(ctx, ct), dtype), quantise(derived.jvp(ctx, v), dtype)]


def check(
    found: dict[str, Any], alone: dict[str, Any], function: str, dtype: str, options: dict[str, Any], followed: bool = True
) -> None:
    """Equal to the definition on the input as it was materialised, and the same whether that is returned or not."""
    got = [found["out"], found["dz"], found["dout"]]
    want = wanted(function, dtype, found["x"], found["ct"], found["v"], options, followed)
    assert [differing(a, b) for a, b in zip(got, want, strict=True)] == [None] * 3
    assert {name: differing(x, found[name]) for name, x in alone.items()} == dict.fromkeys(alone)


# --- JAX -----------------------------------------------------------------------------------------------------------------------


def jax_program(function: str, dtype: str, options: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """A producer with a cast, the function and its derivatives, and consumers, in one function to compile."""

    def program(z: Any, g: Any, mask: Any, scale: Any, bias: Any) -> dict[str, Any]:
        x, v = (z * scale + bias).astype(dtype), (g * scale + bias).astype(dtype)
        given = {k: jnp.asarray(o) if k == "where" else o for k, o in options.items()}

        def f(x: Any) -> Any:
            return getattr(lsmx, function)(x, **given)

        out, pull = jax.vjp(f, x)
        like = (slice(None),) * out.ndim if out.ndim == 2 else (0,) if options.get("axis") == 0 else (slice(None), 0)
        ct = (mask[like] * scale + bias).astype(dtype)
        dz, dout = pull(ct)[0], jax.jvp(f, (x,), (v,))[1]
        used = out * mask[like] + 1, dz * mask + 1, dout * mask[like] + 1
        return {"x": x, "v": v, "ct": ct, "out": out, "dz": dz, "dout": dout, "u": used[0], "du": used[1], "uv": used[2]}

    return program


def jax_results(function: str, dtype: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    program = jax_program(function, dtype, options)
    arguments = Z, G, MASK, np.float32(1.3), np.float32(0.7)
    found = jax.jit(program)(*arguments)
    alone = {name: jax.jit(lambda *a, name=name: program(*a)[name])(*arguments) for name in ("out", "dz", "u")}

    def host(x: Any) -> np.ndarray:
        return np.asarray(x.astype("float32") if x.dtype == jnp.bfloat16 else x)

    return {k: host(x) for k, x in found.items()}, {k: host(x) for k, x in alone.items()}


@pytest.mark.one_in(6)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_jax_with_kernels(function: str, dtype: str) -> None:
    for options in OPTIONS:
        check(*jax_results(function, dtype, options), function, dtype, options)


@pytest.mark.one_in(0, slow=3)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_jax_with_the_definition(function: str, dtype: str) -> None:
    """XLA sees every operation, and fuses them with the producer and the consumer."""
    options = OPTIONS[FUNCTIONS.index(function)]
    with lsmx.using("reference"):
        found = jax_results(function, dtype, options)
    check(*found, function, dtype, options)


def test_consumers_are_those_of_the_materialised_result() -> None:
    """What XLA does with ``out * mask + 1`` is its own, but it gets our bits."""
    found, _ = jax_results("log_softmax", "float32", {})
    want = jax.jit(lambda out, mask: out * mask + 1)(found["out"], MASK)
    assert differing(found["u"], np.asarray(want)) is None


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
def test_removing_rounded_is_caught(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx_jax.namespace.rounded", lambda product: product)
    with lsmx.using("reference"):
        found, _ = jax_results(function, "float32", {})
    got = [found["out"], found["dz"], found["dout"]]
    want = wanted(function, "float32", found["x"], found["ct"], found["v"], {}, followed=True)
    assert [differing(a, b) is None for a, b in zip(got, want, strict=True)] != [True] * 3


def test_xla_contracts_what_is_not_marked() -> None:
    """Or the tests above would show nothing."""
    a, b, c = RNG.standard_normal((3, 10_000)).astype(np.float32)
    fused = np.asarray(jax.jit(lambda a, b, c: a * b + c)(a, b, c))
    assert (fused != a * b + c).mean() > 0.1


# --- PyTorch -------------------------------------------------------------------------------------------------------------------


def torch_program(dtype: str) -> Callable[..., list[dict[str, torch.Tensor]]]:
    def program(z: torch.Tensor, g: torch.Tensor, mask: torch.Tensor, where: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        results = []
        for function, axis, masked in (
            ("log_softmax", -1, False),
            ("softmax", 0, False),
            ("logsumexp", -1, True),
            ("log_softmax", 0, True),
        ):
            x = (z * 1.3 + 0.7).to(getattr(torch, dtype))
            out = getattr(lsmx, function)(x, axis=axis, where=where if masked else None)
            part = mask if out.ndim == 2 else mask[:, 0]
            ct, v = (part * 1.3 + 0.7).to(out.dtype), (g * 1.3 + 0.7).to(out.dtype)
            kept = (x, out) if function == "logsumexp" else (out,)
            given = {"axis": axis, "where": where if masked else None}
            dz = getattr(lsmx, f"{function}_backward")(ct, *kept, **given)
            dout = getattr(lsmx, f"{function}_jvp")(v, *kept, **given)
            results.append({"x": x, "v": v, "ct": ct, "out": out, "dz": dz, "dout": dout, "u": out * part + 1, "du": dz * mask + 1})
        return results

    return program


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_torch(dtype: str) -> None:
    """Compiled to one graph by Inductor, with producers and consumers that it would like to fuse."""
    program = torch_program(dtype)
    arguments = [torch.from_numpy(x) for x in (Z, G, MASK, WHERE)]
    found = torch.compile(program, fullgraph=True)(*arguments)
    alone = torch.compile(lambda *a: [{k: r[k] for k in ("out", "dz", "u")} for r in program(*a)], fullgraph=True)(*arguments)
    tasks = (
        ("log_softmax", {}),
        ("softmax", {"axis": 0}),
        ("logsumexp", {"where": WHERE}),
        ("log_softmax", {"axis": 0, "where": WHERE}),
    )

    def host(results: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        return {k: (x.float() if x.dtype == torch.bfloat16 else x).numpy() for k, x in results.items()}

    for (function, options), all_of, some in zip(tasks, found, alone, strict=True):
        check(host(all_of), host(some), function, dtype, options, followed=False)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_torch_autograd_inside(function: str) -> None:
    """Training compiled: the gradient is that of the definition on what was materialised."""

    def loss(z: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = z * 1.3 + 0.7
        out = getattr(lsmx, function)(x)
        return (out * g[tuple(slice(None) if i < out.ndim else 0 for i in range(2))]).sum(), x

    z, g = torch.from_numpy(Z[3:]).requires_grad_(), torch.from_numpy(G[3:])
    value, x = torch.compile(loss, fullgraph=True)(z, g)
    (got,) = torch.autograd.grad(value, z)
    given, out = x.detach(), getattr(lsmx, function)(x.detach())
    kept = (given, out) if function == "logsumexp" else (out,)
    dx = getattr(lsmx, f"{function}_backward")(g if out.ndim == 2 else g[:, 0].contiguous(), *kept)
    assert differing(got.numpy(), (dx * 1.3).numpy()) is None


def counted(graphs: list[Any]) -> Callable[..., Any]:
    def compiler(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    return compiler


def test_torch_dynamic_shapes_compile_once() -> None:
    graphs: list[Any] = []
    f = torch.compile(lambda z: lsmx.log_softmax(z * 2, axis=0) + 1, fullgraph=True, dynamic=True, backend=counted(graphs))
    for shape in ((3, 4), (5, 6), (70, 8), (3, 900)):
        z = torch.from_numpy(RNG.standard_normal(shape))
        assert differing(f(z).numpy(), (lsmx.log_softmax(z * 2, axis=0) + 1).numpy()) is None
    assert len(graphs) == 1
    assert [n.target for n in graphs[0].graph.nodes if "lsmx" in str(n.target)] == [torch.ops.lsmx.log_softmax.default]


def test_torch_transforms_inside() -> None:
    """Hessians compiled have the bits of those that are not; forward inside forward mode says that it cannot be compiled."""
    z, w = torch.from_numpy(RNG.standard_normal((2, 2, 3)))

    def f(z: torch.Tensor) -> torch.Tensor:
        return (lsmx.log_softmax(z) * w).sum()

    for outer, inner in ((torch.func.jacfwd, torch.func.jacrev), (torch.func.jacrev, torch.func.jacrev)):
        want = outer(inner(f))(z)
        torch._dynamo.reset()
        got = torch.compile(outer(inner(f)), fullgraph=True, backend="aot_eager")(z)
        assert differing(got.numpy(), want.numpy()) is None
    torch._dynamo.reset()
    with pytest.raises(Exception, match="forward mode inside forward mode cannot be compiled"):
        torch.compile(torch.func.jacfwd(torch.func.jacfwd(f)), fullgraph=True, backend="aot_eager")(z)


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import torch, lsmx", "import lsmx, torch"])
def test_torch_compiles_from_a_cold_start(imports: str) -> None:
    """The very first call of a process, inside ``fullgraph=True``: nothing is looked up in a way beyond tracing."""
    program = f"""
{imports}
z, g = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5)
f = torch.compile(lambda z: lsmx.softmax(z, axis=0), fullgraph=True, backend="aot_eager")
out = f(z)
(dz,) = torch.autograd.grad(out, z, g)
assert torch.equal(out, lsmx.softmax(z, axis=0))
assert torch.equal(dz, lsmx.softmax_backward(g, out.detach(), axis=0))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
