"""The bits do not depend on how an array lies in memory: views of every kind that the library has, against plain copies of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx.testing import Target, differing
from lsmx.testing.calls import FUNCTIONS, every_direction, made

SHAPE = (4, 6, 10)
Make = Callable[[Any], Any]


def transposed(xp: Any, make: Make, values: Any) -> Any:
    return xp.permute_dims(make(values.transpose()), tuple(range(values.ndim))[::-1])


def rotated(xp: Any, make: Make, values: Any) -> Any:
    order = [*range(1, values.ndim), 0]
    return xp.permute_dims(make(values.transpose(order)), tuple(int(i) for i in np.argsort(order)))


def stepped(xp: Any, make: Make, values: Any) -> Any:
    return make(np.repeat(values, 3, axis=-1))[..., ::3]


def shifted(xp: Any, make: Make, values: Any) -> Any:
    return make(np.pad(values, [(1, 0)] * (values.ndim - 1) + [(3, 2)]))[(slice(1, None),) * (values.ndim - 1) + (slice(3, -2),)]


def reversed_(xp: Any, make: Make, values: Any) -> Any:
    return make(values[..., ::-1])[..., ::-1]


def spread(xp: Any, make: Make, values: Any) -> Any:
    return xp.broadcast_to(make(values[:1]), values.shape)


LAYOUTS = (transposed, rotated, stepped, shifted, reversed_, spread)


@pytest.mark.one_in(47, slow=9)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts(backend: Target, dtype: str, function: str, layout: Callable[[Any, Make, Any], Any]) -> None:
    rng = np.random.default_rng(21)
    drawn = [4 * rng.standard_normal(SHAPE), rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)]
    plain = made(backend, np.ones(1), dtype)
    xp = lsmx.backend_for(plain).ops(plain, extend.SINGLE).xp

    def laid_out(values: Any, kind: str = dtype) -> Any:
        return layout(xp, lambda part: made(backend, part, kind), values)

    def copied(x: Any, kind: str = dtype) -> Any:
        return made(backend, np.array(backend.to_numpy(x)), kind)

    try:
        z, g, v = map(laid_out, drawn)
        mask = laid_out(rng.random(SHAPE) < 0.7, "bool")
    except (TypeError, ValueError, IndexError, AttributeError, NotImplementedError) as error:
        pytest.skip(f"{backend.name} has no such view: {error}")
    for axis in range(len(SHAPE)):
        cotangent = laid_out(rng.standard_normal(SHAPE[:axis] + SHAPE[axis + 1 :])) if function == "logsumexp" else g
        for where in (None, mask):
            got = every_direction(function, z, cotangent, v, axis, where)
            same = where if where is None else copied(where, "bool")
            want = every_direction(function, copied(z), copied(cotangent), copied(v), axis, same)
            for direction, x in got.items():
                found = differing(np.asarray(backend.to_numpy(x)), np.asarray(backend.to_numpy(want[direction])))
                assert found is None, f"{direction}, axis {axis}: {found}"
