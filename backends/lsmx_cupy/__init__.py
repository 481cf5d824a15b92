"""CuPy arrays.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

from __future__ import annotations

from typing import Any

import cupy

from lsmx.extend import Backend, Format, Ops, power_from_bits
from lsmx_cupy import namespace
from lsmx_cupy.cuda import KERNELS

try:
    import ml_dtypes  # CuPy 14 takes its bfloat16

    BFLOAT16 = cupy.dtype(ml_dtypes.bfloat16) if int(cupy.__version__.partition(".")[0]) >= 14 else None
except ImportError:
    BFLOAT16 = None


def owns(kind: type) -> bool:
    """Arrays."""
    return issubclass(kind, cupy.ndarray)


def ops(x: Any, fmt: Format) -> Ops:
    """CuPy's operations, on the array's device."""
    return Ops(xp=namespace, device=x.device, format=fmt, integers=(cupy.int64, 64), power=power_from_bits)


def version() -> str:
    """CuPy's version."""
    return str(cupy.__version__)


def devices() -> list[str]:
    """The CUDA devices; raises what the driver says if there is none."""
    count = cupy.cuda.runtime.getDeviceCount()
    return [f"cuda:{i} {cupy.cuda.runtime.getDeviceProperties(i)['name'].decode()}" for i in range(count)]


def from_numpy(values: Any, dtype: str, device: Any = None) -> Any:
    """An array in ``dtype``, on ``device`` or the current one."""
    with cupy.cuda.Device(int(device.partition(":")[2] or 0) if isinstance(device, str) else device):
        return cupy.asarray(values).astype(BFLOAT16 if dtype == "bfloat16" else dtype)


def to_numpy(x: Any) -> Any:
    """The array on the host; bfloat16 as float32."""
    return cupy.asnumpy(x.astype(cupy.float32) if x.dtype == BFLOAT16 else x)


backend = Backend(
    name="cupy",
    roots=("cupy",),
    owns=owns,
    ops=ops,
    version=version,
    devices=devices,
    dtypes=("float16", *(() if BFLOAT16 is None else ("bfloat16",)), "float32", "float64"),
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    kernels=KERNELS,
)
