"""Rows of Dask arrays that are cut: every function by rounds, with NumPy's bits, lazily, and in the chunks that were given."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import differing

da = pytest.importorskip("dask.array")
import dask  # noqa: E402
from lsmx_dask import rounds, tiles  # noqa: E402
from lsmx_dask.parts import Ask  # noqa: E402

RNG = np.random.default_rng(21)
R, N = 9, 50


def rows(dtype: Any) -> np.ndarray:
    """Logits with all that is hard: parts of nothing but -inf, ties in two parts, rows that one logit leads."""
    z = (4 * RNG.standard_normal((R, N))).astype(dtype)
    z[1, 3], z[2, 5], z[3], z[4, 10:], z[5] = np.nan, np.inf, -np.inf, -np.inf, 7.0
    z[6, [3, 44]], z[7, 30], z[8, :14] = 40.0, 60.0, -np.inf
    return z


Z, W, G = rows(np.float32), rows(np.float32)[::-1].copy(), RNG.standard_normal((R, N)).astype(np.float32)
INDEX, SEVERAL = RNG.integers(0, N, R), RNG.integers(0, N, (R, 3))
EACH, MASK, WEIGHT = RNG.standard_normal(R).astype(np.float32), RNG.random((R, N)) < 0.7, RNG.random(N).astype(np.float32)
TARGET, P = np.where(np.arange(R) == 2, -100, INDEX), np.abs(G)
OUT, S, LSE, SUMS = lsmx.log_softmax(Z), lsmx.softmax(Z), lsmx.logsumexp(Z), lsmx.row_sums(Z)
ONE = np.asarray(1.5, np.float32)
NO: dict[str, Any] = {}

Case = tuple[str, tuple[Any, ...], dict[str, Any]]
CASES: list[Case] = [
    ("log_softmax", (Z,), NO),
    ("log_softmax", (Z,), {"where": MASK}),
    ("log_softmax", (Z,), {"where": MASK[0], "dtype": "float64"}),
    ("softmax", (Z,), {"where": MASK[:, :1]}),
    ("logsumexp", (Z,), NO),
    ("logsumexp", (Z,), {"keepdims": True}),
    ("row_sums", (Z,), {"temperature": 0.7}),
    ("log_prob", (Z, INDEX), {"temperature": EACH**2 + 1, "softcap": 20.0}),
    ("log_prob", (Z, SEVERAL), {"where": MASK}),
    ("log_prob", (Z, INDEX), {"row_sums": SUMS}),
    ("entropy", (Z,), NO),
    ("token_stats", (Z, INDEX), NO),
    ("cross_entropy", (Z, TARGET), {"reduction": "none", "weight": WEIGHT}),
    ("cross_entropy", (Z, TARGET), NO),
    ("cross_entropy", (Z, TARGET), {"weight": WEIGHT, "label_smoothing": 0.1, "z_loss": 1e-3, "where": MASK}),
    ("cross_entropy", (Z, P), {"label_smoothing": 0.1, "reduction": "sum"}),
    ("cross_entropy", (Z, TARGET), {"return_z_loss": True, "z_loss": 1e-3, "normalizer": 7.0}),
    ("kl_divergence", (Z, W), {"temperature": 2.0}),
    ("kl_divergence", (Z, W), {"reduction": "mean"}),
    ("js_divergence", (Z, W), {"where": MASK}),
    ("log_softmax_backward", (G, OUT), NO),
    ("log_softmax_jvp", (G, OUT), NO),
    ("softmax_backward", (G, S), {"where": MASK}),
    ("softmax_jvp", (G, S), NO),
    ("logsumexp_backward", (EACH, Z, LSE), NO),
    ("logsumexp_jvp", (G, Z, LSE), NO),
    ("log_prob_backward", (EACH, Z, INDEX), NO),
    ("log_prob_backward", ((SEVERAL * EACH[:, None]).astype(np.float32), Z, SEVERAL), NO),
    ("log_prob_jvp", (G, Z, SEVERAL), NO),
    ("entropy_backward", (EACH, Z), NO),
    ("entropy_jvp", (G, Z), NO),
    ("cross_entropy_backward", (ONE, Z, TARGET), {"label_smoothing": 0.1, "z_loss": 1e-3}),
    ("cross_entropy_backward", (EACH, Z, TARGET), {"reduction": "none", "weight": WEIGHT}),
    ("cross_entropy_backward", (ONE, Z, P), NO),
    ("cross_entropy_jvp", (G, Z, TARGET), NO),
    ("cross_entropy_jvp", (G, Z, P), {"reduction": "none"}),
    ("kl_divergence_backward", (EACH, Z, W), NO),
    ("kl_divergence_jvp", (G, None, Z, W), NO),
    ("js_divergence_backward", (EACH, Z, W), NO),
    ("js_divergence_jvp", (None, G, Z, W), NO),
]


def source(x: Any, seen: list[Any] | None = None) -> Any:
    """A Dask array that raises when one of its blocks is computed while ``seen`` is empty."""
    if getattr(x, "shape", None) is None:
        return x
    chunks = tuple({R: (5, 4), N: (13, 1, 36)}.get(n, -1) for n in x.shape)
    array = da.from_array(x, chunks=chunks)
    if seen is None:
        return array

    def block(b: Any) -> Any:
        assert seen, "computed before it was asked for"
        return b

    return array.map_blocks(block, dtype=x.dtype, meta=np.empty((0,) * x.ndim, x.dtype))


def same(got: Any, want: Any, what: Any = "") -> None:
    """Compare every bit, after a Dask array is computed."""
    assert isinstance(got, da.Array)
    value = np.asarray(got.compute(scheduler="synchronous"))
    assert (value.shape, value.dtype, got.shape, got.dtype) == (want.shape, want.dtype, want.shape, want.dtype), what
    if value.dtype.name.startswith("float"):
        assert differing(value, want) is None, (what, differing(value, want))
    else:
        assert value.tobytes() == want.tobytes(), what


def check(case: Case) -> None:
    """A call on Dask arrays and the same on NumPy's: nothing computed at the call, equal bits, and the chunks that were given."""
    name, arrays, options = case
    seen: list[Any] = []
    want = getattr(lsmx, name)(*arrays, **options)
    got = getattr(lsmx, name)(*(source(x, seen) for x in arrays), **{key: source(x, seen) for key, x in options.items()})
    seen.append("now")
    wants, gots = (x if isinstance(x, tuple) else (x,) for x in (want, got))
    assert len(gots) == len(wants)
    for one, right in zip(gots, wants, strict=True):
        same(one, np.asarray(right), name)
        if one.shape == Z.shape:
            assert one.chunks == ((5, 4), (13, 1, 36))
        elif one.shape[:1] == (R,):
            assert one.chunks[0] == (5, 4)


