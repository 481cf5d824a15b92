"""Dask arrays: lazily, with NumPy's bits, wherever the chunks are cut. What holds for any library is in ``lsmx.testing``."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import differing
from lsmx.testing.calls import FUNCTIONS, every_direction

da = pytest.importorskip("dask.array")
import dask  # noqa: E402
from lsmx_dask.task import Task  # noqa: E402

RNG = np.random.default_rng(3)
Z, G, V = RNG.standard_normal((3, 4, 6, 10)).astype(np.float32)
MASK = RNG.random(Z.shape) < 0.7
CHUNKS = [(2, 3, 10), (4, 6, 5), (1, 6, 10), (3, 4, 7), (4, 6, 10), ((1, 3), (2, 2, 2), (1, 9))]


def computed(x: Any) -> Any:
    return np.asarray(x.compute(scheduler="synchronous"))


def per_row(x: Any, axis: Any) -> Any:
    """Numbers of the shape that a reduction along ``axis`` has."""
    return np.asarray(x.max(axis=axis))


@pytest.mark.one_in(8, slow=3)
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_equal_bits_wherever_the_chunks_are_cut(function: str, axis: Any, chunks: Any) -> None:
    z, v, mask = (da.from_array(x, chunks=chunks) for x in (Z, V, MASK))
    cotangent = per_row(G, axis) if function == "logsumexp" else G
    g = da.from_array(cotangent, chunks=2)  # cut in another way
    for where, here in ((None, None), (mask, MASK), (MASK, MASK), (mask[:1, :, :1], MASK[:1, :, :1]), (MASK[0, 0], MASK[0, 0])):
        got, want = every_direction(function, z, g, v, axis, where), every_direction(function, Z, cotangent, V, axis, here)
        assert got.keys() == want.keys()
        for direction, x in got.items():
            assert isinstance(x, da.Array)
            assert (x.shape, x.dtype, type(x._meta), x._meta.ndim) == (want[direction].shape, Z.dtype, np.ndarray, x.ndim)
            assert differing(computed(x), want[direction]) is None, direction


def source(seen: list[Any], values: Any, chunks: Any) -> Any:
    """An array that notes which of its blocks are computed."""

    def block(x: Any) -> Any:
        seen.append(x.shape)
        return x

    return da.from_array(values, chunks=chunks).map_blocks(
        block, dtype=values.dtype, meta=np.empty((0,) * values.ndim, values.dtype)
    )


@pytest.mark.parametrize("chunks", CHUNKS[:2])
def test_nothing_is_computed_before_it_is_asked_for(chunks: Any) -> None:
    seen: list[Any] = []
    z, g, v = (source(seen, x, chunks) for x in (Z, G, V))
    got = every_direction("log_softmax", z, g, v, where=source(seen, MASK, chunks))
    got["cast"] = lsmx.softmax(source(seen, Z.astype(np.int8), chunks), dtype="float64")
    got["jacobian"] = lsmx.softmax_jacobian(z)
    assert seen == []
    assert differing(computed(got["cast"]), lsmx.softmax(Z.astype(np.int8), dtype="float64")) is None
    assert len(seen) == z.npartitions


def test_whole_rows_stay_in_their_chunks() -> None:
    seen: list[Any] = []
    out = lsmx.log_softmax(source(seen, Z, (2, 3, 10)))
    assert out.chunks == ((2, 2), (3, 3), (10,))
    assert differing(out[:1, :2].compute(scheduler="synchronous"), lsmx.log_softmax(Z)[:1, :2]) is None
    assert seen == [(2, 3, 10)]  # one block of four
    assert lsmx.logsumexp(da.from_array(Z, chunks=(2, 3, 5)), keepdims=True).chunks == ((2, 2), (3, 3), (1,))


def test_rows_that_are_put_together_do_not_make_blocks_larger_than_dask_is_told() -> None:
    """And the result has the chunks that the rows had."""
    seen: list[Any] = []
    values = RNG.standard_normal((64, 100)).astype(np.float32)
    z = da.from_array(values, chunks=(64, 10))
    for limit, largest in (("128MiB", 64), ("4KiB", 10)):
        with dask.config.set({"array.chunk-size": limit}), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Task, "__call__", lambda task, x, call=Task.__call__: seen.append(x.shape) or call(task, x))
            out = lsmx.log_softmax(z)
            assert out.chunks == z.chunks
            assert differing(computed(out), lsmx.log_softmax(values)) is None
            assert lsmx.logsumexp(z).chunks == ((64,),)
        assert {shape[1] for shape in seen} == {100}
        assert max(shape[0] for shape in seen) == largest
        seen.clear()


@pytest.mark.parametrize("keepdims", [False, True, np.True_])
@pytest.mark.parametrize("axis", [0, (1, 2), None])
def test_keepdims(axis: Any, keepdims: bool) -> None:
    z = da.from_array(Z, chunks=(2, 3, 5))
    got, want = lsmx.logsumexp(z, axis=axis, keepdims=keepdims), lsmx.logsumexp(Z, axis=axis, keepdims=keepdims)
    assert got.shape == want.shape
    assert differing(computed(got), want) is None
    g = RNG.standard_normal(want.shape).astype(np.float32)
    dz = lsmx.logsumexp_backward(da.from_array(g, chunks=1), z, got, axis=axis)
    assert differing(computed(dz), lsmx.logsumexp_backward(g, Z, want, axis=axis)) is None


@pytest.mark.parametrize("dtype", ["f2", "single", float, np.dtype(">f8")])
def test_casts_are_lazy_quiet_and_first(dtype: Any) -> None:
    values = np.asarray([[0.1, 1e300, -3.0, 70000.0]] * 4)
    got = lsmx.log_softmax(da.from_array(values, chunks=2), dtype=dtype)
    assert got.dtype == np.dtype(dtype).newbyteorder("=")
    with np.errstate(all="raise"):
        assert differing(computed(got), lsmx.log_softmax(values, dtype=dtype)) is None


def test_the_other_byte_order_and_narrow_floats() -> None:
    import ml_dtypes

    swapped = da.from_array(Z.astype(">f4"), chunks=(2, 3, 5))
    out = lsmx.log_softmax(swapped)
    assert out.dtype.isnative
    assert differing(computed(out), lsmx.log_softmax(Z)) is None
    narrow = Z.astype(ml_dtypes.float8_e4m3fn)
    got = lsmx.softmax(da.from_array(narrow, chunks=(2, 3, 5)), dtype="float32")
    assert differing(computed(got), lsmx.softmax(narrow.astype(np.float32))) is None


def test_numpy_and_dask_go_together() -> None:
    z, g, mask = (da.from_array(x, chunks=(2, 3, 5)) for x in (Z, G, MASK))
    out, lse = lsmx.log_softmax(Z, where=MASK), lsmx.logsumexp(Z)
    want = lsmx.log_softmax_backward(G, out, where=MASK)
    pairs: list[tuple[Any, Any]] = [
        (lsmx.log_softmax(Z, where=mask), out),
        (lsmx.log_softmax(z, where=MASK), out),
        (lsmx.log_softmax_backward(g, out, where=MASK), want),
        (lsmx.log_softmax_backward(G, da.from_array(out, chunks=3), where=mask), want),
        (lsmx.logsumexp_backward(lse, Z, da.from_array(lse, chunks=1)), lsmx.logsumexp_backward(lse, Z, lse)),
    ]
    for got, right in pairs:
        assert isinstance(got, da.Array)
        assert differing(computed(got), right) is None


def test_other_libraries_do_not() -> None:
    import torch

    z = da.from_array(Z, chunks=2)
    with pytest.raises(lsmx.ArrayTypeError, match=r"^where: a torch.*convert one"):
        lsmx.log_softmax(z, where=torch.from_numpy(MASK))


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0), (0,), ()])
def test_nothing_in_it(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.float32)
    axis = -1 if shape else None
    z = da.from_array(values, chunks=-1)
    for function in FUNCTIONS:
        want = getattr(lsmx, function)(values, axis=axis)
        assert differing(computed(getattr(lsmx, function)(z, axis=axis)), want) is None
    assert differing(computed(lsmx.softmax_jacobian(z, axis=axis)), lsmx.softmax_jacobian(values, axis=axis)) is None


# --- sizes that Dask does not know ----------------------------------------------------------------------------------------------


def unknown(values: Any, keep: Any, chunks: Any) -> Any:
    """Some entries along the first axis, of whose number Dask knows nothing."""
    return da.from_array(values, chunks=chunks)[da.from_array(keep, chunks=chunks[0])]


KEEP = np.asarray([True, False, True, True])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_unknown_sizes_along_kept_axes(function: str) -> None:
    z, v = (unknown(x, KEEP, (2, 6, 5)) for x in (Z, V))
    assert np.isnan(z.shape[0])
    g = unknown(per_row(G, -1) if function == "logsumexp" else G, KEEP, (2, 6, 5)[: 2 + (function != "logsumexp")])
    cotangent = per_row(G, -1)[KEEP] if function == "logsumexp" else G[KEEP]
    for where, here in ((None, None), (z > -1, Z[KEEP] > -1), (MASK[0], MASK[0])):
        got, want = every_direction(function, z, g, v, -1, where), every_direction(function, Z[KEEP], cotangent, V[KEEP], -1, here)
        assert {d: differing(computed(x), want[d]) for d, x in got.items()} == dict.fromkeys(want)
        assert all(np.isnan(x.shape[0]) for x in got.values())


def test_unknown_sizes_along_reduced_axes() -> None:
    z = unknown(Z, KEEP, (2, 6, 10))
    with pytest.raises(lsmx.ShapeError, match=r"^z: .*unknown sizes along axis 0, which is reduced; call compute_chunk_sizes\(\)"):
        lsmx.log_softmax(z, axis=0)
    assert differing(computed(lsmx.log_softmax(z.compute_chunk_sizes(), axis=0)), lsmx.log_softmax(Z[KEEP], axis=0)) is None
    z = unknown(Z, KEEP, (4, 3, 5))  # in one chunk, so that there is nothing to put together
    assert differing(computed(lsmx.logsumexp(z, axis=0)), lsmx.logsumexp(Z[KEEP], axis=0)) is None


def test_unknown_sizes_beside_others() -> None:
    z = unknown(Z, KEEP, (2, 6, 10))
    for g in (G[KEEP], da.from_array(G[KEEP], chunks=2)):
        with pytest.raises(
            lsmx.ShapeError, match=r"^grad_output: shape .*sizes that are nan are unknown: call compute_chunk_sizes"
        ):
            lsmx.log_softmax_backward(g, z)
    with pytest.raises(lsmx.ShapeError, match=r"^grad_output: 4 chunks of unknown sizes along axis 0, beside 2"):
        lsmx.log_softmax_backward(unknown(G, KEEP, (1, 6, 10)), z)
    later = lsmx.log_softmax_backward(unknown(G, ~KEEP, (2, 6, 10)), z)  # nobody knows yet
    with pytest.raises(lsmx.ShapeError, match="grad_output: shape"):
        computed(later)


# --- refusals, at the call and not when it is computed ---------------------------------------------------------------------------


def test_out_is_refused() -> None:
    z = da.from_array(Z, chunks=2)
    room = da.zeros_like(z)
    for call in (lambda: lsmx.log_softmax(z, out=room), lambda: lsmx.log_softmax_backward(z, z, out=room)):
        with pytest.raises(lsmx.OutputError, match=r"^out: cannot be written to by Dask.*use the result"):
            call()
    assert not computed(room).any()


def test_arguments_are_checked_at_the_call() -> None:
    z = da.from_array(Z, chunks=2)
    text = da.from_array(np.asarray([["1", "2"]]))
    masked = da.from_array(np.ma.masked_array(Z, mask=MASK), chunks=2)
    calls: dict[str, tuple[type[Exception], Callable[[], Any]]] = {
        r"^axis: 3 is out of range": (lsmx.AxisError, lambda: lsmx.log_softmax(z, axis=3)),
        r"^axis: ": (lsmx.AxisError, lambda: lsmx.log_softmax(z, axis=z)),
        r"^keepdims: ": (lsmx.ArgumentError, lambda: lsmx.logsumexp(z, keepdims="no")),  # type: ignore[arg-type]
        r"^where: dtype float32": (lsmx.DTypeError, lambda: lsmx.log_softmax(z, where=z)),
        r"^where: shape": (lsmx.ShapeError, lambda: lsmx.log_softmax(z, where=z[:, :2] > 0)),
        r"^tangent: shape": (lsmx.ShapeError, lambda: lsmx.softmax_jvp(z[:2], z)),
        r"^grad_output: dtype float64 among": (lsmx.DTypeError, lambda: lsmx.softmax_backward(z.astype("f8"), z)),
        r"^z: dtype int64 .*dtype=": (lsmx.DTypeError, lambda: lsmx.softmax(z.astype("i8"))),
        r"^z: an array of text": (lsmx.DTypeError, lambda: lsmx.softmax(text, dtype="f4")),
        r"^z: a Dask array in blocks of another kind: .*MaskedArray.*where=": (lsmx.ArrayTypeError, lambda: lsmx.softmax(masked)),
    }
    for match, (error, call) in calls.items():
        with pytest.raises(error, match=match):
            call()


def test_other_things_of_dask_are_no_arrays() -> None:
    with pytest.raises(lsmx.ArrayTypeError, match=r"dask\.delayed\.Delayed.* is not an array"):
        lsmx.log_softmax(dask.delayed(Z))


# --- what runs ------------------------------------------------------------------------------------------------------------------


def test_explain_tells_what_runs_and_runs_it() -> None:
    z, g = da.from_array(Z, chunks=2), da.from_array(G, chunks=2)
    explained = lsmx.explain(z, axis=0)
    assert str(explained) == "log_softmax forward: backend 'dask' runs whole rows by blocks"
    by_rounds = lsmx.explain(z, axis=None)
    assert by_rounds.runs == "parts of rows, by rounds"
    assert by_rounds.passed == (("whole rows by blocks", "the rows are cut into parts that tell each other numbers"),)
    assert differing(computed(by_rounds.run()), lsmx.log_softmax(Z, axis=None)) is None
    assert differing(computed(explained.run()), lsmx.log_softmax(Z, axis=0)) is None
    backward = lsmx.explain(g, z, direction="backward", where=z > 0)
    assert backward.runs == "whole rows by blocks"
    assert differing(computed(backward.run()), lsmx.log_softmax_backward(G, Z, where=Z > 0)) is None
    ctx = extend.Context()
    out = lsmx.backend_for(z).by_task["logsumexp", "forward"][0].plan(ctx, z, axis=0, keepdims=True)()
    assert ctx.axis == 0  # type: ignore[attr-defined]
    assert ctx.keepdims is True  # type: ignore[attr-defined]
    assert out.shape == (1, *z.shape[1:])
    assert [x is z for x in ctx.saved_tensors] == [True]
    jacobian = lsmx.explain(z, function="softmax", direction="jacobian")
    assert differing(computed(jacobian.run()), lsmx.softmax_jacobian(Z)) is None


def test_the_definition_is_what_blocks_run_inside_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    from lsmx._call import plan

    ran = []
    monkeypatch.setattr(
        plan, "quietly", lambda backend, compute, quietly=plan.quietly: ran.append(compute) or quietly(backend, compute)
    )
    z = da.from_array(Z, chunks=(4, 3, 10))
    with lsmx.using("reference"):
        reference = lsmx.log_softmax(z)
    usual = lsmx.log_softmax(z)
    assert reference.name != usual.name
    assert differing(computed(reference), lsmx.log_softmax(Z)) is None
    assert {rule.func for rule in ran} == {lsmx.registered()["log_softmax"].function.forward}
    with lsmx.using("dask"):
        usual = lsmx.log_softmax(z)
    assert differing(computed(usual), lsmx.log_softmax(Z)) is None
    with lsmx.using("numpy"), pytest.raises(lsmx.BackendError, match="'dask'"):
        lsmx.log_softmax(z)


def test_a_call_has_one_name_and_can_be_sent() -> None:
    z = da.from_array(Z, chunks=(4, 2, 10))
    assert lsmx.log_softmax(z).name == lsmx.log_softmax(z).name
    names = {
        lsmx.log_softmax(z).name,
        lsmx.softmax(z).name,
        lsmx.log_softmax(z, axis=0).name,
        lsmx.log_softmax(z, where=z > 0).name,
    }
    assert len(names) == 4
    assert all(name.startswith(("lsmx-log_softmax-", "lsmx-softmax-")) for name in names)
    task = Task("logsumexp", "forward", False, 0, (("keepdims", True),), False)
    sent = pickle.loads(pickle.dumps(task))
    assert sent == task
    assert differing(sent(Z), lsmx.logsumexp(Z, axis=0, keepdims=True)) is None
    with dask.config.set(scheduler="processes", num_workers=1):
        assert differing(lsmx.log_softmax(da.from_array(Z, chunks=(4, 6, 5))).compute(), lsmx.log_softmax(Z)) is None


class Elsewhere(np.ndarray):
    """Stands for an array of another library in the blocks, as CuPy's."""


