"""From arrays to launches: which kernel, how many threads for a row, how many blocks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lsmx._definition.ops import Array
from lsmx._native.cuda.source import RESIDENT, THREADS, kernel_name, packs
from lsmx._native.engine import Engine, Has, too_many_limbs
from lsmx._native.geometry import Axis, Geometry, Strides
from lsmx._native.memory import WIDTH, Memory

HELD = 16  # elements of each operand that a thread has in registers
FEWER = 4  # the same, for passes on two rows of logits
FEWEST = 128  # threads of a block that has many rows
WARP = 32
RESERVED = 1024  # bytes of shared memory that the device takes for each block
BLOCKS = 2**31 - 1  # of a grid, at most; each takes several rows in turn
OLDEST = (7, 5)  # compute capability that device.cuh takes
LAUNCHES = 64  # at most, where the kept axes cannot be walked as two; with more, the definition is quicker


@dataclass(frozen=True)
class CudaDevice:
    """How a library launches kernels.

    Attributes
    ----------
    unavailable : callable
        Why it cannot, or None.
    shared : callable
        The bytes of shared memory that a block may have, on the device of an array.
    launch : callable
        Called with an array for its device, the pass, the dtype, the kernel's name, the blocks, the threads of a block, the bytes
        of shared memory that it has, and the kernel's arguments, which are 64-bit integers. Compiles what has not been compiled,
        takes the library's current stream, and does not wait.
    """

    unavailable: Callable[[], str | None]
    shared: Callable[[Array], int]
    launch: Callable[[Array, str, str, str, int, int, int, Sequence[int]], None]


def too_old(capability: tuple[int, int]) -> str | None:
    """Why a device of a compute capability cannot run the kernels, or None.

    Parameters
    ----------
    capability : tuple of int
        Major and minor number.

    Returns
    -------
    str or None
        The reason, in words.
    """
    if capability >= OLDEST:
        return None
    return "on a device of compute capability {}.{}: the kernels are for {}.{} and later".format(*capability, *OLDEST)


class Launch(NamedTuple):
    """All of a launch but the addresses."""

    kernel: str
    blocks: int
    threads: int
    shared: int
    size: int
    side_by_side: bool
    staged: bool


def power_of_two(n: int) -> int:
    """The least one that is not below ``n``."""
    return 1 << (n - 1).bit_length()


def pack_of(dtype: str, full: Sequence[int], aligned: Sequence[bool], way: Geometry) -> int:
    """How many elements are loaded at once: 16 bytes of them if all rows are aligned to that, else one."""
    many, _ = packs(dtype)
    steps = [axis.strides for axis in (way.outer, way.inner) if axis.size > 1]
    lies = all(way.length.strides[i] == 1 and aligned[i] and all(step[i] * WIDTH[dtype] % 16 == 0 for step in steps) for i in full)
    return many if lies else 1


@functools.lru_cache(maxsize=1024)
def launch_for(passname: str, dtype: str, has: tuple[Has, ...], aligned: tuple[bool, ...], way: Geometry, limit: int) -> Launch:
    """How to launch a pass over rows: held in registers, then in shared memory; longer ones are read again from the cache.

    ``aligned`` says which operands begin at a multiple of 16 bytes, ``limit`` how many bytes of shared memory a block may have.
    """
    n, full = way.length.size, [i for i, k in enumerate(has) if k == Has.ALL]
    reads = [i for i in full if i < len(has) - 1]
    next_row = (way.inner if way.inner.size > 1 else way.outer).strides
    side_by_side = n > 1 < way.rows and sum(abs(next_row[i]) for i in full) < sum(abs(way.length.strides[i]) for i in full)
    pack = 1 if side_by_side else pack_of(dtype, full, aligned, way)
    most = THREADS // WARP if side_by_side else THREADS
    elements = FEWER if passname.startswith(("kl_", "js_")) else HELD
    size = power_of_two(math.ceil(math.ceil(n / pack) / max(elements // pack, 1)))
    held = size <= most
    size = min(size, most)
    # a team of more than a warp waits at barriers of its block, and so has the block to itself
    threads = max(FEWEST, size * WARP) if side_by_side else FEWEST if size <= WARP else size
    room = 8 * threads if side_by_side or size > WARP else 0
    stage = len(reads) * math.ceil(n * WIDTH[dtype] / 16) * 16
    # so little that as many blocks fit as there are registers for
    fits = (limit + RESERVED) // RESIDENT[dtype] - RESERVED
    staged = not (held or side_by_side) and 8 * threads + stage <= fits
    if staged:
        room = 8 * threads + stage
    blocks = min(math.ceil(way.rows / (threads // size)), BLOCKS)
    return Launch(kernel_name(passname, dtype, held, pack), blocks, threads, room, size, side_by_side, staged)


def arguments(launch: Launch, addresses: Sequence[int], way: Geometry) -> list[int]:
    """What the kernel is called with."""
    strides = zip(addresses, way.length.strides, way.outer.strides, way.inner.strides, strict=True)
    operands = [value for operand in strides for value in operand]
    return [*operands, way.length.size, way.rows, way.inner.size, launch.size, int(launch.side_by_side), int(launch.staged)]


@functools.lru_cache(maxsize=1024)
def in_line(n: int, rows: int, has: tuple[Has, ...]) -> Geometry:
    """Rows that lie one after the other."""
    along: Strides = tuple(int(k == Has.ALL) for k in has)
    return Geometry(Axis(n, along), Axis(rows, tuple((0, 1, n)[k] for k in has)), Axis(1, (0,) * len(has)), ())


def cuda_engine(device: CudaDevice) -> Engine:
    """The engine that runs passes on a device.

    Parameters
    ----------
    device : CudaDevice
        How the library launches kernels.

    Returns
    -------
    object
        What `fused` takes as ``engine``.
    """

    def limit(dtype: str, n: int, way: Geometry | None) -> str | None:
        if (reason := too_many_limbs(dtype, n)) is not None:
            return reason
        launches = 1 if way is None else math.prod(axis.size for axis in way.loops)
        return None if launches <= LAUNCHES else f"the kept axes do not lie as two: {launches} launches, more than {LAUNCHES}"

    def run(
        name: str,
        memory: Memory,
        dtype: str,
        shape: tuple[int, ...],
        operands: Sequence[Array | None],
        has: tuple[Has, ...],
        way: Geometry | None,
        more: Sequence[int] = (),
    ) -> None:
        like = operands[-1]
        if way is None:
            way = in_line(shape[-1], math.prod(shape[:-1]), has)
        base = [0 if x is None else x if isinstance(x, int) else memory.address(x) for x in operands]
        width = [0 if x is None or isinstance(x, int) else memory.width(x) for x in operands]
        for offset in way.offsets():
            addresses = [a + w * o for a, w, o in zip(base, width, offset, strict=True)]
            launch = launch_for(name, dtype, has, tuple([a % 16 == 0 for a in addresses]), way, device.shared(like))
            values = [*arguments(launch, addresses, way), *more]
            device.launch(like, name, dtype, launch.kernel, launch.blocks, launch.threads, launch.shared, values)

    return Engine("cuda", device.unavailable, limit, run)
