"""Who works on the boxes of ``lsmx apply``: this process, or through Dask other threads, processes and machines."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lsmx._cli.boxes import Box
from lsmx._cli.ending import InputError
from lsmx._cli.mixing import Sums
from lsmx._cli.work import Work

HERE = ("threads", "processes", "synchronous")
FEW = 8  # boxes that are done between two looks at the disk
PATIENCE = 10  # seconds in which a scheduler has to answer

Run = Callable[[Work, Sequence[Box]], Iterator[Sums]]


@contextlib.contextmanager
def workers(address: str | None, output: str) -> Iterator[tuple[Run, int]]:
    """What works on boxes, and how many of them it is to be given at a time."""
    if address is None:
        yield one_by_one, FEW
        return
    cluster = "://" in address
    missing = [name for name in ("dask", *(["distributed"] if cluster else [])) if importlib.util.find_spec(name) is None]
    if missing:
        packages = '"lsmx[dask]" distributed' if cluster else '"lsmx[dask]"'
        raise InputError(f"--scheduler: {', '.join(missing)} not installed: pip install {packages}")
    if cluster:
        with connected(address, output) as (client, threads):
            yield by_dask(client), FEW * threads
    elif address in HERE:
        yield by_dask(address), FEW * (os.cpu_count() or 1)
    else:
        raise InputError(f"--scheduler: {address!r} is no scheduler; give an address such as tcp://host:8786, or {', '.join(HERE)}")


def one_by_one(work: Work, boxes: Sequence[Box]) -> Iterator[Sums]:
    """In this thread."""
    return map(work.do, boxes)


def by_dask(scheduler: Any) -> Run:
    """As tasks of a scheduler of Dask's."""
    import dask

    def run(work: Work, boxes: Sequence[Box]) -> Iterator[Sums]:
        task = dask.delayed(work.do, pure=False, traverse=False)
        return iter(dask.compute(*map(task, boxes), scheduler=scheduler))

    return run


@contextlib.contextmanager
def connected(address: str, output: str) -> Iterator[tuple[Any, int]]:
    """A client of a cluster, and how many threads that has."""
    import concurrent.futures

    import distributed

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they have to say comes as an exception, too
    lost = (concurrent.futures.CancelledError, distributed.KilledWorker, distributed.comm.CommClosedError)
    try:
        client = distributed.Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler: {address}: no scheduler of Dask's answers there: {error}") from None
    with client:
        found = client.scheduler_info(n_workers=-1)["workers"]
        if not found:
            raise InputError(f"--scheduler: {address}: has no workers; start one with dask worker {address}")
        if output.endswith(".npy") and len({worker["host"] for worker in found.values()}) > 1:
            raise InputError(f"{output}: the workers are on several machines, which cannot share pages of one file; write zarr")
        try:
            yield client, sum(worker["nthreads"] for worker in found.values())
        except lost as error:
            raise InputError(f"--scheduler: {address}: lost: {error} The same command goes on from where it was") from None
