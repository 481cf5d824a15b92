"""PyTorch: every order of both modes, ``torch.func``, custom operators, what is saved, modes and subclasses."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import func
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad, gradcheck, gradgradcheck

import lsmx
from lsmx import extend
from lsmx.testing import differing, quantise
from tests.rows import by_autograd

FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "log_softmax": lsmx.log_softmax,
    "softmax": lsmx.softmax,
    "logsumexp": lsmx.logsumexp,
}
OWN: dict[str, Callable[..., torch.Tensor]] = {
    "log_softmax": torch.log_softmax,
    "softmax": torch.softmax,
    "logsumexp": torch.logsumexp,
}
DTYPES = ["float16", "bfloat16", "float32", "float64"]
RNG = np.random.default_rng(20)
MASK = torch.from_numpy(RNG.random((3, 4, 2)) < 0.7)
MASK[..., 0] = True  # no row without entries: there the functions have no derivative


def tensor(*shape: int, dtype: str = "float64") -> torch.Tensor:
    return torch.from_numpy(np.asarray(quantise(2 * RNG.standard_normal(shape), dtype))).to(getattr(torch, dtype))


def same(got: torch.Tensor, want: torch.Tensor) -> None:
    """Equal bits, shapes and dtypes."""
    assert got.dtype == want.dtype
    assert differing(got.detach().double().numpy(), want.detach().double().numpy()) is None


def close(got: torch.Tensor, want: torch.Tensor, bound: float = 2e-15) -> None:
    """PyTorch's own in float64, whose derivatives are sums of some ten products of numbers below 4: 2e-15 is four ulp of 4."""
    assert got.shape == want.shape
    assert (got - want).abs().max() <= bound


