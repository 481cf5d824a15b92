"""Every function and derivative on arrays divided among eight devices, along the batch and along the rows: the bits are the same.

Run by ``test_jax.py`` in a process of its own. Prints how many comparisons were equal.
"""

import os
import re
import sys
from functools import partial
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


def moved(f: Any, x: jax.Array) -> tuple[set[str], int]:
    """How a program moves data among devices, numbers of rows set apart, and how often it calls the core."""
    text = jax.jit(f).lower(x).compile().as_text()
    of_rows = rf"\w+\[8,{x.shape[0]},1\]{{[\d,]*}} all-gather"
    how = re.findall(r"all-reduce|all-gather|all-to-all|collective-permute", re.sub(of_rows, "numbers of rows", text))
    return set(how), text.count('custom_call_target="lsmx"')


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
            walks = 3 if name == "log_softmax" else 2  # the two largest logits, the sum, and what the core makes of both
            assert moved(f, logits) == ((set(), 1) if spec == P("x") else ({"all-reduce"}, walks)), moved(f, logits)
            runs = lsmx.explain(logits, function=name)
            assert ("core" in runs.runs) == (spec == P("x")), runs
            assert spec == P("x") or "rows that are divided among devices" in str(runs)
# two axes of a mesh in either order, rows along any axes, masks that broadcast
x = rng.standard_normal((8, 16, 24)).astype(np.float32)
mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
cases: list[tuple[Any, Any, Any]] = [
    (P("x", "y"), -1, None),
    (P(("y", "x")), (1, 2), (16, 1)),
    (P("x", None, "y"), -1, (8, 1, 24)),
    (P("y", "x"), (0, 2), (24,)),
    (P(None, "y", "x"), 1, (16, 24)),
]
for spec, axis, shape in cases:
    divided = jax.device_put(x, NamedSharding(mesh, spec))
    mask = None if shape is None else rng.random(shape) < 0.6
    for name in ("log_softmax", "logsumexp"):
        f = partial(getattr(lsmx, name), axis=axis, where=mask)
        g = partial(getattr(lsmx, name), axis=axis, where=None if mask is None else jnp.asarray(mask))
        check(jax.jit(g)(divided), f(x), f"{name} {spec} {axis} {shape}")
        g_out = rng.standard_normal(f(x).shape).astype(np.float32)
        backward = partial(getattr(lsmx, f"{name}_backward"), axis=axis, where=mask)
        kept = (f(x),) if name == "log_softmax" else (x, f(x))
        check(
            jax.jit(lambda x, v, g=g: jax.vjp(g, x)[1](v)[0])(divided, g_out), backward(g_out, *kept), f"VJP {name} {spec} {axis}"
        )
# losses: their other arrays go along, and a mean over all rows is exact
index = rng.integers(0, 1000, 16)
several = rng.integers(0, 1000, (16, 3))
target = np.where(np.arange(16) == 2, -100, index)
losses: list[tuple[Any, tuple[Any, ...]]] = [
    (lsmx.log_prob, (index,)),
    (partial(lsmx.log_prob, temperature=0.7), (several,)),
    (lsmx.entropy, ()),
    (lsmx.cross_entropy, (target,)),
    (partial(lsmx.cross_entropy, label_smoothing=0.1, z_loss=1e-3, reduction="none"), (target,)),
    (partial(lsmx.cross_entropy, weight=rng.random(1000).astype(np.float32)), (target,)),
    (lsmx.kl_divergence, (v,)),
    (partial(lsmx.token_stats), (index,)),
]
mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
for spec, some in ((P(None, ("x", "y")), losses[:5]), (P("y", "x"), losses[3:])):
    divided = jax.device_put(z, NamedSharding(mesh, spec))
    for loss, others in some:
        what = f"{loss} {spec}"
        given = {k: jnp.asarray(x) if hasattr(x, "shape") else x for k, x in getattr(loss, "keywords", {}).items()}
        f = partial(getattr(loss, "func", loss), **given)
        beside = tuple(map(jnp.asarray, others))
        want, got = loss(z, *others), jax.jit(f)(divided, *beside)
        if isinstance(want, tuple):
            for a, b in zip(got[:3], want[:3], strict=True):
                check(a, b, what)
            continue
        check(got, want, what)
        g = rng.standard_normal(want.shape).astype(np.float32)
        pull = jax.jit(lambda z, g, *beside, f=f: jax.vjp(lambda z: f(z, *beside), z)[1](g)[0])
        whole, part = (pull(x, g, *beside) for x in (z, divided))
        check(part, np.asarray(whole), f"VJP {what}")
# devices in another order, and some of them only; an axis that cannot be divided evenly is put together
some_devices: list[tuple[Any, Any, Any, int]] = [
    (jax.devices()[::-1], P(None, "x"), z, 2),
    (jax.devices()[1:6:2], P("x"), z[:15], 1),
]
for devices, spec, logits, calls in some_devices:
    some = jax.device_put(logits, NamedSharding(jax.sharding.Mesh(devices, ("x",)), spec))
    check(jax.jit(lsmx.softmax)(some), lsmx.softmax(np.asarray(some)), f"{len(devices)} devices")
    assert moved(lsmx.softmax, some)[1] == calls
uneven = jax.jit(lambda x: lsmx.softmax(jax.lax.with_sharding_constraint(x + 0, NamedSharding(mesh, P(None, "x")))))
check(uneven(z[:, :999]), lsmx.softmax(z[:, :999]), "uneven")
# in shard_map over all axes each device calls the core; over some of them, the definition is divided
for names, calls in (({"x", "y"}, 1), ({"x"}, 0)):
    mapped = jax.shard_map(lsmx.softmax, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names=names)
    check(jax.jit(mapped)(z), lsmx.softmax(z), f"shard_map over {names}")
    assert moved(mapped, z)[1] == calls
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
