"""The parts of the arithmetic against exact integers and rationals."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from fractions import Fraction
from typing import Any

import array_api_compat.numpy as xnp
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import lsmx
from lsmx import extend
from lsmx._definition import exp, log, sums, words
from lsmx._definition.constants import TABLE
from lsmx._definition.ops import power_from_bits, power_from_table
from lsmx._definition.rows import Rows
from lsmx.testing import differing
from tests import oracle

HOME = pathlib.Path(lsmx.__file__).parents[1]
FORMATS = pytest.mark.parametrize("fmt", [extend.SINGLE, extend.DOUBLE], ids=["single", "double"])


def ops(fmt: extend.Format, bits: int = 64) -> extend.Ops:
    return extend.Ops(xnp, "cpu", fmt, (getattr(np, f"int{bits}"), bits), power=power_from_bits)


def exact(pair: tuple[np.ndarray, np.ndarray]) -> list[Fraction]:
    return [Fraction(float(h)) + Fraction(float(low)) for h, low in zip(*(np.ravel(v) for v in pair), strict=True)]


def test_constants_are_what_is_derived() -> None:
    done = subprocess.run(
        [sys.executable, "tools/derive_constants.py", "--check"], cwd=HOME, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@FORMATS
def test_constants_keep_their_products_exact(fmt: extend.Format) -> None:
    """What the reduction and the table rest on."""
    largest = round(-fmt.underflow * fmt.log2e)
    for j in (*range(-largest, largest + 1, 7), largest):
        product = Fraction(fmt.ln2_hi) * j
        assert Fraction(float(np.dtype(fmt.dtype).type(fmt.ln2_hi) * np.dtype(fmt.dtype).type(j))) == product
    assert all(Fraction(c).numerator.bit_length() <= 8 for c in TABLE)
    assert TABLE[0] == 1.0
    assert fmt.exp[-1] == 0.5
    assert fmt.log[-1] == -0.5
    assert fmt.inv[-1] == 1.0


@FORMATS
def test_both_powers_are_exact(fmt: extend.Format) -> None:
    k = np.arange(fmt.tiny, fmt.huge + 1, dtype=fmt.dtype)
    want = [2.0**e for e in range(fmt.tiny, fmt.huge + 1)]
    assert power_from_bits(ops(fmt), k).tolist() == want
    assert power_from_table(ops(fmt), k).tolist() == want


@FORMATS
def test_exponent(fmt: extend.Format) -> None:
    rng = np.random.default_rng(0)
    powers = [2.0**e for e in range(fmt.tiny, fmt.huge + 1)]
    a = np.asarray([*powers, *(p * (2 - 2.0 ** (1 - fmt.precision)) for p in powers), *rng.random(100)], dtype=fmt.dtype)
    with np.errstate(over="ignore"):  # of what is not chosen
        assert sums.exponent(ops(fmt), a).tolist() == (np.frexp(a)[1] - 1).tolist()


@hypothesis.given(st.lists(st.tuples(*[st.floats(-(2.0**100), 2.0**100, width=32)] * 2), min_size=1))
def test_two_sum_is_exact(pairs: list[tuple[float, float]]) -> None:
    a, b = np.asarray(pairs, dtype=np.float32).T
    a, b = (np.where(np.abs(v) < 1e-20, np.float32(0), v) for v in (a, b))
    assert exact(words.two_sum(a, b)) == [Fraction(float(x)) + Fraction(float(y)) for x, y in zip(a, b, strict=True)]
    big, small = np.where(np.abs(a) >= np.abs(b), a, b), np.where(np.abs(a) >= np.abs(b), b, a)
    assert exact(words.fast_two_sum(big, small)) == exact(words.two_sum(a, b))


def words_by_the_law(fmt: extend.Format, number: int) -> tuple[float, float]:
    """An integer as a double word: pieces of ``precision - 4`` bits from its last bit upwards, added coarse to fine."""
    size, kind, pieces = fmt.precision - 4, np.dtype(fmt.dtype).type, []
    while not -(2**size) <= number < 2**size:
        pieces.append((number % 2**size, len(pieces)))
        number >>= size
    high, rest = kind(number) * kind(2.0 ** (size * len(pieces))), kind(0.0)
    for piece, place in pieces[::-1]:
        high, error = words.fast_two_sum(high, kind(piece) * kind(2.0 ** (size * place)))
        rest = rest + error
    high, low = words.fast_two_sum(high, rest)
    return float(high), float(low)


def cut(number: int, gaps: tuple[int, ...]) -> list[sums.Digit]:
    """An integer in carried digits with so many bits each, the last one first; what is left is the first digit."""
    digits, weight = [], 0
    for gap in gaps:
        digits.append(sums.Digit(np.asarray([number % 2**gap]), weight, gap))
        number >>= gap
        weight -= gap
    return [sums.Digit(np.asarray([number]), weight, max(number.bit_length(), 1)), *digits[::-1]]


def by_digits(ops: extend.Ops, digits: list[sums.Digit]) -> words.Words:
    """As it was before arithmetic 3: each digit is cut from its own last bit."""
    size = ops.format.precision - 4
    found = []
    for value, weight, bits in digits:
        for low in range((-(-bits // size) - 1) * size, -1, -size):
            piece = value >> low
            piece = piece & (2**size - 1) if low + size < bits else piece
            found.append(ops.floating(piece) * 2.0 ** (low - weight))
    high, rest = found[0], 0.0 * found[0]
    for piece in found[1:]:
        high, error = words.fast_two_sum(high, piece)
        rest = rest + error
    return words.fast_two_sum(high, rest)


CUTS = {"float32": ((22,), (16, 22), (8, 8, 8, 8), (14, 8, 22)), "float64": ((40,), (20, 40), (40, 30), (10, 10, 10, 10))}


def differences(fmt: extend.Format, way: Any) -> int:
    """How many of many integers, of both signs, do not have the words of the law by some cut."""
    rng, found = np.random.default_rng(3), 0
    for n in range(4000):
        number = int(rng.integers(-(2**62), 2**62)) >> int(rng.integers(0, 40)) if n > 40 else n - 20
        if fmt is extend.DOUBLE and n > 100:
            number = number * 2**60 + int(rng.integers(0, 2**60))
        want = words_by_the_law(fmt, number)
        for gaps in CUTS[fmt.dtype]:
            digits = cut(number, gaps)
            if digits[0].bits < 63:
                high, low = way(ops(fmt), digits)
                found += (float(high[0]), float(low[0])) != want
    return found


@FORMATS
def test_words_do_not_depend_on_the_cut(fmt: extend.Format) -> None:
    assert differences(fmt, sums.words) == 0
    assert differences(fmt, by_digits) >= 20


def test_words_are_the_same_in_integers_of_32_and_64_bits() -> None:
    """Terms and cotangents, in rows whose sums the two cut apart in their own ways."""
    rng = np.random.default_rng(4)
    for n in (3, 40, 700, 70_000):
        v = (rng.standard_normal((300 if n < 1000 else 9, n)) * np.exp2(rng.uniform(-3, 3, (1, n)))).astype(np.float32)
        v[::2] = np.abs(v[::2])
        largest = np.abs(v).max(axis=1, keepdims=True)
        e = np.floor(np.log2(largest))
        for less in (None, largest):
            wide, narrow = (sums.sum_scaled(ops(extend.SINGLE, bits), v, e, (1,), less) for bits in (64, 32))
            assert [differing(a, b) for a, b in zip(narrow, wide, strict=True)] == [None, None]
        assert (wide[0] < 0).any()
        assert (wide[1] != 0).any()


@pytest.mark.parametrize(("fmt", "bits"), [(extend.SINGLE, 32), (extend.SINGLE, 64), (extend.DOUBLE, 64)])
@hypothesis.given(st.data())
@hypothesis.settings(max_examples=100, deadline=None, derandomize=True)
def test_the_sum_is_the_rule(fmt: extend.Format, bits: int, data: st.DataObject) -> None:
    """``R``, from the terms to the bits of its words, in integers."""
    kind, weight = np.dtype(fmt.dtype).type, sum(fmt.limbs)
    x = np.asarray([0.0, *data.draw(st.lists(st.floats(fmt.underflow - 3, 0), max_size=50))], dtype=fmt.dtype)
    o = ops(fmt, bits)
    z2 = sorted(x)[-2] if len(x) > 1 else kind(-np.inf)

    def t(x: np.ndarray) -> np.ndarray:
        return exp.exp(o, exp.difference(o, x, np.zeros_like(x))).value(o)

    with np.errstate(invalid="ignore"):
        t2, terms = t(np.asarray([z2], dtype=fmt.dtype))[0], t(np.minimum(x, z2))
        got = Rows(o, (1,), (1, len(x)), None, np.dtype(fmt.dtype)).sum_exp(x[None]).rest
    if t2 == 0:
        assert [float(word[0, 0]) for word in got] == [0.0, 0.0]
        return
    e = int(np.frexp(t2)[1]) - 1
    integers = [round(Fraction(float(v)) / Fraction(2) ** e * 2**weight) for v in (*terms, t2)]
    want = [kind(word) * kind(2.0**-weight) * kind(2.0**e) for word in words_by_the_law(fmt, sum(integers[:-1]) - integers[-1])]
    assert [float(word[0, 0]) for word in got] == [0.0 if abs(word) < fmt.least else float(word) for word in want]


@pytest.mark.parametrize(("fmt", "bits"), [(extend.SINGLE, 32), (extend.SINGLE, 64), (extend.DOUBLE, 64)])
@hypothesis.given(st.data())
@hypothesis.settings(max_examples=100, deadline=None, derandomize=True)
def test_the_exact_sum_is_the_rule(fmt: extend.Format, bits: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40))
    v = np.where(np.abs(values) < 1e-6, 0.0, values).astype(fmt.dtype)
    largest = np.abs(v).max()
    got = sums.exact_sum(ops(fmt, bits), v[None], largest[None, None], (1,))
    power = Fraction(2) ** (int(np.frexp(largest)[1]) - 1) if largest else Fraction(1)
    want = Fraction(0)
    for x in v:
        scaled = Fraction(float(x)) / power * 2 ** fmt.limbs[0]
        first = round(scaled)
        want += (first + Fraction(round((scaled - first) * 2 ** fmt.limbs[1]), 2 ** fmt.limbs[1])) / 2 ** fmt.limbs[0] * power
    assert exact(got)[0] == want


@FORMATS
def test_logarithm_and_reciprocal(fmt: extend.Format) -> None:
    """Over the table's edges and eleven decades: the first word to 0.51 ulp, the reciprocal to 0.55."""
    rng = np.random.default_rng(1)
    edges = np.asarray([i / 64 for i in range(1, 64)])
    rest = np.concatenate(
        [edges, np.nextafter(edges, 0), 2.0 ** rng.uniform(-40, 30, 2000), rng.random(2000), [0.0, 1.0, 3.0, 2.0**33]]
    )
    high = rest.astype(fmt.dtype)
    low = (high * 2.0 ** (-fmt.precision - 1) * rng.uniform(-1, 1, high.shape)).astype(fmt.dtype)
    o = ops(fmt)
    normal = log.normalise(o, (high, low))
    (L, _), (w, _) = log.log(o, normal), log.reciprocal(o, normal)
    s = [1 + oracle.number(h) + oracle.number(v) for h, v in zip(high, low, strict=True)]
    from lsmx.testing import ulp_error

    nonzero = np.flatnonzero(high)
    assert L[high == 0].tolist() == [0.0]
    assert ulp_error(L[nonzero], [oracle.mp.log1p(s[i] - 1) for i in nonzero]) <= 0.51
    assert ulp_error(w, [1 / v for v in s]) <= 0.55


@FORMATS
def test_exponential(fmt: extend.Format) -> None:
    """``e^r - 1`` to 0.8 ulp of the larger of itself and a quarter, ``2^k e^r`` to 1 ulp, however the reference cancels."""
    from lsmx.testing import ulp_error

    rng = np.random.default_rng(2)
    m = rng.choice([0.0, 0.3, -5.1, 20.7, 90.1, -95.3, 170.0, 300.5, -2000.7, 1e6], 3000).astype(fmt.dtype)
    x = (m - rng.uniform(0, 85, m.shape) * rng.integers(0, 2, m.shape)).astype(fmt.dtype)
    o = ops(fmt)
    got = exp.exp(o, exp.difference(o, x, m)).value(o)
    true = [oracle.mp.exp(oracle.number(a) - oracle.number(b)) for a, b in zip(x, m, strict=True)]
    assert ulp_error(got, true) <= 1.0
    assert (got[x == m] == 1.0).all()


def test_a_float_that_is_no_bfloat16_is_noticed() -> None:
    from lsmx.testing import bits

    with pytest.raises(AssertionError, match="no bfloat16"):
        bits(np.asarray([1.0000001], dtype=np.float32), "bfloat16")