@pytest.fixture
def by_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few elements of a row a block has."""
    monkeypatch.setattr(rounds, "SHORTEST", 1)


@pytest.mark.one_in(5)
@pytest.mark.usefixtures("by_rounds")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'-'.join(case[2])}")
def test_every_function_by_rounds(case: Case) -> None:
    check(case)


@pytest.mark.usefixtures("by_rounds")
@pytest.mark.parametrize("case", [CASES[i] for i in (1, 5, 8, 9, 12)], ids=lambda case: f"{case[0]}-{'-'.join(case[2])}")
def test_blocks_in_tiles(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one row or a part of it: what a block says is put together of what they say."""
    monkeypatch.setattr(tiles, "ELEMENTS", 30)
    monkeypatch.setattr(tiles, "BY_KERNELS", 30)
    check(case)


@pytest.mark.usefixtures("by_rounds")
@pytest.mark.parametrize("axis", [0, (0, 2), (2, 1), None])
def test_other_axes(axis: Any) -> None:
    z, g, mask = RNG.standard_normal((2, 7, 6, 9)).astype(np.float32)[0], RNG.standard_normal((7, 6, 9)), RNG.random((6, 9)) < 0.7
    blocks = da.from_array(z, chunks=(3, 4, 5))
    same(lsmx.softmax(blocks, axis=axis, where=da.from_array(mask, chunks=2)), lsmx.softmax(z, axis=axis, where=mask))
    same(lsmx.logsumexp(blocks, axis=axis, keepdims=True), lsmx.logsumexp(z, axis=axis, keepdims=True))
    same(
        lsmx.entropy_jvp(da.from_array(g.astype(np.float32), chunks=4), blocks, axis=axis),
        lsmx.entropy_jvp(g.astype("f4"), z, axis=axis),
    )
    index = np.asarray(z.argmax(axis=axis)) if not isinstance(axis, tuple) else np.zeros(z.max(axis=axis).shape, int)
    same(lsmx.log_prob(blocks, da.from_array(index), axis=axis), np.asarray(lsmx.log_prob(z, index, axis=axis)))


