"""What the code of a case may name."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

import lsmx
from lsmx import extend
from tests.errors import helpers, yours

LIBRARIES = {
    "torch": ("torch", "t", "ti", "double_backward", "cut", "everywhere", "vocabulary_parallel"),
    "jax": ("jax", "jnp", "j"),
    "dask": ("dask", "da", "d", "of_unknown_sizes"),
    "distributed": ("tcp",),
    "array_api_strict": ("small", "on_x32"),
    "zarr": ("zarr", "folder"),
    "fcntl": ("busy", "pipe"),
    "matplotlib": ("plot",),
    "tabulate": ("bench",),
}
"""The libraries that words of a case need."""
HELPERS = (
    *("environment", "small", "on_x32", "record", "double_backward", "gradient_by_classes", "mesh", "cut", "everywhere"),
    *("of_unknown_sizes", "without", "bare"),
)


def plain() -> dict[str, Any]:
    """The arrays of numbers that names stand for before a case is run."""
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    return {"z": z, "i": np.asarray([0, 2]), "g": np.ones(2, np.float32), "t": z}


def made_for(code: str) -> dict[str, Any]:
    """All names that Python code asks for."""
    numbers = plain()
    z, i, g = (numbers[name] for name in "zig")
    names: dict[str, Any] = {"__name__": "yours", "np": np, "lsmx": lsmx, "extend": extend, "z": z, "i": i, "g": g}
    names |= {name: getattr(yours, name) for name in ("Quantity", "Series", "Cube", "Moving", "Saving", "Scaled", "Votes", "Pairs")}
    names |= {name: staticmethod(getattr(yours, name)) for name in ("flat_forward", "odd_forward")}
    names |= {name: getattr(helpers, name) for name in HELPERS} | {"vocabulary_parallel": helpers.parallel}
    names["whole"] = lsmx.partial("softmax", z, size=3)
    from lsmx import adapters, testing
    from lsmx.adapters import optax, scipy, sklearn, torchtitan, transformers, trl  # noqa: F401 # so that adapters has them

    names["adapters"] = adapters
    names["testing"] = testing
    with contextlib.suppress(ModuleNotFoundError):
        import torch

        names |= {"torch": torch, "t": torch.from_numpy(z.copy()), "ti": torch.from_numpy(i)}
    with contextlib.suppress(ModuleNotFoundError):
        import jax

        names |= {"jax": jax, "jnp": jax.numpy, "j": jax.numpy.asarray(z)}
    with contextlib.suppress(ModuleNotFoundError):
        import dask.array

        names |= {"da": dask.array, "d": dask.array.from_array(z, chunks=(1, 3))}
    return names
