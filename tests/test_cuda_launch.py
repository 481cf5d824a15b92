"""How the CUDA kernels are launched: blocks, threads, shared memory, addresses, and what is refused. No device is needed."""

from __future__ import annotations

import contextlib
import importlib.util
import mmap
import pathlib
import sys
import types
from typing import Any

import lsmx_torch.cuda
import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx._native.cuda.launch import Launch, arguments, in_line, launch_for
from lsmx._native.cuda.source import source
from lsmx._native.geometry import Axis, Geometry
from lsmx._native.memory import WIDTH
from lsmx.testing import differing
from tests import cuda_host
from tests.cuda_host import COMPILER, SHARED, emulated, serving
from tests.rows import nasty

FORWARD = (2, 0, 0, 2)
BACKWARD = (2, 2, 0, 2)
NO_RESERVE = 0x4000  # Linux's MAP_NORESERVE, which Python does not name
ALIGNED = (2**40, 2**41, 0, 2**42)


def at_16(addresses: tuple[int, ...]) -> tuple[bool, ...]:
    """Which begin at a multiple of 16 bytes."""
    return tuple(a % 16 == 0 for a in addresses)


def launched(
    dtype: str, n: int, rows: int, kinds: tuple[int, ...] = FORWARD, addresses: tuple[int, ...] = ALIGNED, limit: int = SHARED
) -> Launch:
    """The launch for rows that lie one after the other."""
    return launch_for("log_softmax_forward", dtype, kinds, at_16(addresses), in_line(n, rows, kinds), limit)


