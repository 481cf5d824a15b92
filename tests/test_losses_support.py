"""``support=`` along any axis, in every library: the bits of a mask of the same classes."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

import lsmx
from lsmx.testing import Target, differing
from lsmx.testing.inputs import normal, uniform
from lsmx.testing.libraries import library


def of(name: str) -> Target:
    found = library(name)
    assert isinstance(found, Target), found
    return found


@pytest.mark.one_in(3)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "strict"])
def test_the_bits_of_a_mask(name: str, axis: int) -> None:
    where = of(name)
    z = np.moveaxis(4 * normal(1, 3, 2, 7), -1, axis)
    kept = np.moveaxis(np.floor(8 * uniform(2, 3, 2, 4)) - 1, -1, axis).astype(np.int32)  # -1 where there are fewer
    kept.swapaxes(0, axis)[0] = 5  # so that no row is without a class
    mask = (np.expand_dims(kept, axis) == np.arange(7).reshape([7 if i == axis else 1 for i in range(4)])).any(axis=axis + 1)
    several = np.where(kept < 0, 5, kept)
    one = several.take(1, axis=axis)

    def there(x: np.ndarray) -> Any:
        return where.from_numpy(x, str(x.dtype))

    logits, x = there(z.astype(np.float32)), z.astype(np.float32)
    for index in (several, one):
        got = lsmx.log_prob(logits, there(index), axis=axis, support=there(kept))
        assert differing(where.to_numpy(got), lsmx.log_prob(x, index, axis=axis, where=mask)) is None
    got = lsmx.entropy(logits, axis=axis, support=there(kept))
    assert differing(where.to_numpy(got), lsmx.entropy(x, axis=axis, where=mask)) is None


def test_a_class_of_the_support_that_a_mask_leaves_out_is_impossible_as_without_a_support() -> None:
    z, support = np.asarray([[1.0, 2.0, 3.0, 0.0]]), np.asarray([[1, 2, 3]])
    where = np.asarray([[True, True, False, True]])
    both = where & (np.arange(4) > 0)
    for i in (1, 2, 3):
        got = lsmx.log_prob(z, np.asarray([i]), support=support, where=where)
        assert differing(got, lsmx.log_prob(z, np.asarray([i]), where=both)) is None
    with pytest.raises(lsmx.ClassError, match=r"^index: 0 at 0 is not in the support of its row"):
        lsmx.log_prob(z, np.asarray([0]), support=support, where=where)


def test_libraries_that_cannot_take_have_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("lsmx_dask.namespace.take_along_axis")
    z = da.from_array(np.zeros((2, 3), np.float32))
    with pytest.raises(lsmx.BackendError, match="support: dask has no take_along_axis; pass where="):
        lsmx.entropy(z, support=da.from_array(np.zeros((2, 1), np.int32)))
