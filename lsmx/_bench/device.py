"""On a CUDA device: who computes on what, timed by the device's own events in interleaved runs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import lsmx
from lsmx._bench.host import machine
from lsmx._bench.measure import recorded
from lsmx._bench.works import DIRECTIONS, Work
from lsmx.extend import known_backends

Call = Callable[[Any, Any, Any], object]  # of z, g and y, each a device array
Inputs = list[tuple[Any, Any, Any]]
Clock = Callable[[Callable[[], None]], float]  # the seconds of what it is given

LENGTHS = (1024, 8192, 32768, 131072)
ROWS = 4096
WIDTH = {"float32": 4, "bfloat16": 2}
LEAST = 2e-3  # seconds that one measurement takes at least
OVER = 2  # the inputs that are taken in turn are so many times the size of the L2 cache, at least


def device_works(quick: bool) -> list[Work]:
    """All that are measured: long rows, and an input so small that only the launch counts."""
    rows, lengths = (64, LENGTHS[:2]) if quick else (ROWS, LENGTHS)
    return [Work((rows, n), dtype, d) for dtype in WIDTH for n in lengths for d in DIRECTIONS] + [
        Work((8, 10), "float32", d) for d in DIRECTIONS
    ]


def moved(work: Work) -> int:
    """The bytes that have to be read and written."""
    return work.size * WIDTH[work.dtype] * (2 if work.direction == "forward" else 3)


def torch_calls(work: Work) -> dict[str, Call]:
    """PyTorch's contestants."""
    import torch

    torch.compiler.reset()  # after eight dtypes and shapes of one function PyTorch compiles no more
    kind = getattr(torch, work.dtype)
    calls: dict[str, dict[str, Call]] = {
        "forward": {
            "lsmx on PyTorch": lambda z, g, y: lsmx.log_softmax(z),
            "PyTorch": lambda z, g, y: torch.log_softmax(z, -1),
            "torch.compile": compiled(lambda z, g, y: torch.log_softmax(z, -1)),
        },
        "backward": {
            "lsmx on PyTorch": lambda z, g, y: lsmx.log_softmax_backward(g, y),
            "PyTorch": lambda z, g, y: torch.ops.aten._log_softmax_backward_data(g, y, -1, kind),
            "torch.compile": compiled(lambda z, g, y: g - torch.exp(y) * g.sum(-1, keepdim=True)),
        },
    }
    return {"copy": lambda z, g, y: z.clone(), **calls[work.direction]}


def compiled(call: Call) -> Call:
    """By ``torch.compile``, for the shape that it is called with."""
    import torch

    made: Call = torch.compile(call, dynamic=False)
    return made


def cupy_calls(work: Work) -> dict[str, Call]:
    """CuPy's contestants."""
    if work.direction == "backward":
        return {"lsmx on CuPy": lambda z, g, y: lsmx.log_softmax_backward(g, y)}
    calls: dict[str, Call] = {"lsmx on CuPy": lambda z, g, y: lsmx.log_softmax(z)}
    if work.dtype != "bfloat16":
        from cupyx.scipy.special import log_softmax

        calls["cupyx.scipy.special"] = lambda z, g, y: log_softmax(z, axis=-1)
    return calls


def torch_inputs(work: Work, device: str, copies: int) -> Inputs:
    """Logits, cotangents and outputs, as many different ones as are asked for."""
    import torch

    draw = torch.Generator(device=device).manual_seed(0)
    sets = []
    for _ in range(copies):
        z, g = (torch.randn(work.shape, generator=draw, device=device).to(getattr(torch, work.dtype)) for _ in range(2))
        sets.append((z, g, lsmx.log_softmax(z)))
    return sets


def cupy_inputs(work: Work, copies: int) -> Inputs:
    """The same of CuPy."""
    import cupy

    backend = lsmx.backend_for(cupy.empty(0))
    draw = cupy.random.RandomState(0)
    sets = []
    for _ in range(copies):
        z, g = (backend.from_numpy(draw.standard_normal(work.shape, dtype=cupy.float32), work.dtype, None) for _ in range(2))
        sets.append((z, g, lsmx.log_softmax(z)))
    return sets


def torch_clock(run: Callable[[], None]) -> float:
    """Between two events on PyTorch's current stream."""
    import torch

    event: Any = torch.cuda.Event
    start, stop = (event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) * 1e-3


def cupy_clock(run: Callable[[], None]) -> float:
    """Between two events on CuPy's current stream."""
    import cupy

    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    run()
    stop.record()
    stop.synchronize()
    return float(cupy.cuda.get_elapsed_time(start, stop)) * 1e-3


def copies_for(work: Work, cache: int) -> int:
    """How many inputs are taken in turn, so that none is still in the cache when its turn comes again."""
    return max(2, -(-OVER * cache // max(1, moved(work))) + 1) if work.size >= 2**16 else 2


def run(call: Call, sets: Inputs, count: int) -> None:
    """A call so many times, on one input after the other."""
    for given in itertools.islice(itertools.cycle(sets), count):
        call(*given)


def timed(calls: dict[str, Call], sets: Inputs, clock: Clock, turns: int) -> Iterator[dict[str, float]]:
    """In every turn the seconds of each call, after a warm-up in which whatever has to be compiled is."""
    often: dict[str, int] = {}
    for name, call in calls.items():
        for given in sets:
            call(*given)
        once = clock(partial(run, call, sets, len(sets))) / len(sets)
        often[name] = max(len(sets), int(LEAST / max(once, 1e-7)))
    for _ in range(turns):
        seconds = {}
        for name, call in calls.items():
            run(call, sets, len(sets))
            seconds[name] = clock(partial(run, call, sets, often[name])) / often[name]
        yield seconds


def libraries() -> tuple[list[str], list[str]]:
    """Those that have a CUDA device, and why the others have none."""
    found, reasons = [], []
    for name in ("torch", "cupy"):
        backend = known_backends()[name]
        try:
            if isinstance(backend, str):
                raise RuntimeError(backend)
            if not any(device.startswith("cuda") for device in backend.devices()):
                raise RuntimeError(f"no cuda device; there is {', '.join(backend.devices())}")
            found.append(name)
        except Exception as error:  # whatever the library raises for want of a device
            reasons.append(f"{name}: {' '.join(str(error).split())}")
    return found, reasons


def measure_device(found: list[str], turns: int, quick: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The device, and the results of every work."""
    device, cache = name_and_cache(found)
    results = []
    for work in device_works(quick):
        print(work.name, file=sys.stderr, flush=True)
        seconds: dict[str, list[float]] = {}
        copies = copies_for(work, cache)
        for library in found:
            calls = torch_calls(work) if library == "torch" else cupy_calls(work)
            sets = torch_inputs(work, "cuda", copies) if library == "torch" else cupy_inputs(work, copies)
            clock = torch_clock if library == "torch" else cupy_clock
            for turn in timed(calls, sets, clock, turns):
                for name, value in turn.items():
                    seconds.setdefault(name, []).append(value)
            del sets
        entry = {"work": work.name, "elements": work.size, "bytes": moved(work), "copied": 2 * work.size * WIDTH[work.dtype]}
        results.append({**entry, "seconds": {name: recorded(values, 1) for name, values in seconds.items()}})
    return {**machine(), "device": device}, results


def name_and_cache(found: list[str]) -> tuple[str, int]:
    """The device's name, and the bytes of its L2 cache."""
    if "torch" in found:
        import torch

        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return properties.name, properties.L2_cache_size
    import cupy

    known = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    return known["name"].decode(), int(known["l2CacheSize"])
