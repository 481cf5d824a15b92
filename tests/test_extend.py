"""A function of three arrays, written by a user with ``lsmx.extend`` alone: the one of docs/functions.md, in every autograd."""

from __future__ import annotations

import doctest
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import autograd
import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from autograd.test_util import check_grads as check_hips
from jax.test_util import check_grads as check_jax

import lsmx
from lsmx import extend
from lsmx.testing import Case, Target, cases, differing, evaluate, wanted

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "functions.md"
NAME = "user_cross_entropy"
rng = np.random.default_rng(5)
Z, V = rng.standard_normal((2, 6, 9))
TARGET, WEIGHT, G = rng.integers(0, 9, 6), rng.random(9), rng.standard_normal(6)
CASES = [case for case in cases() if case.z.size < 5000]


def the_page() -> tuple[str, type[extend.Function]]:
    """The class as the page has it, and its source."""
    examples = doctest.DocTestParser().get_examples(PAGE.read_text(encoding="utf-8"))
    imports, definition = examples[0].source, examples[1].source
    names: dict[str, Any] = {}
    exec(imports + definition, names)
    return imports + definition, names["CrossEntropy"]


SOURCE, CrossEntropy = the_page()


@pytest.fixture(scope="module")
def loss() -> Iterator[Callable[..., Any]]:
    yield extend.register(NAME, CrossEntropy)
    extend.unregister(NAME)


