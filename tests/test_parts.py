"""Rows in parts, by three steps: whatever the parts, the bits are those of the whole rows."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx.testing import differing

RNG = np.random.default_rng(14)
N = 50
CUTS = (0, 13, 13, 14, N)  # a part that is empty, and one of one element


def rows(dtype: Any) -> np.ndarray:
    """Logits with all that is hard, so that parts have nothing but -inf, ties lie in two parts, and rows are dominated."""
    z = (4 * RNG.standard_normal((12, N))).astype(dtype)
    z[1, 3], z[2, 5], z[3], z[4, 10:], z[5] = np.nan, np.inf, -np.inf, -np.inf, 7.0
    z[6, [3, 44]], z[7, 30], z[8, :14] = 40.0, 60.0, -np.inf
    z[9], z[10, [2, 40]] = -0.0, np.inf
    z[11] = np.linspace(-90, 0, N)
    return z


Z, W, G = rows(np.float32), rows(np.float32)[::-1].copy(), RNG.standard_normal((12, N)).astype(np.float32)
INDEX, SEVERAL = RNG.integers(0, N, 12), RNG.integers(0, N, (12, 3))
EACH, MASK, WEIGHT = RNG.standard_normal(12).astype(np.float32), RNG.random((12, N)) < 0.7, RNG.random(N).astype(np.float32)
TARGET = np.where(np.arange(12) == 2, -100, INDEX)
PLACED = np.asarray([1, 14, 15, 0, 2, 13, 49, 1, 35, 36, 12, 3])  # 14 and 15 are at 1 in the parts that begin at 13 and 14
PROBABILITIES = np.abs(G)
OUT, S, LSE = lsmx.log_softmax(Z), lsmx.softmax(Z), lsmx.logsumexp(Z)

Case = tuple[str, tuple[Any, ...], dict[str, Any]]
CASES: list[Case] = [
    ("log_softmax", (Z,), {}),
    ("log_softmax", (Z,), {"where": MASK}),
    ("softmax", (Z,), {}),
    ("logsumexp", (Z,), {"keepdims": True}),
    ("row_sums", (Z,), {"temperature": 0.7}),
    ("log_prob", (Z, INDEX), {"temperature": EACH**2 + 1, "softcap": 20.0}),
    ("log_prob", (Z, SEVERAL), {"where": MASK}),
    ("entropy", (Z,), {}),
    ("token_stats", (Z, INDEX), {}),
    ("cross_entropy", (Z, TARGET), {}),
    ("cross_entropy", (Z, TARGET), {"weight": WEIGHT, "reduction": "none"}),
    ("cross_entropy", (Z, TARGET), {"weight": WEIGHT, "label_smoothing": 0.1, "z_loss": 1e-3, "where": MASK, "reduction": "none"}),
    ("cross_entropy", (Z, PROBABILITIES), {"label_smoothing": 0.1, "reduction": "none"}),
    ("cross_entropy", (Z, PLACED), {"reduction": "none", "ignore_index": 1}),
    ("cross_entropy", (Z, PLACED), {"ignore_index": 1, "label_smoothing": 0.1}),
    ("cross_entropy_backward", (EACH, Z, PLACED), {"reduction": "none", "ignore_index": 1}),
    ("cross_entropy_backward", (EACH, Z, PLACED), {"reduction": "none", "ignore_index": None}),
    ("kl_divergence", (Z, W), {"temperature": 2.0}),
    ("js_divergence", (Z, W), {}),
    ("log_softmax_backward", (G, OUT), {}),
    ("log_softmax_jvp", (G, OUT), {}),
    ("softmax_backward", (G, S), {"where": MASK}),
    ("logsumexp_backward", (EACH, Z, LSE), {}),
    ("log_prob_backward", (EACH, Z, INDEX), {}),
    ("log_prob_backward", ((SEVERAL * EACH[:, None]).astype(np.float32), Z, SEVERAL), {}),
    ("entropy_backward", (EACH, Z), {}),
    ("cross_entropy_backward", (np.asarray(EACH[0]), Z, TARGET), {"label_smoothing": 0.1, "z_loss": 1e-3}),
    ("kl_divergence_backward", (EACH, Z, W), {}),
    ("kl_divergence_jvp", (G, None, Z, W), {}),
    ("js_divergence_jvp", (None, G, Z, W), {}),
    ("js_divergence_backward", (EACH, Z, W), {}),
]


def cut(x: Any, k: int) -> Any:
    """A part of what has the rows' elements; the whole of anything else."""
    shape = getattr(x, "shape", ())
    return x[..., CUTS[k] : CUTS[k + 1]] if shape and shape[-1] == N else x