def residual(function: str, z: torch.Tensor, out: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (z.detach(), out.detach()) if function == "logsumexp" else (out.detach(),)


# --- derivatives ---------------------------------------------------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": (0, 2)}, {"axis": None}, {"where": MASK}]


@pytest.mark.parametrize("options", OPTIONS, ids=["last", "axis-0", "axes-0-2", "all", "masked"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradcheck(function: str, options: dict[str, Any]) -> None:
    """Both modes, batched too, and their derivatives: forward over reverse, reverse over reverse."""
    z = tensor(3, 4, 2).requires_grad_()

    def f(z: torch.Tensor) -> torch.Tensor:
        out = FUNCTIONS[function](z, **options)
        return out[options["where"]] if function == "log_softmax" and "where" in options else out  # -inf has no difference

    assert gradcheck(f, (z,), check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(f, (z,), check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("where", [None, MASK[:, :, 1]], ids=["whole", "masked"])
@pytest.mark.parametrize("direction", ["backward", "jvp"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradcheck_of_the_public_derivatives(function: str, direction: str, where: torch.Tensor | None) -> None:
    z = tensor(3, 4)
    out = FUNCTIONS[function](z, where=where).clamp(min=-1e3)  # masked entries do not count, but differences are taken there
    vector = torch.randn_like(out if direction == "backward" else z)
    arrays = [x.clone().requires_grad_() for x in (vector, *residual(function, z, out))]

    def f(*arrays: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = getattr(lsmx, f"{function}_{direction}")(*arrays, where=where)
        return result

    assert gradcheck(f, arrays, check_forward_ad=True)
    assert gradgradcheck(f, arrays, check_fwd_over_rev=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_autograd_gives_the_bits_of_backward(function: str, dtype: str) -> None:
    t = tensor(3, 4, 2, dtype=dtype).requires_grad_()
    for options in OPTIONS:
        out = FUNCTIONS[function](t, **options)
        g = tensor(*out.shape, dtype=dtype)
        (got,) = torch.autograd.grad(out, t, g)
        same(got, by_autograd(function, "backward", g, t.detach(), out.detach(), **options))


MODES = [func.jacfwd, func.jacrev]


@pytest.mark.parametrize("third", MODES)
@pytest.mark.parametrize("second", MODES)
@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_three_nested_modes(function: str, first: Any, second: Any, third: Any) -> None:
    """Forward mode inside another mode is where PyTorch's custom functions lose terms."""
    z = tensor(2, 3)
    weight = torch.randn_like(OWN[function](z, -1))

    def of(f: Callable[..., torch.Tensor]) -> torch.Tensor:
        result: torch.Tensor = first(second(third(lambda z: (f(z, -1) * weight).sum())))(z)
        return result

    close(of(lambda z, axis: FUNCTIONS[function](z, axis=axis)), of(OWN[function]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bits_of_vjp_jvp_and_vmap(function: str, dtype: str) -> None:
    f = FUNCTIONS[function]
    z, v = tensor(4, 5, 6, dtype=dtype), tensor(4, 5, 6, dtype=dtype)
    out, pull = func.vjp(f, z)
    g = tensor(*out.shape, dtype=dtype)
    same(out, f(z))
    same(pull(g)[0], by_autograd(function, "backward", g, z, out))
    same(func.jvp(f, (z,), (v,))[1], by_autograd(function, "jvp", v, z, out))
    for dim in (0, 1, 2):
        moved = f(z.movedim(dim, 0), axis=-1)
        same(func.vmap(f, in_dims=dim)(z), moved)
        same(func.vmap(lambda z: f(z, axis=None), in_dims=dim)(z), f(z.movedim(dim, 0), axis=(1, 2)))
    same(func.vmap(func.vmap(func.vmap(lambda z: f(z, axis=None))))(z), f(z[..., None]).reshape(z.shape))  # down to scalars


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_masked_reaches_no_second_derivative(function: str) -> None:
    """NaN in logits, cotangents and tangents there: the others are those of a row without these entries."""
    keep = torch.tensor([True, False, True, True, False])
    z, g, v = (torch.where(keep, tensor(3, 5), torch.nan) for _ in range(3))
    g = tensor(3) if function == "logsumexp" else g

    def second(z: torch.Tensor, g: torch.Tensor, v: torch.Tensor, **options: Any) -> torch.Tensor:
        result: torch.Tensor = func.jvp(lambda z: func.vjp(lambda z: FUNCTIONS[function](z, **options), z)[1](g)[0], (z,), (v,))[1]
        return result

    got = second(z, g, v, where=keep)
    want = second(z[:, keep], g if function == "logsumexp" else g[:, keep], v[:, keep])
    same(got[:, keep], want)
    same(got[:, ~keep], torch.zeros(3, 2, dtype=torch.float64))


def test_vmap_over_masks() -> None:
    z, masks = tensor(4, 5), torch.rand(3, 5) < 0.6
    want = torch.stack([lsmx.softmax(z, where=mask) for mask in masks])
    same(func.vmap(lambda mask: lsmx.softmax(z, where=mask))(masks), want)
    same(func.vmap(lambda z, mask: lsmx.softmax(z, where=mask), in_dims=(0, 1))(tensor(3, 4, 5).mul_(0).add_(z), masks.T), want)


def test_hessian_of_logsumexp_is_the_jacobian_of_softmax() -> None:
    """``S - s s^T``: two roundings of numbers below 1."""
    z = tensor(7)
    close(func.hessian(lsmx.logsumexp)(z), lsmx.softmax_jacobian(lsmx.softmax(z)), 4e-16)


def test_second_derivatives_have_the_same_bits_as_on_numpy() -> None:
    """The steps of second derivatives are in the portable arithmetic too."""
    z, g, w = (tensor(5, 9, dtype="float32") for _ in range(3))
    out = lsmx.log_softmax(z).requires_grad_()
    dz = lsmx.log_softmax_backward(g, out)
    (got,) = torch.autograd.grad(dz, out, w)
    arrays = [x.detach().numpy() for x in (g, w, out)]

    class Plain:
        """The steps on NumPy, seen by no autograd."""

        from lsmx._call.steps import EXP, PRODUCT, SUM

        def times_exp(self, a: Any, log_p: Any) -> Any:
            return self.PRODUCT.compute((a, self.EXP.compute((log_p,), None, None, {}, None)), None, None, {}, None)

        def times_sum(self, a: Any, x: Any) -> Any:
            return self.PRODUCT.compute((a, self.SUM.compute((x,), -1, None, {}, None)), None, None, {}, None)

    (want,) = lsmx.registered()["log_softmax"].function.by_residual(Plain(), *arrays)
    assert differing(got.numpy(), want) is None


def test_a_jacobian_cannot_be_differentiated_and_says_so() -> None:
    out = lsmx.log_softmax(tensor(3)).requires_grad_()
    with pytest.raises(NotImplementedError, match=r"^log_softmax_jacobian: cannot be differentiated.*output.*detach"):
        lsmx.log_softmax_jacobian(out)
    with torch.no_grad():
        same(lsmx.log_softmax_jacobian(out), lsmx.log_softmax_jacobian(out.detach()))


class Cube(extend.Function):
    """``z^3``, without a JVP and second derivatives."""

    residual = ("z",)

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, sharp: float = 1.0) -> Any:
        ctx.save_for_backward(z)
        return z**3

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        (z,) = ctx.saved_tensors
        return grad_output * 3 * z**2


@pytest.fixture
def cube() -> Iterator[extend.Operator]:
    yield extend.register("cube", Cube)
    extend.unregister("cube")


def test_a_rule_that_is_missing_is_named(cube: extend.Operator) -> None:
    z = tensor(3).requires_grad_()
    (dz,) = torch.autograd.grad(cube(z), z, torch.ones(3, dtype=torch.float64), create_graph=True)
    same(dz, 3 * z.detach() ** 2)
    with pytest.raises(NotImplementedError, match=r"Cube: gives no by_residual"):
        torch.autograd.grad(dz, z, torch.ones(3, dtype=torch.float64))
    with forward_ad.dual_level(), pytest.raises(NotImplementedError):
        cube(forward_ad.make_dual(z, torch.ones_like(z)))
    with pytest.raises(TypeError, match=r"^cube: blunt=.*: leave it out, there is no such option here"):
        cube(z, blunt=1.0)


def test_a_function_that_saves_what_it_does_not_declare_is_refused() -> None:
    class Liar(Cube):
        residual = ("output",)

    liar = extend.register("liar", Liar)
    try:
        with pytest.raises(lsmx.BackendError, match=r"liar: forward saves other arrays.*residual = \('output',\)"):
            liar(tensor(3).requires_grad_())
    finally:
        extend.unregister("liar")


def test_a_name_can_be_registered_again(cube: extend.Operator) -> None:
    z = tensor(3).requires_grad_()
    same(cube(z), z.detach() ** 3)
    extend.unregister("cube")

    class Twice(Cube):
        @staticmethod
        def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
            ctx.save_for_backward(z)
            return 2 * z

    same(extend.register("cube", Twice)(z), 2 * z.detach())


# --- operators -----------------------------------------------------------------------------------------------------------------


def samples(function: str) -> list[tuple[Any, tuple[Any, ...]]]:
    """Every operator of a function with arguments for it, masked and not, requiring gradients and not."""
    z = tensor(3, 4, dtype="float32")
    mask = torch.rand(3, 4) < 0.7
    out = FUNCTIONS[function](z)
    options = (False,) if function == "logsumexp" else ()
    ops = torch.ops.lsmx
    found = [
        (getattr(ops, function).default, (z, [1], None, *options)),
        (getattr(ops, function).default, (z.T, [0], mask.T, *options)),
    ]
    vectors, at = {"grad_output": torch.randn_like(out), "tangent": torch.randn_like(z)}, {"z": z.detach(), "output": out.detach()}
    for direction, operation in lsmx.registered()[function].operations.items():
        if direction not in ("forward", "jacobian"):
            vector, *names = operation.takes
            given = vectors[vector], *map(at.__getitem__, names)
            found += [(getattr(ops, operation.name).default, (*given, [1], where, *options)) for where in (None, mask)]
    return found


@pytest.mark.one_in(3)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_opcheck(function: str) -> None:
    for op, args in samples(function):
        torch.library.opcheck(op, args)
        torch.library.opcheck(op, tuple(x.bfloat16() if i == 0 and isinstance(x, torch.Tensor) else x for i, x in enumerate(args)))
        torch.library.opcheck(op, tuple(x.clone().requires_grad_() if i == 0 else x for i, x in enumerate(args)))


def test_opcheck_of_jacobians_and_steps() -> None:
    z = tensor(3, 4, dtype="float32")
    ops = torch.ops.lsmx
    z = -z.abs()
    for name in ("log_softmax_jacobian", "softmax_jacobian"):
        torch.library.opcheck(getattr(ops, name).default, (z, [1], None), test_utils=("test_schema", "test_faketensor"))
    func.jacrev(func.jacrev(lsmx.log_softmax))(z)  # makes the operators of the steps
    for name, arrays in (("exp", (z,)), ("row_sum", (z,)), ("product", (z, z + 1))):
        torch.library.opcheck(getattr(ops, name).default, (*(x.clone().requires_grad_() for x in arrays), [1], None))


def test_opcheck_covers_every_operator() -> None:
    names = [o.name for op in (lsmx.registered()[f] for f in FUNCTIONS) for o in op.operations.values()]
    tested = {op.name().split("::")[1].split(".")[0] for f in FUNCTIONS for op, _ in samples(f)}
    assert set(names) - {"logsumexp_jacobian"} == tested | {"log_softmax_jacobian", "softmax_jacobian"}


@pytest.mark.parametrize("kind", ["meta", "fake"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_meta_and_fake_tensors(function: str, kind: str) -> None:
    """Shapes, dtypes and strides without data, as those of PyTorch's own."""
    with FakeTensorMode() if kind == "fake" else torch.device("meta"):
        z = torch.empty(3, 4, 5, dtype=torch.bfloat16, requires_grad=True)
        for axis in (-1, 0):
            out, own = FUNCTIONS[function](z, axis=axis), OWN[function](z, axis)
            assert (out.shape, out.dtype, out.device) == (own.shape, own.dtype, own.device)
            (dz,) = torch.autograd.grad(out, z, torch.empty_like(out))
            assert (dz.shape, dz.dtype, dz.device) == (z.shape, z.dtype, z.device)
        with pytest.raises(lsmx.ShapeError, match=r"^where: shape \(7,\)"):
            FUNCTIONS[function](z, where=torch.empty(7, dtype=torch.bool))


# --- modes, subclasses, threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_autocast_on_the_host(function: str, dtype: str) -> None:
    """PyTorch's own keep their dtype there, and compute in float32."""
    z = tensor(3, 50, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = FUNCTIONS[function](z)
        assert out.dtype == OWN[function](z, -1).dtype == z.dtype
    same(out, FUNCTIONS[function](z.float() if dtype in ("bfloat16", "float16") else z).to(z.dtype))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_autocast_on_cuda() -> None:
    z = tensor(3, 50, dtype="bfloat16").cuda()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert lsmx.log_softmax(z).dtype == torch.log_softmax(z, -1).dtype == torch.float32
        same(lsmx.log_softmax(z).cpu(), lsmx.log_softmax(z.cpu().float()))


@pytest.mark.parametrize("function", ["log_softmax", "softmax"])
def test_the_output_is_saved_and_nothing_else(function: str) -> None:
    kept: list[torch.Tensor] = []
    z = tensor(64, 100, dtype="float32").requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        out = FUNCTIONS[function](z)
    assert [x.data_ptr() for x in kept] == [out.data_ptr()]
    assert sum(x.nbytes for x in kept) == out.nbytes


@pytest.mark.parametrize("way", ["plain", "func"])
@pytest.mark.parametrize(("function", "dtype"), [("log_softmax", "bfloat16"), ("log_softmax", "float16"), ("logsumexp", "float32")])
def test_the_input_is_saved_and_nothing_else(function: str, dtype: str, way: str) -> None:
    """Where the gradient is to know nothing of how the output was rounded; the input is there already."""
    kept: list[torch.Tensor] = []
    z = tensor(64, 100, dtype=dtype).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        if way == "plain":
            out = FUNCTIONS[function](z)
        else:
            getattr(torch.ops.lsmx, function)(z, [1], None, *([False] if function == "logsumexp" else []))
    assert [x.data_ptr() for x in kept] == [z.data_ptr()]
    if way == "plain":
        g = torch.randn_like(out)
        with torch.no_grad():
            out.zero_()  # it may be written to
        (dz,) = torch.autograd.grad(out, z, g)
        same(dz, by_autograd(function, "backward", g, z.detach(), FUNCTIONS[function](z.detach())))


def test_what_was_saved_is_freed_at_once() -> None:
    """By counting references: a cycle would keep large arrays until the collector comes by."""

    def nodes() -> int:
        return sum(type(o).__name__ in ("PlainBackward", "ShortBackward") for o in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = nodes()
        t = tensor(6, 7).requires_grad_()
        out = lsmx.log_softmax(t, axis=0)
        for _ in range(2):
            torch.autograd.grad(out, t, tensor(6, 7), retain_graph=True)
        assert nodes() == before + 1
        del out
        assert nodes() == before
    finally:
        gc.enable()


def test_inference_mode_no_grad_and_parameters() -> None:
    z = tensor(4, 5, dtype="float32")
    want = lsmx.log_softmax(z)
    with torch.inference_mode():
        out = lsmx.log_softmax(z)
        assert out.is_inference()
        same(out, want)
    with torch.no_grad():
        assert not lsmx.log_softmax(z.clone().requires_grad_()).requires_grad
    weight = torch.nn.Parameter(z.clone())
    out = lsmx.log_softmax(weight)
    assert type(out) is torch.Tensor
    same(out, want)
    g = tensor(4, 5, dtype="float32")
    out.backward(g)
    assert weight.grad is not None
    same(weight.grad, lsmx.log_softmax_backward(g, want))


class Tagged(torch.Tensor):
    """A subclass that keeps its type through every operation."""


def test_subclasses_keep_their_type() -> None:
    z = tensor(4, 5)
    out = lsmx.log_softmax(z.as_subclass(Tagged).requires_grad_())
    assert type(out) is type(torch.log_softmax(z.as_subclass(Tagged), -1)) is Tagged
    same(out.as_subclass(torch.Tensor), lsmx.log_softmax(z))


def test_replicas_in_threads() -> None:
    """As ``DataParallel`` does: a replica of the module, a part of the batch, and a forward and backward pass in each thread."""
    batch, weight, g = tensor(12, 5), tensor(5, 300), tensor(12, 300)
    grads: dict[int, torch.Tensor] = {}

    def work(i: int) -> None:
        w = weight.clone().requires_grad_()
        part = slice(3 * i, 3 * i + 3)
        z = batch[part] @ w
        z.retain_grad()
        lsmx.log_softmax(z).backward(g[part])
        assert z.grad is not None
        grads[i] = z.grad

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        part = slice(3 * i, 3 * i + 3)
        same(grads[i], lsmx.log_softmax_backward(g[part], lsmx.log_softmax(batch[part] @ weight)))


def test_a_mask_changed_in_place_is_noticed() -> None:
    t, mask = tensor(2, 3).requires_grad_(), torch.ones(2, 3, dtype=torch.bool)
    out = lsmx.log_softmax(t, where=mask)
    mask.fill_(False)
    with pytest.raises(RuntimeError, match="inplace operation"):
        out.backward(tensor(2, 3))


def test_out_is_written_at_once_where_nothing_is_followed() -> None:
    z, out = tensor(4, 5), torch.empty(4, 5, dtype=torch.float64)
    assert lsmx.log_softmax(z, out=out) is out
    same(out, lsmx.log_softmax(z))
    t = z.clone().requires_grad_()
    buffer = torch.empty(4, 5, dtype=torch.float64)
    lsmx.log_softmax(t, out=buffer)
    same(buffer, out)


def test_a_result_written_over_what_was_saved_is_noticed() -> None:
    t, z = tensor(3, 4).requires_grad_(), tensor(3, 4)
    out = lsmx.log_softmax(t)
    lsmx.softmax(z, out=out.detach())
    with pytest.raises(RuntimeError, match="inplace operation"):
        out.backward(z)


def test_autograd_follows_what_is_written_over() -> None:
    weight, z = tensor(3, 4).requires_grad_(), tensor(3, 4)
    doubled = weight * 2
    lsmx.softmax(z, out=doubled)
    doubled.backward(z)
    assert weight.grad is not None
    same(weight.grad, torch.zeros(3, 4, dtype=torch.float64))
    with pytest.raises(lsmx.OutputError, match="leaf Variable that requires grad"):
        lsmx.softmax(z, out=weight)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
def test_jit_trace() -> None:
    z = tensor(3, 4)
    traced = torch.jit.trace(lambda z: lsmx.log_softmax(2 * z), z)  # type: ignore[no-untyped-call]
    same(traced(z[:2]), lsmx.log_softmax(2 * z[:2]))


def test_a_tensor_that_stands_for_zeros() -> None:
    same(lsmx.log_softmax(torch._efficientzerotensor((3, 4))), lsmx.log_softmax(torch.zeros(3, 4)))


def test_compiled_autograd_is_refused() -> None:
    z, g = tensor(3, 4).requires_grad_(), tensor(3, 4)
    out = lsmx.log_softmax(z)
    with (
        torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager")),
        pytest.raises(NotImplementedError, match="log_softmax: PyTorch's compiled autograd"),
    ):
        out.backward(g)


def test_sparse_tensors_say_what_to_do() -> None:
    with pytest.raises(lsmx.ArrayTypeError, match=r"sparse_coo.*pass z\.to_dense"):
        lsmx.log_softmax(torch.eye(3).to_sparse())
