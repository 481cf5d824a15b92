"""Log-softmax inside ``jax.jit`` on the CPU: JAX's own, lsmx as it runs on NumPy's arrays, and its definition as XLA compiles it.

Interleaved runs, medians, each as a ratio to JAX's own. ``python benchmarks/inside_jax.py``
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lsmx

SHAPE, TURNS = (4096, 1024), 41


def definition(z: Any) -> Any:
    """The definition, in XLA's own operations."""
    with lsmx.using("reference"):
        return lsmx.log_softmax(z)


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    z, g = (jnp.asarray(rng.standard_normal(SHAPE).astype(np.float32)) for _ in range(2))
    values: dict[str, Callable[[Any], Any]] = {"JAX": jax.nn.log_softmax, "lsmx": lsmx.log_softmax, "definition": definition}
    works: dict[str, Callable[[], Any]] = {}
    for name, f in values.items():
        forward = jax.jit(f)
        both = jax.jit(lambda z, g, f=f: jax.vjp(f, z)[1](g)[0])
        works[f"{name}, forward"] = lambda forward=forward: forward(z)
        works[f"{name}, forward and VJP"] = lambda both=both: both(z, g)
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(TURNS + 2):
        for name, work in works.items():
            start = time.perf_counter()
            jax.block_until_ready(work())
            if turn > 1:
                times[name].append(time.perf_counter() - start)
    for name, taken in times.items():
        own = times[f"JAX, {name.partition(', ')[2]}"]
        print(f"{name:<30} {np.median(taken) * 1e3:8.2f} ms   {np.median(taken) / np.median(own):5.2f} x JAX's own")


if __name__ == "__main__":
    main()
