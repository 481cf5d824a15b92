"""Compare rows in parts with whole rows, bit by bit: every engine, split and function of docs/scale.md; ``scale-bits.json``.

``python benchmarks/scale_bits.py`` starts each engine in processes of its own, by this file or ``scale_torch.py``, and the name of
the engine. Compared are the value, and the gradients of autograd or the backward function, with those of NumPy's whole arrays.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from scale_cases import ROWS, UNEVEN, N, backward_call, cases, cotangent, count, found, several_of, whole

import lsmx

HOME = pathlib.Path(__file__).parents[1]


def by_steps(library: str) -> None:
    """`lsmx.partial`, `lsmx.merge` and `lsmx.finish` on four parts, one of them empty and one of one element."""
    convert: Callable[[Any], Any] = {
        "NumPy": lambda x: x,
        "PyTorch": lambda x: __import__("torch").from_numpy(np.ascontiguousarray(x)),
        "JAX": lambda x: __import__("jax").numpy.asarray(x),
    }[library]
    n = UNEVEN[1]
    cuts = (0, 20, 20, 21, n)
    for name, arrays, options, by in cases(*UNEVEN):
        calls = [(name, arrays, options), *([backward_call(name, arrays, options)] if by else [])]
        for called, given, more in calls:
            parts = [[convert(x[..., a:b] if x.ndim and x.shape[-1] == n else x) for x in given] for a, b in pairwise(cuts)]
            merged = None
            while merged is None or not merged.complete:
                merged = lsmx.merge(
                    *(
                        lsmx.partial(called, *p, size=n, start=a, whole=merged, **more)
                        for p, a in zip(parts, cuts[:-1], strict=True)
                    )
                )
            got = [
                several_of(lsmx.finish(called, *p, whole=merged, start=a, **more)) for p, a in zip(parts, cuts[:-1], strict=True)
            ]
            for j, want in enumerate(several_of(getattr(lsmx, called)(*given, **more))):
                want = np.asarray(want)
                pieces = [np.asarray(x[j]) for x in got]
                if want.ndim and want.shape[-1] == n:
                    pieces = [np.concatenate(pieces, axis=-1)]
                for piece in pieces:
                    count("rows, uneven", name, [piece], [want])


def by_dask() -> None:
    """Blocks of uneven sizes."""
    import dask.array as da

    chunks = {
        "batch, uneven": ((5, 8), (97,)),
        "rows, uneven": ((13,), (50, 47)),
        "both, uneven": ((5, 8), (50, 47)),
    }
    for split, (some, along) in chunks.items():

        def convert(x: np.ndarray, some: Any = some, along: Any = along) -> Any:
            if not x.ndim:
                return x
            first = some if x.shape[0] == 13 else (x.shape[0],)
            rest = () if x.ndim == 1 else (along if x.shape[1] == 97 else (x.shape[1],),)
            return da.from_array(x, chunks=(first, *rest))

        for name, arrays, options, by in cases(*UNEVEN):
            for called, given, more in [(name, arrays, options), *([backward_call(name, arrays, options)] if by else [])]:
                got = several_of(getattr(lsmx, called)(*map(convert, given), **more))
                count(split, name, [x.compute() for x in got], several_of(getattr(lsmx, called)(*given, **more)))


def by_jax(number: str) -> None:
    """Host devices."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={number}"
    devices = int(number)
    import jax
    from jax.sharding import AxisType, NamedSharding
    from jax.sharding import PartitionSpec as P

    splits: dict[str, tuple[tuple[int, ...], tuple[str, ...], Any]] = {
        "batch": ((devices,), ("x",), P("x")),
        "rows": ((devices,), ("x",), P(None, "x")),
    }
    if devices > 2:
        splits["both"] = ((2, devices // 2), ("x", "y"), P("x", "y"))
    for split, (shape, names, spec) in splits.items():
        mesh = jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(names))
        for name, arrays, options, by in cases(ROWS, N):
            if arrays[0].shape[0] != ROWS:
                continue  # fewer rows, which devices do not divide
            places = [NamedSharding(mesh, spec if x.ndim == 2 and x.shape[1] == N else P(*spec[:1])) for x in arrays]
            given = [jax.device_put(x, place) for x, place in zip(arrays, places, strict=True)]
            values, gradients = whole(name, arrays, options, by)

            def f(*z: Any, name: str = name, rest: Any = given, options: Any = options) -> Any:
                return getattr(lsmx, name)(*z, *rest[len(z) :], **options)

            if not by:
                count(split, name, several_of(jax.jit(f)(*given[:1])), values)
                continue

            def both(g: Any, *z: Any, f: Any = f) -> Any:
                out, pull = jax.vjp(f, *z)
                return (out, *pull(g))

            g = cotangent(values[0])
            count(split, name, jax.jit(both)(g, *given[: len(by)]), [*values, *gradients])


ENGINES: dict[str, list[str]] = {
    **{f"three steps, {library}": ["scale_bits.py", "steps", library] for library in ("NumPy", "PyTorch", "JAX")},
    "Dask": ["scale_bits.py", "dask"],
    **{f"torch.distributed, plain tensors, {n} processes": ["scale_torch.py", "plain", str(n)] for n in (2, 3, 4)},
    **{f"DTensors, {n} processes": ["scale_torch.py", "dtensor", str(n)] for n in (2, 3, 4)},
    **{f"JAX, {n} devices": ["scale_bits.py", "jax", str(n)] for n in (2, 4, 8)},
}


def run(words: list[list[str]]) -> list[str]:
    """What processes print, that run beside each other."""
    paths = map(str, (HOME, HOME / "backends", HOME / "benchmarks", HOME / "examples"))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    runs = [subprocess.Popen([sys.executable, "-W", "ignore", *w], stdout=subprocess.PIPE, text=True, env=env) for w in words]
    said = [one.communicate()[0] for one in runs]
    assert not any(one.returncode for one in runs), words[0]
    return said


def compared(program: str, kind: str, *more: str) -> dict[str, Any]:
    """What the processes of an engine count together."""
    command = [str(HOME / "benchmarks" / program), kind, *more]
    with tempfile.TemporaryDirectory() as folder:
        each = [[str(k), f"{folder}/meeting"] for k in range(int(more[0]))] if program == "scale_torch.py" else [[]]
        first, *others = map(json.loads, run([[*command, *last] for last in each]))
    for other in others:
        for split, functions in other.items():
            for name, (equal, of) in functions.items():
                first[split][name][0] += equal
                first[split][name][1] += of
    return dict(first)


def steps_of_example(processes: int, *options: str) -> list[str]:
    """The losses of the example, step after step."""
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    (said,) = run([[*start, str(HOME / "examples" / "split_vocabulary.py"), *options]])
    return [line.split()[-1] for line in said.splitlines()]


def example() -> dict[str, Any]:
    """In how many steps the losses of the example differ from those of one process."""
    differ: dict[str, dict[str, list[int]]] = {}
    for name, options in (("lsmx", []), ("by hand", ["--by-hand"])):
        alone = steps_of_example(1, *options)
        differ[name] = {
            str(n): [sum(a != b for a, b in zip(alone, steps_of_example(n, *options), strict=True)), len(alone)] for n in (2, 3, 4)
        }
    return differ


def main(words: list[str]) -> None:
    """One engine of this file, or all of them."""
    if words:
        {"steps": by_steps, "dask": by_dask, "jax": by_jax}[words[0]](*words[1:])
        sys.stdout.write(json.dumps(found))
        return
    path = HOME / "benchmarks" / "scale-bits.json"
    engines = {}
    for engine, command in ENGINES.items():
        engines[engine] = compared(*command)
        print(engine, engines[engine], flush=True)
    versions = {name: version(name) for name in ("numpy", "torch", "jax", "dask")}
    results = {"arithmetic": lsmx.ARITHMETIC_VERSION, "versions": versions, "engines": engines, "example": example()}
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
