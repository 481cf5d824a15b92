"""Write ``lsmx/testing/golden.json`` from the definition on NumPy: only when ``ARITHMETIC_VERSION`` or the cases change.

python tools/make_golden.py
"""

from __future__ import annotations

import json
import pathlib

import lsmx
from lsmx.testing import wanted
from lsmx.testing.golden import DTYPES, FILE, FUNCTIONS, digest_of, key
from lsmx.testing.losses import LOSSES, cases_of

TARGET = pathlib.Path(__file__).parents[1] / "lsmx" / "testing" / FILE


def main() -> None:
    """Compute every digest and write the file."""
    digests = {
        key(function, dtype, case.name): digest_of(function, dtype, wanted(function, dtype, case))
        for function in (*FUNCTIONS, *LOSSES)
        for dtype in DTYPES
        for case in cases_of(function)
    }
    TARGET.write_text(json.dumps({"arithmetic_version": lsmx.ARITHMETIC_VERSION, "digests": digests}, indent=1) + "\n")


if __name__ == "__main__":
    main()