def in_torch(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    return torch.tensor(Z, dtype=dtype), torch.tensor(TARGET), torch.tensor(WEIGHT, dtype=dtype), torch.tensor(G, dtype=dtype)


def theirs(z: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(z, target, weight, reduction="none")


def near(got: torch.Tensor, want: torch.Tensor) -> None:
    """To a few ulp of what is added up, which is below 16: PyTorch's own sums and exponentials."""
    assert torch.allclose(got.double(), want.double(), rtol=0, atol=2e-14), (got - want).abs().max()


def test_it_is_short_and_of_extend_alone() -> None:
    assert len(SOURCE.splitlines()) <= 70
    assert {line.split()[1] for line in SOURCE.splitlines() if line.startswith(("import", "from"))} == {"lsmx.extend"}


def compiled_soon(backend: Target, dtype: str, case: Case) -> None:
    """Skip where XLA compiles another case for seconds."""
    if backend.name == "jax" and (dtype not in ("float32", "bfloat16") or case.name not in ("far", "nasty", "masked", "axes-0-2")):
        pytest.skip("jax: compiles each case for seconds")


@pytest.mark.one_in(14, slow=3)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_equal_bits(backend: Target, dtype: str, case: Case, loss: Callable[..., Any]) -> None:
    compiled_soon(backend, dtype, case)
    got, want = evaluate(backend, NAME, dtype, case), wanted(NAME, dtype, case)
    assert {d: differing(got[d], want[d]) for d in want} == dict.fromkeys(("forward", "backward", "jvp"))


def test_values_are_those_of_torch(loss: Callable[..., Any]) -> None:
    z, target, weight, g = in_torch()
    z.requires_grad_()
    ours, own = loss(z, target, weight), theirs(z, target, weight)
    near(ours, own)
    dz = [torch.autograd.grad(x, z, g, create_graph=True)[0] for x in (ours, own)]
    near(*dz)
    near(*(torch.autograd.grad(d, z, torch.tensor(V))[0] for d in dz))
    assert torch.autograd.gradcheck(lambda z: loss(z, target, weight), (z,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda z: loss(z, target, weight), (z,), check_fwd_over_rev=True)


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, g, v: torch.func.grad(lambda z: (g * f(z)).sum()),
        lambda f, g, v: torch.func.hessian(lambda z: (g * f(z)).sum()),
        lambda f, g, v: torch.func.jacfwd(f),
        lambda f, g, v: lambda z: torch.func.jvp(torch.func.grad(lambda z: (g * f(z)).sum()), (z,), (v,))[1],
        lambda f, g, v: lambda z: torch.func.grad(lambda z: (g * torch.func.jvp(f, (z,), (v,))[1]).sum())(z),
        lambda f, g, v: lambda z: torch.func.jvp(lambda z: torch.func.jvp(f, (z,), (v,))[1], (z,), (v,))[1],
    ],
    ids=["grad", "hessian", "jacfwd", "jvp of grad", "grad of jvp", "jvp of jvp"],
)
def test_torch_func(transform: Callable[..., Any], loss: Callable[..., Any]) -> None:
    z, target, weight, g = in_torch()
    v = torch.tensor(V)
    near(*(transform(lambda z, f=f: f(z, target, weight), g, v)(z) for f in (loss, theirs)))


@pytest.mark.parametrize("dims", [(0, 0, None), (0, 0, 0), (0, None, None), (None, None, 0), (None, 0, 0)])
def test_vmap_of_torch_and_jax(dims: tuple[Any, ...], loss: Callable[..., Any]) -> None:
    """Each array batched or not: the bits of one call after the other."""
    many = 4
    arrays = [Z.astype(np.float32), TARGET, WEIGHT.astype(np.float32)]
    draw = np.random.default_rng(1)
    given = [
        x if d is None else np.stack([draw.permutation(x.reshape(-1)).reshape(x.shape) for _ in range(many)])
        for x, d in zip(arrays, dims, strict=True)
    ]
    want = np.stack([loss(*(x if d is None else x[i] for x, d in zip(given, dims, strict=True))) for i in range(many)])
    got = torch.func.vmap(loss, in_dims=dims)(*map(torch.from_numpy, given))
    assert differing(got.numpy(), want) is None
    assert differing(np.asarray(jax.vmap(loss, in_axes=dims)(*map(jnp.asarray, given))), want) is None


def test_torch_compile(loss: Callable[..., Any]) -> None:
    z, target, weight, g = in_torch(torch.float32)

    def step(z: torch.Tensor) -> torch.Tensor:
        return loss(z * 2, target, weight) * g

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    one, two = z.clone().requires_grad_(), z.clone().requires_grad_()
    out, want = compiled(one), step(two)
    assert torch.equal(out, want)
    out.backward(g)
    want.backward(g)
    assert one.grad is not None
    assert two.grad is not None
    assert torch.equal(one.grad, two.grad)


@pytest.mark.slow
def test_jax(loss: Callable[..., Any]) -> None:
    z, g, v = (x.astype(np.float32) for x in (Z, G, V))
    target, weight = jnp.asarray(TARGET), jnp.asarray(WEIGHT.astype(np.float32))
    eager = torch.tensor(z, requires_grad=True)
    other = torch.tensor(TARGET), torch.tensor(WEIGHT.astype(np.float32))

    def f(z: Any) -> Any:
        return loss(z, target, weight)

    for run in (f, jax.jit(f)):
        out, pull = jax.vjp(run, jnp.asarray(z))
        mine = loss(eager, *other)
        (dz,) = torch.autograd.grad(mine, eager, torch.tensor(g), create_graph=True)
        assert differing(np.asarray(out), mine.detach().numpy()) is None
        assert differing(np.asarray(pull(jnp.asarray(g))[0]), dz.detach().numpy()) is None
        second = jax.vjp(lambda z, run=run: jax.vjp(run, z)[1](jnp.asarray(g))[0], jnp.asarray(z))[1](jnp.asarray(v))[0]
        (want,) = torch.autograd.grad(dz, eager, torch.tensor(v))
        assert np.allclose(second, want.numpy(), rtol=0, atol=1e-6)  # JAX transposes the JVP of the gradient: other roundings
        hessian = jax.hessian(lambda z, run=run: (jnp.asarray(g) * run(z)).sum())(jnp.asarray(z))
        columns = torch.func.hessian(lambda z: (torch.tensor(g) * loss(z, *other)).sum())(torch.tensor(z))
        assert differing(np.asarray(hessian), columns.numpy()) is None
    with jax.enable_x64(True):
        given = jnp.asarray(TARGET), jnp.asarray(WEIGHT)
        check_jax(lambda z: loss(jnp.asarray(z), *given), (jnp.asarray(Z),), order=2)


def test_hips_autograd(loss: Callable[..., Any]) -> None:
    def total(z: Any) -> Any:
        return anp.sum(G * loss(z, TARGET, WEIGHT))

    z, target, weight, g = in_torch()
    z.requires_grad_()
    (dz,) = torch.autograd.grad(loss(z, target, weight), z, g, create_graph=True)
    assert differing(autograd.grad(total)(Z), dz.detach().numpy()) is None
    (second,) = torch.autograd.grad(dz, z, torch.tensor(V))
    assert differing(autograd.make_vjp(autograd.grad(total))(Z)[0](V), second.numpy()) is None
    check_hips(total, modes=["fwd", "rev"], order=2)(Z)


def test_what_is_given_is_checked_by_its_kind(loss: Callable[..., Any]) -> None:
    z, target, weight = Z.astype(np.float32), TARGET, WEIGHT.astype(np.float32)
    with pytest.raises(TypeError, match=r"user_cross_entropy: 2 of its arrays given, but it takes z, target, weight"):
        loss(z, target)
    with pytest.raises(lsmx.DTypeError, match=r"^target: dtype float32, but an index into a row is an integer"):
        loss(z, weight[:6], weight)
    with pytest.raises(lsmx.ShapeError, match=r"^target: shape \(5,\), but an array of \(6, 9\) asks for \(6,\) or \(6, 1\)"):
        loss(z, target[:5], weight)
    with pytest.raises(lsmx.ShapeError, match=r"^weight: shape \(6,\), but an array of \(6, 9\) asks for \(9,\)"):
        loss(z, target, weight[:6])
    with pytest.raises(lsmx.DTypeError, match=r"^weight: dtype float64 among arrays of float32"):
        loss(z, target, WEIGHT)
    with pytest.raises(lsmx.ArrayTypeError, match=r"^target: a torch.Tensor, but z is a numpy.ndarray"):
        loss(z, torch.tensor(target), weight)
    assert differing(loss(z, target, WEIGHT, dtype="float32"), loss(z, target, weight)) is None
    assert np.isnan(loss(z, np.full(6, 9), weight)).all()  # outside of the row
    with pytest.raises(NotImplementedError, match=r"has no VJP along weight; detach it"):
        loss(*in_torch()[:2], torch.tensor(WEIGHT, requires_grad=True)).sum().backward()


class Mixture(extend.Function):
    """``sum(a_i b_i)`` of each row, with gradients to both, and the options ``scale`` and ``keepdims``."""

    takes = {"a": extend.ROWS, "b": extend.ROWS, "c": extend.PER_ROW}  # noqa: RUF012
    gradients = ("a", "b")
    residual = ("a", "b")
    reduces = True

    @staticmethod
    def forward(
        ctx: Any, a: Any, b: Any, c: Any, /, *, axis: Any = -1, where: Any = None, scale: float = 1.0, keepdims: bool = False
    ) -> Any:
        rows = extend.Rows.of("a", a, axis, where)
        total, _ = rows.sum(rows.flush(rows.product(rows.enter("a", a, absent=0.0), rows.enter("b", b, absent=0.0))))
        changed = {name: value for name, value, default in (("scale", scale, 1.0),) if value != default}
        extend.remember(ctx, axis, where, **changed)
        ctx.save_for_backward(a, b)
        return rows.leave_each(rows.product(total, rows.ops.constant(scale)), keepdims)

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        a, b = ctx.saved_tensors
        rows = extend.Rows.of("a", a, *extend.recall(ctx))
        scale = rows.ops.constant(getattr(ctx, "scale", 1.0))
        g = rows.product(rows.flush(rows.expand("grad_output", grad_output)), scale)
        return tuple(rows.leave(rows.product(g, rows.enter(name, x, absent=0.0)), absent=0.0) for name, x in (("b", b), ("a", a)))

    @staticmethod
    def jvp(ctx: Any, v: Any, w: Any, /) -> Any:
        a, b = ctx.saved_tensors
        rows = extend.Rows.of("a", a, *extend.recall(ctx))
        scale = rows.ops.constant(getattr(ctx, "scale", 1.0))
        moving, other = (v, b) if v is not None else (w, a)
        total, _ = rows.sum(rows.flush(rows.product(rows.enter("tangent", moving, absent=0.0), rows.enter("b", other, absent=0.0))))
        return rows.leave_each(rows.product(total, scale), getattr(ctx, "keepdims", False))


@pytest.fixture(scope="module")
def mixture() -> Iterator[Callable[..., Any]]:
    yield extend.register("mixture", Mixture)
    extend.unregister("mixture")


@pytest.mark.one_in(8)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_gradients(backend: Target, dtype: str, case: Case, mixture: Callable[..., Any]) -> None:
    compiled_soon(backend, dtype, case)
    got, want = evaluate(backend, "mixture", dtype, case), wanted("mixture", dtype, case)
    assert {d: differing(got[d], want[d]) for d in want} == dict.fromkeys(("forward", "backward a", "backward b", "jvp a", "jvp b"))


@pytest.mark.one_in(4)
@pytest.mark.parametrize("options", [{}, {"scale": 0.25}, {"axis": 0}, {"scale": 3.0, "keepdims": True}])
def test_two_gradients_and_options_in_every_autograd(options: dict[str, Any], mixture: Callable[..., Any]) -> None:
    axis, scale = options.get("axis", -1), options.get("scale", 1.0)
    c = Z.mean(axis)
    want = (scale * (Z * V).sum(axis, keepdims=options.get("keepdims", False)), scale * V, scale * Z)
    a, b = torch.tensor(Z, requires_grad=True), torch.tensor(V, requires_grad=True)
    out = mixture(a, b, torch.tensor(c), **options)
    assert np.allclose(out.detach(), want[0], rtol=0, atol=1e-14)
    out.sum().backward()
    for got, right in zip((a.grad, b.grad), want[1:], strict=True):
        assert got is not None
        assert differing(got.numpy(), right) is None
    with jax.enable_x64(True):
        both = jax.jit(jax.grad(lambda a, b: mixture(a, b, jnp.asarray(c), **options).sum(), argnums=(0, 1)))(Z, V)
        pushed = jax.jvp(lambda a, b: mixture(a, b, jnp.asarray(c), **options), (Z, V), (V, Z))[1]
        batched = jax.vmap(lambda a: mixture(a, jnp.asarray(V), jnp.asarray(c), **options))(np.stack([Z, V, -Z]))
    for got, right in zip(both, want[1:], strict=True):
        assert differing(np.asarray(got), right) is None
    assert np.allclose(pushed, scale * (V * V + Z * Z).sum(axis, keepdims=options.get("keepdims", False)), rtol=1e-14)
    assert differing(np.asarray(batched[1]), mixture(V, V, c, **options)) is None
    forward = torch.func.jvp(
        lambda a, b: mixture(a, b, torch.tensor(c), **options), (a.detach(), b.detach()), (b.detach(), a.detach())
    )
    assert differing(forward[1].numpy(), np.asarray(pushed)) is None


def test_register_reads_the_traits() -> None:
    def made(**traits: Any) -> type[extend.Function]:
        return type("Odd", (CrossEntropy,), traits)

    for traits, reason in (
        ({"takes": {}}, r"register: Odd: takes = \{\} is not a mapping from names to kinds"),
        ({"takes": {"z": "rows"}}, r"is not a mapping from names to kinds"),
        ({"takes": {"target": extend.INDEX, "z": extend.ROWS}}, r"the first of its arrays, target, is not of the kind ROWS"),
        ({"gradients": ("target",)}, r"'target' is none of its arrays of numbers"),
        ({"residual": ("z", "lse")}, r"'lse' is neither one of its arrays nor 'output'"),
    ):
        with pytest.raises(lsmx.BackendError, match=reason):
            extend.register("odd", made(**traits))
    assert "odd" not in lsmx.registered()