@pytest.mark.parametrize(
    ("n", "size", "threads", "kernel"),
    [
        (10, 1, 128, "held_1"),  # rows of 40 bytes do not all begin at 16
        (16, 1, 128, "held_4"),
        (20, 2, 128, "held_4"),
        (512, 32, 128, "held_4"),
        (513, 64, 64, "held_1"),
        (516, 64, 64, "held_4"),
        (8192, 512, 512, "held_4"),
        (8196, 512, 512, "walked_4"),
        (300000, 512, 512, "walked_4"),
    ],
)
def test_threads_of_a_row(n: int, size: int, threads: int, kernel: str) -> None:
    launch = launched("float32", n, 1000)
    assert (launch.size, launch.threads, launch.kernel) == (size, threads, f"log_softmax_forward_float32_{kernel}")
    assert launch.blocks == -(-1000 // (threads // size))


def test_shared_memory() -> None:
    """Eight bytes a thread for what the team exchanges, then the rows that are read, each to 16 bytes."""
    assert launched("float32", 512, 9).shared == 0  # a warp needs none
    assert launched("float32", 8192, 9).shared == 8 * 512
    assert launched("float32", 9001, 9) == launched("float32", 9001, 9, addresses=(4, 0, 0, 4))
    assert launched("float32", 9001, 9).shared == 8 * 512 + 36016
    assert launched("float32", 9001, 9, BACKWARD).shared == 8 * 512 + 2 * 36016
    two = (SHARED + 1024) // 2 - 1024  # what each of two blocks has, as the device takes 1024 bytes for each
    for dtype, room in (("float32", two), ("bfloat16", two), ("float64", SHARED)):
        most = (room - 8 * 512) // 16 * 16 // WIDTH[dtype]
        assert launched(dtype, most, 9).staged
        assert room - 16 < launched(dtype, most, 9).shared <= room
        assert launched(dtype, most + 16, 9)[3:] == (8 * 512, 512, False, False)
        assert launched(dtype, most // 2 - 16, 9, BACKWARD).staged
        assert not launched(dtype, most // 2 + 16, 9, BACKWARD).staged


@pytest.mark.parametrize("dtype", WIDTH)
def test_packs_of_16_bytes_only_where_all_rows_begin_there(dtype: str) -> None:
    pack = 16 // WIDTH[dtype]
    assert launched(dtype, 10 * pack, 9).kernel.endswith(f"_{pack}")
    assert launched(dtype, 10 * pack + 1, 9).kernel.endswith("_1")
    assert launched(dtype, 10 * pack + 1, 1).kernel.endswith(f"_{pack}")  # there is no other row
    for operand in (0, 1, 3):
        moved = tuple(a + WIDTH[dtype] * (i == operand) for i, a in enumerate(ALIGNED))
        assert launched(dtype, 10 * pack, 9, BACKWARD, moved).kernel.endswith("_1")


def test_neighbouring_threads_take_what_lies_together() -> None:
    def strided(n: int, rows: int, outer: int = 1) -> Launch:
        way = Geometry(Axis(n, (rows, 0, 0, rows)), Axis(outer, (n * rows, 0, 0, n * rows)), Axis(rows, (1, 0, 0, 1)), ())
        return launch_for("softmax_forward", "float32", FORWARD, at_16(ALIGNED), way, SHARED)

    assert strided(16, 4096)[1:] == (32, 128, 1024, 1, True, False)
    assert strided(256, 4096)[1:] == (128, 512, 4096, 16, True, False)
    assert strided(256, 4096).kernel == "softmax_forward_float32_held_1"
    assert strided(257, 4096, 3).kernel == "softmax_forward_float32_walked_1"
    assert strided(257, 4096, 3).blocks == 3 * 128


def test_one_row_has_no_neighbour() -> None:
    every = Geometry(Axis(8000, (1, 0, 0, 1)), Axis(1, (0, 0, 0, 0)), Axis(1, (0, 0, 0, 0)), ())  # all axes of an array
    launch = launch_for("softmax_forward", "float32", FORWARD, at_16(ALIGNED), every, SHARED)
    assert launch[1:] == (1, 512, 4096, 512, False, False)


def test_counts_beyond_32_bits() -> None:
    launch = launched("float16", 2, 2**40)
    assert launch.blocks == 2**31 - 1  # they take rows in turns
    values = arguments(launch, ALIGNED, in_line(2, 2**40, FORWARD))
    assert values[:4] == [2**40, 1, 2, 0]
    assert values[12:] == [2**42, 1, 2, 0, 2, 2**40, 1, 1, 0, 0]
    assert launched("float32", 2**33, 1).kernel.endswith("walked_4")


@pytest.mark.skipif(sys.platform != "linux", reason="needs an address space that is not reserved")
@pytest.mark.skipif(COMPILER is None, reason="no g++ here, which compiles the kernels for the host")
@pytest.mark.parametrize("axis", [0, 1])
def test_elements_beyond_32_bits(axis: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, or elements, that lie 2^32 bytes apart in a space of which next to nothing is touched."""
    monkeypatch.setattr(cuda_host, "BUILDS", tmp_path)
    step = 2**31 + 8
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
    room = torch.frombuffer(mmap.mmap(-1, 2 * (2 * step + 64), flags=flags), dtype=torch.float16)
    z = room.as_strided((3, 40), (step, 1))
    z.copy_(torch.from_numpy(nasty(1, 3, 40)).half())
    with lsmx.using("reference"):
        want = lsmx.log_softmax(z.contiguous(), axis=axis)
    with serving(emulated()):
        got = lsmx.log_softmax(z, axis=axis)
        assert lsmx.log_softmax(z, axis=axis, out=z) is z
    assert differing(got.numpy(), want.numpy()) is None
    assert differing(z.contiguous().numpy(), want.numpy()) is None


def test_refusals() -> None:
    def why(z: Any, **options: Any) -> str:
        explained = lsmx.explain(z, **options)
        return "" if explained.runs == "cuda" else dict(explained.passed)["cuda"]

    long = torch.zeros(1).double().expand(2**22)
    with serving(emulated()):
        assert why(torch.ones(2, 3)) == ""
        assert why(torch.ones(2, 3, 4), axis=(0, 2)) == "the reduced axes do not lie in memory as one"
        assert why(long) == "rows of 4194304 elements: float64 limbs are added up in 64 bits, which is safe for fewer than 4194304"
        assert why(long[1:]) == ""
        many = torch.ones(9, 2, 9, 2, 9, 2, 9, 2, 3)[:, :1, :, :1, :, :1, :, :1]
        assert why(many[:1]) == ""
        assert why(many) == "the kept axes do not lie as two: 81 launches, more than 64"
    assert dict(lsmx.explain(torch.ones(2, 3, device="meta")).passed)["cuda"] == "on meta, not on a CUDA device"
    with torch._subclasses.FakeTensorMode():
        fake = torch.ones(2, 3, device="cuda")
        kernel = next(k for k in lsmx.backend_for(torch.ones(1)).kernels if k.name == "cuda")
        assert kernel.plan(extend.Context(), fake) == "a FakeTensor, not a plain tensor"


def test_old_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are told apart by number: 12.0 is later than 7.5."""
    found = {}
    for capability in ((6, 1), (7, 0), (7, 2), (7, 5), (8, 0), (12, 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, given=capability: given)
        lsmx_torch.cuda.old.cache_clear()
        found[capability] = lsmx_torch.cuda.old(0)
    lsmx_torch.cuda.old.cache_clear()
    assert [c for c, reason in found.items() if reason is None] == [(7, 5), (8, 0), (12, 0)]
    assert found[6, 1] == "on a device of compute capability 6.1: the kernels are for 7.5 and later"


def test_without_a_compiler_for_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    lsmx_torch.cuda.unavailable.cache_clear()
    try:
        reason = lsmx_torch.cuda.unavailable()
    finally:
        lsmx_torch.cuda.unavailable.cache_clear()
    assert reason is not None
    assert reason.startswith("NVIDIA's cuda-core cannot be used")
    assert reason.endswith('pip install "lsmx[cuda]"')


def test_a_launch_through_cuda_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """On PyTorch's current stream and the tensor's device, which is made current once for each thread."""
    core = pytest.importorskip("cuda.core")
    entered, started, current = [], [], []

    def guard(device: int) -> Any:
        entered.append(device)
        return contextlib.nullcontext()

    monkeypatch.setattr(torch.cuda, "device", guard)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: types.SimpleNamespace(cuda_stream=40 + device))
    monkeypatch.setattr(core, "Stream", types.SimpleNamespace(from_handle=lambda handle: f"stream {handle}"))
    monkeypatch.setattr(core, "Device", lambda i: types.SimpleNamespace(set_current=lambda: current.append(i)))
    monkeypatch.setattr(core, "launch", lambda *given: started.append(given))
    monkeypatch.setitem(lsmx_torch.cuda._kernels, (3, "name"), "kernel")
    for kept in (lsmx_torch.cuda.stream, lsmx_torch.cuda.starter):
        monkeypatch.setattr(lsmx_torch.cuda, kept.__name__, kept.__wrapped__)
    like: Any = types.SimpleNamespace(device=types.SimpleNamespace(index=3))
    for now, entries in ((0, [3, 3]), (0, [3, 3, 3]), (3, [3, 3, 3])):  # the first call of a thread makes it current once more
        monkeypatch.setattr(torch.cuda, "current_device", lambda now=now: now)
        lsmx_torch.cuda.launch(like, "softmax_forward", "float32", "name", 7, 128, 4096, [1, 2, 3])
        assert entered == entries
    assert current == [3]
    assert len(started) == 3
    for stream, config, *rest in started:
        assert (stream, config.grid, config.block, config.shmem_size) == ("stream 43", (7, 1, 1), (128, 1, 1), 4096)
        assert rest == ["kernel", 1, 2, 3]


class Pretended(np.ndarray):
    """NumPy's arrays, dressed as CuPy's."""

    @property
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.__array_interface__["data"][0])

    @property
    def device(self) -> Any:
        return DEVICE

    @device.setter
    def device(self, value: Any) -> None:
        raise AttributeError


class Place(contextlib.nullcontext[None]):
    """A device that can be entered."""

    id = 0
    compute_capability = "75"
    attributes: dict[str, int] = {"MaxSharedMemoryPerBlockOptin": SHARED}  # noqa: RUF012


DEVICE = Place()


class Module:
    """What ``cupy.RawModule`` is, by the emulator."""

    made: list[Any] = []  # noqa: RUF012

    def __init__(self, code: str, options: tuple[str, ...]) -> None:
        assert options == ("--std=c++17", "--fmad=false")
        self.made.append(code)

    def get_function(self, name: str) -> Any:
        passname, dtype = name.rsplit("_", 3)[:2]
        assert self.made[-1] == source(passname, dtype)
        run = emulated().launch

        class Function:
            max_dynamic_shared_size_bytes = 0

            def __call__(self, grid: Any, block: Any, values: Any, shared_mem: int) -> None:
                assert shared_mem <= self.max_dynamic_shared_size_bytes == SHARED
                run(None, passname, dtype, name, *grid, *block, shared_mem, values)

        return Function()


@pytest.fixture
def module(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CuPy's module of the backend, with arrays and a compiler that pretend."""
    if COMPILER is None:
        pytest.skip("no g++ here, which compiles the kernels for the host")
    monkeypatch.setattr(cuda_host, "BUILDS", tmp_path)
    pretended: Any = types.ModuleType("cupy")
    pretended.ndarray, pretended.RawModule = Pretended, Module
    pretended.empty = lambda shape, dtype: np.full(shape, np.nan, dtype).view(Pretended)
    pretended.copyto, pretended.logical_not = np.copyto, np.logical_not
    monkeypatch.setitem(sys.modules, "cupy", pretended)
    path = pathlib.Path(lsmx.__file__).parents[1] / "backends" / "lsmx_cupy" / "cuda.py"
    spec = importlib.util.spec_from_file_location("pretended_cuda", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.one_in(3)
@pytest.mark.parametrize("function", ["log_softmax", "softmax", "logsumexp"])
def test_launches_through_cupy(function: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = {(k.function, k.direction): k for k in module.KERNELS}
    forward, backward, jvp = (kernels[function, direction] for direction in ("forward", "backward", "jvp"))

    z, g = (nasty(seed, 23, 150).astype(np.float32) for seed in (1, 2))
    mask = np.random.default_rng(3).random((23, 150)) < 0.6
    rules = lsmx.registered()[function].function
    for options in ({}, {"axis": 0}, {"where": mask}):
        one, two = extend.Context(), extend.Context()
        with np.errstate(all="ignore"):
            want = rules.forward(one, z, **options)
            cotangent = g.max(axis=options.get("axis", -1)) if function == "logsumexp" else g
            dz, tangent = rules.backward(one, cotangent), rules.jvp(one, g)
        given = {k: v.view(Pretended) if k == "where" else v for k, v in options.items()}
        got = forward.plan(two, z.view(Pretended), **given)()
        assert type(got) is Pretended
        assert differing(np.asarray(got), want) is None
        assert differing(np.asarray(backward.plan(two, cotangent.view(Pretended))()), dz) is None
        assert differing(np.asarray(jvp.plan(two, g.view(Pretended))()), tangent) is None
    monkeypatch.setattr(Place, "compute_capability", "70")
    module._old.clear()
    why = "on a device of compute capability 7.0: the kernels are for 7.5 and later"
    assert forward.plan(extend.Context(), z.view(Pretended)) == why
    assert forward.plan(extend.Context(), z) == "a ndarray, not a plain cupy.ndarray"
    assert forward.plan(extend.Context(), np.ones((2, 3), np.int64).view(Pretended)) == "dtype int64"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_losses_through_cupy(dtype: str, module: Any) -> None:
    """Numbers a row are in the format that is computed in; an index is of int32 or int64."""
    kernels = {(k.function, k.direction): k for k in module.KERNELS}
    rng = np.random.default_rng(4)
    z, index = rng.standard_normal((23, 150)).astype(dtype), rng.integers(0, 150, 23).astype(np.int32)
    fmt = np.float64 if dtype == "float64" else np.float32
    g, each = rng.standard_normal(23).astype(fmt), rng.uniform(0.5, 2, 23).astype(fmt)
    rules = lsmx.registered()["log_prob"].function
    mask = rng.random(z.shape) < 0.6
    for options in ({}, {"temperature": 0.7, "softcap": 2.0}, {"temperature": each}, {"where": mask}):
        one, two = extend.Context(), extend.Context()
        want = rules.forward(one, z, index, **options)
        dz = rules.backward(one, g)
        given = {k: v.view(Pretended) if hasattr(v, "shape") else v for k, v in options.items()}
        got = kernels["log_prob", "forward"].plan(two, z.view(Pretended), index.view(Pretended), **given)()
        assert (type(got), got.dtype) == (Pretended, fmt)
        assert differing(np.asarray(got), want) is None
        assert differing(np.asarray(kernels["log_prob", "backward"].plan(two, g.view(Pretended))()), dz) is None
    why = kernels["log_prob", "forward"].plan(extend.Context(), z.view(Pretended), index.astype(np.uint8).view(Pretended))
    assert why == "dtype uint8"
    assert module.MEMORY.refuse_mask(mask.view(Pretended)) is None
    assert module.MEMORY.refuse_mask(z.view(Pretended)) == f"dtype {dtype}"


def test_fewer_elements_of_two_rows_of_logits() -> None:
    """4 to a thread, or as many as are loaded together: losses.cuh and divergence.cuh have places for no more."""
    has = (2, 2, 1, 0, 0, 0, 0, 0, 1)
    for passname in ("kl_forward", "js_forward"):
        for dtype, n, size in (("float32", 2048, 512), ("float32", 2052, 512), ("float16", 4096, 512), ("float64", 100, 32)):
            launch = launch_for(passname, dtype, has, (True,) * 9, in_line(n, 9, has), SHARED)
            assert launch.size == size
            assert ("held" in launch.kernel) == (n != 2052)
