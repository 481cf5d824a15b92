"""The matrix can fail: known mistakes, planted one at a time, and each of them caught by the comparison that the matrix makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx._definition import exp, sums
from lsmx._definition.rows import Rows
from lsmx.testing import Case, cases, differing, evaluate, host_target, wanted
from lsmx.testing.inputs import uniform
from tests import contracting

FEW = [case for case in cases() if case.name in ("normal", "dominated", "far", "short", "masked")]
FEW.append(Case("below zero", -12 * uniform(31, 400, 6) * (np.arange(6) > 0)))  # lse is all logarithm


def caught(function: str, direction: str, dtype: str = "float32") -> bool:
    """Whether the matrix sees a difference on the backend that is registered now."""
    for case in FEW:
        got, want = evaluate(host_target(), function, dtype, case)[direction], wanted(function, dtype, case)[direction]
        if differing(got, want) is not None:
            return True
    return False


@pytest.fixture
def kernel() -> Iterator[Callable[..., None]]:
    """Plants a kernel into NumPy's backend."""
    backend = lsmx.backend_for(np.zeros(1))
    planted = []

    def plant(function: str, direction: str, run: Callable[..., Any]) -> None:
        faulty = extend.Kernel("planted", function, direction, lambda *given, **options: lambda: run(*given, **options))
        fields = {f: getattr(backend, f) for f in backend.__dataclass_fields__ if f not in ("kernels", "by_task")}
        planted.append(extend.register_backend(extend.Backend(**fields, kernels=(faulty,))))

    yield plant
    for record in planted:
        extend.unregister_backend(record)


def diagonal_only(g: Any, s: Any, axis: Any) -> Any:
    return g * (1 - s)


def no_row_sum(g: Any, s: Any, axis: Any) -> Any:
    return g - s


def rule_of_softmax(g: Any, s: Any, axis: Any) -> Any:
    return s * (g - np.sum(g * s, axis=axis, keepdims=True))


def right_in_another_arithmetic(g: Any, s: Any, axis: Any) -> Any:
    return g - s * np.sum(g, axis=axis, keepdims=True)


@pytest.mark.parametrize("mistake", [diagonal_only, no_row_sum, rule_of_softmax, right_in_another_arithmetic])
def test_a_wrong_gradient_is_caught(kernel: Callable[..., None], mistake: Callable[..., Any]) -> None:
    def run(ctx: Any, g: Any) -> Any:
        return mistake(g, np.exp(ctx.saved_tensors[0]), getattr(ctx, "axis", -1))

    assert not caught("log_softmax", "backward")
    kernel("log_softmax", "backward", run)
    assert lsmx.explain(np.ones(3), direction="backward").runs == "planted"
    assert caught("log_softmax", "backward")


def test_a_right_kernel_passes(kernel: Callable[..., None]) -> None:
    kernel("log_softmax", "backward", lsmx.registered()["log_softmax"].function.backward)
    assert lsmx.explain(np.ones(3), direction="backward").runs == "planted"
    assert not caught("log_softmax", "backward")


def test_a_kernel_in_the_last_bit_is_caught(kernel: Callable[..., None]) -> None:
    def off_by_an_ulp(ctx: Any, z: Any, **options: Any) -> Any:
        out = lsmx.registered()["log_softmax"].function.forward(ctx, z, **options)
        return np.nextafter(out, np.where(out < -1, out, -np.inf).astype(out.dtype))

    kernel("log_softmax", "forward", off_by_an_ulp)
    assert caught("log_softmax", "forward")


def stored(function: str, direction: str) -> list[np.ndarray]:
    return [wanted(function, "float32", case)[direction] for case in FEW]


def changed(function: str, direction: str, before: list[np.ndarray]) -> bool:
    """Whether the definition itself no longer gives what it gave: what the stored digests are compared with."""
    return any(differing(a, b) is not None for a, b in zip(stored(function, direction), before, strict=True))


def float_sum(ops: Any, t: Any, second: Any, e: Any, axes: Any) -> Any:
    """The sum of the terms as floats, less one of the second largest."""
    total = ops.xp.sum(t, axis=axes, keepdims=True) - second
    return total, ops.xp.zeros_like(total)


def test_a_float_sum_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored("log_softmax", "forward")
    monkeypatch.setattr(sums, "rest_of_sum", float_sum)
    assert changed("log_softmax", "forward", before)
    z = FEW[0].z.astype(np.float32)
    order = np.random.default_rng(0).permutation(z.shape[1])
    with lsmx.using("reference"):
        assert differing(lsmx.log_softmax(z[:, order]), lsmx.log_softmax(z)[:, order]) is not None


def test_a_float_sum_of_the_cotangent_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored("log_softmax", "backward")

    def plain(rows: Rows, v: Any) -> Any:
        total = np.sum(v, axis=rows.axes, keepdims=True)
        return total, np.zeros_like(total)

    monkeypatch.setattr(Rows, "sum", plain)
    assert changed("log_softmax", "backward", before)


