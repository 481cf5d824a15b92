"""Dask arrays on a cluster of two worker processes: NumPy's bits, also where a worker is killed, and errors that are the engine's.

Run by ``test_dask_cluster.py`` with a folder, and how many megabytes are to go to zarr. Prints what was equal, one line for each.
"""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr
from distributed import Client, KilledWorker, LocalCluster

import lsmx
from lsmx.testing import differing

folder, megabytes = pathlib.Path(sys.argv[1]), int(sys.argv[2])
LIMIT = 400  # megabytes of a worker, half of which it has before it computes anything
ROWS, COLUMNS = (64, 64, 64), (700, 1, 900, 447)


def values(rows: int, columns: int, seed: int) -> np.ndarray:
    """Logits of a block."""
    return np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32) * np.float32(4)


def told(line: str) -> None:
    """Print what has been found."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def same(what: str, got: Any, want: Any) -> None:
    """Compare every bit, or stop."""
    difference = differing(np.asarray(got), np.asarray(want))
    assert difference is None, f"{what}: {difference}"
    told(f"equal: {what}")


def fatal(marker: pathlib.Path, last: tuple[int, ...]) -> Callable[..., Any]:
    """What makes a block of itself; at the last block the process kills itself, once."""

    def block(x: Any, block_id: Any = None) -> Any:
        if block_id == last and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    return block


def failing(x: Any) -> Any:
    """A block that cannot be read."""
    raise OSError("the disk is gone")


def lethal(x: Any) -> Any:
    """A block that nobody survives."""
    os.kill(os.getpid(), signal.SIGKILL)


def bits() -> None:
    """Values, gradients and a mean, of whole rows and of rows that are cut; once with a worker that dies in the middle."""
    z, g = values(sum(ROWS), sum(COLUMNS), 0), values(sum(ROWS), sum(COLUMNS), 1)
    target = np.random.default_rng(2).integers(0, sum(COLUMNS), sum(ROWS))
    target[3] = -100
    value, one = lsmx.log_softmax(z), np.asarray(1.0, np.float32)
    wants = {
        "log_softmax": value,
        "log_softmax_backward": lsmx.log_softmax_backward(g, value),
        "cross_entropy": lsmx.cross_entropy(z, target),
        "cross_entropy_backward": lsmx.cross_entropy_backward(one, z, target),
    }
    for name, columns in (("whole rows", (sum(COLUMNS),)), ("rows that are cut", COLUMNS)):
        for killed in (False, True):
            blocks, marker = da.from_array(z, chunks=(ROWS, columns)), folder / name
            if killed:
                blocks = blocks.map_blocks(fatal(marker, (len(ROWS) - 1, len(columns) - 1)), dtype=z.dtype, meta=z[:0, :0])
            classes = da.from_array(target, chunks=(ROWS,))
            out = lsmx.log_softmax(blocks)
            gots = {
                "log_softmax": out,
                "log_softmax_backward": lsmx.log_softmax_backward(da.from_array(g, chunks=(ROWS, columns)), out),
                "cross_entropy": lsmx.cross_entropy(blocks, classes),
                "cross_entropy_backward": lsmx.cross_entropy_backward(one, blocks, classes),
            }
            for which, x in zip(gots, dask.compute(*gots.values()), strict=True):
                same(f"{which}, {name}{', a worker killed' if killed else ''}", x, wants[which])
            assert marker.exists() is killed


def streams() -> None:
    """A result larger than its workers goes to zarr block by block."""
    columns, rows = 8192, 256  # 8 MB a block of whole rows, 2 MB one of parts

    for name, width, share in (("whole rows", columns, 1), ("rows that are cut", columns // 4, 2)):  # the latter take long
        count = max(2, megabytes // 8 // share)

        def made(block_id: Any = None, width: int = width) -> np.ndarray:
            return values(rows, columns, block_id[0])[:, block_id[1] * width : (block_id[1] + 1) * width]

        z = da.map_blocks(
            made, chunks=((rows,) * count, (width,) * (columns // width)), dtype=np.float32, meta=np.empty((0, 0), np.float32)
        )
        path = folder / f"{name}.zarr"
        lsmx.log_softmax(z).to_zarr(str(path))
        stored = zarr.open(str(path), mode="r")
        assert stored.shape == (count * rows, columns)
        for i in range(count):
            difference = differing(np.asarray(stored[i * rows : (i + 1) * rows]), lsmx.log_softmax(values(rows, columns, i)))
            assert difference is None, f"{name}, block {i}: {difference}"
        told(f"equal: {name} in zarr, {count * rows * columns * 4 // 10**6} MB by workers of {LIMIT} MB")


def errors(cluster: LocalCluster) -> None:
    """What the engine says of a task that always fails, and of one that no worker survives."""
    z = da.from_array(values(8, 256, 0), chunks=(8, 64))
    for x, kind in ((z.map_blocks(failing, meta=z._meta), OSError), (z.map_blocks(lethal, meta=z._meta), KilledWorker)):
        cluster.scheduler.allowed_failures = 0
        try:
            lsmx.log_softmax(x).compute()
        except kind as error:
            told(f"passed on: {type(error).__name__}: {str(error)[:60]}")
        else:
            raise AssertionError(f"{kind.__name__}: not raised")


if __name__ == "__main__":
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "60s", "temporary-directory": str(folder)}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=f"{LIMIT}MB",
            silence_logs=50,
        ) as cluster,
        Client(cluster),
    ):
        bits()
        streams()
        errors(cluster)