@pytest.mark.usefixtures("by_rounds")
@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16", ">f4"])
def test_other_formats(dtype: str) -> None:
    import ml_dtypes

    z = rows(ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype))
    for name in ("log_softmax", "entropy"):
        same(getattr(lsmx, name)(da.from_array(z, chunks=(4, 11))), getattr(lsmx, name)(z), name)


@pytest.mark.usefixtures("by_rounds")
def test_index_arrays_are_whole_where_their_length_is_that_of_a_row() -> None:
    """As many indices a row as it has elements, and sums that are four: neither is cut with the rows."""
    z = RNG.standard_normal((5, 4)).astype(np.float32)
    index = RNG.integers(0, 4, (5, 4))
    blocks, many = da.from_array(z, chunks=(3, 2)), da.from_array(index, chunks=(3, 2))
    same(lsmx.log_prob(blocks, many), lsmx.log_prob(z, index))
    same(lsmx.log_prob_backward(blocks, blocks, many), lsmx.log_prob_backward(z, z, index))
    sums = lsmx.row_sums(z)
    same(lsmx.entropy(blocks, row_sums=da.from_array(sums, chunks=(3, 2))), lsmx.entropy(z, row_sums=sums))


# --- how the work is cut ----------------------------------------------------------------------------------------------------------


def tasks(x: Any) -> dict[str, int]:
    """How many tasks there are of each name."""
    found: dict[str, int] = {}
    for key in x.__dask_graph__():
        name = (key[0] if isinstance(key, tuple) else key).rsplit("-", 1)[0]
        found[name] = found.get(name, 0) + 1
    return found


def test_no_rows_are_put_together_and_numbers_are_merged_in_a_tree() -> None:
    z = da.from_array(np.zeros((8, 20 * 64), np.float32), chunks=(4, 64))
    found = tasks(lsmx.log_softmax(z))
    assert not [name for name in found if "rechunk" in name]
    assert found["lsmx-log_softmax-round-1"] == found["lsmx-log_softmax-round-2"] == found["lsmx-log_softmax"] == 40
    assert found["lsmx-log_softmax-merged-1-partial"] == 4  # 16 and 4 blocks, of two groups of rows
    assert found["lsmx-log_softmax-merged-1-aggregate"] == 2
    assert [name for name in tasks(lsmx.log_softmax(z[:, :640])) if "rechunk" in name] == []
    narrow = da.from_array(np.zeros((8, 100), np.float32), chunks=(4, 10))
    assert [name for name in tasks(lsmx.log_softmax(narrow)) if "rechunk" in name]  # numbers of rows would be as large as they are


def test_a_mean_of_many_chunks_is_merged_in_a_tree() -> None:
    """Of integers, and no chunk has all the rows."""
    z, target = RNG.standard_normal((200, 5)).astype(np.float32), RNG.integers(0, 5, 200)
    loss = lsmx.cross_entropy(da.from_array(z, chunks=(2, 5)), da.from_array(target, chunks=2))
    assert not [name for name in tasks(loss) if "rechunk" in name]
    assert tasks(loss)["lsmx-mean_of_rows-merged-1-partial"] == 2 * 7  # losses, and weights
    same(loss, np.asarray(lsmx.cross_entropy(z, target)))


