"""The CUDA kernels on a device, where there is one: ``pytest --backends cupy,torch-cuda``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx.testing import Case, Target, differing, evaluate, quantise, wanted
from tests.rows import KINDS, nasty

FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
# around a thread (16), a warp (512), a block (8192), shared memory, and on to the longest
LENGTHS = (1, 2, 3, 8, 15, 16, 17, 33, 64, 127, 511, 512, 513, 1000, 1024, 4097, 8191, 8192, 8193, 20000, 58001, 131072, 300000)


def mismatches(where: Target, function: str, dtype: str, case: Case) -> dict[str, str]:
    """What differs from the definition on NumPy, of all directions."""
    want, got = wanted(function, dtype, case), evaluate(where, function, dtype, case)
    assert want.keys() >= {"forward", "backward", "jvp"}
    return {d: text for d in want if (text := differing(got[d], want[d])) is not None}


def runs(function: str, z: Any, **options: Any) -> str:
    return lsmx.explain(z, function=function, **options).runs


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lengths(device: Target, dtype: str, function: str, n: int) -> None:
    rows = 2 * KINDS + 1 if n < 2000 else 5
    case = Case(f"{n}", nasty(n, 2 * KINDS + 1, n)[n % KINDS :][:rows], seed=n)
    assert runs(function, device.from_numpy(quantise(case.z, dtype), dtype)) == "cuda"
    assert mismatches(device, function, dtype, case) == {}


@pytest.mark.parametrize("axis", [0, 1, 2, (1, 2), None])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes(device: Target, dtype: str, function: str, axis: Any) -> None:
    for shape in ((46, 3, 80), (5, 300, 80), (2, 3, 3000)):
        case = Case("axes", nasty(1, shape[0], shape[1] * shape[2]).reshape(shape), axis=axis, seed=2)
        assert mismatches(device, function, dtype, case) == {}


def views(x: Any) -> dict[str, Any]:
    """Views that begin at all distances from 16 bytes, with rows that do not all begin alike, and with strides."""
    shifted = {f"from {i}": x[:, i : i - 9] for i in range(9)}
    return {**shifted, "every other row": x[::2], "every other column": x[:, ::2], "turned": x.T}


@pytest.mark.parametrize("n", [49, 1033, 9009])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_views(device: Target, dtype: str, function: str, n: int) -> None:
    z, g = (quantise(nasty(seed, 23, n), dtype) for seed in (3, 4))
    here, there = (views(device.from_numpy(x, dtype)) for x in (z, g))
    for name, host in views(z).items():
        out = getattr(lsmx, function)(here[name])
        case = Case(name, np.ascontiguousarray(host).astype(np.float64))
        assert runs(function, here[name]) == "cuda"
        assert differing(device.to_numpy(out), wanted(function, dtype, case)["forward"]) is None, name
        if function != "logsumexp":
            again = device.from_numpy(np.ascontiguousarray(views(g)[name]), dtype)
            dz = getattr(lsmx, f"{function}_backward")(there[name], out)
            same = getattr(lsmx, f"{function}_backward")(again, out)
            assert differing(device.to_numpy(dz), device.to_numpy(same)) is None, name


@pytest.mark.parametrize("n", [1, 33, 1000, 9001, 60000])
def test_losses(device: Target, dtype: str, n: int) -> None:
    """All passes, with temperatures; against the definition on NumPy, in what the dtype widens to."""
    rng, fmt = np.random.default_rng(n), "float64" if dtype == "float64" else "float32"
    z, w = (quantise(nasty(seed, 2 * KINDS, n)[: 2 * KINDS if n < 2000 else 7], dtype) for seed in (n, n + 1))
    index, g = rng.integers(0, n, len(z)), rng.standard_normal(len(z)).astype(fmt)
    each = rng.uniform(0.3, 3, len(z)).astype(fmt)
    here = [device.from_numpy(x, dtype) for x in (z, w)]
    there = [x.astype(fmt) for x in (z, w)]
    i, g_here, each_here = device.from_numpy(index, "int64"), device.from_numpy(g, fmt), device.from_numpy(each, fmt)
    calls: dict[str, Callable[..., Any]] = {
        "row_sums": lambda z, w, i, g, T: lsmx.row_sums(z, temperature=T),
        "log_prob": lambda z, w, i, g, T: lsmx.log_prob(z, i, temperature=T),
        "known": lambda z, w, i, g, T: lsmx.log_prob(z, i, temperature=T, row_sums=lsmx.row_sums(z, temperature=T)),
        "entropy": lambda z, w, i, g, T: lsmx.entropy(z, temperature=T),
        "smoothed": lambda z, w, i, g, T: lsmx.cross_entropy(
            z, i, reduction="none", label_smoothing=0.1, z_loss=1e-3, temperature=T
        ),
        "kl_divergence": lambda z, w, i, g, T: lsmx.kl_divergence(z, w, temperature=T),
        "log_prob backward": lambda z, w, i, g, T: lsmx.log_prob_backward(g, z, i, temperature=T),
        "entropy backward": lambda z, w, i, g, T: lsmx.entropy_backward(g, z, temperature=T),
    }
    for name, call in calls.items():
        got = device.to_numpy(call(*here, i, g_here, each_here))
        with lsmx.using("reference"):
            want = call(*there, index, g, each)
        narrow = quantise(want, dtype).astype(fmt) if name.endswith("backward") else want
        assert differing(got.astype(fmt), narrow) is None, name
    assert lsmx.explain(here[0], i, function="log_prob").runs == "cuda"


@pytest.mark.parametrize("n", [1, 33, 1000, 9001, 60000])
def test_losses_with_numbers_of_each_class(device: Target, dtype: str, n: int) -> None:
    """Soft caps, weights, masks, smoothing, probabilities, JS and several indices; against the definition, as those above."""
    rng, fmt = np.random.default_rng(n), "float64" if dtype == "float64" else "float32"
    z, w, p = (quantise(nasty(seed, 2 * KINDS, n)[: 2 * KINDS if n < 2000 else 7], dtype) for seed in (n, n + 1, n + 2))
    p = quantise(np.nan_to_num(1 / (1 + np.abs(p)), nan=0.5), dtype)
    index, several = rng.integers(0, n, len(z)), rng.integers(0, n, (len(z), 3))
    several[::2, 2] = several[::2, 0]
    g, v = rng.standard_normal(len(z)).astype(fmt), rng.standard_normal(several.shape).astype(fmt)
    weight, mask = rng.uniform(0, 2, n).astype(fmt), rng.random((1, n)) < 0.7
    host = {"z": z, "w": w, "p": p, "i": index, "k": several, "g": g, "v": v, "weight": weight, "mask": mask}
    kinds = {"z": dtype, "w": dtype, "p": dtype, "i": "int64", "k": "int64", "g": fmt, "v": fmt, "weight": fmt, "mask": "bool"}
    here = {name: device.from_numpy(x, kinds[name]) for name, x in host.items()}
    there = {name: x.astype(fmt) if kinds[name] == dtype else x for name, x in host.items()}
    smooth: dict[str, Any] = {"reduction": "none", "label_smoothing": 0.1}

    def by_target(a: dict[str, Any]) -> Any:
        of, at = lsmx.registered()["cross_entropy_of"], {"z": a["z"], "target": a["p"]}
        return of.derivative("backward target", {"grad_output": a["g"]}, at, -1, a["mask"], None, {"weight": a["weight"]})

    calls: dict[str, Callable[[dict[str, Any]], Any]] = {
        "capped": lambda a: lsmx.log_prob(a["z"], a["i"], softcap=2.5),
        "capped backward": lambda a: lsmx.entropy_backward(a["g"], a["z"], softcap=30.0, temperature=0.7),
        "masked": lambda a: lsmx.cross_entropy(a["z"], a["i"], where=a["mask"], **smooth),
        "weighted": lambda a: lsmx.cross_entropy(a["z"], a["i"], weight=a["weight"], **smooth),
        "weighted backward": lambda a: lsmx.cross_entropy_backward(
            a["g"], a["z"], a["i"], weight=a["weight"], where=a["mask"], softcap=30.0, z_loss=1e-3, **smooth
        ),
        "probabilities": lambda a: lsmx.cross_entropy(a["z"], a["p"], weight=a["weight"], where=a["mask"], **smooth),
        "probabilities backward": lambda a: lsmx.cross_entropy_backward(a["g"], a["z"], a["p"], where=a["mask"], **smooth),
        "by target backward": by_target,
        "js_divergence": lambda a: lsmx.js_divergence(a["z"], a["w"]),
        "js by z backward": lambda a: lsmx.js_divergence_backward(a["g"], a["z"], a["w"])[0],
        "js by w backward": lambda a: lsmx.js_divergence_backward(a["g"], a["z"], a["w"])[1],
        "several": lambda a: lsmx.log_prob(a["z"], a["k"]),
        "several backward": lambda a: lsmx.log_prob_backward(a["v"], a["z"], a["k"]),
        "ranks": lambda a: lsmx.registered()["rank"](a["z"], a["k"]),
    }
    for name, call in calls.items():
        got = device.to_numpy(call(here))
        with lsmx.using("reference"):
            want = call(there)
        narrow = quantise(want, dtype).astype(fmt) if name.endswith("backward") else want
        assert differing(got.astype(fmt), narrow) is None, name
    for function, options in (("cross_entropy", {"label_smoothing": 0.1, "where": here["mask"]}), ("log_prob", {"softcap": 2.5})):
        assert lsmx.explain(here["z"], here["i"], function=function, **options).runs == "cuda"
    assert lsmx.explain(here["z"], here["w"], function="js_divergence").runs == "cuda"


def streams(device: Target) -> tuple[Callable[[], contextlib.AbstractContextManager[Any]], Callable[[], None]]:
    """How to enter a new stream, and how to wait for everything."""
    if device.name == "cupy":
        import cupy

        return lambda: cupy.cuda.Stream(non_blocking=True), cupy.cuda.Device().synchronize
    import torch

    return lambda: torch.cuda.stream(torch.cuda.Stream()), torch.cuda.synchronize


@pytest.mark.parametrize("function", FUNCTIONS)
def test_streams(device: Target, function: str) -> None:
    """On the stream that is current: after what was begun there, which takes its time, and before what follows."""
    enter, wait = streams(device)
    z = device.from_numpy(quantise(nasty(5, 2048, 4096), "float32"), "float32")
    want = device.to_numpy(getattr(lsmx, function)(z))
    late = z * 0
    wait()
    with enter():
        for _ in range(50):
            late = late * 0.5
        late[...] = z
        got = getattr(lsmx, function)(late)
        late[...] = 0
    wait()
    assert differing(device.to_numpy(got), want) is None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_graph_can_be_captured_and_replayed(device: Target, function: str) -> None:
    z = device.from_numpy(quantise(nasty(6, KINDS, 1000), "float32"), "float32")
    other = device.from_numpy(quantise(nasty(7, KINDS, 1000), "float32"), "float32")
    call = getattr(lsmx, function)
    want = device.to_numpy(call(other))  # compiles as well, which cannot be captured
    if device.name == "cupy":
        import cupy

        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            call(z)
            stream.synchronize()
            stream.begin_capture()
            out = call(z)
            graph = stream.end_capture()
            z[...] = other
            graph.launch(stream)
            stream.synchronize()
    else:
        import torch

        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            out = call(z)
        z.copy_(other)
        recorded.replay()
        torch.cuda.synchronize()
    assert differing(device.to_numpy(out), want) is None


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_waits_for_the_device(device: Target, function: str) -> None:
    if device.name == "cupy":
        pytest.skip("CuPy cannot tell")
    import torch

    z = device.from_numpy(quantise(nasty(8, KINDS, 1000), "float32"), "float32")
    g = torch.ones_like(z[:, 0] if function == "logsumexp" else z)
    out = getattr(lsmx, function)(z)
    residual = (z, out) if function == "logsumexp" else (out,)
    getattr(lsmx, f"{function}_backward")(g, *residual)
    torch.cuda.set_sync_debug_mode("error")
    try:
        getattr(lsmx, function)(z)
        getattr(lsmx, f"{function}_backward")(g, *residual)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_more_than_2_to_the_31_elements(device: Target) -> None:
    """float16, so that 4 GiB do; the last rows are those that a smaller array gives."""
    rows, n, few = 2**21 + 3, 1024, 4 * KINDS
    last = device.from_numpy(quantise(nasty(9, few, n), "float16"), "float16")
    try:
        z = device.from_numpy(np.zeros((rows, n), np.float16), "float16")
    except Exception as error:  # each library has its own for too little memory
        pytest.skip(f"{type(error).__name__}: {error}")
    z[-few:] = last
    want = device.to_numpy(lsmx.log_softmax(last))
    assert lsmx.log_softmax(z, out=z) is z
    assert differing(device.to_numpy(z[-few:]), want) is None
