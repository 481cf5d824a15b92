"""The two formats that everything is computed in; float16 and bfloat16 are widened to ``SINGLE``, which is exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lsmx._definition import constants as k

ARITHMETIC_VERSION = 3
"""Changes whenever an output bit may change."""


@dataclass(frozen=True, eq=False, repr=False)
class Format:
    """The constants of one format.

    Attributes
    ----------
    dtype : str
        Name of the array dtype.
    precision : int
        Bits of the significand.
    huge, tiny : int
        Exponents: finite values are below ``2**(huge + 1)``, normal ones at least ``2**tiny``.
    limbs : tuple of int
        Bits of the two limbs of a scaled term: multiples of ``2**-limbs[0]``, and of ``2**-(limbs[0] + limbs[1])``.
    underflow : float
        ``exp(underflow)`` is still a normal number; a probability whose logarithm is lower counts as zero.
    log2e, ln2_hi, ln2_lo : float
        ``ln2_hi + ln2_lo = ln 2``; ``j * ln2_hi`` is exact for every exponent ``j`` that occurs.
    exp, log, inv : tuple of float
        Polynomials, highest power first: ``(e^r - 1 - r) / r^2``, ``(ln(1 + f) - f) / f^2``, ``1 / (1 + f)``.
    phi, psi : tuple of float
        ``(e^d - 1 - d - d^2 / 2) / d^3``, and ``(h^2 / 2 - psi(h)) / h^4`` in ``h^2`` with ``psi(h) = h tanh h - ln cosh h``.
    log_table_hi, log_table_lo : tuple of float
        ``-ln TABLE[i]`` in two words.
    """

    dtype: str
    precision: int
    huge: int
    tiny: int
    limbs: tuple[int, int]
    underflow: float
    log2e: float
    ln2_hi: float
    ln2_lo: float
    exp: tuple[float, ...]
    log: tuple[float, ...]
    inv: tuple[float, ...]
    phi: tuple[float, ...]
    psi: tuple[float, ...]
    log_table_hi: tuple[float, ...]
    log_table_lo: tuple[float, ...]

    @cached_property
    def least(self) -> float:
        """Twice the least normal number: what is smaller counts as zero."""
        return 2.0 ** (self.tiny + 1)

    def __repr__(self) -> str:
        return f"<Format {self.dtype}>"


SINGLE = Format(
    dtype="float32",
    precision=24,
    huge=127,
    tiny=-126,
    limbs=(22, 22),
    underflow=-87.0,
    log2e=k.SINGLE_LOG2E,
    ln2_hi=k.SINGLE_LN2_HI,
    ln2_lo=k.SINGLE_LN2_LO,
    exp=k.SINGLE_EXP,
    log=k.SINGLE_LOG,
    inv=k.SINGLE_INV,
    phi=k.SINGLE_PHI,
    psi=k.SINGLE_PSI,
    log_table_hi=k.SINGLE_LOG_TABLE_HI,
    log_table_lo=k.SINGLE_LOG_TABLE_LO,
)

DOUBLE = Format(
    dtype="float64",
    precision=53,
    huge=1023,
    tiny=-1022,
    limbs=(40, 40),
    underflow=-708.0,
    log2e=k.DOUBLE_LOG2E,
    ln2_hi=k.DOUBLE_LN2_HI,
    ln2_lo=k.DOUBLE_LN2_LO,
    exp=k.DOUBLE_EXP,
    log=k.DOUBLE_LOG,
    inv=k.DOUBLE_INV,
    phi=k.DOUBLE_PHI,
    psi=k.DOUBLE_PSI,
    log_table_hi=k.DOUBLE_LOG_TABLE_HI,
    log_table_lo=k.DOUBLE_LOG_TABLE_LO,
)

FORMAT_OF = {"float16": SINGLE, "bfloat16": SINGLE, "float32": SINGLE, "float64": DOUBLE}
"""The format that computes a dtype, by the dtype's name."""
