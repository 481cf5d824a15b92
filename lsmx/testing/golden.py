"""Stored digests of the results of each function, dtype and generated case, which hold on all machines and in all releases."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from lsmx import ARITHMETIC_VERSION, registered
from lsmx.extend import FORMAT_OF
from lsmx.testing.bits import digest

FILE = "golden.json"
FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
DTYPES = ("float16", "bfloat16", "float32", "float64")


@functools.cache
def golden() -> dict[str, str]:
    """``"function/dtype/case"`` to digest, for this ``ARITHMETIC_VERSION``."""
    stored = json.loads(resources.files("lsmx.testing").joinpath(FILE).read_text())
    if stored["arithmetic_version"] != ARITHMETIC_VERSION:
        raise ValueError(f"{FILE} is of arithmetic version {stored['arithmetic_version']}, the code of {ARITHMETIC_VERSION}")
    digests: dict[str, str] = stored["digests"]
    return digests


def key(function: str, dtype: str, case: str) -> str:
    """The name of a digest."""
    return f"{function}/{dtype}/{case}"


def digest_of(function: str, dtype: str, results: dict[str, Any]) -> str:
    """One digest for all directions."""
    return digest(*((results[direction], dtype_of(function, dtype, direction)) for direction in sorted(results)))


def dtype_of(function: str, dtype: str, direction: str) -> str:
    """The dtype of a result: values and JVPs of a loss are in the format that is computed in."""
    widens = registered()[function].function.widens and not direction.startswith(("backward", "jacobian"))
    return FORMAT_OF[dtype].dtype if widens else dtype
