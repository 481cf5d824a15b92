"""Double words: a number as the unevaluated sum of two floats, the second below the first one's last bit.

Exact by Dekker, "A floating-point technique for extending the available precision" (1971), and Knuth, TAOCP 2, 4.2.2.
There are no products, so a compiler has nothing to contract.
"""

from __future__ import annotations

from lsmx._definition.ops import Array

Words = tuple[Array, Array]


def two_sum(a: Array, b: Array) -> Words:
    """``(h, l)`` with ``h = round(a + b)`` and ``h + l = a + b`` exactly."""
    h = a + b
    t = h - a
    return h, (a - (h - t)) + (b - t)


def fast_two_sum(a: Array, b: Array) -> Words:
    """``two_sum`` where ``|a| >= |b|`` or ``a == 0``."""
    h = a + b
    return h, b - (h - a)
