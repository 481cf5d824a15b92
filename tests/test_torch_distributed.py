"""``torch.distributed``: DTensors, and plain tensors with a process group, in real processes."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

import lsmx

SCRIPT = pathlib.Path(__file__).with_name("programs") / "torch_divided.py"
HOME = SCRIPT.parents[2]
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (HOME, HOME / "backends"))), "OMP_NUM_THREADS": "1"}
pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()), reason="torch.distributed has no gloo"
)


@pytest.mark.slow
def test_dtensors_of_four_processes(tmp_path: pathlib.Path) -> None:
    """Replicated and divided, on a line and on a grid; each process has a part of the whole, and all have its bits."""
    start = [sys.executable, "-W", "ignore", str(SCRIPT)]
    processes = [
        subprocess.Popen(
            [*start, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV
        )
        for rank in range(4)
    ]
    try:
        said = [process.communicate(timeout=500) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * 4, said[0][1]
    assert said[0][0].split() == ["425", "equal", "4", "refused"]


REFUSED = (
    "PartError: entropy: rows of shape (3,) in process 0, (2,) in process {}",
    "PartError: entropy: dtype 'torch.float32' in process 0, 'torch.float64' in process {}",
    "PartError: entropy: function 'entropy' in process 0, 'softmax' in process {}",
    "PartError: cross_entropy: options {{'label_smoothing': 0.0}} in process 0, {{'label_smoothing': 0.1}} in process {}",
    "PartError: cross_entropy: process {} raised ShapeError: target: shape (2,), but an array of (3, 4) asks for (3,) or (3, 1)",
    "ClassError: cross_entropy: process {} has 99, which is no class of a row of {}",
    "PartError: cross_entropy: process {} raised ArgumentValueError: softcap: -1.0 is not a positive finite number",
    "PartError: entropy: process {} raised ArgumentError: function: 'tan' is none that can be divided; accepted are ",
    "PartError: entropy: process {} raised ArrayTypeError: entropy: given (ndarray); pass PyTorch tensors, as to lsmx.entropy",
)


@pytest.mark.one_in(0, slow=2)
@pytest.mark.parametrize("processes", [2, 3])
def test_plain_tensors_under_torchrun(processes: int) -> None:
    """Parts of rows of several sizes, some of them empty; means over the rows of all; disagreement is an error everywhere."""
    start = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [*start, str(SCRIPT.with_name("torch_parallel.py"))], capture_output=True, text=True, env=ENV, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *told, last = done.stdout.splitlines()
    assert last == "85 equal"
    for said, wanted in zip(told, REFUSED, strict=True):
        assert said.startswith(wanted.format(processes - 1, 4 * processes)), said


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of this process alone."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("function", ["log_softmax", "logsumexp", "entropy"])
def test_transforms_do_not_go_through_parts(function: str) -> None:
    """They would follow integers to derivatives of 0."""
    from lsmx_torch.parallel import vocabulary_parallel

    def f(z: torch.Tensor) -> torch.Tensor:
        return vocabulary_parallel(function, z)

    z, v = torch.randn(2, 4, 6)
    told = f"{function}: neither torch.func nor forward mode goes through rows that processes have parts of"
    with pytest.raises(NotImplementedError, match=told):
        torch.func.jvp(f, (z,), (v,))
    with pytest.raises(NotImplementedError, match=told):
        torch.func.grad(lambda z: f(z).sum())(z)
    with pytest.raises(NotImplementedError, match=told):
        torch.vmap(f)(z[None])
    with torch.autograd.forward_ad.dual_level():
        with pytest.raises(NotImplementedError, match=told):
            f(torch.autograd.forward_ad.make_dual(z, v))
        assert torch.equal(f(z), getattr(lsmx, function)(z))


@pytest.mark.usefixtures("alone")
def test_parts_lie_along_one_axis() -> None:
    from lsmx_torch.parallel import vocabulary_parallel

    with pytest.raises(lsmx.AxisError, match=r"axis \(0, 1\), but rows that processes have parts of lie along one axis"):
        vocabulary_parallel("softmax", torch.randn(2, 3), axis=(0, 1))
