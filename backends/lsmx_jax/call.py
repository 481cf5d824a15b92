"""XLA's interface for calls of foreign functions, as far as it takes to be called with NumPy's views of its buffers.

The layout is that of ``xla/ffi/api/c_api.h``, version 0.1 and its compatible successors: https://openxla.org/xla/custom_call.
"""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p
from typing import Any, ClassVar

import jax
import ml_dtypes
import numpy as np

DTYPES = {1: np.bool_, 10: np.float16, 11: np.float32, 12: np.float64, 16: ml_dtypes.bfloat16}
METADATA, EXECUTE, INTERNAL = 1, 3, 13
HEAD: Any = [("struct_size", c_size_t), ("extension_start", c_void_p)]


class Extension(Structure):
    """``XLA_FFI_Extension_Base``, and the pointer that one about metadata has after it."""

    _fields_: ClassVar = [("struct_size", c_size_t), ("type", c_int), ("next", c_void_p), ("metadata", c_void_p)]


class Metadata(Structure):
    """``XLA_FFI_Metadata`` up to the version."""

    _fields_: ClassVar = [("struct_size", c_size_t), *[(f"api_{n}", t) for n, t in HEAD], ("major", c_int), ("minor", c_int)]


class Buffer(Structure):
    """``XLA_FFI_Buffer``."""

    _fields_: ClassVar = [*HEAD, ("dtype", c_int), ("data", c_void_p), ("rank", c_int64), ("dims", POINTER(c_int64))]

    def view(self) -> Any:
        """The buffer as a NumPy array."""
        shape, dtype = self.dims[: self.rank], np.dtype(DTYPES[self.dtype])
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        memory = (ctypes.c_char * size).from_address(self.data) if size else b""
        return np.frombuffer(memory, dtype).reshape(shape)


class Buffers(Structure):
    """``XLA_FFI_Args`` and ``XLA_FFI_Rets``."""

    _fields_: ClassVar = [*HEAD, ("size", c_int64), ("types", c_void_p), ("buffers", POINTER(POINTER(Buffer)))]

    def views(self) -> list[Any]:
        """All of them as NumPy arrays."""
        return [self.buffers[i].contents.view() for i in range(self.size)]


class Problem(Structure):
    """``XLA_FFI_Error_Create_Args``."""

    _fields_: ClassVar = [*HEAD, ("message", c_char_p), ("code", c_int)]


class Interface(Structure):
    """``XLA_FFI_Api`` up to the making of errors."""

    _fields_: ClassVar = [
        *HEAD,
        *[(f"api_{n}", t) for n, t in HEAD],
        ("major", c_int),
        ("minor", c_int),
        ("internal", c_void_p),
        ("create_error", CFUNCTYPE(c_void_p, POINTER(Problem))),
    ]


class Frame(Structure):
    """``XLA_FFI_CallFrame`` up to the results."""

    _fields_: ClassVar = [
        *HEAD,
        ("api", POINTER(Interface)),
        ("context", c_void_p),
        ("stage", c_int),
        ("arguments", Buffers),
        ("results", Buffers),
    ]


HANDLER = CFUNCTYPE(c_void_p, POINTER(Frame))
_targets: dict[str, Any] = {}


def target(key: str, compute: Callable[[list[Any], Any], None]) -> str:
    """The name under which XLA calls ``compute`` with views of the arguments and of the result."""
    name = f"lsmx {key}"
    if not _targets:
        atexit.register(finish)
    if name not in _targets:

        def handle(pointer: Any) -> int | None:
            frame = pointer.contents
            try:
                if not answered(frame):
                    compute(frame.arguments.views(), frame.results.views()[0])
            except BaseException as error:
                text = f"{name}: {type(error).__name__}: {error}".encode()
                problem = Problem(ctypes.sizeof(Problem), None, text, INTERNAL)
                reported: int = frame.api.contents.create_error(ctypes.byref(problem))
                return reported
            return None

        _targets[name] = HANDLER(handle)
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(_targets[name]), platform="cpu")
    return name


def finish() -> None:
    """Wait until XLA has made all its calls, one after the other: its threads would wait for ever for a Python that has ended."""
    name = target("finish", lambda views, out: None)
    for device in jax.local_devices(backend="cpu"):
        x = jax.device_put(np.zeros(1, dtype=np.float32), device)
        jax.block_until_ready(jax.jit(jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype)))(x))


def answered(frame: Any) -> bool:
    """Answers XLA's question for the version of the interface, if this call asks it."""
    if not frame.extension_start:
        return bool(frame.stage != EXECUTE)
    extension = Extension.from_address(frame.extension_start)
    if extension.type != METADATA:
        return False
    metadata = Metadata.from_address(extension.metadata)
    metadata.major, metadata.minor = 0, 1
    return True
