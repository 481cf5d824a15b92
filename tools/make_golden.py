"""Write ``lsmx/testing/golden.json`` from the definition on NumPy: only when ``ARITHMETIC_VERSION`` or the cases change.

python tools/make_golden.py
"""

from __future__ import annotations

import json
import pathlib

import lsmx
from lsmx.testing import cases, wanted
from lsmx.testing.golden import FILE, digest_of, key
from lsmx.testing.losses import CASES, OPTIONS

TARGET = pathlib.Path(__file__).parents[1] / "lsmx" / "testing" / FILE


def main() -> None:
    """Compute every digest and write the file."""
    digests = {
        key(function, dtype, case.name): digest_of(wanted(function, dtype, case), dtype, function)
        for function in ("log_softmax", "softmax", "logsumexp")
        for dtype in ("float16", "bfloat16", "float32", "float64")
        for case in cases()
    } | {
        key(name, dtype, case.name): digest_of(wanted(name, dtype, case), dtype, name)
        for name in OPTIONS
        for dtype in ("float16", "bfloat16", "float32", "float64")
        for case in cases()
        if case.name in CASES
    }
    TARGET.write_text(json.dumps({"arithmetic_version": lsmx.ARITHMETIC_VERSION, "digests": digests}, indent=1) + "\n")


if __name__ == "__main__":
    main()
