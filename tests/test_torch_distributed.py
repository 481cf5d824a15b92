"""DTensors of ``torch.distributed``."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import torch

SCRIPT = pathlib.Path(__file__).with_name("programs") / "torch_divided.py"


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()), reason="torch.distributed has no gloo"
)
def test_dtensors_of_four_processes(tmp_path: pathlib.Path) -> None:
    """Replicated and divided, on a line and on a grid; each process has a part of the whole, and all have its bits."""
    home = SCRIPT.parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (home, home / "backends"))), "OMP_NUM_THREADS": "1"}
    start = [sys.executable, "-W", "ignore", str(SCRIPT)]
    processes = [
        subprocess.Popen(
            [*start, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        for rank in range(4)
    ]
    try:
        said = [process.communicate(timeout=500) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * 4, said[0][1]
    assert said[0][0].split() == ["243", "equal", "15", "refused"]
