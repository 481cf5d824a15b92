"""Derive every constant of the portable arithmetic with mpmath and write ``lsmx/_definition/constants.py``.

    python tools/derive_constants.py            # writes the file
    python tools/derive_constants.py --check    # exit code 1 if the file is not what comes out here

The polynomials are Chebyshev fits, which are within a hair of minimax on these short intervals; their
coefficients are then rounded to the format that evaluates them.
"""

from __future__ import annotations

import argparse
import pathlib
import struct
import sys
from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60
TARGET = pathlib.Path(__file__).parents[1] / "lsmx" / "_definition" / "constants.py"
TABLE = 64  # intervals of [1, 2) for the logarithm and the reciprocal
FACTOR_BITS = 8  # a table factor has so many bits, so that its products with half words are exact


def nearest(value: mp.mpf, bits: int) -> float:
    """``value`` to nearest-even with a significand of ``bits`` bits."""
    if not value:
        return 0.0
    scale = mp.mpf(2) ** (bits - 1 - int(mp.floor(mp.log(abs(value), 2))))
    return float(mp.nint(value * scale) / scale)


def on_grid(value: mp.mpf, exponent: int) -> float:
    """The multiple of ``2**exponent`` that is nearest to ``value``."""
    return float(mp.nint(mp.ldexp(value, -exponent)) * mp.mpf(2) ** exponent)


def fit(function: Callable[[mp.mpf], mp.mpf], low: mp.mpf, high: mp.mpf, terms: int, bits: int) -> tuple[float, ...]:
    """Coefficients of ``function`` on ``[low, high]``, highest power first."""
    return tuple(nearest(c, bits) for c in mp.chebyfit(function, [low, high], terms))


def series(start: int, sign: int, factorial: bool) -> Callable[[mp.mpf], mp.mpf]:
    """``sum_k sign^k x^k / w(k + start)`` with ``w`` the factorial or the index: stable near zero."""

    def function(x: mp.mpf) -> mp.mpf:
        return mp.fsum((sign * x) ** k / (mp.factorial(k + start) if factorial else k + start) for k in range(60))

    return function


def factors() -> list[float]:
    """``c[i]``, about ``1 / s`` for ``s`` in interval ``i`` of [1, 2); ``c[0]`` is exactly 1."""
    return [1.0] + [nearest(1 / (1 + (i + mp.mpf("0.5")) / TABLE), FACTOR_BITS) for i in range(1, TABLE)]


def psi_rest(t: mp.mpf) -> mp.mpf:
    """``(h^2 / 2 - psi(h)) / h^4`` at ``t = h^2``, with ``psi(h) = h tanh h - ln cosh h``."""
    h = mp.sqrt(t)
    return (t / 2 - h * mp.tanh(h) + mp.log(mp.cosh(h))) / t**2 if t > mp.mpf("1e-9") else mp.mpf(1) / 4 - t / 9


def constants(
    bits: int, ln2_bits: int, exp_terms: int, log_terms: int, inv_terms: int, phi_terms: int, psi_terms: int
) -> dict[str, object]:
    """All constants of the format with ``bits`` bits in its significand."""
    half = mp.log(2) / 2 * mp.mpf("1.001")  # the reduction may miss its interval by a rounding
    edge = mp.mpf(2) ** -6  # |c*s - 1| of every table interval
    ln2_hi = nearest(mp.log(2), ln2_bits)
    logs = [-mp.log(mp.mpf(c)) for c in factors()]
    coarse = [on_grid(v, -ln2_bits) for v in logs]
    return {
        "LOG2E": nearest(1 / mp.log(2), bits),
        "LN2_HI": ln2_hi,
        "LN2_LO": nearest(mp.log(2) - mp.mpf(ln2_hi), bits),
        "EXP": fit(series(2, 1, True), -half, half, exp_terms, bits),
        "LOG": fit(lambda f: -series(2, -1, False)(f), -edge, edge, log_terms, bits),
        "INV": fit(lambda f: 1 / (1 + f), -edge, edge, inv_terms, bits),
        "PHI": fit(series(3, 1, True), mp.mpf(-1), mp.mpf(1), phi_terms, bits),
        "PSI": fit(psi_rest, mp.mpf(0), mp.mpf(1), psi_terms, bits),
        "LOG_TABLE_HI": tuple(coarse),
        "LOG_TABLE_LO": tuple(nearest(v - mp.mpf(h), bits) for v, h in zip(logs, coarse, strict=True)),
    }


def literal(value: object) -> str:
    """``value`` as source."""
    if isinstance(value, float):
        return repr(value)
    assert isinstance(value, tuple)
    return "(\n" + "".join(f"    {literal(v)},\n" for v in value) + ")"


def module() -> str:
    """The text of ``constants.py``."""
    lines = [
        '"""Constants of the portable arithmetic, written by ``tools/derive_constants.py``: do not edit.',
        "",
        "EXP: (e^r - 1 - r) / r^2 on |r| <= ln2/2. LOG: (ln(1+f) - f) / f^2, INV: 1/(1+f), on |f| <= 2^-6.",
        "PHI: (e^d - 1 - d - d^2/2) / d^3 on |d| <= 1. PSI: (h^2/2 - psi(h)) / h^4 in h^2, h <= 1, psi(h) = h tanh h - ln cosh h.",
        "All with the highest power first. LN2_HI + LN2_LO: ln 2 in two words, the first one short.",
        "TABLE: c[i] near 1/s for s in [1 + i/64, 1 + (i+1)/64). LOG_TABLE: -ln c[i] in two words.",
        '"""',
        "",
        f"TABLE = {literal(tuple(factors()))}",
    ]
    for prefix, names in (
        ("SINGLE", constants(24, 17, exp_terms=5, log_terms=4, inv_terms=5, phi_terms=7, psi_terms=7)),
        ("DOUBLE", constants(53, 40, exp_terms=11, log_terms=8, inv_terms=10, phi_terms=14, psi_terms=15)),
    ):
        lines += [f"{prefix}_{name} = {literal(value)}" for name, value in names.items()]
    for value in constants(24, 17, 5, 4, 5, 7, 7).values():
        for v in value if isinstance(value, tuple) else (value,):
            assert struct.unpack("f", struct.pack("f", v))[0] == v, "a single constant that is not one"
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the file is current")
    text = module()
    if parser.parse_args().check:
        same = TARGET.read_text() == text
        print(f"{TARGET.name}: {'as derived' if same else 'DIFFERS from what is derived here'}")
        return 0 if same else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
