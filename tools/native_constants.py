"""Write ``lsmx/_native/include/lsmx/constants.h`` from the definition's constants, or check that it is up to date.

python tools/native_constants.py [--check]
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterable

HOME = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(HOME))

from lsmx._definition.constants import TABLE  # noqa: E402
from lsmx._definition.formats import DOUBLE, SINGLE, Format  # noqa: E402

HEADER = HOME / "lsmx/_native/include/lsmx/constants.h"
TYPES = {"float32": "float", "float64": "double"}
TOP = """\
// The constants of the law, written by tools/native_constants.py from lsmx/_definition: do not edit.
#pragma once
#include "numbers.h"

#ifdef __CUDACC__
#define LSMX_TABLE __device__ const
#else
#define LSMX_TABLE alignas(64) static constexpr
#endif

namespace LSMX_TARGET {
"""


def number(x: float, kind: str = "F") -> str:
    """A constant, exactly."""
    return f"{kind}({float(x).hex()})"


def listed(values: Iterable[float], kind: str = "F") -> str:
    """Constants in a row."""
    return ", ".join(number(x, kind) for x in values)


def derived(fmt: Format) -> tuple[dict[str, int], dict[str, tuple[float, str]]]:
    """What follows from a format: its integers, and its floats with what they are for."""
    p, (w0, w1) = fmt.precision, fmt.limbs[:2]
    piece = p - 4
    integers = {
        "fraction": p - 1,
        "bias": fmt.huge,
        "table_bits": len(TABLE).bit_length() - 1,
        "split": w1 + 1,
        "piece": piece,
    }
    floats = {
        "log2e": (fmt.log2e, ""),
        "ln2_hi": (fmt.ln2_hi, ""),
        "ln2_lo": (fmt.ln2_lo, ""),
        "underflow": (fmt.underflow, "exp of this is still normal"),
        "one": (1.5 * 2.0 ** (p - 1), "x + this has a last bit of 1"),
        "grid_first": (1.5 * 2.0 ** (p - w0), "of 2^split times the grid of 2^0"),
        "grid_second": (1.5 * 2.0 ** (p - 1 - w0 - w1), "of the grid of 2^0"),
        "half_word": (1.5 * 2.0 ** (p - 1 - (p - 1) // 2), "of half the word"),
        "unit_top": (2.0 ** (3 * piece - w0 - w1), "pieces of an integer in units of the grid of 2^0"),
        "unit_high": (2.0 ** (2 * piece - w0 - w1), ""),
        "unit_middle": (2.0 ** (piece - w0 - w1), ""),
        "unit_low": (2.0 ** -(w0 + w1), ""),
        "least": (fmt.least, "what is smaller counts as zero"),
        "least_exact": (2.0 ** (fmt.tiny + p + 1), "what a sum of larger ones rounds off is normal"),
        "least_pair": (2.0 ** (fmt.tiny + 2 * p + 2), "a double word below it has no second word"),
        "splitter": (2.0 ** ((p + 1) // 2) + 1.0, "of Veltkamp's halves"),
        "largest_divisor": (2.0**fmt.huge, "a temperature is below it"),
        "largest_exponent": (fmt.huge - 1, "that has a normal 2^-e"),
        "far": (-0.35, "below it, round(x log2 e) is not 0"),
        "mild": (-40.0 if fmt.dtype == "float32" else -350.0, "above it, what is done with a probability cannot underflow"),
        "deep": (-50.0 if fmt.dtype == "float32" else -600.0, "a second logit so far below the first has a grid that is scaled"),
        "plain": (2.0 ** (fmt.tiny * 4 // 9), "cotangents of at least this size"),
        "plain_most": (2.0 ** (fmt.huge - p + w0 - 2), "and below this one, whose grid is finite"),
        "plain_sum": (2.0 ** (fmt.tiny * 5 // 18), "sums of at least this size, times probabilities that are mild, stay normal"),
        "mild_sum": (2.0 ** (fmt.huge - 1), "and below this size, finite"),
    }
    return integers, floats


def constants(fmt: Format) -> str:
    """``Format<F>`` and its table."""
    kind = TYPES[fmt.dtype]
    integers, floats = derived(fmt)
    rows = (f"    {{{listed((*row, 0.0), kind)}}}," for row in zip(TABLE, fmt.log_table_hi, fmt.log_table_lo, strict=True))
    lines = ["// c near 1/s, and -ln c in two words", f"LSMX_TABLE {kind} {kind}_table[{len(TABLE)}][4] = {{", *rows, "};", ""]
    lines += [f"template <> struct Format<{kind}> {{", f"    using F = {kind};"]
    lines += [f"    static constexpr int {name} = {value};" for name, value in integers.items()]
    for name, (value, meaning) in floats.items():
        lines.append(f"    static constexpr F {name} = {number(value)};{f'  // {meaning}' if meaning else ''}")
    for name, coefficients in {"exp": fmt.exp, "log": fmt.log, "inv": fmt.inv[:-1], "phi": fmt.phi, "psi": fmt.psi}.items():
        lines.append(f"    template <class N> LAW static N {name}_polynomial(N x) {{ return horner(x, {listed(coefficients)}); }}")
    lines.append(f"    LAW static const F* table(int i) {{ return {kind}_table[i]; }}")
    return "\n".join([*lines, "};", ""])


def header() -> str:
    """The whole file."""
    return "\n".join([TOP, constants(SINGLE), constants(DOUBLE), "}  // namespace LSMX_TARGET", ""])


def main(words: list[str]) -> int:
    """Write the file, or say whether it is up to date."""
    if words == ["--check"]:
        same = HEADER.exists() and HEADER.read_text() == header()
        print(f"{HEADER.name}: {'up to date' if same else 'not what the definition has; run tools/native_constants.py'}")
        return not same
    HEADER.write_text(header())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
