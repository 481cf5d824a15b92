"""Every function and derivative on arrays divided among eight devices, along the batch and along the rows: the bits are the same.

Run by ``test_jax.py`` in a process of its own. Prints how many comparisons were equal.
"""

import os
import sys
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import lsmx
from lsmx.testing import differing

rng = np.random.default_rng(50)
z, v, g_full = (4 * rng.standard_normal((3, 16, 1000))).astype(np.float32)
z[3, 5], z[4, 7], z[5, :], z[6, 11] = np.inf, np.nan, -np.inf, -np.inf
equal = 0


def check(got: jax.Array, want: np.ndarray, what: str) -> None:
    """Count it, or stop."""
    global equal
    difference = differing(np.asarray(got), want)
    assert difference is None, f"{what}: {difference}"
    equal += 1


for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    for spec in (P("x"), P(None, "x")):
        where = NamedSharding(mesh, spec)
        logits, tangent = jax.device_put(z, where), jax.device_put(v, where)
        for name in ("log_softmax", "softmax", "logsumexp"):
            f, what = getattr(lsmx, name), f"{name} {spec} {kind}"
            want = f(z)
            kept = (z, want) if name == "logsumexp" else (want,)
            g = g_full[:, 0].copy() if name == "logsumexp" else g_full
            out, pull = jax.vjp(f, logits)
            check(out, want, what)
            check(jax.jit(f)(logits), want, f"jit {what}")
            dz = pull(jax.device_put(g, out.sharding))[0]
            check(dz, getattr(lsmx, f"{name}_backward")(g, *kept), f"VJP {what}")
            check(jax.jvp(f, (logits,), (tangent,))[1], getattr(lsmx, f"{name}_jvp")(v, *kept), f"JVP {what}")
            assert dz.sharding.is_equivalent_to(where, 2), dz.sharding
            runs = lsmx.explain(logits, function=name)
            assert ("core" in runs.runs) == (spec == P("x")), runs
            assert spec == P("x") or "rows that are divided among devices" in str(runs)
# in shard_map: logits that all devices have alike, masks and cotangents that they have parts of, so that gradients are added up
mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,))
masks = rng.random((8, 16, 40)) < 0.7
for name in ("log_softmax", "softmax", "logsumexp"):
    f = getattr(lsmx, name)

    def part(z: jax.Array, mask: jax.Array, g: jax.Array, f: Any = f) -> jax.Array:
        """The gradient of a sum over all devices."""

        def total(z: jax.Array) -> jax.Array:
            out = f(z, where=mask[0])
            return jax.lax.psum((jnp.where(mask[0], out, 0.0) if out.ndim == 2 else out).sum() * g[0], "x")

        return jax.grad(total)(z)

    split = jax.jit(jax.shard_map(part, mesh=mesh, in_specs=(P(), P("x"), P("x")), out_specs=P()))
    g = 2.0 ** np.arange(8, dtype=np.float32)
    got = split(v[:, :40], masks, g)
    each = [
        jax.jit(jax.grad(lambda z, m=m, f=f: jnp.where(m if f(z, where=m).ndim == 2 else True, f(z, where=m), 0.0).sum()))(
            v[:, :40]
        )
        for m in jnp.asarray(masks)
    ]
    want = sum(np.asarray(x, dtype=np.float64) * w for x, w in zip(each, g, strict=True))
    error = np.abs(np.asarray(got) - want).max()
    assert error <= 2.0**-9, f"{name} in shard_map: off by {error}"  # eight parts, of up to 2**7 * 2**4, in float32: 2**-13 each
    equal += 1
sys.stdout.write(f"{equal} equal\n")