def by_steps(name: str, arrays: tuple[Any, ...], options: dict[str, Any], order: tuple[int, ...]) -> tuple[list[Any], int]:
    """What each part has in the end, and how many rounds it took."""
    parts = {k: (tuple(cut(x, k) for x in arrays), {key: cut(x, k) for key, x in options.items()}) for k in range(len(CUTS) - 1)}
    whole, rounds = None, 0
    while whole is None or not whole.complete:
        said = [lsmx.partial(name, *parts[k][0], size=N, start=CUTS[k], whole=whole, **parts[k][1]) for k in order]
        whole, rounds = lsmx.merge(*said), rounds + 1
        assert rounds < 20
    return [lsmx.finish(name, *a, whole=whole, start=CUTS[k], **more) for k, (a, more) in parts.items()], rounds


def joined(values: list[Any], want: np.ndarray) -> list[np.ndarray]:
    """The parts of a result put together; or all of them, where each has the whole."""
    if want.ndim and want.shape[-1] == N:
        return [np.concatenate([np.asarray(x) for x in values], axis=-1)]
    return [np.asarray(x) for x in values]


def check(name: str, arrays: tuple[Any, ...], options: dict[str, Any], convert: Callable[[Any], Any] = lambda x: x) -> int:
    """Compare every bit."""
    want = getattr(lsmx, name)(*arrays, **options)
    got, rounds = by_steps(name, tuple(map(convert, arrays)), {key: convert(x) for key, x in options.items()}, (2, 0, 3, 1))
    wants = want if isinstance(want, tuple) else (want,)
    for j, one in enumerate(map(np.asarray, wants)):
        for value in joined([x[j] if isinstance(want, tuple) else x for x in got], one):
            if one.dtype.kind == "f":
                assert differing(value, one) is None, (name, differing(value, one))
            else:
                assert np.array_equal(value, one), name
    return rounds


@pytest.mark.one_in(2)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'-'.join(case[2])}")
def test_parts_have_the_bits_of_the_whole(case: Case) -> None:
    check(*case)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize("name", ["log_softmax", "log_prob", "cross_entropy", "entropy", "kl_divergence"])
def test_other_formats(name: str, dtype: Any) -> None:
    arrays = {"log_prob": (Z, INDEX), "cross_entropy": (Z, TARGET), "kl_divergence": (Z, W)}.get(name, (Z,))
    check(name, tuple(x.astype(dtype) if x.dtype == np.float32 else x for x in arrays), {})


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "jax", "strict"])
def test_other_libraries(library: str) -> None:
    """The same steps, in the same bits, and what is said is in the library's own arrays."""
    xp = {"torch": "torch", "jax": "jax.numpy", "strict": "array_api_strict"}[library]
    namespace = pytest.importorskip(xp)

    def convert(x: Any) -> Any:
        return namespace.asarray(x) if hasattr(x, "shape") and x.shape else x

    check("log_softmax", (Z,), {"where": MASK}, convert)
    check("cross_entropy", (Z, TARGET.astype(np.int32)), {"label_smoothing": 0.1, "reduction": "none"}, convert)
    check("entropy_backward", (EACH, Z), {}, convert)


@pytest.mark.parametrize(
    ("name", "arrays", "rounds"),
    [
        ("log_softmax", (Z,), 2),
        ("log_prob", (Z, INDEX), 2),
        ("cross_entropy", (Z, TARGET), 2),
        ("cross_entropy_backward", (np.asarray(EACH[0]), Z, TARGET), 2),
        ("entropy", (Z,), 2),
    ],
)
def test_two_rounds_are_enough(name: str, arrays: tuple[Any, ...], rounds: int) -> None:
    """One for the two largest logits, and one for integers: what docs/scale.md says."""
    assert check(name, arrays, {}) == rounds


def test_merging_is_associative_and_commutative() -> None:
    """Not for the result alone: each number that is said, to the bit."""
    first = [lsmx.partial("entropy", cut(Z, k), size=N, start=CUTS[k]) for k in range(4)]
    for parts in (first, [lsmx.partial("entropy", cut(Z, k), size=N, start=CUTS[k], whole=lsmx.merge(*first)) for k in range(4)]):
        a, b, c, d = (pickle.loads(pickle.dumps(part)) for part in parts)
        one, other = lsmx.merge(a, b, c, d), lsmx.merge(lsmx.merge(d, b), lsmx.merge(c, a))
        assert one.elements == other.elements == N
        for (how, x), (_, y) in zip(one.said.values(), other.said.values(), strict=True):
            for u, v in zip(x, y, strict=True):
                assert (differing(u, v) is None) if u.dtype.kind == "f" else np.array_equal(u, v), how


