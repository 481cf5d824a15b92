"""Rows in parts by kernels: top, digits, and what engines make of them equal the whole row's; the finish of a part is its part."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx.extend import MERGE, Rows, backend_for, core_status, row_sum_of, row_sums_of
from lsmx.testing import differing
from tests.native.values import LOGITS, VECTORS, drawn
from tests.test_losses_core import KINDS, Values, draw, logits, same, some, target  # noqa: F401

pytestmark = pytest.mark.skipif(core_status()["missing"] is not None, reason="there is no compiled core")
Option = dict[str, Any]


def top(z: Any, **options: Any) -> Any:
    return lsmx.registered()["row_top"](z, **options)


def digits(z: Any, of: Any, **options: Any) -> Any:
    return lsmx.registered()["row_digits"](z, of, **options)


def backward(function: str, g: Any, z: Any, index: Any, *, where: Any = None, **options: Any) -> Any:
    name = "index" if function == "log_prob" else "target"
    of = lsmx.registered()[function]
    return of.derivative("backward", {"grad_output": g}, {"z": z, name: index}, -1, where, None, options)


def merged(xp: Any, tops: list[Any]) -> Any:
    """The two largest of all parts."""
    found = tops[0]
    for one in tops[1:]:
        pair = MERGE["two largest"](xp, (found[..., :1], found[..., 1:2]), (one[..., :1], one[..., 1:2]))
        found = xp.concatenate([*pair, found[..., 2:]], axis=-1)
    return found


def parts_of(options: Option, a: int, b: int) -> Option:
    """The options of a part of the rows."""
    return {name: x[:, a:b] if name == "where" else x for name, x in options.items()}


def cuts_of(rng: np.random.Generator, n: int) -> list[tuple[int, int]]:
    """Parts of a row, of which some may be empty."""
    at = [0, *sorted(int(k) for k in rng.integers(0, n + 1, 3)), n]
    return list(itertools.pairwise(at))


@pytest.mark.one_in(5)
@pytest.mark.parametrize("n", [1, 33, 9001])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sums_of_parts_are_those_of_the_row(target: str, dtype: str, n: int) -> None:  # noqa: F811
    for seed, kind in enumerate(KINDS if n < 9000 else KINDS[::3]):
        rng, z, _, _, ways = draw(seed, kind, dtype, n)
        for options in some(ways, seed) if n < 9000 else ways[seed // 3 :: 3]:
            cuts, shares = cuts_of(rng, n), []
            whole = merged(np, [top(z[:, a:b], **parts_of(options, a, b)) for a, b in cuts])
            for a, b in cuts:
                same(top, z[:, a:b], **parts_of(options, a, b))
                same(digits, z[:, a:b], whole, **parts_of(options, a, b))
                shares.append(digits(z[:, a:b], whole, **parts_of(options, a, b)))
            want = lsmx.row_sums(z, **options)
            for added in (sum(shares[1:], shares[0]), sum(x.astype(np.int64) for x in shares)):
                assert differing(row_sums_of(whole, added), want) is None, (kind, sorted(options))
    assert lsmx.explain(z, function="row_top").runs == lsmx.explain(z, whole, function="row_digits").runs == "core"


@pytest.mark.one_in(2)
@pytest.mark.parametrize("n", [1, 33, 9001])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sums_of_any_values_and_gradients_of_parts(target: str, dtype: str, n: int) -> None:  # noqa: F811
    """Magnitudes, integers, and what they make: the exact sum of the row; and ``g - s sum(g)`` of each part."""
    of = lsmx.registered()
    for seed in range(len(VECTORS) if n < 9000 else 3):
        rng = np.random.default_rng([seed, n])
        v = np.stack([kind(rng, n, dtype) for kind in (VECTORS if n < 9000 else VECTORS[seed::3])])
        with np.errstate(over="ignore"):
            v = v.astype(dtype)
        z = drawn(rng, LOGITS, v.shape, (1,), dtype)
        where = {"where": rng.random(v.shape) < 0.7} if seed % 3 == 1 else {}
        y, cuts = lsmx.log_softmax(z, **where), cuts_of(rng, n)
        given = [(parts_of(where, a, b), v[:, a:b]) for a, b in cuts]
        for options, part in given:
            same(of["row_magnitude"], part, **options)
        largest = np.maximum.reduce([of["row_magnitude"](part, **options) for options, part in given])
        for options, part in given:
            same(of["row_integer"], part, largest, **options)
        shares = [of["row_integer"](part, largest, **options).astype(np.int64) for options, part in given]
        with np.errstate(all="ignore"):
            rows = Rows.of("v", v, -1, **where)
            want = rows.sum(rows.flush(rows.enter("v", v, absent=0.0)))
            got = row_sum_of(largest, sum(shares))
        assert [differing(a, b) for a, b in zip(got, want, strict=True)] == [None] * 2, seed
        total = np.concatenate([*want, np.zeros_like(largest[:, :2])], axis=1)
        gradients = [of["row_gradient"](y[:, a:b], v[:, a:b], total, **parts_of(where, a, b)) for a, b in cuts]
        assert differing(np.concatenate(gradients, axis=1), lsmx.log_softmax_backward(v, y, **where)) is None, seed
        sums = lsmx.row_sums(z, **where)
        for a, b in cuts:
            same(of["row_gradient"], z[:, a:b], v[:, a:b], total, row_sums=sums, **parts_of(where, a, b))
    runs = {lsmx.explain(v, function="row_magnitude").runs, lsmx.explain(v, largest, function="row_integer").runs}
    assert {*runs, lsmx.explain(y, v, total, function="row_gradient").runs} == {"core"}


def test_a_long_row_of_small_parts_and_rows_along_axes() -> None:
    """In digits that 2048 parts leave within 32 bits; and rows along several axes."""
    z = (3 * np.random.default_rng(1).standard_normal((2, 2048 * 50))).astype("float32")
    whole = merged(np, [top(z[:, i : i + 50]) for i in range(0, z.shape[1], 50)])
    shares = np.stack([digits(z[:, i : i + 50], whole) for i in range(0, z.shape[1], 50)])
    assert differing(row_sums_of(whole, shares.astype(np.int32).sum(0, dtype=np.int32)), lsmx.row_sums(z)) is None
    x = z[:, :120].reshape(2, 3, 8, 5)
    for axis in ((1, 3), (0, 2), None, 1):
        of = top(x, axis=axis)
        assert differing(row_sums_of(of, digits(x, of, axis=axis), axis=axis), lsmx.row_sums(x, axis=axis)) is None


@pytest.mark.parametrize("library", ["torch", "jax", "array_api_strict"])
def test_other_libraries(library: str) -> None:
    xp = pytest.importorskip({"jax": "jax.numpy"}.get(library, library))
    z = logits(np.random.default_rng(2), 40, "special", "float32")
    z[0] = -0.0
    halves = [xp.asarray(z[:, :25].copy()), xp.asarray(z[:, 25:].copy())]
    tops = [np.asarray(top(x)) for x in halves]
    whole = xp.asarray(merged(np, tops))
    added = digits(halves[0], whole) + digits(halves[1], whole)
    assert backend_for(added).name == backend_for(halves[0]).name
    made = pytest.importorskip("jax").jit(row_sums_of) if library == "jax" else row_sums_of
    assert differing(np.asarray(made(whole, added)), lsmx.row_sums(z)) is None


@pytest.mark.parametrize(("dtype", "n"), [("float16", 33), ("float32", 2), ("float64", 250)])
def test_an_index_may_be_elsewhere(target: str, dtype: str, n: int) -> None:  # noqa: F811
    """Values are those of the part that has the index; gradients are the parts of the row's."""
    functions: list[tuple[str, Callable[..., Any], Option]] = [
        ("log_prob", np.max, {}),
        ("cross_entropy", np.min, {}),
        ("cross_entropy", np.min, {"z_loss": 0.01}),
    ]
    for seed, kind in enumerate(KINDS):
        _, z, index, g, ways = draw(seed, kind, dtype, n)
        options = ways[seed % len(ways)]
        known = {"row_sums": lsmx.row_sums(z, **options), "elsewhere": True}
        for name, merge, more in functions:
            of, values, gradients = lsmx.registered()[name], [], []
            at = index if name == "log_prob" else np.where(np.arange(len(index)) == 2, -100, index)
            for a, b in ((0, n // 2), (n // 2, n)):
                given = parts_of(options, a, b) | known | more
                here = np.where(at == -100, -100, np.where((at >= a) & (at < b), at - a, -1))
                part = np.ascontiguousarray(z[:, a:b])
                for found, call, arrays in ((values, of, (part, here)), (gradients, backward, (name, g, part, here))):
                    found.append(call(*arrays, **given))
                    with lsmx.using("reference"):
                        assert differing(found[-1], call(*arrays, **given)) is None, (kind, name, sorted(given))
            assert differing(merge(values, axis=0), of(z, at, **options, **more)) is None, (kind, name)
            want = backward(name, g, z, at, **options, **more)
            assert differing(np.concatenate(gradients, axis=1), want) is None, (kind, name)
    assert lsmx.explain(part, here, function="log_prob", row_sums=known["row_sums"], elsewhere=True).runs == "core"


def test_what_a_part_cannot_know_is_refused() -> None:
    z, index = np.zeros((2, 5), "float32"), np.asarray([-1, 3])
    for options in ({"label_smoothing": 0.1}, {"weight": np.ones(5, "float32")}):
        with pytest.raises(TypeError, match="elsewhere: given with label_smoothing or weight"):
            lsmx.registered()["cross_entropy"](z, index, elsewhere=True, row_sums=lsmx.row_sums(z), **options)
    with pytest.raises(ValueError, match="shape \\(\\)"):
        top(np.asarray(1.0), axis=None)
