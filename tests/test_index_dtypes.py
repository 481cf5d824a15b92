"""Indices of every integer dtype: classes that a narrow or unsigned one holds are those that int64 holds, in every library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict
import dask.array
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lsmx
from lsmx.testing import differing

LENGTHS = {"int8": 300, "uint8": 256, "int16": 40000, "uint16": 70000, "int32": 300, "uint32": 300, "int64": 300, "uint64": 300}
"""Rows of more classes than the dtype can count, where they fit into memory: comparing with their length must not wrap round."""
IN_JAX = ("int8", "uint8")
"""XLA compiles these for seconds, and the sums of longer rows for minutes."""
ON: dict[str, Callable[[Any], Any]] = {
    "numpy": lambda x: x,
    "torch": torch.from_numpy,
    "jax": jnp.asarray,
    "strict": array_api_strict.asarray,
    "dask": dask.array.from_array,
}
G = np.random.default_rng(3).standard_normal(3).astype(np.float32)


def calls(z: Any, w: Any, g: Any, i: Any, support: Any, ignored: Any) -> dict[str, Any]:
    """What takes indices, by name: the index of a row, one that is ignored, and the classes of a support."""
    found = {
        "log_prob": lsmx.log_prob(z, i),
        "log_prob_backward": lsmx.log_prob_backward(g, z, i),
        "rank": lsmx.token_stats(z, i).rank,
        "cross_entropy": lsmx.cross_entropy(z, i, reduction="none"),
        "smoothed": lsmx.cross_entropy(z, i, label_smoothing=0.1),
        "weighted": lsmx.cross_entropy(z, i, weight=w),
        "ignored": lsmx.cross_entropy(z, ignored, ignore_index=7),
        "cross_entropy_backward": lsmx.cross_entropy_backward(g, z, i, reduction="none"),
    }
    if support is not None:
        found["support"] = lsmx.log_prob(z, support[:, 0], support=support)
        found["entropy"] = lsmx.entropy(z, support=support)
    return found


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in ON for dtype in LENGTHS if name != "jax" or dtype in IN_JAX])
def test_indices_of_every_dtype(name: str, dtype: str) -> None:
    n, rng, on = LENGTHS[dtype], np.random.default_rng(2), ON[name]
    if name == "torch" and dtype in ("uint16", "uint32", "uint64"):
        pytest.skip("PyTorch has few operations on these")
    z, w = rng.standard_normal((3, n)).astype(np.float32), rng.random(n).astype(np.float32)
    largest = min(np.iinfo(dtype).max, n - 1)
    i = np.asarray([156 % (largest + 1), largest, 7])  # as uint8, 156 is what -100 would be
    support = np.sort(rng.choice(largest + 1, (3, 4)), axis=-1)
    want = calls(z, w, G, i, support, i)
    narrow, classes = (on(x.astype(dtype)) for x in (i, support))
    got = calls(on(z), on(w), on(G), narrow, None if name == "dask" else classes, narrow)
    assert np.array_equal(np.asarray(got.pop("rank")), want["rank"])
    assert {key: differing(np.asarray(x), want[key]) for key, x in got.items()} == dict.fromkeys(got)
    assert np.isfinite(want["log_prob"]).all()
    assert (want["rank"] >= 0).all()