@pytest.mark.parametrize(
    ("name", "arrays", "expected"),
    [("log_softmax", 1, 2), ("logsumexp", 1, 2), ("entropy", 1, 2), ("kl_divergence", 2, 8), ("softmax_backward", 2, 2)],
)
def test_how_many_rounds_there_are(name: str, arrays: int, expected: int) -> None:
    """What docs/scale_dask.md says."""
    z = da.from_array(np.zeros((2, 256), np.float32), chunks=(2, 64))
    found = tasks(getattr(lsmx, name)(*[z] * arrays))
    assert sum("-round-" in key for key in found) == expected


def test_a_block_is_read_once_and_forgotten_rows_do_not_matter() -> None:
    """Each block of the source is computed once, for all rounds; results of some rows ask for those rows alone."""
    seen: list[Any] = []
    z = da.from_array(Z, chunks=(4, 25)).map_blocks(
        lambda b: seen.append(b.shape) or b, dtype=Z.dtype, meta=np.empty((0, 0), Z.dtype)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "SHORTEST", 1)
        out = lsmx.log_softmax(z)
    same(out, lsmx.log_softmax(Z))
    assert sorted(seen) == [(1, 25)] * 2 + [(4, 25)] * 4
    seen.clear()
    assert differing(out[4:6].compute(scheduler="synchronous"), lsmx.log_softmax(Z)[4:6]) is None
    assert seen == [(4, 25)] * 2


def test_a_function_of_ones_own_has_whole_rows() -> None:
    """It may add up rows by itself."""

    class Share(extend.Function):
        @staticmethod
        def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
            out = z / z.sum(axis=axis, keepdims=True)
            extend.keep(ctx, Share, (z,), out, axis, where)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any, /) -> Any:
            return g

    share = extend.register("share", Share)
    try:
        z = RNG.integers(1, 9, (4, 256)).astype(np.float32)
        got = share(da.from_array(z, chunks=(2, 64)))
        assert got.chunks == ((2, 2), (64,) * 4)
        same(got, share(z))
    finally:
        extend.unregister("share")


def test_unknown_sizes_along_the_rows() -> None:
    """Along kept axes they are none of the rounds' business; along reduced ones it is said what to do."""
    z, keep = RNG.standard_normal((6, 256)).astype(np.float32), np.asarray([True, False, True, True, False, True])
    some = da.from_array(z, chunks=(3, 64))[da.from_array(keep, chunks=3)]
    got = lsmx.log_softmax(some)
    assert np.isnan(got.shape[0])
    assert differing(np.asarray(got.compute(scheduler="synchronous")), lsmx.log_softmax(z[keep])) is None
    with pytest.raises(
        lsmx.ShapeError, match=r"^z: chunks of unknown sizes along axis 0, which is reduced; call compute_chunk_sizes\(\)"
    ):
        lsmx.log_softmax(some, axis=0)
    with pytest.raises(lsmx.ShapeError, match=r"axis 0, which is reduced; call compute_chunk_sizes\(\) on it first"):
        lsmx.log_softmax(some, axis=None)


def test_what_is_sent_is_small_and_in_words() -> None:
    z = da.from_array(np.zeros((2, 128), np.float32), chunks=(2, 64))
    graph = lsmx.log_softmax(z).__dask_graph__()
    names = [name for name in graph.layers if "-round-1" in name]
    assert len(names) == 1
    task = lsmx.registered()["log_softmax"].operations["forward"]
    from lsmx_dask.task import Task

    ask = Ask(Task.of(task, False, -1, {}), (1,), (128,))
    assert pickle.loads(pickle.dumps(ask)) == ask
    assert len(pickle.dumps(ask)) < 500
    with dask.config.set(scheduler="processes", num_workers=1):
        assert differing(lsmx.log_softmax(z).compute(), lsmx.log_softmax(np.zeros((2, 128), np.float32))) is None
