"""The CUDA kernels on the host: the same source, compiled by a C++ compiler over an emulator, on CPU tensors."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import lsmx_torch
import torch

import lsmx
from lsmx import extend
from lsmx._native.cuda.source import LOSSES, common, kernels, source

COMPILER = shutil.which("g++")
FLAGS = ("-O1", "-ffp-contract=off")
SHARED = 227 * 1024  # bytes that a block may have on sm_90
ERRORS = (
    "",
    "threads wait for others that do not come",
    "shared memory that was not asked for",
    "a shuffle beyond the team",
    "arguments of no kernel",
)
BUILDS = pathlib.Path(tempfile.gettempdir())  # a folder of the test run
HEADER = pathlib.Path(__file__).parent / "cuda_emulator.h"


def built(text: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    """A source as a library; compiled once for all the processes of a test run."""
    mark = hashlib.sha256("\0".join([text, HEADER.read_text(), *flags]).encode()).hexdigest()[:16]
    folder = BUILDS / f"cuda-host-{mark}"
    folder.mkdir(exist_ok=True)
    library = folder / "kernels.so"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            (folder / "kernels.cpp").write_text(f'#include "{HEADER}"\n{text}\nEMULATOR\n')
            assert COMPILER is not None
            command = [
                COMPILER,
                "-std=c++17",
                "-w",
                "-shared",
                "-fPIC",
                "-U_FORTIFY_SOURCE",
                *flags,
                "kernels.cpp",
                "-o",
                "part.so",
            ]
            subprocess.run(command, cwd=folder, check=True, timeout=300)
            (folder / "part.so").replace(library)
    return ctypes.CDLL(str(library))


def losses(dtype: str) -> str:
    """All the passes of the losses at once: what they share is compiled once."""
    return "\n".join([common(device=False, losses=True), *(kernels(passname, dtype) for passname in LOSSES), ""])


def emulated(
    flags: tuple[str, ...] = FLAGS, edit: Callable[[str], str] = str, shared: int = SHARED, seen: list[Any] | None = None
) -> extend.CudaDevice:
    """The host as a device. ``edit`` may change the source; what is launched is added to ``seen``."""

    def launch(
        like: Any, passname: str, dtype: str, kernel: str, blocks: int, threads: int, room: int, values: Sequence[int]
    ) -> None:
        text = losses(dtype) if passname in LOSSES and edit is str else edit(source(passname, dtype, device=False))
        library = built(text, flags)
        if seen is not None:
            seen.append((kernel, blocks, threads, room, list(values)))
        given = (ctypes.c_longlong * len(values))(*values)
        code = library.emulate(getattr(library, kernel), blocks, threads, room, given, len(given))
        assert code == 0, f"{kernel}: {ERRORS[code]}"

    return extend.CudaDevice(unavailable=lambda: None, shared=lambda like: shared, launch=launch)


def memory() -> extend.Memory:
    """That of PyTorch's CPU tensors, where what is made is full of NaN: what a kernel leaves out is seen."""
    plain = lsmx_torch.memory("cpu")
    return dataclasses.replace(plain, empty=lambda *given: plain.empty(*given).fill_(float("nan")))


@contextlib.contextmanager
def serving(device: extend.CudaDevice) -> Iterator[extend.Backend]:
    """PyTorch's CPU tensors, served by the CUDA kernels on a device."""
    known = lsmx.backend_for(torch.zeros(1))
    fields = {f: getattr(known, f) for f in known.__dataclass_fields__ if f not in ("kernels", "by_task")}
    record = extend.register_backend(extend.Backend(**fields, kernels=extend.fused(memory(), extend.cuda_engine(device))))
    try:
        yield record
    finally:
        extend.unregister_backend(record)
