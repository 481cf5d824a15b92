"""Two processes of ``jax.distributed``, each with two devices of one mesh: rows divided among all of them have their own bits.

Run by ``test_jax.py`` with the number of the process and the coordinator's address. Prints how many comparisons were equal.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import lsmx
from lsmx.testing import differing

rank, address = int(sys.argv[1]), sys.argv[2]
jax.distributed.initialize(address, num_processes=2, process_id=rank)
rng = np.random.default_rng(7)
z, g = (4 * rng.standard_normal((2, 8, 64))).astype(np.float32)
z[3, 5], z[4], z[5, 11] = np.nan, -np.inf, np.inf
target = rng.integers(0, 64, 8)
mesh = Mesh(np.asarray(jax.devices()).reshape(2, 2), ("a", "b"))
equal = 0


def log_softmax_gradient(z: Any, g: Any) -> Any:
    """As JAX takes it."""
    return jax.vjp(lsmx.log_softmax, z)[1](g)[0]


def loss_gradient(z: Any, target: Any) -> Any:
    """Of a mean over all rows."""
    return jax.grad(lambda z: lsmx.cross_entropy(z, target))(z)


def check(f: Callable[..., Any], spec: P, *others: Any) -> None:
    """Compare what this process has of the result with the whole of one device's."""
    global equal
    where = NamedSharding(mesh, spec)
    divided = jax.make_array_from_callback(z.shape, where, lambda index: z[index])
    got = jax.jit(f)(divided, *others)
    want = np.asarray(jax.jit(f)(jax.device_put(z, jax.local_devices()[0]), *others))
    for shard in got.addressable_shards:
        difference = differing(np.asarray(shard.data), want[shard.index])
        assert difference is None, f"{f.__name__} {spec}: {difference}"
        equal += 1


check(lsmx.log_softmax, P(None, ("a", "b")))
check(log_softmax_gradient, P("b", "a"), jnp.asarray(g))
check(lsmx.cross_entropy, P("b", "a"), jnp.asarray(target))
check(loss_gradient, P(None, ("a", "b")), jnp.asarray(target))
sys.stdout.write(f"{equal} equal\n")
jax.distributed.shutdown()
