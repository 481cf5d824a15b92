"""The digests that hold the promise across machines and releases: one per function, dtype and generated case."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from lsmx import ARITHMETIC_VERSION
from lsmx.extend import FORMAT_OF
from lsmx.testing.bits import digest
from lsmx.testing.losses import function_of

FILE = "golden.json"


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


def digest_of(results: dict[str, Any], dtype: str, function: str) -> str:
    """One digest for all directions; values and JVPs of functions that widen are in the format that is computed in."""
    wide = FORMAT_OF[dtype].dtype if function_of(function).widens else dtype
    kept = {direction: dtype if direction.startswith(("backward", "jacobian")) else wide for direction in results}
    return digest(*((results[direction], kept[direction]) for direction in sorted(results)))
