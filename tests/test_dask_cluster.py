"""Dask arrays on real clusters: processes on this machine, one of which is killed while it computes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")
pytest.importorskip("zarr")


def run(folder: Path, megabytes: int, timeout: int) -> list[str]:
    """The lines of the program in a process of its own."""
    script = Path(__file__).with_name("programs") / "dask_cluster.py"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, str(script), str(folder), str(megabytes)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=env,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout.splitlines()


@pytest.mark.slow
def test_a_cluster_has_the_bits_also_when_a_worker_is_killed(tmp_path: Path) -> None:
    lines = run(tmp_path, 16, 300)
    assert sum(line.startswith("equal: ") and "zarr" not in line for line in lines) == 4 * 2 * 2
    assert sum("a worker killed" in line for line in lines) == 4 * 2
    assert sum("zarr" in line for line in lines) == 2
    assert [line.split(":")[1].strip() for line in lines if line.startswith("passed on")] == ["OSError", "KilledWorker"]


@pytest.mark.nightly
def test_a_result_larger_than_the_workers_goes_to_zarr(tmp_path: Path) -> None:
    """Three times what a worker may hold; of rows that are cut, one and a half times."""
    lines = run(tmp_path, 1144, 1800)
    assert "equal: whole rows in zarr, 1199 MB by workers of 400 MB" in lines
    assert "equal: rows that are cut in zarr, 595 MB by workers of 400 MB" in lines
