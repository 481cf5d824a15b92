"""What a compiled function depends on: on nothing that lsmx learns later, and on `using` when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx.testing import differing

RNG = np.random.default_rng(42)
Z, G = (torch.from_numpy(x) for x in RNG.standard_normal((2, 4, 6)).astype(np.float32))
OUT, MASK = lsmx.log_softmax(Z), torch.from_numpy(RNG.random((4, 6)) < 0.7)
OPTIONS: dict[str, Any] = {"axis": (0, 1), "keepdims": True}
Compiled = dict[str, Callable[..., torch.Tensor]]


class Cube(extend.Function):
    """``sharp z^3``."""

    residual = ("z",)

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, sharp: float = 1.0) -> Any:
        ctx.save_for_backward(z)
        return sharp * z**3

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        (z,) = ctx.saved_tensors
        return grad_output * 3 * z**2


@pytest.fixture
def cube() -> Iterator[extend.Operator]:
    yield extend.register("cube", Cube)
    extend.unregister("cube")


@pytest.fixture(autouse=True)
def _nothing_compiled() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def programs(cube: extend.Operator) -> Compiled:
    return {
        "plain": lambda z: lsmx.log_softmax(z) + 1,
        "mask": lambda z: lsmx.softmax(z, axis=0, where=z > 0),
        "options": lambda z: lsmx.logsumexp(z, **OPTIONS),
        "dtype": lambda z: lsmx.softmax(z, dtype="float64"),
        "out": lambda z: lsmx.softmax(z, out=torch.empty_like(z)),
        "backward": lambda z: lsmx.log_softmax_backward(z, OUT, where=MASK),
        "jvp": lambda z: lsmx.softmax_jvp(z, OUT),
        "jacobian": lambda z: lsmx.softmax_jacobian(z),
        "own function": lambda z: cube(z, sharp=2.0),
        "gradient": lambda z: torch.func.grad(lambda z: (lsmx.log_softmax(z) * G).sum())(z),
    }


def compiled(programs: Compiled, **options: Any) -> Compiled:
    return {name: torch.compile(f, fullgraph=True, backend="aot_eager", **options) for name, f in programs.items()}


def meet_numpy() -> None:
    for i in range(10):
        lsmx.log_softmax(np.zeros((2, 3)).view(type(f"Rows{i}", (np.ndarray,), {})))


def meet_other_libraries() -> None:
    import array_api_strict
    import jax.numpy as jnp

    lsmx.softmax(array_api_strict.asarray([1.0, 2.0]))
    lsmx.logsumexp(jnp.ones(3))


def meet_tensors() -> None:
    lsmx.softmax(torch.nn.Parameter(Z))
    lsmx.softmax(Z.as_subclass(type("Tagged", (torch.Tensor,), {})))
    lsmx.softmax(Z.double(), axis=0)
    torch.func.hessian(lambda z: lsmx.logsumexp(z))(Z[0])


def register_functions() -> None:
    for i in range(10):
        extend.register(f"cube{i}", type(f"Cube{i}", (Cube,), {}))
        lsmx.registered()[f"cube{i}"](Z.clone().requires_grad_()).backward(G)
        extend.unregister(f"cube{i}")


def look_around() -> None:
    lsmx.explain(Z)
    extend.known_backends()
    for name in ("reference", "torch"):
        with lsmx.using(name):
            lsmx.softmax(Z)


EVENTS = [meet_numpy, meet_other_libraries, meet_tensors, register_functions, look_around]


def test_what_lsmx_learns_makes_nothing_stale(cube: extend.Operator) -> None:
    eager = programs(cube)
    done = compiled(eager)
    want = {name: f(Z) for name, f in eager.items()}
    assert {name: differing(f(Z).numpy(), want[name].numpy()) for name, f in done.items()} == dict.fromkeys(done)
    sizes = torch.compile(lambda z: lsmx.log_softmax(z, axis=0), fullgraph=True, backend="aot_eager", dynamic=True)
    sizes(Z)
    for i, event in enumerate(EVENTS):
        event()
        with torch.compiler.set_stance("fail_on_recompile"):
            for name, f in done.items():
                assert differing(f(Z).numpy(), want[name].numpy()) is None, f"{name} after {event.__name__}"
            z = torch.from_numpy(RNG.standard_normal((3 + i, 7 + i)).astype(np.float32))
            assert differing(sizes(z).numpy(), lsmx.log_softmax(z, axis=0).numpy()) is None


def test_a_backend_of_ones_own_is_found_by_what_was_compiled_before() -> None:
    """Registering one is what does make it stale."""
    (f,) = compiled({"plain": lambda z: lsmx.log_softmax(z)}).values()
    f(Z)
    calls = []
    known = extend.backend_for(Z)
    fields = {
        name: getattr(known, name)
        for name in ("roots", "owns", "ops", "version", "devices", "dtypes", "from_numpy", "to_numpy", "place", "xp")
    }

    def bind(operation: extend.Operation, arrays: tuple[Any, ...], *options: Any) -> Any:
        calls.append(operation.name)
        return arrays[0]

    mine = extend.register_backend(extend.Backend(name="mine", bind=bind, **fields))
    try:
        assert differing(f(Z).numpy(), Z.numpy()) is None
        assert calls == ["log_softmax"]
    finally:
        extend.unregister_backend(mine)
    assert differing(f(Z).numpy(), OUT.numpy()) is None


def test_using_holds_when_compiled_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled outside of it; the definition has the same bits, so that what runs is asked."""
    (f,) = compiled({"plain": lambda z: lsmx.log_softmax(z)}).values()
    f(Z)
    runs: list[str] = []
    original = lsmx._call.plan.plan

    def planned(*args: Any) -> Any:
        found = original(*args)
        runs.append(found.runs)
        return found

    monkeypatch.setattr(lsmx._call.family, "plan", planned)
    with torch.compiler.set_stance("fail_on_recompile"):
        with lsmx.using("reference"):
            assert differing(f(Z).numpy(), OUT.numpy()) is None
        assert runs == ["the definition in standard operations"]
        with lsmx.using("torch"):
            assert differing(f(Z).numpy(), OUT.numpy()) is None
        with (
            lsmx.using("numpy"),
            pytest.raises(lsmx.BackendError, match=r"^z: an array of backend 'torch' inside using\(\"numpy\"\)"),
        ):
            f(Z)


