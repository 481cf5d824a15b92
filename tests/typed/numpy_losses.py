"""What a type checker knows of losses of NumPy's arrays, and which calls it reports."""

# pyright: strict

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import lsmx

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Single = NDArray[np.float32]
Double = NDArray[np.float64]
Half = np.ndarray[tuple[int, int], np.dtype[np.float16]]
Indices = NDArray[np.int64]
Z = np.ones((2, 3), dtype=np.float32)
EXAMPLES = (Z, np.ones((2, 3)), Z.astype(np.float16), np.asarray([0, 1]), "float64")


def right(z: Matrix, x: Double, half: Half, y: Indices, name: str) -> None:
    """Losses are in float32 or float64, gradients have the shape and dtype of the logits."""
    assert_type(lsmx.log_prob(z, y), Single)
    assert_type(lsmx.log_prob(half, y), Single)
    assert_type(lsmx.log_prob(x, y, temperature=np.ones(2), softcap=3), Double)
    assert_type(lsmx.log_prob(x, y, temperature=np.float32(2.0), where=x > 0), Double)
    assert_type(lsmx.log_prob(x, y, support=np.stack([y, y])), Double)
    assert_type(lsmx.log_prob(x, y, support=(y, np.arange(3))), Double)
    assert_type(lsmx.log_prob(z, y, row_sums=lsmx.row_sums(z), out=np.empty(2, np.float32)), Single)
    assert_type(lsmx.entropy(z, axis=(0, 1)), Single)
    assert_type(lsmx.row_sums(half, axis=0), Single)
    assert_type(lsmx.kl_divergence(z, z, reduction="sum"), Single)
    assert_type(lsmx.js_divergence(x, x), Double)
    assert_type(lsmx.linear_log_prob(z, z, y), Single)
    assert_type(lsmx.linear_cross_entropy(x, x, y, bias=np.ones(2), chunk=1), Double)

    # dtype= is another dtype, and not always one that a checker can know
    assert_type(lsmx.log_prob(z, y, dtype=np.float64), Double)
    assert_type(lsmx.entropy(z, dtype=np.float16), NDArray[np.float16])
    assert_type(lsmx.entropy(half, dtype=None), Single)
    assert_type(lsmx.log_prob(z, y, dtype=name), NDArray[Any])
    assert_type(lsmx.row_sums(z, dtype=np.float64), NDArray[Any])
    assert_type(lsmx.linear_log_prob(z, z, y, dtype=np.dtype(np.float64)), Double)

    stats = lsmx.token_stats(z, y)
    assert_type(stats, lsmx.TokenStats[Single, NDArray[np.int32]])
    assert_type(stats.entropy, Single)
    assert_type(stats.rank, NDArray[np.int32])
    assert_type(lsmx.token_stats(z, y, dtype=np.float64).lse, Double)

    assert_type(lsmx.cross_entropy(z, y), Single)
    assert_type(lsmx.cross_entropy(x, x, weight=np.ones(3), ignore_index=None, normalizer=4), Double)
    assert_type(lsmx.cross_entropy(z, y, empty="zero", normalizer=np.asarray(4.0, np.float32)), Single)
    assert_type(lsmx.cross_entropy(z, y, return_z_loss=False, dtype=np.float64), Double)
    assert_type(lsmx.cross_entropy(z, y, z_loss=0.1, return_z_loss=True), lsmx.CrossEntropyParts[Single])
    assert_type(lsmx.cross_entropy(x, y, return_z_loss=True, reduction="none").z_loss, Double)
    loss, _ = lsmx.cross_entropy(half, y, return_z_loss=True)
    assert_type(loss, Single)

    # gradients are of the dtype of the logits, whatever the cotangent's; derivatives along a direction are losses
    g, one = np.ones(2, np.float32), np.asarray(1.0, np.float32)
    assert_type(lsmx.log_prob_backward(g, z, y), Matrix)
    assert_type(lsmx.entropy_backward(g, half, temperature=2.0), Half)
    assert_type(lsmx.cross_entropy_backward(one, half, y, label_smoothing=0.1), Half)
    assert_type(lsmx.kl_divergence_backward(g, z, z), tuple[Matrix, Matrix])
    assert_type(lsmx.js_divergence_backward(g, z, z)[1], Matrix)
    assert_type(lsmx.log_prob_jvp(z, z, y), Single)
    assert_type(lsmx.entropy_jvp(half, half), Single)
    assert_type(lsmx.cross_entropy_jvp(x, x, y), Double)
    assert_type(lsmx.kl_divergence_jvp(None, z, z, z), Single)
    assert_type(lsmx.js_divergence_jvp(x, None, x, x), Double)
    dh, dw, nothing = lsmx.linear_cross_entropy_backward(one, z, z, y)
    assert_type(dh, Matrix)
    assert_type(dw, Matrix)
    assert_type(nothing, None)
    assert_type(lsmx.linear_cross_entropy_backward(one, z, z, y, bias=np.ones(2, np.float32))[0], Matrix)