def test_rows_along_several_axes() -> None:
    """Parts that are boxes: the place of an element in its row goes by the whole of all axes."""
    z, index = RNG.standard_normal((3, 6, 8)), np.asarray([17, 0, 47])
    boxes = [(a, b) for a in (slice(0, 2), slice(2, 6)) for b in (slice(0, 5), slice(5, 8))]
    whole = None
    while whole is None or not whole.complete:
        said = [
            lsmx.partial("log_prob", z[:, a, b], index, size=(6, 8), start=(a.start, b.start), whole=whole, axis=(1, 2))
            for a, b in boxes
        ]
        whole = lsmx.merge(*said)
    got = lsmx.finish("log_prob", z[:, :2, :5], index, whole=whole, axis=(1, 2))
    assert differing(got, lsmx.log_prob(z, index, axis=(1, 2))) is None


def test_what_belongs_to_different_calls_is_refused() -> None:
    part = lsmx.partial("entropy", Z[:, :20], size=N)
    for other, told in (
        (lsmx.partial("softmax", Z[:, 20:], size=N, start=20), "function 'entropy' and 'softmax'"),
        (lsmx.partial("entropy", Z[:, 20:].astype(np.float64), size=N, start=20), "format 'float32' and 'float64'"),
        (lsmx.partial("entropy", Z[:9, 20:], size=N, start=20), r"rows of shape \(12,\) and \(9,\)"),
        (lsmx.partial("entropy", Z[:, 20:], size=N + 1, start=20), r"size \(50,\) and \(51,\)"),
        (lsmx.partial("entropy", Z[:, 20:], size=N, start=20, temperature=2.0), "options"),
        (lsmx.partial("entropy", Z.T[20:], size=N, start=20, axis=0), r"axis \(1,\) and \(0,\)"),
        (lsmx.partial("entropy", Z[:, 19:], size=N, start=19), "51 elements, but rows have 50; a part is there twice"),
        (lsmx.partial("entropy", Z[:, 20:], size=N, start=20, whole=lsmx.partial("entropy", Z, size=N)), "different rounds"),
    ):
        with pytest.raises(lsmx.PartError, match=told):
            lsmx.merge(part, other)
    with pytest.raises(lsmx.PartError, match="20 of the 50 elements of a row"):
        lsmx.partial("entropy", Z[:, :20], size=N, whole=part)
    whole = lsmx.merge(part, lsmx.partial("entropy", Z[:, 20:], size=N, start=20))
    with pytest.raises(lsmx.PartError, match="whole: parts of different calls: function 'entropy' and 'kl_divergence'"):
        lsmx.partial("kl_divergence", Z[:, :20], W[:, :20], size=N, whole=whole)
    with pytest.raises(lsmx.PartError, match="not complete"):
        lsmx.finish("entropy", Z[:, :20], whole=whole)
    with pytest.raises(lsmx.PartError, match="start: 40, but a part of 20 elements"):
        lsmx.partial("entropy", Z[:, :20], size=N, start=40)
    with pytest.raises(lsmx.ArgumentError, match="'sin' is no function of rows"):
        lsmx.partial("sin", Z, size=N)
    with pytest.raises(lsmx.ArgumentError, match="linear_cross_entropy is not for rows in parts; it makes the logits itself"):
        lsmx.partial(lsmx.linear_cross_entropy, Z, Z, INDEX, size=N)
    with pytest.raises(lsmx.ClassError, match="accepted are 0 to 49"):
        lsmx.partial("log_prob", Z[:, :20], INDEX + 50, size=N)


def test_no_autograd_follows_what_parts_say() -> None:
    torch = pytest.importorskip("torch")
    z = torch.ones(2, 3, requires_grad=True)
    with pytest.raises(NotImplementedError, match=r"call this under torch.no_grad\(\)"):
        lsmx.partial("log_softmax", z, size=6)
    jax = pytest.importorskip("jax")
    with pytest.raises(NotImplementedError, match="what parts of rows say has no derivatives"):
        jax.grad(lambda z: lsmx.partial("log_softmax", z, size=6).said[1, 0][1][0].sum())(jax.numpy.ones((2, 3)))


def test_a_lost_second_logit_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above fail if merging forgets what it is for."""
    from lsmx._definition import parts

    monkeypatch.setitem(parts.MERGE, "two largest", lambda xp, a, b: (xp.maximum(a[0], b[0]), xp.maximum(a[1], b[1])))
    with pytest.raises(AssertionError):
        check("log_softmax", (Z,), {})


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype(np.float64)])
def test_a_dtype_by_any_spelling(dtype: Any) -> None:
    whole = None
    while whole is None or not whole.complete:
        whole = lsmx.merge(
            *(lsmx.partial("softmax", Z[:, a:b], size=N, start=a, whole=whole, dtype=dtype) for a, b in ((0, 20), (20, N)))
        )
    got = lsmx.finish("softmax", Z[:, :20], whole=whole, dtype=dtype)
    assert differing(got, lsmx.softmax(Z, dtype="float64")[:, :20]) is None
