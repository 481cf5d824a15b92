"""What a division of the vocabulary costs: 2 gloo processes on one machine, beside the same part of each row computed as rows.

``python benchmarks/torch_overhead.py`` starts the processes and writes ``benchmarks/scale-overhead.json``. In turns: forward and
backward of `vocabulary_parallel`, of the same in a group of this process alone, and of the plain call on its part. Medians of the
slowest process of each turn. Where processes share cores, both wait for cores alike.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from lsmx_torch.parallel import vocabulary_parallel

import lsmx

HOME = pathlib.Path(__file__).parents[1]
PROCESSES, TURNS = 2, 9
SHAPES = ((64, 32000), (64, 128256))


def slowest(call: Callable[[], object]) -> float:
    """Seconds, of the slowest process."""
    dist.barrier()
    start = time.perf_counter()
    call()
    took = torch.tensor([time.perf_counter() - start])
    dist.all_reduce(took, dist.ReduceOp.MAX)
    return took.item()


def step(function: Callable[..., torch.Tensor], z: torch.Tensor, *others: torch.Tensor) -> None:
    """Forward and backward."""
    z.grad = None
    out = function(z, *others)
    out.backward(torch.ones_like(out))


def measured(name: str, rows: int, classes: int, own: Any) -> dict[str, Any]:
    """Medians of a function."""
    size = classes // PROCESSES
    z = torch.randn(rows, size).requires_grad_()
    index = torch.randint(0, size, (rows,))  # of the part too; the same in all processes, as all have one seed
    others = () if name == "log_softmax" else (index,)
    calls = {
        "alone": functools.partial(step, getattr(lsmx, name)),
        "own": functools.partial(step, functools.partial(vocabulary_parallel, name, group=own)),
        "divided": functools.partial(step, functools.partial(vocabulary_parallel, name)),
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in calls}
    for _ in range(TURNS + 1):
        for kind, call in calls.items():
            seconds[kind].append(slowest(lambda call=call: call(z, *others)))
    return {"function": name, "rows": rows, "classes": classes, **{k: statistics.median(v[1:]) for k, v in seconds.items()}}


def main(words: list[str]) -> None:
    """One process, or all of them."""
    if words:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        dist.init_process_group("gloo", init_method=f"file://{words[1]}", rank=int(words[0]), world_size=PROCESSES)
        own = [dist.new_group([k]) for k in range(PROCESSES)][dist.get_rank()]
        rows = [measured(name, *shape, own) for shape in SHAPES for name in ("log_softmax", "cross_entropy")]
        if dist.get_rank() == 0:
            sys.stdout.write(json.dumps(rows))
        dist.destroy_process_group()
        return
    with tempfile.TemporaryDirectory() as folder:
        each = [[sys.executable, __file__, str(k), f"{folder}/meeting"] for k in range(PROCESSES)]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for command in each]
        said = [run.communicate()[0] for run in runs]
    assert not any(run.returncode for run in runs)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
    results = {"processes": PROCESSES, "turns": TURNS, "machine": machine, "torch": torch.__version__, "rows": json.loads(said[0])}
    (HOME / "benchmarks" / "scale-overhead.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
