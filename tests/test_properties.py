"""What may not matter: order, batch, padding, memory layout, axis, mask or absence, number of limbs' pieces."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lsmx
from lsmx.testing import Target, differing, quantise

hypothesis.settings.register_profile("lsmx", max_examples=60, deadline=None, derandomize=True)
hypothesis.settings.load_profile("lsmx")

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
NASTY = st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 1e8, -1e8, 3e38, -3e38, 1e-40, 2.0**-126, 88.0, -104.0, 0.1])
VALUES = st.one_of(st.floats(-90, 90, width=32), st.floats(-90, 90, width=32), NASTY)
WIDTHS = {"float16": 16, "float32": 32, "float64": 64}


@st.composite
def logits(draw: st.DrawFn, max_rows: int = 4, max_columns: int = 40) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, max_rows), st.integers(1, max_columns)))
    return draw(hnp.arrays(np.float64, shape, elements=VALUES))


def run(where: Target, function: str, dtype: str, z: np.ndarray, axis: object = -1, mask: np.ndarray | None = None) -> np.ndarray:
    given = None if mask is None else where.from_numpy(mask, "bool")
    return where.to_numpy(getattr(lsmx, function)(where.from_numpy(quantise(z, dtype), dtype), axis=axis, where=given))


def gradient(where: Target, function: str, dtype: str, z: np.ndarray, g: np.ndarray) -> np.ndarray:
    x = where.from_numpy(quantise(z, dtype), dtype)
    out = getattr(lsmx, function)(x)
    residual = (x, out) if function == "logsumexp" else (out,)
    return where.to_numpy(getattr(lsmx, f"{function}_backward")(where.from_numpy(quantise(g, dtype), dtype), *residual))


@pytest.fixture(autouse=True)
def shapes_cost_nothing(request: pytest.FixtureRequest) -> None:
    """Every example has a shape of its own."""
    if "backend" in request.fixturenames and request.getfixturevalue("backend").name == "jax":
        pytest.skip("JAX compiles for every shape; its kernels are NumPy's, and the matrix compares its bits")


def same(a: np.ndarray, b: np.ndarray) -> None:
    assert differing(a, b) is None


@pytest.mark.one_in(13, slow=3)
@pytest.mark.parametrize("function", FUNCTIONS)
@hypothesis.given(data=st.data())
def test_permuting_a_row_permutes_the_result(backend: Target, dtype: str, function: str, data: st.DataObject) -> None:
    z = data.draw(logits())
    order = np.asarray(data.draw(st.permutations(range(z.shape[1]))))
    out, permuted = run(backend, function, dtype, z), run(backend, function, dtype, z[:, order])
    same(permuted, out if function == "logsumexp" else out[:, order])


@pytest.mark.one_in(16, slow=3)
@pytest.mark.parametrize("function", ["log_softmax", "softmax"])
@hypothesis.given(data=st.data())
def test_permuting_a_row_permutes_the_gradient(backend: Target, dtype: str, function: str, data: st.DataObject) -> None:
    z = data.draw(logits())
    g = data.draw(hnp.arrays(np.float64, z.shape, elements=VALUES))
    order = np.asarray(data.draw(st.permutations(range(z.shape[1]))))
    same(gradient(backend, function, dtype, z[:, order], g[:, order]), gradient(backend, function, dtype, z, g)[:, order])


@pytest.mark.one_in(15, slow=3)
@pytest.mark.parametrize("function", FUNCTIONS)
@hypothesis.given(data=st.data())
def test_a_batch_is_its_rows(backend: Target, dtype: str, function: str, data: st.DataObject) -> None:
    z = data.draw(logits(max_rows=6))
    cut = data.draw(st.integers(0, len(z)))
    parts = [run(backend, function, dtype, part) for part in (z[:cut], z[cut:])]
    same(np.concatenate(parts), run(backend, function, dtype, z))


@pytest.mark.one_in(10, slow=3)
@pytest.mark.parametrize("function", FUNCTIONS)
@hypothesis.given(data=st.data())
def test_appended_minus_infinities_change_nothing(backend: Target, dtype: str, function: str, data: st.DataObject) -> None:
    z = data.draw(logits())
    more = data.draw(st.integers(1, 30))
    padded = np.concatenate([z, np.full((len(z), more), -np.inf)], axis=1)
    out = run(backend, function, dtype, padded)
    same(out if function == "logsumexp" else out[:, : z.shape[1]], run(backend, function, dtype, z))


@pytest.mark.one_in(13, slow=3)
@pytest.mark.parametrize("function", FUNCTIONS)
@hypothesis.given(data=st.data())
def test_masked_is_absent(backend: Target, dtype: str, function: str, data: st.DataObject) -> None:
    z = data.draw(logits(max_rows=1))
    mask = data.draw(hnp.arrays(np.bool_, z.shape))
    hypothesis.assume(mask.any())
    out, kept = run(backend, function, dtype, z, mask=mask), run(backend, function, dtype, z[:, mask[0]])
    same(out if function == "logsumexp" else out[:, mask[0]], kept)
    if function != "logsumexp":
        assert (out[~mask] == {"log_softmax": -np.inf, "softmax": 0.0}[function]).all()


def test_masked_gradients_are_absent(backend: Target, dtype: str) -> None:
    rng = np.random.default_rng(3)
    z, g = rng.standard_normal((2, 9, 30))
    mask = rng.random((9, 30)) < 0.6
    g[0] = np.where(mask[0], g[0], np.nan)  # a cotangent that is left out may be anything
    m = backend.from_numpy(mask, "bool")
    x, dy = (backend.from_numpy(quantise(v, dtype), dtype) for v in (z, g))
    for function in ("log_softmax", "softmax"):
        out = getattr(lsmx, function)(x, where=m)
        dz = backend.to_numpy(getattr(lsmx, f"{function}_backward")(dy, out, where=m))
        assert (dz[~mask] == 0).all()
        for i in range(len(z)):
            kept = [v[i : i + 1, mask[i]] for v in (z, g)]
            same(dz[i, mask[i]], gradient(backend, function, dtype, *kept)[0])


@pytest.mark.one_in(14, slow=3)
@pytest.mark.parametrize("function", FUNCTIONS)
@hypothesis.given(data=st.data())
def test_any_axis_is_the_last_one_moved(backend: Target, dtype: str, function: str, data: st.DataObject) -> None:
    z = data.draw(hnp.arrays(np.float64, st.tuples(*[st.integers(1, 5)] * 3), elements=VALUES))
    axes = data.draw(st.lists(st.integers(-3, 2), min_size=1, max_size=3, unique_by=lambda a: a % 3))
    axis = axes[0] if len(axes) == 1 else tuple(axes)
    reduced = sorted(a % 3 for a in axes)
    kept = [a for a in range(3) if a not in reduced]
    flat = z.transpose(kept + reduced).reshape(*(z.shape[a] for a in kept), -1)
    want = run(backend, function, dtype, flat)
    got = run(backend, function, dtype, z, axis=axis)
    same(got if function == "logsumexp" else got.transpose(kept + reduced).reshape(flat.shape), want)


LAYOUTS = {
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "transposed": lambda x: np.asfortranarray(x),
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "offset": lambda x: np.concatenate([x[:, :1], x], axis=1)[:, 1:],
    "misaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(x.dtype).reshape(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", WIDTHS)
def test_any_numpy_layout(dtype: str, layout: str) -> None:
    rng = np.random.default_rng(5)
    z, g = (rng.standard_normal((2, 11, 37)) * 7).astype(dtype)
    x, dy = LAYOUTS[layout](z), LAYOUTS[layout](g)
    assert layout in ("misaligned", "offset", "transposed") or not x.flags.c_contiguous
    for function in ("log_softmax", "softmax"):
        for axis in (0, 1, None):
            forward, backward = getattr(lsmx, function), getattr(lsmx, f"{function}_backward")
            same(forward(x, axis=axis), forward(z, axis=axis))
            out = forward(z, axis=axis)
            same(backward(dy, LAYOUTS[layout](out), axis=axis), backward(g, out, axis=axis))
    same(lsmx.logsumexp(x), lsmx.logsumexp(z))
    assert np.array_equal(x, z)
    assert np.array_equal(dy, g)


def test_layouts_of_tensors() -> None:
    import torch

    z = torch.from_numpy(np.random.default_rng(6).standard_normal((6, 8, 10)))
    for x in (z.permute(2, 0, 1), z[::2, 1::3], z.transpose(0, 2), z[:, :1].expand(6, 4, 10)):
        for axis in (0, 1, 2, (0, 2), None):
            same(lsmx.log_softmax(x, axis=axis).numpy(), lsmx.log_softmax(np.ascontiguousarray(x.numpy()), axis=axis))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_broadcast_and_read_only_inputs(function: str) -> None:
    row = np.linspace(-3, 4, 20, dtype=np.float32)
    z = np.broadcast_to(row, (5, 20))
    assert not z.flags.writeable
    same(getattr(lsmx, function)(z), getattr(lsmx, function)(z.copy()))


@pytest.mark.parametrize("scale", [1.0, 2.0**-70, 2.0**-100, 2.0**-118, 2.0**-130])
def test_flushing_subnormals_changes_nothing(scale: float) -> None:
    """The processor's own mode, which NumPy on this thread obeys too."""
    import torch

    rng = np.random.default_rng(9)
    z = (6 * rng.standard_normal((300, 12))).astype(np.float32)
    g = rng.standard_normal((300, 12)) * scale
    g[1::2] *= 2.0 ** rng.integers(-40, 3, (150, 12))
    g = g.astype(np.float32)
    tiny = z * np.float32(2.0**-128)

    def results() -> list[np.ndarray]:
        out, s, lse = (f(z) for f in (lsmx.log_softmax, lsmx.softmax, lsmx.logsumexp))
        return [
            *(out, s, lse, lsmx.log_softmax(tiny), lsmx.softmax(tiny), lsmx.logsumexp(tiny)),
            *(lsmx.log_softmax_backward(g, out), lsmx.softmax_backward(g, s), lsmx.logsumexp_backward(g[:, 0], z, lse)),
            *(lsmx.log_softmax_jvp(g, out), lsmx.softmax_jvp(g, s), lsmx.logsumexp_jvp(g, z, lse)),
            lsmx.log_softmax_backward(torch.from_numpy(g), torch.from_numpy(out)).numpy(),
        ]

    want = results()
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        assert np.float32(2.0**-126) * np.float32(0.5) == 0
        got = results()
    finally:
        torch.set_flush_denormal(False)
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert differing(a, b) is None, i
