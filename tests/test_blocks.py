"""The definition in blocks of rows: the same bits, whatever the blocks, the axis and the layout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import Case, cases, differing, evaluate, host_target, wanted
from lsmx.testing.drawn import arguments

RNG = np.random.default_rng(14)
CASES = [c for c in cases() if c.name != "long"] + [
    Case("four axes", RNG.standard_normal((3, 5, 2, 7)), axis=axis, where=where)
    for axis in (0, 3, (1, 2), (0, 3))
    for where in (None, RNG.random((5, 1, 7)) < 0.7)
]


class Poisoned:
    """NumPy, with NaN in what it leaves uninitialised."""

    broadcast_to = staticmethod(np.broadcast_to)
    float32 = np.float32

    @staticmethod
    def empty(shape: tuple[int, ...], *, dtype: np.dtype, device: str) -> np.ndarray:
        return np.full(shape, np.nan, dtype=dtype)


@pytest.fixture(params=[1, 3, 64, 200])
def block(request: pytest.FixtureRequest) -> Iterator[int]:
    """NumPy's backend with kernels for blocks of a few elements."""
    numpy = lsmx.backend_for(np.zeros(1))
    fields = {f: getattr(numpy, f) for f in numpy.__dataclass_fields__ if f not in ("by_task", "kernels")}
    planted = extend.register_backend(extend.Backend(**fields, kernels=extend.row_blocks(Poisoned, request.param)))
    yield request.param
    extend.unregister_backend(planted)


LOSSES = ["log_prob", "entropy", "rank", "cross_entropy", "cross_entropy_of", "kl_divergence"]


@pytest.mark.one_in(18, slow=3)
@pytest.mark.parametrize("function", ["log_softmax", "softmax", "logsumexp", *LOSSES])
def test_blocks_change_no_bit(block: int, function: str) -> None:
    if function in LOSSES and block != 64:
        pytest.skip("other sizes of blocks cut their arrays in the same way")
    split = 0
    for case in CASES:
        for dtype in ("float16", "float32"):
            got, want = evaluate(host_target(), function, dtype, case), wanted(function, dtype, case)
            assert {d: differing(got[d], want[d]) for d in want} == dict.fromkeys(want), case
        arrays = arguments(function, case).values()
        indexed = function in ("log_prob", "rank", "cross_entropy")
        given = [np.asarray(x, dtype="int32" if i and indexed else None) for i, x in enumerate(arrays)]
        split += lsmx.explain(*given, function=function, axis=case.axis).runs == "row blocks"
    assert split >= 5, block


@pytest.mark.one_in(2)
@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduced_shapes(keepdims: bool) -> None:
    z = RNG.standard_normal((6, 50, 4))
    for axis in (0, 1, -1, (0, 2)):
        out = lsmx.logsumexp(z, axis=axis, keepdims=keepdims)
        with lsmx.using("reference"):
            want = lsmx.logsumexp(z, axis=axis, keepdims=keepdims)
            g = RNG.standard_normal(want.shape)
            gradient = lsmx.logsumexp_backward(g, z, want, axis=axis)
        assert differing(out, want) is None
        assert differing(lsmx.logsumexp_backward(g, z, out, axis=axis), gradient) is None


@pytest.mark.usefixtures("block")
def test_bad_arguments_are_refused_as_by_the_definition() -> None:
    z = np.ones((40, 10))
    with pytest.raises(lsmx.ShapeError, match=r"^grad_output"):
        lsmx.log_softmax_backward(np.ones((1, 10)), z)
    with pytest.raises(lsmx.ShapeError, match=r"^grad_output"):
        lsmx.log_softmax_backward(np.ones((41, 10)), z)
    with pytest.raises(lsmx.ShapeError, match=r"^where"):
        lsmx.log_softmax(z, where=np.ones((2, 40, 10), dtype=bool))
    with pytest.raises(lsmx.ShapeError, match=r"^output"):
        lsmx.logsumexp_jvp(z, z, np.ones(41))
    with pytest.raises(lsmx.DTypeError, match=r"^tangent"):
        lsmx.softmax_jvp(np.ones((40, 10), dtype=np.float32), z)
    with pytest.raises(lsmx.DTypeError, match=r"dtype="):
        lsmx.softmax(np.ones((40, 10), dtype=int))
    with pytest.raises(lsmx.AxisError):
        lsmx.softmax(z, axis=2)


@pytest.fixture
def blocks_alone() -> Iterator[None]:
    """NumPy's backend without the compiled core."""
    numpy = lsmx.backend_for(np.zeros(1))
    fields = {f: getattr(numpy, f) for f in numpy.__dataclass_fields__ if f not in ("by_task", "kernels")}
    planted = extend.register_backend(extend.Backend(**fields, kernels=extend.row_blocks(np, 2**17)))
    yield
    extend.unregister_backend(planted)


@pytest.mark.usefixtures("blocks_alone")
def test_why_not() -> None:
    for direction in ("forward", "backward", "jvp", "backward_z", "jvp_z"):
        assert lsmx.explain(np.ones((2000, 100)), direction=direction).runs == "row blocks"  # type: ignore[arg-type]
        small = lsmx.explain(np.ones((20, 10)), direction=direction)  # type: ignore[arg-type]
        assert small.passed == (("row blocks", "200 elements: no more than one block of 131072"),)
        one = lsmx.explain(np.ones(200_000), direction=direction)  # type: ignore[arg-type]
        assert one.passed == (("row blocks", "one row: nothing to split"),)
    with lsmx.using("reference"):
        assert {reason for _, reason in lsmx.explain(np.ones((2000, 100))).passed} == {'inside using("reference")'}