def untyped(x: Any, z: Matrix) -> None:
    """Nothing is made up for what a checker knows nothing of."""
    lsmx.log_prob(x, x).of_its_own()
    lsmx.entropy(x, dtype="float32").of_its_own()
    lsmx.row_sums(x, where=x > 0).of_its_own()
    lsmx.cross_entropy(x, z).of_its_own()
    lsmx.cross_entropy(x, x, return_z_loss=True).loss.of_its_own()
    lsmx.token_stats(x, x).rank.of_its_own()
    lsmx.kl_divergence_backward(z, x, x)[0].of_its_own()
    lsmx.cross_entropy_jvp(x, x, x).of_its_own()
    lsmx.linear_log_prob(x, x, x).of_its_own()
    lsmx.linear_cross_entropy_backward(x, x, x, x)[2].of_its_own()


def wrong(z: Matrix, x: Double, y: Indices, yes: bool) -> None:
    """Every line is reported."""
    lsmx.log_prob(z)
    lsmx.log_prob(z, z)  # pyright
    lsmx.log_prob(z, [0, 1])
    lsmx.log_prob(z, y, 1)
    lsmx.log_prob(z, y, dim=1)
    lsmx.log_prob(z, index=y)
    lsmx.log_prob(z, y, where=1)
    lsmx.log_prob(z, y, where=y)
    lsmx.log_prob(z, y, temperature="hot")
    lsmx.log_prob(z, y, support=[0, 1])
    lsmx.log_prob(z, y, support=(y, y, y))
    lsmx.log_prob(z, y, support=z)
    lsmx.log_prob(z, y, row_sums=1.0)
    lsmx.log_prob(z.tolist(), y)
    lsmx.token_stats(z)
    lsmx.token_stats(z, y, out=z)
    lsmx.token_stats(z, y).probability.max()
    lsmx.entropy(z, y)
    lsmx.entropy(z, softcap="3")
    lsmx.row_sums(z, row_sums=z)
    lsmx.cross_entropy(z)
    lsmx.cross_entropy(z, y, reduction="average")
    lsmx.cross_entropy(z, y, reduction=None)
    lsmx.cross_entropy(z, y, empty="one")
    lsmx.cross_entropy(z, y, weight=[1.0, 1.0, 1.0])
    lsmx.cross_entropy(z, y, ignore_index=1.5)
    lsmx.cross_entropy(z, y, label_smoothing="much")
    lsmx.cross_entropy(z, y, return_z_loss=1)
    lsmx.cross_entropy(z, y).loss.max()
    lsmx.cross_entropy(z, y, return_z_loss=yes).loss.max()
    lsmx.cross_entropy(z, y, out=z)
    lsmx.kl_divergence(z)
    lsmx.kl_divergence(z, 0)
    lsmx.js_divergence(z, z, softcap=1.0)
    lsmx.log_prob_backward(z, y)
    lsmx.log_prob_backward(1.0, z, y)
    lsmx.log_prob_jvp(None, z, y)
    lsmx.entropy_backward(z, z, out=z)
    lsmx.cross_entropy_backward(z, z, y, empty="nan")
    lsmx.cross_entropy_jvp(z, z, y, reduction="average")
    lsmx.kl_divergence_jvp(z, z, z)
    lsmx.linear_log_prob(z, z)
    lsmx.linear_log_prob(z, z, z)  # pyright
    lsmx.linear_cross_entropy(z, z, y, bias=0.0)
    lsmx.linear_cross_entropy(z, z, y, chunk=1.5)
    lsmx.linear_cross_entropy_backward(z, z, z, y)[2].max()
    _: Double = lsmx.log_prob(z, y)
