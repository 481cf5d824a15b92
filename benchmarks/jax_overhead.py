"""What rows that are divided among JAX's devices cost: two devices of the host, beside one of them that computes its share alone.

``python benchmarks/jax_overhead.py`` writes ``benchmarks/scale-jax.json``. In turns: the compiled function on rows of which each
device has one half, and on one device that has one half of each row as rows of their own. Medians; one thread a device.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import lsmx

HOME = pathlib.Path(__file__).parents[1]
TURNS = 15
SHAPES = ((1024, 32768), (256, 131072))


def log_softmax_gradient(z: Any, target: Any) -> Any:
    """Value and VJP."""
    out, pull = jax.vjp(lsmx.log_softmax, z)
    return pull(out)[0]


def loss_gradient(z: Any, target: Any) -> Any:
    """Value and gradient of the mean loss."""
    return jax.value_and_grad(lambda z: lsmx.cross_entropy(z, target))(z)


CALLS: dict[str, Callable[..., Any]] = {
    "log_softmax": lambda z, target: lsmx.log_softmax(z),
    "log_softmax, value and VJP": log_softmax_gradient,
    "log_prob": lsmx.log_prob,
    "cross_entropy": lsmx.cross_entropy,
    "cross_entropy, value and gradient": loss_gradient,
}


def measured(name: str, rows: int, classes: int) -> dict[str, Any]:
    """Medians of a function."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((rows, classes), dtype=np.float32)
    target = jnp.asarray(rng.integers(0, classes // 2, rows))
    mesh = jax.make_mesh((2,), ("x",))
    given = {"divided": jax.device_put(z, NamedSharding(mesh, P(None, "x"))), "share": jax.device_put(z[:, : classes // 2])}
    calls = {kind: jax.jit(CALLS[name]) for kind in given}
    seconds: dict[str, list[float]] = {kind: [] for kind in given}
    for turn in range(TURNS + 2):
        for kind, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call(given[kind], target))
            if turn > 1:
                seconds[kind].append(time.perf_counter() - start)
    return {"function": name, "rows": rows, "classes": classes, **{k: statistics.median(v) for k, v in seconds.items()}}


def main() -> None:
    """Measure, and write it down."""
    lsmx.set_num_threads(1)
    load = round(os.getloadavg()[0])
    results = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load}",
        "jax": jax.__version__,
        "rows": [measured(name, *shape) for shape in SHAPES for name in CALLS],
    }
    (HOME / "benchmarks" / "scale-jax.json").write_text(json.dumps(results, indent=1) + "\n")
    for row in results["rows"]:
        sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