Elsewhere.__module__ = "a_library_in_blocks"


@pytest.fixture
def elsewhere() -> Iterator[list[Any]]:
    """The arrays that this library's kernel has been given."""
    seen: list[Any] = []
    numpy = lsmx.backend_for(np.zeros(1))

    def plan(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        def run() -> Any:
            seen.append((type(z), z.shape))
            out = lsmx.log_softmax(np.asarray(z), axis=axis, where=where).view(Elsewhere)
            ctx.save_for_backward(out)
            return out

        return run

    fields = {name: getattr(numpy, name) for name in ("version", "devices", "dtypes", "from_numpy", "to_numpy", "quiet")}
    ops = lambda x, fmt: extend.Ops(np, "cuda:0", fmt, (np.int64, 64))  # noqa: E731
    backend = extend.Backend(
        name="elsewhere",
        roots=("a_library_in_blocks",),
        owns=lambda kind: issubclass(kind, Elsewhere),
        ops=ops,
        kernels=(extend.Kernel("its own", "log_softmax", "forward", plan),),
        **fields,
    )
    extend.register_backend(backend)
    yield seen
    extend.unregister_backend(backend)


def test_blocks_of_another_library_go_to_its_kernels(elsewhere: list[Any]) -> None:
    z = da.from_array(Z.view(Elsewhere), chunks=(2, 6, 10), asarray=False)
    assert type(z._meta) is Elsewhere
    out = lsmx.log_softmax(z)
    assert elsewhere == []
    assert type(out._meta) is Elsewhere
    assert differing(np.asarray(out.compute(scheduler="synchronous")), lsmx.log_softmax(Z)) is None
    assert elsewhere == [(Elsewhere, (2, 6, 10))] * 2
    with pytest.raises(lsmx.DeviceError, match=r"^where: on cpu, but z is on cuda:0"):
        lsmx.log_softmax(z, where=MASK)


# --- functions of somebody's own ------------------------------------------------------------------------------------------------


class Weighted(extend.Function):
    """``z[index] * w[index]`` for each row: of rows, one number a class, and an index; with gradients by the first two."""

    takes: ClassVar = {"z": extend.ROWS, "w": extend.PER_CLASS, "index": extend.INDEX}
    gradients = ("z", "w")
    residual = ("w", "z", "index")
    reduces = True

    @staticmethod
    def forward(ctx: Any, z: Any, w: Any, index: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        rows = extend.Rows.of("z", z, axis, where)
        x = rows.product(rows.enter("z", z, 0.0), rows.classes("w", w))
        extend.keep(ctx, Weighted, (z, w, index), z, axis, where)
        picked = rows.pick(rows.chosen("index", index), x)
        return rows.leave_each(picked)

    @staticmethod
    def backward(ctx: Any, g: Any, /) -> Any:
        w, z, index = ctx.saved_tensors
        rows = extend.Rows.of("z", z, *extend.recall(ctx))
        spread = rows.ops.where(rows.chosen("index", index), rows.expand("grad_output", g), 0.0)
        kept = tuple(i for i in range(z.ndim) if i not in rows.axes)
        dw = np.asarray(rows.product(spread, rows.enter("z", z, 0.0)).sum(axis=kept, keepdims=w.ndim == z.ndim))  # exact: integers
        return rows.leave(rows.product(spread, rows.classes("w", w)), 0.0), dw


def saved(arrays: dict[str, Any]) -> dict[str, Any]:
    """The residual, in its order."""
    return {name: arrays[name] for name in Weighted.residual}


@pytest.fixture
def weighted() -> Iterator[extend.Operator]:
    yield extend.register("weighted", Weighted)
    extend.unregister("weighted")


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("chunks", [(2, 3, 10), (4, 2, 3)])
def test_functions_of_several_arrays(weighted: extend.Operator, chunks: Any, flat: bool) -> None:
    z, w = RNG.integers(-9, 9, Z.shape).astype(np.float32), RNG.integers(-9, 9, 10).astype(np.float32)
    index, g = RNG.integers(0, 10, Z.shape[:2]), RNG.integers(-9, 9, Z.shape[:2]).astype(np.float32)
    w = w if flat else w.reshape(1, 1, 10)
    here = {"z": z, "w": w, "index": index}
    there = {"z": da.from_array(z, chunks=chunks), "w": da.from_array(w, chunks=4), "index": da.from_array(index, chunks=1)}
    assert differing(computed(weighted(*there.values())), weighted(*here.values())) is None
    for by in ("z", "w"):
        want = weighted.derivative(f"backward {by}", {"grad_output": g}, saved(here), -1)
        got = weighted.derivative(f"backward {by}", {"grad_output": da.from_array(g, chunks=3)}, saved(there), -1)
        assert want.any()
        assert got.shape == want.shape
        assert differing(computed(got), want) is None, by


def test_losses_with_options_that_are_arrays() -> None:
    """A temperature for each row is cut with the rows; a result that is wider than its rows says so before it is computed."""
    rng = np.random.default_rng(41)
    z, index, each = rng.standard_normal((6, 9)), rng.integers(0, 9, 6), rng.uniform(0.5, 2, 6)
    for dtype in ("float16", "float32", "float64"):
        logits, fmt = z.astype(dtype), "float64" if dtype == "float64" else "float32"
        blocks, i, t = (da.from_array(x, chunks=(2, *x.shape[1:])) for x in (logits, index, each.astype(fmt)))
        got = lsmx.log_prob(blocks, i, temperature=t)
        assert got.dtype == fmt
        assert differing(got.compute(), lsmx.log_prob(logits, index, temperature=each.astype(fmt))) is None
        weight = rng.random(9).astype(fmt)
        loss = lsmx.cross_entropy(blocks, i, weight=da.from_array(weight), reduction="none")
        assert differing(loss.compute(), lsmx.cross_entropy(logits, index, weight=weight, reduction="none")) is None


@pytest.mark.parametrize(("rows", "classes"), [((5, 50), (5, 20)), ((5, 20), (4, 7))])
def test_classes_that_a_sampler_kept(rows: Any, classes: Any) -> None:
    """Taken from whole rows, however those are cut."""
    rng = np.random.default_rng(8)
    values = rng.standard_normal((12, 50)).astype(np.float32)
    kept = np.argsort(-values, axis=-1)[:, :20].copy()
    kept[3, 5:] = -1
    seen: list[Any] = []
    z, support = source(seen, values, rows), source(seen, kept, classes)
    got, want = (
        lsmx.token_stats(z, da.from_array(kept[:, 1], chunks=5), support=support),
        lsmx.token_stats(values, kept[:, 1], support=kept),
    )
    assert seen == []
    for x, right in zip(got, want, strict=True):
        assert np.array_equal(computed(x), right)
    assert differing(computed(lsmx.entropy(z, support=support)), lsmx.entropy(values, support=kept)) is None