def test_a_sum_on_the_grid_of_the_largest_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored("log_softmax", "forward")
    plain = sums.rest_of_sum
    monkeypatch.setattr(sums, "rest_of_sum", lambda ops, t, second, e, axes: plain(ops, t, second, 0.0 * e, axes))
    assert changed("log_softmax", "forward", before)


def test_a_tie_that_is_not_counted_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored("log_softmax", "forward")
    monkeypatch.setattr(Rows, "count_here", lambda rows, x: np.ones((), dtype=np.int64))
    assert changed("log_softmax", "forward", before)


def test_another_nan_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    nasty = next(case for case in cases() if case.name == "nasty")
    before = wanted("log_softmax", "float32", nasty)["forward"]
    plain = Rows.result
    monkeypatch.setattr(Rows, "result", lambda rows, x: np.where(np.isnan(x), -np.float32(np.nan), plain(rows, x)))
    assert differing(wanted("log_softmax", "float32", nasty)["forward"], before) is not None


def test_a_rounded_difference_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """``exp(round(x - m))`` is off by up to 15 ulp of a dominated row's logarithm."""
    before = stored("log_softmax", "forward")
    plain = exp.difference
    monkeypatch.setattr(exp, "difference", lambda ops, x, m: (plain(ops, x, m)[0], 0.0 * x))
    assert changed("log_softmax", "forward", before)


def wrap(x: np.ndarray) -> contracting.Array:
    return contracting.Array(x)


def under_contraction(function: str, direction: str) -> bool:
    """Whether the definition gives the same bits in a library that contracts."""
    for case in FEW:
        want = wanted(function, "float32", case)
        operator = lsmx.registered()[function]
        mask = None if case.where is None else wrap(case.where)
        z = wrap(case.z.astype(np.float32))
        with np.errstate(over="ignore", invalid="ignore"):
            if direction == "forward":
                got = operator(z, axis=case.axis, where=mask)
            else:
                residual = {"z": z, "output": wrap(want["forward"])}
                name, *names = operator.operations[direction].takes
                shape = want["forward"].shape if name == "grad_output" else case.z.shape
                vector = wrap(case.vector(shape).astype(np.float32))
                got = operator.derivative(direction, {name: vector}, {n: residual[n] for n in names}, case.axis, mask)
        if differing(got.value, want[direction]) is not None:
            return False
    return True


@pytest.fixture
def rounding(request: pytest.FixtureRequest) -> Iterator[None]:
    """Serves the contracting library, with or without what its ``rounded`` has to be."""

    def ops(x: Any, fmt: extend.Format) -> extend.Ops:
        rounded = (lambda product: wrap(product.value)) if request.param else (lambda product: product)
        return extend.Ops(contracting.NAMESPACE, "cpu", fmt, (np.int64, 64), rounded)

    def nothing(*_: Any) -> Any:
        raise NotImplementedError

    record = extend.Backend(
        name="contracting",
        roots=(contracting.Array.__module__.partition(".")[0],),
        owns=lambda kind: issubclass(kind, contracting.Array),
        ops=ops,
        version=str,
        devices=list,
        dtypes=("float32",),
        from_numpy=nothing,
        to_numpy=nothing,
    )
    extend.register_backend(record)
    yield
    extend.unregister_backend(record)


TASKS = [(f, d) for f in ("log_softmax", "softmax", "logsumexp") for d in ("forward", "backward", "jvp")]
TASKS += [("log_softmax", "backward_z"), ("log_softmax", "jvp_z")]


@pytest.mark.parametrize("rounding", [True], indirect=True)
@pytest.mark.parametrize(("function", "direction"), TASKS)
@pytest.mark.usefixtures("rounding")
def test_marked_products_hold_under_contraction(function: str, direction: str) -> None:
    assert under_contraction(function, direction)


NO_PRODUCT_FEEDS_AN_ADDITION = {("softmax", "backward"), ("softmax", "jvp")}


@pytest.mark.parametrize("rounding", [False], indirect=True)
@pytest.mark.parametrize(("function", "direction"), [t for t in TASKS if t not in NO_PRODUCT_FEEDS_AN_ADDITION])
@pytest.mark.usefixtures("rounding")
def test_unmarked_products_are_caught_under_contraction(function: str, direction: str) -> None:
    assert not under_contraction(function, direction)


def test_the_contracting_library_contracts() -> None:
    rng = np.random.default_rng(4)
    a, b, c = rng.standard_normal((3, 10_000)).astype(np.float32)
    fused, plain = (wrap(a) * wrap(b) + wrap(c)).value, a * b + c
    exact = a.astype(np.longdouble) * b + c
    assert 0.1 < (fused != plain).mean() < 0.4
    assert (np.abs(fused - exact) <= np.abs(plain - exact)).all()
