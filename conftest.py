"""The test matrix: a test that asks for ``backend`` runs on each library of ``--backends``, with ``dtype`` on each of its dtypes.

One that asks for ``device`` does so on those of them that are CUDA devices.

A library that cannot run here is skipped, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lsmx._registry import known_backends
from lsmx.testing import Target, target

CUDA = ("torch-cuda", "cupy")
DEFAULT = "numpy,torch,cupy,strict,strict-no_float64,strict-no_x64"


def in_tree(name: str, device: str | None = None) -> Target | str:
    """The target of an in-tree backend, or the reason why there is none."""
    backend = known_backends()[name]
    if isinstance(backend, str):
        return backend
    try:
        devices = backend.devices()
    except Exception as error:  # whatever the library raises for want of a device
        return f"{type(error).__name__}: {error}"
    if device is not None and not any(d.startswith(device) for d in devices):
        return f"no {device} device; there is {', '.join(devices)}"
    return target(backend, device, name if device is None else f"{name}-{device}")


def strict(device: str) -> Target:
    """array-api-strict on one of its devices; float64 is not on all of them."""
    import array_api_strict as xp

    place, host = xp.Device(device), xp.Device("CPU_DEVICE")
    dtypes = ("float32",) if device.startswith("no_") else ("float32", "float64")
    return Target(
        name="strict" if device == "CPU_DEVICE" else f"strict-{device}",
        dtypes=dtypes,
        from_numpy=lambda values, dtype: xp.asarray(values, dtype=getattr(xp, dtype), device=place),
        to_numpy=lambda x: np.asarray(x.to_device(host)),
    )


TARGETS: dict[str, Callable[[], Target | str]] = {
    "numpy": lambda: in_tree("numpy"),
    "torch": lambda: in_tree("torch"),
    "torch-cuda": lambda: in_tree("torch", "cuda"),
    "cupy": lambda: in_tree("cupy"),
    "strict": lambda: strict("CPU_DEVICE"),
    "strict-no_float64": lambda: strict("no_float64"),
    "strict-no_x64": lambda: strict("no_x64"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backends``."""
    parser.addoption("--backends", default=DEFAULT, help=f"comma-separated, among {', '.join(TARGETS)} (default: {DEFAULT})")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise ``backend`` or ``device``, with ``dtype`` together."""
    fixture = next((name for name in ("backend", "device") if name in metafunc.fixturenames), None)
    if fixture is None:
        return
    names = metafunc.config.getoption("--backends").split(",")
    unknown = [n for n in names if n not in TARGETS]
    if unknown:
        raise pytest.UsageError(f"--backends: {', '.join(unknown)} unknown; there are {', '.join(TARGETS)}")
    found = {name: TARGETS[name]() for name in names if fixture == "backend" or name in CUDA}
    if "dtype" not in metafunc.fixturenames:
        metafunc.parametrize(fixture, found.values(), ids=found.keys(), indirect=True)
        return
    pairs = [
        pytest.param(where, dtype, id=f"{name}-{dtype}")
        for name, where in found.items()
        for dtype in (("any",) if isinstance(where, str) else where.dtypes)
    ]
    metafunc.parametrize((fixture, "dtype"), pairs, indirect=[fixture])


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Target:
    """A library on a device."""
    if isinstance(request.param, str):
        pytest.skip(request.param)
    assert isinstance(request.param, Target)
    return request.param


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Target:
    """A library on a CUDA device."""
    if isinstance(request.param, str):
        pytest.skip(request.param)
    assert isinstance(request.param, Target)
    return request.param