def test_a_call_is_one_graph_without_breaks() -> None:
    for function in (lsmx.log_softmax, lsmx.softmax, lsmx.logsumexp):
        found = torch._dynamo.explain(lambda z, f=function: f(z * 2, axis=0, where=z > 0) + 1)(Z)
        assert (found.graph_count, found.graph_break_count) == (1, 0)


def test_a_name_that_is_registered_again_is_that_of_the_operator_again() -> None:
    """Programs that are saved name it; and what was unregistered still computes what it did."""

    def times(k: float) -> extend.Operator:
        class Times(Cube):
            @staticmethod
            def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
                ctx.save_for_backward(z)
                return k * z

        return extend.register("times", Times)

    functions = {}
    for k in (2.0, 3.0, 5.0):
        functions[k] = times(k)
        compiled({"times": functions[k]})["times"](Z)
        graph = torch.export.export(Wrapped(functions[k]), (Z,)).graph
        assert [str(node.target) for node in graph.nodes if "lsmx" in str(node.target)] == ["lsmx.times.default"]
        extend.unregister("times")
    for _ in range(2):
        for k, f in functions.items():
            for way in (f, torch.func.vmap(f), torch.compile(f, backend="eager")):
                assert differing(way(Z).numpy(), (k * Z).numpy()) is None


class Wrapped(torch.nn.Module):
    """A module of a function."""

    def __init__(self, f: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.f = f

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.f(z)
